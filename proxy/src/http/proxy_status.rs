//! `proxy-status` (RFC 9209): what went wrong here, for whoever gets the answer. Called by `respond` where `proxy_status_config` is there.

use bytes::Bytes;
use config::hcm::ProxyStatus;

use super::stream::Stream;
use crate::failure::ResponseFlags;
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

/// Errors by flags: the first that is set says it. With each the status that the RFC recommends for it.
const ERRORS: &[(ResponseFlags, &str, Option<u16>)] = &[
    (ResponseFlags::FAILED_LOCAL_HEALTH_CHECK, "destination_unavailable", Some(503)),
    (ResponseFlags::NO_HEALTHY_UPSTREAM, "destination_unavailable", Some(503)),
    (ResponseFlags::UPSTREAM_REQUEST_TIMEOUT, "http_response_timeout", Some(504)),
    (ResponseFlags::LOCAL_RESET, "connection_timeout", Some(504)),
    (ResponseFlags::UPSTREAM_REMOTE_RESET, "connection_terminated", Some(502)),
    (ResponseFlags::UPSTREAM_CONNECTION_FAILURE, "connection_refused", Some(502)),
    (ResponseFlags::UPSTREAM_CONNECTION_TERMINATION, "connection_terminated", Some(502)),
    (ResponseFlags::UPSTREAM_OVERFLOW, "connection_limit_reached", Some(503)),
    (ResponseFlags::NO_ROUTE_FOUND, "destination_not_found", Some(500)),
    (ResponseFlags::RATE_LIMITED, "connection_limit_reached", Some(503)),
    (ResponseFlags::RATELIMIT_SERVICE_ERROR, "connection_limit_reached", Some(503)),
    (ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED, "destination_unavailable", Some(503)),
    (ResponseFlags::STREAM_IDLE_TIMEOUT, "http_response_timeout", Some(504)),
    (ResponseFlags::INVALID_ENVOY_REQUEST_HEADERS, "http_request_error", None),
    (ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED, "http_response_timeout", Some(504)),
    (ResponseFlags::NO_FILTER_CONFIG_FOUND, "proxy_configuration_error", Some(500)),
    (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, "http_protocol_error", Some(502)),
    (ResponseFlags::NO_CLUSTER_FOUND, "destination_unavailable", Some(503)),
    (ResponseFlags::DNS_RESOLUTION_FAILED, "dns_error", Some(502)),
];

/// Adds the header, where something went wrong. What the client did wrong Envoy does not know yet when it answers.
pub(super) fn tell(config: &ProxyStatus, stream: &Stream<'_>, head: &mut ResponseHead) {
    let flags = stream.info.flags;
    let Some((_, error, status)) = ERRORS.iter().find(|(flag, ..)| flags.has(*flag)) else { return };
    let mut value = format!("{}; error={error}", config.name).into_bytes();
    if config.details
        && let Some(details) = &stream.info.response_code_details
    {
        value.extend_from_slice(b"; details=\"");
        escape(details, &mut value);
        if let Some(ended) = stream.info.connection_termination_details.as_ref().filter(|_| config.termination) {
            value.extend_from_slice(b"; ");
            escape(ended, &mut value);
        }
        if config.flags {
            value.extend_from_slice(b"; ");
            flags.write_short(&mut value);
        }
        value.push(b'"');
    }
    let theirs = head.headers.get_all(&Name::PROXY_STATUS).map(|value| &value[..]).collect::<Vec<_>>().join(&b", "[..]);
    if !theirs.is_empty() {
        value = [&theirs[..], b", ", &value].concat();
    }
    head.headers.set_said(Name::PROXY_STATUS, Bytes::from(value));
    if let (true, Some(status)) = (config.sets_status, status) {
        head.status = *status;
    }
}

/// As the text of a string in a header.
fn escape(text: &str, out: &mut Vec<u8>) {
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
            b'\r' | b'\n' | 0 => {}
            octet => out.push(octet),
        }
    }
}

#[cfg(test)]
mod tests;
