//! B3, the contexts of Zipkin: in one header or in several, with ids of 64 or 128 bits. Like [`context`](super::context) it trusts nothing
//! that it reads.

use bytes::Bytes;

use super::context::{Context, write_hex};
use crate::wire::headers::{Headers, Name};

/// A caller's span: its trace, its id, and that of its own parent.
pub type SpanIds = ([u8; 16], [u8; 8], Option<[u8; 8]>);

/// What a request says in B3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct B3 {
    /// The caller's.
    pub span: Option<SpanIds>,
    /// The caller's decision.
    pub sampled: Option<bool>,
    /// It came in one header, and goes on in one.
    pub single: bool,
}

impl B3 {
    /// Reads it; `None` where it cannot be read.
    pub fn read(headers: &Headers) -> Option<B3> {
        if let Some(value) = headers.get(&Name::B3) {
            return B3::of_one(value);
        }
        let sampled = headers.get(&Name::X_B3_SAMPLED).filter(|value| !value.is_empty());
        let sampled = sampled.map(|value| matches!(&value[..], b"1" | b"true"));
        let mut read = B3 { sampled, ..B3::default() };
        if let (Some(trace), Some(span)) = (headers.get(&Name::X_B3_TRACEID), headers.get(&Name::X_B3_SPANID)) {
            let parent = headers.get(&Name::X_B3_PARENTSPANID).filter(|value| !value.is_empty());
            let parent = match parent {
                None => None,
                Some(parent) => Some(short(parent)?).filter(|id| *id != [0; 8]),
            };
            read.span = Some((long(trace)?, short(span)?, parent));
        }
        Some(read)
    }

    /// `trace-span-sampled-parent`, or the decision alone.
    fn of_one(value: &[u8]) -> Option<B3> {
        let decision = |value: &[u8]| match value {
            b"0" => Some(false),
            b"1" | b"d" => Some(true),
            _ => None,
        };
        if value.len() == 1 {
            return Some(B3 { span: None, sampled: Some(decision(value)?), single: true });
        }
        let mut parts = value.split(|octet| *octet == b'-');
        let (trace, span) = (parts.next()?, parts.next()?);
        if !matches!(trace.len(), 16 | 32) || span.len() != 16 {
            return None;
        }
        let sampled = match parts.next() {
            None => None,
            Some(sampled) => Some(decision(sampled)?),
        };
        let parent = match parts.next() {
            None => None,
            Some(parent) => Some(short(parent)?),
        };
        let whole = parts.next().is_none();
        whole.then_some(B3 { span: Some((long(trace)?, short(span)?, parent)), sampled, single: true })
    }
}

/// Tells the next hop of a span, in the form in which the caller did.
pub fn tell(headers: &mut Headers, shown: &Context, parent: Option<[u8; 8]>, single: bool) {
    let flag = if shown.sampled { b"1" } else { b"0" };
    // An id of 64 bits is told as such.
    let trace = if shown.trace[..8] == [0; 8] { &shown.trace[8..] } else { &shown.trace[..] };
    let mut value = vec![0; trace.len() * 2];
    write_hex(trace, &mut value);
    let id = |id: [u8; 8]| {
        let mut text = [0; 16];
        write_hex(&id, &mut text);
        text
    };
    if single {
        value.extend_from_slice(&[&b"-"[..], &id(shown.span), b"-", flag].concat());
        if let Some(parent) = parent {
            value.extend_from_slice(&[&b"-"[..], &id(parent)].concat());
        }
        headers.set(Name::B3, value);
        return;
    }
    headers.set(Name::X_B3_TRACEID, value);
    headers.set(Name::X_B3_SPANID, Bytes::copy_from_slice(&id(shown.span)));
    if let Some(parent) = parent {
        headers.set(Name::X_B3_PARENTSPANID, Bytes::copy_from_slice(&id(parent)));
    }
    headers.set(Name::X_B3_SAMPLED, Bytes::copy_from_slice(flag));
}

/// An id of up to 64 bits, or of 128.
fn long(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 32 {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&short(text)?);
        return Some(id);
    }
    let (high, low) = text.split_at(16);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&short(high)?);
    id[8..].copy_from_slice(&short(low)?);
    Some(id)
}

/// Up to 16 digits.
fn short(text: &[u8]) -> Option<[u8; 8]> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let digit = |number: u64, letter: &u8| Some(number << 4 | u64::from(char::from(*letter).to_digit(16)?));
    text.iter().try_fold(0, digit).map(u64::to_be_bytes)
}

#[cfg(test)]
mod tests;
