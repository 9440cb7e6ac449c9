//! Filters between a codec and a pump. [`Frames::poll`] is asked for the next frame of a body and asks in turn the filter before it,
//! down to the codec: what is in memory is one frame, and what filters hold. `exchange` has none of these for a request whose filters
//! do not look at bodies; then it asks the codec itself.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::Running;
use super::chain::RunningFilters;
use super::delegate::running::{Moment, meet};
use super::filter::{Collect, Follows, Hooks, Out, Step, Way};
use super::wait::Wait;
use crate::http::exchange::Exchange;
use crate::http::local_reply::LocalReply;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::wire::codec::{Downstream, ResetReason};
use crate::wire::message::Frame;

/// The filters that look at one way of a request, in the order in which a frame meets them.
#[derive(Debug)]
pub(in crate::http) struct Frames {
    way: Way,
    stages: Vec<Stage>,
    /// The last frame that came to the filters was here before it was asked for: it was held for one of them, or is our own.
    was_here: bool,
}

/// Where frames come from: the codec, or a body of our own.
pub(in crate::http) trait Source<'s> {
    /// The next one.
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>>;

    /// Whether all of it is here.
    fn is_here(&self) -> bool {
        false
    }

    /// Ready when no further frame can come. Asked where the next one is not asked for.
    fn poll_lost(&mut self, _cx: &mut Context<'_>) -> Poll<Stop> {
        Poll::Pending
    }

    /// Moves what flows the other way while this one is waited for.
    fn drive(
        &mut self,
        _cx: &mut Context<'_>,
        _exchange: &mut Exchange<'s>,
        _downstream: &mut dyn Downstream,
    ) -> Result<(), Stop> {
        Ok(())
    }
}

/// A filter's place.
#[derive(Debug)]
struct Stage {
    /// Which of the request's filters.
    filter: usize,
    role: Role,
    /// Read for it and not given to it yet.
    input: VecDeque<Frame>,
    /// Put out by it and not taken yet.
    output: VecDeque<Frame>,
    waiting: Option<Wait>,
    /// The end of the body has been given to it.
    ended: bool,
    /// It wants to know what comes behind a frame.
    ahead: bool,
    /// What came in place of a frame that was looked for: it follows what is read.
    failed: Option<Stop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// May change every frame.
    Changes,
    /// Counts.
    Sees,
    /// Only holds what was collected for the filter.
    Holds,
}

impl Frames {
    /// For the filters of a request; `None` when none of them looks at bodies this way.
    pub fn new(way: Way, running: &RunningFilters<'_>) -> Option<Box<Frames>> {
        let mut frames = Frames { way, stages: Vec::new(), was_here: false };
        for (index, filter) in running.iter().enumerate() {
            frames.stages.extend(Role::of(way, filter).map(|role| Stage::of(index, role, filter)));
        }
        if way == Way::Response {
            frames.stages.reverse();
        }
        (!frames.stages.is_empty()).then(|| Box::new(frames))
    }

    /// The list of filters is another one after the first so many, which had none of the body yet.
    pub fn start_again(&mut self, kept: usize, running: &RunningFilters<'_>) {
        self.stages.retain(|stage| stage.filter < kept);
        for (index, filter) in running.iter().enumerate().skip(kept) {
            self.stages.extend(Role::of(self.way, filter).map(|role| Stage::of(index, role, filter)));
        }
    }

    /// Those that are there, or new ones, perhaps without a filter: [`collect`](Frames::collect) makes places.
    pub fn of(there: &mut Option<Box<Frames>>, way: Way, running: &RunningFilters<'_>) -> Box<Frames> {
        let frames = there.take().or_else(|| Frames::new(way, running));
        frames.unwrap_or_else(|| Box::new(Frames { way, stages: Vec::new(), was_here: false }))
    }

    /// The next frame that has passed all filters.
    pub fn poll<'s>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut dyn Source<'s>,
        running: &mut RunningFilters<'s>,
        stream: &mut Stream<'s>,
    ) -> Poll<Result<Frame, Stop>> {
        self.poll_stage(self.stages.len(), cx, source, running, stream)
    }

    /// Reads for one filter, past those that come before it. Ready with whether the end was reached, or that the limit was.
    pub fn collect<'s>(
        &mut self,
        filter: usize,
        collect: Collect,
        cx: &mut Context<'_>,
        source: &mut dyn Source<'s>,
        running: &mut RunningFilters<'s>,
        stream: &mut Stream<'s>,
    ) -> Poll<Result<bool, Stop>> {
        let place = self.place(filter);
        loop {
            let stage = &self.stages[place];
            if stage.input.back().is_some_and(is_last) {
                return Poll::Ready(Ok(true));
            }
            if octets(&stage.input) > collect.limit {
                return Poll::Ready(Ok(false));
            }
            let frame = ready!(self.poll_stage(place, cx, source, running, stream))?;
            keep(&mut self.stages[place].input, frame);
        }
    }

    /// What was collected for a filter.
    pub fn collected(&mut self, filter: usize) -> Out<'_> {
        let place = self.place(filter);
        Out::new(&mut self.stages[place].input)
    }

    /// The place of a filter; made where it only holds.
    fn place(&mut self, filter: usize) -> usize {
        if let Some(place) = self.stages.iter().position(|stage| stage.filter == filter) {
            return place;
        }
        let later = |stage: &Stage| match self.way {
            Way::Request => stage.filter > filter,
            Way::Response => stage.filter < filter,
        };
        let place = self.stages.iter().position(later).unwrap_or(self.stages.len());
        self.stages.insert(place, Stage::new(filter, Role::Holds));
        place
    }

    /// The next frame that comes out of the first `count` stages.
    fn poll_stage<'s>(
        &mut self,
        count: usize,
        cx: &mut Context<'_>,
        source: &mut dyn Source<'s>,
        running: &mut RunningFilters<'s>,
        stream: &mut Stream<'s>,
    ) -> Poll<Result<Frame, Stop>> {
        let Some(place) = count.checked_sub(1) else {
            self.was_here = source.is_here();
            return source.poll(cx, stream);
        };
        loop {
            let stage = &mut self.stages[place];
            if let Some(frame) = stage.output.pop_front() {
                return Poll::Ready(Ok(frame));
            }
            let filter = &mut running[stage.filter];
            if let Some(wait) = &mut stage.waiting {
                let waited = ready!(wait.poll(cx));
                stage.waiting = None;
                let step = filter.resumed(stream, self.way, waited, &mut Out::new(&mut stage.output));
                stage.take(step)?;
                continue;
            }
            if stage.ended {
                // The filter has swallowed the end.
                return Poll::Ready(Ok(Frame::End));
            }
            let frame = match stage.input.pop_front() {
                Some(frame) => {
                    self.was_here |= !stage.ahead;
                    frame
                }
                None => match stage.failed.take() {
                    Some(stop) => return Poll::Ready(Err(stop)),
                    None => ready!(self.poll_stage(place, cx, source, running, stream))?,
                },
            };
            let ahead = self.was_here && self.stages[place].ahead && !is_last(&frame);
            let follows = if ahead { self.look_ahead(place, cx, source, running, stream) } else { Follows::Unknown };
            let (stage, way) = (&mut self.stages[place], self.way);
            if let Frame::Trailers(trailers) = &frame {
                meet(running, stage.filter, stream, Moment::Trailers(way, trailers));
            }
            let filter = &mut running[stage.filter];
            match stage.role {
                Role::Holds => return Poll::Ready(Ok(frame)),
                Role::Sees => {
                    filter.sees(stream, way, &frame);
                    return Poll::Ready(Ok(frame));
                }
                Role::Changes => {
                    stage.ended = is_last(&frame);
                    let step = filter.frame(stream, way, frame, &mut Out::new(&mut stage.output).before(follows));
                    stage.take(step)?;
                }
            }
        }
    }

    /// What comes behind the frame that a stage has taken, if that is here: then it is read. Not asked of what a codec gives as it comes:
    /// Envoy's knows of no end together with the data before it.
    fn look_ahead<'s>(
        &mut self,
        place: usize,
        cx: &mut Context<'_>,
        source: &mut dyn Source<'s>,
        running: &mut RunningFilters<'s>,
        stream: &mut Stream<'s>,
    ) -> Follows {
        if self.stages[place].input.is_empty() && self.stages[place].failed.is_none() {
            match self.poll_stage(place, cx, source, running, stream) {
                Poll::Ready(Ok(frame)) => self.stages[place].input.push_back(frame),
                Poll::Ready(Err(stop)) => self.stages[place].failed = Some(stop),
                Poll::Pending => {}
            }
        }
        match self.stages[place].input.front() {
            Some(Frame::Data(_)) => Follows::Data,
            Some(Frame::End) => Follows::End,
            Some(Frame::Trailers(_)) | None => Follows::Unknown,
        }
    }
}

impl Stage {
    fn new(filter: usize, role: Role) -> Stage {
        let (input, output) = (VecDeque::new(), VecDeque::new());
        Stage { filter, role, input, output, waiting: None, ended: false, ahead: false, failed: None }
    }

    fn of(index: usize, role: Role, filter: &Running<'_>) -> Stage {
        Stage { ahead: role == Role::Changes && filter.hooks().has(Hooks::AHEAD), ..Stage::new(index, role) }
    }

    fn take(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Continue => Ok(()),
            Step::Wait(wait) => {
                self.waiting = Some(wait);
                Ok(())
            }
            Step::Reply(reply) => Err(Stop::Reply(reply)),
            Step::Abort(flags, details) => {
                Err(Stop::Abort { flags, details: details.into(), reason: ResetReason::InternalError })
            }
            // What comes is given to `frame` piece by piece: a filter that wants more keeps what it got. One that asks all the same would
            // have gone by what it did not get.
            Step::Collect(_) => Err(LocalReply::new(500, "filter_collects_within_a_body").into()),
        }
    }
}

impl Role {
    fn of(way: Way, filter: &Running<'_>) -> Option<Role> {
        let (changes, sees) = way.hooks();
        let hooks = filter.hooks();
        if hooks.has(changes) { Some(Role::Changes) } else { hooks.has(sees).then_some(Role::Sees) }
    }
}

fn is_last(frame: &Frame) -> bool {
    matches!(frame, Frame::End | Frame::Trailers(_))
}

fn octets(frames: &VecDeque<Frame>) -> usize {
    frames.iter().map(|frame| if let Frame::Data(data) = frame { data.len() } else { 0 }).sum()
}

/// Small pieces are joined: a body in pieces of one octet must not cost a hundred times its size.
fn keep(queue: &mut VecDeque<Frame>, frame: Frame) {
    const SMALL: usize = 4096;
    if let (Frame::Data(data), Some(Frame::Data(last))) = (&frame, queue.back_mut())
        && data.len() < SMALL
        && last.len() < SMALL
    {
        // What was joined before is ours alone, and grows in place.
        let mut joined = std::mem::take(last).try_into_mut().unwrap_or_else(|shared| {
            let mut copy = BytesMut::with_capacity(2 * SMALL);
            copy.extend_from_slice(&shared);
            copy
        });
        joined.extend_from_slice(data);
        *last = joined.freeze();
        return;
    }
    queue.push_back(frame);
}

/// A body that is there already.
pub(in crate::http) struct Own(pub Option<bytes::Bytes>);

impl<'s> Source<'s> for Own {
    fn is_here(&self) -> bool {
        true
    }

    fn poll(&mut self, _cx: &mut Context<'_>, _stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        Poll::Ready(Ok(match self.0.take().filter(|body| !body.is_empty()) {
            Some(body) => Frame::Data(body),
            None => Frame::End,
        }))
    }
}

#[cfg(test)]
mod tests;
