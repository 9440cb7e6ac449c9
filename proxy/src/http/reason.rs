//! One line in the process log for a 503 of ours (or a lost mirror, or a header that is none): which request, which cluster, why. Operators see a status in their client and look
//! here. At most a few lines a second from each worker, so that a burst of failures costs nothing.

use std::cell::Cell;
use std::fmt::Display;
use std::time::{Duration, Instant};

use super::route::without_query;
use super::stream::Stream;
use crate::wire::headers::Header;

/// Lines a second that one worker writes.
const LINES: u32 = 5;

thread_local! {
    /// When the second began, lines written in it, lines left out.
    static WINDOW: Cell<(Option<Instant>, u32, u32)> = const { Cell::new((None, 0, 0)) };
}

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

/// Takes a line of this second's share; tells how many were left out before it.
fn take_line() -> Option<u32> {
    let now = Instant::now();
    let (began, written, left_out) = WINDOW.get();
    match began {
        Some(began) if now.duration_since(began) < Duration::from_secs(1) => {
            if written >= LINES {
                WINDOW.set((Some(began), written, left_out.saturating_add(1)));
                return None;
            }
            WINDOW.set((Some(began), written + 1, 0));
            Some(left_out)
        }
        _ => {
            WINDOW.set((Some(now), 1, 0));
            Some(left_out)
        }
    }
}
