//! Tracing: which requests are traced, and the spans of those that are. `exchange` calls [`begin`] when the route is known and [`finish`] at
//! the end, the attempt loop [`inject`] and the hooks of [`attempt`], filters those of [`called`]. Of a request that is not traced nothing is kept: what its next
//! hop is told is made when its head goes out.

pub(super) mod attempt;
pub(super) mod called;
mod compiled;
mod contexts;
mod span;

use bytes::Bytes;
use config::listener::Direction;

use super::request_id;
use super::stream::Stream;
use crate::telemetry::trace::Context;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::RequestHead;

use self::attempt::Attempt;
use self::called::Called;
pub use self::compiled::OfRoute;
use self::compiled::Tracer;
pub(super) use self::compiled::Tracing;
use self::contexts::{Begun, Contexts};
pub(super) use self::span::finish;

/// A request that is traced.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Begun,
    /// `tracestate`.
    state: Bytes,
    name: String,
    /// The attempt that is under way, where attempts have spans.
    attempt: Option<Attempt>,
    /// The service that a filter waits for.
    called: Option<Called>,
}

impl Trace {
    /// Of its trace and of its span.
    pub fn ids(&self) -> ([u8; 16], [u8; 8]) {
        (self.begun.own.trace, self.begun.own.span)
    }
}

/// Why a request is traced, or that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NotTraceable,
    Sampling,
    ServiceForced,
    ClientForced,
}

/// A request has its route: whether it is traced, and what sidecars tell each other of that. The second part of a request that was
/// redirected here has been decided about, as with Envoy: not to be traced.
pub(super) fn begin(stream: &mut Stream<'_>) {
    let context = stream.context;
    let Some(tracing) = &context.manager.tracing else { return };
    let of_route = of_route(stream);
    let sampling = of_route.map_or(&tracing.sampling, |of_route| &of_route.sampling);
    let reason = if stream.history.is_some() {
        Reason::NotTraceable
    } else {
        request_id::decide(&context.manager.config, sampling, &mut stream.request)
    };
    stream.decided = Some(reason);
    let named = tracing.operation.is_some() || of_route.is_some_and(|of_route| of_route.operation.is_some());
    let name = if named { Decorated::default() } else { decorate(stream) };
    if let Some(tracer) = &tracing.tracer {
        stream.trace = tracer.begin(stream, reason != Reason::NotTraceable, of_route, &name);
    }
}

fn of_route<'s>(stream: &Stream<'s>) -> Option<&'s OfRoute> {
    stream.route?.route.tracing.as_deref()
}

/// What names the operation: another sidecar, or the route.
#[derive(Default)]
struct Decorated<'s> {
    theirs: Option<Bytes>,
    route: Option<&'s str>,
}

/// Outbound, the next sidecar is told the name of the operation; inbound, what a sidecar told wins over the route's, which otherwise
/// goes back with the response. All of it only with tracing, as with Envoy.
fn decorate<'s>(stream: &mut Stream<'s>) -> Decorated<'s> {
    let route = stream.route.and_then(|chosen| chosen.route.config.decorator.as_deref());
    let told = stream.route.and_then(|chosen| chosen.route.decorator.as_ref());
    let headers = &mut stream.request.headers;
    if stream.context.manager.direction == Direction::Outbound {
        if let Some(operation) = told {
            headers.set(Name::X_ENVOY_DECORATOR_OPERATION, operation.clone());
        }
        return Decorated { theirs: None, route };
    }
    let theirs = headers.get(&Name::X_ENVOY_DECORATOR_OPERATION).cloned();
    if theirs.is_some() {
        headers.remove(&Name::X_ENVOY_DECORATOR_OPERATION);
    }
    let theirs = theirs.filter(|operation| !operation.is_empty());
    if theirs.is_none() {
        stream.decorator = told.cloned();
    }
    Decorated { theirs, route }
}

impl Tracer {
    /// `traced`: the connection manager would have it traced. What the caller decided, or a sampler, may differ.
    fn begin(
        &self,
        stream: &mut Stream<'_>,
        traced: bool,
        of_route: Option<&OfRoute>,
        name: &Decorated<'_>,
    ) -> Option<Box<Trace>> {
        // As with Envoy a sampler is asked anew about attempts, and who speaks B3 has decided for us.
        let attempts = self.spawns && self.contexts.asks_again();
        let keeps = attempts || stream.context.manager.wants.spans;
        if !traced && !keeps && matches!(self.contexts, Contexts::W3c { .. }) {
            return None;
        }
        let headers = &stream.request.headers;
        let caller = self.contexts.caller(headers)?;
        let begun = self.contexts.begin(caller, traced, self.kind);
        if !begun.own.sampled && !keeps {
            return None;
        }
        let state = self.contexts.state(headers, &caller);
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let name = match (&name.theirs, name.route) {
            (Some(theirs), _) => text(theirs),
            (None, Some(route)) => route.to_owned(),
            (None, None) => self.name(stream),
        };
        if self.wants_times || of_route.is_some_and(|of_route| of_route.wants_times) {
            stream.info.times.get_or_insert_default();
        }
        Some(Box::new(Trace { begun, state, name, attempt: None, called: None }))
    }

    /// Where nobody names the operation.
    fn name(&self, stream: &Stream<'_>) -> String {
        match stream.context.manager.direction {
            _ if matches!(self.contexts, Contexts::B3(_)) => {
                String::from_utf8_lossy(&stream.request.authority).into_owned()
            }
            Direction::Outbound => format!("egress {}", String::from_utf8_lossy(&stream.request.authority)),
            _ => String::from("ingress"),
        }
    }

    /// What the next hop is told of a request that is not traced.
    fn untraced(&self, headers: &Headers) -> Option<(Begun, Bytes)> {
        let caller = self.contexts.caller(headers)?;
        let begun = self.contexts.begin(caller, false, self.kind);
        let state = self.contexts.state(headers, &caller);
        Some((if self.spawns { begun.below(begun.own.sampled) } else { begun }, state))
    }
}

/// The head of an attempt goes out: the next hop is told what it belongs to.
pub(super) fn inject(stream: &mut Stream<'_>) {
    let Some(tracer) = tracer_of(stream) else { return };
    let told = match &mut stream.trace {
        Some(trace) => {
            if let Some(attempt) = &mut trace.attempt {
                attempt.has_stream();
            }
            let shown = trace.attempt.as_ref().map_or(trace.begun, |attempt| attempt.begun);
            Some((shown, trace.state.clone()))
        }
        None if tracer.propagates => tracer.untraced(&stream.request.headers),
        None => None,
    };
    if let Some((shown, state)) = told
        && tracer.propagates
    {
        tracer.contexts.tell(&mut stream.request.headers, &shown, state);
    }
}

/// The same of a copy for a mirror, which has no span of its own. `traced`: it belongs to the trace.
pub(super) fn inject_copy(stream: &Stream<'_>, head: &mut RequestHead, traced: bool) {
    let Some(tracer) = tracer_of(stream).filter(|tracer| tracer.propagates) else { return };
    let told = match &stream.trace {
        Some(trace) => Some((trace.begun, trace.state.clone())),
        None => tracer.untraced(&head.headers),
    };
    if let Some((shown, state)) = told {
        let own = Context { sampled: shown.own.sampled && traced, ..shown.own };
        tracer.contexts.tell(&mut head.headers, &Begun { own, ..shown }, state);
    }
}

/// The next sidecar has named the operation in its response.
pub(super) fn named(trace: &mut Option<Box<Trace>>, operation: &[u8]) {
    if let Some(trace) = trace.as_mut().filter(|_| !operation.is_empty()) {
        trace.name = String::from_utf8_lossy(operation).into_owned();
    }
}

/// Who gets spans of a request, where somebody does.
fn tracer_of<'s>(stream: &Stream<'s>) -> Option<&'s Tracer> {
    stream.context.manager.tracing.as_ref()?.tracer.as_ref()
}

#[cfg(test)]
mod tests;
