//! One request while it is served: its heads, what is known of it, its timeouts. At its end it is counted and logged, however it ended.

use std::borrow::Cow;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use config::listener::Direction;
use tokio::time::Instant;

use super::context::Context;
use super::deadlines::{Deadlines, Expired};
use super::grpc;
use super::local_reply::LocalReply;
use super::route::{Forwarding, Route, RouteTable, VirtualHost, WeightedTarget};
use super::stop::Stop;
use super::timeouts::Timeouts;
use crate::failure::ResponseFlags;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::codec::{Downstream, StreamError};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, RequestHead, ResponseHead};

/// The route that was chosen for a request. Borrowed from the table that the request pins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub table: &'a RouteTable,
    pub host: &'a VirtualHost,
    pub route: &'a Route,
    /// The route forwards.
    pub forwarding: Option<&'a Forwarding>,
    /// And this is the weighted cluster that the dice fell on.
    pub weighted: Option<&'a WeightedTarget>,
}

/// One request while it is served.
pub(super) struct Record<'a> {
    pub context: &'a Context,
    pub info: StreamInfo,
    pub request: RequestHead,
    pub response: Option<ResponseHead>,
    pub trailers: Option<Headers>,
    pub route: Option<Chosen<'a>>,
    pub deadlines: Deadlines,
    pub timeouts: Timeouts,
    /// From an internal caller.
    pub internal: bool,
    /// Inbound: the operation that the caller's sidecar is told.
    pub decorator: Option<Bytes>,
    /// The exchange came to its own end. Otherwise its task was dropped: the connection, or the process, had to end.
    pub complete: bool,
}

impl<'a> Record<'a> {
    /// A request that begins now.
    pub fn begin(context: &'a Context, request: RequestHead) -> Record<'a> {
        context.manager.stats.request_begins(request.protocol);
        context.active.set(context.active.get() + 1);
        let mut info = StreamInfo::begin(context.connection.clone(), Some(request.protocol));
        info.request_headers_bytes = u64::from(request.wire_size);
        // What follows an upgrade or a CONNECT is of unknown length.
        if request.body == BodyLength::Empty && request.upgrade.is_none() && request.method != Method::Connect {
            info.request_complete = Some(info.start);
        }
        let mut deadlines = Deadlines::default();
        let config = &context.manager.config;
        if config.stream_idle_timeout.is_some() {
            deadlines.set(Expired::Idle, config.stream_idle_timeout);
        }
        if config.request_timeout.is_some() && info.request_complete.is_none() {
            deadlines.set(Expired::Request, config.request_timeout);
        }
        Record {
            context,
            info,
            request,
            response: None,
            trailers: None,
            route: None,
            deadlines,
            timeouts: Timeouts::default(),
            internal: false,
            decorator: None,
            complete: false,
        }
    }

    /// Whether the request has been read to its end.
    pub fn request_is_complete(&self) -> bool {
        self.info.request_complete.is_some()
    }

    /// The last octet of the request was read: the timeouts of the response begin.
    pub fn complete_request(&mut self) {
        if self.info.request_complete.is_none() {
            self.info.request_complete = Some(Instant::now().into_std());
            self.deadlines.set(Expired::Request, None);
            self.arm_response_timeouts();
        }
    }

    /// Arms the timeouts that count from the end of the request.
    pub fn arm_response_timeouts(&mut self) {
        if self.timeouts.response.is_some() && self.request_is_complete() {
            self.deadlines.set(Expired::Response, self.timeouts.response);
        }
        self.arm_try_timeouts();
    }

    /// Arms the timeouts of one attempt, which count from the end of the request, too.
    pub fn arm_try_timeouts(&mut self) {
        if self.timeouts.per_try.is_some() && self.request_is_complete() {
            self.deadlines.set(Expired::Try, self.timeouts.per_try);
        }
        if self.timeouts.per_try_idle.is_some() {
            self.deadlines.set(Expired::TryIdle, self.timeouts.per_try_idle);
        }
    }

    /// Ends the timeouts of one attempt.
    pub fn disarm_try_timeouts(&mut self) {
        if self.timeouts.per_try.is_some() {
            self.deadlines.set(Expired::Try, None);
        }
        if self.timeouts.per_try_idle.is_some() {
            self.deadlines.set(Expired::TryIdle, None);
        }
    }

    /// Time since the end of the request; zero before.
    pub fn since_request(&self) -> Duration {
        self.until(Instant::now().into_std())
    }

    /// The head of the response came: how long that took from the end of the request; zero before that end.
    pub fn response_time(&self) -> Duration {
        self.info.response_first_byte.map_or(Duration::ZERO, |at| self.until(at))
    }

    fn until(&self, at: std::time::Instant) -> Duration {
        self.info.request_complete.map_or(Duration::ZERO, |complete| at.saturating_duration_since(complete))
    }

    /// A head went out.
    pub fn response_sent(&mut self, head: ResponseHead) {
        self.info.response_code = head.status;
        self.context.manager.stats.response(head.status);
        self.response = Some(head);
    }

    /// Waits until all is written, no longer than the timeouts allow.
    pub fn poll_flush(&mut self, downstream: &mut dyn Downstream, cx: &mut Task<'_>) -> Poll<Result<(), Stop>> {
        match downstream.poll_flush(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Stop::Gone)),
            Poll::Pending => self.deadlines.poll(cx).map(|expired| Err(self.expired(expired))),
        }
    }

    /// What an expired timeout means: an answer, or the end of one that has begun.
    pub fn expired(&self, expired: Expired) -> Stop {
        // RFC 9110 section 15.5.9: 408 when the server waited for the request.
        let status = if self.request_is_complete() { 504 } else { 408 };
        let stats = &self.context.manager.stats;
        let reply = match expired {
            Expired::Idle => {
                stats.downstream_rq_idle_timeout.inc();
                LocalReply::new(status, "stream_idle_timeout")
                    .body(&b"stream timeout"[..])
                    .flags(ResponseFlags::STREAM_IDLE_TIMEOUT)
            }
            Expired::Duration => {
                stats.downstream_rq_max_duration_reached.inc();
                let mut reply =
                    LocalReply::new(status, "max_duration_timeout").body(&b"downstream duration timeout"[..]);
                reply.grpc_status = Some(grpc::DEADLINE_EXCEEDED);
                reply
            }
            Expired::Request => {
                stats.downstream_rq_timeout.inc();
                LocalReply::new(408, "request_overall_timeout").body(&b"request timeout"[..])
            }
            Expired::Response => self.upstream_timeout("response_timeout", ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::Try => self.upstream_timeout("upstream_per_try_timeout", ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::TryIdle => {
                self.upstream_timeout("upstream_per_try_idle_timeout", ResponseFlags::STREAM_IDLE_TIMEOUT)
            }
        };
        if self.response.is_none() {
            return reply.into();
        }
        Stop::Abort {
            flags: reply.flags,
            details: reply.details,
            reason: crate::wire::codec::ResetReason::InternalError,
        }
    }

    fn upstream_timeout(&self, details: &'static str, flags: ResponseFlags) -> LocalReply {
        if self.timeouts.alternative_response {
            return LocalReply::new(204, details).flags(flags).attempted();
        }
        LocalReply::new(504, details).body(&b"upstream request timeout"[..]).flags(flags).attempted()
    }

    /// Outbound, the next sidecar is told the name of the operation; inbound, what a sidecar told wins over the route's, which otherwise
    /// goes back with the response. All of it only with tracing, as with Envoy.
    pub fn take_decorator(&mut self, chosen: Chosen<'a>) {
        if self.context.manager.config.tracing.is_none() {
            return;
        }
        let operation = chosen.route.decorator.as_ref();
        if self.context.manager.direction == Direction::Outbound {
            if let Some(operation) = operation {
                self.request.headers.set(Name::X_ENVOY_DECORATOR_OPERATION, operation.clone());
            }
        } else if !self.request.headers.remove(&Name::X_ENVOY_DECORATOR_OPERATION) {
            self.decorator = operation.cloned();
        }
    }

    /// The response could not be finished.
    pub fn abort(&mut self, flags: ResponseFlags, details: Cow<'static, str>) {
        self.context.manager.stats.rq_reset_after_downstream_response_started.inc();
        self.context.manager.stats.downstream_rq_tx_reset.inc();
        self.info.flags.set(flags);
        self.info.response_code_details = Some(details);
    }

    /// The client went away, or broke the protocol in the body.
    pub fn client_gone(&mut self, error: &StreamError) {
        let (flags, details) = match error {
            StreamError::Protocol { detail, .. } => (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, Cow::Borrowed(*detail)),
            StreamError::Reset(_) | StreamError::Refused => {
                self.context.manager.stats.downstream_rq_rx_reset.inc();
                (ResponseFlags::DOWNSTREAM_REMOTE_RESET, Cow::Borrowed("http2.remote_reset"))
            }
            StreamError::Closed(_) | StreamError::Io(_) => {
                self.context.ended.set((true, true));
                self.context.manager.stats.downstream_rq_rx_reset.inc();
                (ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION, Cow::Borrowed("downstream_remote_disconnect"))
            }
        };
        self.info.flags.set(flags);
        self.info.response_code_details = Some(details);
    }
}

/// Counts and logs. Here, so that a request whose task is dropped (its connection had to end) is told of like any other.
impl Drop for Record<'_> {
    fn drop(&mut self) {
        let manager = &self.context.manager;
        let now = Instant::now();
        self.context.last_end.set(Some(now));
        let end = now.into_std();
        self.info.end = Some(end);
        manager.stats.downstream_rq_active.dec();
        self.context.active.set(self.context.active.get().saturating_sub(1));
        let elapsed = end.saturating_duration_since(self.info.start);
        manager.stats.downstream_rq_time.record(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        if !self.complete || self.info.response_code_details.is_none() {
            self.info.flags.set(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION);
            self.info.response_code_details = Some(Cow::Borrowed("downstream_local_disconnect"));
        }
        if !manager.access_log.is_empty() {
            let entry = LogEntry {
                info: &self.info,
                request: Some(&self.request),
                response: self.response.as_ref(),
                trailers: self.trailers.as_ref(),
            };
            manager.access_log.log(&self.context.logs, &entry);
        }
        #[cfg(test)]
        self.context.done.borrow_mut().push(self.info.clone());
    }
}
