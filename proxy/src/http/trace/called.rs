//! Spans of services that filters ask about a request: below the request's own, which waits for them. Filters call [`by_grpc`] or [`by_http`] with the headers of
//! the question, and tell how it ended; one that nobody waits for any more is sent by the end of its request. Without a tracer nothing is made.

use std::sync::Arc;
use std::time::Instant;

use config::services::span::{Kind, Span, tags};

use super::{span, tracer_of};
use crate::call::{CallFailure, Calls, GrpcTarget, HttpReply};
use crate::export::Spans;
use crate::failure::ResponseFlags;
use crate::http::stream::Stream;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Headers;

/// A question that is under way.
#[derive(Debug)]
pub(crate) struct Called {
    span: Box<Span>,
    exporter: Spans,
}

/// A method of a service of gRPC is called: `/package.Service/Method`. `emits`: else the service is told of a span that nobody records.
pub(in crate::http) fn by_grpc(
    stream: &mut Stream<'_>,
    target: &GrpcTarget,
    method: &str,
    emits: bool,
    told: &mut Headers,
) {
    begins(stream, emits, told, |span| {
        span.name = format!("async {} egress", method.trim_start_matches('/').replace('/', "."));
        span.tag(tags::UPSTREAM_CLUSTER, &**target.cluster());
        span.tag(tags::UPSTREAM_ADDRESS, target.name());
    });
}

/// A service of HTTP is asked; `emits` as in [`by_grpc`].
pub(in crate::http) fn by_http(stream: &mut Stream<'_>, cluster: &Arc<str>, emits: bool, told: &mut Headers) {
    let upstreams = &stream.context.upstreams;
    begins(stream, emits, told, |span| {
        span.name = format!("async {cluster} egress");
        span.tag(tags::UPSTREAM_CLUSTER, &**cluster);
        let observed = upstreams.get(cluster).map(|cluster| cluster.config().stat_name.clone());
        span.tag(tags::UPSTREAM_CLUSTER_NAME, &**observed.as_ref().unwrap_or(cluster));
    });
}

fn begins(stream: &mut Stream<'_>, emits: bool, told: &mut Headers, say: impl FnOnce(&mut Span)) {
    let Some(tracer) = tracer_of(stream) else { return };
    let (of_request, state) = match &stream.trace {
        Some(trace) => (trace.begun, trace.state.clone()),
        None if tracer.propagates => match tracer.untraced(&stream.request.headers) {
            Some(untraced) => untraced,
            None => return,
        },
        None => return,
    };
    let begun = of_request.below(emits && tracer.contexts.samples_attempt(&of_request.own));
    if tracer.propagates {
        tracer.contexts.tell(told, &begun, state.clone());
    }
    let Some(trace) = stream.trace.as_mut().filter(|_| begun.own.sampled) else { return };
    let mut span = Span {
        trace: begun.own.trace,
        id: begun.own.span,
        parent: begun.parent,
        state: config::services::sanitized(&state),
        kind: Kind::Client,
        start: span::nanoseconds(&stream.info, Instant::now()),
        ..Span::default()
    };
    span.tag(tags::COMPONENT, "proxy");
    say(&mut span);
    trace.called = Some(Called { span: Box::new(span), exporter: tracer.exporter.clone() });
}

/// How a call of gRPC ended: its status, and what the filter made of the answer.
pub(in crate::http) fn grpc_ended(stream: &mut Stream<'_>, status: u8, more: Option<(&'static str, &str)>) {
    ended(stream, |span| {
        span.tag(tags::GRPC_STATUS_CODE, status.to_string());
        if status != 0 {
            span.tag(tags::ERROR, "true");
        }
        if let Some((name, value)) = more {
            span.tag(name, value);
        }
    });
}

/// What an HTTP service answered, or why it did not, and what the filter made of it.
pub(in crate::http) fn http_ended(
    stream: &mut Stream<'_>,
    answer: Result<&HttpReply, &CallFailure>,
    more: impl FnOnce(u16) -> [(&'static str, &'static str); 2],
) {
    ended(stream, |span| {
        let (status, flags) = match answer {
            Ok(reply) => (reply.head.status, ResponseFlags::NONE),
            Err(failure) => (failure.http_status(), failure.flags()),
        };
        span.tag(tags::HTTP_PROTOCOL, answer.map_or("-", |reply| reply.head.protocol.as_str()));
        if let Ok(reply) = answer {
            span.tag(tags::UPSTREAM_ADDRESS, &*reply.host);
            span.tag(tags::PEER_ADDRESS, &*reply.host);
        }
        span::of_answer(span, flags, status);
        more(status).into_iter().for_each(|(name, value)| span.tag(name, value));
    });
}

fn ended(stream: &mut Stream<'_>, say: impl FnOnce(&mut Span)) {
    let Some(mut called) = stream.trace.as_mut().and_then(|trace| trace.called.take()) else { return };
    say(&mut called.span);
    called.send(&stream.info, stream.context.upstreams.calls());
}

impl Called {
    /// Nobody waits for it any more.
    pub(super) fn left(mut self, info: &StreamInfo, calls: &Calls) {
        self.span.tag(tags::CANCELED, "true");
        self.send(info, calls);
    }

    fn send(mut self, info: &StreamInfo, calls: &Calls) {
        self.span.end = span::nanoseconds(info, Instant::now());
        self.exporter.send(*self.span, calls);
    }
}
