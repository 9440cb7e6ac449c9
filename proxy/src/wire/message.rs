//! Heads and body frames, as the codecs hand them to the exchange and take them back. Plain data.

use bytes::Bytes;

use super::headers::{Headers, Name};

/// HTTP versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// As access logs print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
        }
    }
}

/// Request methods; unusual ones keep their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// CONNECT.
    Connect,
    /// OPTIONS.
    Options,
    /// PATCH.
    Patch,
    /// Any other token.
    Other(Bytes),
}

impl Method {
    /// From the token on the wire; `other` is made only for unusual ones.
    pub fn from_token(token: &[u8], other: impl FnOnce() -> Bytes) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"PATCH" => Method::Patch,
            _ => Method::Other(other()),
        }
    }

    /// The token.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Delete => b"DELETE",
            Method::Connect => b"CONNECT",
            Method::Options => b"OPTIONS",
            Method::Patch => b"PATCH",
            Method::Other(token) => token,
        }
    }
}

/// A request without its body.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// Version spoken by the client.
    pub protocol: Protocol,
    /// Method.
    pub method: Method,
    /// `:path`: origin form with query; for CONNECT empty. The codec has cut scheme and authority off an absolute form.
    pub path: Bytes,
    /// It came as `*`, and `path` is `/`: see [`is_about_server`](RequestHead::is_about_server).
    pub about_server: bool,
    /// `:authority`, or `Host` (which is not in `headers`); for CONNECT the target. Empty when there was none.
    pub authority: Bytes,
    /// `:scheme` as the client said it (HTTP/2, or absolute form); empty when unknown.
    pub scheme: Bytes,
    /// All other headers, in order. Framing headers (content-length, transfer-encoding) stay in for the exchange to see.
    pub headers: Headers,
    /// How long the body is.
    pub body: BodyLength,
    /// `Upgrade` asked for by HTTP/1, or `:protocol` of an extended CONNECT, lower case.
    pub upgrade: Option<Bytes>,
    /// Octets of the head on the wire (HTTP/1), or of names and values (HTTP/2).
    pub wire_size: u32,
}

impl RequestHead {
    /// In place of the head of HTTP/1 that could not be read: nothing is known of it, and its body has no end.
    pub fn unread(protocol: Protocol) -> RequestHead {
        RequestHead {
            protocol,
            method: Method::Get,
            path: Bytes::new(),
            authority: Bytes::new(),
            scheme: Bytes::new(),
            headers: Headers::new(),
            body: BodyLength::Unknown,
            upgrade: None,
            wire_size: 0,
            about_server: false,
        }
    }

    /// `OPTIONS *` (RFC 9110 section 9.3.7): about the server as a whole. For all who read the path, routes and policies alike, that is
    /// `/`; the codecs alone write `*`, unless somebody has changed it.
    pub fn is_about_server(&self) -> bool {
        self.about_server && self.method == Method::Options && self.path[..] == *b"/"
    }

    /// What stands on the wire for the path.
    pub fn target(&self) -> &Bytes {
        static ASTERISK: Bytes = Bytes::from_static(b"*");
        if self.is_about_server() { &ASTERISK } else { &self.path }
    }

    /// Octets of names and values, those of pseudo headers among them.
    pub fn octets(&self) -> u64 {
        let pseudo = [
            (":method", self.method.as_bytes()),
            (":path", &self.path),
            (":authority", &self.authority),
            (":scheme", &self.scheme),
        ];
        let given = pseudo.iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| (name.len() + value.len()) as u64).sum::<u64>() + self.headers.octets()
    }
}

/// A response without its body.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// Version spoken by the server.
    pub protocol: Protocol,
    /// 100 to 599 (larger ones as received).
    pub status: u16,
    /// Reason phrase of HTTP/1; not forwarded.
    pub reason: Bytes,
    /// Headers, in order.
    pub headers: Headers,
    /// How long the body is.
    pub body: BodyLength,
    /// Octets of the head on the wire (HTTP/1), or of names and values (HTTP/2).
    pub wire_size: u32,
}

impl ResponseHead {
    /// Whether whoever sent it says that it is a canary.
    pub fn is_canary(&self) -> bool {
        self.headers.get(&Name::X_ENVOY_UPSTREAM_CANARY).is_some_and(|value| &value[..] == b"true")
    }

    /// Octets of names and values, those of `:status` among them.
    pub fn octets(&self) -> u64 {
        ":status200".len() as u64 + self.headers.octets()
    }
}

/// Length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// None at all: the head ends the message.
    Empty,
    /// Exactly so many octets (may be 0 where HTTP/2 has not ended the stream yet).
    Exact(u64),
    /// Chunked, or HTTP/2 without content-length.
    Unknown,
    /// Until the connection closes (HTTP/1 responses), and after an upgrade.
    UntilClose,
}

/// A piece of a body.
#[derive(Debug)]
pub enum Frame {
    /// Bytes.
    Data(Bytes),
    /// Trailers; nothing comes after.
    Trailers(Headers),
    /// The end; nothing comes after.
    End,
}
