//! One line in the process log for a 503 of ours (or a lost mirror, or a header that is none): which request, which cluster, why. Operators see a status in their client and look
//! here. At most a few lines a second from each worker, so that a burst of failures costs nothing.

use std::fmt::Display;

use super::route::without_query;
use super::stream::Stream;
use crate::telemetry::lines::take_line;
use crate::wire::headers::Header;

/// Tells why a request was answered with a 503 (or gRPC's UNAVAILABLE).
pub(super) fn tell(stream: &Stream<'_>, details: &str, why: impl Display) {
    let Some(left_out) = take_line() else { return };
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    tracing::warn!(
        target: "http",
        authority = text(&stream.request.authority),
        path = text(without_query(&stream.request.path)),
        cluster = stream.info.upstream_cluster.as_deref().unwrap_or("-"),
        host = stream.info.upstream_host.as_deref().unwrap_or("-"),
        details,
        left_out,
        "request failed: {why}"
    );
}

/// Tells that a mirror is lost, though the request itself is not.
pub(super) fn mirror_lost(stream: &Stream<'_>, cluster: &str, why: &str) {
    let Some(left_out) = take_line() else { return };
    let path = without_query(&stream.request.path).escape_ascii().to_string();
    tracing::warn!(target: "http", path, cluster, left_out, "a mirror is lost: its cluster: {why}");
}

/// Tells that a response, or trailers, went without a line that is no header: what it was made of has octets that none may hold.
pub(super) fn left_out(stream: &Stream<'_>, header: &Header) {
    let Some(left_out) = take_line() else { return };
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    tracing::warn!(
        target: "http",
        path = text(without_query(&stream.request.path)),
        header = text(header.name.as_bytes()),
        left_out,
        "a header is left out: its name or value has octets that no header may have"
    );
}
