//! The ADS half of the recorder: one delta stream, on which names are asked for as they are learnt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::listener::v3::{Listener, filter};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Endpoint;

use crate::lab::Result;
use crate::recordings::TYPES;

/// When nothing has come for so long, istiod has said all. It pushes within its 100 ms of debounce.
const QUIET: Duration = Duration::from_secs(2);

/// All resources of a type, by name.
type Held = BTreeMap<String, Resource>;

/// Asks for everything and returns one response for each type.
pub async fn record(uri: &str, node: Node) -> Result<Vec<(&'static str, DeltaDiscoveryResponse)>> {
    let channel = Endpoint::from_shared(uri.to_owned())?.connect().await?;
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let (requests, outgoing) = mpsc::unbounded_channel();
    let mut asker = Asker { requests, node: Some(node), asked: BTreeMap::new() };
    for wildcard in ["cds", "lds"] {
        asker.ask(wildcard, BTreeSet::new())?;
    }
    let mut responses = client.delta_aggregated_resources(UnboundedReceiverStream::new(outgoing)).await?.into_inner();
    let mut held: BTreeMap<&'static str, Held> = TYPES.iter().map(|(kind, _)| (*kind, Held::new())).collect();
    while let Ok(message) = tokio::time::timeout(QUIET, responses.message()).await {
        let response = message?.ok_or("istiod ended the stream")?;
        let kind = TYPES.iter().find(|(_, url)| *url == response.type_url).ok_or("a type that nobody asked for")?.0;
        asker.acknowledge(&response)?;
        for resource in response.resources {
            for (kind, names) in refers_to(kind, &resource)? {
                asker.ask(kind, names)?;
            }
            held.entry(kind).or_default().insert(resource.name.clone(), resource);
        }
    }
    Ok(held.into_iter().map(|(kind, held)| (kind, response(kind, held))).collect())
}

/// The sending side of the stream.
struct Asker {
    requests: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    /// Goes with the first request alone.
    node: Option<Node>,
    asked: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Asker {
    /// Subscribes to the names that were not asked for yet; no names on the first call means all.
    fn ask(&mut self, kind: &'static str, names: BTreeSet<String>) -> Result<()> {
        let known = self.asked.contains_key(kind);
        let asked = self.asked.entry(kind).or_default();
        let new: Vec<_> = names.into_iter().filter(|name| asked.insert(name.clone())).collect();
        if known && new.is_empty() {
            return Ok(());
        }
        self.send(DeltaDiscoveryRequest {
            type_url: type_url(kind),
            resource_names_subscribe: new,
            ..DeltaDiscoveryRequest::default()
        })
    }

    fn acknowledge(&mut self, response: &DeltaDiscoveryResponse) -> Result<()> {
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        })
    }

    fn send(&mut self, mut request: DeltaDiscoveryRequest) -> Result<()> {
        request.node = self.node.take();
        Ok(self.requests.send(request)?)
    }
}

/// The names of other resources that this one needs.
fn refers_to(kind: &str, resource: &Resource) -> Result<Vec<(&'static str, BTreeSet<String>)>> {
    let bytes = resource.resource.as_ref().map(|any| any.value.as_slice()).unwrap_or_default();
    match kind {
        "cds" => Ok(vec![("eds", endpoints_of(&Cluster::decode(bytes)?))]),
        "lds" => names_in_listener(&Listener::decode(bytes)?),
        _ => Ok(Vec::new()),
    }
    .map(|mut all| {
        all.retain(|(_, names)| !names.is_empty());
        all
    })
}

fn endpoints_of(cluster: &Cluster) -> BTreeSet<String> {
    use cluster::{ClusterDiscoveryType, DiscoveryType};
    let by_eds = cluster.cluster_discovery_type == Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()));
    let service = cluster.eds_cluster_config.as_ref().map(|eds| eds.service_name.as_str()).unwrap_or_default();
    let name = if service.is_empty() { &cluster.name } else { service };
    by_eds.then(|| name.to_owned()).into_iter().collect()
}

fn names_in_listener(listener: &Listener) -> Result<Vec<(&'static str, BTreeSet<String>)>> {
    let (mut routes, mut extensions) = (BTreeSet::new(), BTreeSet::new());
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    for filter in chains.flat_map(|chain| &chain.filters) {
        let Some(filter::ConfigType::TypedConfig(any)) = &filter.config_type else { continue };
        if !any.type_url.ends_with(".HttpConnectionManager") {
            continue;
        }
        let manager = HttpConnectionManager::decode(any.value.as_slice())?;
        if let Some(RouteSpecifier::Rds(rds)) = manager.route_specifier {
            routes.insert(rds.route_config_name);
        }
        let discovered = |filter: &&_| matches!(config_type(filter), Some(http_filter::ConfigType::ConfigDiscovery(_)));
        extensions.extend(manager.http_filters.iter().filter(discovered).map(|filter| filter.name.clone()));
    }
    Ok(vec![("rds", routes), ("ecds", extensions)])
}

fn config_type(
    filter: &envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter,
) -> Option<&http_filter::ConfigType> {
    filter.config_type.as_ref()
}

/// One response with all resources of a type; what differs between two runs is left out.
fn response(kind: &str, held: Held) -> DeltaDiscoveryResponse {
    let resources = held.into_values().map(|resource| Resource { version: String::new(), ..resource });
    DeltaDiscoveryResponse {
        type_url: type_url(kind),
        resources: resources.collect(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn type_url(kind: &str) -> String {
    TYPES.iter().find(|(name, _)| *name == kind).map(|(_, url)| (*url).to_owned()).unwrap_or_default()
}
