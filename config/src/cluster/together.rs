//! What Envoy demands of several fields of a cluster together, in its words. Called before anything is made of it;
//! some of these fields do not act here, and are wrong all the same.

use crate::proto::{cluster::v3 as pb, core::v3 as core, wkt};
use crate::rejection::{At, Rejection};

/// All of it.
pub(super) fn check(at: &At<'_>, proto: &pb::Cluster) -> Result<(), Rejection> {
    balancing(at, proto)?;
    dns(at, proto)?;
    protocols(at, proto)?;
    let at_checks = at.field("health_checks");
    proto.health_checks.iter().enumerate().try_for_each(|(index, one)| health_check(&at_checks.index(index), one))?;
    outlier(at, proto)?;
    per_host(at, proto)
}

fn type_of(proto: &pb::Cluster) -> Option<pb::cluster::DiscoveryType> {
    match proto.cluster_discovery_type {
        Some(pb::cluster::ClusterDiscoveryType::Type(kind)) => pb::cluster::DiscoveryType::try_from(kind).ok(),
        Some(pb::cluster::ClusterDiscoveryType::ClusterType(_)) => None,
        None => Some(pb::cluster::DiscoveryType::Static),
    }
}

fn balancing(at: &At<'_>, proto: &pb::Cluster) -> Result<(), Rejection> {
    use pb::cluster::{DiscoveryType, LbPolicy};
    if proto.load_balancing_policy.is_some() {
        return match &proto.lb_subset_config {
            Some(_) => Err(at
                .field("lb_subset_config")
                .reject("load_balancing_policy cannot be combined with lb_subset_config; take one out")),
            None => Ok(()),
        };
    }
    let at_policy = at.field("lb_policy");
    let provided = proto.lb_policy == LbPolicy::ClusterProvided as i32;
    match type_of(proto) {
        Some(DiscoveryType::OriginalDst) if !provided => {
            let name = LbPolicy::try_from(proto.lb_policy).map_or("this one", |policy| policy.as_str_name());
            Err(at_policy.reject(format!(
                "LB policy {name} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with it; set that"
            )))
        }
        Some(kind) if provided && kind != DiscoveryType::OriginalDst => Err(at_policy
            .reject("cluster provided LB specified but the cluster does not provide one; choose another policy")),
        _ if provided && proto.lb_subset_config.as_ref().is_some_and(|config| !config.subset_selectors.is_empty()) => {
            Err(at
                .field("lb_subset_config")
                .reject("cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config; take one out"))
        }
        _ => Ok(()),
    }
}

fn nanos(duration: &Option<wkt::Duration>) -> Option<i128> {
    duration.as_ref().map(|duration| i128::from(duration.seconds) * 1_000_000_000 + i128::from(duration.nanos))
}

fn dns(at: &At<'_>, proto: &pb::Cluster) -> Result<(), Rejection> {
    let has_resolver = |address: &core::Address| match &address.address {
        Some(core::address::Address::SocketAddress(socket)) => !socket.resolver_name.is_empty(),
        _ => false,
    };
    let endpoints = proto.load_assignment.iter().flat_map(|assignment| &assignment.endpoints);
    let addresses = endpoints.flat_map(|locality| &locality.lb_endpoints).filter_map(|endpoint| {
        use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier::Endpoint;
        match &endpoint.host_identifier {
            Some(Endpoint(endpoint)) => endpoint.address.as_ref(),
            _ => None,
        }
    });
    if type_of(proto) == Some(pb::cluster::DiscoveryType::LogicalDns) && addresses.into_iter().any(has_resolver) {
        return Err(at
            .field("load_assignment")
            .reject("LOGICAL_DNS clusters must NOT have a custom resolver name set"));
    }
    Ok(())
}

fn protocols(at: &At<'_>, proto: &pb::Cluster) -> Result<(), Rejection> {
    let both = proto.http_protocol_options.is_some() && proto.http2_protocol_options.is_some();
    if both && proto.protocol_selection == 0 && proto.typed_extension_protocol_options.is_empty() {
        return Err(at.field("http2_protocol_options").reject(
            "Both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values; take one out",
        ));
    }
    Ok(())
}

fn health_check(at: &At<'_>, proto: &core::HealthCheck) -> Result<(), Rejection> {
    use core::health_check::HealthChecker;
    match &proto.health_checker {
        Some(HealthChecker::TcpHealthCheck(tcp)) => {
            let at = at.field("tcp_health_check");
            payload(&at.field("send"), tcp.send.as_ref())?;
            let at = at.field("receive");
            tcp.receive.iter().enumerate().try_for_each(|(index, one)| payload(&at.index(index), Some(one)))
        }
        Some(HealthChecker::HttpHealthCheck(http)) => {
            let at = at.field("http_health_check");
            for (field, ranges) in
                [("expected_statuses", &http.expected_statuses), ("retriable_statuses", &http.retriable_statuses)]
            {
                let at = at.field(field);
                for (index, range) in ranges.iter().enumerate() {
                    statuses(&at.index(index), range.start, range.end)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn payload(at: &At<'_>, payload: Option<&core::health_check::Payload>) -> Result<(), Rejection> {
    let Some(core::health_check::payload::Payload::Text(text)) = payload.and_then(|one| one.payload.as_ref()) else {
        return Ok(());
    };
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    if is_hex { Ok(()) } else { Err(at.field("text").reject("invalid hex string; write octets as two digits each")) }
}

fn statuses(at: &At<'_>, start: i64, end: i64) -> Result<(), Rejection> {
    if start >= end {
        return Err(at.reject(format!("expecting start < end, but found start={start} and end={end}")));
    }
    if start < 100 {
        return Err(at.field("start").reject(format!("expecting start >= 100, but found start={start}")));
    }
    if end > 600 {
        return Err(at.field("end").reject(format!("expecting end <= 600, but found end={end}")));
    }
    Ok(())
}

fn outlier(at: &At<'_>, proto: &pb::Cluster) -> Result<(), Rejection> {
    const BASE: i128 = 30_000_000_000;
    let Some(outlier) = &proto.outlier_detection else { return Ok(()) };
    let base = nanos(&outlier.base_ejection_time).unwrap_or(BASE);
    if nanos(&outlier.max_ejection_time).is_some_and(|most| most < base) {
        return Err(at
            .field("outlier_detection")
            .field("max_ejection_time")
            .reject("cannot be smaller than base_ejection_time; raise it, or lower the other"));
    }
    Ok(())
}

fn per_host(at: &At<'_>, proto: &pb::Cluster) -> Result<(), Rejection> {
    let at = at.field("circuit_breakers");
    let at = at.field("per_host_thresholds");
    let all = proto.circuit_breakers.iter().flat_map(|breakers| &breakers.per_host_thresholds);
    for (index, one) in all.enumerate() {
        let unsupported = one.max_pending_requests.is_some()
            || one.max_requests.is_some()
            || one.max_retries.is_some()
            || one.max_connection_pools.is_some()
            || one.retry_budget.is_some();
        if unsupported {
            return Err(at
                .index(index)
                .reject("Unsupported field in per_host_thresholds; max_connections alone is one"));
        }
    }
    Ok(())
}
