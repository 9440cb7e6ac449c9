//! `envoy.service.ratelimit.v3`: what a rate limit service is asked, and what it says; and the config that names the service. Called by
//! the `ratelimit` filters, which know nothing of protobuf. An answer that cannot be read is a failure of the service.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;

use super::GrpcService;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{
    self, core::v3 as core, core::v3::ApiVersion, envoy::config::ratelimit::v3::RateLimitServiceConfig,
    envoy::extensions::common::ratelimit::v3 as common, envoy::service::ratelimit::v3 as pb, wkt,
};
use crate::rate_limit::Unit;
use crate::rejection::{At, Rejection};

/// The method of the service.
pub const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// `RateLimitRequest`.
#[derive(Debug, Default)]
pub struct Question<'a> {
    /// `domain`.
    pub domain: &'a str,
    /// `hits_addend`, of descriptors that have none of their own; 0 is one.
    pub hits: u32,
    /// `descriptors`.
    pub descriptors: Vec<Descriptor<'a>>,
}

/// `RateLimitDescriptor`.
#[derive(Debug, Default)]
pub struct Descriptor<'a> {
    /// `entries`; octets that are no text are told as `!`.
    pub entries: Vec<(&'a [u8], &'a [u8])>,
    /// `limit`.
    pub limit: Option<(u32, Unit)>,
    /// `hits_addend`.
    pub hits: Option<u64>,
    /// `is_negative_hits`.
    pub negative: bool,
}

/// `RateLimitResponse`.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// `overall_code` is `OVER_LIMIT`. One that says nothing limits nothing, as with Envoy.
    pub over_limit: bool,
    /// `statuses`.
    pub statuses: Vec<Status>,
    /// `response_headers_to_add`, as they came.
    pub response_headers: Vec<(String, Bytes)>,
    /// `request_headers_to_add`, as they came.
    pub request_headers: Vec<(String, Bytes)>,
    /// `raw_body`.
    pub body: Bytes,
    /// `dynamic_metadata`, an object that is not empty.
    pub metadata: Option<Arc<Value>>,
}

/// `DescriptorStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `code` is `OVER_LIMIT`.
    pub over_limit: bool,
    /// `current_limit`.
    pub limit: Option<Limit>,
    /// `limit_remaining`.
    pub remaining: u32,
    /// `duration_until_reset`.
    pub until_reset: Option<Duration>,
}

/// `RateLimitResponse.RateLimit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limit {
    /// `name`.
    pub name: String,
    /// `requests_per_unit`.
    pub requests: u32,
    /// `unit` in seconds; `None` where it is not known.
    pub window: Option<u32>,
}

/// The bytes of a question.
pub fn encode(question: &Question<'_>) -> Vec<u8> {
    pb::RateLimitRequest {
        domain: question.domain.to_owned(),
        descriptors: question.descriptors.iter().map(descriptor).collect(),
        hits_addend: question.hits,
    }
    .encode_to_vec()
}

fn descriptor(descriptor: &Descriptor<'_>) -> common::RateLimitDescriptor {
    use common::rate_limit_descriptor::{Entry, RateLimitOverride};
    let entry = |(key, value): &(&[u8], &[u8])| Entry { key: proto::sanitized(key), value: proto::sanitized(value) };
    common::RateLimitDescriptor {
        entries: descriptor.entries.iter().map(entry).collect(),
        limit: descriptor.limit.map(|(requests_per_unit, unit)| RateLimitOverride { requests_per_unit, unit: unit.0 }),
        hits_addend: descriptor.hits.map(|value| wkt::UInt64Value { value }),
        is_negative_hits: descriptor.negative,
    }
}

/// The answer in these bytes.
///
/// # Errors
/// Bytes that are no answer.
pub fn decode(bytes: &[u8]) -> Result<Answer, Rejection> {
    let proto: pb::RateLimitResponse = proto::message(bytes, &At::root())?;
    let metadata = proto.dynamic_metadata.filter(|metadata| !metadata.fields.is_empty());
    Ok(Answer {
        over_limit: proto.overall_code == pb::rate_limit_response::Code::OverLimit as i32,
        statuses: proto.statuses.into_iter().map(status).collect(),
        response_headers: proto.response_headers_to_add.into_iter().map(header).collect(),
        request_headers: proto.request_headers_to_add.into_iter().map(header).collect(),
        body: Bytes::from(proto.raw_body),
        metadata: metadata.map(|metadata| Arc::new(proto::struct_to_json(&metadata))),
    })
}

fn header(header: core::HeaderValue) -> (String, Bytes) {
    let value = if header.value.is_empty() { Bytes::from(header.raw_value) } else { Bytes::from(header.value) };
    (header.key, value)
}

fn status(status: pb::rate_limit_response::DescriptorStatus) -> Status {
    let seconds = |duration: wkt::Duration| {
        let seconds = u64::try_from(duration.seconds).unwrap_or(0);
        Duration::new(seconds, u32::try_from(duration.nanos).unwrap_or(0).min(999_999_999))
    };
    Status {
        over_limit: status.code == pb::rate_limit_response::Code::OverLimit as i32,
        limit: status.current_limit.map(|limit| Limit {
            window: window(limit.unit()),
            requests: limit.requests_per_unit,
            name: limit.name,
        }),
        remaining: status.limit_remaining,
        until_reset: status.duration_until_reset.map(seconds),
    }
}

fn window(unit: pb::rate_limit_response::rate_limit::Unit) -> Option<u32> {
    use pb::rate_limit_response::rate_limit::Unit;
    const DAY: u32 = 24 * 60 * 60;
    Some(match unit {
        Unit::Unknown => return None,
        Unit::Second => 1,
        Unit::Minute => 60,
        Unit::Hour => 60 * 60,
        Unit::Day => DAY,
        Unit::Week => 7 * DAY,
        Unit::Month => 30 * DAY,
        Unit::Year => 365 * DAY,
    })
}

/// `RateLimitServiceConfig`, with the timeout of the filter that names it.
pub(crate) fn service(
    at: &At<'_>,
    proto: &Option<RateLimitServiceConfig>,
    timeout: Option<Duration>,
    options: &Options,
) -> Result<GrpcService, Rejection> {
    let proto = field_rules::required(at, proto)?;
    let at_version = at.field("transport_api_version");
    if proto::defined::<ApiVersion>(&at_version, proto.transport_api_version)? == ApiVersion::V2 {
        return Err(at_version.reject("the v2 API is gone; give V3"));
    }
    let at_service = at.field("grpc_service");
    let proto = field_rules::required(&at_service, &proto.grpc_service)?;
    Ok(GrpcService { timeout, ..super::grpc_service(&at_service, proto, options)? })
}

/// `timeout` of a filter; 0 is never.
pub(crate) fn timeout(at: &At<'_>, proto: &Option<wkt::Duration>) -> Result<Option<Duration>, Rejection> {
    proto::timeout(at, proto, Some(Duration::from_millis(20)))
}

#[cfg(test)]
mod tests;
