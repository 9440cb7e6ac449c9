//! `Cluster` to plain data. Called for CDS resources and static clusters.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Balancer, Bind, Cluster, Discovery, LocalZone, RetryBudget, Thresholds, UpstreamProtocol, UpstreamTransport,
    connecting, dns, dynamic_forward, health_check, http_options, outlier, transport,
};
use crate::address::{self, Address};
use crate::endpoint::{self, HealthStatus, LoadAssignment};
use crate::extension;
use crate::field_rules;
use crate::filters::network::metadata_exchange::{self, MetadataExchange};
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, core::v3 as core, uint32};
use crate::rejection::{At, Rejection};

/// A `Cluster` as the bytes of its Any.
pub fn decode(bytes: &[u8], options: &Options) -> Result<Cluster, Rejection> {
    let at = At::root();
    options.reading("cluster", bytes, || {
        extension::check("envoy.config.cluster.v3.Cluster", bytes, &at, options)?;
        let proto = proto::message(bytes, &at)?;
        if options.is_checking() {
            super::together::check(&at, &proto)?;
        }
        from_proto(&proto, options)
    })
}

/// A `Cluster`.
pub fn from_proto(proto: &pb::Cluster, options: &Options) -> Result<Cluster, Rejection> {
    let at = At::root();
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let (circuit_breaker, circuit_breaker_high) = circuit_breakers(&at, proto)?;
    let common = proto.common_lb_config.as_ref();
    let at_common = at.field("common_lb_config");
    let panic_threshold = match common {
        Some(common) => {
            field_rules::percent(&at_common.field("healthy_panic_threshold"), &common.healthy_panic_threshold)?
        }
        None => None,
    };
    let connecting = proto.upstream_connection_options.as_ref();
    let keepalive = connecting.and_then(|options| options.tcp_keepalive.as_ref());
    let eyeballs = connecting.and_then(|options| options.happy_eyeballs_config.as_ref());
    let mut http = http_options::http(&at, proto, options)?;
    let transport = transport::transport(&at.field("transport_socket"), &proto.transport_socket, options)?;
    if http.settings.protocol == UpstreamProtocol::Auto && matches!(transport.innermost(), UpstreamTransport::Raw) {
        return Err(at.field("transport_socket").reject(format!(
            "ALPN configured for cluster {name} which has a non-ALPN transport socket; give it TLS, or say which protocol it speaks"
        )));
    }
    let mut policy = super::policy::balancer(&at, proto, options)?;
    let discovery = match dynamic_forward::decode(&at, proto, &policy.balancer, &mut http.settings, options)? {
        Some(cache) => Discovery::DynamicForward(cache),
        None => discovery(&at, proto, &name, options)?,
    };
    policy.balancing.fails_in_panic &= looks_at_zones(&policy.balancer);
    let panic_threshold = match options.runtime.get::<u64>("upstream.healthy_panic_threshold") {
        Some(percent) => percent.min(100) as f64,
        None => panic_threshold.unwrap_or(50.0),
    };
    Ok(Cluster {
        local_zone: local_zone(&policy.balancer, &name, options),
        subsets: policy.subsets,
        stat_name: proto::text(&proto.alt_stat_name).unwrap_or_else(|| name.clone()),
        discovery,
        connect_timeout: proto::positive(&at.field("connect_timeout"), &proto.connect_timeout)?
            .unwrap_or(Duration::from_secs(5)),
        balancer: policy.balancer,
        balancing: policy.balancing,
        panic_threshold,
        locality_weighted: policy.locality_weighted.unwrap_or_else(|| locality_weighted(common)),
        override_host_statuses: override_host_statuses(&at_common, common)?,
        circuit_breaker,
        circuit_breaker_high,
        health_check: health_check::decode(
            &at.field("health_checks"),
            &proto.health_checks,
            (&name, http.settings.protocol != UpstreamProtocol::Http1),
            options,
        )?,
        keeps_healthy: !proto.ignore_health_on_host_removal,
        ignores_unchecked: common.is_some_and(|common| common.ignore_new_hosts_until_first_hc),
        closes_on_failure: proto.close_connections_on_host_health_failure,
        closes_on_change: common.is_some_and(|common| common.close_connections_on_host_set_change),
        pool_per_client: proto.connection_pool_per_downstream_connection,
        max_requests_per_connection: http.max_requests_per_connection,
        http: http.settings,
        transport,
        transport_matches: transport::matches(&at, proto, options)?,
        tcp_keepalive: keepalive.map(address::decode::tcp_keepalive),
        happy_eyeballs: connecting::happy_eyeballs(&at.field("upstream_connection_options"), eyeballs)?,
        preconnect: connecting::preconnect(&at.field("preconnect_policy"), proto.preconnect_policy.as_ref())?,
        bind: bind(&at, proto, options)?,
        outlier_detection: proto
            .outlier_detection
            .as_ref()
            .map(|one| outlier::decode(&at.field("outlier_detection"), one, options))
            .transpose()?,
        buffer_limit: uint32(&proto.per_connection_buffer_limit_bytes).unwrap_or(1 << 20),
        metadata: proto::metadata(&proto.metadata),
        metadata_exchange: metadata_exchange(&at, proto, options)?,
        name,
    })
}

/// Where the proxy is; the local cluster itself has no such cluster beside it.
fn local_zone(balancer: &Balancer, name: &Arc<str>, options: &Options) -> Option<Arc<LocalZone>> {
    let cluster = options.local_cluster.as_ref().filter(|local| *local != name && looks_at_zones(balancer))?;
    Some(Arc::new(LocalZone { cluster: cluster.clone(), locality: options.node_locality.clone() }))
}

/// Policies that hash do not.
fn looks_at_zones(balancer: &Balancer) -> bool {
    match balancer {
        Balancer::RoundRobin | Balancer::LeastRequest { .. } | Balancer::Random => true,
        Balancer::RingHash { .. } | Balancer::Maglev { .. } | Balancer::ClusterProvided => false,
    }
}

fn override_host_statuses(
    at: &At<'_>,
    common: Option<&pb::cluster::CommonLbConfig>,
) -> Result<Box<[HealthStatus]>, Rejection> {
    let Some(set) = common.and_then(|common| common.override_host_status.as_ref()) else {
        return Ok(Box::new([HealthStatus::Unknown, HealthStatus::Healthy, HealthStatus::Degraded]));
    };
    let at_status = at.field("override_host_status");
    let at_list = at_status.field("statuses");
    let statuses = set.statuses.iter().enumerate();
    statuses.map(|(index, one)| endpoint::decode::health(&at_list.index(index), *one)).collect()
}

pub(super) fn locality_weighted(common: Option<&pb::cluster::CommonLbConfig>) -> bool {
    use pb::cluster::common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig;
    common.is_some_and(|common| matches!(common.locality_config_specifier, Some(LocalityWeightedLbConfig(_))))
}

fn discovery(at: &At<'_>, proto: &pb::Cluster, name: &Arc<str>, options: &Options) -> Result<Discovery, Rejection> {
    use pb::cluster::ClusterDiscoveryType;
    use pb::cluster::DiscoveryType;
    let kind = match &proto.cluster_discovery_type {
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            return dns::custom(&at.field("cluster_type"), custom, proto, options);
        }
        Some(ClusterDiscoveryType::Type(kind)) => proto::defined::<DiscoveryType>(&at.field("type"), *kind)?,
        None => DiscoveryType::Static,
    };
    if kind != DiscoveryType::Eds && proto.eds_cluster_config.is_some() {
        return Err(at.field("eds_cluster_config").reject("belongs to clusters of type EDS only"));
    }
    Ok(match kind {
        DiscoveryType::Static => {
            let assignment = assignment(at, proto)?;
            only_ip_addresses(at, &assignment)?;
            Discovery::Static(assignment)
        }
        DiscoveryType::StrictDns => Discovery::StrictDns(assignment(at, proto)?, dns::settings(at, proto, options)?),
        DiscoveryType::LogicalDns => {
            let assignment = assignment(at, proto)?;
            single_endpoint(at, &assignment)?;
            Discovery::LogicalDns(assignment, dns::settings(at, proto, options)?)
        }
        DiscoveryType::Eds => eds(&at.field("eds_cluster_config"), proto, name)?,
        DiscoveryType::OriginalDst => {
            if proto.load_assignment.is_some() {
                return Err(at
                    .field("load_assignment")
                    .reject("a cluster of type ORIGINAL_DST has no endpoints of its own"));
            }
            Discovery::OriginalDst(super::original_dst::untyped(at, proto)?)
        }
    })
}

/// The endpoints inside a cluster; none when unset.
pub(super) fn assignment(at: &At<'_>, proto: &pb::Cluster) -> Result<LoadAssignment, Rejection> {
    let empty = envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment::default();
    let assignment = proto.load_assignment.as_ref().unwrap_or(&empty);
    endpoint::decode::load_assignment(&at.field("load_assignment"), assignment)
}

fn only_ip_addresses(at: &At<'_>, assignment: &LoadAssignment) -> Result<(), Rejection> {
    for endpoint in assignment.localities.iter().flat_map(|locality| &locality.endpoints) {
        if let Address::Name { host, .. } = &endpoint.address {
            let reason = format!("{host:?} is not an IP address; use type STRICT_DNS or LOGICAL_DNS for names");
            return Err(at.field("load_assignment").reject(reason));
        }
    }
    Ok(())
}

pub(super) fn single_endpoint(at: &At<'_>, assignment: &LoadAssignment) -> Result<(), Rejection> {
    match assignment.localities.as_slice() {
        [locality] if locality.endpoints.len() == 1 => Ok(()),
        _ => {
            Err(at.field("load_assignment").reject("a LOGICAL_DNS cluster has exactly one locality with one endpoint"))
        }
    }
}

fn eds(at: &At<'_>, proto: &pb::Cluster, name: &Arc<str>) -> Result<Discovery, Rejection> {
    let config = field_rules::required(at, &proto.eds_cluster_config)?;
    let at_source = at.field("eds_config");
    let source = field_rules::required(&at_source, &config.eds_config)?;
    let initial_fetch_timeout =
        crate::tls::decode::over_ads(&at_source, source, "endpoints come over ADS; set ads: {}")?;
    let service_name = proto::text(&config.service_name).unwrap_or_else(|| name.clone());
    Ok(Discovery::Eds { service_name, initial_fetch_timeout })
}

fn circuit_breakers(at: &At<'_>, proto: &pb::Cluster) -> Result<(Thresholds, Thresholds), Rejection> {
    let (mut default, mut high) = (Thresholds::default(), Thresholds::default());
    let Some(breakers) = &proto.circuit_breakers else { return Ok((default, high)) };
    let at_breakers = at.field("circuit_breakers");
    let at = at_breakers.field("thresholds");
    for (index, one) in breakers.thresholds.iter().enumerate() {
        let limits = Thresholds {
            max_connections: uint32(&one.max_connections).unwrap_or(1024),
            max_pending_requests: uint32(&one.max_pending_requests).unwrap_or(1024),
            max_requests: uint32(&one.max_requests).unwrap_or(1024),
            max_retries: uint32(&one.max_retries).unwrap_or(3),
            retry_budget: retry_budget(&at.index(index).field("retry_budget"), &one.retry_budget)?,
            track_remaining: one.track_remaining,
            max_host_connections: None,
        };
        match proto::defined::<core::RoutingPriority>(&at.index(index).field("priority"), one.priority)? {
            core::RoutingPriority::Default => default = limits,
            core::RoutingPriority::High => high = limits,
        }
    }
    let at = at_breakers.field("per_host_thresholds");
    for (index, one) in breakers.per_host_thresholds.iter().enumerate() {
        let limits = match proto::defined::<core::RoutingPriority>(&at.index(index).field("priority"), one.priority)? {
            core::RoutingPriority::Default => &mut default,
            core::RoutingPriority::High => &mut high,
        };
        limits.max_host_connections = uint32(&one.max_connections);
    }
    Ok((default, high))
}

fn retry_budget(
    at: &At<'_>,
    proto: &Option<pb::circuit_breakers::thresholds::RetryBudget>,
) -> Result<Option<RetryBudget>, Rejection> {
    let Some(budget) = proto else { return Ok(None) };
    let percent = field_rules::percent(&at.field("budget_percent"), &budget.budget_percent)?;
    let minimum = uint32(&budget.min_retry_concurrency).unwrap_or(3);
    Ok(Some(RetryBudget { percent: percent.unwrap_or(20.0), minimum }))
}

/// The cluster's own, else that of the bootstrap.
fn bind(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Option<Arc<Bind>>, Rejection> {
    let Some(bind) = &proto.upstream_bind_config else { return Ok(options.upstream_bind.clone()) };
    let whose = format!("Cluster {}", proto.name);
    super::bind::decode(&at.field("upstream_bind_config"), bind, &whose).map(|bind| Some(Arc::new(bind)))
}

fn metadata_exchange(
    at: &At<'_>,
    proto: &pb::Cluster,
    options: &Options,
) -> Result<Option<Arc<MetadataExchange>>, Rejection> {
    const MOST: usize = 8;
    let at = at.field("filters");
    let mut found = None;
    for (index, filter) in proto.filters.iter().enumerate() {
        let at = at.index(index);
        if filter.config_discovery.is_some() {
            return Err(at
                .field("config_discovery")
                .unsupported(format!("filter {:?}: discovery of upstream filters is not supported", filter.name)));
        }
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &filter.typed_config)?;
        if extension.type_name != crate::registry::METADATA_EXCHANGE {
            return Err(crate::registry::not_registered(&at, &filter.name, &extension.type_name));
        }
        let octets = filter.typed_config.as_ref().map_or(&[][..], |any| &any.value);
        let known = options.exchanges.borrow().iter().find(|(known, _)| known == octets).map(|(_, made)| made.clone());
        found = Some(match known {
            Some(known) => known,
            None => {
                let made = Arc::new(metadata_exchange::decode(&at, &extension, options)?);
                let mut exchanges = options.exchanges.borrow_mut();
                exchanges.truncate(MOST - 1);
                exchanges.insert(0, (octets.to_vec(), made.clone()));
                made
            }
        });
    }
    Ok(found)
}
