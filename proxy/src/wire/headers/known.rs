//! Header names: those that the proxy itself reads or writes are interned, so that a look-up is one byte compare.

use std::fmt;

use bytes::Bytes;

/// A lower-case header name.
#[derive(Clone)]
pub struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Known(u8),
    Other(Bytes),
}

macro_rules! known {
    ($($constant:ident $text:literal)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Index { $($constant),* }

        const TEXT: &[&str] = &[$($text),*];
        const BEGUN: &[&str] = &[$(concat!($text, ": ")),*];

        impl Name {
            $(#[doc = concat!("`", $text, "`")] pub const $constant: Name = Name(Repr::Known(Index::$constant as u8));)*
        }
    };
}

known! {
    ACCEPT "accept"
    ACCEPT_ENCODING "accept-encoding"
    ACCEPT_LANGUAGE "accept-language"
    ACCESS_CONTROL_ALLOW_CREDENTIALS "access-control-allow-credentials"
    ACCESS_CONTROL_ALLOW_HEADERS "access-control-allow-headers"
    ACCESS_CONTROL_ALLOW_METHODS "access-control-allow-methods"
    ACCESS_CONTROL_ALLOW_ORIGIN "access-control-allow-origin"
    ACCESS_CONTROL_EXPOSE_HEADERS "access-control-expose-headers"
    ACCESS_CONTROL_MAX_AGE "access-control-max-age"
    ACCESS_CONTROL_REQUEST_HEADERS "access-control-request-headers"
    ACCESS_CONTROL_REQUEST_METHOD "access-control-request-method"
    AGE "age"
    AUTHORIZATION "authorization"
    B3 "b3"
    BAGGAGE "baggage"
    CACHE_CONTROL "cache-control"
    CONNECTION "connection"
    CONNECT_PROTOCOL_VERSION "connect-protocol-version"
    CONTENT_ENCODING "content-encoding"
    CONTENT_LENGTH "content-length"
    CONTENT_TYPE "content-type"
    COOKIE "cookie"
    DATE "date"
    ETAG "etag"
    EXPECT "expect"
    EXPIRES "expires"
    GRPC_ACCEPT_ENCODING "grpc-accept-encoding"
    GRPC_MESSAGE "grpc-message"
    GRPC_STATUS "grpc-status"
    GRPC_TIMEOUT "grpc-timeout"
    HOST "host"
    HTTP2_SETTINGS "http2-settings"
    IF_MATCH "if-match"
    IF_MODIFIED_SINCE "if-modified-since"
    IF_NONE_MATCH "if-none-match"
    IF_RANGE "if-range"
    IF_UNMODIFIED_SINCE "if-unmodified-since"
    KEEP_ALIVE "keep-alive"
    LAST_MODIFIED "last-modified"
    LOCATION "location"
    ORIGIN "origin"
    PRAGMA "pragma"
    PROXY_AUTHENTICATE "proxy-authenticate"
    PROXY_AUTHORIZATION "proxy-authorization"
    PROXY_CONNECTION "proxy-connection"
    PROXY_STATUS "proxy-status"
    REFERER "referer"
    SERVER "server"
    SET_COOKIE "set-cookie"
    TE "te"
    TRACEPARENT "traceparent"
    TRACESTATE "tracestate"
    TRAILER "trailer"
    TRANSFER_ENCODING "transfer-encoding"
    UPGRADE "upgrade"
    USER_AGENT "user-agent"
    VARY "vary"
    VIA "via"
    WWW_AUTHENTICATE "www-authenticate"
    X_B3_PARENTSPANID "x-b3-parentspanid"
    X_B3_SAMPLED "x-b3-sampled"
    X_B3_SPANID "x-b3-spanid"
    X_B3_TRACEID "x-b3-traceid"
    X_CLIENT_TRACE_ID "x-client-trace-id"
    X_ENVOY_ATTEMPT_COUNT "x-envoy-attempt-count"
    X_ENVOY_COMPRESSION_STATUS "x-envoy-compression-status"
    X_ENVOY_DECORATOR_OPERATION "x-envoy-decorator-operation"
    X_ENVOY_DEGRADED "x-envoy-degraded"
    X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER "x-envoy-downstream-service-cluster"
    X_ENVOY_DOWNSTREAM_SERVICE_NODE "x-envoy-downstream-service-node"
    X_ENVOY_EXPECTED_RQ_TIMEOUT_MS "x-envoy-expected-rq-timeout-ms"
    X_ENVOY_EXTERNAL_ADDRESS "x-envoy-external-address"
    X_ENVOY_FORCE_TRACE "x-envoy-force-trace"
    X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT "x-envoy-hedge-on-per-try-timeout"
    X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL "x-envoy-immediate-health-check-fail"
    X_ENVOY_INTERNAL "x-envoy-internal"
    X_ENVOY_IP_TAGS "x-envoy-ip-tags"
    X_ENVOY_IS_TIMEOUT_RETRY "x-envoy-is-timeout-retry"
    X_ENVOY_MAX_RETRIES "x-envoy-max-retries"
    X_ENVOY_ORIGINAL_PATH "x-envoy-original-path"
    X_ENVOY_ORIGINAL_HOST "x-envoy-original-host"
    X_ENVOY_ORIGINAL_URL "x-envoy-original-url"
    X_ENVOY_OVERLOADED "x-envoy-overloaded"
    X_ENVOY_LOCAL_OVERLOADED "x-envoy-local-overloaded"
    X_ENVOY_PEER_METADATA "x-envoy-peer-metadata"
    X_ENVOY_PEER_METADATA_ID "x-envoy-peer-metadata-id"
    X_ENVOY_RATELIMITED "x-envoy-ratelimited"
    X_ENVOY_RETRIABLE_HEADER_NAMES "x-envoy-retriable-header-names"
    X_ENVOY_RETRIABLE_STATUS_CODES "x-envoy-retriable-status-codes"
    X_ENVOY_RETRY_GRPC_ON "x-envoy-retry-grpc-on"
    X_ENVOY_RETRY_ON "x-envoy-retry-on"
    X_ENVOY_UPSTREAM_ALT_STAT_NAME "x-envoy-upstream-alt-stat-name"
    X_ENVOY_UPSTREAM_CANARY "x-envoy-upstream-canary"
    X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER "x-envoy-upstream-healthchecked-cluster"
    X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS "x-envoy-upstream-rq-per-try-timeout-ms"
    X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE "x-envoy-upstream-rq-timeout-alt-response"
    X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS "x-envoy-upstream-rq-timeout-ms"
    X_ENVOY_UPSTREAM_SERVICE_TIME "x-envoy-upstream-service-time"
    X_ENVOY_UPSTREAM_STREAM_DURATION_MS "x-envoy-upstream-stream-duration-ms"
    X_FORWARDED_CLIENT_CERT "x-forwarded-client-cert"
    X_FORWARDED_FOR "x-forwarded-for"
    X_FORWARDED_HOST "x-forwarded-host"
    X_FORWARDED_PORT "x-forwarded-port"
    X_FORWARDED_PROTO "x-forwarded-proto"
    X_REQUEST_ID "x-request-id"
}

/// Places of the table of known names.
const PLACES: usize = 1024;
/// The length and three octets of a name, times this, give each known name a place of its own.
const FACTOR: u64 = factor();
/// Which known name stands at a place; `u8::MAX` for none.
static PLACED: [u8; PLACES] = match placed(FACTOR) {
    Some(table) => table,
    None => panic!("two known names are alike in length and in all octets that are looked at"),
};

/// Where a name that is not empty stands, if it is a known one.
const fn place(name: &[u8], factor: u64) -> usize {
    let length = name.len();
    let octets = [length as u8, name[length - 1], name[length / 2], name[length * 3 / 4], 0, 0, 0, 0];
    (u64::from_le_bytes(octets).wrapping_mul(factor) >> (u64::BITS - PLACES.ilog2())) as usize
}

const fn placed(factor: u64) -> Option<[u8; PLACES]> {
    let mut table = [u8::MAX; PLACES];
    let mut index = 0;
    while index < TEXT.len() {
        let place = place(TEXT[index].as_bytes(), factor);
        if table[place] != u8::MAX {
            return None;
        }
        table[place] = index as u8;
        index += 1;
    }
    Some(table)
}

/// The first of a row of arbitrary factors under which no two names meet.
const fn factor() -> u64 {
    let mut factor = 0x9e37_79b9_7f4a_7c15_u64;
    let mut tries = 0;
    while tries < 1000 && placed(factor).is_none() {
        factor = factor.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f) | 1;
        tries += 1;
    }
    factor
}

/// A set of known names, tested with one shift: for passes that drop many headers at once.
// Two words, for a shift over both costs several times one over the word that is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameSet([u64; 2]);

/// Which word of a set a known name stands in, and as which bit.
const fn bit(known: u8) -> (usize, u64) {
    ((known >> 6) as usize & 1, 1 << (known & 63))
}

impl NameSet {
    /// No name.
    pub const EMPTY: NameSet = NameSet([0; 2]);

    /// The set of these known names; others are left out.
    pub const fn of<const COUNT: usize>(names: [Name; COUNT]) -> NameSet {
        let mut set = NameSet::EMPTY;
        let mut index = 0;
        while index < COUNT {
            set.insert(&names[index]);
            index += 1;
        }
        // Dropping is not possible in constants; known names own nothing.
        std::mem::forget(names);
        set
    }

    /// Both sets.
    pub const fn with(self, other: NameSet) -> NameSet {
        NameSet([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// Without those of the other.
    pub const fn without(self, other: NameSet) -> NameSet {
        NameSet([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    /// Those of both.
    pub const fn and(self, other: NameSet) -> NameSet {
        NameSet([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }

    /// Whether they have a name in common.
    pub const fn meets(self, other: NameSet) -> bool {
        self.0[0] & other.0[0] | self.0[1] & other.0[1] != 0
    }

    /// Adds a name, if it is a known one.
    #[inline]
    pub const fn insert(&mut self, name: &Name) {
        if let Repr::Known(known) = name.0 {
            let (word, bit) = bit(known);
            self.0[word] |= bit;
        }
    }

    /// Adds a name, if it is a known one; to `repeated`, too, if it was there before.
    #[inline]
    pub fn insert_again(&mut self, name: &Name, repeated: &mut NameSet) {
        if let Repr::Known(known) = name.0 {
            let (word, bit) = bit(known);
            repeated.0[word] |= self.0[word] & bit;
            self.0[word] |= bit;
        }
    }

    /// Takes a name away.
    #[inline]
    pub fn remove(&mut self, name: &Name) {
        if let Repr::Known(known) = name.0 {
            let (word, bit) = bit(known);
            self.0[word] &= !bit;
        }
    }

    /// Whether a list of headers whose known names are all in the set may hold the name.
    #[inline]
    pub fn admits(self, name: &Name) -> bool {
        match name.0 {
            Repr::Known(known) => self.holds(known),
            Repr::Other(_) => true,
        }
    }

    /// Whether the name is in it.
    #[inline]
    pub fn contains(self, name: &Name) -> bool {
        match name.0 {
            Repr::Known(known) => self.holds(known),
            Repr::Other(_) => false,
        }
    }

    #[inline]
    fn holds(self, known: u8) -> bool {
        let (word, bit) = bit(known);
        self.0[word] & bit != 0
    }
}

// One bit a known name.
const _: () = assert!(TEXT.len() <= 128);

impl Name {
    /// From lower-case bytes that share memory with what was read.
    pub fn from_lower(bytes: Bytes) -> Name {
        match Self::find(&bytes) {
            Some(known) => known,
            None => Name(Repr::Other(bytes)),
        }
    }

    /// From lower-case bytes; `other` makes the shared bytes and is called only for names that are not interned.
    pub fn from_lower_with(lower: &[u8], other: impl FnOnce() -> Bytes) -> Name {
        Self::find(lower).unwrap_or_else(|| Name(Repr::Other(other())))
    }

    /// From text of any case (allocates unless the name is known).
    pub fn new(text: &str) -> Name {
        let lower = text.to_ascii_lowercase();
        Self::find(lower.as_bytes()).unwrap_or_else(|| Name(Repr::Other(Bytes::from(lower))))
    }

    /// The interned name for these lower-case bytes.
    pub fn find(lower: &[u8]) -> Option<Name> {
        if lower.is_empty() {
            return None;
        }
        let index = PLACED[place(lower, FACTOR)];
        let text = TEXT.get(usize::from(index))?;
        (text.as_bytes() == lower).then_some(Name(Repr::Known(index)))
    }

    /// Which of the interned names it is: below [`Name::KNOWN`].
    pub fn index(&self) -> Option<usize> {
        match self.0 {
            Repr::Known(index) => Some(usize::from(index)),
            Repr::Other(_) => None,
        }
    }

    /// Whether it is this name, and none of the interned ones.
    pub(super) fn is_other(&self, lower: &[u8]) -> bool {
        matches!(&self.0, Repr::Other(bytes) if bytes == lower)
    }

    /// So many names are interned.
    pub const KNOWN: usize = TEXT.len();

    /// The text of an interned name.
    pub fn as_static(&self) -> Option<&'static str> {
        match &self.0 {
            Repr::Known(index) => Some(TEXT[*index as usize]),
            Repr::Other(_) => None,
        }
    }

    /// Lower-case text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(index) => TEXT[*index as usize],
            Repr::Other(bytes) => std::str::from_utf8(bytes).unwrap_or("(not text)"),
        }
    }

    /// An interned name as its line begins: `name: `.
    pub fn begun(&self) -> Option<&'static [u8]> {
        match &self.0 {
            Repr::Known(index) => Some(BEGUN[*index as usize].as_bytes()),
            Repr::Other(_) => None,
        }
    }

    /// Lower-case bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Known(index) => TEXT[*index as usize].as_bytes(),
            Repr::Other(bytes) => bytes,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        match (&self.0, &other.0) {
            (Repr::Known(left), Repr::Known(right)) => left == right,
            (Repr::Other(left), Repr::Other(right)) => left == right,
            // A known name is never held as `Other`.
            _ => false,
        }
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_and_nothing_else() {
        for (index, text) in TEXT.iter().enumerate() {
            assert_eq!(Name::find(text.as_bytes()).and_then(|name| name.index()), Some(index), "{text}");
            let longer = format!("{text}s");
            assert!(TEXT.contains(&&*longer) || Name::find(longer.as_bytes()).is_none(), "{longer}");
            let mut other = text.as_bytes().to_vec();
            other[0] = b'~';
            assert_eq!(Name::find(&other), None);
        }
        assert_eq!(Name::find(b""), None);
        assert_eq!(Name::find(&[b'x'; 300]), None);
    }
}
