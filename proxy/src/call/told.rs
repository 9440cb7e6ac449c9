//! A request that is told to a service while it comes, and whose answer nobody waits for: a mirror. The only call with a task of its own,
//! for it outlives who makes it. Who tells never waits for it: a service that does not keep up is told no more.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::Calls;
use super::attempt::{Open, Outgoing, within};
use super::failure::{CallFailure, Why};
use super::http::HttpCall;
use crate::wire::codec::StreamError;
use crate::wire::message::{BodyLength, Frame};

/// Octets that may wait for a service.
const MOST: usize = 1 << 20;
/// What a frame costs beside its octets.
const FRAME: usize = 64;

/// The body of a told request, to be pushed piece by piece. Dropped before its end, it resets the request.
#[derive(Debug)]
pub struct Told(Rc<RefCell<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    octets: usize,
    /// No frame follows.
    complete: bool,
    /// Nobody takes them any more, or nobody will push them.
    over: bool,
    waker: Option<Waker>,
}

impl Told {
    /// Hands on the next frame. False once it is too much for the service: the request is over then.
    pub fn push(&self, frame: &Frame) -> bool {
        let mut queue = self.0.borrow_mut();
        if queue.over {
            // Answered early, or failed: that is no news for who tells.
            return true;
        }
        queue.octets += FRAME + if let Frame::Data(data) = frame { data.len() } else { 0 };
        queue.complete = !matches!(frame, Frame::Data(_));
        queue.frames.push_back(match frame {
            Frame::Data(data) => Frame::Data(data.clone()),
            Frame::Trailers(trailers) => Frame::Trailers(trailers.clone()),
            Frame::End => Frame::End,
        });
        let fits = queue.octets <= MOST;
        queue.over = !fits;
        queue.wake();
        fits
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.over |= !queue.complete;
        queue.wake();
    }
}

impl Queue {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The next frame; `None` when it is over before its end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        if self.over {
            return Poll::Ready(None);
        }
        match self.frames.pop_front() {
            Some(frame) => {
                self.octets -= FRAME + if let Frame::Data(data) = &frame { data.len() } else { 0 };
                Poll::Ready(Some(frame))
            }
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Begins to tell. `has_body`: frames follow; otherwise the head is all.
pub(super) fn begin(calls: &Calls, call: HttpCall, has_body: bool) -> Option<Told> {
    let queue = Rc::new(RefCell::new(Queue::default()));
    let told = has_body.then(|| Told(queue.clone()));
    let calls = calls.clone();
    tokio::task::spawn_local(async move {
        let name = call.cluster.clone();
        let result = if has_body { run(calls, call, &queue).await } else { run_head(calls, call).await };
        queue.borrow_mut().over = true;
        if let Err(failure) = result {
            tracing::debug!(target: "http", cluster = &*name, "mirror: {failure}");
        }
    });
    told
}

/// The head is the whole request.
async fn run_head(calls: Calls, call: HttpCall) -> Result<(), CallFailure> {
    let mut outgoing = call.outgoing(&calls)?;
    let (open, head) = outgoing.answer().await?;
    open.host.count(head.status >= 500);
    let until = outgoing.deadline();
    read_for_nobody(&outgoing, open, until, &mut Unread { begun: true, complete: head.body == BodyLength::Empty }).await
}

/// The body is told while it comes.
async fn run(calls: Calls, call: HttpCall, queue: &RefCell<Queue>) -> Result<(), CallFailure> {
    let mut outgoing = Outgoing { body: None, ..call.outgoing(&calls)? };
    let mut open = outgoing.open().await?;
    let mut telling = Telling { queue, blocked: false, sent: false, answer: Unread::default() };
    let sent = poll_fn(|cx| telling.poll_sent(cx, &mut open)).await;
    if !sent.map_err(|error| outgoing.failure(Why::Ended(error, telling.answer.begun)))? {
        return Err(outgoing.failure(Why::Over));
    }
    // As with any request, time runs from its end.
    let until = outgoing.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    read_for_nobody(&outgoing, open, until, &mut telling.answer).await
}

/// What is left of an answer.
async fn read_for_nobody(
    outgoing: &Outgoing,
    mut open: Open,
    until: Option<Instant>,
    answer: &mut Unread,
) -> Result<(), CallFailure> {
    let why = match within(until, poll_fn(|cx| answer.poll(cx, &mut open))).await {
        Ok(Ok(())) => {
            open.ended();
            return Ok(());
        }
        Ok(Err(error)) => {
            open.ended();
            Why::Ended(error, answer.begun)
        }
        Err(_) => {
            open.timed_out();
            Why::Timeout(outgoing.timeout.unwrap_or_default(), answer.begun)
        }
    };
    Err(outgoing.failure(why))
}

/// How far an answer has come that nobody reads: each frame is let go as it comes, so that the connection can be used again and a service
/// that never ends fills no memory.
#[derive(Default)]
struct Unread {
    /// The head is here.
    begun: bool,
    complete: bool,
}

impl Unread {
    fn poll(&mut self, cx: &mut Context<'_>, open: &mut Open) -> Poll<Result<(), StreamError>> {
        if !self.begun {
            let head = ready!(open.poll_head(cx))?;
            open.answered(&head);
            open.host.count(head.status >= 500);
            self.begun = true;
        }
        while !self.complete {
            self.complete = !matches!(ready!(open.stream().poll_body(cx))?, Frame::Data(_));
        }
        Poll::Ready(Ok(()))
    }
}

/// How far a request has come.
struct Telling<'q> {
    queue: &'q RefCell<Queue>,
    /// The stream must say that it takes more before it gets more.
    blocked: bool,
    sent: bool,
    answer: Unread,
}

impl Telling<'_> {
    /// Ready with true when all was sent, or the service has answered to the end; with false when nobody tells any more.
    fn poll_sent(&mut self, cx: &mut Context<'_>, open: &mut Open) -> Poll<Result<bool, StreamError>> {
        loop {
            if self.sent {
                return Poll::Ready(Ok(true));
            }
            if self.blocked {
                match open.stream().poll_ready(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => break,
                }
                self.blocked = false;
            }
            match self.queue.borrow_mut().poll(cx) {
                Poll::Ready(Some(frame)) => self.send(frame, open)?,
                Poll::Ready(None) => return Poll::Ready(Ok(false)),
                Poll::Pending => break,
            }
        }
        self.answer.poll(cx, open).map_ok(|()| true)
    }

    fn send(&mut self, frame: Frame, open: &mut Open) -> Result<(), StreamError> {
        match frame {
            Frame::Data(data) => {
                self.blocked = true;
                open.stream().send_data(data, false)
            }
            Frame::Trailers(trailers) => {
                self.sent = true;
                open.stream().send_trailers(&trailers)
            }
            Frame::End => {
                self.sent = true;
                open.stream().send_data(Bytes::new(), true)
            }
        }
    }
}
