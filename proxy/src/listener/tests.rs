//! Listeners end to end on loopback: from the socket to the terminal filter.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::listener::{
    Direction, DownstreamTransport, FilterChain, FilterChainMatch, ListenerFilter, ListenerFilterKind, TerminalFilter,
};
use config::tcp_proxy::{TcpProxy, WeightedTcpCluster};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::accept::{Slot, accept_loop};
use super::bind::tests::bind;
use super::{Before, Listener};
use crate::call::Calls;
use crate::cluster::published::{ClusterTable, Published};
use crate::cluster::{Cluster, WorkerClusters, testing as cluster};
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::drain::{DrainWatch, ServerDrain};
use crate::http::route::{RouteSlot, RouteSlots};
use crate::logs::{SinkSettings, Sinks, WorkerLogs};
use crate::stats::{Stats, StatsSettings};
use crate::tls::testing::{Authority, istio_client, istio_server, sds};
use crate::tls::{Asked, ClientContext, Secrets};
use crate::transport::Stream;
use crate::worker::{ConnectionIds, Worker};

mod called_services;
mod leaving;
mod listener_filters;
mod network_filters;
mod silent;

/// What listeners are compiled with and served by.
pub(super) struct Harness {
    pub stats: Arc<Stats>,
    pub secrets: Arc<Secrets>,
    pub discoveries: Discoveries,
    sinks: Sinks,
    pub worker: Rc<Worker>,
}

struct NoRoutes;

impl RouteSlots for NoRoutes {
    fn slot(&self, _name: &Arc<str>) -> Arc<RouteSlot> {
        RouteSlot::new()
    }
}

impl Harness {
    pub fn new() -> Harness {
        let stats = Stats::new(StatsSettings::default());
        let (published, clusters) = (Arc::new(Published::default()), Rc::new(WorkerClusters::new(0)));
        let worker = Rc::new(Worker {
            index: 0,
            calls: Calls::new(clusters.clone(), published.clone(), &stats, None),
            published,
            clusters,
            logs: WorkerLogs::new(0),
            drain: ServerDrain::new(Default::default()),
            stats: stats.clone(),
            connections: ConnectionIds::new(0, 1),
        });
        let discoveries = Discoveries::new(stats.clone());
        Harness { stats, discoveries, secrets: Secrets::new(), sinks: Sinks::new(SinkSettings::default()), worker }
    }

    pub fn deps(&self) -> CompileDeps<'_> {
        CompileDeps {
            secrets: &self.secrets,
            stats: &self.stats,
            log_sinks: &self.sinks,
            discoveries: &self.discoveries,
            drain: Default::default(),
        }
    }

    pub fn listener(&self, config: config::listener::Listener) -> Arc<Listener> {
        Listener::compile(Arc::new(config), &self.deps(), &NoRoutes, None).unwrap()
    }

    /// Binds and accepts on the current `LocalSet`.
    fn serve(&self, config: config::listener::Listener) -> (SocketAddr, Rc<Slot>) {
        let bound = bind(&config, 1).unwrap();
        let address = bound.address();
        let slot = Rc::new(Slot::new(self.listener(config)));
        for socket in bound.listen().unwrap() {
            tokio::task::spawn_local(accept_loop(self.worker.clone(), slot.clone(), socket, Arc::default()));
        }
        (address.unwrap_or(([0, 0, 0, 0], 0).into()), slot)
    }

    /// A cluster of one plain endpoint that says its name and echoes what comes.
    async fn upstream(&self, name: &'static str) {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = cluster::endpoint(socket.local_addr().unwrap());
        self.publish(name, vec![endpoint]);
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = socket.accept().await {
                tokio::task::spawn_local(async move {
                    let (mut read, mut write) = stream.split();
                    write.write_all(name.as_bytes()).await?;
                    tokio::io::copy(&mut read, &mut write).await?;
                    write.shutdown().await
                });
            }
        });
    }

    /// A cluster of these endpoints.
    pub fn publish(&self, name: &str, endpoints: Vec<config::endpoint::Endpoint>) {
        let config = config::cluster::Cluster {
            name: name.into(),
            ..cluster::config(config::cluster::Discovery::Static(cluster::assignment(endpoints)))
        };
        let made = Cluster::new(Arc::new(config), &self.secrets, &self.stats).unwrap();
        let clusters = &self.worker.published.clusters;
        let mut table = ClusterTable::clone(&clusters.load());
        table.insert(name.into(), made);
        clusters.store(Arc::new(table));
    }

    fn value(&self, name: &str) -> u64 {
        self.stats.value(name).unwrap_or_else(|| panic!("no statistic {name}"))
    }
}

/// A listener; without chains it has one that matches all and closes at once.
pub(super) fn config(address: &str, chains: Vec<FilterChain>) -> config::listener::Listener {
    let chains = if chains.is_empty() { vec![chain("only", TerminalFilter::None)] } else { chains };
    config::listener::Listener {
        metadata: Arc::default(),
        name: "test".into(),
        address: Some(config::address::Address::Socket(address.parse().unwrap())),
        additional_addresses: Vec::new(),
        pipe_mode: 0,
        ipv4_compat: false,
        bind_to_port: true,
        direction: Direction::Inbound,
        filter_chains: chains.into_iter().map(Arc::new).collect(),
        default_filter_chain: None,
        listener_filters: Vec::new(),
        listener_filters_timeout: None,
        continue_on_listener_filters_timeout: true,
        buffer_limit: 1 << 20,
        access_log: Vec::new(),
        reuse_port: true,
        backlog: None,
        socket_options: Vec::new(),
        freebind: false,
        transparent: false,
        tcp_keepalive: None,
        ignore_global_connection_limit: false,
        bypass_overload_manager: false,
        max_accepts_per_event: Some(1),
        stat_prefix: Some("test".into()),
        drain_modify_only: false,
    }
}

fn chain(name: &str, terminal: TerminalFilter) -> FilterChain {
    FilterChain {
        name: name.into(),
        matches: FilterChainMatch::default(),
        transport: DownstreamTransport::Raw,
        transport_connect_timeout: Some(Duration::from_secs(15)),
        filters: Vec::new(),
        terminal,
        metadata: Arc::default(),
    }
}

pub(super) fn tcp(cluster: &str) -> TerminalFilter {
    TerminalFilter::Tcp(Arc::new(TcpProxy {
        stat_prefix: "tcp".into(),
        clusters: vec![WeightedTcpCluster { name: cluster.into(), weight: 1, metadata_match: None }],
        metadata_match: None,
        idle_timeout: None,
        max_connection_duration: None,
        duration_jitter: 0.0,
        max_connect_attempts: 1,
        back_off: None,
        hash_source_ip: false,
        tunneling: None,
        awaits_data: None,
        check_drain_close: false,
        access_log: Vec::new(),
        early_log: Default::default(),
        tlvs: Default::default(),
        merges: config::tcp_proxy::TlvMerge::AddIfAbsent,
    }))
}

fn strict() -> config::listener::Listener {
    let mut mutual = chain("mtls", tcp("nowhere"));
    mutual.matches.transport_protocol = "tls".into();
    mutual.transport = DownstreamTransport::Tls(Arc::new(istio_server(&["istio-peer-exchange", "h2", "http/1.1"])));
    let mut config = config("127.0.0.1:0", vec![mutual]);
    config.listener_filters = vec![ListenerFilter {
        name: "f".into(),
        kind: ListenerFilterKind::TlsInspector { largest: 16 * 1024, tls_alone: false },
        disabled: None,
    }];
    config
}

async fn local<F: Future>(test: F) -> F::Output {
    tokio::task::LocalSet::new().run_until(test).await
}

/// Reads to the end; a reset is an end, too.
async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

#[tokio::test]
async fn strict_takes_the_mesh_and_refuses_the_rest() {
    local(async {
        let harness = Harness::new();
        let authority = Authority::new("mesh");
        harness.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        harness
            .secrets
            .update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret())
            .unwrap();
        let (address, _slot) = harness.serve(strict());

        let client = ClientContext::new(&istio_client(&["istio"], vec![]), &harness.secrets, "test").unwrap();
        let stream = Stream::from(TcpStream::connect(address).await.unwrap());
        let (mut stream, info) = client.connect(stream, Asked::default()).await.unwrap();
        assert_eq!(info.alpn, None);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap_or_default();
        assert_eq!(harness.value("tcp.tcp.downstream_cx_no_route"), 1, "the TCP proxy had it");
        assert_eq!(harness.value("listener.test.ssl.handshake"), 1);
        assert_eq!(harness.value("listener.test.ssl.versions.TLSv1.3"), 1);
        assert_eq!(harness.value("listener.test.ssl.ciphers.TLS_AES_128_GCM_SHA256"), 1);

        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(read_all(&mut plain).await, b"");
        assert_eq!(harness.value("listener.test.no_filter_chain_match"), 1);
        assert_eq!(harness.value("listener.test.downstream_cx_total"), 1);

        // Something that begins as TLS does and goes on as noise.
        let mut noise = TcpStream::connect(address).await.unwrap();
        noise.write_all(&super::filters::client_hello::tests::real("a.example", &[])).await.unwrap();
        noise.read_exact(&mut [0; 5]).await.unwrap();
        noise.write_all(&[[23, 3, 3, 0, 32], [7; 5]].concat()).await.unwrap();
        noise.write_all(&[7; 27]).await.unwrap();
        read_all(&mut noise).await;
        assert_eq!(harness.value("listener.test.ssl.connection_error"), 1);
        assert_eq!(harness.value("listener.test.downstream_cx_active"), 0);
    })
    .await;
}

/// Says something, half-closes and returns all that comes back.
async fn talk(mut stream: Stream, words: &str) -> String {
    stream.write_all(words.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn a_permissive_tcp_port_serves_mesh_plain_and_the_apps_own_tls() {
    local(async {
        let harness = Harness::new();
        let authority = Authority::new("mesh");
        harness.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        harness
            .secrets
            .update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret())
            .unwrap();
        for name in ["mesh:", "plain:", "opaque:"] {
            harness.upstream(name).await;
        }
        let mut config = strict();
        let mut mesh = (*config.filter_chains[0]).clone();
        mesh.matches.application_protocols = vec!["istio".into(), "istio-peer-exchange".into()];
        mesh.terminal = tcp("mesh:");
        let mut opaque = chain("opaque", tcp("opaque:"));
        opaque.matches.transport_protocol = "tls".into();
        let mut plain = chain("plain", tcp("plain:"));
        plain.matches.transport_protocol = "raw_buffer".into();
        config.filter_chains = [mesh, opaque, plain].map(Arc::new).to_vec();
        let (address, _slot) = harness.serve(config);
        let connect = || async { Stream::from(TcpStream::connect(address).await.unwrap()) };

        assert_eq!(talk(connect().await, "GET /").await, "plain:GET /");
        let client = ClientContext::new(&istio_client(&["istio"], vec![]), &harness.secrets, "test").unwrap();
        let (stream, info) = client.connect(connect().await, Asked::default()).await.unwrap();
        assert_eq!(info.peer.unwrap().uri_sans[0].as_bytes(), b"spiffe://cluster.local/ns/a/sa/b");
        assert_eq!(talk(stream, "secret").await, "mesh:secret");

        // The app's own TLS comes back as it was sent: nothing of it is terminated or lost.
        let hello = super::filters::client_hello::tests::real("a.example", &["h2"]);
        let mut foreign = TcpStream::connect(address).await.unwrap();
        foreign.write_all(&hello).await.unwrap();
        foreign.shutdown().await.unwrap();
        assert_eq!(read_all(&mut foreign).await, [b"opaque:", &hello[..]].concat());
    })
    .await;
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_where_nothing_is_inspected() {
    local(async {
        let harness = Harness::new();
        harness.upstream("220 ready").await;
        let (address, _slot) = harness.serve(config("127.0.0.1:0", vec![chain("only", tcp("220 ready"))]));
        let mut near = TcpStream::connect(address).await.unwrap();
        let mut greeting = [0; 9];
        near.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"220 ready");
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_cannot_be_had_is_told_with_envoys_flags() {
    local(async {
        let harness = Harness::new();
        harness.publish("empty", Vec::new());
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        harness.publish("refusing", vec![cluster::endpoint(gone)]);
        for (name, flags, upstream) in
            [("nowhere", "NC", None), ("empty", "UH", None), ("refusing", "UF,URX", Some(gone.to_string()))]
        {
            let TerminalFilter::Tcp(config) = tcp(name) else { unreachable!() };
            let proxy = crate::tcp::TcpProxy::compile(&config, &[], Default::default(), &harness.deps());
            let (_near, far) = tokio::io::duplex(64);
            let stream = Stream::new(crate::transport::Io::Memory(far));
            let info = Rc::new(super::connection::tests::info());
            let info = crate::tcp::proxy(&harness.worker, &proxy, stream, info, DrainWatch::never(), None).await;
            assert_eq!(info.flags.short(), flags, "{name}");
            assert_eq!(info.upstream_host.as_deref(), upstream.as_deref());
            // Envoy shows no cluster that is not there.
            assert_eq!(info.upstream_cluster.as_deref(), (name != "nowhere").then_some(name));
        }
    })
    .await;
}

#[tokio::test]
async fn a_handshake_of_one_byte_at_a_time_succeeds() {
    local(async {
        let harness = Harness::new();
        let authority = Authority::new("mesh");
        harness.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        harness
            .secrets
            .update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret())
            .unwrap();
        let (address, _slot) = harness.serve(strict());
        let mut near = TcpStream::connect(address).await.unwrap();
        near.set_nodelay(true).unwrap();
        for byte in super::filters::client_hello::tests::real("a.example", &["h2"]) {
            near.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut first = [0; 3];
        near.read_exact(&mut first).await.unwrap();
        assert_eq!(first, [22, 3, 3], "the server's first record is a handshake");
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended() {
    local(async {
        let harness = Harness::new();
        let authority = Authority::new("mesh");
        harness.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        harness
            .secrets
            .update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret())
            .unwrap();
        let mut config = strict();
        config.listener_filters.clear();
        let mut mutual = (*config.filter_chains[0]).clone();
        mutual.matches = FilterChainMatch::default();
        mutual.transport_connect_timeout = Some(Duration::from_millis(1));
        config.filter_chains = vec![Arc::new(mutual)];
        let (address, _slot) = harness.serve(config);
        let mut near = TcpStream::connect(address).await.unwrap();
        assert_eq!(read_all(&mut near).await, b"");
        assert_eq!(harness.value("listener.test.downstream_cx_transport_socket_connect_timeout"), 1);
    })
    .await;
}

#[tokio::test]
async fn an_update_keeps_the_socket_and_changes_what_new_connections_get() {
    local(async {
        let harness = Harness::new();
        let (address, slot) = harness.serve(config("127.0.0.1:0", Vec::new()));
        read_all(&mut TcpStream::connect(address).await.unwrap()).await;
        let mut changed = config("127.0.0.1:0", Vec::new());
        changed.stat_prefix = Some("changed".into());
        slot.replace(harness.listener(changed));
        read_all(&mut TcpStream::connect(address).await.unwrap()).await;
        assert_eq!(harness.value("listener.test.downstream_cx_total"), 1);
        assert_eq!(harness.value("listener.changed.downstream_cx_total"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_removed_listener_serves_what_its_queue_holds() {
    local(async {
        let harness = Harness::new();
        let (address, slot) = harness.serve(config("127.0.0.1:0", Vec::new()));
        // Connected in the queue: the accept loop has not run yet.
        let blocking: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        slot.stop();
        for stream in blocking {
            stream.set_nonblocking(true).unwrap();
            let mut stream = TcpStream::from_std(stream).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.expect("an orderly end, no reset");
        }
        assert_eq!(harness.value("listener.test.downstream_cx_total"), 20);
        assert!(TcpStream::connect(address).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn connections_that_are_held_back_get_the_version_that_comes_and_no_other() {
    local(async {
        let harness = Harness::new();
        let (address, slot) = harness.serve(config("127.0.0.1:0", Vec::new()));
        slot.hold();
        let mut waiting = TcpStream::connect(address).await.unwrap();
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(harness.value("listener.test.downstream_cx_total"), 0);
        let mut changed = config("127.0.0.1:0", Vec::new());
        changed.stat_prefix = Some("changed".into());
        slot.replace(harness.listener(changed));
        read_all(&mut waiting).await;
        assert_eq!(harness.value("listener.changed.downstream_cx_total"), 1);
        slot.hold();
        let mut waiting = TcpStream::connect(address).await.unwrap();
        slot.stop();
        read_all(&mut waiting).await;
        assert_eq!(harness.value("listener.changed.downstream_cx_total"), 1, "it was never the old one's");
    })
    .await;
}

/// A client that says nothing, in front of a listener filter or of a handshake.
#[tokio::test]
async fn the_end_of_a_drain_reaches_connections_that_have_not_begun() {
    local(async {
        let harness = Harness::new();
        let authority = Authority::new("mesh");
        harness.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        harness
            .secrets
            .update(&sds("default").id(), authority.issue("spiffe://cluster.local/ns/a/sa/b").secret())
            .unwrap();
        let inspecting = strict();
        let mut handshaking = strict();
        handshaking.listener_filters.clear();
        let mut mutual = (*handshaking.filter_chains[0]).clone();
        mutual.matches = FilterChainMatch::default();
        handshaking.filter_chains = vec![Arc::new(mutual)];
        for (config, gauge) in [
            (inspecting, "listener.test.downstream_pre_cx_active"),
            (handshaking, "listener.test.downstream_cx_active"),
        ] {
            let (address, slot) = harness.serve(config);
            let mut silent = TcpStream::connect(address).await.unwrap();
            while harness.value(gauge) == 0 {
                tokio::task::yield_now().await;
            }
            slot.load().retired_by(None).iter().for_each(|drain| drain.finish());
            assert_eq!(read_all(&mut silent).await, b"", "{gauge}");
            assert_eq!(harness.value(gauge), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_still_inspected_gets_a_chain_of_the_newest_version() {
    local(async {
        let harness = Harness::new();
        for name in ["old:", "new:"] {
            harness.upstream(name).await;
        }
        let with = |cluster: &str| {
            let mut config = config("127.0.0.1:0", vec![chain("only", tcp(cluster))]);
            config.listener_filters = strict().listener_filters;
            config
        };
        let (address, slot) = harness.serve(with("old:"));
        let mut client = TcpStream::connect(address).await.unwrap();
        while harness.value("listener.test.downstream_pre_cx_active") == 0 {
            tokio::task::yield_now().await;
        }
        let before = slot.load();
        let kept = config::listener::KeptChains { chains: vec![None], default: false };
        let before = Before { listener: &before, kept: &kept };
        slot.replace(Listener::compile(Arc::new(with("new:")), &harness.deps(), &NoRoutes, Some(before)).unwrap());
        client.write_all(b"x").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut client).await, b"new:x");
    })
    .await;
}

/// What a connection holds is its chain: the version that it came in with goes.
#[tokio::test]
async fn an_open_connection_keeps_its_chain_and_no_version_of_its_listener() {
    local(async {
        let harness = Harness::new();
        harness.upstream("hello").await;
        let chains = || {
            vec![chain("kept", tcp("hello")), {
                let mut other = chain("other", tcp("hello"));
                other.matches.destination_port = Some(1);
                other
            }]
        };
        let (address, slot) = harness.serve(config("127.0.0.1:0", chains()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        let first = slot.load();
        let kept = config::listener::KeptChains { chains: vec![Some(0), None], default: false };
        let next = Listener::compile(
            Arc::new(config("127.0.0.1:0", chains())),
            &harness.deps(),
            &NoRoutes,
            Some(Before { listener: &first, kept: &kept }),
        );
        slot.replace(next.unwrap());
        let (gone, other) = (Arc::downgrade(&first), Arc::downgrade(first.all_chains().nth(1).unwrap()));
        drop(first);
        assert!(gone.upgrade().is_none() && other.upgrade().is_none());
        client.write_all(b"x").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut client).await, b"x");
    })
    .await;
}

#[tokio::test]
async fn unix_sockets_are_served() {
    local(async {
        let harness = Harness::new();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut config = config("127.0.0.1:0", Vec::new());
        config.address = Some(config::address::Address::Pipe(path.clone()));
        let _slot = harness.serve(config);
        let mut near = tokio::net::UnixStream::connect(&path).await.unwrap();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(harness.value("listener.test.downstream_cx_total"), 1);
    })
    .await;
}

#[test]
fn what_cannot_be_compiled_is_named() {
    let harness = Harness::new();
    let mut broken = chain("tls", TerminalFilter::None);
    let mut tls = istio_server(&[]);
    tls.common.certificates.clear();
    broken.transport = DownstreamTransport::Tls(Arc::new(tls));
    let refused =
        |config| Listener::compile(Arc::new(config), &harness.deps(), &NoRoutes, None).unwrap_err().to_string();
    let reason = refused(config("127.0.0.1:0", vec![broken]));
    assert!(
        reason.starts_with("filter_chains[0].transport_socket: server TLS contexts need a certificate"),
        "{reason}"
    );
    let mut empty = config("127.0.0.1:0", Vec::new());
    empty.filter_chains.clear();
    assert!(refused(empty).contains("at least one filter chain"));
    let twins = vec![chain("a", TerminalFilter::None), chain("b", TerminalFilter::None)];
    assert!(refused(config("127.0.0.1:0", twins)).contains("same matching rules"));
}

#[test]
fn secrets_and_routes_that_are_waited_for() {
    let harness = Harness::new();
    let names: Vec<_> = harness.listener(strict()).needed_secrets().iter().map(|need| need.name.to_string()).collect();
    assert_eq!(names, ["default", "ROOTCA"]);
    assert!(harness.listener(config("127.0.0.1:0", Vec::new())).rds_names().is_empty());
}
