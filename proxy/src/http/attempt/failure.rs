//! Why an attempt was not answered: what the retry policy is asked about it, and Envoy's answer to the client. The loop in
//! [`super`] makes these; `relay` borrows the words for a response that breaks off.

use crate::cluster::{ConnectFailure, ConnectFailureKind, PickFailure};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::reason;
use crate::http::retry::Reset;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::http::trace::attempt::Ended;
use crate::wire::codec::StreamError;

/// Why an attempt was not answered.
pub(super) enum Failure {
    Pick(PickFailure),
    Connect(ConnectFailure),
    Stream(StreamError),
    Timeout(Stop),
    /// The cluster's `max_stream_duration` is over.
    Duration(Stop),
}

impl Failure {
    /// What the retry policy is asked about; `None` for what is never retried.
    pub fn reset(&self) -> Option<Reset> {
        match self {
            // The next attempt would send the same.
            Failure::Pick(_) | Failure::Stream(StreamError::NoHeader(_)) => None,
            Failure::Connect(failure) if failure.kind == ConnectFailureKind::Overflow => Some(Reset::Overflow),
            Failure::Connect(_) => Some(Reset::Connect),
            Failure::Stream(StreamError::Refused) => Some(Reset::Refused),
            Failure::Stream(_) => Some(Reset::Ended),
            Failure::Timeout(_) | Failure::Duration(_) => Some(Reset::Timeout),
        }
    }

    /// Whether it is counted as an answer, and as an error of its host. As with Envoy a stream that may not last longer is not, unless it
    /// is tried again; nor is what was never sent.
    pub fn counts(&self) -> bool {
        !matches!(self, Failure::Duration(_) | Failure::Stream(StreamError::NoHeader(_)))
    }

    /// Whether anything went by before it was known: a breaker refuses at once, when of the request nothing but its head was seen.
    pub fn is_waited_for(&self) -> bool {
        self.reset() != Some(Reset::Overflow)
    }

    /// Envoy's flag.
    pub fn flags(&self) -> ResponseFlags {
        match self {
            Failure::Pick(failure) => failure.flags(),
            Failure::Connect(failure) => failure.flags(),
            Failure::Stream(error) => reset_of(error).0,
            Failure::Timeout(Stop::Reply(reply)) | Failure::Duration(Stop::Reply(reply)) => reply.flags,
            Failure::Timeout(_) => ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
            Failure::Duration(_) => ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED,
        }
    }

    /// How its attempt ended.
    pub fn ended(&self) -> Ended {
        match self {
            Failure::Pick(_)
            | Failure::Timeout(_)
            | Failure::Duration(_)
            | Failure::Stream(StreamError::NoHeader(_)) => Ended::Canceled,
            Failure::Connect(failure) => Ended::Failed(failure.reset_reason()),
            Failure::Stream(error) => Ended::Failed(reset_of(error).1),
        }
    }

    /// The answer to the client.
    pub fn into_stop(self, stream: &Stream<'_>, retried: bool) -> Stop {
        match self {
            Failure::Pick(failure) => {
                reason::tell(stream, failure.details(), format_args!("{}: {failure}", failure.body()));
                LocalReply::new(failure.status(), failure.details())
                    .body(failure.body().as_bytes())
                    .flags(failure.flags())
                    .attempted()
                    .into()
            }
            Failure::Connect(failure) => {
                let why = failure.reset_reason();
                let mut details = String::from(why);
                if let Some(transport) = failure.transport_reason.as_deref().filter(|reason| !reason.is_empty()) {
                    details.push('|');
                    details.push_str(transport);
                }
                reason::tell(stream, why, &failure);
                let mut reply = before_response(503, failure.flags(), why, &details, retried);
                reply.overloaded = failure.kind == ConnectFailureKind::Overflow;
                reply.into()
            }
            Failure::Stream(StreamError::NoHeader(flaw)) => unsendable(stream, &flaw).into(),
            Failure::Stream(error) => {
                let (flags, why) = reset_of(&error);
                reason::tell(stream, why, &error);
                before_response(status_of(flags), flags, why, why, retried).into()
            }
            Failure::Timeout(stop) | Failure::Duration(stop) => stop,
        }
    }
}

/// Envoy's answer where something was put into the request's head that is no header.
pub(in crate::http) fn unsendable(stream: &Stream<'_>, flaw: &str) -> LocalReply {
    let details = format!("filter_removed_required_request_headers{{{}}}", flaw.replace(' ', "_"));
    reason::tell(stream, &details, flaw);
    LocalReply::new(503, details).body(flaw.to_owned()).flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR).attempted()
}

/// Envoy's answer to an upstream that failed before its response.
fn before_response(status: u16, flags: ResponseFlags, why: &str, details: &str, retried: bool) -> LocalReply {
    let retried = if retried { "retried and the latest " } else { "" };
    let body = format!("upstream connect error or disconnect/reset before headers. {retried}reset reason: {why}");
    let details = format!("upstream_reset_before_response_started{{{}}}", details.replace(' ', "_"));
    LocalReply::new(status, details).body(body).flags(flags).attempted()
}

fn status_of(flags: ResponseFlags) -> u16 {
    if flags.has(ResponseFlags::UPSTREAM_PROTOCOL_ERROR) { 502 } else { 503 }
}

/// Envoy's answer to an upstream that failed within a response that a filter still holds back.
pub(in crate::http) fn reset_reply(flags: ResponseFlags, why: &str, details: String) -> LocalReply {
    LocalReply { details: details.into(), ..before_response(status_of(flags), flags, why, why, false) }
}

/// Envoy's flag and words for a stream that ended before its time.
pub(in crate::http) fn reset_of(error: &StreamError) -> (ResponseFlags, &'static str) {
    match error {
        StreamError::Closed(_) | StreamError::Io(_) => {
            (ResponseFlags::UPSTREAM_CONNECTION_TERMINATION, "connection termination")
        }
        StreamError::Reset(_) => (ResponseFlags::UPSTREAM_REMOTE_RESET, "remote reset"),
        StreamError::Refused => (ResponseFlags::UPSTREAM_REMOTE_RESET, "remote refused stream reset"),
        StreamError::Protocol { .. } => (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, "protocol error"),
        StreamError::NoHeader(_) => (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, "local reset"),
    }
}
