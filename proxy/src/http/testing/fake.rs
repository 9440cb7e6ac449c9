//! Scripted upstreams: a connector that gives pipes in memory, and at the other end of each a server that does what a script says, once.
//! Balancers, pools and codecs are those of production.

mod http1;
mod http2;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::endpoint::{Endpoint, HealthStatus, LoadAssignment};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cluster::{self, Connected, Connecting, Connector, Key, PickFailure, Speaks};
use crate::cluster::{ConnectFailure, ConnectFailureKind};
use crate::telemetry::stream_info::UpstreamConnection;
use crate::transport::{Io, Stream};
use crate::wire::codec::{ResetReason, StreamError};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Protocol, RequestHead, ResponseHead};

/// The servers of all clusters.
pub struct Network {
    pub clusters: HashMap<String, Rc<Cluster>>,
}

/// A cluster: each connection takes the next script, and carries one request.
pub struct Cluster {
    pub config: config::cluster::Cluster,
    /// Metadata of its endpoints.
    pub labels: Arc<config::metadata::Metadata>,
    pub scripts: RefCell<VecDeque<Script>>,
    seen: RefCell<Vec<Rc<RefCell<Seen>>>>,
    pub hosts: RefCell<Vec<Arc<str>>>,
    /// So many of the hosts, the first ones, are not healthy.
    pub sick: Cell<usize>,
    /// So many of them, the last ones, are of a priority that nobody needs.
    pub spare: Cell<usize>,
    /// The hosts that were connected to.
    pub connected: RefCell<Vec<Arc<str>>>,
    pub retries_allowed: Cell<bool>,
    pub protocol: Cell<Protocol>,
    /// `max_stream_duration`; for a cluster that has had no request yet.
    pub stream_limit: Cell<Option<Duration>>,
    /// What it does when no script is left; without that, a connection is one that the test did not expect.
    pub otherwise: Cell<Option<fn() -> Script>>,
    /// Connections that the test did not expect.
    pub surprises: Cell<usize>,
    /// Requests that the servers are busy with.
    busy: Cell<usize>,
}

/// One attempt.
#[derive(Default)]
pub struct Script {
    pub no_host: Option<PickFailure>,
    pub connect: Option<ConnectFailure>,
    /// The connection takes so long.
    pub connects_in: Duration,
    /// The head comes so long after the connection.
    pub head_in: Duration,
    /// The end of the body comes so long after the connection.
    pub ends_in: Duration,
    /// It takes nothing of the request's body.
    pub deaf: bool,
    /// Never answers.
    pub hangs: bool,
    pub informational: Vec<u16>,
    /// Instead of a head.
    pub fails: Option<StreamError>,
    pub head: Option<ResponseHead>,
    /// The head waits for the end of the request.
    pub after_request: bool,
    pub body: VecDeque<Result<Frame, StreamError>>,
    /// It is lost so long after the connection, whether anybody reads or not, and its end does not come before that.
    pub lost_in: Option<(Duration, StreamError)>,
    /// The body is followed by nothing, not even an end.
    pub stalls: bool,
}

/// What an attempt was given.
#[derive(Debug, Clone)]
pub struct Seen {
    pub host: Arc<str>,
    pub alpn: Option<Vec<String>>,
    pub sni: Option<String>,
    pub head: RequestHead,
    pub body: Vec<u8>,
    pub trailers: Option<Headers>,
    pub ended: bool,
    /// We went away before it was done.
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

    /// Whether there is nothing after the head.
    fn is_only_head(&self) -> bool {
        !self.stalls && self.lost_in.is_none() && matches!(self.body.front(), None | Some(Ok(Frame::End)))
    }

    /// HTTP/1 has no resets, and ours passes no trailers on.
    fn needs_http2(&self) -> bool {
        if self.body.iter().any(|frame| matches!(frame, Ok(Frame::Trailers(_)))) {
            return true;
        }
        let failures = self.fails.iter().chain(self.lost_in.as_ref().map(|(_, error)| error));
        failures.chain(self.body.iter().filter_map(|frame| frame.as_ref().err())).any(|error| reset(error).is_some())
    }

    /// When it is lost.
    fn lost(&self, begun: Instant) -> Option<(Instant, StreamError)> {
        self.lost_in.as_ref().map(|(time, error)| (begun + *time, error.clone()))
    }
}

/// The code of a reset.
fn reset(error: &StreamError) -> Option<u32> {
    if let StreamError::Reset(code) = error { Some(*code) } else { None }
}

/// What of a cluster is configuration, and may change between two requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    http2: bool,
    retries: bool,
    panics: bool,
    labels: Arc<config::metadata::Metadata>,
    /// Each with whether it is well, and its priority.
    hosts: Vec<(Arc<str>, bool, u32)>,
}

impl Cluster {
    pub fn new(name: &str) -> Cluster {
        Cluster {
            config: super::configs::cluster(name),
            labels: Arc::default(),
            scripts: RefCell::default(),
            seen: RefCell::default(),
            hosts: RefCell::new(vec!["10.0.0.1:80".into()]),
            sick: Cell::new(0),
            spare: Cell::new(0),
            connected: RefCell::default(),
            retries_allowed: Cell::new(true),
            protocol: Cell::new(Protocol::Http11),
            stream_limit: Cell::default(),
            otherwise: Cell::new(None),
            surprises: Cell::new(0),
            busy: Cell::new(0),
        }
    }

    /// What requests have come, as far as they have.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.borrow_mut().drain(..).map(|seen| seen.borrow().clone()).collect()
    }

    /// Whether all that was sent here has arrived.
    pub fn is_idle(&self) -> bool {
        self.busy.get() == 0
    }

    pub fn shape(&self) -> Shape {
        let scripts = self.scripts.borrow();
        if scripts.iter().any(Script::needs_http2) {
            // For good: another cluster would begin with statistics of its own.
            self.protocol.set(Protocol::Http2);
        }
        let absent = scripts.front().and_then(|script| script.no_host);
        let hosts = self.hosts.borrow();
        let sick = if absent == Some(PickFailure::NoHealthyEndpoint) { hosts.len() } else { self.sick.get() };
        let first = hosts.len().saturating_sub(self.spare.get());
        let hosts = hosts.iter().enumerate();
        let hosts = hosts.map(|(index, host)| (host.clone(), index >= sick, u32::from(index >= first)));
        Shape {
            http2: self.protocol.get() == Protocol::Http2,
            retries: self.retries_allowed.get(),
            panics: absent != Some(PickFailure::NoHealthyEndpoint),
            labels: self.labels.clone(),
            hosts: hosts.filter(|_| absent != Some(PickFailure::NoEndpoints)).collect(),
        }
    }

    /// The configuration of this shape. One request a connection: a script is an attempt.
    pub fn configured(&self, shape: &Shape) -> config::cluster::Cluster {
        let mut config = self.config.clone();
        if shape.http2 {
            config.http.protocol = config::cluster::UpstreamProtocol::Http2;
        }
        if !shape.retries {
            config.circuit_breaker.max_retries = 0;
        }
        if !shape.panics {
            config.panic_threshold = 0.0;
        }
        config.http.max_stream_duration = self.stream_limit.get();
        config.max_requests_per_connection = Some(1);
        config.discovery = config::cluster::Discovery::Static(shape.assignment());
        config
    }

    async fn connect(self: &Rc<Self>, host: Arc<str>, key: &Key) -> Result<Connected, ConnectFailure> {
        self.connected.borrow_mut().push(host.clone());
        let script = self.scripts.borrow_mut().pop_front();
        let Some(script) = script.or_else(|| self.otherwise.get().map(|script| script())) else {
            self.surprises.set(self.surprises.get() + 1);
            return Err(ConnectFailure::new(ConnectFailureKind::Local));
        };
        let begun = Instant::now().into_std();
        tokio::time::sleep(script.connects_in).await;
        if let Some(failure) = script.connect {
            return Err(failure);
        }
        let (near, far) = tokio::io::duplex(PIPE);
        let alpn = key.alpn.as_ref();
        let alpn = alpn.map(|list| list.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect());
        let served = Served {
            cluster: self.clone(),
            host: host.clone(),
            alpn,
            sni: key.sni.as_deref().map(str::to_owned),
            begun: Instant::now(),
            ended: Rc::default(),
        };
        if key.speaks == Speaks::Http2 {
            tokio::task::spawn_local(http2::serve(served, script, far));
        } else {
            tokio::task::spawn_local(http1::serve(served, script, far));
        }
        let connected = Instant::now().into_std();
        let facts = UpstreamConnection {
            id: 1,
            peer: host,
            local: None,
            secured: None,
            tls: None,
            begun,
            connected,
            peer_says: None,
        };
        Ok(Connected { stream: Stream::new(Io::Memory(near)), facts: Rc::new(facts) })
    }
}

impl Shape {
    pub fn assignment(&self) -> LoadAssignment {
        let endpoint = |host: &str, well: bool| Endpoint {
            health: if well { HealthStatus::Unknown } else { HealthStatus::Unhealthy },
            metadata: self.labels.clone(),
            ..cluster::testing::endpoint(host.parse().unwrap())
        };
        let localities = (0..2).map(|priority| {
            let hosts = self.hosts.iter().filter(|(_, _, of)| *of == priority);
            let endpoints = hosts.map(|(host, well, _)| endpoint(host, *well)).collect();
            cluster::testing::locality("", None, priority, endpoints)
        });
        LoadAssignment { localities: localities.collect(), ..cluster::testing::assignment(Vec::new()) }
    }

    /// Whether only hosts differ.
    pub fn is_like(&self, other: &Shape) -> bool {
        Shape { hosts: Vec::new(), ..self.clone() } == Shape { hosts: Vec::new(), ..other.clone() }
    }
}

/// Octets that a pipe holds.
const PIPE: usize = 64 * 1024;

impl Connector for Network {
    fn connect<'a>(
        &'a self,
        cluster: &'a cluster::Cluster,
        endpoint: &'a cluster::Endpoint,
        key: &'a Key,
    ) -> Connecting<'a> {
        let cluster = self.clusters[&*cluster.config().name].clone();
        Box::pin(async move { cluster.connect(endpoint.identity.printed.clone(), key).await })
    }
}

/// What a server knows of its connection.
struct Served {
    cluster: Rc<Cluster>,
    host: Arc<str>,
    alpn: Option<Vec<String>>,
    sni: Option<String>,
    begun: Instant,
    /// The request has come to its end.
    ended: Rc<Ended>,
}

/// A flag to wait for.
#[derive(Default)]
struct Ended {
    is: Cell<bool>,
    told: Notify,
}

impl Ended {
    async fn wait(&self) {
        while !self.is.get() {
            self.told.notified().await;
        }
    }
}

/// A server that is busy.
struct Busy(Rc<Cluster>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

impl Served {
    /// A request begins. The guard is held until nothing more can come.
    fn begin(&self, head: RequestHead) -> (Rc<RefCell<Seen>>, Busy) {
        let seen = Seen {
            host: self.host.clone(),
            alpn: self.alpn.clone(),
            sni: self.sni.clone(),
            head,
            body: Vec::new(),
            trailers: None,
            ended: false,
            reset: None,
        };
        let seen = Rc::new(RefCell::new(seen));
        self.cluster.seen.borrow_mut().push(seen.clone());
        self.cluster.busy.set(self.cluster.busy.get() + 1);
        (seen, Busy(self.cluster.clone()))
    }

    /// The request is complete.
    fn ends(&self, seen: &RefCell<Seen>, trailers: Option<Headers>) {
        let mut seen = seen.borrow_mut();
        seen.ended = true;
        seen.trailers = trailers;
        self.ended.is.set(true);
        self.ended.told.notify_one();
    }

    /// Until something may be said.
    async fn until_head(&self, script: &Script) {
        tokio::time::sleep_until(self.begun + script.head_in).await;
        if script.hangs {
            std::future::pending::<()>().await;
        }
        if script.after_request {
            self.ended.wait().await;
        }
    }

    /// Until the end may be said.
    async fn until_end(&self, script: &Script) {
        if script.stalls || script.lost_in.is_some() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until(self.begun + script.ends_in).await;
    }
}
