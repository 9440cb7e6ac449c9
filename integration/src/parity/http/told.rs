//! What came of a request, as text: `<` what the client got, `>` what reached the application, and the line of the log. Headers are sorted, and
//! those that change from run to run are left out. Used by [`super::play`] alone.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;

use super::app::Seen;
use super::scenario::Request;

/// What the client got.
#[derive(Debug)]
pub struct Got {
    /// Status; 0 for none.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// As much of the body as came.
    pub body: Bytes,
    /// Trailers.
    pub trailers: Option<HeaderMap>,
    /// The response did not end well.
    pub broken: bool,
}

/// Headers that say when, by whom and to whom; and whether an answer was there before its request had come to its end.
const CHANGING: [&str; 7] =
    ["connection", "date", "server", "host", "x-envoy-upstream-service-time", "x-request-id", "x-answer"];

/// Writes what came of a request.
pub(super) fn request(out: &mut String, request: &Request, got: &Got, seen: &[Seen], line: &str) {
    let _ = writeln!(out, "# {}\n< {}{}", request.case, got.status, if got.broken { " broken off" } else { "" });
    message(out, '<', &got.headers, &got.body, got.trailers.as_ref());
    for seen in seen {
        let _ = writeln!(out, "> {}", seen.line);
        message(out, '>', &seen.headers, &seen.body, seen.trailers.as_ref());
    }
    let _ = writeln!(out, "log {line}\n");
}

/// Writes statistics.
pub(super) fn statistics(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

fn message(out: &mut String, side: char, headers: &HeaderMap, body: &[u8], trailers: Option<&HeaderMap>) {
    lines(out, side, "", headers);
    if !body.is_empty() {
        let _ = writeln!(out, "{side} body {}", body.escape_ascii());
    }
    if let Some(trailers) = trailers {
        lines(out, side, "trailer ", trailers);
    }
}

fn lines(out: &mut String, side: char, what: &str, headers: &HeaderMap) {
    let shown = headers.iter().filter(|(name, _)| !CHANGING.contains(&name.as_str()));
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{side} {what}{name}: {}", value.as_bytes().escape_ascii())
    };
    let mut all: Vec<_> = shown.map(line).collect();
    all.sort();
    for line in all {
        let _ = writeln!(out, "{line}");
    }
}
