//! Fixtures for the tests of this folder: configurations, hosts without sockets, a worker that runs.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::address::Address;
use config::cluster::{Balancer, Balancing, Cluster as Config, Discovery, Thresholds, UpstreamHttp, UpstreamTransport};
use config::endpoint::{Endpoint, HealthStatus, LoadAssignment, Locality, LocalityEndpoints};
use config::route::{HostPredicate, RetryOn, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::host::{Host, HostState};
use super::{Cluster, HttpLease, HttpWant, Priority, WorkerCluster, WorkerClusters};
use crate::cluster::published::{ClusterTable, Published};
use crate::stats::{Stats, StatsSettings};
use crate::tls::Secrets;
use crate::wire::codec::Upstream;
use crate::wire::headers::Headers;
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead};

/// A cluster as Envoy's defaults have it.
pub fn config(discovery: Discovery) -> Config {
    Config {
        name: "outbound|80||app".into(),
        stat_name: "app".into(),
        discovery,
        connect_timeout: Duration::from_secs(5),
        balancer: Balancer::RoundRobin,
        panic_threshold: 50.0,
        subsets: None,
        local_zone: None,
        override_host_statuses: Box::new([HealthStatus::Unknown, HealthStatus::Healthy, HealthStatus::Degraded]),
        locality_weighted: false,
        circuit_breaker: Thresholds::default(),
        circuit_breaker_high: Thresholds::default(),
        http: UpstreamHttp::default(),
        transport: UpstreamTransport::Raw,
        transport_matches: Vec::new(),
        tcp_keepalive: None,
        happy_eyeballs: Default::default(),
        preconnect: Default::default(),
        bind: None,
        outlier_detection: None,
        health_check: None,
        keeps_healthy: true,
        ignores_unchecked: false,
        closes_on_failure: false,
        closes_on_change: false,
        pool_per_client: false,
        balancing: Balancing::default(),
        buffer_limit: 1 << 20,
        metadata: Arc::default(),
        metadata_exchange: None,
        max_requests_per_connection: None,
    }
}

/// Endpoints discovered by EDS.
pub fn eds() -> Discovery {
    Discovery::Eds { service_name: "app".into(), initial_fetch_timeout: None }
}

/// One locality at priority 0.
pub fn assignment(endpoints: Vec<Endpoint>) -> LoadAssignment {
    LoadAssignment {
        cluster_name: "app".into(),
        localities: vec![LocalityEndpoints { endpoints, ..LocalityEndpoints::default() }],
        overprovisioning_factor: 140,
        weighted_priority_health: false,
        drops: 0,
        stale_after: None,
    }
}

/// A locality.
pub fn locality(zone: &str, weight: Option<u32>, priority: u32, endpoints: Vec<Endpoint>) -> LocalityEndpoints {
    let locality = Locality { zone: zone.into(), ..Locality::default() };
    LocalityEndpoints { locality, weight, priority, endpoints }
}

/// A healthy endpoint of weight 1.
pub fn endpoint(address: SocketAddr) -> Endpoint {
    endpoint_at(Address::Socket(address))
}

/// The same, anywhere.
pub fn endpoint_at(address: Address) -> Endpoint {
    Endpoint {
        address,
        additional_addresses: Vec::new(),
        health: HealthStatus::Unknown,
        weight: 1,
        hostname: "".into(),
        transport_socket_match: Default::default(),
        locality_socket_match: Arc::default(),
        http_proxy: None,
        tlvs: Arc::default(),
        metadata: Arc::default(),
        check: None,
    }
}

/// `10.0.0.<last>:80`, which no test connects to.
pub fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

/// A host without pools.
pub fn host(last: u8, weight: u32, health: HealthStatus) -> Host {
    host_of(Endpoint { weight, health, ..endpoint(address(last)) }, 0)
}

/// The same, of an endpoint at some priority.
pub fn host_of(endpoint: Endpoint, priority: u32) -> Host {
    let mut assignment = assignment(vec![endpoint]);
    assignment.localities[0].priority = priority;
    let set = super::endpoints::EndpointSet::new(
        &assignment,
        &super::endpoints::EndpointSet::empty(),
        &Default::default(),
        |_| Some(0),
    );
    let endpoint = Arc::clone(set.iter().next().expect("one endpoint"));
    let state = HostState::new(&endpoint.identity, 0);
    Host::new(endpoint, state)
}

/// A policy whose retries want such hosts.
pub fn retrying(predicates: Vec<HostPredicate>) -> RetryPolicy {
    RetryPolicy {
        on: RetryOn(RetryOn::SERVER_ERROR),
        num_retries: 1,
        per_try_timeout: None,
        per_try_idle_timeout: None,
        status_codes: Vec::new(),
        headers: Vec::new(),
        request_headers: Vec::new(),
        base_interval: Duration::from_millis(25),
        max_interval: Duration::from_millis(250),
        rate_limited: None,
        predicates,
        host_selection_attempts: 5,
        previous_priorities: None,
    }
}

/// A process with one worker.
pub struct Bench {
    pub published: Arc<Published>,
    pub stats: Arc<Stats>,
    pub secrets: Arc<Secrets>,
    pub workers: Rc<WorkerClusters>,
    made: RefCell<ClusterTable>,
}

impl Bench {
    pub fn new() -> Rc<Bench> {
        Rc::new(Bench {
            published: Arc::new(Published::of(&"home".into())),
            stats: Stats::new(StatsSettings::default()),
            secrets: Secrets::new(),
            workers: Rc::new(WorkerClusters::new(0)),
            made: RefCell::default(),
        })
    }

    /// Makes a cluster and publishes it in place of the one of that name.
    pub fn publish(&self, config: Config) -> Arc<Cluster> {
        let cluster = Cluster::new(Arc::new(config), &self.secrets, &self.stats).expect("a good cluster");
        self.made.borrow_mut().insert(Arc::clone(&cluster.config().name), Arc::clone(&cluster));
        self.publish_all();
        cluster
    }

    pub fn remove(&self, name: &str) {
        let removed = self.made.borrow_mut().remove(name);
        self.publish_all();
        if let Some(removed) = removed {
            removed.retire();
        }
    }

    fn publish_all(&self) {
        let table: ClusterTable = self.made.borrow().clone();
        self.published.clusters.store(Arc::new(table));
    }

    /// The worker's side of a cluster.
    pub fn worker(&self, name: &str) -> Rc<WorkerCluster> {
        self.workers.get(&self.published, name).expect("the cluster is published")
    }

    /// A statistic of the cluster `app`.
    pub fn stat(&self, name: &str) -> u64 {
        self.stats.value(&format!("cluster.app.{name}")).unwrap_or(0)
    }
}

/// An HTTP/1.1 request that wants nothing special.
pub fn want() -> HttpWant<'static> {
    HttpWant {
        downstream: Protocol::Http11,
        alpn: None,
        sni: None,
        authority: b"app",
        proxied: None,
        tlvs: None,
        priority: Priority::Default,
        client: None,
    }
}

/// Runs a test as a worker runs.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    run_on(false, test)
}

/// The same, with a clock that jumps to the next timer when nothing else happens.
pub fn run_paused<T>(test: impl Future<Output = T>) -> T {
    run_on(true, test)
}

fn run_on<T>(paused: bool, test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), test)
}

/// An HTTP/1.1 server on a port of its own that answers every request with 200 and the number of its connection.
pub struct Http1Server {
    pub address: SocketAddr,
    pub connections: Rc<Cell<usize>>,
    /// Connections that are over, whoever closed them.
    pub closed: Rc<Cell<usize>>,
    /// Closes all connections that stand.
    pub hang_up: Rc<Notify>,
}

impl Http1Server {
    pub async fn start() -> Http1Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Http1Server {
            address: listener.local_addr().expect("bound"),
            connections: Rc::default(),
            closed: Rc::default(),
            hang_up: Rc::new(Notify::new()),
        };
        let (connections, closed, hang_up) =
            (Rc::clone(&server.connections), Rc::clone(&server.closed), Rc::clone(&server.hang_up));
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.set(connections.get() + 1);
                let (number, closed, hang_up) = (connections.get(), Rc::clone(&closed), Rc::clone(&hang_up));
                tokio::task::spawn_local(async move {
                    let mut read = Vec::new();
                    loop {
                        let mut buffer = [0; 1024];
                        let count = tokio::select! {
                            count = stream.read(&mut buffer) => count.unwrap_or(0),
                            () = hang_up.notified() => 0,
                        };
                        if count == 0 {
                            drop(stream);
                            closed.set(closed.get() + 1);
                            return;
                        }
                        read.extend_from_slice(&buffer[..count]);
                        while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                            read.drain(..end + 4);
                            let body = number.to_string();
                            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                            if stream.write_all(reply.as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        server
    }
}

/// A GET without headers.
pub fn get() -> RequestHead {
    RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: Bytes::from_static(b"/"),
        about_server: false,
        authority: Bytes::from_static(b"app"),
        scheme: Bytes::from_static(b"http"),
        headers: Headers::new(),
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    }
}

/// Sends a GET and reads the answer: its status and body.
pub async fn exchange(lease: &mut HttpLease) -> (u16, String) {
    let stream = &mut lease.stream;
    stream.send_head(&get(), true).expect("a fresh stream");
    poll_fn(|cx| stream.poll_flush(cx)).await.expect("sent");
    let head = poll_fn(|cx| stream.poll_head(cx)).await.expect("a head");
    let mut body = Vec::new();
    while let Frame::Data(data) = poll_fn(|cx| stream.poll_body(cx)).await.expect("a body") {
        body.extend_from_slice(&data);
    }
    (head.status, String::from_utf8(body).expect("text"))
}

/// Waits until something holds, letting everything else run; only for what is sure to come.
pub async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// An HTTP/2 server (prior knowledge) that answers every request with 200 and the number of its connection.
pub struct Http2Server {
    pub address: SocketAddr,
    pub connections: Rc<Cell<usize>>,
    /// Connections that are over, whoever closed them.
    pub closed: Rc<Cell<usize>>,
    /// Sends GOAWAY on all connections that stand.
    pub go_away: Rc<Notify>,
}

impl Http2Server {
    pub async fn start() -> Http2Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Http2Server {
            address: listener.local_addr().expect("bound"),
            connections: Rc::default(),
            closed: Rc::default(),
            go_away: Rc::new(Notify::new()),
        };
        let (connections, closed, go_away) =
            (Rc::clone(&server.connections), Rc::clone(&server.closed), Rc::clone(&server.go_away));
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.set(connections.get() + 1);
                let (number, closed, go_away) = (connections.get(), Rc::clone(&closed), Rc::clone(&go_away));
                tokio::task::spawn_local(async move {
                    let mut connection = h2::server::handshake(stream).await.expect("a preface");
                    loop {
                        let request = tokio::select! {
                            request = connection.accept() => request,
                            () = go_away.notified() => {
                                connection.graceful_shutdown();
                                continue;
                            }
                        };
                        let Some(Ok((_, mut respond))) = request else { break };
                        let mut body = respond.send_response(::http::Response::new(()), false).expect("open");
                        body.send_data(number.to_string().into(), true).expect("open");
                    }
                    closed.set(closed.get() + 1);
                });
            }
        });
        server
    }
}
