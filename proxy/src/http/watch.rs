//! What may end a request before its time: the timeouts, by the phase that it is in. Held by `exchange` beside the stream, so that
//! both can be lent at once. Which timeout runs in which phase is the table in `docs/timeouts.md`.

use tokio::time::Instant;

use super::deadlines::{Deadlines, Expired};
use super::timeouts::Timeouts;
use crate::wire::message::Protocol;
use config::hcm::HttpConnectionManager;

/// The timeouts of one request.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub deadlines: Deadlines,
    pub timeouts: Timeouts,
    attempt: Attempt,
    /// The request has been read to its end, or is a question about a tunnel, which has no end.
    complete: bool,
}

/// How far the attempt under way has come: which of its clocks may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Attempt {
    /// There is none, or it has no stream yet.
    #[default]
    None,
    /// It has its stream, and no answer.
    Awaited,
    /// The client has its answer's head, or an informational one: it may take its time, but not be silent.
    Heard,
}

impl Watch {
    /// For a request whose head is here now, and began before where it came in pieces.
    pub fn begin(config: &HttpConnectionManager, complete: bool, began: Option<Instant>) -> Watch {
        let began = || began.unwrap_or_else(Instant::now);
        let mut watch = Watch { complete, deadlines: Deadlines::of_stream(), ..Watch::default() };
        if config.stream_idle_timeout.is_some() {
            watch.deadlines.set(Expired::Idle, config.stream_idle_timeout);
        }
        if config.max_stream_duration.is_some() {
            watch.deadlines.set_from(Expired::Duration, config.max_stream_duration, began());
        }
        if config.request_timeout.is_some() && !complete {
            watch.deadlines.set_from(Expired::Request, config.request_timeout, began());
        }
        watch
    }

    /// The router has decided how long all may take. `tunnel`: the request asks for one, and has no end before it is there.
    pub fn routed(&mut self, timeouts: Timeouts, tunnel: bool) {
        self.timeouts = timeouts;
        self.complete |= tunnel;
        if self.complete {
            self.deadlines.set(Expired::Response, self.timeouts.response);
        }
    }

    /// The last octet of the request was read.
    pub fn request_ends(&mut self) {
        if self.complete {
            return;
        }
        self.complete = true;
        self.deadlines.set(Expired::Request, None);
        if self.timeouts.response.is_some() {
            self.deadlines.set(Expired::Response, self.timeouts.response);
        }
        self.start_try();
    }

    /// An attempt has its stream: its clocks begin, if the request is complete; otherwise with the end of the request.
    pub fn try_begins(&mut self) {
        self.attempt = Attempt::Awaited;
        if self.timeouts.per_try_stream.is_some() {
            self.deadlines.set(Expired::TryDuration, self.timeouts.per_try_stream);
        }
        if self.complete {
            self.start_try();
        }
    }

    fn start_try(&mut self) {
        if self.attempt == Attempt::Awaited && self.timeouts.per_try.is_some() {
            self.deadlines.set(Expired::Try, self.timeouts.per_try);
        }
        if self.attempt != Attempt::None && self.timeouts.per_try_idle.is_some() {
            self.deadlines.set(Expired::TryIdle, self.timeouts.per_try_idle);
        }
    }

    /// A head of the answer goes to the client, be it an informational one: the try may take its time, but not be silent.
    pub fn try_answers(&mut self) {
        self.attempt = Attempt::Heard;
        if self.timeouts.per_try.is_some() {
            self.deadlines.set(Expired::Try, None);
        }
    }

    /// The attempt is over without an answer that is passed on.
    pub fn try_ends(&mut self) {
        self.try_answers();
        self.attempt = Attempt::None;
        if self.timeouts.per_try_idle.is_some() {
            self.deadlines.set(Expired::TryIdle, None);
        }
        if self.timeouts.per_try_stream.is_some() {
            self.deadlines.set(Expired::TryDuration, None);
        }
    }

    /// The response goes out: the time for the request to arrive is over with it.
    pub fn response_begins(&mut self) {
        self.deadlines.set(Expired::Request, None);
    }

    /// The response has been handed on to its end. What is left is that the client takes it, for which HTTP/2's codec has a time of its own.
    pub fn response_ends(&mut self, client: Protocol) {
        self.deadlines.clear(client != Protocol::Http2);
    }

    /// A tunnel is open: it lives as long as it likes, while it is not idle.
    pub fn tunnel_opens(&mut self) {
        self.deadlines.set(Expired::Response, None);
        self.attempt = Attempt::None;
        self.deadlines.set(Expired::TryIdle, None);
    }
}
