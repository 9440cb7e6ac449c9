//! Heads and trailers into header blocks. Called by `connection`. Lines that HTTP/2 cannot carry, and those that belong to a connection of
//! HTTP/1 (RFC 9113 section 8.2.2), are left out.

use bytes::{Bytes, BytesMut};

use super::head::escaped;
use super::hpack::Pseudo;
use super::hpack::encode::Encoder;
use super::hpack::is_lower_token;
use super::lines::Sound;
use crate::wire::authority::is_authority;
use crate::wire::codec::StreamError;
use crate::wire::headers::{Headers, Name, NameSet};
use crate::wire::message::{Method, RequestHead, ResponseHead};

/// Whether the head can be said in HTTP/2.
pub(super) fn check_request(head: &RequestHead) -> Result<(), StreamError> {
    let unfit = |what: &str| Err(StreamError::Io(what.into()));
    if (head.method == Method::Connect || head.upgrade.is_some()) && !is_authority(&head.authority) {
        return unfit("the request target does not fit HTTP/2");
    }
    if Sound::of(&head.authority).has_control() {
        return unfit("the request's host has octets that no header may have");
    }
    if head.method.as_bytes().is_empty() || Sound::of(head.method.as_bytes()).has_control() {
        return unfit("the method does not fit HTTP/2");
    }
    Ok(())
}

/// A request.
pub(super) fn request(head: &RequestHead, encoder: &mut Encoder, out: &mut BytesMut) {
    encoder.begin(out);
    // An upgrade is asked for with extended CONNECT (RFC 8441), whatever the method was in HTTP/1.
    let upgrade = head.upgrade.as_deref();
    let method = if upgrade.is_some() { b"CONNECT" } else { head.method.as_bytes() };
    encoder.pseudo(Pseudo::Method, method, out);
    if head.method != Method::Connect || upgrade.is_some() {
        let https = head.scheme.eq_ignore_ascii_case(b"https");
        encoder.pseudo(Pseudo::Scheme, if https { b"https" } else { b"http" }, out);
    }
    // Envoy's default for a call is the cluster's name (`outbound|80||app`), which is no authority to most servers. As `Host` it passes.
    let named = is_authority(&head.authority) && !head.authority.is_empty();
    if named {
        encoder.pseudo(Pseudo::Authority, &head.authority, out);
    }
    if head.method != Method::Connect || upgrade.is_some() {
        let target = head.target();
        let is_control = |octet: u8| octet <= b' ' || octet == 0x7f;
        match target.iter().any(|octet| is_control(*octet)) {
            false if target.is_empty() => encoder.pseudo(Pseudo::Path, b"/", out),
            false => encoder.pseudo(Pseudo::Path, target, out),
            true => encoder.pseudo(Pseudo::Path, &escaped(target, is_control), out),
        }
    }
    if let Some(protocol) = upgrade {
        encoder.pseudo(Pseudo::Protocol, protocol, out);
    }
    if !named && !head.authority.is_empty() {
        encoder.header(&Name::HOST, &head.authority, out);
    }
    // Nothing has a length in a tunnel.
    let dropped = if upgrade.is_some() { DROPPED.with(LENGTH) } else { DROPPED };
    headers(&head.headers, dropped, encoder, out);
}

/// A response.
pub(super) fn response(head: &ResponseHead, encoder: &mut Encoder, out: &mut BytesMut) {
    encoder.begin(out);
    // A 101 to extended CONNECT (RFC 8441 section 5): HTTP/2 itself has none.
    let status = if head.status == 101 { 200 } else { head.status };
    let mut text = itoa::Buffer::new();
    encoder.pseudo(Pseudo::Status, text.format(status).as_bytes(), out);
    headers(&head.headers, DROPPED, encoder, out);
}

/// Trailers of either direction.
pub(super) fn trailers(trailers: &Headers, encoder: &mut Encoder, out: &mut BytesMut) {
    encoder.begin(out);
    headers(trailers, DROPPED, encoder, out);
}

const DROPPED: NameSet = NameSet::of([
    Name::CONNECTION,
    Name::TRANSFER_ENCODING,
    Name::UPGRADE,
    Name::KEEP_ALIVE,
    Name::PROXY_CONNECTION,
    Name::HOST,
    Name::HTTP2_SETTINGS,
]);
const LENGTH: NameSet = NameSet::of([Name::CONTENT_LENGTH]);

fn headers(headers: &Headers, dropped: NameSet, encoder: &mut Encoder, out: &mut BytesMut) {
    for header in headers.iter() {
        if !dropped.contains(&header.name) && fits(&header.name, &header.value) {
            encoder.header(&header.name, &header.value, out);
        }
    }
}

fn fits(name: &Name, value: &Bytes) -> bool {
    (name.index().is_some() || is_lower_token(name.as_bytes()))
        && !Sound::of(value).has_control()
        && (*name != Name::TE || value.eq_ignore_ascii_case(b"trailers"))
}
