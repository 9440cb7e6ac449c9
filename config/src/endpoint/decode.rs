//! `ClusterLoadAssignment` to plain data. Called for EDS resources and for the endpoints inside clusters.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Endpoint, EndpointCheck, HealthStatus, LoadAssignment, Locality, LocalityEndpoints};
use crate::address::{self, Address};
use crate::extension;
use crate::field_rules;
use crate::matcher;
use crate::metadata::Criteria;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, endpoint::v3 as pb, uint32};
use crate::rejection::{At, Rejection};
use crate::tlvs;

/// A `ClusterLoadAssignment` as the bytes of its Any.
pub fn decode(bytes: &[u8], options: &Options) -> Result<LoadAssignment, Rejection> {
    let at = At::root();
    options.reading("endpoints of", bytes, || {
        extension::check("envoy.config.endpoint.v3.ClusterLoadAssignment", bytes, &at, options)?;
        from_proto(&proto::message(bytes, &at)?)
    })
}

/// A `ClusterLoadAssignment`.
pub fn from_proto(proto: &pb::ClusterLoadAssignment) -> Result<LoadAssignment, Rejection> {
    let at = At::root();
    field_rules::not_empty(&at.field("cluster_name"), &proto.cluster_name)?;
    load_assignment(&at, proto)
}

/// The assignment at some place. The cluster's name may be empty where it stands inside a cluster.
pub(crate) fn load_assignment(at: &At<'_>, proto: &pb::ClusterLoadAssignment) -> Result<LoadAssignment, Rejection> {
    const DEFAULT_OVERPROVISIONING: u32 = 140;
    let overprovisioning_factor = match &proto.policy {
        None => DEFAULT_OVERPROVISIONING,
        Some(policy) => match uint32(&policy.overprovisioning_factor) {
            Some(0) => {
                return Err(at.field("policy").field("overprovisioning_factor").reject("must be greater than 0"));
            }
            other => other.unwrap_or(DEFAULT_OVERPROVISIONING),
        },
    };
    let drops = match &proto.policy {
        Some(policy) => drops(&at.field("policy").field("drop_overloads"), &policy.drop_overloads)?,
        None => 0,
    };
    let at_policy = at.field("policy");
    let at_stale = at_policy.field("endpoint_stale_after");
    let stale_after = match &proto.policy {
        Some(policy) => proto::positive(&at_stale, &policy.endpoint_stale_after)?,
        None => None,
    };
    let at_endpoints = at.field("endpoints");
    let mut localities = Vec::with_capacity(proto.endpoints.len());
    let mut weights: BTreeMap<u32, u64> = BTreeMap::new();
    for (index, locality) in proto.endpoints.iter().enumerate() {
        let at = at_endpoints.index(index);
        let locality = locality_endpoints(&at, locality)?;
        let sum = weights.entry(locality.priority).or_default();
        *sum += u64::from(locality.weight.unwrap_or(0));
        if *sum > u64::from(u32::MAX) {
            return Err(at.field("load_balancing_weight").reject(format!(
                "the sum of the locality weights at priority {} exceeds 4294967295",
                locality.priority
            )));
        }
        localities.push(locality);
    }
    Ok(LoadAssignment {
        cluster_name: Arc::from(proto.cluster_name.as_str()),
        localities,
        overprovisioning_factor,
        weighted_priority_health: proto.policy.as_ref().is_some_and(|policy| policy.weighted_priority_health),
        drops,
        stale_after,
    })
}

/// `drop_overloads`, of which there is one at most.
fn drops(at: &At<'_>, list: &[pb::cluster_load_assignment::policy::DropOverload]) -> Result<u32, Rejection> {
    const MILLION: u64 = 1_000_000;
    if list.len() > 1 {
        return Err(at.reject(format!("{} categories are given; one is supported", list.len())));
    }
    let Some(share) = list.first().and_then(|one| one.drop_percentage.as_ref()) else { return Ok(0) };
    let share = matcher::decode::fraction(&at.index(0).field("drop_percentage"), share)?;
    let drops = u64::from(share.numerator) * MILLION / u64::from(share.denominator);
    Ok(u32::try_from(drops.min(MILLION)).unwrap_or(u32::MAX))
}

fn locality_endpoints(at: &At<'_>, proto: &pb::LocalityLbEndpoints) -> Result<LocalityEndpoints, Rejection> {
    use pb::locality_lb_endpoints::LbConfig;
    field_rules::within(&at.field("priority"), u64::from(proto.priority), 0, 128)?;
    if proto.load_balancing_weight.is_some_and(|weight| weight.value == 0) {
        return Err(at.field("load_balancing_weight").reject("must be at least 1"));
    }
    let (at_list, list) = match &proto.lb_config {
        None => (at.field("lb_endpoints"), &proto.lb_endpoints),
        Some(LbConfig::LoadBalancerEndpoints(list)) => (at.field("load_balancer_endpoints"), &list.lb_endpoints),
        Some(LbConfig::LedsClusterLocalityConfig(_)) => {
            return Err(at
                .field("leds_cluster_locality_config")
                .only_envoys("is not supported; send the endpoints in the assignment"));
        }
    };
    let of_locality = OfLocality {
        socket_match: Arc::new(socket_match(&proto.metadata)),
        http_proxy: http_proxy(at, &proto.metadata)?,
    };
    let one = |(index, one)| endpoint(&at_list.index(index), one, &of_locality);
    let endpoints = proto::all(list.iter().enumerate().map(one))?;
    Ok(LocalityEndpoints {
        locality: proto.locality.as_ref().map(locality).unwrap_or_default(),
        weight: uint32(&proto.load_balancing_weight),
        priority: proto.priority,
        endpoints,
    })
}

/// `core.v3.Locality`.
pub(crate) fn locality(proto: &core::Locality) -> Locality {
    let name = |value: &String| Arc::from(value.as_str());
    Locality { region: name(&proto.region), zone: name(&proto.zone), sub_zone: name(&proto.sub_zone) }
}

/// What chooses a transport socket.
fn socket_match(metadata: &Option<core::Metadata>) -> Criteria {
    let found = metadata.as_ref().and_then(|metadata| metadata.filter_metadata.get("envoy.transport_socket_match"));
    found.map(|found| Criteria::of(&proto::struct_to_json(found))).unwrap_or_default()
}

/// The proxy that metadata names.
fn http_proxy(at: &At<'_>, metadata: &Option<core::Metadata>) -> Result<Option<SocketAddr>, Rejection> {
    let key = "envoy.http11_proxy_transport_socket.proxy_address";
    typed(at, metadata, key, "envoy.config.core.v3.Address", |at, address| address::decode::ip_and_port(at, &address))
}

/// The entries of a PROXY protocol header that metadata names.
fn tlvs(at: &At<'_>, metadata: &Option<core::Metadata>) -> Result<Arc<[u8]>, Rejection> {
    let key = "envoy.transport_sockets.proxy_protocol";
    let read = |at: &At<'_>, config: core::PerHostConfig| tlvs::fixed(&at.field("added_tlvs"), &config.added_tlvs);
    Ok(typed(at, metadata, key, "envoy.config.core.v3.PerHostConfig", read)?.unwrap_or_default())
}

/// What typed metadata has below a key, which is a message of this name.
fn typed<M: prost::Message + Default, T>(
    at: &At<'_>,
    metadata: &Option<core::Metadata>,
    key: &str,
    name: &str,
    read: impl FnOnce(&At<'_>, M) -> Result<T, Rejection>,
) -> Result<Option<T>, Rejection> {
    let Some(any) = metadata.as_ref().and_then(|metadata| metadata.typed_filter_metadata.get(key)) else {
        return Ok(None);
    };
    let at = at.field("metadata");
    let at = at.field("typed_filter_metadata");
    let at = at.key(key);
    if extension::message_name(&any.type_url) != name {
        return Err(at.reject(format!("is a {:?}; give an {name}", any.type_url)));
    }
    read(&at, proto::message(&any.value, &at)?).map(Some)
}

/// What a locality's metadata says of its endpoints.
struct OfLocality {
    socket_match: Arc<Criteria>,
    http_proxy: Option<SocketAddr>,
}

fn endpoint(at: &At<'_>, proto: &pb::LbEndpoint, of_locality: &OfLocality) -> Result<Endpoint, Rejection> {
    use pb::lb_endpoint::HostIdentifier;
    let inner = match &proto.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint,
        Some(HostIdentifier::EndpointName(_)) => {
            return Err(at.field("endpoint_name").only_envoys("is not supported; give endpoint"));
        }
        None => return Err(at.field("endpoint").reject("is required and not set; set it")),
    };
    let at_inner = at.field("endpoint");
    let at_address = at_inner.field("address");
    let address = address::decode::address(&at_address, field_rules::required(&at_address, &inner.address)?)?;
    let at_more = at_inner.field("additional_addresses");
    let additional_addresses = inner
        .additional_addresses
        .iter()
        .enumerate()
        .map(|(index, more)| {
            let at = at_more.index(index);
            let at = at.field("address");
            address::decode::address(&at, field_rules::required(&at, &more.address)?)
        })
        .collect::<Result<Vec<Address>, _>>()?;
    let weight = match uint32(&proto.load_balancing_weight) {
        Some(0) => return Err(at.field("load_balancing_weight").reject("must be at least 1")),
        weight => weight.unwrap_or(1),
    };
    let metadata = proto::metadata(&proto.metadata);
    let at_check = at_inner.field("health_check_config");
    let check = inner.health_check_config.as_ref().map(|check| health_check(&at_check, check, &address)).transpose()?;
    Ok(Endpoint {
        address,
        additional_addresses,
        health: health(&at.field("health_status"), proto.health_status)?,
        weight,
        hostname: Arc::from(inner.hostname.as_str()),
        transport_socket_match: socket_match(&proto.metadata),
        locality_socket_match: Arc::clone(&of_locality.socket_match),
        http_proxy: http_proxy(at, &proto.metadata)?.or(of_locality.http_proxy),
        tlvs: tlvs(at, &proto.metadata)?,
        metadata,
        check,
    })
}

/// How the endpoint is asked about its health.
fn health_check(
    at: &At<'_>,
    proto: &pb::endpoint::HealthCheckConfig,
    serves: &Address,
) -> Result<Arc<EndpointCheck>, Rejection> {
    let at_address = at.field("address");
    let address = match &proto.address {
        Some(address) => match address::decode::address(&at_address, address)? {
            Address::Name { host, .. } => {
                return Err(at_address.reject(format!("malformed IP address: {host}; give an address, not a name")));
            }
            address => Some(address),
        },
        None => None,
    };
    let at_port = at.field("port_value");
    let port = Some(field_rules::port(&at_port, proto.port_value)?).filter(|port| *port != 0);
    let asked = address.as_ref().unwrap_or(serves);
    if port.is_some() && matches!(asked, Address::Pipe(_) | Address::Internal { .. }) {
        return Err(at_port.reject("Invalid host configuration: non-zero port for non-IP address"));
    }
    let hostname = proto::text(&proto.hostname);
    Ok(Arc::new(EndpointCheck { address, port, hostname, disabled: proto.disable_active_health_check }))
}

/// A health status.
pub(crate) fn health(at: &At<'_>, value: i32) -> Result<HealthStatus, Rejection> {
    Ok(match proto::defined::<core::HealthStatus>(at, value)? {
        core::HealthStatus::Unknown => HealthStatus::Unknown,
        core::HealthStatus::Healthy => HealthStatus::Healthy,
        core::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
        core::HealthStatus::Draining => HealthStatus::Draining,
        core::HealthStatus::Timeout => HealthStatus::Timeout,
        core::HealthStatus::Degraded => HealthStatus::Degraded,
    })
}
