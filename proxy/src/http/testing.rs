//! The in-memory harness of this folder's unit tests: a scripted client, scripted upstreams, routes in a line. A test of the exchange is
//! a dozen lines and needs no socket.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use config::access_log::{Format, Part};
use config::hcm::*;
use config::listener::Direction;
use config::route::*;

use super::ConnectionManager;
use super::codec::{Downstream, ResetReason, StreamError, Upstream};
use super::context::Context;
use super::exchange::exchange;
use super::headers::{Headers, Name};
use super::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};
use super::route::{RouteSlot, RouteSlots};
use super::upstreams::Upstreams;
use crate::drain::DrainWatch;
use crate::listener::CompileDeps;
use crate::telemetry::access_log::{SinkSettings, Sinks, WorkerLogs};
use crate::telemetry::stats::{Stats, StatsSettings};
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::Secrets;

/// One connection manager with its clusters, ready for requests.
pub struct Bench {
    pub config: HttpConnectionManager,
    pub table: RouteConfiguration,
    pub direction: Direction,
    pub connection: ConnectionInfo,
    pub clusters: HashMap<String, Rc<fake::Cluster>>,
    pub slot: Option<Arc<RouteSlot>>,
}

/// What a request led to.
pub struct Outcome {
    pub client: Client,
    pub info: StreamInfo,
}

impl Bench {
    /// One virtual host `*` with these routes, and a cluster `app`.
    pub fn new(routes: Vec<Route>) -> Bench {
        let mut bench = Bench {
            config: manager(),
            table: RouteConfiguration {
                name: "test".into(),
                virtual_hosts: vec![Arc::new(virtual_host("all", &["*"], routes))],
                ignore_port_in_host: true,
                internal_only_headers: Vec::new(),
                headers: HeaderChanges::default(),
                most_specific_headers_win: false,
            },
            direction: Direction::Outbound,
            connection: connection(),
            clusters: HashMap::new(),
            slot: None,
        };
        bench.cluster("app");
        bench
    }

    /// Adds a cluster, or gives the one of that name.
    pub fn cluster(&mut self, name: &str) -> Rc<fake::Cluster> {
        self.clusters.entry(name.to_owned()).or_insert_with(|| Rc::new(fake::Cluster::new(name))).clone()
    }

    /// Queues an attempt's script for `app`.
    pub fn upstream(&mut self, script: fake::Script) -> &mut Bench {
        self.cluster("app").scripts.borrow_mut().push_back(script);
        self
    }

    /// The requests that `app` saw.
    pub fn seen(&mut self) -> Vec<fake::Seen> {
        std::mem::take(&mut self.cluster("app").seen.borrow_mut())
    }

    /// Changes the only virtual host.
    pub fn host(&mut self, change: impl FnOnce(&mut VirtualHost)) {
        let mut host = (*self.table.virtual_hosts[0]).clone();
        change(&mut host);
        self.table.virtual_hosts[0] = Arc::new(host);
    }

    pub fn context(&self) -> Context {
        let mut config = self.config.clone();
        if self.slot.is_some() {
            config.routes = RouteSource::Rds { name: "test".into(), initial_fetch_timeout: None };
        } else {
            config.routes = RouteSource::Inline(Arc::new(self.table.clone()));
        }
        let slots = Slots(self.slot.clone().unwrap_or_default());
        let deps = CompileDeps {
            secrets: &Secrets::new(),
            routes: &slots,
            stats: &Stats::new(StatsSettings::default()),
            log_sinks: &Sinks::new(SinkSettings::default()),
        };
        let manager = ConnectionManager::compile(&Arc::new(config), self.direction, &deps).unwrap();
        let upstreams = Upstreams::Fake(Rc::new(fake::Upstreams { clusters: self.clusters.clone() }));
        Context::new(manager, Rc::new(self.connection.clone()), upstreams, WorkerLogs::new(0))
    }

    /// Sends one request without a body.
    pub async fn send(&mut self, request: RequestHead) -> Outcome {
        self.send_from(Client::default(), request).await
    }

    /// Sends one request from a scripted client.
    pub async fn send_from(&mut self, mut client: Client, request: RequestHead) -> Outcome {
        let context = self.context();
        exchange(&context, &mut client, request).await;
        let info = context.done.borrow_mut().pop().expect("every request is logged");
        Outcome { client, info }
    }
}

struct Slots(Arc<RouteSlot>);

impl RouteSlots for Slots {
    fn slot(&self, _name: &Arc<str>) -> Arc<RouteSlot> {
        self.0.clone()
    }
}

impl Outcome {
    pub fn status(&self) -> u16 {
        self.client.head.as_ref().map_or(0, |head| head.status)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.client.head.as_ref()?;
        head.headers.get_str(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    pub fn body(&self) -> String {
        String::from_utf8(self.client.body.concat()).unwrap()
    }

    pub fn flags(&self) -> String {
        let mut out = Vec::new();
        self.info.flags.write_short(&mut out);
        String::from_utf8(out).unwrap()
    }

    pub fn details(&self) -> &str {
        self.info.response_code_details.as_deref().unwrap_or("")
    }
}

/// A scripted client: gives a body, takes a response.
#[derive(Default)]
pub struct Client {
    /// Pieces of the request body.
    pub pieces: VecDeque<Result<Frame, StreamError>>,
    /// Has gone away once the response has not come by now.
    pub gone: Option<StreamError>,
    /// The client takes no more body for so many polls of readiness.
    pub slow: Cell<u32>,
    pub informational: Vec<u16>,
    pub head: Option<ResponseHead>,
    pub body: Vec<Bytes>,
    pub trailers: Option<Headers>,
    pub ended: bool,
    pub closes: bool,
    pub reset: Option<ResetReason>,
}

impl Client {
    /// A client that sends these pieces and ends.
    pub fn sending(pieces: &[&'static str]) -> Client {
        let data = |piece: &&'static str| Ok(Frame::Data(Bytes::from_static(piece.as_bytes())));
        Client { pieces: pieces.iter().map(data).chain([Ok(Frame::End)]).collect(), ..Client::default() }
    }
}

impl Downstream for Client {
    fn poll_body(&mut self, _cx: &mut Task<'_>) -> Poll<Result<Frame, StreamError>> {
        match self.pieces.pop_front() {
            Some(piece) => Poll::Ready(piece),
            None => Poll::Pending,
        }
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        assert!(self.head.is_none(), "informational heads come first");
        self.informational.push(head.status);
        Ok(())
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        assert!(self.head.is_none(), "one head");
        self.head = Some(head.clone());
        self.ended = end;
        Ok(())
    }

    fn poll_ready(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
        match self.slow.get().checked_sub(1) {
            Some(left) => {
                self.slow.set(left);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(Ok(())),
        }
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        assert!(!self.ended && self.head.is_some());
        if !data.is_empty() {
            self.body.push(data);
        }
        self.ended = end;
        Ok(())
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        assert!(!self.ended);
        self.trailers = Some(trailers.clone());
        self.ended = true;
        Ok(())
    }

    fn poll_flush(&mut self, _cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, _cx: &mut Task<'_>) -> Poll<StreamError> {
        match &self.gone {
            Some(error) => Poll::Ready(error.clone()),
            None => Poll::Pending,
        }
    }

    fn reset(&mut self, reason: ResetReason) {
        self.reset = Some(reason);
    }

    fn close_after(&mut self) {
        self.closes = true;
    }
}

/// Scripted upstreams.
pub mod fake {
    use super::*;
    use crate::cluster::{ConnectFailure, HttpWant, PickFailure};
    use crate::http::upstreams::Tried;

    pub struct Upstreams {
        pub clusters: HashMap<String, Rc<Cluster>>,
    }

    impl Upstreams {
        pub fn get(&self, name: &str) -> Option<Rc<Cluster>> {
            self.clusters.get(name).cloned()
        }
    }

    /// A cluster: each attempt takes the next script.
    pub struct Cluster {
        pub config: config::cluster::Cluster,
        pub scripts: RefCell<VecDeque<Script>>,
        pub seen: RefCell<Vec<Seen>>,
        pub hosts: RefCell<Vec<Arc<str>>>,
        pub picks: RefCell<Vec<usize>>,
        pub retries_allowed: Cell<bool>,
        pub protocol: Cell<Protocol>,
    }

    /// One attempt.
    #[derive(Default)]
    pub struct Script {
        pub no_host: Option<PickFailure>,
        pub connect: Option<ConnectFailure>,
        /// Never answers.
        pub hangs: bool,
        pub informational: Vec<u16>,
        /// Instead of a head.
        pub fails: Option<StreamError>,
        pub head: Option<ResponseHead>,
        /// The head waits for the end of the request.
        pub after_request: bool,
        pub body: VecDeque<Result<Frame, StreamError>>,
        /// The body is followed by nothing, not even an end.
        pub stalls: bool,
    }

    /// What an attempt was given.
    #[derive(Debug, Clone)]
    pub struct Seen {
        pub host: Arc<str>,
        pub alpn: Option<Vec<String>>,
        pub head: RequestHead,
        pub body: Vec<u8>,
        pub trailers: Option<Headers>,
        pub ended: bool,
        pub reset: Option<ResetReason>,
    }

    impl Seen {
        pub fn header(&self, name: &str) -> Option<String> {
            self.head.headers.get_str(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
        }

        pub fn names(&self) -> Vec<String> {
            self.head.headers.iter().map(|header| header.name.as_str().to_owned()).collect()
        }
    }

    impl Script {
        /// Answers with a status, headers and a body.
        pub fn answers(status: u16, headers: &[(&str, &'static str)], body: &[&'static str]) -> Script {
            let mut list = Headers::new();
            for (name, value) in headers {
                list.append(Name::new(name), *value);
            }
            let data = |piece: &&'static str| Ok(Frame::Data(Bytes::from_static(piece.as_bytes())));
            Script {
                head: Some(ResponseHead {
                    protocol: Protocol::Http11,
                    status,
                    reason: Bytes::new(),
                    headers: list,
                    body: if body.is_empty() { BodyLength::Empty } else { BodyLength::Unknown },
                    wire_size: 0,
                }),
                body: body.iter().map(data).chain([Ok(Frame::End)]).collect(),
                ..Script::default()
            }
        }

        pub fn fails(error: StreamError) -> Script {
            Script { fails: Some(error), ..Script::default() }
        }

        pub fn hangs() -> Script {
            Script { hangs: true, ..Script::default() }
        }

        pub fn refuses(failure: ConnectFailure) -> Script {
            Script { connect: Some(failure), ..Script::default() }
        }
    }

    impl Cluster {
        pub fn new(name: &str) -> Cluster {
            Cluster {
                config: super::cluster(name),
                scripts: RefCell::default(),
                seen: RefCell::default(),
                hosts: RefCell::new(vec!["10.0.0.1:80".into()]),
                picks: RefCell::default(),
                retries_allowed: Cell::new(true),
                protocol: Cell::new(Protocol::Http11),
            }
        }

        pub fn pick(&self, tried: &Tried) -> Result<Arc<str>, PickFailure> {
            if let Some(failure) = self.scripts.borrow().front().and_then(|script| script.no_host) {
                return Err(failure);
            }
            let hosts = self.hosts.borrow();
            self.picks.borrow_mut().push(tried.fakes.len());
            Ok(hosts.iter().find(|host| !tried.fakes.contains(host)).unwrap_or(&hosts[0]).clone())
        }

        pub async fn http(self: &Rc<Self>, host: &Arc<str>, want: &HttpWant<'_>) -> Result<Lease, ConnectFailure> {
            let script = self.scripts.borrow_mut().pop_front().expect("an attempt that the test did not expect");
            if let Some(failure) = script.connect {
                return Err(failure);
            }
            let alpn = want
                .alpn
                .map(|list| list.iter().map(|protocol| String::from_utf8(protocol.to_vec()).unwrap()).collect());
            let (host, protocol) = (host.clone(), self.protocol.get());
            Ok(Lease { host, alpn, protocol, cluster: self.clone(), script, seen: None })
        }
    }

    pub struct Lease {
        pub host: Arc<str>,
        pub protocol: Protocol,
        alpn: Option<Vec<String>>,
        cluster: Rc<Cluster>,
        script: Script,
        seen: Option<Seen>,
    }

    impl Drop for Lease {
        fn drop(&mut self) {
            self.cluster.seen.borrow_mut().extend(self.seen.take());
        }
    }

    impl Lease {
        fn seen(&mut self) -> &mut Seen {
            self.seen.as_mut().expect("the head comes first")
        }
    }

    impl Upstream for Lease {
        fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
            self.seen = Some(Seen {
                host: self.host.clone(),
                alpn: self.alpn.clone(),
                head: head.clone(),
                body: Vec::new(),
                trailers: None,
                ended: end,
                reset: None,
            });
            Ok(())
        }

        fn poll_ready(&mut self, _cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
            Poll::Ready(Ok(()))
        }

        fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
            let seen = self.seen();
            assert!(!seen.ended);
            seen.body.extend_from_slice(&data);
            seen.ended = end;
            Ok(())
        }

        fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
            let seen = self.seen();
            seen.trailers = Some(trailers.clone());
            seen.ended = true;
            Ok(())
        }

        fn poll_flush(&mut self, _cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
            Poll::Ready(Ok(()))
        }

        fn poll_head(&mut self, _cx: &mut Task<'_>) -> Poll<Result<ResponseHead, StreamError>> {
            if self.script.hangs || (self.script.after_request && !self.seen().ended) {
                return Poll::Pending;
            }
            if !self.script.informational.is_empty() {
                let status = self.script.informational.remove(0);
                let head = Script::answers(status, &[], &[]).head.unwrap();
                return Poll::Ready(Ok(head));
            }
            if let Some(error) = &self.script.fails {
                return Poll::Ready(Err(error.clone()));
            }
            Poll::Ready(Ok(self.script.head.take().expect("a script answers or fails")))
        }

        fn poll_body(&mut self, _cx: &mut Task<'_>) -> Poll<Result<Frame, StreamError>> {
            match self.script.body.pop_front() {
                Some(Ok(Frame::End)) if self.script.stalls => Poll::Pending,
                Some(frame) => Poll::Ready(frame),
                None => Poll::Pending,
            }
        }

        fn reset(&mut self, reason: ResetReason) {
            self.seen().reset = Some(reason);
        }
    }
}

/// `GET` of a target, host `svc`.
pub fn get(target: &str) -> RequestHead {
    RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: Bytes::copy_from_slice(target.as_bytes()),
        authority: Bytes::from_static(b"svc"),
        scheme: Bytes::new(),
        headers: Headers::new(),
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    }
}

/// `POST` with a body.
pub fn post(target: &str) -> RequestHead {
    RequestHead { method: Method::Post, body: BodyLength::Unknown, ..get(target) }
}

/// With headers.
pub fn with(mut request: RequestHead, headers: &[(&str, &'static str)]) -> RequestHead {
    for (name, value) in headers {
        request.headers.append(Name::new(name), *value);
    }
    request
}

pub fn prefix_match(prefix: &str) -> RouteMatch {
    RouteMatch {
        path: PathMatch::Prefix(prefix.into()),
        case_sensitive: true,
        headers: Vec::new(),
        query: Vec::new(),
        grpc: false,
        fraction: None,
        dynamic_metadata: Vec::new(),
    }
}

pub fn route(prefix: &str, action: Action) -> Route {
    Route {
        name: "r".into(),
        matches: prefix_match(prefix),
        action,
        headers: HeaderChanges::default(),
        decorator: None,
        decorator_propagate: true,
        stat_prefix: None,
        metadata: Arc::default(),
        per_filter: Vec::new(),
    }
}

/// `/` to `app`, as changed.
pub fn to_app(change: impl FnOnce(&mut Forward)) -> Vec<Route> {
    vec![route("/", forward("app", change))]
}

pub fn forward(cluster: &str, change: impl FnOnce(&mut Forward)) -> Action {
    let mut forward = Forward {
        cluster: ClusterChoice::Single(cluster.into()),
        cluster_not_found: 503,
        timeout: None,
        idle_timeout: None,
        max_stream_duration: None,
        grpc_timeout_max: None,
        retry: None,
        rewrite: None,
        host_rewrite: None,
        append_x_forwarded_host: false,
        mirrors: Vec::new(),
        hash: Vec::new(),
        upgrades: Vec::new(),
        high_priority: false,
    };
    change(&mut forward);
    Action::Forward(Arc::new(forward))
}

pub fn retry_on(conditions: u32, num_retries: u32) -> RetryPolicy {
    RetryPolicy {
        on: RetryOn(conditions),
        num_retries,
        per_try_timeout: None,
        per_try_idle_timeout: None,
        status_codes: Vec::new(),
        base_interval: Duration::from_millis(25),
        max_interval: Duration::from_millis(250),
        avoid_previous_hosts: false,
        host_selection_attempts: 1,
        previous_priorities: None,
    }
}

pub fn virtual_host(name: &str, domains: &[&str], routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        name: name.into(),
        domains: domains.iter().map(|domain| Arc::from(*domain)).collect(),
        routes: routes.into_iter().map(Arc::new).collect(),
        require_tls: RequireTls::No,
        retry: None,
        attempt_count_in_request: false,
        attempt_count_in_response: false,
        headers: HeaderChanges::default(),
        buffer_limit: None,
        per_filter: Vec::new(),
    }
}

pub fn add(name: &str, value: &str, action: AppendAction) -> HeaderAdd {
    HeaderAdd {
        name: name.into(),
        value: Format { parts: vec![Part::Literal(value.into())], omit_empty: false },
        action,
        keep_empty: false,
    }
}

fn connection() -> ConnectionInfo {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    ConnectionInfo {
        id: 1,
        local: address("127.0.0.2:8080"),
        remote: address("127.0.0.1:5555"),
        direct_remote: address("127.0.0.1:5555"),
        tls: None,
        requested_server_name: None,
        filter_chain: "".into(),
        drain: DrainWatch::never(),
    }
}

/// As istiod configures an outbound listener, tracing left out.
fn manager() -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: "test".into(),
        codec: CodecType::Auto,
        routes: RouteSource::Rds { name: "test".into(), initial_fetch_timeout: None },
        filters: Vec::new(),
        router: Router { suppress_envoy_headers: false, dynamic_stats: true },
        use_remote_address: false,
        xff_num_trusted_hops: 0,
        skip_xff_append: false,
        internal_ranges: Vec::new(),
        generate_request_id: true,
        preserve_external_request_id: false,
        request_id_in_response: false,
        request_id_packs_trace_reason: true,
        request_id_samples: true,
        server_name: "envoy".into(),
        server_header: ServerHeader::Overwrite,
        forward_client_cert: ForwardClientCert::Sanitize,
        client_cert_details: ClientCertDetails::default(),
        proxy_100_continue: true,
        normalize_path: true,
        merge_slashes: false,
        escaped_slashes: EscapedSlashes::Keep,
        strip_host_port: StripHostPort::Keep,
        strip_trailing_host_dot: false,
        append_x_forwarded_port: false,
        upgrades: vec![Upgrade { kind: "websocket".into(), enabled: true }],
        http1: Http1Settings::default(),
        http2: config::cluster::Http2Settings::default(),
        idle_timeout: Some(Duration::from_secs(3600)),
        max_connection_duration: None,
        max_requests_per_connection: None,
        max_headers_count: 100,
        max_request_headers: 60 * 1024,
        underscores: Underscores::Allow,
        stream_idle_timeout: None,
        request_timeout: None,
        request_headers_timeout: None,
        drain_timeout: Duration::from_secs(5),
        delayed_close_timeout: Some(Duration::from_secs(1)),
        via: None,
        tracing: None,
        reject_fragment: false,
        access_log: Vec::new(),
    }
}

fn cluster(name: &str) -> config::cluster::Cluster {
    use config::cluster::*;
    Cluster {
        name: name.into(),
        stat_name: name.into(),
        discovery: Discovery::OriginalDst,
        connect_timeout: Duration::from_secs(5),
        balancer: Balancer::RoundRobin,
        panic_threshold: 50.0,
        locality_weighted: false,
        circuit_breaker: Thresholds::default(),
        circuit_breaker_high: Thresholds::default(),
        http: UpstreamHttp {
            protocol: UpstreamProtocol::Http1,
            idle_timeout: None,
            max_connection_duration: None,
            http2: Http2Settings::default(),
            auto_sni: false,
            auto_san_validation: false,
            preserve_case: false,
        },
        transport: UpstreamTransport::Raw,
        transport_matches: Vec::new(),
        tcp_keepalive: None,
        bind_address: None,
        outlier_detection: None,
        buffer_limit: 1024 * 1024,
        metadata: Arc::default(),
        metadata_exchange: false,
        max_requests_per_connection: None,
    }
}
