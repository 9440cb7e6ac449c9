//! Filters behind the router (`upstream_http_filters` of the router, `http_filters` of a cluster): one attempt's, or one mirror's. They stand
//! between the router and the codec: the head goes out when the last of them has let it pass, bodies go through them frame by frame, both
//! ways. `upload` asks for what goes out, `attempt` and `relay` for what comes back. Nothing here waits: it is polled, so that attempts can
//! race each other.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use super::chain::{Chain, RunningFilters};
use super::delegate::running::{Moment, meet};
use super::filter::{Collect, Hooks, Out, Step, Way};
use super::frames::{Frames, Source};
use super::of_cluster::PinnedBehind;
use super::wait::{Wait, Waited};
use crate::http::framing;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::wire::codec::ResetReason;
use crate::wire::message::{BodyLength, Frame, Method, ResponseHead};

/// One attempt's filters.
pub(in crate::http) struct Behind<'s> {
    filters: RunningFilters<'s>,
    request: Side,
    response: Side,
    /// The response's head, while they look at it: the stream's may be another attempt's.
    head: Option<ResponseHead>,
}

/// Where an attempt's, or a mirror's, are in the [`Stream`] that they look at.
pub(in crate::http) type Place = usize;

/// The chains behind the router that a request and its mirrors go past. It borrows from them, so they live longer than it does.
#[derive(Default)]
pub(in crate::http) struct Pinned {
    /// Its cluster's, or the router's where they may change.
    pub own: OnceCell<PinnedBehind>,
    pub mirrors: OnceCell<Vec<Option<PinnedBehind>>>,
}

/// How far a way's head has come, and the stages that its body goes through.
#[derive(Default)]
struct Side {
    /// The filter that is to see the head next, counted in the order in which the way meets them.
    next: usize,
    wants: Option<Wants>,
    passed: bool,
    frames: Option<Box<Frames>>,
}

/// What the filter wants that saw the head last.
enum Wants {
    Wait(Wait),
    Collect(Collect),
}

impl<'s> Behind<'s> {
    /// Those that act on an attempt; `None` if none does.
    pub fn start(chain: &'s Chain, stream: &Stream<'s>) -> Option<Box<Behind<'s>>> {
        if chain.is_empty() {
            return None;
        }
        let filters = chain.start(stream.route.as_ref());
        let (request, response) = (Side::default(), Side::default());
        (!filters.is_empty()).then(|| Box::new(Behind { filters, request, response, head: None }))
    }

    /// Whether what they make of a request's body may not fit another attempt's head.
    pub fn changes_bodies(&self) -> bool {
        self.filters.iter().any(|filter| filter.hooks().has(Hooks::REQUEST_FRAMES))
    }

    /// Whether the request's body is being read before its head has gone out: a client that waits to be asked for it must be.
    pub fn collects(&self) -> bool {
        matches!(self.request.wants, Some(Wants::Collect(_)))
    }

    /// Whether a filter waits for something that is no body.
    pub fn waits(&self) -> bool {
        matches!(self.request.wants, Some(Wants::Wait(_)))
    }

    /// The request's head, which is the stream's, through all of them. `body` is what they may read of its body.
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut dyn Source<'s>,
        stream: &mut Stream<'s>,
        has_body: bool,
    ) -> Poll<Result<(), Stop>> {
        self.poll_head(Way::Request, cx, body, stream, has_body)
    }

    /// Begins with the response's head.
    pub fn answered(&mut self, head: ResponseHead) {
        self.head = Some(head);
    }

    /// The response's head through all of them, in reverse order.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut dyn Source<'s>,
        stream: &mut Stream<'s>,
    ) -> Poll<Result<ResponseHead, Stop>> {
        std::mem::swap(&mut stream.response, &mut self.head);
        let has_body = stream.response.as_ref().is_some_and(|head| head.body != BodyLength::Empty);
        let result = self.poll_head(Way::Response, cx, body, stream, has_body);
        std::mem::swap(&mut stream.response, &mut self.head);
        ready!(result)?;
        Poll::Ready(self.head.take().ok_or_else(|| abort("upstream_filter_without_head")))
    }

    /// The next frame that has passed all of them.
    pub fn poll_frame(
        &mut self,
        way: Way,
        cx: &mut Context<'_>,
        body: &mut dyn Source<'s>,
        stream: &mut Stream<'s>,
    ) -> Poll<Result<Frame, Stop>> {
        let (side, filters) = self.side(way);
        match &mut side.frames {
            Some(frames) => frames.poll(cx, body, filters, stream),
            None => body.poll(cx, stream),
        }
    }

    /// The attempt is over.
    pub fn end(&mut self, stream: &mut Stream<'s>) {
        for filter in &mut self.filters {
            filter.end(stream);
        }
    }

    fn side(&mut self, way: Way) -> (&mut Side, &mut RunningFilters<'s>) {
        let side = match way {
            Way::Request => &mut self.request,
            Way::Response => &mut self.response,
        };
        (side, &mut self.filters)
    }

    fn poll_head(
        &mut self,
        way: Way,
        cx: &mut Context<'_>,
        body: &mut dyn Source<'s>,
        stream: &mut Stream<'s>,
        has_body: bool,
    ) -> Poll<Result<(), Stop>> {
        let (side, filters) = self.side(way);
        while !side.passed {
            let Some(index) = index(way, side.next, filters.len()) else {
                side.passed = true;
                settle(way, stream);
                if has_body && side.frames.is_none() {
                    side.frames = Frames::new(way, filters);
                }
                break;
            };
            let step = match side.wants.as_mut() {
                None => see(way, index, filters, stream),
                Some(wants) => {
                    let waited = match wants {
                        Wants::Wait(wait) => ready!(wait.poll(cx)),
                        Wants::Collect(collect) => {
                            let collect = *collect;
                            let mut frames = Frames::of(&mut side.frames, way, filters);
                            let result = frames.collect(index, collect, cx, body, filters, stream);
                            side.frames = Some(frames);
                            Waited::Collected { complete: ready!(result)? }
                        }
                    };
                    side.wants = None;
                    resume(way, index, side, filters, stream, waited)
                }
            };
            match step {
                Step::Continue => side.next += 1,
                Step::Wait(wait) => side.wants = Some(Wants::Wait(wait)),
                Step::Collect(collect) => side.wants = Some(Wants::Collect(collect)),
                // As with Envoy it goes to the client at once: no other attempt follows.
                Step::Reply(reply) => return Poll::Ready(Err(Stop::Reply(reply))),
                Step::Abort(flags, details) => {
                    let reason = ResetReason::InternalError;
                    return Poll::Ready(Err(Stop::Abort { flags, details: details.into(), reason }));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What they wrote of the length of a body that they have changed is not believed.
fn settle(way: Way, stream: &mut Stream<'_>) {
    match (way, &mut stream.response) {
        (Way::Request, _) => framing::settle_request(&mut stream.request),
        (Way::Response, Some(head)) => framing::settle_response(head, stream.request.method == Method::Head),
        (Way::Response, None) => {}
    }
}

/// The filter that a way meets at that place; `None` behind the last one.
fn index(way: Way, next: usize, count: usize) -> Option<usize> {
    match way {
        Way::Request => (next < count).then_some(next),
        Way::Response => count.checked_sub(next + 1),
    }
}

fn see<'s>(way: Way, index: usize, filters: &mut RunningFilters<'s>, stream: &mut Stream<'s>) -> Step {
    let (moment, hook) = match way {
        Way::Request => (Moment::Request, Hooks::REQUEST),
        Way::Response => (Moment::Response, Hooks::RESPONSE),
    };
    meet(filters, index, stream, moment);
    let filter = &mut filters[index];
    match way {
        _ if !filter.hooks().has(hook) => Step::Continue,
        Way::Request => filter.request(stream),
        Way::Response => filter.response(stream),
    }
}

fn resume<'s>(
    way: Way,
    index: usize,
    side: &mut Side,
    filters: &mut RunningFilters<'s>,
    stream: &mut Stream<'s>,
    waited: Waited,
) -> Step {
    let mut nothing = VecDeque::new();
    let mut held = match &mut side.frames {
        Some(frames) if matches!(waited, Waited::Collected { .. }) => frames.collected(index),
        _ => Out::new(&mut nothing),
    };
    filters[index].resumed(stream, way, waited, &mut held)
}

fn abort(details: &'static str) -> Stop {
    let flags = crate::failure::ResponseFlags::NONE;
    Stop::Abort { flags, details: details.into(), reason: ResetReason::InternalError }
}

impl<'s> Stream<'s> {
    /// Takes these filters along, for an attempt or a mirror.
    pub fn put_behind(&mut self, filters: Box<Behind<'s>>) -> Place {
        self.behind.push(Some(filters));
        self.behind.len() - 1
    }

    /// Lends them: while they look at the stream, they are not in it.
    pub fn with_behind<T>(
        &mut self,
        place: Option<Place>,
        work: impl FnOnce(&mut Behind<'s>, &mut Stream<'s>) -> T,
    ) -> Option<T> {
        let mut filters = self.behind.get_mut(place?)?.take()?;
        let result = work(&mut filters, self);
        self.behind[place?] = Some(filters);
        Some(result)
    }

    /// Their attempt is over.
    pub fn end_behind(&mut self, place: Option<Place>) {
        let filters = place.and_then(|place| self.behind.get_mut(place)?.take());
        if let Some(mut filters) = filters {
            filters.end(self);
        }
    }

    /// The request is over, and all attempts with it.
    pub fn end_all_behind(&mut self) {
        for place in 0..self.behind.len() {
            self.end_behind(Some(place));
        }
    }
}
