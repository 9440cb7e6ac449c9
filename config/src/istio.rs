//! Istio's own messages, which `envoy-types` does not carry; their `.proto` texts are in `config/proto`. Used by the
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

/// `io.istio.http.peer_metadata.Config`, as far as its shape is checked.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PeerMetadata {
    #[prost(string, repeated, tag = "6")]
    pub additional_labels: Vec<String>,
}

/// `stats.PluginConfig`, as far as its shape is checked.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatsPlugin {
    #[prost(bool, tag = "6")]
    pub disable_host_header_fallback: bool,
    #[prost(message, optional, tag = "7")]
    pub tcp_reporting_duration: Option<crate::proto::wkt::Duration>,
}
