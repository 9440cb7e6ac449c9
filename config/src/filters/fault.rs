//! `envoy.extensions.filters.http.fault.v3.HTTPFault`, which a chain and its routes hold alike. Called by the list of filters.

use std::sync::Arc;
use std::time::Duration;

use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, Fraction, HeaderMatcher};
use crate::options::Options;
use crate::proto::{
    self, extensions::filters::common::fault::v3 as common, extensions::filters::http::fault::v3 as pb,
    types::v3::FractionalPercent, uint32,
};
use crate::rejection::{At, Rejection};

/// `HTTPFault`.
#[derive(Debug, Clone)]
pub struct Fault {
    /// `delay`.
    pub delay: Option<Delay>,
    /// `abort`.
    pub abort: Option<Abort>,
    /// `response_rate_limit`.
    pub response_rate_limit: Option<RateLimit>,
    /// `upstream_cluster`: only requests that are routed there.
    pub upstream_cluster: Option<Arc<str>>,
    /// `headers`: only requests that all of these match.
    pub headers: Vec<HeaderMatcher>,
    /// `downstream_nodes`: only requests whose `x-envoy-downstream-service-node` is one of these; empty: any.
    pub downstream_nodes: Vec<Arc<str>>,
    /// `max_active_faults`.
    pub max_active_faults: Option<u32>,
    /// `disable_downstream_cluster_stats`.
    pub disable_downstream_cluster_stats: bool,
    /// `filter_metadata`: dynamic metadata of requests that a fault meets.
    pub metadata: Option<Arc<serde_json::Value>>,
}

/// `FaultDelay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// `fixed_delay`; `None`: the request's header says how long.
    pub fixed: Option<Duration>,
    /// `percentage`.
    pub percentage: Fraction,
}

/// `FaultAbort`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// With what.
    pub with: AbortWith,
    /// `percentage`.
    pub percentage: Fraction,
    /// `response_body`; unset: Envoy's own words.
    pub body: Option<Arc<str>>,
}

/// `FaultAbort.error_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortWith {
    /// `http_status`, 200 to 599.
    Http(u16),
    /// `grpc_status`.
    Grpc(u32),
    /// `header_abort`: the request's headers say.
    Header,
}

/// `FaultRateLimit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// `fixed_limit.limit_kbps`, in KiB a second; `None`: the request's header says.
    pub kib_per_second: Option<u64>,
    /// `percentage`.
    pub percentage: Fraction,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Fault, Rejection> {
    let proto: pb::HttpFault = extension.decode(at, options)?;
    for (field, key) in [
        ("delay_percent_runtime", &proto.delay_percent_runtime),
        ("abort_percent_runtime", &proto.abort_percent_runtime),
        ("delay_duration_runtime", &proto.delay_duration_runtime),
        ("abort_http_status_runtime", &proto.abort_http_status_runtime),
        ("max_active_faults_runtime", &proto.max_active_faults_runtime),
        ("response_rate_limit_percent_runtime", &proto.response_rate_limit_percent_runtime),
        ("abort_grpc_status_runtime", &proto.abort_grpc_status_runtime),
    ] {
        field_rules::note_runtime_key(&at.field(field), key, options);
    }
    let metadata = proto.filter_metadata.as_ref();
    Ok(Fault {
        delay: proto.delay.as_ref().map(|one| delay(&at.field("delay"), one)).transpose()?,
        abort: proto.abort.as_ref().map(|one| abort(&at.field("abort"), one)).transpose()?,
        response_rate_limit: proto
            .response_rate_limit
            .as_ref()
            .map(|one| rate_limit(&at.field("response_rate_limit"), one))
            .transpose()?,
        upstream_cluster: proto::text(&proto.upstream_cluster),
        headers: matcher::decode::headers(&at.field("headers"), &proto.headers)?,
        downstream_nodes: proto.downstream_nodes.iter().map(|node| Arc::from(node.as_str())).collect(),
        max_active_faults: uint32(&proto.max_active_faults),
        disable_downstream_cluster_stats: proto.disable_downstream_cluster_stats,
        metadata: metadata
            .filter(|metadata| !metadata.fields.is_empty())
            .map(|metadata| Arc::new(proto::struct_to_json(metadata))),
    })
}

pub(super) use decode as scoped;

fn delay(at: &At<'_>, proto: &common::FaultDelay) -> Result<Delay, Rejection> {
    use common::fault_delay::FaultDelaySecifier as Kind;
    let fixed = match &proto.fault_delay_secifier {
        None => return Err(at.reject("has no delay; give fixed_delay or header_delay")),
        Some(Kind::FixedDelay(fixed)) => proto::positive(&at.field("fixed_delay"), &Some(*fixed))?,
        Some(Kind::HeaderDelay(_)) => None,
    };
    Ok(Delay { fixed, percentage: percentage(at, &proto.percentage)? })
}

fn abort(at: &At<'_>, proto: &pb::FaultAbort) -> Result<Abort, Rejection> {
    use pb::fault_abort::ErrorType;
    let with = match &proto.error_type {
        None => return Err(at.reject("has no error; give http_status, grpc_status or header_abort")),
        Some(ErrorType::HttpStatus(status)) => {
            field_rules::within(&at.field("http_status"), u64::from(*status), 200, 599)?;
            // Within 200 to 599 by the test above.
            AbortWith::Http(*status as u16)
        }
        Some(ErrorType::GrpcStatus(status)) => AbortWith::Grpc(*status),
        Some(ErrorType::HeaderAbort(_)) => AbortWith::Header,
    };
    Ok(Abort { with, percentage: percentage(at, &proto.percentage)?, body: proto::text(&proto.response_body) })
}

fn rate_limit(at: &At<'_>, proto: &common::FaultRateLimit) -> Result<RateLimit, Rejection> {
    use common::fault_rate_limit::LimitType;
    let kib_per_second = match &proto.limit_type {
        None => return Err(at.reject("has no limit; give fixed_limit or header_limit")),
        Some(LimitType::FixedLimit(fixed)) if fixed.limit_kbps == 0 => {
            return Err(at.field("fixed_limit").field("limit_kbps").reject("must be at least 1"));
        }
        Some(LimitType::FixedLimit(fixed)) => Some(fixed.limit_kbps),
        Some(LimitType::HeaderLimit(_)) => None,
    };
    Ok(RateLimit { kib_per_second, percentage: percentage(at, &proto.percentage)? })
}

/// Unset is never, as in Envoy.
fn percentage(at: &At<'_>, proto: &Option<FractionalPercent>) -> Result<Fraction, Rejection> {
    match proto {
        Some(percentage) => matcher::decode::fraction(&at.field("percentage"), percentage),
        None => Ok(Fraction { numerator: 0, denominator: 100 }),
    }
}
