//! `envoy.extensions.filters.http.health_check.v3.HealthCheck`. Called by the list of filters.

use std::sync::Arc;
use std::time::Duration;

use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, HeaderMatcher};
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::health_check::v3 as pb};
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// `pass_through_mode`: the application is asked.
    pub pass_through: bool,
    /// `cache_time`: its answer is given again for so long.
    pub cache_time: Option<Duration>,
    /// `cluster_min_healthy_percentages`, by cluster, sorted: without pass-through, all must be met.
    pub min_healthy: Vec<(Arc<str>, f64)>,
    /// `--service-cluster` of this proxy, which answers tell.
    pub local_cluster: Arc<str>,
    /// `headers`: requests that all of these match are health checks.
    pub headers: Vec<HeaderMatcher>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<HealthCheck, Rejection> {
    let proto: pb::HealthCheck = extension.decode(at, options)?;
    let at_mode = at.field("pass_through_mode");
    let pass_through = field_rules::required(&at_mode, &proto.pass_through_mode)?.value;
    let cache_time = proto::timeout(&at.field("cache_time"), &proto.cache_time, None)?;
    if cache_time.is_some() && !pass_through {
        return Err(at.field("cache_time").reject("cache_time_ms must not be set when path_through_mode is disabled"));
    }
    let at_percentages = at.field("cluster_min_healthy_percentages");
    if pass_through && !proto.cluster_min_healthy_percentages.is_empty() {
        options.note(&at_percentages, "says nothing with pass_through_mode: the application is asked");
    }
    let mut min_healthy = Vec::with_capacity(proto.cluster_min_healthy_percentages.len());
    for (cluster, percent) in &proto.cluster_min_healthy_percentages {
        let percent = field_rules::percent(&at_percentages.key(cluster), &Some(*percent))?;
        min_healthy.push((Arc::from(cluster.as_str()), percent.unwrap_or_default()));
    }
    min_healthy.sort_by(|(left, _): &(Arc<str>, f64), (right, _)| left.cmp(right));
    Ok(HealthCheck {
        pass_through,
        cache_time,
        min_healthy,
        local_cluster: options.service_cluster.clone(),
        headers: matcher::decode::headers(&at.field("headers"), &proto.headers)?,
    })
}
