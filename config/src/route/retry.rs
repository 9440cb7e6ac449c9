//! `RetryPolicy` to plain data. Called for routes and virtual hosts.

use std::time::Duration;

use super::{RetryOn, RetryPolicy};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{
    self, extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig, route::v3 as pb, uint32,
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
pub(super) fn policy(at: &At<'_>, proto: &pb::RetryPolicy, options: &Options) -> Result<RetryPolicy, Rejection> {
    let (base_interval, max_interval) = back_off(&at.field("retry_back_off"), proto.retry_back_off.as_ref())?;
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
        avoid_previous_hosts: previous_hosts(&at.field("retry_host_predicate"), proto, options)?,
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
    let at_base = at.field("base_interval");
    let base = proto::positive(&at_base, &proto.base_interval)?;
    let base = (*field_rules::required(&at_base, &base)?).max(Duration::from_millis(1));
    let max = proto::positive(&at.field("max_interval"), &proto.max_interval)?;
    let max = max.unwrap_or_else(|| base.saturating_mul(10));
    if max < base {
        return Err(at.field("max_interval").reject("must be greater than or equal to the base_interval"));
    }
    Ok((base, max))
}

fn previous_hosts(at: &At<'_>, proto: &pb::RetryPolicy, options: &Options) -> Result<bool, Rejection> {
    use pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig;
    let mut found = false;
    for (index, predicate) in proto.retry_host_predicate.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("typed_config");
        let Some(TypedConfig(any)) = &predicate.config_type else {
            return Err(at.reject("is required and not set; set it"));
        };
        let extension = extension::open(&at, any)?;
        registry::inert(&at, Kind::Retry, &predicate.name, &extension, options)?;
        found |= extension.type_name.ends_with(".PreviousHostsPredicate");
    }
    Ok(found)
}

fn previous_priorities(at: &At<'_>, proto: &pb::RetryPolicy, options: &Options) -> Result<Option<u32>, Rejection> {
    use pb::retry_policy::retry_priority::ConfigType::TypedConfig;
    let Some(priority) = &proto.retry_priority else { return Ok(None) };
    let at = at.field("typed_config");
    let Some(TypedConfig(any)) = &priority.config_type else {
        return Err(at.reject("is required and not set; set it"));
    };
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
