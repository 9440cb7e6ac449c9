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
use crate::runtime::{Key, Value};

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
    /// What the runtime says instead.
    pub most_of_runtime: Key<u64>,
    /// `disable_downstream_cluster_stats`.
    pub disable_downstream_cluster_stats: bool,
    /// `filter_metadata`: dynamic metadata of requests that a fault meets.
    pub metadata: Option<Arc<serde_json::Value>>,
}

/// What the runtime says in place of a share, whether that is fixed or asked for by headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// `percentage`.
    pub percentage: Fraction,
    /// The runtime's; headers do not lower it.
    pub of_runtime: Key<Fraction>,
}

/// `FaultDelay`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delay {
    /// `fixed_delay`; `None`: the request's header says how long.
    pub fixed: Option<Duration>,
    /// What the runtime says instead, of a delay that there is.
    pub of_runtime: Key<Duration>,
    /// Of how many requests.
    pub share: Share,
}

/// `FaultAbort`.
#[derive(Debug, Clone, PartialEq)]
pub struct Abort {
    /// With what.
    pub with: AbortWith,
    /// The status that the runtime has in place of one of HTTP.
    pub http_of_runtime: Key<u16>,
    /// And in place of one of gRPC.
    pub grpc_of_runtime: Key<u32>,
    /// Of how many requests.
    pub share: Share,
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
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimit {
    /// `fixed_limit.limit_kbps`, in KiB a second; `None`: the request's header says.
    pub kib_per_second: Option<u64>,
    /// Of how many requests.
    pub share: Share,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Fault, Rejection> {
    let proto: pb::HttpFault = extension.decode(at, options)?;
    let runtime = Keys { fault: &proto, options };
    let metadata = proto.filter_metadata.as_ref();
    Ok(Fault {
        delay: proto.delay.as_ref().map(|one| delay(&at.field("delay"), one, &runtime)).transpose()?,
        abort: proto.abort.as_ref().map(|one| abort(&at.field("abort"), one, &runtime)).transpose()?,
        response_rate_limit: proto
            .response_rate_limit
            .as_ref()
            .map(|one| rate_limit(&at.field("response_rate_limit"), one, &runtime))
            .transpose()?,
        upstream_cluster: proto::text(&proto.upstream_cluster),
        headers: matcher::decode::headers(&at.field("headers"), &proto.headers)?,
        downstream_nodes: proto.downstream_nodes.iter().map(|node| Arc::from(node.as_str())).collect(),
        max_active_faults: uint32(&proto.max_active_faults),
        most_of_runtime: runtime.key(&proto.max_active_faults_runtime, "fault.http.max_active_faults"),
        disable_downstream_cluster_stats: proto.disable_downstream_cluster_stats,
        metadata: metadata
            .filter(|metadata| !metadata.fields.is_empty())
            .map(|metadata| Arc::new(proto::struct_to_json(metadata))),
    })
}

pub(super) use decode as scoped;

/// The runtime's say, under keys of its own where the filter names none.
struct Keys<'k> {
    fault: &'k pb::HttpFault,
    options: &'k Options,
}

impl Keys<'_> {
    fn key<T: Value>(&self, key: &str, default: &str) -> Key<T> {
        self.options.runtime.key(if key.is_empty() { default } else { key })
    }

    /// Unset is never, as in Envoy.
    fn share(
        &self,
        at: &At<'_>,
        percentage: &Option<FractionalPercent>,
        key: &str,
        default: &str,
    ) -> Result<Share, Rejection> {
        let percentage = match percentage {
            Some(percentage) => matcher::decode::fraction(&at.field("percentage"), percentage)?,
            None => Fraction { numerator: 0, denominator: 100 },
        };
        Ok(Share { percentage, of_runtime: self.key(key, default) })
    }
}

fn delay(at: &At<'_>, proto: &common::FaultDelay, runtime: &Keys<'_>) -> Result<Delay, Rejection> {
    use common::fault_delay::FaultDelaySecifier as Kind;
    let fixed = match &proto.fault_delay_secifier {
        None => return Err(at.reject("has no delay; give fixed_delay or header_delay")),
        Some(Kind::FixedDelay(fixed)) => proto::positive(&at.field("fixed_delay"), &Some(*fixed))?,
        Some(Kind::HeaderDelay(_)) => None,
    };
    let key = &runtime.fault.delay_percent_runtime;
    Ok(Delay {
        fixed,
        of_runtime: runtime.key(&runtime.fault.delay_duration_runtime, "fault.http.delay.fixed_duration_ms"),
        share: runtime.share(at, &proto.percentage, key, "fault.http.delay.fixed_delay_percent")?,
    })
}

fn abort(at: &At<'_>, proto: &pb::FaultAbort, runtime: &Keys<'_>) -> Result<Abort, Rejection> {
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
    let key = &runtime.fault.abort_percent_runtime;
    Ok(Abort {
        with,
        http_of_runtime: runtime.key(&runtime.fault.abort_http_status_runtime, "fault.http.abort.http_status"),
        grpc_of_runtime: runtime.key(&runtime.fault.abort_grpc_status_runtime, "fault.http.abort.grpc_status"),
        share: runtime.share(at, &proto.percentage, key, "fault.http.abort.abort_percent")?,
        body: proto::text(&proto.response_body),
    })
}

fn rate_limit(at: &At<'_>, proto: &common::FaultRateLimit, runtime: &Keys<'_>) -> Result<RateLimit, Rejection> {
    use common::fault_rate_limit::LimitType;
    let kib_per_second = match &proto.limit_type {
        None => return Err(at.reject("has no limit; give fixed_limit or header_limit")),
        Some(LimitType::FixedLimit(fixed)) if fixed.limit_kbps == 0 => {
            return Err(at.field("fixed_limit").field("limit_kbps").reject("must be at least 1"));
        }
        Some(LimitType::FixedLimit(fixed)) => Some(fixed.limit_kbps),
        Some(LimitType::HeaderLimit(_)) => None,
    };
    let key = &runtime.fault.response_rate_limit_percent_runtime;
    let share = runtime.share(at, &proto.percentage, key, "fault.http.rate_limit.response_percent")?;
    Ok(RateLimit { kib_per_second, share })
}
