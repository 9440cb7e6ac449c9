//! HPACK (RFC 7541): header blocks into lines ([`decode`]) and lines into blocks ([`encode`]). Called by the connection and by `head`.
//!
//! Names are interned once, when they come into a table: a field that is named by its index is neither validated nor looked up again.

pub(super) mod decode;
pub(super) mod encode;
mod huffman;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use bytes::Bytes;

use crate::wire::headers::Name;

/// What stands on the left of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldName {
    /// `:method`, and its like.
    Pseudo(Pseudo),
    /// A header's name.
    Header(Name),
    /// No name at all, one in upper case, or a pseudo-header that there is not.
    Unfit,
}

/// The pseudo-headers (RFC 9113 section 8.3, RFC 8441).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    Protocol,
}

impl Pseudo {
    pub(super) const COUNT: usize = 6;
    const ALL: [Pseudo; Pseudo::COUNT] =
        [Pseudo::Method, Pseudo::Scheme, Pseudo::Authority, Pseudo::Path, Pseudo::Status, Pseudo::Protocol];

    pub(super) const fn text(self) -> &'static str {
        match self {
            Pseudo::Method => ":method",
            Pseudo::Scheme => ":scheme",
            Pseudo::Authority => ":authority",
            Pseudo::Path => ":path",
            Pseudo::Status => ":status",
            Pseudo::Protocol => ":protocol",
        }
    }
}

impl FieldName {
    /// From what came on the wire; `other` makes shared bytes of a name that is not interned.
    fn read(text: &[u8], other: impl FnOnce() -> Bytes) -> FieldName {
        if text.first() == Some(&b':') {
            let known = Pseudo::ALL.iter().find(|pseudo| pseudo.text().as_bytes() == text);
            return known.map_or(FieldName::Unfit, |pseudo| FieldName::Pseudo(*pseudo));
        }
        if let Some(known) = Name::find(text) {
            return FieldName::Header(known);
        }
        if is_lower_token(text) { FieldName::Header(Name::from_lower(other())) } else { FieldName::Unfit }
    }
}

/// What a table's entry counts on top of its text (section 4.1).
const OVERHEAD: usize = 32;
/// The size of both tables until something else is agreed.
pub(super) const DEFAULT_TABLE: u32 = 4096;

/// The fields of appendix A.
static STATIC: LazyLock<Vec<(FieldName, Bytes)>> = LazyLock::new(|| {
    let field = |(name, value): &(&'static str, &'static str)| {
        let name = FieldName::read(name.as_bytes(), || Bytes::from_static(name.as_bytes()));
        (name, Bytes::from_static(value.as_bytes()))
    };
    STATIC_TEXT.iter().map(field).collect()
});

const STATIC_TEXT: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Whether it is a header's name as HTTP/2 has them (RFC 9113 section 8.2.1).
pub(super) fn is_lower_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|octet| LOWER_TOKEN[*octet as usize])
}

static LOWER_TOKEN: [bool; 256] = lower_token();

const fn lower_token() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        let byte = octet as u8;
        table[octet] = byte.is_ascii_lowercase() || byte.is_ascii_digit();
        octet += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}
