//! Subsets of a cluster's endpoints by their metadata: `lb_subset_config`, and the typed policy of that kind. Called by [`super::policy`].

use std::sync::Arc;

use serde_json::Value;

use crate::metadata::Criteria;
use crate::proto::{self, cluster::v3 as pb, extensions::load_balancing_policies::subset::v3 as typed, wkt};
use crate::rejection::{At, Rejection};

/// `LbSubsetConfig` with at least one selector: without one there are no subsets, whatever else is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Subsets {
    /// `fallback_policy`: where a request goes for which there is no subset.
    pub fallback: SubsetFallback,
    /// `default_subset`.
    pub default: Criteria,
    /// `subset_selectors`.
    pub selectors: Vec<Selector>,
    /// `locality_weight_aware`: the weights of localities count within subsets.
    pub weighs_localities: bool,
    /// `scale_locality_weight`: each as far as its endpoints are in the subset.
    pub scales_weights: bool,
    /// `panic_mode_any`: where the fallback has no host, any is taken.
    pub panics_to_any: bool,
    /// `list_as_any`: a list in an endpoint's metadata stands for each of its members.
    pub list_as_any: bool,
    /// `metadata_fallback_policy: FALLBACK_LIST`: a request brings what is tried one after the other.
    pub tries_list: bool,
    /// `allow_redundant_keys`: keys that no selector has do not count.
    pub allows_redundant: bool,
}

/// `LbSubsetFallbackPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubsetFallback {
    /// None.
    No,
    /// Any endpoint.
    Any,
    /// Those of `default_subset`.
    Default,
}

/// `LbSubsetSelector`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// `keys`, each once, sorted.
    pub keys: Vec<Arc<str>>,
    /// `single_host_per_subset`: the first endpoint of each value is it.
    pub single: bool,
    /// Where requests with these keys go for which there is no subset.
    pub fallback: SelectorFallback,
}

/// `LbSubsetSelectorFallbackPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectorFallback {
    /// As the cluster says.
    NotDefined,
    /// None.
    No,
    /// Any endpoint.
    Any,
    /// Those of `default_subset`.
    Default,
    /// It is tried with these keys alone.
    Keys(Vec<Arc<str>>),
}

impl Subsets {
    /// Whether something falls back to any endpoint.
    pub fn needs_any(&self) -> bool {
        let selector = |selector: &Selector| selector.fallback == SelectorFallback::Any;
        self.fallback == SubsetFallback::Any || self.panics_to_any || self.selectors.iter().any(selector)
    }

    /// Whether something falls back to `default_subset`.
    pub fn needs_default(&self) -> bool {
        let selector = |selector: &Selector| selector.fallback == SelectorFallback::Default;
        self.fallback == SubsetFallback::Default || self.selectors.iter().any(selector)
    }

    /// Where requests with these keys go for which there is no subset.
    pub fn fallback_of(&self, criteria: &Criteria) -> &SelectorFallback {
        let same = |selector: &Selector| selector.keys.iter().eq(criteria.0.iter().map(|(key, _)| key));
        let selector = self.selectors.iter().position(same);
        // As in Envoy: one all of whose keys, in their order, an earlier one begins with says nothing of its own.
        let heard =
            |at: &usize| !self.selectors[..*at].iter().any(|one| one.keys.starts_with(&self.selectors[*at].keys));
        selector.filter(heard).map_or(&SelectorFallback::NotDefined, |at| &self.selectors[at].fallback)
    }
}

/// What both messages say. Their fields have the same names, and no type in common.
macro_rules! subsets {
    ($at:expr, $config:expr, $allows_redundant:expr) => {{
        let (at, config): (&At<'_>, _) = ($at, $config);
        let subsets = Subsets {
            fallback: fallback(at, config.fallback_policy)?,
            default: criteria(&config.default_subset),
            selectors: Vec::new(),
            weighs_localities: config.locality_weight_aware,
            scales_weights: config.scale_locality_weight,
            panics_to_any: config.panic_mode_any,
            list_as_any: config.list_as_any,
            tries_list: tries_list(at, config.metadata_fallback_policy)?,
            allows_redundant: $allows_redundant,
        };
        let selectors = config.subset_selectors.iter().map(|one| RawSelector {
            keys: &one.keys,
            single: one.single_host_per_subset,
            fallback: one.fallback_policy,
            fallback_keys: &one.fallback_keys_subset,
        });
        with_selectors(at, subsets, selectors)
    }};
}

/// `lb_subset_config`.
pub(super) fn untyped(at: &At<'_>, proto: &pb::Cluster) -> Result<Option<Arc<Subsets>>, Rejection> {
    let Some(config) = &proto.lb_subset_config else { return Ok(None) };
    let at = at.field("lb_subset_config");
    let weighted = super::decode::locality_weighted(proto.common_lb_config.as_ref());
    if config.locality_weight_aware && !weighted {
        return Err(at.field("locality_weight_aware").reject(format!(
            "Locality weight aware subset LB requires that a locality_weighted_lb_config be set in {}; set it in common_lb_config",
            proto.name
        )));
    }
    subsets!(&at, config, false)
}

/// The typed policy, but for the one that it has within.
pub(super) fn typed(at: &At<'_>, config: &typed::Subset) -> Result<Option<Arc<Subsets>>, Rejection> {
    subsets!(at, config, config.allow_redundant_keys)
}

/// A selector of either spelling.
struct RawSelector<'a> {
    keys: &'a [String],
    single: bool,
    fallback: i32,
    fallback_keys: &'a [String],
}

fn with_selectors<'a>(
    at: &At<'_>,
    subsets: Subsets,
    selectors: impl Iterator<Item = RawSelector<'a>>,
) -> Result<Option<Arc<Subsets>>, Rejection> {
    let at = at.field("subset_selectors");
    let selectors = selectors.enumerate().map(|(index, one)| selector(&at.index(index), &one));
    let selectors = selectors.collect::<Result<Vec<_>, Rejection>>()?;
    Ok((!selectors.is_empty()).then(|| Arc::new(Subsets { selectors, ..subsets })))
}

fn selector(at: &At<'_>, raw: &RawSelector<'_>) -> Result<Selector, Rejection> {
    use pb::cluster::lb_subset_config::lb_subset_selector::LbSubsetSelectorFallbackPolicy as Policy;
    let sorted = |keys: &[String]| {
        let mut keys: Vec<Arc<str>> = keys.iter().map(|key| Arc::from(key.as_str())).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    let (keys, fallback_keys) = (sorted(raw.keys), sorted(raw.fallback_keys));
    let policy = proto::defined::<Policy>(&at.field("fallback_policy"), raw.fallback)?;
    if policy != Policy::KeysSubset && !fallback_keys.is_empty() {
        return Err(at
            .field("fallback_keys_subset")
            .reject("fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy; take it out, or set that"));
    }
    let fallback = match policy {
        Policy::NotDefined => SelectorFallback::NotDefined,
        Policy::NoFallback => SelectorFallback::No,
        Policy::AnyEndpoint => SelectorFallback::Any,
        Policy::DefaultSubset => SelectorFallback::Default,
        Policy::KeysSubset => {
            let at = at.field("fallback_keys_subset");
            if fallback_keys.is_empty() {
                return Err(at.reject("fallback_keys_subset cannot be empty; name at least one of the selector's keys"));
            }
            if fallback_keys.iter().any(|key| !keys.contains(key)) {
                return Err(at.reject("must be a subset of the selector's keys"));
            }
            if fallback_keys.len() == keys.len() {
                return Err(at.reject("fallback_keys_subset cannot be equal to keys; leave one out"));
            }
            SelectorFallback::Keys(fallback_keys)
        }
    };
    Ok(Selector { keys, single: raw.single, fallback })
}

fn fallback(at: &At<'_>, policy: i32) -> Result<SubsetFallback, Rejection> {
    use pb::cluster::lb_subset_config::LbSubsetFallbackPolicy as Policy;
    Ok(match proto::defined::<Policy>(&at.field("fallback_policy"), policy)? {
        Policy::NoFallback => SubsetFallback::No,
        Policy::AnyEndpoint => SubsetFallback::Any,
        Policy::DefaultSubset => SubsetFallback::Default,
    })
}

fn tries_list(at: &At<'_>, policy: i32) -> Result<bool, Rejection> {
    use pb::cluster::lb_subset_config::LbSubsetMetadataFallbackPolicy as Policy;
    let policy = proto::defined::<Policy>(&at.field("metadata_fallback_policy"), policy)?;
    Ok(policy == Policy::FallbackList)
}

fn criteria(proto: &Option<wkt::Struct>) -> Criteria {
    Criteria::of(&proto.as_ref().map(proto::struct_to_json).unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests;
