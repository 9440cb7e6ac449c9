//! What a header is: the one rule for every name and value that does not come from a codec (from a format, an answer of a service, a
//! token, a certificate). Who writes such a line says so ([`Headers::append_said`] and kin); a list that holds one which is none is
//! doubted, and whoever sends it looks again: for nothing is repaired, and what was taken out since does no harm. Lists that nobody
//! doubts cost no look.

use bytes::Bytes;

use super::{Header, Headers, Name};
use crate::wire::message::RequestHead;

/// RFC 9110 section 5.6.2.
pub fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Whether it is a name.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| is_token(*octet))
}

/// Whether it is a value: no control characters but the tabulator (RFC 9110 section 5.5, as Envoy has it).
pub fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|octet| (*octet < b' ' && *octet != b'\t') || *octet == 0x7f)
}

/// Whether a name and a value that a stranger made up are a header.
pub fn is_header(name: &[u8], value: &[u8]) -> bool {
    is_name(name) && is_value(value)
}

enum Flaw {
    Name,
    Value,
}

impl Header {
    /// What of it makes it none.
    fn flaw(&self) -> Option<Flaw> {
        // Interned names are names.
        if self.name.index().is_none() && !is_name(self.name.as_bytes()) {
            return Some(Flaw::Name);
        }
        (!is_value(&self.value)).then_some(Flaw::Value)
    }
}

impl Headers {
    /// Adds a line that no codec has read, at the end.
    pub fn append_said(&mut self, name: Name, value: impl Into<Bytes>) {
        let value = value.into();
        self.doubt_unless(is_header(name.as_bytes(), &value));
        self.append(name, value);
    }

    /// Replaces the values of a name by one that no codec has read.
    pub fn set_said(&mut self, name: Name, value: impl Into<Bytes>) {
        let value = value.into();
        self.doubt_unless(is_header(name.as_bytes(), &value));
        self.set(name, value);
    }

    /// Something in here, or in the head that these are of, is no header.
    pub fn doubt_unless(&mut self, sound: bool) {
        self.doubted |= !sound;
    }

    /// Whether somebody has to look before they are sent.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Takes out the lines that are none, and tells each. What is left is beyond doubt.
    pub fn take_out_unsound(&mut self, mut told: impl FnMut(&Header)) {
        self.retain(|header| {
            let sound = header.flaw().is_none();
            if !sound {
                told(header);
            }
            sound
        });
        self.doubted = false;
    }
}

/// Why the head of a request is none, in Envoy's words; nothing is looked at where nobody doubts.
pub fn flaw_of_request(head: &RequestHead) -> Option<String> {
    if !head.headers.is_doubted() {
        return None;
    }
    let pseudo = [
        (":authority", &head.authority[..]),
        (":path", &head.path),
        (":method", head.method.as_bytes()),
        (":scheme", &head.scheme),
    ];
    if let Some((name, _)) = pseudo.iter().find(|(_, value)| !is_value(value)) {
        return Some(format!("invalid header value for: {name}"));
    }
    head.headers.iter().find_map(|header| {
        let flaw = header.flaw()?;
        // A name that is none may hold anything.
        let name = header.name.as_bytes().escape_ascii();
        Some(match flaw {
            Flaw::Name => format!("invalid header name: {name}"),
            Flaw::Value => format!("invalid header value for: {name}"),
        })
    })
}

#[cfg(test)]
mod tests;
