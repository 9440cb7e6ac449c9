//! Between `http`'s header maps, which `h2` speaks, and our header lists. Called by `server` and `client`.
//!
//! Inward, all text of a message goes into one shared buffer. Outward, headers that belong to an HTTP/1 connection are left behind
//! (RFC 9113 section 8.2.2).

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use smallvec::SmallVec;

use crate::wire::authority::is_authority;
use crate::wire::codec::StreamError;
use crate::wire::headers::{Headers, NEVER_TRAILERS, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

use super::Settings;
use super::stats::CodecStats;
use config::hcm::Underscores;

/// A request head from what `h2` decoded; `ended` when no body follows. `Err` when our limits forbid it.
pub(super) fn request_head(
    parts: &http::request::Parts,
    ended: bool,
    settings: &Settings,
    stats: &CodecStats,
) -> Result<RequestHead, StreamError> {
    check_limits(&parts.headers, settings)?;
    check_length(&parts.headers)?;
    check_request(parts)?;
    let path = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let host = parts.headers.get(http::header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let authority = parts.uri.authority().map_or(host, |authority| authority.as_str().as_bytes());
    let scheme = parts.uri.scheme_str().unwrap_or("");
    let method = parts.method.as_str();
    let protocol = parts.extensions.get::<h2::ext::Protocol>().map_or("", h2::ext::Protocol::as_str);

    let mut text = Text::with_capacity(&parts.headers, path.len() + authority.len() + scheme.len() + protocol.len());
    let about_server = path == "*" && method == "OPTIONS" && protocol.is_empty();
    let path = text.add(if about_server { b"/" } else { path.as_bytes() });
    let authority = text.add(authority);
    let scheme = text.add(scheme.as_bytes());
    let protocol = text.add(protocol.as_bytes());
    let drop_underscores = settings.underscores == Underscores::DropHeader;
    let list = text.lines(&parts.headers, |name| {
        let dropped = drop_underscores && name.as_str().contains('_');
        if dropped {
            stats.dropped_headers_with_underscores.inc();
        }
        *name != http::header::HOST && !dropped
    });
    let (text, mut headers) = text.finish(list);
    let upgrade = (!protocol.is_empty()).then(|| text.slice(protocol));
    let method = match &upgrade {
        // Extended CONNECT (RFC 8441) is what HTTP/1 says with GET and these lines; routes and policies see it so, whatever the protocol.
        Some(protocol) => {
            headers.append(Name::UPGRADE, protocol.clone());
            headers.append(Name::CONNECTION, Bytes::from_static(b"upgrade"));
            Method::Get
        }
        None => Method::from_token(method.as_bytes(), || Bytes::copy_from_slice(method.as_bytes())),
    };
    let mut head = RequestHead {
        protocol: Protocol::Http2,
        // `:path` of a plain CONNECT is absent, which `http` shows as `/`.
        path: if method == Method::Connect { Bytes::new() } else { text.slice(path) },
        about_server,
        method,
        authority: text.slice(authority),
        scheme: text.slice(scheme),
        body: body_length(&headers, ended),
        wire_size: 0,
        headers,
        upgrade,
    };
    head.wire_size = told(head.octets());
    Ok(head)
}

/// A response head from what `h2` decoded.
pub(super) fn response_head(
    parts: &http::response::Parts,
    ended: bool,
    settings: &Settings,
) -> Result<ResponseHead, StreamError> {
    check_limits(&parts.headers, settings)?;
    check_length(&parts.headers)?;
    let status = parts.status.as_u16();
    let says_octets = || parts.headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    // HTTP/2 has no 101 (RFC 9113 section 8.6), and no 204 has octets (RFC 9110 section 8.6).
    if status == 101 || (status == 204 && says_octets()) {
        return Err(super::VIOLATION);
    }
    let headers = headers(&parts.headers);
    let mut head = ResponseHead {
        protocol: Protocol::Http2,
        status,
        reason: Bytes::new(),
        body: body_length(&headers, ended),
        wire_size: 0,
        headers,
    };
    head.wire_size = told(head.octets());
    Ok(head)
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

/// Trailers as a list.
pub(super) fn trailers(map: &HeaderMap) -> Headers {
    let mut trailers = headers(map);
    trailers.remove_all(NEVER_TRAILERS);
    trailers
}

/// Any header map as a list.
fn headers(map: &HeaderMap) -> Headers {
    let mut text = Text::with_capacity(map, 0);
    let list = text.lines(map, |_| true);
    text.finish(list).1
}

/// A request for `h2` to send.
pub(super) fn request(head: &RequestHead) -> Result<Request<()>, StreamError> {
    let unfit = |_| StreamError::Io("the request target does not fit HTTP/2".into());
    let mut request = Request::new(());
    // An upgrade is asked for with extended CONNECT (RFC 8441), whatever the method was in HTTP/1.
    let upgrade = head.upgrade.as_deref().and_then(|protocol| std::str::from_utf8(protocol).ok());
    *request.method_mut() = match upgrade {
        Some(_) => http::Method::CONNECT,
        None => http::Method::from_bytes(head.method.as_bytes())
            .map_err(|_| StreamError::Io("the method does not fit HTTP/2".into()))?,
    };
    let mut uri = http::uri::Parts::default();
    let is_plain_connect = head.method == Method::Connect && upgrade.is_none();
    *request.version_mut() = http::Version::HTTP_2;
    let mut host = None;
    match Authority::from_maybe_shared(head.authority.clone()) {
        Ok(authority) => uri.authority = Some(authority),
        Err(error) if is_plain_connect || upgrade.is_some() => return Err(unfit(error)),
        // Envoy's default for a call is the cluster's name (`outbound|80||app`), which is no authority to `http`. As `Host` it passes
        // (RFC 9113 section 8.3.1), in the form that an intermediary gives what came as HTTP/1: that has no scheme either.
        Err(_) => {
            host = Some(
                HeaderValue::from_maybe_shared(head.authority.clone())
                    .map_err(|_| StreamError::Io("the request's host has octets that no header may have".into()))?,
            );
            *request.version_mut() = http::Version::HTTP_11;
        }
    }
    if host.is_some() {
        uri.path_and_query = Some(path_and_query(head.target()).map_err(unfit)?);
    } else if !is_plain_connect {
        uri.scheme = Some(if head.scheme.eq_ignore_ascii_case(b"https") { Scheme::HTTPS } else { Scheme::HTTP });
        uri.path_and_query = Some(path_and_query(head.target()).map_err(unfit)?);
    }
    *request.uri_mut() =
        Uri::from_parts(uri).map_err(|_| StreamError::Io("the request target does not fit HTTP/2".into()))?;
    *request.headers_mut() = map(&head.headers);
    if let Some(host) = host {
        request.headers_mut().insert(http::header::HOST, host);
    }
    if let Some(protocol) = upgrade {
        // Nothing has a length in a tunnel.
        request.headers_mut().remove(http::header::CONTENT_LENGTH);
        request.extensions_mut().insert(h2::ext::Protocol::from(protocol));
    }
    Ok(request)
}

/// A response for `h2` to send.
pub(super) fn response(head: &ResponseHead) -> Result<Response<()>, StreamError> {
    let mut response = Response::new(());
    // A 101 to extended CONNECT (RFC 8441 section 5): HTTP/2 itself has none.
    let status = if head.status == 101 { 200 } else { head.status };
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| StreamError::Io("not a status code".into()))?;
    *response.headers_mut() = map(&head.headers);
    Ok(response)
}

/// A header map for `h2` to send. A line that HTTP/2 cannot carry is left out.
pub(super) fn map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers.iter() {
        if !is_hop_by_hop(&header.name, &header.value)
            && let Some(name) = outward_name(&header.name)
            && let Ok(value) = HeaderValue::from_maybe_shared(header.value.clone())
        {
            map.append(name, value);
        }
    }
    map
}

fn is_hop_by_hop(name: &Name, value: &[u8]) -> bool {
    const DROPPED: &[Name] = &[
        Name::CONNECTION,
        Name::TRANSFER_ENCODING,
        Name::UPGRADE,
        Name::KEEP_ALIVE,
        Name::PROXY_CONNECTION,
        Name::HOST,
        Name::HTTP2_SETTINGS,
    ];
    DROPPED.contains(name) || (*name == Name::TE && !value.eq_ignore_ascii_case(b"trailers"))
}

fn outward_name(name: &Name) -> Option<HeaderName> {
    match name.as_static() {
        // Standard names become an index, the others a reference to the text: nothing is copied.
        Some(text) => Some(HeaderName::from_static(text)),
        None => HeaderName::from_bytes(name.as_bytes()).ok(),
    }
}

/// `http` takes fewer characters than HTTP does; those are percent-encoded, as Envoy does with most of them when it normalises.
fn path_and_query(path: &Bytes) -> Result<PathAndQuery, http::uri::InvalidUri> {
    PathAndQuery::from_maybe_shared(path.clone()).or_else(|_| {
        let mut encoded = BytesMut::with_capacity(path.len() + 32);
        for byte in path {
            match byte {
                b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'^' | b'|' | b'\\' | b'#' | 0..=b' ' | 0x7f.. => {
                    encoded.extend_from_slice(percent_encoding::percent_encode_byte(*byte).as_bytes());
                }
                byte => encoded.extend_from_slice(&[*byte]),
            }
        }
        PathAndQuery::from_maybe_shared(encoded.freeze())
    })
}

/// Counts why a message was refused.
pub(super) fn count_refused(error: &StreamError, stats: &CodecStats) {
    match error {
        StreamError::Protocol { detail: TOO_MANY_HEADERS, .. } => stats.header_overflow.inc(),
        StreamError::Protocol { detail: UNDERSCORE, .. } => stats.requests_rejected_with_underscores_in_headers.inc(),
        StreamError::Protocol { .. } => stats.rx_messaging_error.inc(),
        _ => {}
    }
}

const TOO_MANY_HEADERS: &str = "http2.too_many_headers";
const UNDERSCORE: &str = "http2.unexpected_underscore";

/// What our limits, and the grammar of names, forbid of headers and of trailers.
pub(super) fn check_limits(map: &HeaderMap, settings: &Settings) -> Result<(), StreamError> {
    if map.len() > settings.max_headers_count as usize {
        return Err(StreamError::Protocol { detail: TOO_MANY_HEADERS, status: 431 });
    }
    if text_size(map) > settings.max_headers as usize {
        return Err(StreamError::Protocol { detail: TOO_MANY_HEADERS, status: 431 });
    }
    if !are_tokens(map) {
        return Err(super::VIOLATION);
    }
    let reject = settings.underscores == Underscores::RejectRequest;
    if reject && map.keys().any(|name| name.as_str().contains('_')) {
        return Err(StreamError::Protocol { detail: UNDERSCORE, status: 400 });
    }
    Ok(())
}

/// What RFC 9113 section 8 forbids of a request and `h2` lets pass; such a message is malformed, and its stream is reset. Each would say
/// different things to different readers if it were forwarded.
fn check_request(parts: &http::request::Parts) -> Result<(), StreamError> {
    // `h2` demands that there is one, and shows none where there is no authority either.
    let scheme = parts.uri.scheme_str().is_none_or(|scheme| !scheme.is_empty());
    let headers = &parts.headers;
    // Whichever of the two is used, and the other as well: some hop may believe it.
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let hosts = headers.get_all(http::header::HOST).iter().map(HeaderValue::as_bytes);
    let sound = scheme
        && authority.into_iter().chain(hosts).all(is_named_authority)
        && headers.get_all(http::header::HOST).iter().nth(1).is_none()
        && parts.extensions.get::<h2::ext::Protocol>().is_none_or(|protocol| !protocol.as_str().is_empty());
    if sound { Ok(()) } else { Err(super::VIOLATION) }
}

/// An authority that names a host and no user (RFC 9113 section 8.3.1).
fn is_named_authority(authority: &[u8]) -> bool {
    !authority.is_empty() && is_authority(authority) && !authority.contains(&b'@')
}

/// `h2` takes an empty length for none, and several that agree for one; HTTP/1 peers do neither.
fn check_length(map: &HeaderMap) -> Result<(), StreamError> {
    let mut lengths = map.get_all(http::header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(length), None) if !length.is_empty() => Ok(()),
        _ => Err(super::VIOLATION),
    }
}

/// `http` takes `"` for a character of a name, which it is not (RFC 9110 section 5.6.2).
fn are_tokens(map: &HeaderMap) -> bool {
    map.keys().all(|name| memchr::memchr(b'"', name.as_str().as_bytes()).is_none())
}

fn body_length(headers: &Headers, ended: bool) -> BodyLength {
    if ended {
        return BodyLength::Empty;
    }
    headers
        .get(&Name::CONTENT_LENGTH)
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| value.parse().ok())
        .map_or(BodyLength::Unknown, BodyLength::Exact)
}

/// What a log tells of a head's size.
fn told(octets: u64) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

fn text_size(map: &HeaderMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

type Span = std::ops::Range<usize>;

enum NameAt {
    Known(Name),
    At(Span),
}

type Spans = SmallVec<[(NameAt, Span); 24]>;

/// All text of one message, collected into one buffer.
struct Text {
    bytes: BytesMut,
}

impl Text {
    fn with_capacity(map: &HeaderMap, more: usize) -> Text {
        // Two octets between cookie crumbs.
        Text { bytes: BytesMut::with_capacity(text_size(map) + 2 * map.len() + more) }
    }

    fn add(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        start..self.bytes.len()
    }

    fn lines(&mut self, map: &HeaderMap, keep: impl Fn(&HeaderName) -> bool) -> Spans {
        let mut spans = Spans::new();
        for (name, value) in map.iter().filter(|(name, _)| keep(name) && **name != http::header::COOKIE) {
            let known = Name::find(name.as_str().as_bytes());
            let name = known.map_or_else(|| NameAt::At(self.add(name.as_str().as_bytes())), NameAt::Known);
            let value = self.add(value.as_bytes());
            spans.push((name, value));
        }
        self.cookies(map, &mut spans);
        spans
    }

    /// RFC 9113 section 8.2.3: cookie crumbs become one line, joined with `; `. Envoy puts it last.
    fn cookies(&mut self, map: &HeaderMap, spans: &mut Spans) {
        let start = self.bytes.len();
        let mut any = false;
        for crumb in map.get_all(http::header::COOKIE) {
            if any {
                self.add(b"; ");
            }
            self.add(crumb.as_bytes());
            any = true;
        }
        if any {
            spans.push((NameAt::Known(Name::COOKIE), start..self.bytes.len()));
        }
    }

    fn finish(self, spans: Spans) -> (Bytes, Headers) {
        let text = self.bytes.freeze();
        let mut headers = Headers::with_capacity(spans.len() + 8);
        for (name, value) in spans {
            let name = match name {
                NameAt::Known(name) => name,
                NameAt::At(span) => Name::from_lower(text.slice(span)),
            };
            headers.append(name, text.slice(value));
        }
        (text, headers)
    }
}
