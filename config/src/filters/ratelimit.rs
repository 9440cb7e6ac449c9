//! `envoy.extensions.filters.http.ratelimit.v3.RateLimit` and `RateLimitPerRoute`. Called by the list of filters. The messages of its
//! service are in [`crate::services::ratelimit`].

use std::sync::Arc;

use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, Fraction};
use crate::options::Options;
use crate::proto::{self, core::v3::RuntimeFractionalPercent, extensions::filters::http::ratelimit::v3 as pb};
use crate::rate_limit;
use crate::rejection::{At, Rejection};
use crate::route::{HeaderAdd, headers};
use crate::runtime::Live;
use crate::services::{GrpcService, ratelimit as service};

pub use super::local_ratelimit::VirtualHostLimits;

/// `RateLimit`.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// `domain`.
    pub domain: Arc<str>,
    /// `stage` of the route's limits that are looked at.
    pub stage: u32,
    /// `request_type`; `None` is all of them.
    pub internal: Option<bool>,
    /// `rate_limit_service`, with `timeout` (default 20 ms).
    pub service: Arc<GrpcService>,
    /// `failure_mode_deny_percent`, else all or none as `failure_mode_deny` says: the share that is refused without an answer.
    pub deny_on_failure: Live<Fraction>,
    /// `rate_limited_as_resource_exhausted`: gRPC clients get that status.
    pub resource_exhausted: bool,
    /// `enable_x_ratelimit_headers`.
    pub x_ratelimit_headers: bool,
    /// `disable_x_envoy_ratelimited_header` is not set.
    pub x_envoy_ratelimited: bool,
    /// `rate_limited_status`; below 400 it is 429.
    pub status: u16,
    /// `response_headers_to_add`, on the answer to a request that is limited.
    pub response_headers: Vec<HeaderAdd>,
    /// `status_on_error`; default 500.
    pub status_on_error: u16,
    /// `stat_prefix`: a part of the names of statistics.
    pub stat_prefix: Option<Arc<str>>,
    /// `filter_enabled`; unset is always.
    pub enabled: Option<Live<Fraction>>,
    /// `filter_enforced`; unset is always.
    pub enforced: Option<Live<Fraction>>,
    /// `rate_limits`: in place of those of routes.
    pub rate_limits: Vec<rate_limit::RateLimit>,
    /// `metadata_namespace`.
    pub metadata_namespace: Arc<str>,
    /// `enable_retry_after_header`.
    pub retry_after: bool,
}

/// `RateLimitPerRoute`.
#[derive(Debug, Clone)]
pub struct RateLimitPerRoute {
    /// `vh_rate_limits`.
    pub virtual_host: VirtualHostLimits,
    /// `rate_limits`: in place of all others.
    pub rate_limits: Vec<rate_limit::RateLimit>,
    /// `domain`, in place of the filter's.
    pub domain: Option<Arc<str>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<RateLimit, Rejection> {
    use pb::rate_limit::XRateLimitHeadersRfcVersion as Version;
    let proto: pb::RateLimit = extension.decode(at, options)?;
    field_rules::within(&at.field("stage"), u64::from(proto.stage), 0, 10)?;
    let fraction = |field: &str, value: &Option<RuntimeFractionalPercent>| {
        value.as_ref().map(|one| matcher::decode::fraction_at(&at.field(field), one, options)).transpose()
    };
    let timeout = service::timeout(&at.field("timeout"), &proto.timeout)?;
    let version = proto::defined::<Version>(&at.field("enable_x_ratelimit_headers"), proto.enable_x_ratelimit_headers)?;
    let all_or_none = Live::from(Fraction { numerator: u32::from(proto.failure_mode_deny), denominator: 1 });
    let status = field_rules::http_status(&at.field("rate_limited_status"), &proto.rate_limited_status)?;
    Ok(RateLimit {
        domain: field_rules::not_empty(&at.field("domain"), &proto.domain)?,
        stage: proto.stage,
        internal: match proto.request_type.as_str() {
            "" | "both" => None,
            "internal" => Some(true),
            "external" => Some(false),
            other => {
                let at = at.field("request_type");
                return Err(at.reject(format!("{other:?} is none of internal, external and both")));
            }
        },
        service: Arc::new(service::service(
            &at.field("rate_limit_service"),
            &proto.rate_limit_service,
            timeout,
            options,
        )?),
        deny_on_failure: fraction("failure_mode_deny_percent", &proto.failure_mode_deny_percent)?
            .unwrap_or(all_or_none),
        resource_exhausted: proto.rate_limited_as_resource_exhausted,
        x_ratelimit_headers: version == Version::DraftVersion03,
        x_envoy_ratelimited: !proto.disable_x_envoy_ratelimited_header,
        status: status.filter(|status| *status >= 400).unwrap_or(429),
        response_headers: headers::additions(&at.field("response_headers_to_add"), &proto.response_headers_to_add, 10)?,
        status_on_error: field_rules::http_status(&at.field("status_on_error"), &proto.status_on_error)?.unwrap_or(500),
        stat_prefix: proto::text(&proto.stat_prefix),
        enabled: fraction("filter_enabled", &proto.filter_enabled)?,
        enforced: fraction("filter_enforced", &proto.filter_enforced)?,
        rate_limits: rate_limit::of_filter(&at.field("rate_limits"), &proto.rate_limits, options)?,
        metadata_namespace: proto::text(&proto.metadata_namespace)
            .unwrap_or_else(|| Arc::from("envoy.filters.http.ratelimit")),
        retry_after: proto.enable_retry_after_header,
    })
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<RateLimitPerRoute, Rejection> {
    use pb::rate_limit_per_route::{OverrideOptions, VhRateLimitsOptions as Hosts};
    let proto: pb::RateLimitPerRoute = extension.decode(at, options)?;
    proto::defined::<OverrideOptions>(&at.field("override_option"), proto.override_option)?;
    Ok(RateLimitPerRoute {
        virtual_host: match proto::defined::<Hosts>(&at.field("vh_rate_limits"), proto.vh_rate_limits)? {
            Hosts::Override => VirtualHostLimits::Override,
            Hosts::Include => VirtualHostLimits::Include,
            Hosts::Ignore => VirtualHostLimits::Ignore,
        },
        rate_limits: rate_limit::of_filter(&at.field("rate_limits"), &proto.rate_limits, options)?,
        domain: proto::text(&proto.domain),
    })
}
