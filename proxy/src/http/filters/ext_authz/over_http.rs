//! An authorizer that is asked in HTTP: the request that it gets, and what its answer means. Called by [`super`]. The authorizer sees the
//! request's method, host and path, and of its headers what `tells` says; never its framing.

use std::sync::Arc;

use bytes::Bytes;
use config::filters::ext_authz::HttpService;
use config::matcher::StringMatcher;
use config::route::HeaderChanges;
use config::services::{self, ext_authz as message};

use super::ExtAuthz;
use crate::call::{HttpCall, HttpReply};
use crate::http::stream::Stream;
use crate::mutate::Mutation;
use crate::telemetry::format;
use crate::wire::headers::{Headers, Name, NameSet};
use crate::wire::message::{BodyLength, Protocol, RequestHead};

/// An HTTP service, made ready.
#[derive(Debug)]
pub(super) struct HttpTarget {
    config: Arc<HttpService>,
    additions: Mutation,
}

/// What is between two hops, and what says how long a body is.
const OF_THE_HOP: NameSet = NameSet::of([
    Name::CONNECTION,
    Name::CONTENT_LENGTH,
    Name::EXPECT,
    Name::KEEP_ALIVE,
    Name::PROXY_CONNECTION,
    Name::TE,
    Name::TRANSFER_ENCODING,
    Name::UPGRADE,
]);

impl HttpTarget {
    pub(super) fn new(config: &Arc<HttpService>) -> HttpTarget {
        let changes = HeaderChanges { request_add: config.headers_to_add.clone(), ..HeaderChanges::default() };
        HttpTarget { config: config.clone(), additions: Mutation::compile(&changes) }
    }

    pub(super) fn config(&self) -> &HttpService {
        &self.config
    }
}

/// The question. `body` is what the service is told of it, and whether that is only its beginning.
pub(super) fn question(
    filter: &ExtAuthz,
    target: &HttpTarget,
    stream: &Stream<'_>,
    body: Option<&(Bytes, bool)>,
) -> HttpCall {
    let config = &*target.config;
    let request = &stream.request;
    let mut headers = told(filter, request);
    if let Some((_, partial)) = body {
        let partial = if *partial { &b"true"[..] } else { b"false" };
        headers.append(filter.names.partial_body.clone(), Bytes::from_static(partial));
    }
    let entry = stream.entry(None, None);
    let values = target.additions.request_values(|format, out| format::write(format, &entry, out));
    target.additions.apply_to_request(&mut headers, values);
    let body = body.map(|(body, _)| body.clone()).unwrap_or_default();
    // Said always, as by Envoy. After what is added: the length is not the operator's to say.
    headers.set(Name::CONTENT_LENGTH, body.len().to_string());
    let head = RequestHead {
        protocol: Protocol::Http11,
        method: request.method.clone(),
        path: path(config, &request.path),
        about_server: false,
        authority: request.authority.clone(),
        scheme: Bytes::from_static(b"http"),
        headers,
        body: if body.is_empty() { BodyLength::Empty } else { BodyLength::Exact(body.len() as u64) },
        upgrade: None,
        wire_size: 0,
    };
    HttpCall {
        timeout: config.uri.timeout,
        retry: config.retry.clone(),
        // As with Envoy the authorizer sees that of the client, where it is allowed, and nothing of ours.
        forwarded_for: false,
        ..HttpCall::new(&config.uri.cluster, head, body)
    }
}

fn path(config: &HttpService, path: &Bytes) -> Bytes {
    match (&config.path_override, &config.path_prefix) {
        (Some(all), _) => Bytes::copy_from_slice(all.as_bytes()),
        (None, Some(prefix)) => [prefix.as_bytes(), path].concat().into(),
        (None, None) => path.clone(),
    }
}

/// The headers of the request that are told, repeated ones as one unless they are told raw. What a client claims in our own name is not.
fn told(filter: &ExtAuthz, request: &RequestHead) -> Headers {
    let mut told = Headers::with_capacity(request.headers.len().min(8));
    told.doubt_unless(!request.headers.is_doubted());
    for header in request.headers.iter() {
        let name = &header.name;
        if *name == filter.names.partial_body || OF_THE_HOP.contains(name) || !filter.tells(name.as_str()) {
            continue;
        }
        if filter.config.raw_headers {
            told.push(header.clone());
            continue;
        }
        let value = match std::str::from_utf8(&header.value) {
            Ok(_) => header.value.clone(),
            Err(_) => services::sanitized(&header.value).into(),
        };
        let joined = told.get(name).map(|first| [&first[..], b",", &value].concat());
        told.set(name.clone(), joined.map_or(value, Bytes::from));
    }
    told
}

/// What the answer says.
pub(super) fn answer(config: &HttpService, reply: HttpReply) -> message::CheckResponse {
    let (status, headers) = (reply.head.status, &reply.head.headers);
    // A status that is none is no failure of a server; as with Envoy it denies, whatever failures may do.
    if (500..600).contains(&status) {
        return message::CheckResponse {
            verdict: message::Verdict::Failed(message::Denied::default()),
            metadata: None,
        };
    }
    let removed = Name::new("x-envoy-auth-headers-to-remove");
    let matching = |matchers: &[StringMatcher], append: bool| -> Vec<message::HeaderChange> {
        let matches = |name: &Name| matchers.iter().any(|matcher| matcher.matches(name.as_bytes()));
        let chosen = headers.iter().filter(|header| header.name != removed && matches(&header.name));
        chosen.map(|header| change(&header.name, &header.value, append)).collect()
    };
    let metadata = matching(&config.metadata_from_headers, false).into_iter();
    let metadata: serde_json::Map<_, _> =
        metadata.map(|one| (one.name, services::sanitized(&one.value).into())).collect();
    let verdict = if status == 200 {
        message::Verdict::Allowed(message::Allowed {
            headers: matching(&config.upstream_headers, false),
            add: matching(&config.upstream_headers_to_append, true),
            remove: headers.get_all(&removed).flat_map(names).collect(),
            response_headers: matching(&config.client_headers_on_success, true),
            ..message::Allowed::default()
        })
    } else {
        message::Verdict::Denied(message::Denied {
            status: Some(status),
            headers: of_denial(config, headers, &removed),
            body: reply.body,
        })
    };
    message::CheckResponse { verdict, metadata: (!metadata.is_empty()).then(|| Arc::new(metadata.into())) }
}

/// Headers of a denial that the client is to see: all of them, or those that are allowed and those that a refusal needs.
fn of_denial(config: &HttpService, headers: &Headers, removed: &Name) -> Vec<message::HeaderChange> {
    // The length is told to those who only look; a client gets its own.
    let needed = |name: &Name| {
        *name == Name::LOCATION || *name == Name::CONTENT_LENGTH || name.as_bytes() == b"www-authenticate"
    };
    let allowed = |name: &Name| {
        config.client_headers.is_empty()
            || needed(name)
            || config.client_headers.iter().any(|matcher| matcher.matches(name.as_bytes()))
    };
    let chosen = headers.iter().filter(|header| header.name != *removed && allowed(&header.name));
    chosen.map(|header| change(&header.name, &header.value, false)).collect()
}

fn change(name: &Name, value: &Bytes, append: bool) -> message::HeaderChange {
    message::HeaderChange { name: name.as_str().to_owned(), value: value.clone(), append: Some(append), action: None }
}

/// The names in a list that is separated by commas.
fn names(list: &Bytes) -> Vec<String> {
    let names = list.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect()
}
