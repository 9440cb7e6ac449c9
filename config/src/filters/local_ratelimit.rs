//! `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`, which a chain and its routes hold alike. Called by the list of
//! filters.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::token_bucket::{TokenBucket, token_bucket};
use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, Fraction};
use crate::options::Options;
use crate::proto::{
    self, bool_or, core::v3::RuntimeFractionalPercent, extensions::common::ratelimit::v3 as common,
    extensions::filters::http::local_ratelimit::v3 as pb, route::v3 as route, uint32,
};
use crate::rate_limit::{self, RateLimit};
use crate::rejection::{At, Rejection};
use crate::route::{HeaderAdd, headers};
use crate::runtime::Live;

/// `LocalRateLimit`.
#[derive(Debug, Clone)]
pub struct LocalRateLimit {
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
    /// `status`; below 400 it is 429.
    pub status: u16,
    /// `token_bucket`; a chain may leave it to its routes.
    pub bucket: Option<TokenBucket>,
    /// `filter_enabled`; unset is never.
    pub enabled: Option<Live<Fraction>>,
    /// `filter_enforced`; unset is never.
    pub enforced: Option<Live<Fraction>>,
    /// `request_headers_to_add_when_not_enforced`.
    pub request_headers: Vec<HeaderAdd>,
    /// `response_headers_to_add`, on the answer to a request that is limited.
    pub response_headers: Vec<HeaderAdd>,
    /// `descriptors`.
    pub descriptors: Vec<Descriptor>,
    /// `stage` of the route's limits that are looked at.
    pub stage: u32,
    /// `local_rate_limit_per_downstream_connection`.
    pub per_connection: bool,
    /// `enable_x_ratelimit_headers`.
    pub x_ratelimit_headers: bool,
    /// `local_cluster_rate_limit`: the tokens are for all members of this cluster together.
    pub share_of: Option<Arc<str>>,
    /// `vh_rate_limits`.
    pub virtual_host: VirtualHostLimits,
    /// `always_consume_default_token_bucket`; default true.
    pub always_consume_default: bool,
    /// `rate_limited_as_resource_exhausted`: gRPC clients get that status.
    pub resource_exhausted: bool,
    /// `rate_limits`: in place of those of the route.
    pub rate_limits: Vec<RateLimit>,
    /// `max_dynamic_descriptors`, for entries without a value; default 20.
    pub max_dynamic_descriptors: u32,
    /// `enable_retry_after_header`.
    pub retry_after: bool,
}

/// `LocalRateLimitDescriptor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Keys and values; an empty value is any, each with a bucket of its own.
    pub entries: Vec<(Arc<str>, Arc<str>)>,
    /// Its bucket.
    pub bucket: TokenBucket,
    /// `shadow_mode`: counted and not enforced.
    pub shadow: bool,
}

/// `vh_rate_limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtualHostLimits {
    /// Where the route has none.
    Override,
    /// Beside the route's.
    Include,
    /// Never.
    Ignore,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<LocalRateLimit, Rejection> {
    local_ratelimit(at, &extension.decode(at, options)?, options)
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<LocalRateLimit, Rejection> {
    let limit = decode(at, extension, options)?;
    match limit.bucket {
        Some(_) => Ok(limit),
        None => {
            Err(at.field("token_bucket").reject("local rate limit token bucket must be set for per filter configs"))
        }
    }
}

fn local_ratelimit(at: &At<'_>, proto: &pb::LocalRateLimit, options: &Options) -> Result<LocalRateLimit, Rejection> {
    use common::{VhRateLimitsOptions as Hosts, XRateLimitHeadersRfcVersion as Version};
    let at_share = at.field("local_cluster_rate_limit");
    let share_of = match (&proto.local_cluster_rate_limit, &options.local_cluster) {
        (None, _) => None,
        (Some(_), _) if proto.local_rate_limit_per_downstream_connection => {
            return Err(at_share.reject("may not stand beside local_rate_limit_per_downstream_connection"));
        }
        (Some(_), None) => {
            return Err(at_share.reject(
                "is set but no local cluster name is present; set cluster_manager.local_cluster_name in the bootstrap",
            ));
        }
        (Some(_), Some(name)) => Some(name.clone()),
    };
    field_rules::within(&at.field("stage"), u64::from(proto.stage), 0, 10)?;
    let fraction = |field: &str, value: &Option<RuntimeFractionalPercent>| {
        value.as_ref().map(|one| matcher::decode::fraction_at(&at.field(field), one, options)).transpose()
    };
    let version = proto::defined::<Version>(&at.field("enable_x_ratelimit_headers"), proto.enable_x_ratelimit_headers)?;
    let max_dynamic_descriptors = uint32(&proto.max_dynamic_descriptors).unwrap_or(20);
    if max_dynamic_descriptors == 0 {
        return Err(at.field("max_dynamic_descriptors").reject("must be at least 1"));
    }
    let bucket = proto.token_bucket.as_ref().map(|one| token_bucket(&at.field("token_bucket"), one)).transpose()?;
    Ok(LocalRateLimit {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        status: field_rules::http_status(&at.field("status"), &proto.status)?
            .filter(|status| *status >= 400)
            .unwrap_or(429),
        bucket,
        enabled: fraction("filter_enabled", &proto.filter_enabled)?,
        enforced: fraction("filter_enforced", &proto.filter_enforced)?,
        request_headers: headers::additions(
            &at.field("request_headers_to_add_when_not_enforced"),
            &proto.request_headers_to_add_when_not_enforced,
            10,
        )?,
        response_headers: headers::additions(&at.field("response_headers_to_add"), &proto.response_headers_to_add, 10)?,
        descriptors: descriptors(&at.field("descriptors"), &proto.descriptors)?,
        stage: proto.stage,
        per_connection: proto.local_rate_limit_per_downstream_connection,
        share_of,
        x_ratelimit_headers: version == Version::DraftVersion03,
        virtual_host: match proto::defined::<Hosts>(&at.field("vh_rate_limits"), proto.vh_rate_limits)? {
            Hosts::Override => VirtualHostLimits::Override,
            Hosts::Include => VirtualHostLimits::Include,
            Hosts::Ignore => VirtualHostLimits::Ignore,
        },
        always_consume_default: bool_or(&proto.always_consume_default_token_bucket, true),
        resource_exhausted: proto.rate_limited_as_resource_exhausted,
        rate_limits: rate_limits(&at.field("rate_limits"), &proto.rate_limits, options)?,
        max_dynamic_descriptors,
        retry_after: proto.enable_retry_after_header,
    })
}

/// Those that count at the end of a request limit none here: there is no service that would hear of them.
fn rate_limits(at: &At<'_>, list: &[route::RateLimit], options: &Options) -> Result<Vec<RateLimit>, Rejection> {
    let mut limits = rate_limit::of_filter(at, list, options)?;
    if limits.iter().any(|limit| limit.on_stream_done) {
        options.note(at, "apply_on_stream_done limits nothing in this filter");
    }
    limits.retain(|limit| !limit.on_stream_done);
    Ok(limits)
}

fn descriptors(at: &At<'_>, list: &[common::LocalRateLimitDescriptor]) -> Result<Vec<Descriptor>, Rejection> {
    let mut seen = BTreeSet::new();
    let mut descriptors = Vec::with_capacity(list.len());
    for (index, proto) in list.iter().enumerate() {
        let at = at.index(index);
        let at_entries = at.field("entries");
        field_rules::at_least_one(&at_entries, &proto.entries)?;
        let mut entries = Vec::with_capacity(proto.entries.len());
        for (index, entry) in proto.entries.iter().enumerate() {
            let at = at_entries.index(index);
            entries.push((field_rules::not_empty(&at.field("key"), &entry.key)?, Arc::from(entry.value.as_str())));
        }
        if !seen.insert(entries.clone()) {
            return Err(at_entries.reject("duplicate descriptor in the local rate descriptor; take one out"));
        }
        let at_bucket = at.field("token_bucket");
        let bucket = token_bucket(&at_bucket, field_rules::required(&at_bucket, &proto.token_bucket)?)?;
        descriptors.push(Descriptor { entries, bucket, shadow: proto.shadow_mode });
    }
    Ok(descriptors)
}
