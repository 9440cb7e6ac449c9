//! How the gRPC servers that the bootstrap names are reached: over static clusters, with everything that those say about their
//! connections. Called by `app` and, for each SDS source, by `xds::secrets`.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::address::Address;
use config::bootstrap::{Bootstrap, StaticResource};
use config::cluster::Http2Settings;
use config::xds_server::XdsServer;
use envoy_types::pb::envoy::config::core::v3::Node;
use prost::Message;
use xds_client::{AdsSettings, BackoffSettings, Connection, Connector, Endpoint, Http2, Keepalive, Uri};

use crate::cluster::Dialer;
use crate::cluster::dns::Resolver;
use crate::tls::Secrets;

/// The static clusters, which can carry gRPC to a control plane, by name.
#[derive(Clone)]
pub struct GrpcServers {
    /// As they came: few of them are ever dialled.
    clusters: Rc<HashMap<Arc<str>, Bytes>>,
    options: Rc<config::Options>,
    node: Node,
    secrets: Arc<Secrets>,
    resolver: Arc<Resolver>,
}

impl GrpcServers {
    /// Of every static cluster. Those that cannot be read are reported elsewhere.
    pub fn new(bootstrap: &Bootstrap, secrets: &Arc<Secrets>, resolver: &Arc<Resolver>) -> Result<GrpcServers, String> {
        let of = |resource: &StaticResource| (resource.name.clone(), resource.body.clone());
        Ok(GrpcServers {
            clusters: Rc::new(bootstrap.static_clusters.iter().map(of).collect()),
            options: Rc::new(bootstrap.options(config::UnknownFields::Ignore)),
            node: node_of(bootstrap)?,
            secrets: secrets.clone(),
            resolver: resolver.clone(),
        })
    }

    /// The node as it is sent to the control plane.
    pub fn node_bytes(&self) -> Bytes {
        self.node.encode_to_vec().into()
    }

    /// Connects to a static cluster.
    ///
    /// # Errors
    /// It is not there, or cannot be connected to.
    pub fn dial(&self, name: &str) -> Result<Dialer, String> {
        self.dialer(name, name)
    }

    fn dialer(&self, name: &str, authority: &str) -> Result<Dialer, String> {
        // What does not act is told by whoever reads them to serve them.
        let cluster = self.clusters.get(name).and_then(|body| config::cluster::decode(body, &self.options).ok());
        let cluster = cluster.ok_or_else(|| {
            format!("cluster '{name}' is not a static cluster: add it to the bootstrap's static_resources.clusters")
        })?;
        Dialer::new(Arc::new(cluster), authority, &self.secrets, self.resolver.clone())
            .map_err(|rejection| format!("cluster '{name}': {rejection}"))
    }

    /// Settings of the streams to a server.
    ///
    /// # Errors
    /// The cluster is not there, or cannot carry them.
    pub fn settings(&self, server: &XdsServer) -> Result<AdsSettings, String> {
        let dialer = self.dialer(&server.cluster, &server.authority)?;
        let connect_timeout = dialer.config().connect_timeout;
        let mut settings = AdsSettings::new(endpoint(Arc::new(dialer), &server.authority), self.node.clone());
        settings.delta = server.delta;
        settings.set_node_on_first_message_only = server.node_on_first_message_only;
        settings.connect_timeout = connect_timeout;
        if let Some((base, max)) = server.back_off {
            settings.backoff = BackoffSettings { base, max };
        }
        if let Some(most) = server.largest_message {
            settings.largest_message = most as usize;
        }
        if !server.metadata.is_empty() {
            let metadata: Vec<(String, String)> =
                server.metadata.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            settings.metadata = Some(Arc::new(move || metadata.clone()));
        }
        Ok(settings)
    }
}

fn node_of(bootstrap: &Bootstrap) -> Result<Node, String> {
    Node::decode(bootstrap.node.clone()).map_err(|error| format!("node: {error}"))
}

fn endpoint(dialer: Arc<Dialer>, authority: &str) -> Endpoint {
    let name = printed(&dialer);
    let scheme = if dialer.is_encrypted() { "https" } else { "http" };
    // A cluster's name need not be an authority; who needs one there says so with `envoy_grpc.authority`.
    let origin = format!("{scheme}://{authority}").parse().unwrap_or(Uri::from_static("http://localhost"));
    let http2 = http2(&dialer.config().http.http2);
    let connector: Connector = Arc::new(move || {
        let dialer = dialer.clone();
        Box::pin(async move {
            let stream = dialer.connect().await.map_err(|failure| failure.to_string())?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    });
    Endpoint::new(name, origin, connector, http2)
}

/// For messages: the cluster, and where it is.
fn printed(dialer: &Dialer) -> String {
    let place = dialer.first_address().map(|address| match address {
        Address::Socket(address) => address.to_string(),
        Address::Pipe(path) => format!("unix:{}", path.display()),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Internal { .. } => "an internal listener".to_owned(),
    });
    let tls = if dialer.is_encrypted() { ", TLS" } else { "" };
    format!("cluster '{}' ({}{tls})", dialer.config().name, place.unwrap_or_default())
}

/// Pings only where the cluster asks for them, and its windows where it names them.
fn http2(settings: &Http2Settings) -> Http2 {
    let default = Http2::default();
    Http2 {
        keepalive: settings
            .keepalive_interval
            .map(|interval| Keepalive { interval, timeout: settings.keepalive_timeout.unwrap_or(PING_TIMEOUT) }),
        stream_window: settings.initial_stream_window.unwrap_or(default.stream_window),
        connection_window: settings.initial_connection_window.unwrap_or(default.connection_window),
    }
}

/// For an interval without a timeout, which Envoy refuses.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
