//! Messages that `envoy-types` does not carry, Istio's and others; their `.proto` texts are in `config/proto`. Used by the
//! translations of listeners and clusters.

/// `udpa.type.v1.TypedStruct` and `xds.type.v3.TypedStruct`, which are equal on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TypedStruct {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<crate::proto::wkt::Struct>,
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AlpnFilterConfig {
    #[prost(message, repeated, tag = "1")]
    pub alpn_override: Vec<AlpnOverride>,
}

/// One list of [`AlpnFilterConfig`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AlpnOverride {
    /// 0 HTTP/1.0, 1 HTTP/1.1, 2 HTTP/2.
    #[prost(int32, tag = "1")]
    pub upstream_protocol: i32,
    #[prost(string, repeated, tag = "2")]
    pub alpn_override: Vec<String>,
}

/// `envoy.tcp.metadataexchange.config.MetadataExchange`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetadataExchange {
    #[prost(string, tag = "1")]
    pub protocol: String,
    #[prost(bool, tag = "2")]
    pub enable_discovery: bool,
    #[prost(string, repeated, tag = "3")]
    pub additional_labels: Vec<String>,
}

/// `io.istio.http.peer_metadata.Config`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PeerMetadata {
    #[prost(message, repeated, tag = "1")]
    pub downstream_discovery: Vec<Discovery>,
    #[prost(message, repeated, tag = "2")]
    pub upstream_discovery: Vec<Discovery>,
    #[prost(message, repeated, tag = "3")]
    pub downstream_propagation: Vec<Propagation>,
    #[prost(message, repeated, tag = "4")]
    pub upstream_propagation: Vec<Propagation>,
    #[prost(bool, tag = "5")]
    pub shared_with_upstream: bool,
    #[prost(string, repeated, tag = "6")]
    pub additional_labels: Vec<String>,
}

/// `DiscoveryMethod` of [`PeerMetadata`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Discovery {
    #[prost(oneof = "DiscoveryMethod", tags = "1, 2, 3, 4")]
    pub method: Option<DiscoveryMethod>,
}

/// Its `method_specifier`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum DiscoveryMethod {
    #[prost(message, tag = "1")]
    Baggage(Nothing),
    #[prost(message, tag = "2")]
    WorkloadDiscovery(Nothing),
    #[prost(message, tag = "3")]
    IstioHeaders(IstioHeaders),
    #[prost(message, tag = "4")]
    UpstreamFilterState(UpstreamFilterState),
}

/// `PropagationMethod` of [`PeerMetadata`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Propagation {
    #[prost(oneof = "PropagationMethod", tags = "1, 2")]
    pub method: Option<PropagationMethod>,
}

/// Its `method_specifier`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum PropagationMethod {
    #[prost(message, tag = "1")]
    Baggage(Nothing),
    #[prost(message, tag = "2")]
    IstioHeaders(IstioHeaders),
}

/// A message without fields.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Nothing {}

/// `IstioHeaders` of [`PeerMetadata`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IstioHeaders {
    #[prost(bool, tag = "1")]
    pub skip_external_clusters: bool,
}

/// `UpstreamFilterState` of [`PeerMetadata`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UpstreamFilterState {
    #[prost(string, tag = "1")]
    pub peer_metadata_key: String,
}

/// `stats.PluginConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatsPlugin {
    #[prost(bool, tag = "6")]
    pub disable_host_header_fallback: bool,
    #[prost(message, optional, tag = "7")]
    pub tcp_reporting_duration: Option<crate::proto::wkt::Duration>,
    #[prost(message, repeated, tag = "8")]
    pub metrics: Vec<MetricConfig>,
    #[prost(message, repeated, tag = "9")]
    pub definitions: Vec<MetricDefinition>,
    #[prost(int32, tag = "10")]
    pub reporter: i32,
}

/// `stats.MetricConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetricConfig {
    #[prost(btree_map = "string, string", tag = "1")]
    pub dimensions: std::collections::BTreeMap<String, String>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, repeated, tag = "3")]
    pub tags_to_remove: Vec<String>,
    #[prost(bool, tag = "5")]
    pub drop: bool,
}

/// `stats.MetricDefinition`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetricDefinition {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
}

/// `istio.workload.BootstrapExtension`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WorkloadDiscovery {
    #[prost(message, optional, tag = "1")]
    pub config_source: Option<crate::proto::core::v3::ConfigSource>,
}

/// `istio.workload.Workload`, as far as telemetry asks for it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Workload {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub addresses: Vec<Vec<u8>>,
    #[prost(string, tag = "6")]
    pub trust_domain: String,
    #[prost(string, tag = "7")]
    pub service_account: String,
    #[prost(string, tag = "10")]
    pub canonical_name: String,
    #[prost(string, tag = "11")]
    pub canonical_revision: String,
    #[prost(int32, tag = "12")]
    pub workload_type: i32,
    #[prost(string, tag = "13")]
    pub workload_name: String,
    #[prost(string, tag = "18")]
    pub cluster_id: String,
    #[prost(message, optional, tag = "24")]
    pub locality: Option<WorkloadLocality>,
}

/// Where it is.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WorkloadLocality {
    #[prost(string, tag = "1")]
    pub region: String,
    #[prost(string, tag = "2")]
    pub zone: String,
}
