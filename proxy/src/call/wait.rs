//! What a filter may wait for, and the one way to do it: [`Wait::poll`], called by whoever runs filters of HTTP (beside the client and
//! the deadlines) and of connections. A closed set on purpose: cancellation, timeouts and counters are in one place.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::{CallFailure, GrpcStream, Pending, Reply};

/// What a filter waits for.
pub(crate) enum Wait {
    /// That what was put out is taken: there is more to put out, a piece at a time. For bodies only.
    Taken,
    /// A moment.
    Until(Instant),
    /// The same, with its timer.
    Timer(Pin<Box<Sleep>>),
    /// Something that comes without words: a name that is resolved.
    Event(Pin<Box<dyn Future<Output = ()>>>),
    /// The answer of a called service.
    Call(Pending),
    /// The first answer of several.
    First(Vec<Pending>),
    /// The next message of a stream to a called service.
    Message(Awaited),
}

/// A message that is waited for until a moment.
pub(crate) struct Awaited {
    stream: Rc<GrpcStream>,
    /// Who waits, of those that read the stream.
    reader: usize,
    timer: Pin<Box<Sleep>>,
}

impl Awaited {
    /// By one of the readers of a stream.
    pub fn new(stream: Rc<GrpcStream>, reader: usize, until: Instant) -> Awaited {
        Awaited { stream, reader, timer: Box::pin(tokio::time::sleep_until(until)) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        match self.stream.poll_for(self.reader, cx) {
            Poll::Ready(message) => Poll::Ready(Waited::Message(message)),
            Poll::Pending => self.timer.as_mut().poll(cx).map(|()| Waited::Elapsed),
        }
    }
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Wait::Taken => "Taken",
            Wait::Until(_) | Wait::Timer(_) => "Until",
            Wait::Event(_) => "Event",
            Wait::Call(_) => "Call",
            Wait::First(_) => "First",
            Wait::Message(_) => "Message",
        })
    }
}

/// What came of a wait.
#[derive(Debug)]
pub(crate) enum Waited {
    /// Nothing of what was put out is left.
    Taken,
    /// The moment is here, or what was to come has come; or a message has not, until its moment.
    Elapsed,
    /// The answer, or why there is none.
    Call(Result<Reply, CallFailure>),
    /// The first answer, and the calls that are still under way.
    First(First),
    /// The message; `None` at the stream's end.
    Message(Result<Option<Bytes>, CallFailure>),
    /// The body, or the first part of it that is larger than the limit.
    Collected {
        /// The end of the body is there, too. Otherwise there is more than was asked for.
        complete: bool,
    },
}

/// The first answer of several calls.
#[derive(Debug)]
pub(crate) struct First {
    /// Whose it is: its place among the calls.
    pub which: usize,
    /// The answer, or why there is none.
    pub came: Result<Reply, CallFailure>,
    /// The other calls, in their order.
    pub others: Vec<Pending>,
}

impl Wait {
    /// Ready when it has come.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        loop {
            match self {
                // Asked only when there is nothing left to take.
                Wait::Taken => return Poll::Ready(Waited::Taken),
                Wait::Until(at) => *self = Wait::Timer(Box::pin(tokio::time::sleep_until(*at))),
                Wait::Timer(sleep) => return sleep.as_mut().poll(cx).map(|()| Waited::Elapsed),
                Wait::Event(event) => return event.as_mut().poll(cx).map(|()| Waited::Elapsed),
                Wait::Call(call) => return call.poll(cx).map(Waited::Call),
                Wait::First(calls) => {
                    let mut polled = calls.iter_mut().enumerate();
                    let ready = polled.find_map(|(which, call)| match call.poll(cx) {
                        Poll::Ready(came) => Some((which, came)),
                        Poll::Pending => None,
                    });
                    let Some((which, came)) = ready else { return Poll::Pending };
                    let mut others = std::mem::take(calls);
                    drop(others.remove(which));
                    return Poll::Ready(Waited::First(First { which, came, others }));
                }
                Wait::Message(awaited) => return awaited.poll(cx),
            }
        }
    }
}
