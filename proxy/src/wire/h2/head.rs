//! Heads and trailers out of decoded lines, by the rules of RFC 9113 section 8 and by our limits. Called by `connection`. It never sees a
//! frame.

use bytes::{BufMut, Bytes, BytesMut};

use super::Settings;
use super::hpack::Pseudo;
use super::lines::Lines;
use super::stats::CodecStats;
use crate::wire::authority::is_authority;
use crate::wire::headers::{Headers, NEVER_TRAILERS, Name, NameSet};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};
use config::hcm::Underscores;

/// Why a message is not taken. It has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is malformed (section 8.1.1).
    Malformed,
    /// One of its fields is none, or one that no message may have (section 8.2).
    Field,
    /// Our limits, or the configuration, forbid it. The text is Envoy's detail.
    Unwanted(&'static str),
}

impl Refusal {
    /// Envoy's response-code detail.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Refusal::Malformed => "http2.violation.of.messaging.rule",
            Refusal::Field => "http2.invalid.header.field",
            Refusal::Unwanted(detail) => detail,
        }
    }

    pub(super) fn is_unwanted(self) -> bool {
        matches!(self, Refusal::Unwanted(_))
    }
}

/// Header lines that belong to one connection of HTTP/1 (section 8.2.2).
const OF_CONNECTION: NameSet =
    NameSet::of([Name::CONNECTION, Name::KEEP_ALIVE, Name::PROXY_CONNECTION, Name::TRANSFER_ENCODING, Name::UPGRADE]);

/// A request; `ended` when no body follows.
pub(super) fn request(
    lines: &Lines,
    ended: bool,
    settings: &Settings,
    stats: &CodecStats,
) -> Result<RequestHead, Refusal> {
    let head = admitted(lines, settings, stats).and_then(|()| read_request(lines, ended, settings, stats));
    head.inspect_err(|refusal| count(*refusal, stats))
}

fn count(refusal: Refusal, stats: &CodecStats) {
    if !refusal.is_unwanted() {
        stats.rx_messaging_error.inc();
    }
}

const TOO_LONG: &str = "http2.header_list_size_too_large";
const TOO_MANY: &str = "http2.too_many_headers";

/// What holds for all messages.
fn admitted(lines: &Lines, settings: &Settings, stats: &CodecStats) -> Result<(), Refusal> {
    if lines.is_over() {
        stats.header_overflow.inc();
        return Err(Refusal::Unwanted(if lines.is_long() { TOO_LONG } else { TOO_MANY }));
    }
    if lines.is_malformed() || (settings.disallow_obs_text && lines.has_obsolete_text()) {
        return Err(Refusal::Field);
    }
    if settings.underscores == Underscores::RejectRequest && lines.any_name(has_underscore) {
        stats.requests_rejected_with_underscores_in_headers.inc();
        return Err(Refusal::Unwanted("http2.unexpected_underscore"));
    }
    Ok(())
}

fn has_underscore(name: &[u8]) -> bool {
    memchr::memchr(b'_', name).is_some()
}

fn read_request(lines: &Lines, ended: bool, settings: &Settings, stats: &CodecStats) -> Result<RequestHead, Refusal> {
    let [scheme, authority, path, protocol] =
        [Pseudo::Scheme, Pseudo::Authority, Pseudo::Path, Pseudo::Protocol].map(|pseudo| lines.look(pseudo));
    let text = lines.freeze();
    let method = Method::from_token(lines.look(Pseudo::Method), || lines.pseudo(Pseudo::Method, &text));
    let extended = lines.has(Pseudo::Protocol);
    let plain_connect = method == Method::Connect && !extended;
    let sound = is_method(&method)
        && !lines.has(Pseudo::Status)
        && if plain_connect {
            // Section 8.5.
            !lines.has(Pseudo::Scheme) && !lines.has(Pseudo::Path) && lines.has(Pseudo::Authority)
        } else {
            is_scheme(scheme) && is_path(path, &method)
        }
        // RFC 8441 section 4.
        && (!extended || (settings.allow_connect && method == Method::Connect && !protocol.is_empty()));
    if !sound || (lines.has(Pseudo::Authority) && !is_named_authority(authority)) {
        return Err(Refusal::Malformed);
    }
    let mut fields = Fields::new(settings.underscores == Underscores::DropHeader);
    let mut headers = lines.headers(&text, |name, value| fields.keep(name, value));
    (0..fields.dropped).for_each(|_| stats.dropped_headers_with_underscores.inc());
    let host = fields.host.take();
    let hosted = host.is_some() || fields.dropped > 0 || extended;
    // One of the two must be there (section 8.3.1).
    let hosts_are_sound = host.as_deref().map_or(lines.has(Pseudo::Authority), is_named_authority);
    let length = fields.checked()?;
    if !hosts_are_sound || (ended && length.is_some_and(|length| length > 0)) {
        return Err(Refusal::Malformed);
    }
    let about_server = path[..] == *b"*" && method == Method::Options;
    let upgrade = extended.then(|| lines.pseudo(Pseudo::Protocol, &text));
    let method = match &upgrade {
        // Extended CONNECT (RFC 8441) is what HTTP/1 says with GET and these lines; routes and policies see it so, whatever the protocol.
        Some(protocol) => {
            headers.append(Name::UPGRADE, protocol.clone());
            headers.append(Name::CONNECTION, Bytes::from_static(b"upgrade"));
            Method::Get
        }
        None => method,
    };
    let mut head = RequestHead {
        protocol: Protocol::Http2,
        path: if about_server { Bytes::from_static(b"/") } else { path_octets(lines.pseudo(Pseudo::Path, &text))? },
        about_server,
        method,
        authority: match host {
            Some(host) if !lines.has(Pseudo::Authority) => host,
            _ => lines.pseudo(Pseudo::Authority, &text),
        },
        scheme: match scheme {
            b"http" => Bytes::from_static(b"http"),
            b"https" => Bytes::from_static(b"https"),
            _ => lines.pseudo(Pseudo::Scheme, &text),
        },
        body: body_length(length, ended),
        wire_size: 0,
        headers,
        upgrade,
    };
    // With a host, or several crumbs of a cookie, it is not what came.
    let octets = lines.octets().filter(|_| !hosted);
    head.wire_size = told(octets.unwrap_or_else(|| head.octets()));
    Ok(head)
}

/// A response, and the length that it announces, be it of its body or of another one.
pub(super) fn response(
    lines: &Lines,
    ended: bool,
    settings: &Settings,
    stats: &CodecStats,
) -> Result<(ResponseHead, Option<u64>), Refusal> {
    let head = admitted(lines, settings, stats).and_then(|()| read_response(lines, ended));
    head.inspect_err(|refusal| count(*refusal, stats))
}

fn read_response(lines: &Lines, ended: bool) -> Result<(ResponseHead, Option<u64>), Refusal> {
    let text = lines.freeze();
    let others = [Pseudo::Method, Pseudo::Scheme, Pseudo::Authority, Pseudo::Path, Pseudo::Protocol];
    let status = status(lines.look(Pseudo::Status)).ok_or(Refusal::Malformed)?;
    let mut fields = Fields::new(false);
    let headers = lines.headers(&text, |name, value| fields.keep_in_response(name, value));
    let length = fields.checked()?;
    let malformed = others.iter().any(|pseudo| lines.has(*pseudo))
        // HTTP/2 has no 101 (section 8.6), an informational head ends nothing, and no 204 has octets (RFC 9110 section 8.6).
        || status == 101
        || (status < 200 && ended)
        || (status == 204 && length.is_some_and(|length| length > 0));
    if malformed {
        return Err(Refusal::Malformed);
    }
    let mut head = ResponseHead {
        protocol: Protocol::Http2,
        status,
        reason: Bytes::new(),
        body: body_length(length, ended),
        wire_size: 0,
        headers,
    };
    head.wire_size = told(lines.octets().unwrap_or_else(|| head.octets()));
    Ok((head, length))
}

/// The answer to an upgrade as HTTP/1 gives it: 200 to extended CONNECT (RFC 8441 section 5) is a 101.
pub(super) fn accept_upgrade(head: &mut ResponseHead, protocol: &Bytes) {
    if head.status == 200 {
        head.status = 101;
        head.headers.set(Name::UPGRADE, protocol.clone());
        head.headers.set(Name::CONNECTION, Bytes::from_static(b"upgrade"));
        head.body = BodyLength::UntilClose;
    }
}

/// Trailers of either direction.
pub(super) fn trailers(lines: &Lines, settings: &Settings, stats: &CodecStats) -> Result<Headers, Refusal> {
    let trailers = admitted(lines, settings, stats).and_then(|()| {
        let text = lines.freeze();
        let mut fields = Fields::new(false);
        let mut trailers = lines.headers(&text, |name, value| fields.keep_in_response(name, value));
        trailers.remove_all(NEVER_TRAILERS);
        if lines.has_pseudo() || fields.malformed { Err(Refusal::Malformed) } else { Ok(trailers) }
    });
    trailers.inspect_err(|refusal| count(*refusal, stats))
}

/// What is looked at while headers pass.
struct Fields {
    drop_underscores: bool,
    dropped: u32,
    host: Option<Bytes>,
    length: Option<u64>,
    malformed: bool,
}

impl Fields {
    fn new(drop_underscores: bool) -> Fields {
        Fields { drop_underscores, dropped: 0, host: None, length: None, malformed: false }
    }

    fn keep(&mut self, name: &Name, value: &Bytes) -> bool {
        if *name == Name::HOST {
            // Some hop may believe the other one.
            self.malformed |= self.host.replace(value.clone()).is_some();
            return false;
        }
        if self.drop_underscores && name.index().is_none() && has_underscore(name.as_bytes()) {
            self.dropped += 1;
            return false;
        }
        self.keep_in_response(name, value)
    }

    fn keep_in_response(&mut self, name: &Name, value: &Bytes) -> bool {
        if *name == Name::CONTENT_LENGTH {
            // HTTP/1 peers take neither an empty one nor several that agree.
            let length = length(value);
            self.malformed |= length.is_none() || self.length.is_some();
            self.length = length;
        } else if *name == Name::TE {
            self.malformed |= !value.eq_ignore_ascii_case(b"trailers");
        } else {
            self.malformed |= OF_CONNECTION.contains(name);
        }
        true
    }

    /// The length that was announced.
    fn checked(&self) -> Result<Option<u64>, Refusal> {
        if self.malformed { Err(Refusal::Field) } else { Ok(self.length) }
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

fn status(value: &[u8]) -> Option<u16> {
    let [hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = value else { return None };
    Some([hundreds, tens, ones].iter().fold(0, |status, digit| status * 10 + u16::from(*digit - b'0')))
}

fn body_length(length: Option<u64>, ended: bool) -> BodyLength {
    match length {
        _ if ended => BodyLength::Empty,
        Some(length) => BodyLength::Exact(length),
        None => BodyLength::Unknown,
    }
}

fn is_method(method: &Method) -> bool {
    let Method::Other(token) = method else { return true };
    !token.is_empty() && token.iter().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet))
}

fn is_scheme(scheme: &[u8]) -> bool {
    let [first, rest @ ..] = scheme else { return false };
    first.is_ascii_alphabetic() && rest.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet))
}

/// Section 8.3.1: an absolute path, or the asterisk of OPTIONS.
fn is_path(path: &[u8], method: &Method) -> bool {
    path.starts_with(b"/") || (path == b"*" && *method == Method::Options)
}

/// An authority that names a host and no user (section 8.3.1).
fn is_named_authority(authority: &[u8]) -> bool {
    !authority.is_empty() && is_authority(authority) && !authority.contains(&b'@')
}

/// A path with the characters that Envoy takes; those above 0x7f are escaped.
fn path_octets(path: Bytes) -> Result<Bytes, Refusal> {
    if path.iter().all(|octet| matches!(octet, b'!'..=b'~')) {
        return Ok(path);
    }
    if path.iter().any(|octet| matches!(octet, 0..=b' ' | 0x7f)) {
        return Err(Refusal::Malformed);
    }
    Ok(escaped(&path, |octet| octet >= 0x80))
}

/// The text with some octets percent-encoded.
pub(super) fn escaped(text: &[u8], which: impl Fn(u8) -> bool) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 32);
    for octet in text {
        if which(*octet) {
            out.put_slice(percent_encoding::percent_encode_byte(*octet).as_bytes());
        } else {
            out.put_u8(*octet);
        }
    }
    out.freeze()
}

/// What a log tells of a head's size.
fn told(octets: u64) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}
