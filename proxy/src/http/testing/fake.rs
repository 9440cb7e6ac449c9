//! Scripted upstreams.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

use crate::cluster::{Codes, ConnectFailure, GrpcCounters, HttpWant, Membership, OverrideHost, PickFailure};
use crate::http::upstreams::Tried;
use crate::stats::Scope;
use crate::wire::codec::{ResetReason, StreamError, Upstream};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Protocol, RequestHead, ResponseHead};

pub struct Upstreams {
    pub clusters: HashMap<String, Rc<Cluster>>,
    pub calls: Option<crate::call::Calls>,
    /// Mirrors.
    pub told: Rc<RefCell<Vec<Mirrored>>>,
}

/// A mirror, and the body that it got.
pub type Mirrored = (crate::call::HttpCall, Option<crate::call::Recorded>);

impl Upstreams {
    pub fn tell(&self, call: crate::call::HttpCall, has_body: bool) -> Option<crate::call::Told> {
        let (told, recorded) = has_body.then(crate::call::Recorded::new).unzip();
        self.told.borrow_mut().push((call, recorded));
        told
    }

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
    /// So many of the hosts are not healthy.
    pub sick: Cell<usize>,
    pub picks: RefCell<Vec<usize>>,
    pub retries_allowed: Cell<bool>,
    pub protocol: Cell<Protocol>,
    pub grpc: GrpcCounters,
    /// Of the first context that was made: filters' tests make one.
    pub scope: OnceCell<Scope>,
    /// Statuses that were counted, and where.
    pub counted: RefCell<Vec<(u16, Codes)>>,
}

/// One attempt.
#[derive(Default)]
pub struct Script {
    pub no_host: Option<PickFailure>,
    pub connect: Option<ConnectFailure>,
    /// The connection takes so long.
    pub connects_in: Duration,
    /// The head takes so long.
    pub head_in: Duration,
    /// The end of the body comes so long after the head.
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
    /// It is lost so long after the head, whether anybody reads or not.
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
            config: super::configs::cluster(name),
            scripts: RefCell::default(),
            seen: RefCell::default(),
            hosts: RefCell::new(vec!["10.0.0.1:80".into()]),
            sick: Cell::new(0),
            picks: RefCell::default(),
            retries_allowed: Cell::new(true),
            protocol: Cell::new(Protocol::Http11),
            counted: RefCell::default(),
            grpc: GrpcCounters::default(),
            scope: OnceCell::new(),
        }
    }

    pub fn membership(&self) -> Membership {
        let (total, sick) = (self.hosts.borrow().len() as u64, self.sick.get() as u64);
        Membership { total, healthy: total - sick, degraded: 0 }
    }

    pub fn pick(&self, prefer: Option<&OverrideHost>, tried: &Tried) -> Result<Arc<str>, PickFailure> {
        if let Some(failure) = self.scripts.borrow().front().and_then(|script| script.no_host) {
            return Err(failure);
        }
        let hosts = self.hosts.borrow();
        if let Some(wanted) = prefer {
            match hosts.iter().find(|host| ***host == *wanted.address) {
                Some(host) => return Ok(host.clone()),
                None => wanted.strict.map_or(Ok(()), |status| Err(PickFailure::OverrideHost(status)))?,
            }
        }
        self.picks.borrow_mut().push(tried.fakes.len());
        Ok(hosts.iter().find(|host| !tried.fakes.contains(host)).unwrap_or(&hosts[0]).clone())
    }

    pub async fn http(self: &Rc<Self>, host: &Arc<str>, want: &HttpWant<'_>) -> Result<Lease, ConnectFailure> {
        let script = self.scripts.borrow_mut().pop_front().expect("an attempt that the test did not expect");
        tokio::time::sleep(script.connects_in).await;
        if let Some(failure) = script.connect {
            return Err(failure);
        }
        let alpn =
            want.alpn.map(|list| list.iter().map(|protocol| String::from_utf8(protocol.to_vec()).unwrap()).collect());
        let (host, protocol) = (host.clone(), self.protocol.get());
        let lost_in = script.lost_in.as_ref().map_or(Duration::MAX, |(time, _)| *time);
        let timers = [script.head_in, script.ends_in, lost_in].map(|time| Box::pin(tokio::time::sleep(time)));
        let sni = want.sni.map(str::to_owned);
        Ok(Lease { host, alpn, sni, protocol, cluster: self.clone(), script, seen: None, timers })
    }
}

pub struct Lease {
    pub host: Arc<str>,
    pub protocol: Protocol,
    alpn: Option<Vec<String>>,
    sni: Option<String>,
    cluster: Rc<Cluster>,
    script: Script,
    seen: Option<Seen>,
    /// Until the head, the end, the loss.
    timers: [Pin<Box<Sleep>>; 3],
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
            sni: self.sni.clone(),
            head: head.clone(),
            body: Vec::new(),
            trailers: None,
            ended: end,
            reset: None,
        });
        Ok(())
    }

    fn poll_ready(&mut self, _cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
        if self.script.deaf { Poll::Pending } else { Poll::Ready(Ok(())) }
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

    fn poll_head(&mut self, cx: &mut Task<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        ready!(self.timers[0].as_mut().poll(cx));
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

    fn poll_body(&mut self, cx: &mut Task<'_>) -> Poll<Result<Frame, StreamError>> {
        if matches!(self.script.body.front(), Some(Ok(Frame::End | Frame::Trailers(_)))) {
            ready!(self.timers[1].as_mut().poll(cx));
        }
        match self.script.body.pop_front() {
            Some(Ok(Frame::End)) if self.script.stalls => Poll::Pending,
            Some(frame) => Poll::Ready(frame),
            None => Poll::Pending,
        }
    }

    fn poll_lost(&mut self, cx: &mut Task<'_>) -> Poll<StreamError> {
        let Some((_, error)) = &self.script.lost_in else { return Poll::Pending };
        ready!(self.timers[2].as_mut().poll(cx));
        Poll::Ready(error.clone())
    }

    fn reset(&mut self, reason: ResetReason) {
        self.seen().reset = Some(reason);
    }
}
