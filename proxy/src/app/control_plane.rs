//! How the gRPC servers that the bootstrap names are reached: a static cluster with one address, as the agent writes them.
//! Called by `app` and, for each SDS source, by `xds::secrets`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::address::Address;
use config::bootstrap::{AdsConfig, Bootstrap};
use config::cluster::{Cluster, Discovery, UpstreamTransport};
use config::secret::DataSource;
use config::tls::{UpstreamTls, Validation};
use envoy_types::pb::envoy::config::core::v3::Node;
use prost::Message;
use xds_client::{AdsSettings, Endpoint, Pem, SdsSettings, TlsSettings};

/// The static clusters that can carry gRPC to a control plane, by name.
#[derive(Clone, Default)]
pub struct GrpcServers {
    servers: Arc<HashMap<Arc<str>, Server>>,
    node: Node,
}

struct Server {
    endpoint: Endpoint,
    connect_timeout: Duration,
}

impl GrpcServers {
    /// Reads every static cluster that has an address. Clusters that cannot be read are reported elsewhere.
    pub fn new(bootstrap: &Bootstrap, options: &config::Options) -> Result<GrpcServers, String> {
        let mut servers = HashMap::new();
        for resource in &bootstrap.static_clusters {
            let Ok(cluster) = config::cluster::decode(&resource.body, options) else { continue };
            if let Some(endpoint) = endpoint_of(&cluster) {
                servers.insert(resource.name.clone(), Server { endpoint, connect_timeout: cluster.connect_timeout });
            }
        }
        Ok(GrpcServers { servers: Arc::new(servers), node: node_of(bootstrap)? })
    }

    /// The node as it is sent to the control plane.
    pub fn node_bytes(&self) -> Bytes {
        self.node.encode_to_vec().into()
    }

    /// Settings of the ADS stream.
    pub fn ads(&self, ads: &AdsConfig) -> Result<AdsSettings, String> {
        let server = self.servers.get(&ads.cluster).ok_or_else(|| {
            format!(
                "dynamic_resources.ads_config names the cluster '{}', which is not a static cluster with an address: add it to \
                 static_resources.clusters",
                ads.cluster
            )
        })?;
        let mut settings = AdsSettings::new(server.endpoint.clone(), self.node.clone());
        settings.delta = ads.delta;
        settings.set_node_on_first_message_only = ads.node_on_first_message_only;
        settings.connect_timeout = server.connect_timeout;
        if !ads.metadata.is_empty() {
            let metadata: Vec<(String, String)> =
                ads.metadata.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            settings.metadata = Some(Arc::new(move || metadata.clone()));
        }
        Ok(settings)
    }

    /// Settings of SDS streams over a static cluster.
    pub fn sds(&self, cluster: &str) -> Option<SdsSettings> {
        let server = self.servers.get(cluster)?;
        let mut settings = SdsSettings::new(server.endpoint.clone(), self.node.clone());
        settings.connect_timeout = server.connect_timeout;
        Some(settings)
    }
}

fn node_of(bootstrap: &Bootstrap) -> Result<Node, String> {
    let mut node = Node::decode(bootstrap.node.clone()).map_err(|error| format!("node: {error}"))?;
    node.user_agent_name = "outrigger".to_owned();
    Ok(node)
}

fn endpoint_of(cluster: &Cluster) -> Option<Endpoint> {
    let (Discovery::Static(assignment) | Discovery::StrictDns(assignment, _) | Discovery::LogicalDns(assignment, _)) =
        &cluster.discovery
    else {
        return None;
    };
    let first = assignment.localities.first()?.endpoints.first()?;
    let (host, port) = match &first.address {
        Address::Pipe(path) => return Some(Endpoint::Uds(path.clone())),
        Address::Socket(address) => (address.ip().to_string(), address.port()),
        Address::Name { host, port } => (host.to_string(), *port),
        Address::Internal { .. } => return None,
    };
    match &cluster.transport {
        UpstreamTransport::Tls(tls) => Some(Endpoint::Tls { tls: tls_of(tls, &host)?, host, port }),
        _ => Some(Endpoint::Tcp { host, port }),
    }
}

fn tls_of(tls: &UpstreamTls, host: &str) -> Option<TlsSettings> {
    let Validation::Inline(context) = tls.common.validation.as_ref()? else { return None };
    let roots = match context.trusted_ca.as_ref()? {
        DataSource::Inline(bytes) => Pem::Inline(bytes.to_vec()),
        DataSource::File(path) => Pem::File(path.clone()),
        DataSource::Environment(name) => Pem::Inline(std::env::var(&**name).ok()?.into_bytes()),
    };
    let server_name = tls.sni.as_deref().unwrap_or(host).to_owned();
    Some(TlsSettings { roots, server_name, identity: None })
}

#[cfg(test)]
mod tests;
