//! `http_health_check`: the request, and what its answer means. Called by [`super::ask`].

use bytes::Bytes;
use config::cluster::HttpCheck;
use config::route::{AppendAction, HeaderAdd};

use super::connection::Answer;
use super::state::{Failure, Found, Kind};
use super::stats::HealthStats;
use super::tcp::holds;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead};

/// The request. `host`: that of the endpoint, the check or the cluster; `tls`: the connection is encrypted.
pub fn request(check: &HttpCheck, host: &str, tls: bool) -> RequestHead {
    let mut headers = Headers::new();
    headers.append(Name::USER_AGENT, user_agent());
    for name in &check.remove {
        headers.remove(&Name::new(name));
    }
    add(&mut headers, &check.add);
    if !check.send.is_empty() {
        headers.set(Name::CONTENT_LENGTH, Bytes::from(check.send.len().to_string()));
    }
    let token = check.method.as_bytes();
    RequestHead {
        protocol: if check.http2 { Protocol::Http2 } else { Protocol::Http11 },
        method: Method::from_token(token, || Bytes::copy_from_slice(token)),
        path: Bytes::copy_from_slice(check.path.as_bytes()),
        about_server: false,
        authority: Bytes::copy_from_slice(host.as_bytes()),
        scheme: Bytes::from_static(if tls { b"https" } else { b"http" }),
        headers,
        body: if check.send.is_empty() { BodyLength::Empty } else { BodyLength::Exact(check.send.len() as u64) },
        upgrade: None,
        wire_size: 0,
    }
}

/// What checks call themselves.
pub fn user_agent() -> Bytes {
    Bytes::from_static(b"Envoy/HC")
}

/// Adds what the configuration adds. Operators print nothing: there is no request.
pub fn add(headers: &mut Headers, additions: &[HeaderAdd]) {
    for one in additions {
        let name = Name::new(&one.name);
        let mut value = Vec::new();
        for part in &one.value.parts {
            if let config::access_log::Part::Literal(text) = part {
                value.extend_from_slice(text.as_bytes());
            }
        }
        if value.is_empty() && !one.keep_empty {
            continue;
        }
        match one.action {
            AppendAction::AppendOrAdd => headers.append(name, value),
            AppendAction::OverwriteOrAdd => headers.set(name, value),
            AppendAction::AddIfAbsent if headers.contains(&name) => {}
            AppendAction::AddIfAbsent => headers.append(name, value),
            AppendAction::OverwriteIfExists if headers.contains(&name) => headers.set(name, value),
            AppendAction::OverwriteIfExists => {}
        }
    }
}

/// What an answer says of its endpoint.
pub fn judge(check: &HttpCheck, answer: &Answer, stats: &HealthStats) -> Found {
    let head = &answer.head;
    let is_in = |ranges: &[std::ops::Range<u16>]| ranges.iter().any(|range| range.contains(&head.status));
    let immediate = head.headers.contains(&Name::X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL);
    let failure = Failure { status: head.status, ..Failure::of(Kind::Active) };
    if !check.receive.is_empty() && !holds(&check.receive, &answer.body) {
        return Found::Ill(Failure { immediate, ..failure });
    }
    if !is_in(&check.expected) {
        return Found::Ill(Failure { immediate, retriable: is_in(&check.retriable), ..failure });
    }
    if let Some(matcher) = &check.service_name {
        stats.verify_cluster.inc();
        let name = head.headers.get(&Name::X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER);
        if !matcher.matches(name.map_or(b"", |name| &name[..])) {
            return Found::Ill(failure);
        }
    }
    Found::Well { degraded: head.headers.contains(&Name::X_ENVOY_DEGRADED) }
}
