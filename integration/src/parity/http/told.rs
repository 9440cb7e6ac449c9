//! What came of a request, as text: `<` what the client got, `?` what the authorizer and the processor were asked, `>` what reached the application (`m` what was
//! mirrored), and the line of the log. Headers are sorted, and those that change from run to run are left out. Used by [`super::play`] alone.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;

use super::app::Seen;
use super::dialogue::Heard;
use super::pieces::shown;
use super::scenario::Request;

/// What the client got.
#[derive(Debug)]
pub struct Got {
    /// Informational heads before the last one.
    pub informational: Vec<u16>,
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

impl From<Heard> for Got {
    fn from(heard: Heard) -> Got {
        Got {
            informational: heard.informational,
            status: heard.line.and_then(|line| line.parse().ok()).unwrap_or(0),
            headers: heard.headers,
            body: heard.body.freeze(),
            trailers: heard.trailers,
            broken: heard.end == Some(false),
        }
    }
}

impl From<Heard> for Seen {
    fn from(heard: Heard) -> Seen {
        let end = match heard.end {
            Some(true) => "",
            Some(false) => " broken off",
            None => " without an end",
        };
        Seen {
            line: format!("{}{end}", heard.line.unwrap_or_default()),
            headers: heard.headers,
            body: heard.body.freeze(),
            trailers: heard.trailers,
            mirrored: false,
        }
    }
}

/// What is left of a timeout when a request is sent again depends on the moment.
const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";
/// Trailers that Envoy names by the first decompressor that its process ever had.
const DECOMPRESSOR: &str = "x-envoy-decompressor-";

/// Milliseconds, up to the next second.
fn rounded(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |value: u64| (value.div_ceil(1000) * 1000).to_string())
}

/// Writes what came of a request.
pub(super) fn request(out: &mut String, request: &Request, got: &Got, asked: &[String], seen: &[Seen], line: &str) {
    let _ = writeln!(out, "# {}", request.case);
    for early in &got.informational {
        let _ = writeln!(out, "< {early}");
    }
    let _ = writeln!(out, "< {}{}", got.status, if got.broken { " broken off" } else { "" });
    message(out, '<', &got.headers, &got.body, got.trailers.as_ref());
    for line in asked {
        let _ = writeln!(out, "? {line}");
    }
    for seen in seen {
        let side = if seen.mirrored { 'm' } else { '>' };
        let _ = writeln!(out, "{side} {}", seen.line);
        message(out, side, &seen.headers, &seen.body, seen.trailers.as_ref());
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
        let encoding = headers.get("content-encoding").and_then(|value| value.to_str().ok());
        let _ = writeln!(out, "{side} body {}", shown(body, encoding));
    }
    if let Some(trailers) = trailers {
        lines(out, side, "trailer ", trailers);
    }
}

fn lines(out: &mut String, side: char, what: &str, headers: &HeaderMap) {
    let shown = headers.iter().filter(|(name, _)| !CHANGING.contains(&name.as_str()));
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let name = name.as_str();
        let value = match name {
            EXPECTED => rounded(value.to_str().unwrap_or_default()),
            _ => value.as_bytes().escape_ascii().to_string(),
        };
        match name.strip_prefix(DECOMPRESSOR).and_then(|rest| rest.split_once('-')) {
            Some((_, rest)) => format!("{side} {what}{DECOMPRESSOR}*-{rest}: {value}"),
            None => format!("{side} {what}{name}: {value}"),
        }
    };
    let mut all: Vec<_> = shown.map(line).collect();
    all.sort();
    for line in all {
        let _ = writeln!(out, "{line}");
    }
}
