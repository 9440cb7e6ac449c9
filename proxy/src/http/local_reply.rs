//! Answers that the proxy gives itself: which status, body, flag and response-code detail. The texts are Envoy's, octet for octet:
//! people and tools search for them. Built where a request goes wrong and by filters, sent by
//! `exchange`. What `local_reply_config` makes of them is [`mapped`].

use std::borrow::Cow;

use bytes::Bytes;

use self::mapped::LocalReplies;
use super::deadlines::Expired;
use super::grpc;
use super::respond;
use super::stats::HttpStats;
use super::stream::Stream;
use crate::failure::ResponseFlags;
use crate::wire::codec::Downstream;
use crate::wire::headers::{Headers, Name, NameSet};
use crate::wire::message::{BodyLength, Protocol, ResponseHead};

pub(super) mod mapped;

/// What says something of a body.
const OF_BODIES: NameSet = NameSet::of([Name::CONTENT_LENGTH, Name::CONTENT_TYPE]);

/// An answer of our own.
#[derive(Debug)]
pub(crate) struct LocalReply {
    pub status: u16,
    pub body: Bytes,
    /// Response-code details.
    pub details: Cow<'static, str>,
    pub flags: ResponseFlags,
    /// For gRPC requests; otherwise it follows from the status.
    pub grpc_status: Option<u32>,
    pub location: Option<Bytes>,
    /// Headers of a filter's answer, after those that every answer has.
    pub headers: Vec<(Name, Bytes)>,
    /// A filter's own response rather than a refusal: the route's changes do not apply, and gRPC is not spoken.
    pub plain: bool,
    /// `x-envoy-overloaded: true`.
    pub overloaded: bool,
    /// After the router began an attempt: the attempt count may be told.
    pub attempted: bool,
}

impl LocalReply {
    /// There is too much under way.
    pub fn overloaded() -> LocalReply {
        LocalReply::new(503, "overload").body(&b"envoy overloaded"[..])
    }

    /// An answer without a body.
    pub fn new(status: u16, details: impl Into<Cow<'static, str>>) -> LocalReply {
        LocalReply {
            status,
            body: Bytes::new(),
            details: details.into(),
            flags: ResponseFlags::NONE,
            grpc_status: None,
            location: None,
            headers: Vec::new(),
            plain: false,
            overloaded: false,
            attempted: false,
        }
    }

    /// The answer to a request that is too long under way: one of those timeouts that do not ask where it goes. It is counted.
    pub(super) fn late(expired: Expired, status: u16, stats: &HttpStats) -> LocalReply {
        match expired {
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
                reply.grpc_status = Some(u32::from(grpc::DEADLINE_EXCEEDED));
                reply
            }
            _ => {
                stats.downstream_rq_timeout.inc();
                LocalReply::new(408, "request_overall_timeout").body(&b"request timeout"[..])
            }
        }
    }

    /// With a text.
    pub fn body(mut self, body: impl Into<Bytes>) -> LocalReply {
        self.body = body.into();
        self
    }

    /// With a flag.
    pub fn flags(mut self, flags: ResponseFlags) -> LocalReply {
        self.flags.set(flags);
        self
    }

    /// As it is: without what the route adds to responses, and not in gRPC's clothes.
    pub fn plain(mut self) -> LocalReply {
        self.plain = true;
        self
    }

    /// After an attempt.
    pub fn attempted(mut self) -> LocalReply {
        self.attempted = true;
        self
    }
}

/// The head and the body of an answer, and what the log says of it.
pub(super) fn build(
    stream: &mut Stream<'_>,
    downstream: &mut dyn Downstream,
    reply: LocalReply,
) -> (ResponseHead, Bytes) {
    // What the answer to a head that is none is made of does not know of the flag yet, as with Envoy.
    if !stream.headless {
        stream.info.flags.set(reply.flags);
    }
    stream.info.response_code_details = Some(reply.details.clone());
    stream.info.response_code = 0;
    let grpc = stream.asked.grpc && !reply.plain;
    let mut head = ResponseHead {
        protocol: stream.request.protocol,
        status: reply.status,
        reason: Bytes::new(),
        headers: Headers::with_capacity(8),
        body: BodyLength::Empty,
        wire_size: 0,
    };
    if let Some(location) = &reply.location {
        head.headers.append_said(Name::LOCATION, location.clone());
    }
    // Formats that print the status see none yet, as with Envoy.
    if !reply.plain {
        respond::apply_route_changes(stream, &mut head);
    }
    if reply.overloaded && !stream.context.manager.config.router.suppress_envoy_headers {
        head.headers.append(Name::X_ENVOY_OVERLOADED, Bytes::from_static(b"true"));
    }
    if reply.attempted {
        respond::add_attempt_count(stream, &mut head.headers);
    }
    for (name, value) in reply.headers {
        head.headers.append_said(name, value);
    }
    let context = stream.context;
    let (mut text, mut content_type) = (reply.body, None);
    if let Some(replies) = &context.manager.local_replies
        && !reply.plain
    {
        content_type = rewrite(replies, stream, &mut head, &mut text);
    }
    stream.info.flags.set(reply.flags);
    let mut body = Bytes::new();
    // What the answer is comes after what was added to it, and in its place.
    if grpc {
        let status = reply.grpc_status.unwrap_or_else(|| u32::from(grpc::status_of(head.status)));
        head.status = 200;
        in_grpc(&mut head.headers, status, if stream.asked.head { &[] } else { &text });
    } else if !text.is_empty() {
        head.headers.set(Name::CONTENT_LENGTH, text.len().to_string());
        if let Some(written) = content_type {
            head.headers.set(Name::CONTENT_TYPE, written);
        } else if !head.headers.contains(&Name::CONTENT_TYPE) {
            head.headers.append(Name::CONTENT_TYPE, Bytes::from_static(b"text/plain"));
        }
        if !stream.asked.head {
            head.body = BodyLength::Exact(text.len() as u64);
            body = text;
        }
    } else if !reply.plain {
        head.headers.remove_all(OF_BODIES);
    }
    // After a malformed request the framing of what follows cannot be trusted.
    if reply.status == 400
        && stream.request.protocol != Protocol::Http2
        && (stream.headless || !context.manager.config.keeps_after_400)
    {
        downstream.close_after();
    }
    (head, body)
}

/// What the configuration makes of it. Gives the type of a body that it changed: that of its format, unless its headers name another one.
fn rewrite(
    replies: &LocalReplies,
    stream: &mut Stream<'_>,
    head: &mut ResponseHead,
    text: &mut Bytes,
) -> Option<Bytes> {
    let told = |head: &ResponseHead| head.headers.get(&Name::CONTENT_TYPE).cloned();
    let (before, was) = (text.clone(), told(head));
    let written = replies.rewrite(stream, head, text).unwrap_or_else(|| Bytes::from_static(b"text/plain"));
    let now = told(head);
    (now.is_none() || (*text != before && now == was)).then_some(written)
}

/// The answer to a gRPC request, which has no body; the message is for who would see one. A status that was added is the one that is meant.
fn in_grpc(headers: &mut Headers, status: u32, message: &[u8]) {
    headers.remove(&Name::CONTENT_LENGTH);
    headers.set(Name::CONTENT_TYPE, Bytes::from_static(b"application/grpc"));
    if headers.get(&Name::GRPC_STATUS).is_none_or(Bytes::is_empty) {
        headers.set(Name::GRPC_STATUS, status.to_string());
    }
    if !message.is_empty() {
        headers.set(Name::GRPC_MESSAGE, grpc::message(message));
    }
}
