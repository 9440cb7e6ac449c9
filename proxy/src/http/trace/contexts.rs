//! How the tracers' contexts differ: what is read of the caller's span, what a span of ours is made with, and what the next hop is told.

use bytes::Bytes;
use config::services::span::Kind;
use config::tracing::{Provider, Sampler, Zipkin};

use crate::telemetry::trace::b3::{self, SpanIds};
use crate::telemetry::trace::{B3, Context, Found, random_id, samples};
use crate::wire::headers::{Headers, Name};

/// The contexts of a tracer.
pub(super) enum Contexts {
    /// `traceparent` and `tracestate`, of OpenTelemetry.
    W3c {
        sampler: Option<Sampler>,
    },
    B3(OfB3),
}

/// Zipkin's.
pub(super) struct OfB3 {
    /// `traceparent` stands in for it, and is told beside it.
    w3c: bool,
    /// New ids have 128 bits.
    long: bool,
    /// And begin with the time.
    dated: bool,
    /// A server's span is its caller's.
    shares: bool,
}

/// What is known of the caller's span.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caller {
    span: Option<SpanIds>,
    sampled: Option<bool>,
    single: bool,
}

/// A span that begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub own: Context,
    pub parent: Option<[u8; 8]>,
    /// The next hop is told in one header.
    pub single: bool,
}

impl Begun {
    /// A span below it.
    pub fn below(&self, sampled: bool) -> Begun {
        let own = Context { span: random_id(), sampled, ..self.own };
        Begun { own, parent: Some(self.own.span), single: self.single }
    }
}

impl Contexts {
    pub fn of(provider: &Provider) -> Contexts {
        match provider {
            Provider::OpenTelemetry(config) => Contexts::W3c { sampler: config.sampler.clone() },
            Provider::Zipkin(Zipkin { w3c, long_ids, dated_ids, shares, .. }) => {
                Contexts::B3(OfB3 { w3c: *w3c, long: *long_ids, dated: *dated_ids, shares: *shares })
            }
        }
    }

    /// A sampler is asked anew about attempts.
    pub fn asks_again(&self) -> bool {
        matches!(self, Contexts::W3c { sampler: Some(_) })
    }

    /// A server's span has its caller's id.
    pub fn shares(&self) -> bool {
        matches!(self, Contexts::B3(OfB3 { shares: true, .. }))
    }

    /// The caller's span; `None` where it cannot be read.
    pub fn caller(&self, headers: &Headers) -> Option<Caller> {
        match self {
            Contexts::W3c { .. } => of_w3c(headers),
            Contexts::B3(of) => {
                let B3 { span, sampled, single } = B3::read(headers)?;
                let nothing = span.is_none() && sampled.is_none();
                if of.w3c && nothing {
                    // As with Envoy a new trace begins where `traceparent` cannot be read.
                    return Some(of_w3c(headers).unwrap_or_default());
                }
                Some(Caller { span, sampled, single })
            }
        }
    }

    /// A span of a request. `traced`: the connection manager would have it traced.
    pub fn begin(&self, caller: Caller, traced: bool, kind: Kind) -> Begun {
        match self {
            Contexts::W3c { sampler } => {
                let trace = caller.span.map_or_else(random_id, |(trace, _, _)| trace);
                let sampled = traced
                    && match sampler {
                        None => caller.sampled.unwrap_or(true),
                        Some(sampler) => samples(sampler, caller.sampled, trace),
                    };
                let parent = caller.span.map(|(_, span, _)| span);
                Begun { own: Context { trace, span: random_id(), sampled }, parent, single: false }
            }
            Contexts::B3(of) => {
                // The caller's word is the last, as with Envoy.
                let sampled = caller.sampled.unwrap_or(traced);
                let (trace, span, parent) = match caller.span {
                    None => of.new_trace(),
                    Some((trace, span, parent)) if of.shares && kind == Kind::Server => (trace, span, parent),
                    Some((trace, span, _)) => (trace, random_id(), Some(span)),
                };
                Begun { own: Context { trace, span, sampled }, parent, single: caller.single }
            }
        }
    }

    /// Whether the span of an attempt is sampled.
    pub fn samples_attempt(&self, own: &Context) -> bool {
        match self {
            Contexts::W3c { sampler: Some(sampler) } => samples(sampler, Some(own.sampled), own.trace),
            Contexts::W3c { sampler: None } | Contexts::B3(_) => own.sampled,
        }
    }

    /// What spans of this trace say beside ids.
    pub fn state(&self, headers: &Headers, caller: &Caller) -> Bytes {
        match self {
            Contexts::W3c { .. } if caller.span.is_some() => state(headers),
            Contexts::W3c { .. } | Contexts::B3(_) => Bytes::new(),
        }
    }

    /// Tells the next hop of a span.
    pub fn tell(&self, headers: &mut Headers, shown: &Begun, state: Bytes) {
        match self {
            Contexts::W3c { .. } => {
                shown.own.tell_w3c(headers);
                headers.set(Name::TRACESTATE, state);
            }
            Contexts::B3(of) => {
                b3::tell(headers, &shown.own, shown.parent, shown.single);
                if of.w3c {
                    shown.own.tell_w3c(headers);
                }
            }
        }
    }
}

impl OfB3 {
    /// The first span of a trace has the trace's id.
    fn new_trace(&self) -> ([u8; 16], [u8; 8], Option<[u8; 8]>) {
        let mut trace = [0; 16];
        trace[8..].copy_from_slice(&random_id::<8>());
        if self.long {
            trace[..8].copy_from_slice(&random_id::<8>());
        }
        if self.dated {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            // Seconds of 32 bits, as wherever ids begin with them.
            let seconds = (now.as_secs() as u32).to_be_bytes();
            let first = if self.long { 0 } else { 8 };
            trace[first..first + 4].copy_from_slice(&seconds);
        }
        let mut span = [0; 8];
        span.copy_from_slice(&trace[8..]);
        (trace, span, None)
    }
}

fn of_w3c(headers: &Headers) -> Option<Caller> {
    match Context::of_w3c(headers) {
        Found::Nothing => Some(Caller::default()),
        Found::Parent(parent) => {
            Some(Caller { span: Some((parent.trace, parent.span, None)), sampled: Some(parent.sampled), single: false })
        }
        Found::Unreadable => None,
    }
}

/// `tracestate`, which may come in several lines.
fn state(headers: &Headers) -> Bytes {
    let mut lines = headers.get_all(&Name::TRACESTATE);
    let first = lines.next().cloned().unwrap_or_default();
    let more: Vec<&[u8]> = lines.map(|line| &line[..]).collect();
    if more.is_empty() { first } else { [&[&first[..]][..], &more].concat().join(&b',').into() }
}
