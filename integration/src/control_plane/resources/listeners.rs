//! LDS: one listener for each Sidecar ingress and egress entry.
//!
//! Called by the resource set. Must keep what looks odd in istiod's output: all chains of a listener share one name.

use serde_json::{Value, json};

use super::super::model::{Egress, Ingress, Mesh, Mtls, Protocol, Workload};
use super::clusters::outbound_name;
use super::filters::{self, Direction};
use super::{routes, tls};

/// What a client of the mesh offers.
const MESH_ALPN: [&str; 5] = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

pub(super) fn all(mesh: &Mesh, workload: &Workload) -> Vec<Value> {
    let outbound = workload.egress.iter().map(|egress| outbound(mesh, workload, egress));
    let inbound = workload.ingress.iter().map(|ingress| inbound(mesh, workload, ingress));
    outbound.chain(inbound).collect()
}

fn outbound(mesh: &Mesh, workload: &Workload, egress: &Egress) -> Value {
    let name = format!("{}_{}", egress.bind, egress.port);
    let network_filters = match egress.protocol {
        Protocol::Http | Protocol::Http2 => {
            json!([filters::outbound_http(mesh, workload, &name, &egress.port.to_string())])
        }
        Protocol::HttpProxy => {
            let mut manager = filters::outbound_http(mesh, workload, &name, "http_proxy");
            manager["typed_config"]["http_protocol_options"] = json!({ "allow_absolute_url": true });
            json!([manager])
        }
        Protocol::Tcp => {
            let cluster = tcp_cluster(mesh, egress.port);
            let proxy = filters::tcp_proxy(mesh, &cluster);
            filters::stats(mesh, Direction::Outbound).into_iter().chain([proxy]).collect()
        }
    };
    json!({
        "name": name,
        "address": { "socket_address": { "address": egress.bind, "port_value": egress.port } },
        "filter_chains": [{ "filters": network_filters, "transport_socket_connect_timeout": "15s" }],
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": true,
        "traffic_direction": "OUTBOUND",
        "max_connections_to_accept_per_socket_event": 1
    })
}

/// The first TCP service claims the listener, as with istiod.
fn tcp_cluster(mesh: &Mesh, port: u16) -> String {
    let tcp = mesh.services.iter().flat_map(|service| {
        let ports = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
        ports.map(move |port| (service, port.number))
    });
    let chosen = tcp.clone().find(|(_, number)| *number == port).or_else(|| tcp.clone().next());
    chosen.map_or_else(|| "BlackHoleCluster".to_owned(), |(service, number)| outbound_name(service, number))
}

fn inbound(mesh: &Mesh, workload: &Workload, ingress: &Ingress) -> Value {
    let name = format!("{}_{}", workload.address, ingress.port);
    let (plain, mesh_tls) = match workload.mtls {
        Mtls::Permissive => (true, true),
        Mtls::Strict => (false, true),
        Mtls::Disable => (true, false),
    };
    let http = ingress.protocol != Protocol::Tcp;
    let mut chains = Vec::new();
    if mesh_tls {
        let exchange = !http && mesh.istio_filters;
        let alpn: &[&str] = if exchange { &["istio-peer-exchange", "h2", "http/1.1"] } else { &["h2", "http/1.1"] };
        let mut chain = chain(mesh, workload, ingress, &name, "tls");
        if plain {
            chain["filter_chain_match"]["application_protocols"] = json!(MESH_ALPN);
        }
        chain["transport_socket"] = tls::downstream(&mesh.trust_domain, alpn);
        chains.push(chain);
        if plain && !http {
            // TLS of the application's own passes through.
            chains.push(self::chain(mesh, workload, ingress, &name, "tls"));
        }
    }
    if plain {
        chains.push(chain(mesh, workload, ingress, &name, "raw_buffer"));
    }
    let mut listener = json!({
        "name": name,
        "address": { "socket_address": { "address": workload.address, "port_value": ingress.port } },
        "filter_chains": chains,
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": true,
        "traffic_direction": "INBOUND",
        "access_log": filters::listener_access_log(mesh),
        "max_connections_to_accept_per_socket_event": 1
    });
    if mesh_tls {
        listener["listener_filters"] = json!([tls_inspector(ingress.port)]);
    }
    listener
}

fn chain(mesh: &Mesh, workload: &Workload, ingress: &Ingress, name: &str, transport: &str) -> Value {
    let cluster = format!("inbound|{}||", ingress.port);
    let mut network_filters: Vec<Value> = filters::tcp_metadata_exchange(mesh).into_iter().collect();
    if ingress.protocol == Protocol::Tcp {
        network_filters.extend(filters::stats(mesh, Direction::Inbound));
        network_filters.push(filters::tcp_proxy(mesh, &cluster));
    } else {
        network_filters.push(filters::inbound_http(mesh, workload, name, routes::inbound(ingress)));
    }
    let config = "/apis/networking.istio.io/v1/namespaces/bookinfo/sidecar/bookinfo-no-iptables";
    json!({
        "filter_chain_match": { "destination_port": ingress.port, "transport_protocol": transport },
        "filters": network_filters,
        "metadata": { "filter_metadata": { "istio": { "config": config } } },
        "name": name
    })
}

fn tls_inspector(port: u16) -> Value {
    json!({
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            "initial_read_buffer_size": 512
        },
        "filter_disabled": {
            "not_match": { "destination_port_range": { "start": port, "end": u32::from(port) + 1 } }
        }
    })
}
