//! What the proxy knows of gRPC: status codes, the timeout header, messages in headers. Pure functions.

use std::time::Duration;

use bytes::Bytes;

use crate::wire::headers::{Headers, Name};

/// `DEADLINE_EXCEEDED`.
pub(super) const DEADLINE_EXCEEDED: u8 = 4;

/// The gRPC status for an HTTP status that was not meant for gRPC.
pub(super) fn status_of(http: u16) -> u8 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// `grpc-status` of a head.
pub(super) fn status(headers: &Headers) -> Option<u8> {
    std::str::from_utf8(headers.get(&Name::GRPC_STATUS)?).ok()?.parse().ok()
}

/// `grpc-timeout`: at most eight digits and a unit. Less than a millisecond rounds up.
pub(super) fn timeout(headers: &Headers) -> Option<Duration> {
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
pub(super) fn write_timeout(timeout: Duration) -> Bytes {
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

/// Text as `grpc-message` carries it: printable ASCII, all else percent-encoded.
pub(super) fn message(text: &[u8]) -> Bytes {
    let plain = |octet: &u8| matches!(octet, b' '..=b'~') && *octet != b'%';
    if text.iter().all(plain) {
        return Bytes::copy_from_slice(text);
    }
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len() * 2);
    for octet in text {
        if plain(octet) {
            out.push(*octet);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
        }
    }
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<Duration> {
        let mut headers = Headers::new();
        headers.append(Name::GRPC_TIMEOUT, text);
        timeout(&headers)
    }

    #[test]
    fn timeouts_are_read_and_written() {
        assert_eq!(parse("300m"), Some(Duration::from_millis(300)));
        assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
        assert_eq!(parse("1n"), Some(Duration::from_millis(1)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "m", "123456789m", "1x", "-1m", "1.5S"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(&write_timeout(Duration::from_millis(300))[..], b"300m");
        assert_eq!(&write_timeout(Duration::from_secs(1_000_000))[..], b"1000000S");
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(&message(b"a b%\n\xc3\xa9")[..], b"a b%25%0A%C3%A9");
    }
}
