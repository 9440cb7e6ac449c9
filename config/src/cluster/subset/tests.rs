//! Tests of `subset`.

use serde_json::json;

use super::*;
use crate::proto::cluster::v3::cluster::LbSubsetConfig;
use crate::proto::cluster::v3::cluster::lb_subset_config::LbSubsetSelector;

fn selector(keys: &[&str]) -> LbSubsetSelector {
    LbSubsetSelector { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..LbSubsetSelector::default() }
}

fn read(config: LbSubsetConfig) -> Result<Option<Arc<Subsets>>, String> {
    let cluster = pb::Cluster { lb_subset_config: Some(config), ..pb::Cluster::default() };
    untyped(&At::root(), &cluster).map_err(|rejection| rejection.to_string())
}

#[test]
fn keys_are_sorted_and_stand_once() {
    let config = LbSubsetConfig { subset_selectors: vec![selector(&["b", "a", "b"])], ..LbSubsetConfig::default() };
    let subsets = read(config).expect("good").expect("subsets");
    assert_eq!(subsets.selectors[0].keys, ["a".into(), "b".into()]);
}

#[test]
fn without_selectors_there_are_none() {
    assert_eq!(read(LbSubsetConfig { fallback_policy: 1, ..LbSubsetConfig::default() }), Ok(None));
}

#[test]
fn what_cannot_be_is_refused() {
    const KEYS_SUBSET: i32 = 4;
    let fallback = |keys: &[&str]| LbSubsetSelector {
        fallback_policy: KEYS_SUBSET,
        fallback_keys_subset: selector(keys).keys,
        ..selector(&["a", "b"])
    };
    let others = LbSubsetSelector { fallback_policy: 1, ..fallback(&["a"]) };
    let cases = [
        (others, "lb_subset_config.subset_selectors[0].fallback_keys_subset: fallback_keys_subset can be set only"),
        (fallback(&[]), "fallback_keys_subset cannot be empty"),
        (fallback(&["c"]), "fallback_keys_subset: must be a subset"),
        (fallback(&["a", "b"]), "cannot be equal to keys"),
        (LbSubsetSelector { fallback_policy: 9, ..selector(&["a"]) }, "[0].fallback_policy: "),
    ];
    for (selector, expected) in cases {
        let config = LbSubsetConfig { subset_selectors: vec![selector], ..LbSubsetConfig::default() };
        let told = read(config).expect_err("refused");
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let weighs = LbSubsetConfig { locality_weight_aware: true, ..LbSubsetConfig::default() };
    let told = read(weighs).expect_err("refused");
    assert!(told.contains("lb_subset_config.locality_weight_aware: "), "{told}");
}

#[test]
fn criteria_are_merged_by_key() {
    let route = Criteria::of(&json!({ "b": 1, "a": "x" }));
    let cluster = Criteria::of(&json!({ "c": true, "b": 2 }));
    assert_eq!(route.merged(&cluster), Criteria::of(&json!({ "a": "x", "b": 2, "c": true })));
}
