//! `ZoneAwareLbConfig` in both spellings, and what of the runtime counts in its place. Called by [`super::policy`].

use super::balancing::{Balancing, ZoneAware};
use crate::field_rules;
use crate::matcher::Fraction;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, extensions::load_balancing_policies::common::v3 as typed, types, wkt};
use crate::rejection::{At, Rejection};

/// Of the cluster's own field.
pub(super) fn untyped(
    at: &At<'_>,
    config: &pb::cluster::common_lb_config::ZoneAwareLbConfig,
    balancing: &mut Balancing,
) -> Result<(), Rejection> {
    let zones = &mut balancing.zones;
    shares(at, &config.routing_enabled, &config.min_cluster_size, zones)?;
    balancing.fails_in_panic = config.fail_traffic_on_panic;
    Ok(())
}

/// Of a typed policy.
pub(super) fn typed(
    at: &At<'_>,
    config: &typed::locality_lb_config::ZoneAwareLbConfig,
    balancing: &mut Balancing,
) -> Result<(), Rejection> {
    use typed::locality_lb_config::zone_aware_lb_config::LocalityBasis;
    let zones = &mut balancing.zones;
    shares(at, &config.routing_enabled, &config.min_cluster_size, zones)?;
    #[allow(deprecated)]
    let directly = config.force_locality_direct_routing.then_some(1);
    zones.forced_from = match &config.force_local_zone {
        Some(forced) => Some(proto::uint32(&forced.min_size).unwrap_or(1)),
        None => directly,
    };
    let basis = proto::defined::<LocalityBasis>(&at.field("locality_basis"), config.locality_basis)?;
    zones.by_weight = basis == LocalityBasis::HealthyHostsWeight;
    balancing.fails_in_panic = config.fail_traffic_on_panic;
    Ok(())
}

/// What the runtime says, wherever the policy is.
pub(super) fn of_runtime(zones: &mut ZoneAware, options: &Options) {
    let runtime = &options.runtime;
    if let Some(share) = runtime.get::<Fraction>("upstream.zone_routing.enabled") {
        zones.enabled = share;
    }
    if let Some(size) = runtime.get::<u64>("upstream.zone_routing.min_cluster_size") {
        zones.min_cluster_size = size;
    }
    if let Some(size) = runtime.get::<u64>("upstream.zone_routing.force_local_zone.min_size").filter(|size| *size > 0) {
        zones.forced_from = Some(u32::try_from(size).unwrap_or(u32::MAX));
    }
}

fn shares(
    at: &At<'_>,
    enabled: &Option<types::v3::Percent>,
    least: &Option<wkt::UInt64Value>,
    zones: &mut ZoneAware,
) -> Result<(), Rejection> {
    if let Some(percent) = field_rules::percent(&at.field("routing_enabled"), enabled)? {
        // Rounded, as in Envoy.
        zones.enabled = Fraction::percent(percent.round() as u32);
    }
    if let Some(least) = least {
        zones.min_cluster_size = least.value;
    }
    Ok(())
}
