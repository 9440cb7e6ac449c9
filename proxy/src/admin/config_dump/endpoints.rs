//! Endpoints as a dump shows them: what they are now, in the message that Envoy makes of them. Called for one cluster at a time, by the
//! sections.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use config::address::Address;
use config::endpoint::{HealthStatus, Locality};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as pb;
use envoy_types::pb::envoy::r#type::v3::{FractionalPercent, fractional_percent::DenominatorType};
use envoy_types::pb::google::protobuf::UInt32Value;
use pb::cluster_load_assignment::{Policy, policy::DropOverload};
use prost::Message;

use crate::status::{AssignedHost, Assignment};

/// Of an encoded node.
pub fn locality(node: &[u8]) -> Locality {
    let node = core::Node::decode(node).unwrap_or_default();
    let place = node.locality.unwrap_or_default();
    Locality { region: place.region.into(), zone: place.zone.into(), sub_zone: place.sub_zone.into() }
}

/// The message. `category` is asked where requests are dropped.
pub fn encoded(name: &str, assignment: &Assignment, local: &Locality, category: impl Fn() -> String) -> Bytes {
    // By priority, our own locality before the others.
    let mut groups: BTreeMap<(u32, bool, &Locality), pb::LocalityLbEndpoints> = BTreeMap::new();
    for host in &assignment.hosts {
        let group = groups.entry((host.priority, host.locality != *local, &host.locality)).or_default();
        group.load_balancing_weight = number(host.locality_weight.unwrap_or(0));
        group.lb_endpoints.push(endpoint(host));
    }
    let place = |place: &Locality| core::Locality {
        region: place.region.to_string(),
        zone: place.zone.to_string(),
        sub_zone: place.sub_zone.to_string(),
    };
    let placed = |((priority, _, locality), group): ((u32, bool, &Locality), pb::LocalityLbEndpoints)| {
        pb::LocalityLbEndpoints { locality: Some(place(locality)), priority, ..group }
    };
    let dropped = |numerator| DropOverload {
        category: category(),
        drop_percentage: Some(FractionalPercent { numerator, denominator: DenominatorType::Million.into() }),
    };
    let policy = Policy {
        drop_overloads: Some(assignment.drops).filter(|drops| *drops > 0).map(dropped).into_iter().collect(),
        overprovisioning_factor: number(assignment.overprovisioning),
        ..Policy::default()
    };
    let message = pb::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: groups.into_iter().map(placed).collect(),
        policy: Some(policy),
        ..pb::ClusterLoadAssignment::default()
    };
    message.encode_to_vec().into()
}

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

fn endpoint(host: &AssignedHost) -> pb::LbEndpoint {
    let health = match host.health {
        HealthStatus::Unknown | HealthStatus::Healthy => core::HealthStatus::Healthy,
        HealthStatus::Degraded => core::HealthStatus::Degraded,
        HealthStatus::Unhealthy | HealthStatus::Draining | HealthStatus::Timeout => core::HealthStatus::Unhealthy,
    };
    let further = |place: &SocketAddr| pb::endpoint::AdditionalAddress { address: address(&Address::Socket(*place)) };
    let endpoint = pb::Endpoint {
        address: address(&host.address),
        health_check_config: Some(check(host)),
        hostname: host.hostname.to_string(),
        additional_addresses: host.additional.iter().map(further).collect(),
        ..pb::Endpoint::default()
    };
    pb::LbEndpoint {
        health_status: health.into(),
        // It was encoded here.
        metadata: host.metadata.as_ref().and_then(|metadata| core::Metadata::decode(metadata.encoded()).ok()),
        load_balancing_weight: number(host.weight),
        host_identifier: Some(pb::lb_endpoint::HostIdentifier::Endpoint(endpoint)),
    }
}

/// A port where it is another than that of the endpoint, and a name.
fn check(host: &AssignedHost) -> pb::endpoint::HealthCheckConfig {
    let Some(check) = host.check.as_deref() else { return pb::endpoint::HealthCheckConfig::default() };
    let port = match (check.address.as_ref().unwrap_or(&host.address), &host.address) {
        (Address::Socket(asked), Address::Socket(place)) => {
            let asked = SocketAddr::new(asked.ip(), check.port.unwrap_or(asked.port()));
            if asked == *place { 0 } else { asked.port().into() }
        }
        (Address::Socket(asked), _) => check.port.unwrap_or(asked.port()).into(),
        _ => 0,
    };
    pb::endpoint::HealthCheckConfig {
        port_value: port,
        hostname: check.hostname.as_deref().unwrap_or_default().to_owned(),
        ..pb::endpoint::HealthCheckConfig::default()
    }
}

fn address(address: &Address) -> Option<core::Address> {
    use core::address::Address as Kind;
    use core::envoy_internal_address::AddressNameSpecifier;
    use core::socket_address::PortSpecifier;
    let socket = |host: String, port: u16| {
        Kind::SocketAddress(core::SocketAddress {
            address: host,
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..core::SocketAddress::default()
        })
    };
    let kind = match address {
        Address::Socket(place) => socket(place.ip().to_string(), place.port()),
        Address::Name { host, port } => socket(host.to_string(), *port),
        Address::Pipe(path) => Kind::Pipe(core::Pipe { path: path.display().to_string(), mode: 0 }),
        Address::Internal { listener, endpoint_id } => Kind::EnvoyInternalAddress(core::EnvoyInternalAddress {
            endpoint_id: endpoint_id.to_string(),
            address_name_specifier: Some(AddressNameSpecifier::ServerListenerName(listener.to_string())),
        }),
    };
    Some(core::Address { address: Some(kind) })
}

#[cfg(test)]
mod tests;
