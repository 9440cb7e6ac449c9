//! Whether workers get in each other's way: what a request that is forwarded costs a worker's thread when one works and when four do, over
//! memory instead of sockets on both sides, so that nothing but the proxy's own code runs, and a service of two lines.
//!
//! Threads that write to one cache line pay for it only while they run side by side. So that the figures can be judged on the machine
//! that gives them, the same is measured with one counter that all threads share and bump once a request: a request that touched a
//! contended atomic of its own would show that much, too.

use std::fs;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use config::listener::TerminalFilter;
use proxy::call::Calls;
use proxy::cli::say;
use proxy::cluster::published::Published;
use proxy::cluster::{Cluster, Connected, Connecting, Connector, Endpoint, Key, WorkerClusters};
use proxy::compile::CompileDeps;
use proxy::discoveries::Discoveries;
use proxy::drain::{DrainWatch, ServerDrain};
use proxy::http::route::{RouteSlot, RouteSlots};
use proxy::http::{ConnectionManager, OfListener};
use proxy::logs::{SinkSettings, Sinks, WorkerLogs};
use proxy::stats::{Stats, StatsSettings};
use proxy::telemetry::stream_info::{ConnectionInfo, UpstreamConnection};
use proxy::tls::Secrets;
use proxy::transport::{Io, Stream};
use proxy::worker::{ConnectionIds, Worker};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const THREADS: usize = 4;
const REQUESTS: u64 = 20_000;
const ROUNDS: usize = 5;
const REQUEST: &[u8] = b"GET /details/0 HTTP/1.1\r\nhost: details.bookinfo:9080\r\nuser-agent: load\r\n\r\n";

/// What all threads share.
struct Shared {
    manager: Arc<ConnectionManager>,
    published: Arc<Published>,
    stats: Arc<Stats>,
    drain: Arc<ServerDrain>,
    watch: DrainWatch,
    /// What a contended atomic costs.
    bumped: AtomicU64,
}

struct NoRoutes;

impl RouteSlots for NoRoutes {
    fn slot(&self, _name: &Arc<str>) -> Arc<RouteSlot> {
        RouteSlot::new()
    }
}

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let (rounds, requests) = if std::env::args().any(|word| word == "--bench") { (ROUNDS, REQUESTS) } else { (1, 10) };
    let folder = std::env::temp_dir().join(format!("contention-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the log");
    let shared = Arc::new(shared(&folder.join("access.log").display().to_string()));
    let least = |threads: usize, bumps: bool| {
        (0..rounds).map(|_| round(&shared, threads, requests, bumps)).fold(f64::INFINITY, f64::min)
    };
    say(format_args!("CPU time of a request, least of {rounds} rounds of {requests} a thread:"));
    for (name, bumps) in [("as it is", false), ("with one contended atomic", true)] {
        let (one, four) = (least(1, bumps), least(THREADS, bumps));
        say(format_args!(
            "  {name}: {one:.0} ns with one thread, {four:.0} ns with {THREADS} ({:+.1} %)",
            (four / one - 1.0) * 100.0
        ));
    }
    let _ = fs::remove_dir_all(folder);
}

fn shared(log: &str) -> Shared {
    let bootstrap = json!({"static_resources": {
        "listeners": [{
            "name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "contention",
                    "route_config": {"virtual_hosts": [{
                        "name": "all", "domains": ["*"],
                        "routes": [{"name": "default", "match": {"prefix": "/"}, "route": {"cluster": CLUSTER}}],
                    }]},
                    "access_log": [{
                        "name": "envoy.access_loggers.file",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                            "path": log,
                        },
                    }],
                    "http_filters": [{
                        "name": "envoy.filters.http.router",
                        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                    }],
                },
            }]}],
        }],
        "clusters": [{
            "name": CLUSTER, "type": "STATIC",
            "circuit_breakers": {"thresholds": [{
                "max_connections": u32::MAX, "max_pending_requests": u32::MAX,
                "max_requests": u32::MAX, "max_retries": u32::MAX,
            }]},
            "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
            ]}]},
        }],
    }});
    let text = bootstrap.to_string();
    let source = config::bootstrap::Source { name: "bench", text: &text, is_json: true };
    let unknown = config::UnknownFields::Reject;
    let bootstrap = config::bootstrap::load(&[source], unknown).expect("a sound bootstrap");
    let options = bootstrap.options(unknown);
    let listener = config::listener::decode(&bootstrap.static_listeners[0].body, &options).expect("a sound listener");
    let cluster = config::cluster::decode(&bootstrap.static_clusters[0].body, &options).expect("a sound cluster");
    let TerminalFilter::Http(manager) = &listener.filter_chains[0].terminal else { unreachable!("it is HTTP") };

    let stats = Stats::new(StatsSettings::default());
    let secrets = Secrets::new();
    let deps = CompileDeps {
        secrets: &secrets,
        stats: &stats,
        log_sinks: &Sinks::new(SinkSettings { workers: THREADS, ..SinkSettings::default() }),
        discoveries: &Discoveries::new(stats.clone()),
        drain: Default::default(),
    };
    let of_listener =
        OfListener { direction: listener.direction, buffer_limit: listener.buffer_limit, stats: "listener.bench." };
    let manager = ConnectionManager::compile(manager, of_listener, &deps, &NoRoutes).expect("a sound manager");
    let cluster = Cluster::new(Arc::new(cluster), &secrets, &stats).expect("a sound cluster");
    let published = Arc::new(Published::default());
    published.clusters.store(Arc::new([(CLUSTER.into(), cluster)].into_iter().collect()));
    let (drain, watch) = (ServerDrain::new(Default::default()), DrainWatch::never());
    Shared { manager, published, stats, drain, watch, bumped: AtomicU64::new(0) }
}

/// Nanoseconds of a thread's CPU time a request.
fn round(shared: &Arc<Shared>, threads: usize, requests: u64, bumps: bool) -> f64 {
    let barrier = Arc::new(Barrier::new(threads));
    let running: Vec<_> = (0..threads)
        .map(|index| {
            let (shared, barrier) = (shared.clone(), barrier.clone());
            thread::spawn(move || work(&shared, index, &barrier, requests, bumps))
        })
        .collect();
    let total: u64 = running.into_iter().map(|thread| thread.join().expect("a worker that ends")).sum();
    total as f64 / (threads as u64 * requests) as f64
}

fn work(shared: &Shared, index: usize, barrier: &Barrier, requests: u64, bumps: bool) -> u64 {
    shared.stats.register_shard();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let clusters = Rc::new(WorkerClusters::over(index, Rc::new(Pipes)));
        let worker = Rc::new(Worker {
            index,
            calls: Calls::new(clusters.clone(), shared.published.clone(), &shared.stats, None),
            published: shared.published.clone(),
            clusters,
            logs: WorkerLogs::new(index),
            drain: shared.drain.clone(),
            stats: shared.stats.clone(),
            connections: ConnectionIds::new(index, THREADS),
        });
        let (mut client, server) = tokio::io::duplex(16 * 1024);
        let served = proxy::http::serve(
            worker.clone(),
            shared.manager.clone(),
            Stream::new(Io::Memory(server)),
            Rc::new(connection()),
            shared.watch.clone(),
        );
        tokio::task::spawn_local(served);
        ask(&mut client, shared, requests / 10, false).await;
        barrier.wait();
        let before = cpu_time();
        ask(&mut client, shared, requests, bumps).await;
        cpu_time() - before
    })
}

async fn ask(client: &mut DuplexStream, shared: &Shared, requests: u64, bumps: bool) {
    let mut answer = [0; 1024];
    for _ in 0..requests {
        client.write_all(REQUEST).await.expect("a proxy that reads");
        let mut filled = 0;
        while !answer[..filled].ends_with(b"\r\n\r\n") {
            filled += client.read(&mut answer[filled..]).await.expect("a proxy that answers");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        if bumps {
            shared.bumped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Connects to a service in memory, on the same thread.
struct Pipes;

impl Connector for Pipes {
    fn connect<'a>(&'a self, _cluster: &'a Cluster, _endpoint: &'a Endpoint, _key: &'a Key) -> Connecting<'a> {
        let (near, far) = tokio::io::duplex(16 * 1024);
        tokio::task::spawn_local(answer(far));
        let now = Instant::now();
        let facts = UpstreamConnection {
            id: 1,
            peer: "127.0.0.1:1".into(),
            local: None,
            secured: None,
            tls: None,
            begun: now,
            connected: now,
            peer_says: None,
        };
        Box::pin(async move { Ok(Connected { stream: Stream::new(Io::Memory(near)), facts: Rc::new(facts) }) })
    }
}

/// Answers each request, which has no body.
async fn answer(mut stream: DuplexStream) {
    let (mut head, mut filled) = ([0; 4096], 0);
    while let Ok(count @ 1..) = stream.read(&mut head[filled..]).await {
        filled += count;
        if head[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        }
    }
}

/// Nanoseconds that this thread has run.
fn cpu_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

fn connection() -> ConnectionInfo {
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    ConnectionInfo::between(address(80), address(4000))
}

const CLUSTER: &str = "outbound|9080||details.bookinfo.svc.cluster.local";
