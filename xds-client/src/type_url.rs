//! Type URLs of the resources that a proxy asks for, and the order in which they are asked for again.
//!
//! Called by the proxy (to name types) and by the ADS session (to order them). Must never list what the crate can
//! carry: any type URL can be subscribed to.

/// CDS.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// EDS.
pub const ENDPOINT: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// LDS.
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// RDS.
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// SDS.
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// ECDS.
pub const EXTENSION_CONFIG: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
/// RTDS.
pub const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";
/// The wrapper that a state-of-the-world response may put around a resource.
pub const WRAPPED_RESOURCE: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// The place of a type in the order that a control plane expects on a new stream: clusters, endpoints, listeners,
/// routes, then the rest.
pub(crate) fn rank(type_url: &str) -> u8 {
    match type_url {
        CLUSTER => 0,
        ENDPOINT => 1,
        LISTENER => 2,
        ROUTE => 3,
        _ => 4,
    }
}

/// Whether a state-of-the-world response of this type always carries everything, so that absence means removal.
/// "Everything" holds for clusters and listeners only; routes and endpoints may come in parts.
pub(crate) fn is_whole_state(type_url: &str) -> bool {
    matches!(type_url, CLUSTER | LISTENER)
}
