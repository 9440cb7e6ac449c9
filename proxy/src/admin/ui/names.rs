//! Which names are served where: listeners that route to a table, and the hosts of that table; hosts of TCP chains. Found in the bytes of
//! the resources, for the page alone.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::listener::v3::{Listener, filter};
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{TcpProxy, tcp_proxy::ClusterSpecifier};
use prost::Message;

use crate::store::{Kind, Snapshot};

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

/// Names of one listener.
pub struct Served {
    /// The listener.
    pub listener: String,
    /// `inbound`, `outbound` or nothing.
    pub direction: &'static str,
    /// First domains of virtual hosts, or hosts by their clusters.
    pub names: Vec<String>,
}

/// What each active listener serves.
pub fn served(resources: &Snapshot) -> Vec<Served> {
    let tables: HashMap<&str, Vec<String>> = resources
        .resources(Kind::Route)
        .iter()
        .filter_map(|entry| Some((&*entry.name, hosts(&entry.active.as_ref()?.body))))
        .collect();
    let active = resources.resources(Kind::Listener).iter().filter_map(|entry| Some((entry, entry.active.as_ref()?)));
    active
        .filter_map(|(entry, version)| {
            let listener = Listener::decode(&*version.body).ok()?;
            let direction = match listener.traffic_direction {
                1 => "inbound",
                2 => "outbound",
                _ => "",
            };
            let mut names: Vec<String> = Vec::new();
            for name in names_of(&listener, &tables) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            Some(Served { listener: entry.name.to_string(), direction, names })
        })
        .collect()
}

fn names_of(listener: &Listener, tables: &HashMap<&str, Vec<String>>) -> Vec<String> {
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    let mut names = Vec::new();
    for chain in chains {
        names.extend(chain.filter_chain_match.iter().flat_map(|demands| demands.server_names.iter().cloned()));
        for any in chain.filters.iter().filter_map(|filter| match &filter.config_type {
            Some(filter::ConfigType::TypedConfig(any)) => Some(any),
            _ => None,
        }) {
            if any.type_url.ends_with(MANAGER) {
                let manager = HttpConnectionManager::decode(&*any.value).unwrap_or_default();
                names.extend(match manager.route_specifier {
                    Some(RouteSpecifier::RouteConfig(table)) => first_domains(&table),
                    Some(RouteSpecifier::Rds(rds)) => tables
                        .get(&*rds.route_config_name)
                        .cloned()
                        .unwrap_or_else(|| vec![format!("(routes {} have not come)", rds.route_config_name)]),
                    _ => Vec::new(),
                });
            } else if any.type_url.ends_with(TCP_PROXY) {
                let proxy = TcpProxy::decode(&*any.value).unwrap_or_default();
                if let Some(ClusterSpecifier::Cluster(name)) = proxy.cluster_specifier {
                    names.push(format!("TCP to {name}"));
                }
            }
        }
    }
    names
}

fn hosts(table: &[u8]) -> Vec<String> {
    RouteConfiguration::decode(table).map_or_else(|_| Vec::new(), |table| first_domains(&table))
}

/// The shortest domain is what people type.
fn first_domains(table: &RouteConfiguration) -> Vec<String> {
    let shortest = |domains: &[String]| domains.iter().min_by_key(|domain| domain.len()).cloned();
    table.virtual_hosts.iter().filter_map(|host| shortest(&host.domains)).collect()
}
