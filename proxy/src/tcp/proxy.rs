//! One proxied TCP connection, top to bottom: choose a cluster, pick a host, connect (again), relay, log.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use config::cluster::Discovery;
use config::listener::{Direction, NetworkFilter};
use config::metadata::Criteria;
use config::tcp_proxy::{self, WeightedTcpCluster};
use tokio::time::{Instant, sleep, sleep_until};

use super::filters::{Closed, First};
use super::relay::{End, Moved, relay};
use super::reports::{Reporters, Reports};
use super::stats::TcpStats;
use crate::cluster::{Asks, Destination, Load, NameCache, Pick, PickFailure, TcpLease, TcpWant, by_weight};
use crate::compile::CompileDeps;
use crate::drain::{DrainWatch, jittered};
use crate::failure::ResponseFlags;
use crate::logs::{AccessLogs, Again};
use crate::telemetry::access_log::{EntryKind, LogEntry, More};
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::AlpnList;
use crate::transport::Stream;
use crate::worker::Worker;

/// A compiled TCP proxy. Immutable and shared by all workers.
pub struct TcpProxy {
    config: Arc<tcp_proxy::TcpProxy>,
    access_log: AccessLogs,
    stats: TcpStats,
    reporters: Reporters,
}

impl TcpProxy {
    /// Compiles. `filters` are those before it, `direction` is the listener's.
    pub fn compile(
        config: &Arc<tcp_proxy::TcpProxy>,
        filters: &[NetworkFilter],
        direction: Direction,
        deps: &CompileDeps<'_>,
    ) -> Arc<TcpProxy> {
        Arc::new(TcpProxy {
            reporters: Reporters::compile(filters, direction, deps.stats),
            access_log: AccessLogs::compile(&config.access_log, deps.log_sinks, deps.stats),
            stats: TcpStats::new(&config.stat_prefix, deps.stats),
            config: config.clone(),
        })
    }

    /// Writes the entry of a connection that is over.
    pub fn log(&self, worker: &Worker, info: &StreamInfo) {
        self.write(worker, info, EntryKind::TcpConnectionEnd);
    }

    fn write(&self, worker: &Worker, info: &StreamInfo, kind: EntryKind) {
        self.access_log.log(
            &worker.logs,
            &LogEntry { info, request: None, response: None, trailers: None, more: More { kind, ..More::default() } },
        );
    }

    /// A connection that a filter closed before it came here: counted and logged, as in Envoy.
    pub fn turned_away(&self, worker: &Worker, info: &StreamInfo) {
        self.stats.cx_total.inc();
        if let Some(mut reports) = self.reporters.begin() {
            reports.end(info, Moved::default());
        }
        self.log(worker, info);
    }

    /// When a connection that begins now has to end.
    fn longest(&self) -> Option<Instant> {
        self.config.max_connection_duration.map(|time| Instant::now() + jittered(time, self.config.duration_jitter))
    }

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

/// An object of filter state, as text.
fn state_text(connection: &ConnectionInfo, key: &str) -> Option<Arc<str>> {
    let state = connection.filter_state.borrow();
    std::str::from_utf8(&state.get(key)?.value).ok().map(Arc::from)
}

/// The ALPN names of a connection's filter state.
fn state_alpn(connection: &ConnectionInfo) -> Option<AlpnList> {
    let state = connection.filter_state.borrow();
    let names = state.get("envoy.network.application_protocols")?.value.split(|octet| *octet == b',');
    let names: Vec<Arc<[u8]>> = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()).map(Arc::from).collect();
    (!names.is_empty()).then(|| names.into())
}

/// Proxies one connection to its end, logs it, and returns what is known of it. It is logged, too, when the future is dropped: the
/// process ends.
pub async fn proxy(
    worker: &Rc<Worker>,
    proxy: &TcpProxy,
    stream: Stream,
    connection: Rc<ConnectionInfo>,
    drain: DrainWatch,
    first: Option<Box<First>>,
) -> StreamInfo {
    proxy.stats.cx_total.inc();
    let mut info = StreamInfo::begin(connection, None);
    info.times = proxy.access_log.wants().times.then(Box::default);
    if proxy.config.early_log.at_start {
        proxy.write(worker, &info, EntryKind::TcpConnectionStart);
    }
    let limit = proxy.longest();
    let reports = proxy.reporters.begin();
    let mut record = Record { worker, proxy, info: &mut info, moved: Moved::default(), reports };
    tokio::select! {
        () = session(worker, proxy, stream, record.info, &mut record.moved, &mut record.reports, first) => {}
        () = at(limit) => {
            proxy.stats.max_duration.inc();
            record.info.flags.set(ResponseFlags::DURATION_TIMEOUT);
        }
        () = drain.deadline() => {}
    }
    drop(record);
    info
}

/// Logs a connection at its end.
struct Record<'a> {
    worker: &'a Rc<Worker>,
    proxy: &'a TcpProxy,
    info: &'a mut StreamInfo,
    moved: Moved,
    reports: Option<Box<Reports<'a>>>,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        (self.info.bytes_received, self.info.bytes_sent) = (self.moved.received, self.moved.sent);
        self.info.end = Some(std::time::Instant::now());
        if let Some(reports) = &mut self.reports {
            reports.end(self.info, self.moved);
        }
        self.proxy.log(self.worker, self.info);
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn session(
    worker: &Rc<Worker>,
    proxy: &TcpProxy,
    mut downstream: Stream,
    info: &mut StreamInfo,
    moved: &mut Moved,
    reports: &mut Option<Box<Reports<'_>>>,
    first: Option<Box<First>>,
) {
    // Connecting needs far more room than relaying: its future is boxed and gone when the relay begins.
    let Some(mut lease) = Box::pin(connect(worker, proxy, info)).await else {
        downstream.reset_if_unread();
        return;
    };
    let Some(mut upstream) = lease.stream.take() else { return };
    if proxy.config.early_log.at_success {
        proxy.write(worker, info, EntryKind::TcpUpstreamConnected);
    }
    let counts = [proxy.stats.bytes, lease.bytes()];
    let mut again = proxy.config.early_log.interval.filter(|_| !proxy.access_log.is_empty()).map(Again::new);
    let mut told = |cx: &mut Context<'_>, moved: Moved| {
        if let Some(reports) = reports {
            reports.poll(cx, info, moved);
        }
        while again.as_mut().is_some_and(|again| again.is_due(cx)) {
            (info.bytes_received, info.bytes_sent) = (moved.received, moved.sent);
            proxy.write(worker, info, EntryKind::TcpPeriodic);
        }
    };
    let mut is_to_close = lease.is_to_close();
    let is_to_close = poll_fn(|cx| is_to_close.as_mut().map_or(Poll::Pending, |ends| ends.as_mut().poll(cx)));
    let end = tokio::select! {
        end = relay(&mut downstream, &mut upstream, proxy.config.idle_timeout, moved, counts, first, &mut told) => end,
        () = is_to_close => End::Closed,
    };
    match end {
        End::Closed => {}
        End::Idle => proxy.stats.idle_timeout.inc(),
        End::Upstream(error) => {
            if let Some(failure) = crate::tls::HandshakeFailure::of_stream(&error) {
                info.upstream_transport_failure = Some(failure.reason);
            }
            pass_on_reset(&error, &downstream);
        }
        End::Downstream(error) => {
            if let Some(Closed { flags, .. }) = Closed::of(&error) {
                info.flags.set(flags);
            }
            if let Some(failure) = crate::tls::HandshakeFailure::of_stream(&error) {
                info.downstream_transport_failure = Some(failure.reason);
            }
            pass_on_reset(&error, &upstream);
        }
    }
}

/// A reset on one side is a reset on the other.
fn pass_on_reset(error: &io::Error, other: &Stream) {
    if error.kind() == io::ErrorKind::ConnectionReset
        && let Some(socket) = other.tcp_socket()
    {
        // With no time to linger, closing sends RST.
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }
}

/// A dynamic forward proxy has the host resolved itself where no filter has. Whether it leads anywhere but back here.
async fn resolves(names: Arc<NameCache>, name: &str, info: &StreamInfo) -> bool {
    let place = names.wait();
    let name = match names.load(name, 0) {
        Load::Known(name) => name,
        Load::Coming(name) if place.is_some() => {
            Arc::clone(&name).settles().await;
            name
        }
        Load::Coming(_) | Load::Overflow | Load::NoName => return true,
    };
    !name.is_at(info.connection.local) && !name.is_at(info.connection.direct_local)
}

/// Connects to a host of the chosen cluster. `None`: `info` says why not.
async fn connect(worker: &Rc<Worker>, proxy: &TcpProxy, info: &mut StreamInfo) -> Option<TcpLease> {
    let (chosen, asked) = proxy.choose(&info.connection)?;
    if let Some(tunneling) = &proxy.config.tunneling {
        tracing::warn!(
            cluster = &*chosen,
            hostname = &*tunneling.hostname,
            "connection refused: tunneling_config (CONNECT through the upstream) is not supported"
        );
        info.flags.set(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        return None;
    }
    let Some(cluster) = worker.clusters.get(&worker.published, &chosen) else {
        proxy.stats.cx_no_route.inc();
        info.flags.set(ResponseFlags::NO_CLUSTER_FOUND);
        tracing::debug!(cluster = &*chosen, "connection refused: there is no such cluster");
        return None;
    };
    info.upstream_cluster = Some(cluster.name().clone());
    info.upstream_cluster_observed = cluster.observed_name().cloned();
    info.upstream_labels[0] = Some(cluster.clone());
    let hash = proxy.config.hash_source_ip.then(|| {
        // As Envoy hashes it, so that a mixed fleet sends a client to the same host.
        xxhash_rust::xxh64::xxh64(info.connection.remote.ip().to_string().as_bytes(), 0)
    });
    let (sni, alpn) =
        (state_text(&info.connection, "envoy.network.upstream_server_name"), state_alpn(&info.connection));
    let want = TcpWant {
        proxied: Some((info.connection.remote, info.connection.local)),
        sni: sni.as_deref(),
        alpn: alpn.as_ref(),
        ..TcpWant::default()
    };
    // What filters have said of the connection counts over the configuration.
    let connection = &info.connection;
    let has_subsets = cluster.config().subsets.is_some();
    let said = has_subsets
        .then(|| connection.metadata.borrow().get("envoy.lb").map(|said| Criteria::said(asked, said)))
        .flatten();
    let metadata = said.as_ref().or(asked);
    let destination = cluster.destination_of(&Octets(&info.connection));
    if let (Discovery::DynamicForward(cache), Some(Destination::Name(name))) =
        (&cluster.config().discovery, &destination)
        && let Some(names) = worker.calls.names(&cache.name)
        && !Box::pin(resolves(names, name, info)).await
    {
        info.flags.set(PickFailure::NobodyResolves.flags());
        cluster.tell(PickFailure::NobodyResolves);
        return None;
    }
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
        match cluster.tcp(&host, &want).await {
            Ok(lease) => {
                info.upstream_host = Some(lease.connection.peer.clone());
                info.upstream_connection = Some(lease.connection.clone());
                info.mark(|times| &mut times.pool_ready);
                info.attempted();
                return Some(lease);
            }
            Err(failure) => {
                info.flags.set(failure.flags());
                info.upstream_transport_failure = failure.transport_reason.clone();
                if !failure.is_connect_failure() {
                    return None;
                }
            }
        }
    }
    info.flags.set(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
    None
}
