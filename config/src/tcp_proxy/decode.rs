//! `TcpProxy` to plain data. Called for the last filter of a chain.

use std::sync::Arc;
use std::time::Duration;

use super::{TcpProxy, TlvMerge, Tunneling, WeightedTcpCluster};
use crate::access_log::{self, Early};
use crate::field_rules;
use crate::hcm;
use crate::metadata::Criteria;
use crate::options::Options;
use crate::proto::{self, bool_or, core, extensions::filters::network::tcp_proxy::v3 as pb, types, uint32};
use crate::rejection::{At, Rejection};
use crate::route::{HeaderChanges, headers};
use crate::tlvs;

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
            .map(|one| tunneling(&at.field("tunneling_config"), one, options))
            .transpose()?,
        awaits_data: awaits_data(at, proto)?,
        tlvs: tlvs::added(&at.field("proxy_protocol_tlvs"), &proto.proxy_protocol_tlvs, options)?,
        merges: merges(at, proto)?,
        check_drain_close: bool_or(&proto.check_drain_close, false),
        access_log: access_log::decode::access_logs(&at.field("access_log"), &proto.access_log, options)?,
        early_log: early_log(at, proto)?,
    })
}

fn merges(at: &At<'_>, proto: &pb::TcpProxy) -> Result<TlvMerge, Rejection> {
    use pb::ProxyProtocolTlvMergePolicy::{AddIfAbsent, AppendIfExistsOrAdd, OverwriteByTypeIfExistsOrAdd};
    let at = at.field("proxy_protocol_tlv_merge_policy");
    Ok(match proto::defined(&at, proto.proxy_protocol_tlv_merge_policy)? {
        AddIfAbsent => TlvMerge::AddIfAbsent,
        OverwriteByTypeIfExistsOrAdd => TlvMerge::Overwrite,
        AppendIfExistsOrAdd => TlvMerge::Append,
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

fn awaits_data(at: &At<'_>, proto: &pb::TcpProxy) -> Result<Option<u32>, Rejection> {
    let at_most = at.field("max_early_data_bytes");
    let most = uint32(&proto.max_early_data_bytes);
    field_rules::within(&at_most, u64::from(most.unwrap_or(0)), 0, 1 << 20)?;
    let mode =
        proto::defined::<pb::UpstreamConnectMode>(&at.field("upstream_connect_mode"), proto.upstream_connect_mode)?;
    match (mode, most) {
        (pb::UpstreamConnectMode::Immediate, _) => Ok(None),
        (_, None) => Err(at_most.reject("must be set when upstream_connect_mode is not IMMEDIATE")),
        (pb::UpstreamConnectMode::OnDownstreamData, most) => Ok(most),
        (pb::UpstreamConnectMode::OnDownstreamTlsHandshake, Some(_)) => Ok(None),
    }
}

fn tunneling(at: &At<'_>, proto: &pb::tcp_proxy::TunnelingConfig, options: &Options) -> Result<Tunneling, Rejection> {
    let at_path = at.field("post_path");
    if !proto.post_path.is_empty() && !proto.use_post {
        return Err(at_path.reject("is set, but use_post is not; take one away or set the other"));
    }
    field_rules::header_value(&at_path, &proto.post_path)?;
    let path = if proto.post_path.is_empty() { "/" } else { &proto.post_path };
    let at_host = at.field("hostname");
    access_log::decode::formatters(&at.field("formatters"), &proto.formatters, options)?;
    Ok(Tunneling {
        hostname: access_log::decode::text_format(&at_host, &field_rules::not_empty(&at_host, &proto.hostname)?)?,
        post_path: proto.use_post.then(|| Arc::from(path)),
        headers: HeaderChanges {
            request_add: headers::additions(&at.field("headers_to_add"), &proto.headers_to_add, 1000)?,
            ..HeaderChanges::default()
        },
        keeps_headers: proto.propagate_response_headers,
        keeps_trailers: proto.propagate_response_trailers,
        request_id: request_id(at, proto, options)?,
    })
}

/// The header of an id, and its key in the metadata.
type RequestId = (Arc<str>, Arc<str>);

fn request_id(
    at: &At<'_>,
    proto: &pb::tcp_proxy::TunnelingConfig,
    options: &Options,
) -> Result<Option<RequestId>, Rejection> {
    let at_header = at.field("request_id_header");
    let header = match proto.request_id_header.as_str() {
        "" => Arc::from("x-request-id"),
        name => field_rules::mutable_header_name(&at_header, name)?,
    };
    let Some(extension) = &proto.request_id_extension else { return Ok(None) };
    let made = hcm::decode::request_id(&at.field("request_id_extension"), Some(extension), options)?;
    let key = match proto.request_id_metadata_key.as_str() {
        "" => "tunnel_request_id",
        key => key,
    };
    Ok(made.map(|_| (header, Arc::from(key))))
}

#[cfg(test)]
mod tests;
