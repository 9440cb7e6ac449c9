//! The span of an attempt (`spawn_upstream_span`): of each one that had a host to go to. Begun and ended where the router's own log is told
//! of attempts. Where several run beside each other, the last that began has one.

use std::time::Instant;

use config::services::sanitized;
use config::services::span::{Kind, Span, tags};

use super::contexts::Begun;
use super::{Trace, of_route, span, tracer_of};
use crate::failure::ResponseFlags;
use crate::http::attempt::log::OF_ATTEMPTS;
use crate::http::stream::Stream;
use crate::telemetry::trace::written;
use crate::wire::headers::Headers;
use crate::wire::message::ResponseHead;

/// An attempt that is under way.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(super) begun: Begun,
    since: Instant,
    /// Which one it is.
    number: u32,
    /// It has its stream.
    connected: bool,
    /// What it was answered with.
    answer: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// `grpc-status` and `grpc-message`.
    grpc: Headers,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Ended {
    /// By itself.
    Whole,
    /// By us.
    Canceled,
    /// By the upstream, or on the way there, in these words.
    Failed(&'static str),
}

impl Attempt {
    pub(super) fn has_stream(&mut self) {
        self.connected = true;
    }
}

/// An attempt begins.
pub(in crate::http) fn begins(stream: &mut Stream<'_>) {
    let tracer = tracer_of(stream).filter(|tracer| tracer.spawns);
    let (Some(trace), Some(tracer)) = (&mut stream.trace, tracer) else { return };
    let sampled = tracer.contexts.samples_attempt(&trace.begun.own);
    trace.attempt = Some(Attempt {
        begun: trace.begun.below(sampled),
        since: Instant::now(),
        number: stream.info.attempts,
        connected: false,
        answer: None,
    });
}

/// It is answered, and that answer goes on to the client.
pub(in crate::http) fn answered(trace: &mut Option<Box<Trace>>, head: &ResponseHead) {
    if let Some(attempt) = trace.as_mut().and_then(|trace| trace.attempt.as_mut()) {
        attempt.answer = Some(Answer { status: head.status, grpc: only_grpc(&head.headers) });
    }
}

fn only_grpc(headers: &Headers) -> Headers {
    use crate::wire::headers::Name;
    let mut kept = Headers::new();
    for name in [Name::GRPC_STATUS, Name::GRPC_MESSAGE] {
        if let Some(value) = headers.get(&name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// It is over, and another one takes its place, or the client hears of its failure. `host`: it had one to go to.
pub(in crate::http) fn over(
    stream: &mut Stream<'_>,
    head: Option<&ResponseHead>,
    flags: ResponseFlags,
    (host, ended): (bool, Ended),
) {
    let Some(attempt) = stream.trace.as_mut().and_then(|trace| trace.attempt.take()).filter(|_| host) else { return };
    let answer = head.map(|head| Answer { status: head.status, grpc: only_grpc(&head.headers) });
    send(stream, Attempt { answer, ..attempt }, flags, ended);
}

/// The request is over, and its last attempt with it.
pub(in crate::http) fn last(stream: &mut Stream<'_>) {
    let Some(attempt) = stream.trace.as_mut().and_then(|trace| trace.attempt.take()) else { return };
    let flags = stream.info.flags.and(OF_ATTEMPTS);
    let whole = stream.info.response_code_details.as_deref().is_some_and(|details| WHOLE.contains(&details));
    let ended = match &attempt.answer {
        Some(_) if flags.has(ResponseFlags::UPSTREAM_REMOTE_RESET) => Ended::Failed("remote reset"),
        Some(_) if flags.has(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION) => Ended::Failed("connection termination"),
        Some(_) if flags.has(ResponseFlags::UPSTREAM_PROTOCOL_ERROR) => Ended::Failed("protocol error"),
        Some(_) if whole => Ended::Whole,
        Some(_) | None => Ended::Canceled,
    };
    if attempt.answer.is_some() {
        return send(stream, attempt, flags, ended);
    }
    // What the client was answered with came after it.
    let code = std::mem::take(&mut stream.info.response_code);
    send(stream, attempt, ResponseFlags::NONE, ended);
    stream.info.response_code = code;
}

/// Details of answers that came to their end.
const WHOLE: [&str; 3] = ["via_upstream", "websocket_handshake_unsuccessful", "internal_redirect"];

fn send(stream: &Stream<'_>, attempt: Attempt, flags: ResponseFlags, ended: Ended) {
    let context = stream.context;
    let tracer = tracer_of(stream);
    let (Some(tracer), Some(trace)) = (tracer.filter(|_| attempt.begun.own.sampled), &stream.trace) else { return };
    let (info, now) = (&stream.info, Instant::now());
    let mut span = Span {
        trace: attempt.begun.own.trace,
        id: attempt.begun.own.span,
        parent: attempt.begun.parent,
        state: sanitized(&trace.state),
        name: format!("router {} egress", info.observed_cluster().map_or("", |name| name)),
        kind: Kind::Client,
        start: span::nanoseconds(info, attempt.since),
        end: span::nanoseconds(info, now),
        ..Span::default()
    };
    if attempt.number > 1 {
        span.tag(tags::RETRY_COUNT, (attempt.number - 1).to_string());
    }
    match ended {
        Ended::Whole => {}
        Ended::Canceled => span.tag(tags::CANCELED, "true"),
        Ended::Failed(why) => {
            span.tag(tags::ERROR, "true");
            span.tag(tags::ERROR_REASON, why);
        }
    }
    for headers in attempt.answer.as_ref().map(|answer| &answer.grpc).into_iter().chain(&stream.trailers) {
        span::grpc_status(&mut span, headers);
    }
    let protocol = info.upstream_protocol.filter(|_| attempt.connected);
    span.tag(tags::HTTP_PROTOCOL, protocol.map_or("-", |protocol| protocol.as_str()));
    if let Some(host) = &info.upstream_host {
        span.tag(tags::UPSTREAM_ADDRESS, &**host);
        span.tag(tags::PEER_ADDRESS, &**host);
    }
    let status = attempt.answer.as_ref().map_or(0, |answer| answer.status);
    span::of_both(&mut span, info, (flags, status));
    if tracer.verbose {
        let first = attempt.answer.is_some().then(|| info.response_first_byte.unwrap_or(now));
        let mut events = span::events(info, first, (attempt.since, None));
        events.retain(|(_, name)| !name.contains("_downstream_"));
        span.events = events;
    }
    let entry = stream.entry(stream.response.as_ref(), stream.trailers.as_ref());
    span::of_configuration(tracer, &mut span, stream, &entry);
    let operation = of_route(stream).and_then(|of_route| of_route.upstream_operation.as_ref());
    if let Some(operation) = operation.or(tracer.upstream_operation.as_ref()) {
        span::rename(&mut span, written(operation, &entry));
    }
    tracer.exporter.send(span, context.upstreams.calls());
}
