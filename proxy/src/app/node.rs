//! The node as control planes see it: that of the bootstrap, with what the command line says instead, and what this build is and can
//! do. Called by `app::bootstrap` once the bootstrap is read.

use std::sync::Arc;

use bytes::Bytes;
use config::bootstrap::Bootstrap;
use config::registry::{Entry, Kind, State, extensions};
use envoy_types::pb::envoy::config::core::v3::node::UserAgentVersionType;
use envoy_types::pb::envoy::config::core::v3::{BuildVersion, Extension, Node};
use envoy_types::pb::envoy::r#type::v3::SemanticVersion;
use envoy_types::pb::google::protobuf::{Struct, Value, value};
use prost::Message;

use crate::cli::{Options, version};
use crate::platform::Facts;

/// The bootstrap's node, completed.
///
/// # Errors
/// The bytes are no node.
pub fn complete(node: &Bytes, options: &Options) -> Result<Node, String> {
    let mut node = Node::decode(node.clone()).map_err(|error| format!("node: {error}"))?;
    // As in Envoy, the command line counts.
    if !options.service_node.is_empty() {
        node.id.clone_from(&options.service_node);
    }
    if !options.service_cluster.is_empty() {
        node.cluster.clone_from(&options.service_cluster);
    }
    if !options.service_zone.is_empty() {
        node.locality.get_or_insert_default().zone.clone_from(&options.service_zone);
    }
    node.user_agent_name = "outrigger".to_owned();
    node.user_agent_version_type = Some(UserAgentVersionType::UserAgentBuildVersion(build()));
    node.extensions = extensions().filter(|entry| entry.state == State::Works).filter_map(extension).collect();
    Ok(node)
}

/// Where nobody says where the node is, its platform is asked: the agent's word, or the command line's, counts.
pub fn located(mut bootstrap: Bootstrap, options: &Options, ask: impl FnOnce() -> Facts) -> Bootstrap {
    const KEY: &str = "PLATFORM_METADATA";
    let Ok(mut node) = Node::decode(bootstrap.node.clone()) else { return bootstrap };
    let locality = node.locality.get_or_insert_default();
    if !(locality.region.is_empty() && locality.zone.is_empty() && options.service_zone.is_empty()) {
        return bootstrap;
    }
    let facts = ask();
    if facts.is_empty() {
        return bootstrap;
    }
    tracing::info!(target: "main", "the platform says that this is region '{}', zone '{}'", facts.region, facts.zone);
    (locality.region, locality.zone) = (facts.region.clone(), facts.zone.clone());
    let metadata = node.metadata.get_or_insert_default();
    if !metadata.fields.contains_key(KEY) {
        let fields = facts.metadata().map(|(key, value)| (key.to_owned(), text(value))).collect();
        let value = Value { kind: Some(value::Kind::StructValue(Struct { fields })) };
        metadata.fields.insert(KEY.to_owned(), value);
        let mut shown = serde_json::Value::clone(&bootstrap.node_metadata);
        if !shown.is_object() {
            shown = serde_json::json!({});
        }
        shown[KEY] = facts.metadata().map(|(key, value)| (key.to_owned(), serde_json::Value::from(value))).collect();
        bootstrap.node_metadata = Arc::new(shown);
    }
    bootstrap.node = node.encode_to_vec().into();
    bootstrap
}

fn text(text: &str) -> Value {
    Value { kind: Some(value::Kind::StringValue(text.to_owned())) }
}

fn build() -> BuildVersion {
    let [major_number, minor_number, patch] = version::numbers();
    let facts = [
        ("build.type", version::BUILD_TYPE),
        ("revision.sha", version::REVISION),
        ("revision.status", version::status()),
        ("ssl.version", version::SSL),
    ];
    let fields = facts.iter().map(|(name, fact)| ((*name).to_owned(), text(fact))).collect();
    BuildVersion {
        version: Some(SemanticVersion { major_number, minor_number, patch }),
        metadata: Some(Struct { fields }),
    }
}

/// An extension by Envoy's name for it, which is its package.
fn extension(entry: &Entry) -> Option<Extension> {
    let category = match entry.kind {
        Kind::ListenerFilter => "envoy.filters.listener",
        Kind::NetworkFilter => "envoy.filters.network",
        Kind::HttpFilter => "envoy.filters.http",
        Kind::TransportSocket if entry.type_name.contains("Downstream") => "envoy.transport_sockets.downstream",
        Kind::TransportSocket => "envoy.transport_sockets.upstream",
        Kind::Cluster => "envoy.clusters",
        Kind::EventSink => "envoy.health_check.event_sinks",
        Kind::ProtocolOptions => "envoy.upstream_options",
        Kind::LoadBalancing => "envoy.load_balancing_policies",
        Kind::DnsResolver => "envoy.network.dns_resolver",
        Kind::AccessLog => "envoy.access_loggers",
        Kind::AccessLogFilter => "envoy.access_loggers.extension_filters",
        Kind::Formatter => "envoy.formatter",
        Kind::Tracer => "envoy.tracers",
        Kind::ResourceDetector => "envoy.tracers.opentelemetry.resource_detectors",
        Kind::Sampler => "envoy.tracers.opentelemetry.samplers",
        Kind::RequestId => "envoy.request_id_extension",
        Kind::OriginalIp => "envoy.http.original_ip_detection",
        Kind::EarlyHeaders => "envoy.http.early_header_mutation",
        Kind::HeaderFormatter => "envoy.http.stateful_header_formatters",
        Kind::Retry if entry.type_name.contains(".priority.") => "envoy.retry_priorities",
        Kind::Retry => "envoy.retry_host_predicates",
        Kind::InternalRedirect => "envoy.internal_redirect_predicates",
        Kind::Matcher => "envoy.matching.input_matchers",
        Kind::Bootstrap => "envoy.bootstrap",
        Kind::ResourceMonitor => "envoy.resource_monitors",
        Kind::StatsSink => "envoy.stats_sinks",
        Kind::Compression if entry.type_name.contains(".decompressor.") => "envoy.compression.decompressor",
        Kind::Compression => "envoy.compression.compressor",
        Kind::SessionState => "envoy.http.stateful_session",
        Kind::Credential => "envoy.http.injected_credentials",
        // Listed with match trees.
        Kind::RateLimitDescriptor if entry.type_name.ends_with("Input") => return None,
        Kind::RateLimitDescriptor => "envoy.rate_limit_descriptors",
        Kind::MatchTree if entry.type_name.contains(".input_matchers.") => "envoy.matching.input_matchers",
        Kind::MatchTree if entry.type_name.ends_with("Input") => "envoy.matching.http.input",
        Kind::MatchTree => "envoy.matching.action",
        // Settings of filters, which are listed themselves.
        Kind::PerRoute => return None,
    };
    let package = entry.type_name.rsplit_once(".v").map_or(entry.type_name, |(package, _)| package);
    Some(Extension {
        name: package.replacen("envoy.extensions.", "envoy.", 1),
        category: category.to_owned(),
        type_urls: vec![entry.type_name.to_owned()],
        ..Extension::default()
    })
}

#[cfg(test)]
mod tests;
