//! `RetryPolicy` to plain data. Called for routes and virtual hosts; calls to services share its predicates.

use std::sync::Arc;
use std::time::Duration;

use super::{HostPredicate, RateLimitedBackOff, ResetHeader, RetryOn, RetryPolicy};
use crate::extension;
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::{
    self, extensions::retry::host::omit_host_metadata::v3::OmitHostMetadataConfig,
    extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig, route::v3 as pb, uint32,
};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

impl RetryOn {
    /// The conditions of a comma-separated list, of a policy or of a request's `x-envoy-retry-on`. Words that nobody knows are
    /// skipped, as Envoy does.
    pub fn parse(text: &str) -> RetryOn {
        let bits = text.split(',').map(|word| match word.trim() {
            "5xx" => RetryOn::SERVER_ERROR,
            "gateway-error" => RetryOn::GATEWAY_ERROR,
            "connect-failure" => RetryOn::CONNECT_FAILURE,
            "retriable-4xx" => RetryOn::RETRIABLE_4XX,
            "refused-stream" => RetryOn::REFUSED_STREAM,
            "retriable-status-codes" => RetryOn::STATUS_CODES,
            "retriable-headers" => RetryOn::RETRIABLE_HEADERS,
            "reset" => RetryOn::RESET,
            "reset-before-request" => RetryOn::RESET_BEFORE_REQUEST,
            "envoy-ratelimited" => RetryOn::ENVOY_RATELIMITED,
            "cancelled" => RetryOn::GRPC_CANCELLED,
            "deadline-exceeded" => RetryOn::GRPC_DEADLINE_EXCEEDED,
            "resource-exhausted" => RetryOn::GRPC_RESOURCE_EXHAUSTED,
            "unavailable" => RetryOn::GRPC_UNAVAILABLE,
            "internal" => RetryOn::GRPC_INTERNAL,
            _ => 0,
        });
        RetryOn(bits.fold(0, |all, bit| all | bit))
    }
}

/// A retry policy.
pub(crate) fn policy(at: &At<'_>, proto: &pb::RetryPolicy, options: &Options) -> Result<RetryPolicy, Rejection> {
    let (base_interval, max_interval) = back_off(&at.field("retry_back_off"), proto.retry_back_off.as_ref())?;
    if let Some(predicate) = proto.retry_options_predicates.first() {
        let at = at.field("retry_options_predicates");
        let type_url = predicate.typed_config.as_ref().map_or("", |any| &any.type_url);
        return Err(registry::not_registered(&at.index(0), &predicate.name, type_url));
    }
    let at_codes = at.field("retriable_status_codes");
    let codes = proto.retriable_status_codes.iter().enumerate();
    Ok(RetryPolicy {
        on: RetryOn::parse(&proto.retry_on),
        num_retries: uint32(&proto.num_retries).unwrap_or(1),
        per_try_timeout: proto::timeout(&at.field("per_try_timeout"), &proto.per_try_timeout, None)?,
        per_try_idle_timeout: proto::timeout(&at.field("per_try_idle_timeout"), &proto.per_try_idle_timeout, None)?,
        status_codes: codes.map(|(index, code)| status(&at_codes.index(index), *code)).collect::<Result<_, _>>()?,
        base_interval,
        max_interval,
        headers: matcher::decode::headers(&at.field("retriable_headers"), &proto.retriable_headers)?,
        request_headers: matcher::decode::headers(
            &at.field("retriable_request_headers"),
            &proto.retriable_request_headers,
        )?,
        rate_limited: rate_limited(
            &at.field("rate_limited_retry_back_off"),
            proto.rate_limited_retry_back_off.as_ref(),
        )?,
        predicates: host_predicates(&at.field("retry_host_predicate"), proto, options)?,
        host_selection_attempts: attempts(
            &at.field("host_selection_retry_max_attempts"),
            proto.host_selection_retry_max_attempts,
        )?,
        previous_priorities: previous_priorities(&at.field("retry_priority"), proto, options)?,
    })
}

fn status(at: &At<'_>, code: u32) -> Result<u16, Rejection> {
    u16::try_from(code)
        .ok()
        .filter(|code| (100..1000).contains(code))
        .ok_or_else(|| at.reject(format!("{code} is not a status code")))
}

fn attempts(at: &At<'_>, value: i64) -> Result<u32, Rejection> {
    match value {
        0 => Ok(1),
        value => u32::try_from(value).map_err(|_| at.reject(format!("{value} is not within 0 to 4294967295"))),
    }
}

/// Base 25 ms and ten times the base, unless told otherwise.
fn back_off(at: &At<'_>, proto: Option<&pb::retry_policy::RetryBackOff>) -> Result<(Duration, Duration), Rejection> {
    const DEFAULT: Duration = Duration::from_millis(25);
    let Some(proto) = proto else { return Ok((DEFAULT, DEFAULT * 10)) };
    field_rules::back_off(at, &proto.base_interval, &proto.max_interval, Duration::from_millis(1))
}

fn rate_limited(
    at: &At<'_>,
    proto: Option<&pb::retry_policy::RateLimitedRetryBackOff>,
) -> Result<Option<RateLimitedBackOff>, Rejection> {
    let Some(proto) = proto else { return Ok(None) };
    let at_headers = at.field("reset_headers");
    let header = |(index, header): (usize, &pb::retry_policy::ResetHeader)| {
        let at = at_headers.index(index);
        let format: pb::retry_policy::ResetHeaderFormat = proto::defined(&at.field("format"), header.format)?;
        Ok(ResetHeader {
            name: field_rules::header_name(&at.field("name"), &header.name)?,
            is_timestamp: format == pb::retry_policy::ResetHeaderFormat::UnixTimestamp,
        })
    };
    let max_interval = proto::positive(&at.field("max_interval"), &proto.max_interval)?;
    Ok(Some(RateLimitedBackOff {
        headers: proto.reset_headers.iter().enumerate().map(header).collect::<Result<_, Rejection>>()?,
        max_interval: max_interval.unwrap_or(Duration::from_secs(300)),
    }))
}

fn host_predicates(at: &At<'_>, proto: &pb::RetryPolicy, options: &Options) -> Result<Vec<HostPredicate>, Rejection> {
    use pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig;
    let one = |(index, predicate): (usize, &pb::retry_policy::RetryHostPredicate)| {
        let TypedConfig(any) = predicate.config_type.as_ref().ok_or_else(|| untyped(&at.index(index)))?;
        host_predicate(&at.index(index), &predicate.name, any, options)
    };
    proto.retry_host_predicate.iter().enumerate().map(one).collect()
}

/// The rejection of a predicate without a config.
pub(crate) fn untyped(at: &At<'_>) -> Rejection {
    at.field("typed_config").reject("is required and not set; set it")
}

/// One predicate of a `retry_host_predicate`.
pub(crate) fn host_predicate(
    at: &At<'_>,
    name: &str,
    any: &proto::wkt::Any,
    options: &Options,
) -> Result<HostPredicate, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open(&at, any)?;
    registry::inert(&at, Kind::Retry, name, &extension, options)?;
    match extension.type_name.rsplit('.').next() {
        Some("PreviousHostsPredicate") => Ok(HostPredicate::PreviousHosts),
        Some("OmitCanaryHostsPredicate") => Ok(HostPredicate::OmitCanaryHosts),
        Some("OmitHostMetadataConfig") => {
            let config: OmitHostMetadataConfig = extension.decode(&at, options)?;
            let metadata = proto::metadata(&config.metadata_match);
            let labels = metadata.of_filter("envoy.lb").and_then(serde_json::Value::as_object);
            let pair = |(key, value): (&String, &serde_json::Value)| (Arc::from(key.as_str()), value.clone());
            Ok(HostPredicate::OmitMetadata(labels.into_iter().flatten().map(pair).collect()))
        }
        // `retry_priority` is of the same kind of extension.
        _ => Err(registry::not_registered(&at, name, &extension.type_name)),
    }
}

fn previous_priorities(at: &At<'_>, proto: &pb::RetryPolicy, options: &Options) -> Result<Option<u32>, Rejection> {
    use pb::retry_policy::retry_priority::ConfigType::TypedConfig;
    let Some(priority) = &proto.retry_priority else { return Ok(None) };
    let Some(TypedConfig(any)) = &priority.config_type else { return Err(untyped(at)) };
    let at = at.field("typed_config");
    let extension = extension::open(&at, any)?;
    if !extension.type_name.ends_with(".PreviousPrioritiesConfig") {
        return Err(registry::not_registered(&at, &priority.name, &extension.type_name));
    }
    let config: PreviousPrioritiesConfig = extension.decode(&at, options)?;
    match u32::try_from(config.update_frequency) {
        Ok(frequency @ 1..) => Ok(Some(frequency)),
        _ => Err(at.field("update_frequency").reject("must be greater than 0")),
    }
}

#[cfg(test)]
mod tests;
