//! What the authorizer is asked: `CheckRequest` of a request. Called by [`super`].

use std::sync::Arc;

use bytes::Bytes;
use config::services::ext_authz as message;

use super::ExtAuthz;
use crate::http::filters::filter::Turn;
use crate::http::stream::Stream;
use crate::telemetry::dynamic::DynamicMetadata;
use crate::tls;
use crate::wire::message::RequestHead;

/// The bytes of the question.
pub(super) fn encode(filter: &ExtAuthz, turn: &Turn<'_, '_, ExtAuthz>, body: Option<&(Bytes, bool)>) -> Vec<u8> {
    let stream = &*turn.stream;
    let request = &stream.request;
    let connection = &stream.context.connection;
    let tls = connection.tls.as_deref();
    let certificate = match tls.and_then(|tls| tls.peer.as_deref()) {
        Some(peer) if filter.config.include_peer_certificate => {
            tls::url_encoded_pem(peer.chain.get(..1).unwrap_or_default())
        }
        _ => String::new(),
    };
    let (principal, local_principal) = tls.map(tls::principals).unwrap_or_default();
    let mut question = message::CheckRequest {
        source: message::Peer {
            address: Some(stream.info.remote()),
            service: request.headers.get(&filter.names.downstream_service).map_or("", |value| text(value)),
            principal,
            certificate: &certificate,
            ..message::Peer::default()
        },
        destination: message::Peer {
            address: Some(connection.local),
            principal: &local_principal,
            labels: filter.config.labels.iter().map(|(name, value)| (&**name, &**value)).collect(),
            ..message::Peer::default()
        },
        time: Some(stream.info.start_time),
        http: Some(http(filter, stream, body)),
        sni: tls
            .filter(|_| filter.config.include_tls_session)
            .map(|_| connection.requested_server_name.as_ref().map_or("", |name| name.text())),
        ..message::CheckRequest::default()
    };
    for scope in super::levels(turn) {
        for (key, value) in &scope.config.context_extensions {
            if question.context_extensions.iter().all(|(known, _)| *known != &**key) {
                question.context_extensions.push((key, value));
            }
        }
    }
    let of_connection = connection.metadata.borrow();
    metadata([&filter.config.metadata, &filter.config.typed_metadata], stream, &of_connection, &mut question.metadata);
    route_metadata(filter, stream, &mut question.route_metadata);
    message::encode(&question)
}

fn http<'q>(filter: &ExtAuthz, stream: &'q Stream<'_>, body: Option<&'q (Bytes, bool)>) -> message::HttpRequest<'q> {
    let request = &stream.request;
    let (body, partial) = body.map_or((None, false), |(body, partial)| (Some(body), *partial));
    let mut headers = headers(filter, request);
    if body.is_some() {
        headers.push(("x-envoy-auth-partial-body", if partial { b"true" } else { b"false" }));
    }
    message::HttpRequest {
        id: format!(
            "{}",
            stream.context.connection.id.wrapping_mul(1 << 20).wrapping_add(stream.context.requests.get().into())
        ),
        method: text(request.method.as_bytes()),
        headers,
        raw_headers: filter.config.raw_headers,
        path: text(&request.path),
        host: text(&request.authority),
        scheme: text(&request.scheme),
        // What came so far.
        size: i64::try_from(stream.info.bytes_received).unwrap_or(i64::MAX),
        protocol: request.protocol.as_str(),
        body: body.map_or(&[], |body| body),
        raw_body: filter.config.body.is_some_and(|settings| settings.as_bytes),
    }
}

/// The headers that are told, pseudo headers first. What a client claims of itself in our own name is not.
fn headers<'q>(filter: &ExtAuthz, request: &'q RequestHead) -> Vec<(&'q str, &'q [u8])> {
    let pseudo: [(&str, &[u8]); 4] = [
        (":authority", &request.authority),
        (":method", request.method.as_bytes()),
        (":path", &request.path),
        (":scheme", &request.scheme),
    ];
    let plain = request
        .headers
        .iter()
        .filter(|header| header.name != filter.names.partial_body)
        .map(|header| (header.name.as_str(), &header.value[..]));
    pseudo
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .chain(plain)
        .filter(|(name, _)| filter.tells(name))
        .collect()
}

/// What the request's metadata says of the namespaces that are told, plain and typed ones, else the connection's.
pub(in crate::http::filters) fn metadata<'q>(
    [plain, typed]: [&'q [Arc<str>]; 2],
    stream: &'q Stream<'_>,
    of_connection: &'q DynamicMetadata,
    told: &mut message::MetadataContext<'q>,
) {
    let of_request = &stream.info.metadata;
    for namespace in plain {
        if let Some(value) = of_request.get(namespace).or_else(|| of_connection.get(namespace)) {
            told.plain.push((namespace, value));
        }
    }
    for namespace in typed {
        if let Some(value) = of_request.typed(namespace).or_else(|| of_connection.typed(namespace)) {
            told.typed.push((namespace, (&value.type_url, &value.bytes)));
        }
    }
}

/// What the route's metadata says.
fn route_metadata<'q>(filter: &'q ExtAuthz, stream: &'q Stream<'_>, told: &mut message::MetadataContext<'q>) {
    let Some(chosen) = &stream.route else { return };
    for namespace in &filter.config.route_metadata {
        if let Some(value) = chosen.route.config.metadata.of_filter(namespace) {
            told.plain.push((namespace, value));
        }
    }
}

/// Text of octets; what is no text is not told.
fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap_or_default()
}
