//! `envoy.service.auth.v3`: what an authorizer is asked, and what it says. Called by the `ext_authz` filters, which know nothing of
//! protobuf. An answer that cannot be read is a failure of the service, never a permission.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;

use crate::proto::{self, core::v3 as core, envoy::service::auth::v3 as pb, wkt};
use crate::rejection::{At, Rejection};
use crate::route::AppendAction;

/// The method of the service.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// `CheckRequest`.
#[derive(Debug, Default)]
pub struct CheckRequest<'a> {
    /// Who asks.
    pub source: Peer<'a>,
    /// Whom.
    pub destination: Peer<'a>,
    /// When the request began.
    pub time: Option<SystemTime>,
    /// What; `None` for a connection.
    pub http: Option<HttpRequest<'a>>,
    /// `context_extensions`.
    pub context_extensions: Vec<(&'a str, &'a str)>,
    /// `metadata_context`.
    pub metadata: MetadataContext<'a>,
    /// `route_metadata_context`.
    pub route_metadata: MetadataContext<'a>,
    /// `tls_session.sni`; `None`: there is no TLS session, or it is not told.
    pub sni: Option<&'a str>,
}

/// Metadata that is told, by filter.
#[derive(Debug, Default)]
pub struct MetadataContext<'a> {
    /// `filter_metadata`.
    pub plain: Vec<(&'a str, &'a Value)>,
    /// `typed_filter_metadata`: type URL and bytes.
    pub typed: Vec<(&'a str, (&'a str, &'a [u8]))>,
}

/// One end of the connection.
#[derive(Debug, Default)]
pub struct Peer<'a> {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// `x-envoy-downstream-service-cluster` of the request, of the source.
    pub service: &'a str,
    /// Labels of this node, of the destination.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Its first URI name, else DNS name, else its subject.
    pub principal: &'a str,
    /// Its certificate, PEM, URL-encoded.
    pub certificate: &'a str,
}

/// `HttpRequest`.
#[derive(Debug, Default)]
pub struct HttpRequest<'a> {
    /// The stream's number.
    pub id: String,
    /// `:method`.
    pub method: &'a str,
    /// Headers in order, pseudo headers too.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// They are told as octets and with their repetitions; else as text, those of one name joined by commas.
    pub raw_headers: bool,
    /// `:path`.
    pub path: &'a str,
    /// `:authority`.
    pub host: &'a str,
    /// `:scheme`.
    pub scheme: &'a str,
    /// Octets of the body so far; -1: not known.
    pub size: i64,
    /// `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// The body, as far as it is told.
    pub body: &'a [u8],
    /// It is told as octets.
    pub raw_body: bool,
}

/// `CheckResponse`.
#[derive(Debug, Clone)]
pub struct CheckResponse {
    /// What it says.
    pub verdict: Verdict,
    /// `dynamic_metadata`, an object.
    pub metadata: Option<Arc<Value>>,
}

impl CheckResponse {
    /// The header whose action is none that is known.
    pub fn unknown_action(&self) -> Option<&str> {
        let Verdict::Allowed(allowed) = &self.verdict else { return None };
        let unknown = |change: &&HeaderChange| change.append.is_none() && change.action.is_none();
        allowed.response_headers.iter().find(unknown).map(|change| change.name.as_str())
    }
}

/// What an authorizer says.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The request passes, changed so.
    Allowed(Allowed),
    /// It is answered so; without a status 403.
    Denied(Denied),
    /// `error_response`: the service failed, with what it would have answered.
    Failed(Denied),
}

/// `OkHttpResponse`.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// `headers`, of the request: set, and those that are to be appended joined to what is there.
    pub headers: Vec<HeaderChange>,
    /// Lines that are added to the request's, of an HTTP service alone.
    pub add: Vec<HeaderChange>,
    /// `headers_to_remove`, of the request, lower case.
    pub remove: Vec<String>,
    /// `response_headers_to_add`.
    pub response_headers: Vec<HeaderChange>,
    /// `query_parameters_to_set`.
    pub query: Vec<(String, String)>,
    /// `query_parameters_to_remove`.
    pub query_remove: Vec<String>,
}

/// `DeniedHttpResponse`.
#[derive(Debug, Clone, Default)]
pub struct Denied {
    /// `status`; `None`: not set.
    pub status: Option<u16>,
    /// `headers`.
    pub headers: Vec<HeaderChange>,
    /// `body`.
    pub body: Bytes,
}

/// `HeaderValueOption`, as the service sent it: nothing of it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderChange {
    /// As it came.
    pub name: String,
    /// As it came.
    pub value: Bytes,
    /// The deprecated `append`, where it is set.
    pub append: Option<bool>,
    /// `append_action`; `None`: one that is not known.
    pub action: Option<AppendAction>,
}

/// The bytes of a request.
pub fn encode(request: &CheckRequest<'_>) -> Vec<u8> {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let attributes = pb::AttributeContext {
        source: Some(peer(&request.source)),
        destination: Some(peer(&request.destination)),
        // Of connections there is none.
        request: (request.time.is_some() || request.http.is_some()).then(|| pb::attribute_context::Request {
            time: request.time.and_then(timestamp),
            http: request.http.as_ref().map(http),
        }),
        context_extensions: map(&request.context_extensions),
        // Said by Envoy also where there is nothing to say.
        metadata_context: Some(metadata(&request.metadata)),
        route_metadata_context: request.http.as_ref().map(|_| metadata(&request.route_metadata)),
        tls_session: request.sni.map(|sni| pb::attribute_context::TlsSession { sni: sni.to_owned() }),
    };
    pb::CheckRequest { attributes: Some(attributes) }.encode_to_vec()
}

fn timestamp(time: SystemTime) -> Option<wkt::Timestamp> {
    let since: Duration = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let nanos = i32::try_from(since.subsec_nanos()).ok()?;
    Some(wkt::Timestamp { seconds: i64::try_from(since.as_secs()).ok()?, nanos })
}

fn peer(peer: &Peer<'_>) -> pb::attribute_context::Peer {
    use core::{address::Address, socket_address::PortSpecifier};
    let socket = |address: SocketAddr| core::Address {
        address: Some(Address::SocketAddress(core::SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(PortSpecifier::PortValue(u32::from(address.port()))),
            ..Default::default()
        })),
    };
    pb::attribute_context::Peer {
        address: peer.address.map(socket),
        service: peer.service.to_owned(),
        labels: peer.labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        principal: peer.principal.to_owned(),
        certificate: peer.certificate.to_owned(),
    }
}

fn http(request: &HttpRequest<'_>) -> pb::attribute_context::HttpRequest {
    let mut http = pb::attribute_context::HttpRequest {
        id: request.id.clone(),
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        host: request.host.to_owned(),
        scheme: request.scheme.to_owned(),
        size: request.size,
        protocol: request.protocol.to_owned(),
        ..Default::default()
    };
    if request.raw_headers {
        let header = |(name, value): &(&str, &[u8])| core::HeaderValue {
            key: (*name).to_owned(),
            raw_value: value.to_vec(),
            ..Default::default()
        };
        http.header_map = Some(core::HeaderMap { headers: request.headers.iter().map(header).collect() });
    } else {
        for (name, value) in &request.headers {
            let value = proto::sanitized(value);
            http.headers
                .entry((*name).to_owned())
                .and_modify(|joined| {
                    joined.push(',');
                    joined.push_str(&value);
                })
                .or_insert_with(|| value.clone());
        }
    }
    if request.raw_body {
        http.raw_body = request.body.to_vec();
    } else {
        http.body = proto::sanitized(request.body);
    }
    http
}

pub(super) fn metadata(context: &MetadataContext<'_>) -> core::Metadata {
    let typed = |(filter, (type_url, value)): &(&str, (&str, &[u8]))| {
        ((*filter).to_owned(), wkt::Any { type_url: (*type_url).to_owned(), value: value.to_vec() })
    };
    core::Metadata {
        filter_metadata: context
            .plain
            .iter()
            .map(|(filter, value)| ((*filter).to_owned(), proto::json_to_struct(value)))
            .collect(),
        typed_filter_metadata: context.typed.iter().map(typed).collect(),
    }
}

/// The answer in these bytes.
///
/// # Errors
/// Bytes that are no answer.
pub fn decode(bytes: &[u8]) -> Result<CheckResponse, Rejection> {
    use pb::check_response::HttpResponse;
    let proto: pb::CheckResponse = proto::message(bytes, &At::root())?;
    let granted = proto.status.as_ref().is_none_or(|status| status.code == 0);
    let mut metadata = proto.dynamic_metadata;
    let verdict = match (granted, proto.http_response) {
        (true, Some(HttpResponse::OkResponse(ok))) => {
            // The deprecated field goes before the one outside.
            metadata = ok.dynamic_metadata.clone().or(metadata);
            Verdict::Allowed(allowed(ok))
        }
        // What it says beside that is for another verdict.
        (true, _) => Verdict::Allowed(Allowed::default()),
        (false, Some(HttpResponse::ErrorResponse(error))) => Verdict::Failed(denied(error)),
        (false, Some(HttpResponse::DeniedResponse(one))) => Verdict::Denied(denied(one)),
        (false, Some(HttpResponse::OkResponse(ok))) => {
            metadata = ok.dynamic_metadata.or(metadata);
            Verdict::Denied(Denied::default())
        }
        (false, None) => Verdict::Denied(Denied::default()),
    };
    let metadata = metadata.filter(|metadata| !metadata.fields.is_empty());
    Ok(CheckResponse { verdict, metadata: metadata.map(|metadata| Arc::new(proto::struct_to_json(&metadata))) })
}

fn allowed(ok: pb::OkHttpResponse) -> Allowed {
    Allowed {
        headers: ok.headers.into_iter().filter_map(change).collect(),
        add: Vec::new(),
        remove: ok.headers_to_remove.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
        response_headers: ok.response_headers_to_add.into_iter().filter_map(change).collect(),
        query: ok.query_parameters_to_set.into_iter().map(|one| (one.key, one.value)).collect(),
        query_remove: ok.query_parameters_to_remove,
    }
}

fn denied(denied: pb::DeniedHttpResponse) -> Denied {
    let status = denied.status.and_then(|status| u16::try_from(status.code).ok()).filter(|status| *status > 0);
    Denied { status, headers: denied.headers.into_iter().filter_map(change).collect(), body: Bytes::from(denied.body) }
}

fn change(option: core::HeaderValueOption) -> Option<HeaderChange> {
    use core::header_value_option::HeaderAppendAction as Action;
    let header = option.header?;
    let value = if header.value.is_empty() { Bytes::from(header.raw_value) } else { Bytes::from(header.value) };
    Some(HeaderChange {
        name: header.key,
        value,
        append: option.append.map(|append| append.value),
        action: Action::try_from(option.append_action).ok().map(|action| match action {
            Action::AppendIfExistsOrAdd => AppendAction::AppendOrAdd,
            Action::AddIfAbsent => AppendAction::AddIfAbsent,
            Action::OverwriteIfExistsOrAdd => AppendAction::OverwriteOrAdd,
            Action::OverwriteIfExists => AppendAction::OverwriteIfExists,
        }),
    })
}

#[cfg(test)]
mod tests;
