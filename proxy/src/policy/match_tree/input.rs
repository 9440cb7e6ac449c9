//! What a match tree looks at, found among the facts. Called by this folder. Nothing is allocated but for a repeated header beyond 256
//! octets, several names of a certificate, an address that is compared as text and a query that is escaped.

use std::net::IpAddr;
use std::sync::Arc;

use config::match_tree::Input as Config;
use serde_json::Value;
use smallvec::SmallVec;

use super::Comes;
use crate::policy::facts::Facts;
use crate::policy::headers::{self, Field};
use crate::tls::info::{PeerCertificate, PeerName, TlsInfo};
use crate::wire::headers::{Headers, Name};
use crate::wire::query;

/// An input, compiled.
#[derive(Debug)]
pub(super) enum Input {
    RequestHeader(Field),
    RequestTrailer(Name),
    /// `:status` is one of them.
    ResponseHeader(Name),
    ResponseTrailer(Name),
    QueryParameter(Arc<str>),
    StatusCode,
    StatusCodeClass,
    IsLocalReply,
    /// Read once, as in Envoy.
    Environment(Option<Box<[u8]>>),
    DestinationIp,
    DestinationPort,
    SourceIp,
    SourcePort,
    DirectSourceIp,
    SourceType,
    ServerName,
    NetworkNamespace,
    FilterState(Arc<str>),
    DynamicMetadata(Arc<str>, Box<[Arc<str>]>),
    UriSan,
    DnsSan,
    Subject,
}

/// What an input is at this moment.
pub(super) enum Found<'a> {
    /// Not here yet: who asks must ask again later.
    Later,
    /// It will never be here.
    Absent,
    Text(&'a [u8]),
    Ip(IpAddr),
    /// A value, or that there is none: conditions on metadata judge that, too.
    Metadata(Option<&'a Value>),
}

impl Input {
    pub(super) fn compile(config: &Config) -> Input {
        match config {
            Config::RequestHeader(name) => Input::RequestHeader(Field::compile(name)),
            Config::RequestTrailer(name) => Input::RequestTrailer(Name::new(name)),
            Config::ResponseHeader(name) if **name == *":status" => Input::StatusCode,
            Config::ResponseHeader(name) => Input::ResponseHeader(Name::new(name)),
            Config::ResponseTrailer(name) => Input::ResponseTrailer(Name::new(name)),
            Config::QueryParameter(name) => Input::QueryParameter(name.clone()),
            Config::StatusCode => Input::StatusCode,
            Config::StatusCodeClass => Input::StatusCodeClass,
            Config::IsLocalReply => Input::IsLocalReply,
            Config::Environment(name) => {
                use std::os::unix::ffi::OsStringExt as _;
                Input::Environment(std::env::var_os(&**name).map(|value| value.into_vec().into()))
            }
            Config::DestinationIp => Input::DestinationIp,
            Config::DestinationPort => Input::DestinationPort,
            Config::SourceIp => Input::SourceIp,
            Config::SourcePort => Input::SourcePort,
            Config::DirectSourceIp => Input::DirectSourceIp,
            Config::SourceType => Input::SourceType,
            Config::ServerName => Input::ServerName,
            Config::NetworkNamespace => Input::NetworkNamespace,
            Config::FilterState(key) => Input::FilterState(key.clone()),
            Config::DynamicMetadata(filter, path) => {
                Input::DynamicMetadata(filter.clone(), path.clone().into_boxed_slice())
            }
            Config::UriSan => Input::UriSan,
            Config::DnsSan => Input::DnsSan,
            Config::Subject => Input::Subject,
        }
    }

    /// Shows what it is, once.
    pub(super) fn see(&self, facts: &dyn Facts, see: &mut dyn FnMut(Found<'_>)) {
        let mut joined = SmallVec::new();
        let mut digits = itoa::Buffer::new();
        match self {
            Input::RequestHeader(field) => see(match facts.request() {
                None => Found::Later,
                Some(head) => found(field.of_request(head, &mut joined)),
            }),
            Input::RequestTrailer(name) => see(header(facts.request_trailers(), name, &mut joined)),
            Input::ResponseHeader(name) => {
                see(header(facts.response().map(|head| &head.headers), name, &mut joined));
            }
            Input::ResponseTrailer(name) => see(header(facts.response_trailers(), name, &mut joined)),
            Input::QueryParameter(name) => match facts.request() {
                Some(head) if !head.path.is_empty() => {
                    see(found(query::decoded(query::of(&head.path), name.as_bytes()).as_deref()));
                }
                _ => see(Found::Later),
            },
            Input::StatusCode => see(match facts.response() {
                None => Found::Later,
                Some(head) => Found::Text(digits.format(head.status).as_bytes()),
            }),
            Input::StatusCodeClass => see(match facts.response() {
                None => Found::Later,
                Some(head) => found(class(head.status)),
            }),
            Input::IsLocalReply => see(match facts.response() {
                None => Found::Later,
                Some(_) => Found::Text(if facts.is_local_reply() { b"true" } else { b"false" }),
            }),
            Input::Environment(value) => see(found(value.as_deref())),
            Input::DestinationIp => see(Found::Ip(facts.local().ip())),
            Input::DestinationPort => see(Found::Text(digits.format(facts.local().port()).as_bytes())),
            Input::SourceIp => see(Found::Ip(facts.remote().ip())),
            Input::SourcePort => see(Found::Text(digits.format(facts.remote().port()).as_bytes())),
            Input::DirectSourceIp => see(Found::Ip(facts.direct_remote().ip())),
            Input::SourceType => {
                let remote = facts.remote().ip();
                let local = remote.is_loopback() || remote == facts.local().ip();
                see(if local { Found::Text(b"local") } else { Found::Absent });
            }
            Input::ServerName => see(found(facts.server_name().filter(|name| !name.is_empty()))),
            Input::NetworkNamespace => see(Found::Absent),
            Input::FilterState(key) => see(found(facts.filter_state(key).as_deref())),
            Input::DynamicMetadata(filter, path) => {
                facts.metadata(filter, path, &mut |value| see(Found::Metadata(value)));
            }
            Input::UriSan => names(facts.tls(), |peer| &peer.uri_sans, see),
            Input::DnsSan => names(facts.tls(), |peer| &peer.dns_sans, see),
            Input::Subject => see(match facts.tls() {
                None => Found::Later,
                Some(tls) => {
                    found(tls.peer.as_ref().map(|peer| peer.subject.as_bytes()).filter(|name| !name.is_empty()))
                }
            }),
        }
    }

    /// When it comes, if it is not there from the beginning.
    pub(super) fn comes(&self) -> Comes {
        match self {
            Input::RequestTrailer(_) => Comes::WITH_REQUEST_TRAILERS,
            Input::ResponseHeader(_) | Input::StatusCode | Input::StatusCodeClass | Input::IsLocalReply => {
                Comes::WITH_RESPONSE
            }
            Input::ResponseTrailer(_) => Comes::WITH_RESPONSE_TRAILERS,
            _ => Comes::NOTHING_LATER,
        }
    }
}

fn found(text: Option<&[u8]>) -> Found<'_> {
    text.map_or(Found::Absent, Found::Text)
}

fn header<'a>(headers: Option<&'a Headers>, name: &'a Name, joined: &'a mut SmallVec<[u8; 256]>) -> Found<'a> {
    match headers {
        None => Found::Later,
        Some(headers) => found(headers::value(headers, name, joined)),
    }
}

/// Names of the peer's certificate: one text. Without a handshake they are never known, and with it they may be none.
fn names(tls: Option<&TlsInfo>, of: impl Fn(&PeerCertificate) -> &[PeerName], see: &mut dyn FnMut(Found<'_>)) {
    let Some(tls) = tls else { return see(Found::Later) };
    match tls.peer.as_ref().map_or(&[][..], |peer| of(peer)) {
        [] => see(Found::Absent),
        [one] => see(Found::Text(one.as_bytes())),
        several => see(Found::Text(&several.iter().map(PeerName::as_bytes).collect::<Vec<_>>().join(&b','))),
    }
}

fn class(status: u16) -> Option<&'static [u8]> {
    match status / 100 {
        1 => Some(b"1xx"),
        2 => Some(b"2xx"),
        3 => Some(b"3xx"),
        4 => Some(b"4xx"),
        5 => Some(b"5xx"),
        _ => None,
    }
}
