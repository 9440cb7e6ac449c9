//! A gRPC stream of messages both ways, as a handle that a synchronous hook can write to while a driver polls it. No task of its own:
//! everything moves in [`GrpcStream::poll_message`]. Dropping the last handle resets the stream.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;

use super::Calls;
use super::attempt::Open;
use super::failure::{CallFailure, Why};
use super::incoming::Incoming;
use super::request::GrpcCall;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

/// A stream of messages both ways. Share it in an `Rc`.
pub struct GrpcStream(RefCell<Inner>);

struct Inner {
    cluster: Arc<str>,
    longest: u32,
    state: State,
    /// Messages that wait for the stream, or for room in it.
    queue: VecDeque<Bytes>,
    queued: usize,
    /// No more messages will be sent.
    finished: bool,
    /// The service has been told so.
    told: bool,
    /// Of the task that polls.
    waker: Option<Waker>,
    /// Messages that one reader took for another.
    kept: [Option<Bytes>; READERS],
}

// It lives in the stream's one allocation; a box would be a second.
#[allow(clippy::large_enum_variant)]
enum State {
    Opening(Pin<Box<dyn Future<Output = Result<Open, CallFailure>>>>),
    Open(Open, Option<Incoming>),
    /// It has ended: with status OK, or else so.
    Over(Option<CallFailure>),
}

/// How many may wait for the messages of one stream.
pub const READERS: usize = 2;

/// What a service has to end a stream that nobody reads any more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Octets that may wait before [`GrpcStream::has_room`] says no.
const QUEUE: usize = 64 * 1024;

impl GrpcStream {
    pub(super) fn new(calls: Calls, call: GrpcCall) -> GrpcStream {
        let (cluster, longest) = (call.target.cluster().clone(), call.target.longest);
        let opening = Box::pin(async move {
            let cluster = calls.cluster(call.target.cluster())?;
            calls.0.rq_total.inc();
            call.outgoing(&calls, cluster).open().await
        });
        GrpcStream(RefCell::new(Inner {
            cluster,
            longest,
            state: State::Opening(opening),
            queue: VecDeque::new(),
            queued: 0,
            finished: false,
            told: false,
            waker: None,
            kept: [const { None }; READERS],
        }))
    }

    /// Sends a message: it leaves when the stream is next polled, and that task is woken.
    ///
    /// # Errors
    /// The stream has ended, or [`GrpcStream::finish`] was called.
    pub fn send(&self, message: Framed) -> Result<(), CallFailure> {
        let mut inner = self.0.borrow_mut();
        match &inner.state {
            State::Over(Some(failure)) => return Err(failure.clone()),
            State::Over(None) => return Err(CallFailure::new(&inner.cluster, Why::Over)),
            _ if inner.finished => return Err(CallFailure::new(&inner.cluster, Why::Over)),
            _ => {}
        }
        let message = message.into_bytes();
        inner.queued += message.len();
        inner.queue.push_back(message);
        inner.wake();
        Ok(())
    }

    /// Whether the service takes messages as fast as they come. One who has more should wait for the next poll when it does not.
    pub fn has_room(&self) -> bool {
        self.0.borrow().queued < QUEUE
    }

    /// No more messages will be sent; what waits still is. Those of the service still come.
    pub fn finish(&self) {
        let mut inner = self.0.borrow_mut();
        inner.finished = true;
        inner.wake();
    }

    /// Resets the stream now, whoever else holds it.
    pub fn cancel(&self) {
        let mut inner = self.0.borrow_mut();
        if !matches!(inner.state, State::Over(_)) {
            inner.state = State::Over(Some(CallFailure::new(&inner.cluster, Why::Over)));
            inner.wake();
        }
    }

    /// Moves what can be moved, both ways. Ready with the service's next message, with `None` once it has ended with status OK, or with
    /// the failure; the last two again and again.
    pub fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallFailure>> {
        let mut inner = self.0.borrow_mut();
        if inner.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            inner.waker = Some(cx.waker().clone());
        }
        let result = ready!(inner.poll(cx));
        if !matches!(result, Ok(Some(_))) {
            inner.end(result.as_ref().err().cloned());
        }
        Poll::Ready(result)
    }

    /// The same for one of several readers: what another has handed over to it comes first.
    pub fn poll_for(&self, reader: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallFailure>> {
        let kept = self.0.borrow_mut().kept.get_mut(reader).and_then(Option::take);
        kept.map_or_else(|| self.poll_message(cx), |message| Poll::Ready(Ok(Some(message))))
    }

    /// A message that is another reader's, who gets it when it is polled next. False where it has one already.
    pub fn hand_over(&self, reader: usize, message: Bytes) -> bool {
        let mut inner = self.0.borrow_mut();
        let Some(place) = inner.kept.get_mut(reader).filter(|place| place.is_none()) else { return false };
        *place = Some(message);
        inner.wake();
        true
    }

    /// Nobody reads it any more: the service is told that nothing comes, and has a moment to end it. Needs the current `LocalSet`, for that
    /// outlives who held it.
    pub fn leave(self: Rc<Self>) {
        self.finish();
        tokio::task::spawn_local(async move {
            let ends = poll_fn(|cx| {
                if matches!(ready!(self.poll_message(cx)), Ok(Some(_))) {
                    // Others have their turn before its next word.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            });
            let _ = tokio::time::timeout(LAST_WORDS, ends).await;
        });
    }

    /// Headers that the service sent before its messages, once they are here.
    pub fn metadata(&self) -> Option<Headers> {
        match &self.0.borrow().state {
            State::Open(_, Some(incoming)) => Some(incoming.metadata.clone()),
            _ => None,
        }
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallFailure>> {
        loop {
            match &mut self.state {
                State::Over(None) => return Poll::Ready(Ok(None)),
                State::Over(Some(failure)) => return Poll::Ready(Err(failure.clone())),
                State::Opening(opening) => {
                    let open = ready!(opening.as_mut().poll(cx))?;
                    self.state = State::Open(open, None);
                }
                State::Open(..) => {
                    self.push(cx);
                    return self.pull(cx).map_err(|why| CallFailure::new(&self.cluster, why));
                }
            }
        }
    }

    /// Sends what waits. A service that takes no more is no error here: its answer, or its reset, is seen by reading.
    fn push(&mut self, cx: &mut Context<'_>) {
        let State::Open(open, _) = &mut self.state else { return };
        let stream = open.stream();
        while let Some(message) = self.queue.front() {
            if !matches!(stream.poll_ready(cx), Poll::Ready(Ok(()))) {
                break;
            }
            let (message, end) = (message.clone(), self.finished && self.queue.len() == 1);
            self.queued -= message.len();
            self.queue.pop_front();
            self.told |= end;
            if stream.send_data(message, end).is_err() {
                break;
            }
        }
        if self.finished && !self.told && self.queue.is_empty() {
            self.told = true;
            let _ = stream.send_data(Bytes::new(), true);
        }
        let _ = stream.poll_flush(cx);
    }

    fn pull(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Why>> {
        let State::Open(open, incoming) = &mut self.state else { return Poll::Pending };
        let incoming = match incoming {
            Some(incoming) => incoming,
            None => match ready!(open.poll_head(cx)) {
                Ok(head) => {
                    open.answered(&head);
                    incoming.insert(Incoming::begin(head, self.longest, open)?)
                }
                Err(error) => {
                    open.failed();
                    return Poll::Ready(Err(Why::Ended(error, false)));
                }
            },
        };
        incoming.poll(open, cx)
    }

    /// Lets the stream go: given back when both sides have ended it, else reset.
    fn end(&mut self, failure: Option<CallFailure>) {
        if let State::Open(open, _) = &mut self.state
            && failure.is_none()
            && self.told
        {
            open.ended();
        }
        if !matches!(self.state, State::Over(_)) {
            self.state = State::Over(failure);
        }
        self.queue.clear();
        self.queued = 0;
    }
}

impl std::fmt::Debug for GrpcStream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("GrpcStream")
    }
}
