//! What stands inside other resources: route tables in listeners, policies of endpoints in clusters. Found again in the bytes, for the dump alone.

use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::{Listener, filter};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use prost::Message;

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// Names and bytes of the route tables that a listener's connection managers bring with them.
pub fn routes(listener: &[u8]) -> Vec<(Arc<str>, Bytes)> {
    let Ok(listener) = Listener::decode(listener) else { return Vec::new() };
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    let configs = chains.flat_map(|chain| &chain.filters).filter_map(|filter| match &filter.config_type {
        Some(filter::ConfigType::TypedConfig(any)) if any.type_url == MANAGER => Some(&any.value),
        _ => None,
    });
    let managers = configs.filter_map(|value| HttpConnectionManager::decode(value.as_slice()).ok());
    let tables = managers.filter_map(|manager| match manager.route_specifier {
        Some(RouteSpecifier::RouteConfig(table)) => {
            Some((Arc::from(table.name.as_str()), table.encode_to_vec().into()))
        }
        _ => None,
    });
    tables.collect()
}

/// What the requests are called that are not sent, in the endpoints of a service or of the cluster itself.
pub fn drop_category((service, cluster): &(Option<Bytes>, Option<Bytes>)) -> String {
    let assignment = match (service, cluster) {
        (Some(service), _) => ClusterLoadAssignment::decode(service.clone()).ok(),
        (None, Some(cluster)) => Cluster::decode(cluster.clone()).ok().and_then(|cluster| cluster.load_assignment),
        (None, None) => None,
    };
    let drops = assignment.and_then(|assignment| assignment.policy).map(|policy| policy.drop_overloads);
    drops.into_iter().flatten().next().map(|drop| drop.category).unwrap_or_default()
}

/// A secret of which only the name is known.
pub fn secret_of_name(name: &str) -> Bytes {
    Secret { name: name.to_owned(), ..Secret::default() }.encode_to_vec().into()
}

/// An extension's config of which only the name is known.
pub fn extension_of_name(name: &str) -> Bytes {
    TypedExtensionConfig { name: name.to_owned(), typed_config: None }.encode_to_vec().into()
}
