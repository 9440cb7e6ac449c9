//! CDS: a cluster for each service port, one for each ingress port, and the three that are always there.
//!
//! Called by the resource set.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::model::{Ingress, Mesh, Protocol, Service, Workload};
use super::{endpoints, filters, tls};

/// `outbound|PORT||HOST`.
pub(super) fn outbound_name(service: &Service, port: u16) -> String {
    format!("outbound|{port}||{}", service.host())
}

pub(super) fn all(mesh: &Mesh, workload: &Workload) -> Vec<Value> {
    let mut clusters = Vec::new();
    for service in &mesh.services {
        for port in &service.ports {
            clusters.push(outbound(mesh, service, port.number, port.protocol));
        }
    }
    clusters.push(json!({
        "name": "BlackHoleCluster",
        "alt_stat_name": "BlackHoleCluster;",
        "type": "STATIC",
        "connect_timeout": "10s"
    }));
    clusters.push(passthrough(mesh, "PassthroughCluster"));
    clusters.extend(workload.ingress.iter().map(|ingress| inbound(mesh, workload, ingress)));
    clusters.push(passthrough(mesh, "InboundPassthroughCluster"));
    clusters
}

fn outbound(mesh: &Mesh, service: &Service, port: u16, protocol: Protocol) -> Value {
    let name = outbound_name(service, port);
    let http2 = protocol == Protocol::Http2;
    let mut alpn = vec!["istio"];
    if mesh.istio_filters {
        alpn.insert(0, "istio-peer-exchange");
    }
    if http2 {
        alpn.push("h2");
    }
    let sni = format!("outbound_.{port}_._.{}", service.host());
    let backing = endpoints::workloads(mesh, service, port);
    let identities: BTreeSet<String> = backing.map(|(workload, _)| mesh.identity(workload)).collect();
    let identities: Vec<String> = identities.into_iter().collect();
    let mut cluster = json!({
        "transport_socket_matches": [
            {
                "name": "tlsMode-istio",
                "match": { "tlsMode": "istio" },
                "transport_socket": tls::upstream(&sni, &alpn, &identities)
            },
            {
                "name": "tlsMode-disabled",
                "match": {},
                "transport_socket": {
                    "name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
                    }
                }
            }
        ],
        "name": name,
        "alt_stat_name": format!("{name};"),
        "type": "EDS",
        "eds_cluster_config": { "eds_config": tls::ads(), "service_name": name },
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": unlimited(),
        "common_lb_config": { "healthy_panic_threshold": {} },
        "metadata": { "filter_metadata": { "istio": { "services": [served(service)] } } }
    });
    if let Some(exchange) = filters::tcp_metadata_exchange(mesh) {
        cluster["filters"] = json!([exchange]);
    }
    if http2 {
        cluster["typed_extension_protocol_options"] = http_options(json!({
            "explicit_http_config": { "http2_protocol_options": {} }
        }));
    }
    cluster
}

fn inbound(mesh: &Mesh, workload: &Workload, ingress: &Ingress) -> Value {
    let name = format!("inbound|{}||", ingress.port);
    let mut cluster = json!({
        "name": name,
        "alt_stat_name": format!("{name};"),
        "type": "STATIC",
        "connect_timeout": "10s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": endpoints::socket(ingress.target) } }] }]
        },
        "circuit_breakers": unlimited(),
        "common_lb_config": {}
    });
    if ingress.protocol == Protocol::Http2 {
        let http2 = json!({ "explicit_http_config": { "http2_protocol_options": {} } });
        cluster["typed_extension_protocol_options"] = http_options(http2);
    }
    let behind = |service: &&Service| {
        service.selects(workload) && service.ports.iter().any(|port| port.number == ingress.service_port)
    };
    let services: Vec<Value> = mesh.services.iter().filter(behind).map(served).collect();
    if !services.is_empty() {
        cluster["metadata"] = json!({ "filter_metadata": { "istio": { "services": services } } });
    }
    cluster
}

/// The clusters that need an original destination, which there is none of without interception: always empty.
fn passthrough(mesh: &Mesh, name: &str) -> Value {
    let mut cluster = json!({
        "name": name,
        "alt_stat_name": "PassthroughCluster;",
        "type": "ORIGINAL_DST",
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": unlimited(),
        "typed_extension_protocol_options": http_options(json!({
            "common_http_protocol_options": { "idle_timeout": "300s" },
            "use_downstream_protocol_config": { "http_protocol_options": {}, "http2_protocol_options": {} }
        }))
    });
    if name == "PassthroughCluster" {
        if let Some(exchange) = filters::tcp_metadata_exchange(mesh) {
            cluster["filters"] = json!([exchange]);
        }
    } else {
        cluster["upstream_bind_config"] = json!({ "source_address": { "address": "127.0.0.6", "port_value": 0 } });
    }
    cluster
}

fn http_options(mut options: Value) -> Value {
    options["@type"] = json!("type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options })
}

fn unlimited() -> Value {
    json!({
        "thresholds": [{
            "max_connections": u32::MAX,
            "max_pending_requests": u32::MAX,
            "max_requests": u32::MAX,
            "max_retries": u32::MAX
        }]
    })
}

fn served(service: &Service) -> Value {
    json!({ "host": service.host(), "name": service.name, "namespace": service.namespace })
}
