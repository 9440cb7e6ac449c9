//! `TcpProxy` to plain data. Called for the last filter of a chain.

use std::sync::Arc;
use std::time::Duration;

use super::{TcpProxy, Tunneling, WeightedTcpCluster};
use crate::access_log::{self, Early};
use crate::field_rules;
use crate::metadata::Criteria;
use crate::options::Options;
use crate::proto::{self, core, extensions::filters::network::tcp_proxy::v3 as pb, types, uint32};
use crate::rejection::{At, Rejection};

/// A TCP proxy.
pub(crate) fn tcp_proxy(at: &At<'_>, proto: &pb::TcpProxy, options: &Options) -> Result<TcpProxy, Rejection> {
    const HOUR: Duration = Duration::from_secs(3600);
    let max_connect_attempts = uint32(&proto.max_connect_attempts).unwrap_or(1);
    if max_connect_attempts == 0 {
        return Err(at.field("max_connect_attempts").reject("must be at least 1"));
    }
    let duration =
        proto::positive(&at.field("max_downstream_connection_duration"), &proto.max_downstream_connection_duration)?;
    let metadata_match = Criteria::of_match(&proto::metadata(&proto.metadata_match)).map(Arc::new);
    Ok(TcpProxy {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        clusters: clusters(at, proto, &metadata_match)?,
        metadata_match,
        idle_timeout: proto::timeout(&at.field("idle_timeout"), &proto.idle_timeout, Some(HOUR))?,
        max_connection_duration: duration,
        duration_jitter: field_rules::share(
            &at.field("max_downstream_connection_duration_jitter_percentage"),
            &proto.max_downstream_connection_duration_jitter_percentage,
        )?,
        max_connect_attempts,
        back_off: proto.backoff_options.as_ref().map(|one| back_off(&at.field("backoff_options"), one)).transpose()?,
        hash_source_ip: proto.hash_policy.iter().any(hashes_source_ip),
        tunneling: proto
            .tunneling_config
            .as_ref()
            .map(|one| tunneling(&at.field("tunneling_config"), one))
            .transpose()?,
        access_log: access_log::decode::access_logs(&at.field("access_log"), &proto.access_log, options)?,
        early_log: early_log(at, proto)?,
    })
}

#[allow(deprecated)] // What stood in the place of `access_log_options`.
fn early_log(at: &At<'_>, proto: &pb::TcpProxy) -> Result<Early, Rejection> {
    let (at_flush, at_interval) = (at.field("flush_access_log_on_connected"), at.field("access_log_flush_interval"));
    let Some(chosen) = &proto.access_log_options else {
        let interval = proto::duration(&at_interval, &proto.access_log_flush_interval)?;
        return Ok(Early { at_start: false, at_success: proto.flush_access_log_on_connected, interval });
    };
    access_log::decode::not_twice(&at_flush, proto.flush_access_log_on_connected)?;
    access_log::decode::not_twice(&at_interval, proto.access_log_flush_interval.is_some())?;
    let at = at.field("access_log_options");
    Ok(Early {
        at_start: chosen.flush_access_log_on_start,
        at_success: chosen.flush_access_log_on_connected,
        interval: proto::duration(&at.field("access_log_flush_interval"), &chosen.access_log_flush_interval)?,
    })
}

/// As a route's, but without a default.
fn back_off(at: &At<'_>, proto: &core::v3::BackoffStrategy) -> Result<(Duration, Duration), Rejection> {
    field_rules::back_off(at, &proto.base_interval, &proto.max_interval, Duration::ZERO)
}

fn clusters(
    at: &At<'_>,
    proto: &pb::TcpProxy,
    metadata_match: &Option<Arc<Criteria>>,
) -> Result<Vec<WeightedTcpCluster>, Rejection> {
    use pb::tcp_proxy::ClusterSpecifier;
    match &proto.cluster_specifier {
        None => Err(at.reject("names no cluster; give cluster or weighted_clusters")),
        Some(ClusterSpecifier::Cluster(name)) => Ok(vec![WeightedTcpCluster {
            name: Arc::from(name.as_str()),
            weight: 1,
            metadata_match: metadata_match.clone(),
        }]),
        Some(ClusterSpecifier::WeightedClusters(list)) => {
            let at = at.field("weighted_clusters");
            let at = at.field("clusters");
            field_rules::at_least_one(&at, &list.clusters)?;
            let one = |(index, cluster): (usize, &pb::tcp_proxy::weighted_cluster::ClusterWeight)| {
                let at = at.index(index);
                field_rules::within(&at.field("weight"), u64::from(cluster.weight), 1, u64::from(u32::MAX))?;
                Ok(WeightedTcpCluster {
                    name: field_rules::not_empty(&at.field("name"), &cluster.name)?,
                    weight: cluster.weight,
                    metadata_match: Criteria::over(metadata_match, &proto::metadata(&cluster.metadata_match)),
                })
            };
            list.clusters.iter().enumerate().map(one).collect()
        }
    }
}

fn hashes_source_ip(policy: &types::v3::HashPolicy) -> bool {
    matches!(policy.policy_specifier, Some(types::v3::hash_policy::PolicySpecifier::SourceIp(_)))
}

fn tunneling(at: &At<'_>, proto: &pb::tcp_proxy::TunnelingConfig) -> Result<Tunneling, Rejection> {
    Ok(Tunneling {
        hostname: field_rules::not_empty(&at.field("hostname"), &proto.hostname)?,
        use_post: proto.use_post,
    })
}

#[cfg(test)]
mod tests;
