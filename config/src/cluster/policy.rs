//! Load-balancing policy of a cluster: the typed `load_balancing_policy`, else `lb_policy`. Called by [`super::decode`].

use super::Balancer;
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, extensions::load_balancing_policies as typed, uint32, wkt};
use crate::registry;
use crate::rejection::{At, Rejection};

const DEFAULT_RING: u64 = 1024;
const DEFAULT_TABLE: u64 = 65_537;

/// The cluster's balancer.
pub(super) fn balancer(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Balancer, Rejection> {
    if let Some(policy) = &proto.load_balancing_policy {
        return typed_policy(&at.field("load_balancing_policy"), policy, options, 0);
    }
    use pb::cluster::{LbConfig, LbPolicy};
    let config = &proto.lb_config;
    Ok(match proto::defined::<LbPolicy>(&at.field("lb_policy"), proto.lb_policy)? {
        LbPolicy::RoundRobin => Balancer::RoundRobin,
        LbPolicy::Random => Balancer::Random,
        LbPolicy::ClusterProvided => Balancer::ClusterProvided,
        LbPolicy::LeastRequest => match config {
            Some(LbConfig::LeastRequestLbConfig(config)) => {
                least_request(&at.field("least_request_lb_config"), &config.choice_count)?
            }
            _ => Balancer::LeastRequest { choices: 2 },
        },
        LbPolicy::RingHash => match config {
            Some(LbConfig::RingHashLbConfig(config)) => {
                ring(&at.field("ring_hash_lb_config"), &config.minimum_ring_size, &config.maximum_ring_size)?
            }
            _ => Balancer::RingHash { minimum_ring_size: DEFAULT_RING },
        },
        LbPolicy::Maglev => match config {
            Some(LbConfig::MaglevLbConfig(config)) => maglev(&at.field("maglev_lb_config"), &config.table_size)?,
            _ => Balancer::Maglev { table_size: DEFAULT_TABLE },
        },
        LbPolicy::LoadBalancingPolicyConfig => {
            return Err(at.field("load_balancing_policy").reject("is required and not set; set it"));
        }
    })
}

fn least_request(at: &At<'_>, choices: &Option<wkt::UInt32Value>) -> Result<Balancer, Rejection> {
    let choices = uint32(choices).unwrap_or(2);
    if choices < 2 {
        return Err(at.field("choice_count").reject("must be at least 2"));
    }
    Ok(Balancer::LeastRequest { choices })
}

fn ring(at: &At<'_>, least: &Option<wkt::UInt64Value>, most: &Option<wkt::UInt64Value>) -> Result<Balancer, Rejection> {
    const LARGEST: u64 = 8_388_608;
    let minimum_ring_size = least.as_ref().map_or(DEFAULT_RING, |value| value.value);
    let maximum = most.as_ref().map_or(LARGEST, |value| value.value);
    field_rules::within(&at.field("minimum_ring_size"), minimum_ring_size, 1, LARGEST)?;
    field_rules::within(&at.field("maximum_ring_size"), maximum, 1, LARGEST)?;
    if minimum_ring_size > maximum {
        return Err(at
            .field("minimum_ring_size")
            .reject(format!("{minimum_ring_size} is above maximum_ring_size, {maximum}")));
    }
    Ok(Balancer::RingHash { minimum_ring_size })
}

fn maglev(at: &At<'_>, size: &Option<wkt::UInt64Value>) -> Result<Balancer, Rejection> {
    let at = at.field("table_size");
    let table_size = size.as_ref().map_or(DEFAULT_TABLE, |value| value.value);
    field_rules::within(&at, table_size, 2, 5_000_011)?;
    if (2..).take_while(|divisor| divisor * divisor <= table_size).any(|divisor| table_size.is_multiple_of(divisor)) {
        return Err(at.reject(format!("{table_size} is not a prime number; Maglev needs one")));
    }
    Ok(Balancer::Maglev { table_size })
}

/// The first policy of the list that this build knows, as Envoy chooses.
fn typed_policy(
    at: &At<'_>,
    list: &pb::LoadBalancingPolicy,
    options: &Options,
    depth: usize,
) -> Result<Balancer, Rejection> {
    if depth > 8 {
        return Err(at.reject("is nested too deeply"));
    }
    let at = at.field("policies");
    for (index, policy) in list.policies.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("typed_extension_config");
        let config = field_rules::required(&at, &policy.typed_extension_config)?;
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &config.typed_config)?;
        if let Some(balancer) = known_policy(&at, &extension, options, depth)? {
            return Ok(balancer);
        }
    }
    Err(at.reject(
        "none of these policies is known to this proxy; add round_robin, random, least_request, ring_hash or maglev",
    ))
}

fn known_policy(
    at: &At<'_>,
    extension: &extension::Extension<'_>,
    options: &Options,
    depth: usize,
) -> Result<Option<Balancer>, Rejection> {
    let Some(name) = extension.type_name.strip_prefix(registry::LOAD_BALANCING_PREFIX) else { return Ok(None) };
    Ok(Some(match name {
        "round_robin.v3.RoundRobin" => {
            let _: typed::round_robin::v3::RoundRobin = extension.decode(at, options)?;
            Balancer::RoundRobin
        }
        "client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin" => {
            options.note(at, "weights reported by endpoints are not read; plain round robin is used");
            Balancer::RoundRobin
        }
        "random.v3.Random" => Balancer::Random,
        "cluster_provided.v3.ClusterProvided" => Balancer::ClusterProvided,
        "least_request.v3.LeastRequest" => {
            let config: typed::least_request::v3::LeastRequest = extension.decode(at, options)?;
            least_request(at, &config.choice_count)?
        }
        "ring_hash.v3.RingHash" => {
            let config: typed::ring_hash::v3::RingHash = extension.decode(at, options)?;
            ring(at, &config.minimum_ring_size, &config.maximum_ring_size)?
        }
        "maglev.v3.Maglev" => {
            let config: typed::maglev::v3::Maglev = extension.decode(at, options)?;
            maglev(at, &config.table_size)?
        }
        "wrr_locality.v3.WrrLocality" => {
            let config: typed::wrr_locality::v3::WrrLocality = extension.decode(at, options)?;
            let at = at.field("endpoint_picking_policy");
            typed_policy(&at, field_rules::required(&at, &config.endpoint_picking_policy)?, options, depth + 1)?
        }
        "override_host.v3.OverrideHost" => {
            let config: typed::override_host::v3::OverrideHost = extension.decode(at, options)?;
            options.note(at, "stickiness to an endpoint is not acting; the fallback policy is used");
            let at = at.field("fallback_policy");
            typed_policy(&at, field_rules::required(&at, &config.fallback_policy)?, options, depth + 1)?
        }
        _ => return Ok(None),
    }))
}
