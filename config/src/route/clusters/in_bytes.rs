//! Clusters that tables inside a listener name, found in its bytes. Called for validation alone, where the listener is refused for something
//! else: whoever mends a file wants the list.

use prost::Message;

use super::{Faults, Known, exists};
use crate::extension::message_name;
use crate::proto::extensions::filters::network::http_connection_manager::v3 as hcm;
use crate::proto::listener::v3::{FilterChain, Listener, filter::ConfigType};
use crate::proto::route::v3 as pb;
use crate::rejection::{At, Rejection};
use hcm::http_connection_manager::RouteSpecifier;
use pb::{route::Action, route_action::ClusterSpecifier};

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// Those that are not known, in tables that are to be looked at.
pub fn leads_nowhere(listener: &[u8], known: Known<'_>) -> Vec<Rejection> {
    let listener = Listener::decode(listener).unwrap_or_default();
    let root = At::root();
    let at_chains = root.field("filter_chains");
    let mut faults = Faults::default();
    for (index, chain) in listener.filter_chains.iter().enumerate() {
        of_chain(&at_chains.index(index), chain, known, &mut faults);
    }
    if let Some(chain) = &listener.default_filter_chain {
        of_chain(&root.field("default_filter_chain"), chain, known, &mut faults);
    }
    faults.0
}

fn of_chain(at: &At<'_>, chain: &FilterChain, known: Known<'_>, faults: &mut Faults) {
    let at = at.field("filters");
    for (index, filter) in chain.filters.iter().enumerate() {
        let Some(ConfigType::TypedConfig(any)) = &filter.config_type else { continue };
        if message_name(&any.type_url) != MANAGER {
            continue;
        }
        let manager = hcm::HttpConnectionManager::decode(&*any.value).unwrap_or_default();
        let Some(RouteSpecifier::RouteConfig(table)) = manager.route_specifier else { continue };
        if table.validate_clusters.is_none_or(|asked| asked.value) {
            let at = at.index(index);
            let at = at.field("typed_config");
            of_table(&at.field("route_config"), &table, known, faults);
        }
    }
}

fn of_table(at: &At<'_>, table: &pb::RouteConfiguration, known: Known<'_>, faults: &mut Faults) {
    let at = at.field("virtual_hosts");
    for (index, host) in table.virtual_hosts.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("routes");
        for (index, route) in host.routes.iter().enumerate() {
            let Some(Action::Route(action)) = &route.action else { continue };
            let at = at.index(index);
            of_action(&at.field("route"), action, known, faults);
        }
    }
}

fn of_action(at: &At<'_>, action: &pb::RouteAction, known: Known<'_>, faults: &mut Faults) {
    match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => {
            exists(&at.field("cluster"), "unknown cluster", name, known, faults);
        }
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            let at = at.field("weighted_clusters");
            let at = at.field("clusters");
            for (index, one) in weighted.clusters.iter().enumerate().filter(|(_, one)| !one.name.is_empty()) {
                let at = at.index(index);
                exists(&at.field("name"), "unknown weighted cluster", &one.name, known, faults);
            }
        }
        _ => {}
    }
}
