//! What `-l debug` tells of a request: one line a stage, as whoever looks for a fault wants to read it. Called by the router and the attempt
//! loop. Nothing is formatted while nobody reads it; queries and headers are never told, for secrets stand in them.

use std::time::Duration;

use super::route::without_query;
use super::stream::{Chosen, Stream};
use super::upstreams::Target;
use crate::failure::ResponseFlags;

/// A route leads it somewhere.
pub(super) fn routed(stream: &Stream<'_>, chosen: Chosen<'_>, cluster: &str) {
    tracing::debug!(
        target: "router",
        connection = stream.context.connection.id,
        host = &*chosen.host.config.name,
        route = &*chosen.route.config.name,
        cluster,
        "request {} {} {}: it is forwarded",
        stream.request.method.as_bytes().escape_ascii(),
        stream.request.authority.escape_ascii(),
        without_query(&stream.request.path).escape_ascii()
    );
}

/// No route leads it anywhere, or one answers it.
pub(super) fn answered_here(stream: &Stream<'_>) {
    tracing::debug!(
        target: "router",
        connection = stream.context.connection.id,
        route = stream.route.map_or("-", |chosen| &*chosen.route.config.name),
        "request {} {} {}: it is answered here",
        stream.request.method.as_bytes().escape_ascii(),
        stream.request.authority.escape_ascii(),
        without_query(&stream.request.path).escape_ascii()
    );
}

/// An attempt has its endpoint.
pub(super) fn picked(stream: &Stream<'_>, target: &Target) {
    if tracing::enabled!(target: "router", tracing::Level::DEBUG) {
        let (connection, attempt) = (stream.context.connection.id, stream.info.attempts);
        tracing::debug!(target: "router", connection, attempt, endpoint = &*target.address(), "an endpoint is chosen");
    }
}

/// An attempt is over, and another takes its place.
pub(super) fn retried(stream: &Stream<'_>, status: Option<u16>, flags: ResponseFlags, wait: Duration) {
    tracing::debug!(
        target: "router",
        connection = stream.context.connection.id,
        attempt = stream.info.attempts,
        status = status.unwrap_or(0),
        flags = flags.short(),
        "the attempt is over, another follows in {} ms",
        wait.as_millis()
    );
}

/// The last attempt has no answer.
pub(super) fn gave_up(stream: &Stream<'_>, flags: ResponseFlags) {
    tracing::debug!(
        target: "router",
        connection = stream.context.connection.id,
        attempt = stream.info.attempts,
        flags = flags.short(),
        "the attempt is over without an answer"
    );
}

#[cfg(test)]
mod tests;
