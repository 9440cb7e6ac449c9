//! Endpoints (`envoy.config.endpoint.v3.ClusterLoadAssignment`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::metadata::{Criteria, Metadata};

/// `ClusterLoadAssignment`.
#[derive(Debug, Clone, Default)]
pub struct LoadAssignment {
    /// Name of the cluster, or the EDS service name.
    pub cluster_name: Arc<str>,
    /// Localities, in the order received.
    pub localities: Vec<LocalityEndpoints>,
    /// `policy.overprovisioning_factor`, percent; Envoy's default is 140.
    pub overprovisioning_factor: u32,
    /// `policy.weighted_priority_health`: how healthy a priority is counts by the weights of its endpoints.
    pub weighted_priority_health: bool,
    /// `policy.drop_overloads`: of a million requests so many are not sent.
    pub drops: u32,
    /// `policy.endpoint_stale_after`: with nothing newer by then, there are no endpoints.
    pub stale_after: Option<Duration>,
}

/// `LocalityLbEndpoints`.
#[derive(Debug, Clone, Default)]
pub struct LocalityEndpoints {
    /// Where.
    pub locality: Locality,
    /// `load_balancing_weight`; `None` when unset (with locality weighting: no traffic).
    pub weight: Option<u32>,
    /// 0 is the highest.
    pub priority: u32,
    /// Members.
    pub endpoints: Vec<Endpoint>,
}

/// `core.v3.Locality`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// Region.
    pub region: Arc<str>,
    /// Zone.
    pub zone: Arc<str>,
    /// Sub-zone.
    pub sub_zone: Arc<str>,
}

/// `LbEndpoint`.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it is reached.
    pub address: Address,
    /// Further addresses of the same endpoint (happy eyeballs).
    pub additional_addresses: Vec<Address>,
    /// Health as the control plane says.
    pub health: HealthStatus,
    /// At least 1.
    pub weight: u32,
    /// `hostname`, for auto_sni and health checks.
    pub hostname: Arc<str>,
    /// `metadata.filter_metadata["envoy.transport_socket_match"]`: picks the transport socket.
    pub transport_socket_match: Criteria,
    /// The same of its locality's metadata: asked when no transport socket fits the endpoint's own.
    pub locality_socket_match: Arc<Criteria>,
    /// All metadata.
    pub metadata: Arc<Metadata>,
    /// The HTTP proxy that it is reached by where its transport is `http_11_proxy`, by its metadata or that of its locality.
    pub http_proxy: Option<SocketAddr>,
    /// What a header of the PROXY protocol tells it beside what its cluster adds, by its metadata.
    pub tlvs: Arc<[u8]>,
    /// `health_check_config`.
    pub check: Option<Arc<EndpointCheck>>,
}

/// `Endpoint.HealthCheckConfig`: how active health checks ask this endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointCheck {
    /// `address`, in place of the endpoint's.
    pub address: Option<Address>,
    /// `port_value`, in place of the address's.
    pub port: Option<u16>,
    /// `hostname`, in place of that of the cluster's check.
    pub hostname: Option<Arc<str>>,
    /// `disable_active_health_check`.
    pub disabled: bool,
}

/// `HealthStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthStatus {
    /// Treated as healthy.
    #[default]
    Unknown,
    /// Healthy.
    Healthy,
    /// Not to be used while others are.
    Unhealthy,
    /// Finishing; no new requests.
    Draining,
    /// Treated as unhealthy.
    Timeout,
    /// Used when too few are healthy.
    Degraded,
}

pub(crate) mod decode;

pub use decode::{decode, from_proto};
