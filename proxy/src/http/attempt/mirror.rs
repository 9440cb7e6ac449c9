//! Mirrors (`request_mirror_policies`): copies of a request that go to other clusters, and whose answers go nowhere. Made ready by
//! `route` when configuration arrives, prepared by `attempt` with the head that goes upstream, begun with the first attempt, and given the
//! body by `upload` as it comes. They outlive the request, but not one that is broken off, and never change or delay its answer.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use config::access_log::Format;
use config::matcher::Fraction;
use config::route::{Mirror as Config, MirrorTarget};
use config::runtime::Live;

use crate::call::{HttpCall, Told};
use crate::http::filters::behind::{Behind, Pinned, Place};
use crate::http::filters::filter::Way;
use crate::http::filters::frames::Source;
use crate::http::filters::of_cluster::PinnedBehind;
use crate::http::reason;
use crate::http::stop::Stop;
use crate::http::stream::{Chosen, Stream, asks_for_tunnel};
use crate::http::trace;
use crate::http::upstreams::{self, UpstreamCluster};
use crate::mutate::OrderedMutations;
use crate::policy::falls_into;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::format;
use crate::wire::headers::Name;
use crate::wire::message::{Frame, RequestHead};

/// One policy, made ready.
#[derive(Debug)]
pub(in crate::http) struct Mirror {
    to: Target,
    fraction: Option<Live<Fraction>>,
    changes: Arc<Changes>,
}

/// What is changed of the head of a copy.
#[derive(Debug)]
struct Changes {
    keeps_host: bool,
    /// They may tell of the host that the request itself goes to.
    mutations: Option<OrderedMutations>,
    /// It belongs to the trace of its request.
    traced: bool,
    host: Option<Bytes>,
}

#[derive(Debug)]
enum Target {
    Cluster(Arc<str>),
    Header(Name),
}

/// The mirrors of one request, until it has been read.
#[derive(Debug)]
pub(in crate::http) struct Mirrors {
    copies: Vec<Copy>,
    timeout: Option<Duration>,
    begun: bool,
}

/// One copy. Like an attempt it passes the filters of its cluster.
#[derive(Debug)]
struct Copy {
    cluster: Arc<str>,
    /// It has not gone out yet.
    head: Option<RequestHead>,
    /// What is still to be changed of it.
    changes: Option<Arc<Changes>>,
    has_body: bool,
    /// Takes the body.
    told: Option<Told>,
    behind: Option<Place>,
    /// Frames that the filters have not seen yet.
    waiting: VecDeque<Frame>,
    /// All of it was told.
    ended: bool,
}

impl Mirror {
    /// Makes the policies of one level ready.
    pub fn compile(policies: &[Config]) -> Box<[Mirror]> {
        policies.iter().map(Mirror::new).collect()
    }

    fn new(config: &Config) -> Mirror {
        Mirror {
            to: match &config.to {
                MirrorTarget::Cluster(name) => Target::Cluster(name.clone()),
                MirrorTarget::Header(name) => Target::Header(Name::new(name)),
            },
            fraction: config.fraction.clone(),
            changes: Arc::new(Changes {
                keeps_host: config.keeps_host,
                mutations: (!config.mutations.is_empty()).then(|| OrderedMutations::compile(&config.mutations)),
                traced: config.traced,
                host: config.host_rewrite.as_ref().map(|host| Bytes::copy_from_slice(host.as_bytes())),
            }),
        }
    }

    fn cluster(&self, request: &RequestHead) -> Option<Arc<str>> {
        match &self.to {
            Target::Cluster(name) => Some(name.clone()),
            Target::Header(name) => {
                let value = request.headers.get(name).filter(|value| !value.is_empty())?;
                std::str::from_utf8(value).ok().map(Arc::from)
            }
        }
    }

    /// A copy of the request: as it goes out, unless the host is to be known for that.
    fn copy(&self, stream: &Stream<'_>) -> Option<Copy> {
        let mut copy = Copy::new(self.cluster(&stream.request)?, stream.request.clone());
        match (&self.changes.mutations, &mut copy.head) {
            (None, Some(head)) => self.changes.apply(head, stream),
            _ => copy.changes = Some(self.changes.clone()),
        }
        Some(copy)
    }
}

impl Changes {
    fn apply(&self, head: &mut RequestHead, stream: &Stream<'_>) {
        let render = |head: &RequestHead, format: &Format, out: &mut Vec<u8>| {
            let entry = LogEntry { request: Some(head), ..stream.entry(None, None) };
            format::write(format, &entry, out);
        };
        if let Some(mutations) = &self.mutations {
            mutations.apply(head, |head| Some(&mut head.headers), render);
        }
        trace::inject_copy(stream, head, self.traced);
        match &self.host {
            Some(host) => head.authority = host.clone(),
            None if self.keeps_host => {}
            None => head.authority = shadow(&head.authority),
        }
    }
}

/// Policies of a cluster's own, if it has any: made ready by the first request of a worker that goes there, and kept with its cluster.
pub(super) fn of_cluster(cluster: &UpstreamCluster) -> Option<Rc<OfCluster>> {
    let config = &cluster.config().http.mirrors;
    (!config.is_empty()).then(|| cluster.made(|| OfCluster(Mirror::compile(config))))
}

/// Those.
pub(super) struct OfCluster(Box<[Mirror]>);

/// The mirrors of a request whose head is as it goes upstream. `own`: policies of its cluster, which come before all others.
pub(super) fn prepare(
    stream: &Stream<'_>,
    chosen: Chosen<'_>,
    own: Option<&OfCluster>,
    timeout: Option<Duration>,
) -> Option<Box<Mirrors>> {
    let policies = own.map_or_else(|| chosen.mirrors(), |own| &own.0);
    if policies.is_empty() || asks_for_tunnel(&stream.request) {
        return None;
    }
    // One number for all: policies of the same share choose the same requests, as with Envoy.
    let random = fastrand::u64(..);
    let chosen =
        policies.iter().filter(|policy| policy.fraction.as_ref().is_none_or(|share| falls_into(share.get(), random)));
    let copies: Vec<_> = chosen.filter_map(|policy| policy.copy(stream)).collect();
    (!copies.is_empty()).then(|| Box::new(Mirrors { copies, timeout, begun: false }))
}

impl Mirrors {
    /// Begins with them all, of a request that goes to `target`; nothing the second time.
    pub fn begin<'s>(&mut self, stream: &mut Stream<'s>, has_body: bool, target: &upstreams::Target) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        self.change_heads(stream, target);
        let mut filters = Vec::new();
        self.copies.retain_mut(|copy| {
            copy.has_body = has_body;
            let Some(cluster) = stream.context.upstreams.get(&copy.cluster) else {
                reason::mirror_lost(stream, &copy.cluster, "it is not (or not yet) known");
                return false;
            };
            filters.push(cluster.filters().map(PinnedBehind::of));
            true
        });
        let pinned: &'s Pinned = stream.pinned;
        for (copy, filters) in self.copies.iter_mut().zip(pinned.mirrors.get_or_init(|| filters)) {
            let behind = filters.as_ref().and_then(|filters| Behind::start(filters, stream));
            copy.behind = behind.map(|filters| stream.put_behind(filters));
        }
        self.advance(stream);
    }

    /// As in Envoy with the host that the request itself goes to.
    fn change_heads(&mut self, stream: &mut Stream<'_>, target: &upstreams::Target) {
        for copy in &mut self.copies {
            let (Some(changes), Some(head)) = (copy.changes.take(), &mut copy.head) else { continue };
            let before = stream.info.upstream_host.replace(target.address());
            changes.apply(head, stream);
            stream.info.upstream_host = before;
        }
    }

    /// Hands on the next frame of the body.
    pub fn push(&mut self, frame: &Frame, stream: &mut Stream<'_>) {
        for copy in &mut self.copies {
            copy.waiting.push_back(match frame {
                Frame::Data(data) => Frame::Data(data.clone()),
                Frame::Trailers(trailers) => Frame::Trailers(trailers.clone()),
                Frame::End => Frame::End,
            });
        }
        self.advance(stream);
    }

    fn advance(&mut self, stream: &mut Stream<'_>) {
        let timeout = self.timeout;
        self.copies.retain_mut(|copy| {
            let goes_on = copy.send_head(stream, timeout).and_then(|()| copy.send_body(stream));
            if let Err(Some(why)) = goes_on {
                reason::mirror_lost(stream, &copy.cluster, why);
            }
            if goes_on.is_err() {
                stream.end_behind(copy.behind);
            }
            goes_on.is_ok()
        });
    }
}

/// Whether a copy goes on; if not, why it is lost, or that all was told.
type GoesOn = Result<(), Option<&'static str>>;

impl Copy {
    fn new(cluster: Arc<str>, head: RequestHead) -> Copy {
        let waiting = VecDeque::new();
        Copy {
            cluster,
            head: Some(head),
            changes: None,
            has_body: false,
            told: None,
            behind: None,
            waiting,
            ended: false,
        }
    }

    /// Nobody wakes a copy but the next frame of the request: what its filters wait for must be its body.
    fn send_head(&mut self, stream: &mut Stream<'_>, timeout: Option<Duration>) -> GoesOn {
        let Some(head) = &mut self.head else { return Ok(()) };
        std::mem::swap(&mut stream.request, head);
        let (body, has_body) = (&mut Waiting(&mut self.waiting), self.has_body);
        let passed = stream.with_behind(self.behind, |filters, stream| {
            let passed = filters.poll_request(&mut Context::from_waker(Waker::noop()), body, stream, has_body);
            (passed, filters.waits())
        });
        std::mem::swap(&mut stream.request, head);
        match passed {
            None | Some((Poll::Ready(Ok(())), _)) => {}
            Some((Poll::Ready(Err(_)), _)) => return Err(Some("one of its filters has ended the copy")),
            Some((Poll::Pending, true)) => {
                return Err(Some("one of its filters waits, and copies are not kept for that"));
            }
            Some((Poll::Pending, false)) => return Ok(()),
        }
        let Some(head) = self.head.take() else { return Ok(()) };
        let call = HttpCall { timeout, ..HttpCall::new(&self.cluster, head, Bytes::new()) };
        self.told = stream.context.upstreams.tell(call, self.has_body);
        if self.has_body { Ok(()) } else { Err(None) }
    }

    fn send_body(&mut self, stream: &mut Stream<'_>) -> GoesOn {
        while let Some(told) = self.told.as_ref().filter(|_| !self.ended) {
            let mut context = Context::from_waker(Waker::noop());
            let mut body = Waiting(&mut self.waiting);
            let frame = stream.with_behind(self.behind, |filters, stream| {
                filters.poll_frame(Way::Request, &mut context, &mut body, stream)
            });
            match frame.unwrap_or_else(|| body.poll(&mut context, stream)) {
                Poll::Ready(Ok(frame)) => {
                    self.ended = !matches!(frame, Frame::Data(_));
                    if !told.push(&frame) {
                        return Err(Some("it does not keep up with the request"));
                    }
                }
                Poll::Ready(Err(_)) => return Err(Some("one of its filters has ended the copy")),
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}

/// What of a body has been read.
struct Waiting<'w>(&'w mut VecDeque<Frame>);

impl<'s> Source<'s> for Waiting<'_> {
    fn poll(&mut self, _cx: &mut Context<'_>, _stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        self.0.pop_front().map_or(Poll::Pending, |frame| Poll::Ready(Ok(frame)))
    }
}

/// `web:80` becomes `web-shadow:80`.
fn shadow(authority: &[u8]) -> Bytes {
    let host = crate::http::route::without_port(authority);
    Bytes::from([host, b"-shadow", &authority[host.len()..]].concat())
}

#[cfg(test)]
mod tests;
