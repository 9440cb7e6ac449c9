//! Load-balancing policy of a cluster: the typed `load_balancing_policy`, else `lb_policy`. Called by [`super::decode`].

use std::sync::Arc;

use super::balancing::{self, Balancing, LARGEST_RING};
use super::subset::{self, Subsets};
use super::{Balancer, zones};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, extensions::load_balancing_policies as typed, uint32, wkt};
use crate::registry;
use crate::rejection::{At, Rejection};

const DEFAULT_RING: u64 = 1024;
const DEFAULT_TABLE: u64 = 65_537;

/// What is read of either spelling.
pub(super) struct Policy {
    pub balancer: Balancer,
    pub balancing: Balancing,
    /// What a typed policy says of localities; `None` where the cluster's own field counts.
    pub locality_weighted: Option<bool>,
    pub subsets: Option<Arc<Subsets>>,
}

impl Policy {
    fn of(balancer: Balancer) -> Policy {
        Policy { balancer, balancing: Balancing::default(), locality_weighted: None, subsets: None }
    }
}

/// The cluster's policy.
pub(super) fn balancer(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Policy, Rejection> {
    if let Some(policy) = &proto.load_balancing_policy {
        let mut policy = typed_policy(&at.field("load_balancing_policy"), policy, options, 0)?;
        zones::of_runtime(&mut policy.balancing.zones, options);
        // As in Envoy, fields of the cluster do not count beside typed policies.
        return Ok(Policy { locality_weighted: Some(policy.locality_weighted.unwrap_or(false)), ..policy });
    }
    let mut balancing = untyped(at, proto, options)?;
    zones::of_runtime(&mut balancing.zones, options);
    Ok(Policy { balancing, subsets: subset::untyped(at, proto)?, ..Policy::of(named(at, proto)?) })
}

/// The fine print in the cluster's own fields.
fn untyped(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Balancing, Rejection> {
    use pb::cluster::common_lb_config::LocalityConfigSpecifier as Localities;
    use pb::cluster::{LbConfig, ring_hash_lb_config::HashFunction};
    let mut balancing = Balancing::default();
    let common = proto.common_lb_config.as_ref();
    if let Some(Localities::ZoneAwareLbConfig(config)) = common.and_then(|one| one.locality_config_specifier.as_ref()) {
        zones::untyped(&at.field("common_lb_config").field("zone_aware_lb_config"), config, &mut balancing)?;
    }
    let hashing = common.and_then(|common| common.consistent_hashing_lb_config.as_ref());
    if let Some(hashing) = hashing {
        consistent(&mut balancing, hashing.use_hostname_for_hashing, &hashing.hash_balance_factor);
    }
    let slow_start = |at: &At<'_>, config: &Option<pb::cluster::SlowStartConfig>| match config {
        Some(one) => {
            balancing::slow_start(at, &one.slow_start_window, &one.aggression, &one.min_weight_percent, options)
        }
        None => Ok(None),
    };
    match &proto.lb_config {
        Some(LbConfig::RoundRobinLbConfig(config)) => {
            balancing.slow_start = slow_start(&at.field("round_robin_lb_config"), &config.slow_start_config)?;
        }
        Some(LbConfig::LeastRequestLbConfig(config)) => {
            balancing.slow_start = slow_start(&at.field("least_request_lb_config"), &config.slow_start_config)?;
            balancing.active_request_bias = balancing::bias(&config.active_request_bias, options);
        }
        Some(LbConfig::RingHashLbConfig(config)) => {
            let at = at.field("ring_hash_lb_config");
            let function = proto::defined::<HashFunction>(&at.field("hash_function"), config.hash_function)?;
            balancing.murmur = function == HashFunction::MurmurHash2;
            balancing.maximum_ring_size = config.maximum_ring_size.as_ref().map_or(LARGEST_RING, |size| size.value);
        }
        _ => {}
    }
    Ok(balancing)
}

fn named(at: &At<'_>, proto: &pb::Cluster) -> Result<Balancer, Rejection> {
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
    let minimum_ring_size = least.as_ref().map_or(DEFAULT_RING, |value| value.value);
    let maximum = most.as_ref().map_or(LARGEST_RING, |value| value.value);
    field_rules::within(&at.field("minimum_ring_size"), minimum_ring_size, 1, LARGEST_RING)?;
    field_rules::within(&at.field("maximum_ring_size"), maximum, 1, LARGEST_RING)?;
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
) -> Result<Policy, Rejection> {
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
        if let Some(policy) = known_policy(&at, &extension, options, depth)? {
            return Ok(policy);
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
) -> Result<Option<Policy>, Rejection> {
    let Some(name) = extension.type_name.strip_prefix(registry::LOAD_BALANCING_PREFIX) else { return Ok(None) };
    Ok(Some(match name {
        "round_robin.v3.RoundRobin" => {
            let config: typed::round_robin::v3::RoundRobin = extension.decode(at, options)?;
            let mut policy = Policy::of(Balancer::RoundRobin);
            policy.balancing.slow_start = slow_start(at, &config.slow_start_config, options)?;
            localities(at, &config.locality_lb_config, &mut policy)?;
            policy
        }
        "client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin" => {
            options.note(at, "weights reported by endpoints are not read; plain round robin is used");
            Policy::of(Balancer::RoundRobin)
        }
        "random.v3.Random" => {
            let config: typed::random::v3::Random = extension.decode(at, options)?;
            let mut policy = Policy::of(Balancer::Random);
            localities(at, &config.locality_lb_config, &mut policy)?;
            policy
        }
        "cluster_provided.v3.ClusterProvided" => Policy::of(Balancer::ClusterProvided),
        "least_request.v3.LeastRequest" => least_request_policy(at, &extension.decode(at, options)?, options)?,
        "ring_hash.v3.RingHash" => ring_policy(at, &extension.decode(at, options)?)?,
        "maglev.v3.Maglev" => {
            let config: typed::maglev::v3::Maglev = extension.decode(at, options)?;
            let mut policy = Policy::of(maglev(at, &config.table_size)?);
            hashing(&mut policy.balancing, &config.consistent_hashing_lb_config);
            policy.locality_weighted = config.locality_weighted_lb_config.as_ref().map(|_| true);
            policy
        }
        "wrr_locality.v3.WrrLocality" => {
            let config: typed::wrr_locality::v3::WrrLocality = extension.decode(at, options)?;
            let at = at.field("endpoint_picking_policy");
            let list = field_rules::required(&at, &config.endpoint_picking_policy)?;
            // Localities are chosen by their weights first: that is what it is for.
            Policy { locality_weighted: Some(true), ..typed_policy(&at, list, options, depth + 1)? }
        }
        "subset.v3.Subset" => {
            let config: typed::subset::v3::Subset = extension.decode(at, options)?;
            let at_within = at.field("subset_lb_policy");
            let within = field_rules::required(&at_within, &config.subset_lb_policy)?;
            Policy { subsets: subset::typed(at, &config)?, ..typed_policy(&at_within, within, options, depth + 1)? }
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

fn least_request_policy(
    at: &At<'_>,
    config: &typed::least_request::v3::LeastRequest,
    options: &Options,
) -> Result<Policy, Rejection> {
    use typed::least_request::v3::least_request::SelectionMethod;
    let method = proto::defined::<SelectionMethod>(&at.field("selection_method"), config.selection_method)?;
    #[allow(deprecated)]
    let scans = proto::bool_or(&config.enable_full_scan, false);
    let mut policy = Policy::of(least_request(at, &config.choice_count)?);
    policy.balancing.slow_start = slow_start(at, &config.slow_start_config, options)?;
    policy.balancing.active_request_bias = balancing::bias(&config.active_request_bias, options);
    policy.balancing.full_scan = scans || method == SelectionMethod::FullScan;
    localities(at, &config.locality_lb_config, &mut policy)?;
    Ok(policy)
}

fn ring_policy(at: &At<'_>, config: &typed::ring_hash::v3::RingHash) -> Result<Policy, Rejection> {
    use typed::ring_hash::v3::ring_hash::HashFunction;
    let mut policy = Policy::of(ring(at, &config.minimum_ring_size, &config.maximum_ring_size)?);
    let balancing = &mut policy.balancing;
    let function = proto::defined::<HashFunction>(&at.field("hash_function"), config.hash_function)?;
    balancing.murmur = function == HashFunction::MurmurHash2;
    balancing.maximum_ring_size = config.maximum_ring_size.as_ref().map_or(LARGEST_RING, |size| size.value);
    #[allow(deprecated)]
    {
        consistent(balancing, config.use_hostname_for_hashing, &config.hash_balance_factor);
    }
    hashing(balancing, &config.consistent_hashing_lb_config);
    policy.locality_weighted = config.locality_weighted_lb_config.as_ref().map(|_| true);
    Ok(policy)
}

fn hashing(balancing: &mut Balancing, config: &Option<typed::common::v3::ConsistentHashingLbConfig>) {
    if let Some(config) = config {
        consistent(balancing, config.use_hostname_for_hashing, &config.hash_balance_factor);
    }
}

/// Of all spellings; a factor of zero is none.
fn consistent(balancing: &mut Balancing, hostname: bool, factor: &Option<wkt::UInt32Value>) {
    balancing.hashes_hostname = hostname;
    balancing.balance_factor = uint32(factor).filter(|factor| *factor > 0);
}

fn slow_start(
    at: &At<'_>,
    config: &Option<typed::common::v3::SlowStartConfig>,
    options: &Options,
) -> Result<Option<balancing::SlowStart>, Rejection> {
    match config {
        Some(one) => {
            balancing::slow_start(at, &one.slow_start_window, &one.aggression, &one.min_weight_percent, options)
        }
        None => Ok(None),
    }
}

/// What a typed policy says of localities.
fn localities(
    at: &At<'_>,
    config: &Option<typed::common::v3::LocalityLbConfig>,
    policy: &mut Policy,
) -> Result<(), Rejection> {
    use typed::common::v3::locality_lb_config::LocalityConfigSpecifier as Localities;
    match config.as_ref().and_then(|config| config.locality_config_specifier.as_ref()) {
        Some(Localities::LocalityWeightedLbConfig(_)) => policy.locality_weighted = Some(true),
        Some(Localities::ZoneAwareLbConfig(config)) => {
            let at = at.field("locality_lb_config");
            zones::typed(&at.field("zone_aware_lb_config"), config, &mut policy.balancing)?;
        }
        None => {}
    }
    Ok(())
}
