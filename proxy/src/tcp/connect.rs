//! Where a TCP proxy's connection goes: choose a cluster, pick a host, connect (again), and where octets go inside a request open a
//! tunnel there. Called by `proxy`; it moves no octet of the client's.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::cluster::Discovery;
use config::metadata::Criteria;
use config::tcp_proxy::WeightedTcpCluster;
use tokio::time::{Instant, sleep};

use super::proxy::{TcpProxy, before};
use super::tunnel::{Opener, Tunnel, Unopened, has_no_value};
use crate::cluster::{
    Asks, ConnectFailure, Destination, Host, HttpWant, NameCache, Pick, PickFailure, Priority, TLVS_TOO_LONG, TcpLease,
    TcpWant, WorkerCluster, by_weight,
};
use crate::failure::ResponseFlags;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo, UpstreamConnection};
use crate::tls::AlpnList;
use crate::wire::message::Protocol;
use crate::worker::Worker;

/// Where octets go.
pub(super) enum Upstream {
    /// As they are. Boxed, for all connections would hold its room twice.
    Connection(Box<TcpLease>),
    /// Inside a request.
    Tunnel(Box<Tunnel>),
}

impl TcpProxy {
    /// The cluster of one connection, and what is asked of its hosts: the one that a filter has named, else by weight.
    fn choose(&self, connection: &ConnectionInfo) -> Option<(Arc<str>, Option<&Criteria>)> {
        if let Some(named) = state_text(connection, "envoy.tcp_proxy.cluster") {
            return Some((named, self.config.metadata_match.as_deref()));
        }
        if let [only] = &*self.config.clusters {
            return Some((only.name.clone(), only.metadata_match.as_deref()));
        }
        let total: u64 = self.config.clusters.iter().map(|cluster| u64::from(cluster.weight)).sum();
        let weight = |cluster: &WeightedTcpCluster| u64::from(cluster.weight);
        let chosen = by_weight(&self.config.clusters, weight, total, fastrand::u64(..));
        chosen.map(|cluster| (cluster.name.clone(), cluster.metadata_match.as_deref()))
    }
}

/// A connection without requests.
struct Octets<'a>(&'a ConnectionInfo);

impl Asks for Octets<'_> {
    fn connection(&self) -> &ConnectionInfo {
        self.0
    }

    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// How long a connection may be idle: as filters have said, or else the configuration.
pub(super) fn idle_timeout(proxy: &TcpProxy, connection: &ConnectionInfo) -> Option<Duration> {
    let said = state_text(connection, "envoy.tcp_proxy.per_connection_idle_timeout_ms");
    let said = said.and_then(|text| text.trim().parse().ok()).map(Duration::from_millis);
    said.or(proxy.config.idle_timeout)
}

/// An object of filter state, as text.
fn state_text(connection: &ConnectionInfo, key: &str) -> Option<Arc<str>> {
    connection.filter_state.borrow().text(key).map(Arc::from)
}

/// The ALPN names of a connection's filter state.
fn state_alpn(connection: &ConnectionInfo) -> Option<AlpnList> {
    let state = connection.filter_state.borrow();
    let names = state.get("envoy.network.application_protocols")?.value.split(|octet| *octet == b',');
    let names: Vec<Arc<[u8]>> = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()).map(Arc::from).collect();
    (!names.is_empty()).then(|| names.into())
}

/// A tunnel that is to be opened.
struct Wanted<'a> {
    opener: &'a Opener,
    host: Bytes,
    /// When it is too late.
    limit: Option<Instant>,
}

/// Why there is no upstream.
enum Failed {
    /// Connecting failed.
    Connect(ConnectFailure),
    /// The answer is none that opens a tunnel.
    Refused(Unopened),
    /// It took longer than a connection may be idle.
    Late,
}

/// A dynamic forward proxy has the host resolved itself where no filter has. Whether it leads anywhere but back here.
async fn resolves(names: Arc<NameCache>, name: &str, info: &StreamInfo) -> bool {
    names.settled(name).await.is_none_or(|name| !name.leads_back(&info.connection))
}

/// Connects to a host of the chosen cluster, until `limit`. `None`: `info` says why not.
pub(super) async fn connect(
    worker: &Rc<Worker>,
    proxy: &TcpProxy,
    info: &mut StreamInfo,
    limit: Option<Instant>,
) -> Option<Upstream> {
    let (chosen, asked) = proxy.choose(&info.connection)?;
    let Some(cluster) = worker.clusters.get(&worker.published, &chosen) else {
        proxy.stats.cx_no_route.inc();
        info.flags.set(ResponseFlags::NO_CLUSTER_FOUND);
        tracing::debug!(cluster = &*chosen, "connection refused: there is no such cluster");
        return None;
    };
    info.upstream_cluster = Some(cluster.name().clone());
    info.upstream_cluster_observed = cluster.observed_name().cloned();
    info.upstream_labels[0] = Some(cluster.clone());
    let tunnels =
        |_: &&Opener| state_text(&info.connection, "envoy.tcp_proxy.disable_tunneling").as_deref() != Some("true");
    let wanted = match proxy.opener.as_deref().filter(tunnels) {
        None => None,
        Some(opener) => {
            let host = match opener.host(info) {
                Ok(host) => host,
                Err(said) => {
                    info.flags.set(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
                    let why = "that is no host";
                    cluster.tell_no_tunnel("-", &said, why, "see what the format in tunneling_config.hostname reads");
                    return None;
                }
            };
            Some(Wanted { opener, host, limit })
        }
    };
    let hash = proxy.config.hash_source_ip.then(|| {
        // As Envoy hashes it, so that a mixed fleet sends a client to the same host.
        xxhash_rust::xxh64::xxh64(info.connection.remote.ip().to_string().as_bytes(), 0)
    });
    // What filters have said of the connection counts over the configuration.
    let connection = info.connection.clone();
    let has_subsets = cluster.config().subsets.is_some();
    let said = has_subsets
        .then(|| connection.metadata.borrow().get("envoy.lb").map(|said| Criteria::said(asked, said)))
        .flatten();
    let metadata = said.as_ref().or(asked);
    let destination = cluster.destination_of(&Octets(&connection));
    if let (Discovery::DynamicForward(cache), Some(Destination::Name(name))) =
        (&cluster.config().discovery, &destination)
        && let Some(names) = worker.calls.names(&cache.name)
        && !Box::pin(resolves(names, name, info)).await
    {
        info.flags.set(PickFailure::NobodyResolves.flags());
        cluster.tell(PickFailure::NobodyResolves);
        return None;
    }
    let Ok(tlvs) = proxy.tlvs.of(info) else {
        info.flags.set(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        info.upstream_transport_failure = Some(TLVS_TOO_LONG.into());
        return None;
    };
    while info.attempts < proxy.config.max_connect_attempts.max(1) {
        if let (Some((interval, longest)), Some(before)) = (proxy.config.back_off, info.attempts.checked_sub(1)) {
            let interval = interval.saturating_mul(1 << before.min(31)).min(longest);
            // Boxed, for all connections would hold its room.
            Box::pin(sleep(interval.mul_f64(fastrand::f64()))).await;
        }
        let host = match cluster.pick(&Pick { hash, metadata, destination: destination.as_ref(), ..Pick::default() }) {
            Ok(host) => host,
            Err(failure) => {
                info.flags.set(failure.flags());
                cluster.tell(failure);
                return None;
            }
        };
        info.attempts += 1;
        info.upstream_host = Some(host.reached());
        info.upstream_labels[1] = Some(host.labels());
        info.mark(|times| &mut times.pool_asked);
        match attempt(&cluster, &host, wanted.as_ref(), tlvs.as_ref(), info).await {
            Ok(upstream) => return Some(upstream),
            Err(Failed::Connect(failure)) => {
                info.flags.set(failure.flags());
                info.upstream_transport_failure = failure.transport_reason.clone();
                info.attempted();
                if !failure.is_connect_failure() {
                    return None;
                }
            }
            Err(Failed::Refused(unopened)) => {
                info.flags.set(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
                info.upstream_transport_failure =
                    unopened.status.map(|status| format!("tunnel_response:{status}").into());
                let asked = wanted.as_ref().map_or(&b""[..], |wanted| &wanted.host);
                cluster.tell_no_tunnel(host.address(), asked, &unopened.why, advice(asked));
            }
            Err(Failed::Late) => {
                proxy.stats.idle_timeout.inc();
                info.flags.set(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
                return None;
            }
        }
    }
    info.flags.set(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
    None
}

/// Connects to a host, and opens a tunnel there where one is wanted.
async fn attempt(
    cluster: &Rc<WorkerCluster>,
    host: &Host,
    wanted: Option<&Wanted<'_>>,
    tlvs: Option<&Arc<[u8]>>,
    info: &mut StreamInfo,
) -> Result<Upstream, Failed> {
    let (sni, alpn) =
        (state_text(&info.connection, "envoy.network.upstream_server_name"), state_alpn(&info.connection));
    let connection = info.connection.clone();
    let proxied = Some((connection.remote, connection.local));
    let Some(Wanted { opener, host: name, limit }) = wanted else {
        let want = TcpWant { proxied, tlvs, sni: sni.as_deref(), alpn: alpn.as_ref(), ..TcpWant::default() };
        let lease = cluster.tcp(host, &want).await.map_err(Failed::Connect)?;
        connected(info, &lease.connection);
        return Ok(Upstream::Connection(Box::new(lease)));
    };
    let want = HttpWant {
        downstream: Protocol::Http11,
        alpn: alpn.as_ref(),
        sni: sni.as_deref(),
        // As with Envoy: a tunnel's host says nothing of the proxy that it goes through. Where that is to prove a name, it cannot.
        authority: b"",
        proxied,
        tlvs,
        priority: Priority::Default,
        client: Some(&connection),
    };
    let lease = cluster.http(host, &want).await.map_err(Failed::Connect)?;
    connected(info, &lease.connection);
    let opened = before(*limit, opener.open(lease, name.clone(), info)).await.ok_or(Failed::Late)?;
    opened.map(|tunnel| Upstream::Tunnel(Box::new(tunnel))).map_err(Failed::Refused)
}

/// What whoever reads of a tunnel that was refused is to look at.
fn advice(asked: &[u8]) -> &'static str {
    if has_no_value(asked) {
        "the format in tunneling_config.hostname has no value here"
    } else {
        "see whether that proxy allows CONNECT to this host, and what its log says"
    }
}

/// Logs tell whom it is connected to.
fn connected(info: &mut StreamInfo, connection: &Rc<UpstreamConnection>) {
    info.upstream_host = Some(connection.peer.clone());
    info.upstream_connection = Some(connection.clone());
    info.mark(|times| &mut times.pool_ready);
    info.attempted();
}
