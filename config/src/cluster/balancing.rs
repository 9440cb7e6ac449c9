//! What a cluster says about balancing beyond the name of a policy: slow start, the bias of least request, hashing. Read by
//! [`super::policy`] out of the fields of the cluster, or of the typed policies.

use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Locality;
use crate::field_rules;
use crate::matcher::Fraction;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, types, wkt};
use crate::rejection::{At, Rejection};

/// The fine print of a policy. The default is what Envoy does where nothing is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Balancing {
    /// `slow_start_config`: hosts that have just become healthy get less.
    pub slow_start: Option<SlowStart>,
    /// `active_request_bias` of least request: how much requests under way count.
    pub active_request_bias: f64,
    /// `selection_method: FULL_SCAN` of least request: all hosts are compared.
    pub full_scan: bool,
    /// `maximum_ring_size`.
    pub maximum_ring_size: u64,
    /// `hash_function: MURMUR_HASH_2` of the ring.
    pub murmur: bool,
    /// `use_hostname_for_hashing`.
    pub hashes_hostname: bool,
    /// `hash_balance_factor`, percent of the mean load that a host may have; `None` = no bound.
    pub balance_factor: Option<u32>,
    /// `zone_aware_lb_config`.
    pub zones: ZoneAware,
    /// `zone_aware_lb_config.fail_traffic_on_panic`: where too few hosts are healthy, none is used.
    pub fails_in_panic: bool,
}

/// `ZoneAwareLbConfig`: how much traffic stays in the own zone. Without the local cluster it is nothing to anybody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZoneAware {
    /// `routing_enabled`: the share of picks that look at zones.
    pub enabled: Fraction,
    /// `min_cluster_size`: healthy hosts that there must be.
    pub min_cluster_size: u64,
    /// `force_local_zone.min_size`, or 1 for `force_locality_direct_routing`: with so many healthy hosts in the own zone nothing leaves it.
    pub forced_from: Option<u32>,
    /// `locality_basis: HEALTHY_HOSTS_WEIGHT`.
    pub by_weight: bool,
}

/// The cluster of which this proxy is a member, and where the proxy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalZone {
    /// `local_cluster_name` of the bootstrap.
    pub cluster: Arc<str>,
    /// The node's locality.
    pub locality: Locality,
}

impl Default for ZoneAware {
    fn default() -> ZoneAware {
        ZoneAware { enabled: Fraction::percent(100), min_cluster_size: 6, forced_from: None, by_weight: false }
    }
}

/// `SlowStartConfig`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowStart {
    /// `slow_start_window`.
    pub window: Duration,
    /// `aggression`: 1 is linear.
    pub aggression: f64,
    /// `min_weight_percent`, as a share.
    pub least: f64,
}

impl Default for Balancing {
    fn default() -> Balancing {
        Balancing {
            slow_start: None,
            active_request_bias: 1.0,
            full_scan: false,
            maximum_ring_size: LARGEST_RING,
            murmur: false,
            hashes_hostname: false,
            balance_factor: None,
            zones: ZoneAware::default(),
            fails_in_panic: false,
        }
    }
}

/// Envoy's limit.
pub(super) const LARGEST_RING: u64 = 8_388_608;

/// `SlowStartConfig` of either spelling. A window of nothing is none.
pub(super) fn slow_start(
    at: &At<'_>,
    window: &Option<wkt::Duration>,
    aggression: &Option<core::RuntimeDouble>,
    least: &Option<types::v3::Percent>,
    options: &Options,
) -> Result<Option<SlowStart>, Rejection> {
    let at = at.field("slow_start_config");
    let window = proto::duration(&at.field("slow_start_window"), window)?.unwrap_or_default();
    let aggression = number(aggression, options, 1.0);
    let least = field_rules::percent(&at.field("min_weight_percent"), least)?.unwrap_or(10.0) / 100.0;
    let aggression = if aggression.is_nan() || aggression <= 0.0 { 1.0 } else { aggression };
    Ok((!window.is_zero()).then_some(SlowStart { window, aggression, least }))
}

/// A number, or what the runtime has in its place.
pub(super) fn number(value: &Option<core::RuntimeDouble>, options: &Options, default: f64) -> f64 {
    let Some(value) = value else { return default };
    options.runtime.get(&value.runtime_key).unwrap_or(value.default_value)
}

/// `active_request_bias`. What cannot be counted with counts as 1, as in Envoy.
pub(super) fn bias(value: &Option<core::RuntimeDouble>, options: &Options) -> f64 {
    let bias = number(value, options, 1.0);
    if bias.is_nan() || bias < 0.0 { 1.0 } else { bias }
}
