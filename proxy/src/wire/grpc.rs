//! What the proxy knows of gRPC: status codes, the timeout header, messages in headers, and ([`frames`]) messages in bodies. Called by
//! `http`, `call` and `cluster`. Pure functions; no message is decoded here.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

use super::headers::{Headers, Name};

pub mod frames;
mod method;

pub use method::Method;

/// `UNKNOWN`.
pub const UNKNOWN: u8 = 2;
/// `RESOURCE_EXHAUSTED`.
pub const RESOURCE_EXHAUSTED: u8 = 8;
/// `INTERNAL`.
pub const INTERNAL: u8 = 13;
/// `UNAVAILABLE`.
pub const UNAVAILABLE: u8 = 14;
/// `DEADLINE_EXCEEDED`.
pub const DEADLINE_EXCEEDED: u8 = 4;

/// The gRPC status for an HTTP status that was not meant for gRPC.
pub fn status_of(http: u16) -> u8 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// Whether the content type is gRPC's: `application/grpc`, alone or with a format. gRPC-Web's are not.
pub fn has_content_type(headers: &Headers) -> bool {
    headers.get(&Name::CONTENT_TYPE).is_some_and(|value| {
        value.strip_prefix(b"application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
    })
}

/// Whether a request that ended with this status, or without any, is an error of its host: one that HTTP would call 5xx.
pub fn is_host_error(status: Option<u8>) -> bool {
    status.is_none_or(|status| http_status_of(status) >= 500)
}

/// What stands before a path's `?`.
pub fn before_query(path: &[u8]) -> &[u8] {
    &path[..memchr::memchr(b'?', path).unwrap_or(path.len())]
}

/// `grpc-status` of a head.
pub fn status(headers: &Headers) -> Option<u8> {
    std::str::from_utf8(headers.get(&Name::GRPC_STATUS)?).ok()?.parse().ok()
}

/// `grpc-timeout`: at most eight digits and a unit. Less than a millisecond rounds up.
pub fn timeout(headers: &Headers) -> Option<Duration> {
    let value = headers.get(&Name::GRPC_TIMEOUT)?;
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let milliseconds = match unit {
        b'H' => count * 3_600_000,
        b'M' => count * 60_000,
        b'S' => count * 1_000,
        b'm' => count,
        b'u' => count.div_ceil(1_000),
        b'n' => count.div_ceil(1_000_000),
        _ => return None,
    };
    Some(Duration::from_millis(milliseconds))
}

/// A timeout as `grpc-timeout` says it: the finest unit whose number has at most eight digits.
pub fn write_timeout(timeout: Duration) -> Bytes {
    let mut count = timeout.as_millis();
    let mut unit = 'm';
    for (next, factor) in [('S', 1000), ('M', 60), ('H', 60)] {
        if count <= 99_999_999 {
            break;
        }
        count /= factor;
        unit = next;
    }
    Bytes::from(format!("{}{unit}", count.min(99_999_999)))
}

/// The same of the gRPC status in a head or in trailers, if there is one.
pub fn status_as_http(headers: &Headers) -> Option<u16> {
    status(headers).map(http_status_of)
}

/// The HTTP status that says of a request what a gRPC status says.
pub fn http_status_of(status: u8) -> u16 {
    match status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// The name of a status, as gRPC's own texts have it.
pub fn name_of(status: u8) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(usize::from(status)).copied().unwrap_or("not a known status")
}

/// What gRPC leaves as it is in `grpc-message`: printable ASCII but the percent sign.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Text as `grpc-message` carries it: printable ASCII, all else percent-encoded.
pub fn message(text: &[u8]) -> Bytes {
    match Cow::from(percent_encode(text, ENCODED)) {
        Cow::Borrowed(plain) => Bytes::copy_from_slice(plain.as_bytes()),
        Cow::Owned(encoded) => Bytes::from(encoded),
    }
}

/// What `grpc-message` says; octets that are no UTF-8 are replaced.
pub fn read_message(value: &[u8]) -> Cow<'_, str> {
    percent_decode(value).decode_utf8_lossy()
}

#[cfg(test)]
mod tests;
