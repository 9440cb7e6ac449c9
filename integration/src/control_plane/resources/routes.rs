//! RDS tables of egress listeners, and the inline routes of ingress listeners.
//!
//! Called by the resource set and by listeners.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::model::{Ingress, Mesh, Protocol, Service, Workload};
use super::clusters::outbound_name;

pub(super) fn all(mesh: &Mesh, workload: &Workload) -> Vec<Value> {
    let mut tables = Vec::new();
    let http = |protocol| matches!(protocol, Protocol::Http | Protocol::Http2);
    let ports: BTreeSet<u16> =
        workload.egress.iter().filter(|egress| http(egress.protocol)).map(|egress| egress.port).collect();
    for port in ports {
        let hosts = mesh.services.iter().filter_map(|service| {
            let number = port_behind(service, port)?;
            Some(virtual_host(service, number, domains(service, workload)))
        });
        tables.push(table(&port.to_string(), with_allow_any(hosts.collect())));
    }
    if workload.egress.iter().any(|egress| egress.protocol == Protocol::HttpProxy) {
        tables.push(table("http_proxy", with_allow_any(proxy_hosts(mesh, workload))));
    }
    tables
}

/// A service with one port is folded into any egress port; of several, the one with the same number.
fn port_behind(service: &Service, egress: u16) -> Option<u16> {
    match service.ports.as_slice() {
        [only] => (only.protocol != Protocol::Tcp).then_some(only.number),
        ports => ports.iter().map(|port| port.number).find(|number| *number == egress),
    }
}

/// Ports other than 80 are named in the domains.
fn proxy_hosts(mesh: &Mesh, workload: &Workload) -> Vec<Value> {
    let mut hosts = Vec::new();
    for service in &mesh.services {
        for port in service.ports.iter().filter(|port| port.protocol != Protocol::Tcp) {
            let domains = domains(service, workload).into_iter().map(|domain| match port.number {
                80 => domain,
                number => format!("{domain}:{number}"),
            });
            hosts.push(virtual_host(service, port.number, domains.collect()));
        }
    }
    hosts
}

fn with_allow_any(mut hosts: Vec<Value>) -> Vec<Value> {
    hosts.sort_by_key(|host| host["name"].to_string());
    hosts.push(allow_any());
    hosts
}

/// A table with these virtual hosts.
pub(super) fn table(name: &str, hosts: Vec<Value>) -> Value {
    json!({
        "name": name,
        "virtual_hosts": hosts,
        "validate_clusters": false,
        "max_direct_response_body_size_bytes": 1_048_576,
        "ignore_port_in_host_matching": true
    })
}

fn domains(service: &Service, workload: &Workload) -> Vec<String> {
    let host = service.host();
    let mut domains = vec![host.clone(), format!("{host}.")];
    if service.host.is_some() {
        return domains;
    }
    let (name, namespace) = (&service.name, &service.namespace);
    if *namespace == workload.namespace {
        domains.push(name.clone());
    }
    domains.push(format!("{name}.{namespace}.svc"));
    domains.push(format!("{name}.{namespace}"));
    domains
}

fn virtual_host(service: &Service, port: u16, domains: Vec<String>) -> Value {
    let host = service.host();
    json!({
        "name": format!("{host}:{port}"),
        "domains": domains,
        "routes": [{
            "name": "default",
            "match": { "prefix": "/" },
            "route": {
                "cluster": outbound_name(service, port),
                "timeout": "0s",
                "retry_policy": {
                    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
                    "num_retries": 2,
                    "retry_host_predicate": [{
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                        }
                    }],
                    "host_selection_retry_max_attempts": "5"
                },
                "max_grpc_timeout": "0s"
            },
            "decorator": { "operation": format!("{host}:{port}/*") }
        }],
        "include_request_attempt_count": true
    })
}

fn allow_any() -> Value {
    json!({
        "name": "allow_any",
        "domains": ["*"],
        "routes": [{
            "name": "allow_any",
            "match": { "prefix": "/" },
            "route": { "cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s" }
        }],
        "include_request_attempt_count": true
    })
}

/// The inline table of an ingress port.
pub(super) fn inbound(ingress: &Ingress) -> Value {
    let port = ingress.port;
    json!({
        "name": format!("inbound|{port}||"),
        "virtual_hosts": [{
            "name": format!("inbound|http|{port}"),
            "domains": ["*"],
            "routes": [{
                "name": "default",
                "match": { "prefix": "/" },
                "route": {
                    "cluster": format!("inbound|{port}||"),
                    "timeout": "0s",
                    "retry_policy": { "retry_on": "reset-before-request", "num_retries": 2 },
                    "max_stream_duration": { "max_stream_duration": "0s", "grpc_timeout_header_max": "0s" }
                },
                "decorator": { "operation": format!("bookinfo-no-iptables.bookinfo:{port}/*") }
            }]
        }],
        "validate_clusters": false
    })
}
