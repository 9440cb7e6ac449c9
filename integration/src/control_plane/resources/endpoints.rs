//! EDS: where the workloads behind a service are.
//!
//! Called by the resource set and by clusters, which need the identities behind a service.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::super::model::{Mesh, Mtls, Service, Workload};
use super::clusters::outbound_name;

pub(super) fn all(mesh: &Mesh) -> Vec<Value> {
    let ports = |service| move |port: &super::super::model::ServicePort| assignment(mesh, service, port.number);
    mesh.services.iter().flat_map(|service| service.ports.iter().map(ports(service))).collect()
}

/// The workloads behind a service's port, each with the address that clients reach it at.
pub(super) fn workloads<'a>(
    mesh: &'a Mesh,
    service: &'a Service,
    port: u16,
) -> impl Iterator<Item = (&'a Workload, SocketAddr)> {
    mesh.workloads.iter().filter(|workload| service.selects(workload)).flat_map(move |workload| {
        let ports = workload.ingress.iter().filter(move |ingress| ingress.service_port == port);
        ports.map(move |ingress| (workload, SocketAddr::new(workload.address, ingress.port)))
    })
}

pub(super) fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}

fn assignment(mesh: &Mesh, service: &Service, port: u16) -> Value {
    let mut endpoints: Vec<Value> = workloads(mesh, service, port).map(|(w, address)| meshed(w, address)).collect();
    let plain = service.plain_endpoints.iter().filter(|(of, _)| *of == port);
    endpoints.extend(plain.map(|(_, address)| {
        let health = if service.unhealthy.contains(address) { "UNHEALTHY" } else { "UNKNOWN" };
        json!({ "endpoint": { "address": socket(*address) }, "load_balancing_weight": 1, "health_status": health })
    }));
    let mut assignment = json!({ "cluster_name": outbound_name(service, port) });
    if !endpoints.is_empty() {
        assignment["endpoints"] = json!([{
            "locality": {},
            "load_balancing_weight": endpoints.len(),
            "lb_endpoints": endpoints
        }]);
    }
    assignment
}

fn meshed(workload: &Workload, address: SocketAddr) -> Value {
    let (app, namespace) = (&workload.app, &workload.namespace);
    let identity = format!("{app}-{};{namespace};{app};;Kubernetes", workload.address);
    let mut metadata = json!({ "istio": { "workload": identity } });
    if workload.mtls != Mtls::Disable {
        metadata["envoy.transport_socket_match"] = json!({ "tlsMode": "istio" });
    }
    json!({
        "endpoint": { "address": socket(address) },
        "load_balancing_weight": 1,
        "metadata": { "filter_metadata": metadata }
    })
}
