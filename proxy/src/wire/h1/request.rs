//! From a cut head to a [`RequestHead`]: what Envoy's server codec demands of a request before a filter sees it. Called by `decode`.
//!
//! A missing Host, unknown paths and the like are the exchange's matter; here are the rules that protect the framing and the target.

use bytes::{Bytes, BytesMut};

use super::body::Framing;
use super::head::{Cut, Span, build};
use super::target::{Target, is_target};
use super::{ParseError, Settings};
use crate::wire::authority::is_authority;
use crate::wire::headers::{Headers, Name, is_token};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead};
use config::hcm::Underscores;
use config::matcher::StringMatcher;

/// A request head, and how the connection goes on after it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: RequestHead,
    pub(super) framing: Framing,
    /// The client is willing to send another request on this connection.
    pub(super) keep_alive: bool,
}

/// What is wrong with a first line whose head is still to come: as with Envoy nobody waits for the rest of it.
pub(super) fn check_first_line(bytes: &[u8], words: &[Span; 3], settings: &Settings) -> Result<Protocol, ParseError> {
    let [method, target, version] = words;
    if !is_method(&bytes[method.clone()], settings) {
        return Err(ParseError::CODEC);
    }
    if target.is_empty() || !is_target(&bytes[target.clone()], &bytes[method.clone()] == b"CONNECT") {
        return Err(ParseError::CODEC);
    }
    // Two words, the second of which ends like a version: what is the target, and what the version, is anyone's guess.
    if version.is_empty() && bytes[target.clone()].ends_with(b"HTTP/1.1") {
        return Err(ParseError::CODEC);
    }
    version_of(&bytes[version.clone()])
}

/// Takes the head out of the buffer and judges it.
pub(super) fn take(buffer: &mut BytesMut, mut cut: Cut, settings: &Settings) -> Result<Request, ParseError> {
    let [method, target, _] = cut.words.clone();
    let protocol = check_first_line(buffer, &cut.words, settings)?;
    let is_connect = &buffer[method.clone()] == b"CONNECT";
    if cut.lines.len() > settings.max_headers_count as usize {
        return Err(ParseError::TOO_MANY);
    }
    underscores(buffer, &mut cut, settings.underscores)?;

    let (bytes, mut headers) = build(buffer, &mut cut, settings.http1.header_case);
    let method = Method::from_token(&bytes[method.clone()], || bytes.slice(method.clone()));
    let connection = ConnectionOptions::read(&headers);
    // The length is that of the message as it came: a client may nominate a framing header, and the body is there all the same.
    let framing = framing(&mut headers, is_connect, settings)?;
    let upgrade = upgrade(&mut headers, &connection, settings.ignored_upgrades.as_deref());
    if upgrade.is_none() && !is_connect {
        remove_nominated(&mut headers)?;
    }
    let target = Target::parse(&bytes, target, &method, settings)?;
    if protocol == Protocol::Http10 && !settings.http1.accept_http10 {
        return Err(ParseError::LOW_VERSION);
    }
    let authority = authority(&mut headers, target.authority)?;
    if !is_authority(&authority) {
        return Err(ParseError::AUTHORITY);
    }
    let keep_alive = connection.keep_alive(protocol);
    let head = RequestHead {
        protocol,
        method,
        path: target.path,
        about_server: target.about_server,
        authority,
        scheme: target.scheme,
        headers,
        body: framing.length(),
        upgrade,
        wire_size: u32::try_from(cut.length).unwrap_or(u32::MAX),
    };
    Ok(Request { head, framing, keep_alive })
}

/// The methods that Envoy's parser knows; it refuses all others unless told otherwise. Sorted.
const METHODS: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

fn is_method(token: &[u8], settings: &Settings) -> bool {
    matches!(token, b"GET" | b"POST")
        || METHODS.binary_search_by(|known| known.as_bytes().cmp(token)).is_ok()
        || (settings.http1.custom_methods && !token.is_empty() && token.iter().all(|byte| is_token(*byte)))
}

/// HTTP/1.1 is that; any other one-digit version counts as 1.0, as does none at all.
pub(super) fn version_of(word: &[u8]) -> Result<Protocol, ParseError> {
    match word {
        b"HTTP/1.1" => Ok(Protocol::Http11),
        b"" => Ok(Protocol::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Ok(Protocol::Http10)
        }
        _ => Err(ParseError::CODEC),
    }
}

fn underscores(buffer: &[u8], cut: &mut Cut, action: Underscores) -> Result<(), ParseError> {
    let has = |name: &Span| buffer[name.clone()].contains(&b'_');
    match action {
        Underscores::Allow => Ok(()),
        Underscores::RejectRequest if cut.lines.iter().any(|line| has(&line.name)) => Err(ParseError::UNDERSCORE),
        Underscores::RejectRequest => Ok(()),
        Underscores::DropHeader => {
            cut.lines.retain(|line| !has(&line.name));
            Ok(())
        }
    }
}

/// What `Connection` and `Proxy-Connection` say about the connection itself.
#[derive(Debug, Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl ConnectionOptions {
    fn read(headers: &Headers) -> ConnectionOptions {
        let mut options = ConnectionOptions::default();
        for token in headers.get_all(&Name::CONNECTION).flat_map(|value| tokens(value)) {
            options.close |= token.eq_ignore_ascii_case(b"close");
            options.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            options.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        }
        options.close |= headers
            .get_all(&Name::PROXY_CONNECTION)
            .flat_map(|value| tokens(value))
            .any(|token| token.eq_ignore_ascii_case(b"close"));
        options
    }

    fn keep_alive(&self, protocol: Protocol) -> bool {
        !self.close && (protocol != Protocol::Http10 || self.keep_alive)
    }
}

/// The comma-separated tokens of a value.
pub(super) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// The protocol that the client wants to change to. An `h2c` upgrade is dropped with its headers, as if never asked for.
fn upgrade(headers: &mut Headers, connection: &ConnectionOptions, ignored: Option<&[StringMatcher]>) -> Option<Bytes> {
    if !connection.upgrade {
        return None;
    }
    let mut wanted = headers.get(&Name::UPGRADE)?.clone();
    if wanted.eq_ignore_ascii_case(b"h2c") {
        headers.remove(&Name::UPGRADE);
        headers.remove(&Name::HTTP2_SETTINGS);
        keep_tokens(headers, |token| {
            !token.eq_ignore_ascii_case(b"upgrade") && !token.eq_ignore_ascii_case(b"http2-settings")
        });
        return None;
    }
    if let Some(ignored) = ignored {
        wanted = without_ignored(headers, ignored)?;
    }
    if wanted.iter().any(u8::is_ascii_uppercase) {
        return Some(wanted.to_ascii_lowercase().into());
    }
    Some(wanted)
}

/// What is left of the upgrades that are wanted. Where that is nothing, no upgrade was asked for.
fn without_ignored(headers: &mut Headers, ignored: &[StringMatcher]) -> Option<Bytes> {
    let is_meant = |token: &&[u8]| !ignored.iter().any(|matcher| matcher.matches(token));
    let all = headers.get_all(&Name::UPGRADE).flat_map(|value| tokens(value));
    let left = all.filter(is_meant).collect::<Vec<_>>().join(&b',');
    if left.is_empty() {
        headers.remove(&Name::UPGRADE);
        keep_tokens(headers, |token| !token.eq_ignore_ascii_case(b"upgrade"));
        return None;
    }
    headers.set(Name::UPGRADE, left.clone());
    Some(left.into())
}

/// Removes the tokens of `Connection` for which `keep` is false, and the header when none is left.
fn keep_tokens(headers: &mut Headers, keep: impl Fn(&[u8]) -> bool) {
    let mut left = Vec::new();
    for token in headers.get_all(&Name::CONNECTION).flat_map(|value| tokens(value)).filter(|token| keep(token)) {
        if !left.is_empty() {
            left.push(b',');
        }
        left.extend_from_slice(token);
    }
    if left.is_empty() {
        headers.remove(&Name::CONNECTION);
    } else {
        headers.set(Name::CONNECTION, left);
    }
}

/// Removes the headers that `Connection` nominates, for they end at this hop (RFC 9110 section 7.6.1).
fn remove_nominated(headers: &mut Headers) -> Result<(), ParseError> {
    let Some(first) = headers.get(&Name::CONNECTION) else { return Ok(()) };
    if !headers.get_all(&Name::CONNECTION).flat_map(|value| tokens(value)).any(is_nomination) {
        return Ok(());
    }
    let mut value = first.clone();
    if headers.get_all(&Name::CONNECTION).nth(1).is_some() {
        value = join(headers.get_all(&Name::CONNECTION)).into();
    }
    if tokens(&value).count() > MAX_NOMINATED {
        return Err(ParseError::CONNECTION_HEADER);
    }
    for token in tokens(&value).filter(|token| is_nomination(token)) {
        let lower = token.to_ascii_lowercase();
        let name = Name::from_lower(lower.into());
        if name == Name::TE {
            // `trailers` is about the message, not the hop.
            let keeps = headers
                .get_all(&Name::TE)
                .flat_map(|value| tokens(value))
                .any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            headers.remove(&Name::TE);
            if keeps {
                headers.append(Name::TE, &b"trailers"[..]);
            }
        } else if PROTECTED.contains(&name) || name.as_bytes().starts_with(b":") {
            return Err(ParseError::CONNECTION_HEADER);
        } else {
            headers.remove(&name);
        }
    }
    keep_tokens(headers, |token| !is_nomination(token) || token.eq_ignore_ascii_case(b"te"));
    Ok(())
}

/// Nominating more than so many headers is an attack.
const MAX_NOMINATED: usize = 10;
/// Headers that the proxy relies on and that a client must not have removed.
const PROTECTED: &[Name] = &[Name::X_FORWARDED_FOR, Name::X_FORWARDED_HOST, Name::X_FORWARDED_PROTO];

fn is_nomination(token: &[u8]) -> bool {
    ![&b"close"[..], b"keep-alive", b"upgrade", b"http2-settings"]
        .iter()
        .any(|option| token.eq_ignore_ascii_case(option))
}

fn join<'a>(values: impl Iterator<Item = &'a Bytes>) -> Vec<u8> {
    let mut joined = Vec::new();
    for value in values {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(value);
    }
    joined
}

/// How long the body is (RFC 9112 section 6.3), or why the request is refused.
fn framing(headers: &mut Headers, is_connect: bool, settings: &Settings) -> Result<Framing, ParseError> {
    let lengths = headers.get_all(&Name::CONTENT_LENGTH).count();
    let mut encodings = headers.get_all(&Name::TRANSFER_ENCODING);
    let encoding = encodings.next();
    let chunked = encoding.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    // As with Envoy an empty length is refused before anybody asks which of two counts.
    let allowed = settings.http1.allow_chunked_length;
    if encoding.is_some() && !allowed && headers.get_all(&Name::CONTENT_LENGTH).any(Bytes::is_empty) {
        return Err(ParseError::CODEC);
    }
    if encoding.is_some() && (!chunked || is_connect || encodings.next().is_some()) {
        let length = headers.get(&Name::CONTENT_LENGTH).filter(|_| is_connect && !chunked);
        if length.is_some_and(|length| parse_length(length).is_err()) {
            return Err(ParseError::CODEC);
        }
        // Envoy looks at both lengths first.
        return Err(if lengths > 0 && !is_connect { ParseError::BOTH_LENGTHS } else { ParseError::TRANSFER_ENCODING });
    }
    drop(encodings);
    if chunked && lengths > 0 {
        // As with Envoy several are refused even where one may stand beside it, unless none of them has a digit.
        let is_number = |length: &Bytes| length.iter().any(u8::is_ascii_digit);
        if lengths > 1 && headers.get_all(&Name::CONTENT_LENGTH).any(is_number) {
            return Err(ParseError::CODEC);
        }
        if !allowed {
            return Err(ParseError::BOTH_LENGTHS);
        }
        headers.remove(&Name::CONTENT_LENGTH);
    }
    if chunked {
        return Ok(Framing::Chunked);
    }
    if lengths > 1 {
        return Err(ParseError::CODEC);
    }
    let Some(value) = headers.get(&Name::CONTENT_LENGTH) else { return Ok(Framing::None) };
    let length = parse_length(value)?;
    if is_connect {
        if length != 0 {
            return Err(ParseError::BODY_DISALLOWED);
        }
        headers.remove(&Name::CONTENT_LENGTH);
    }
    Ok(if length == 0 { Framing::None } else { Framing::Length(length) })
}

/// Digits only, and within 64 bits.
pub(super) fn parse_length(value: &[u8]) -> Result<u64, ParseError> {
    if value.is_empty() {
        return Err(ParseError::CODEC);
    }
    value.iter().try_fold(0u64, |length, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9).ok_or(ParseError::CODEC)?;
        length.checked_mul(10).and_then(|length| length.checked_add(digit.into())).ok_or(ParseError::CODEC)
    })
}

impl Framing {
    fn length(self) -> BodyLength {
        match self {
            Framing::None => BodyLength::Empty,
            Framing::Length(length) => BodyLength::Exact(length),
            Framing::Chunked => BodyLength::Unknown,
            Framing::UntilClose => BodyLength::UntilClose,
        }
    }
}

/// Takes `Host` out of the headers. What the target says comes first (RFC 9112 section 3.2.2). Two of them are refused: which one a
/// later hop would believe is anyone's guess.
fn authority(headers: &mut Headers, of_target: Option<Bytes>) -> Result<Bytes, ParseError> {
    let host = headers.get(&Name::HOST).cloned();
    let repeated = headers.get_all(&Name::HOST).nth(1).is_some();
    if host.is_some() {
        headers.remove(&Name::HOST);
    }
    match of_target {
        Some(authority) => Ok(authority),
        None if repeated => Err(ParseError::CODEC),
        None => Ok(host.unwrap_or_default()),
    }
}
