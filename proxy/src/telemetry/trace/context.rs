//! The context of a span as requests carry it (W3C Trace Context). It allocates one header value, and never trusts what it reads.

use bytes::Bytes;

use crate::wire::headers::{Headers, Name};

/// A span as the next one sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Of all spans of the trace.
    pub trace: [u8; 16],
    /// The span's own.
    pub span: [u8; 8],
    /// It is recorded.
    pub sampled: bool,
}

/// What a request says of its caller's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// This.
    Parent(Context),
    /// What cannot be read: as with Envoy the request is not traced, and its headers pass as they are.
    Unreadable,
}

/// Octets of a `traceparent`: version, trace, parent and flags.
const LENGTH: usize = 55;
const VERSION: &[u8] = b"00-";

impl Context {
    /// Reads `traceparent`.
    pub fn of_w3c(headers: &Headers) -> Found {
        let Some(value) = headers.get(&Name::TRACEPARENT) else { return Found::Nothing };
        Context::parse(value).map_or(Found::Unreadable, Found::Parent)
    }

    fn parse(value: &[u8]) -> Option<Context> {
        if value.len() != LENGTH || [value[2], value[35], value[52]] != *b"---" {
            return None;
        }
        let [_version] = octets::<1>(&value[..2])?;
        let [flags] = octets::<1>(&value[53..])?;
        let context = Context { trace: octets(&value[3..35])?, span: octets(&value[36..52])?, sampled: flags & 1 == 1 };
        (context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
    }

    /// Writes `traceparent`.
    pub fn tell_w3c(&self, headers: &mut Headers) {
        let mut value = [b'-'; LENGTH];
        value[..VERSION.len()].copy_from_slice(VERSION);
        write_hex(&self.trace, &mut value[3..35]);
        write_hex(&self.span, &mut value[36..52]);
        value[53..].copy_from_slice(if self.sampled { b"01" } else { b"00" });
        headers.set(Name::TRACEPARENT, Bytes::copy_from_slice(&value));
    }
}

/// Random octets that are not all zero.
pub fn random_id<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut id = [0; LENGTH];
    while id == [0; LENGTH] {
        id.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&fastrand::u64(..).to_ne_bytes()[..chunk.len()]));
    }
    id
}

/// Two hexadecimal digits an octet.
fn octets<const COUNT: usize>(text: &[u8]) -> Option<[u8; COUNT]> {
    let mut octets = [0; COUNT];
    if text.len() != COUNT * 2 {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |letter: u8| char::from(letter).to_digit(16);
        *octet = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(octets)
}

pub(super) fn write_hex(octets: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, octet) in out.chunks_exact_mut(2).zip(octets) {
        pair.copy_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
    }
}
