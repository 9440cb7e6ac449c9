//! A difference made small: parts of the policy are left out while the two proxies still differ. Called by [`super::compare`].

use std::path::Path;

use serde_json::{Value, json};

use super::request::Request;
use super::{Batch, Failure, proxy};

/// As many smaller policies as are tried at once.
const AT_ONCE: usize = 200;
/// As often as they are.
const ROUNDS: usize = 20;

/// The policy, as small as it gets, and what both make of the request.
pub(super) fn shrink(
    envoy: &Path,
    outrigger: &Path,
    policy: &Value,
    request: &Request,
) -> Result<(Value, String, String), Failure> {
    let mut best = (policy.clone(), String::new(), String::new());
    let mut candidates = vec![policy.clone()];
    for _ in 0..ROUNDS {
        candidates.truncate(AT_ONCE);
        let requests = (0..candidates.len()).map(|index| (index, request.clone())).collect();
        let batch = Batch { policies: candidates, requests };
        // One that is no policy any more spoils them all: then it is small enough.
        let (Ok(theirs), Ok(ours)) = (proxy::play(envoy, &batch), proxy::play(outrigger, &batch)) else { break };
        let (theirs, ours) = (theirs.lines, ours.lines);
        let differing = (0..batch.policies.len()).filter(|index| theirs[*index] != ours[*index]);
        let Some(smallest) = differing.min_by_key(|index| batch.policies[*index].to_string().len()) else { break };
        let (theirs, ours) = (theirs[smallest].clone(), ours[smallest].clone());
        best = (batch.policies[smallest].clone(), theirs, ours);
        candidates = smaller(&best.0);
        candidates.sort_by_key(|policy| policy.to_string().len());
    }
    Ok(best)
}

/// Everything that is one step smaller.
fn smaller(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Array(list) => {
            for index in 0..list.len() {
                if list.len() > 1 {
                    let mut shorter = list.clone();
                    shorter.remove(index);
                    all.push(Value::Array(shorter));
                }
                for one in smaller(&list[index]) {
                    let mut changed = list.clone();
                    changed[index] = one;
                    all.push(Value::Array(changed));
                }
            }
        }
        Value::Object(map) => {
            all.extend(hoisted(value));
            let optional = [
                "rules",
                "shadow_rules",
                "matcher",
                "shadow_matcher",
                "condition",
                "cel_config",
                "track_per_rule_stats",
                "on_no_match",
                "invert_match",
                "invert",
                "ignore_case",
                "treat_missing_header_as_empty",
            ];
            for (key, inner) in map {
                // Those of a set are a list, and must be there.
                if optional.contains(&key.as_str()) && !inner.is_array() {
                    let mut without = map.clone();
                    without.remove(key);
                    all.push(Value::Object(without));
                }
                // Calls need as many arguments as they have.
                let inner = match (key.as_str(), inner) {
                    ("policies", Value::Object(policies)) => {
                        let one = policies.keys().map(|name| {
                            let mut fewer = policies.clone();
                            fewer.remove(name);
                            Value::Object(fewer)
                        });
                        one.chain(smaller(inner)).collect()
                    }
                    ("args" | "predicate" | "value_matchers", Value::Array(list)) => each(list),
                    _ => smaller(inner),
                };
                for one in inner {
                    let mut changed = map.clone();
                    changed.insert(key.clone(), one);
                    all.push(Value::Object(changed));
                }
            }
        }
        _ => {}
    }
    all
}

fn each(list: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    for index in 0..list.len() {
        for one in smaller(&list[index]) {
            let mut changed = list.to_vec();
            changed[index] = one;
            all.push(Value::Array(changed));
        }
    }
    all
}

/// What stands inside in the place of what holds it.
fn hoisted(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (set, list) in [("and_rules", "rules"), ("or_rules", "rules"), ("and_ids", "ids"), ("or_ids", "ids")] {
        all.extend(value[set][list].as_array().into_iter().flatten().cloned());
    }
    all.extend(
        [&value["not_rule"], &value["not_id"], &value["not_matcher"]]
            .into_iter()
            .filter(|one| one.is_object())
            .cloned(),
    );
    for list in ["or_matcher", "and_matcher"] {
        all.extend(value[list]["predicate"].as_array().into_iter().flatten().cloned());
    }
    all.extend(value["call_expr"]["args"].as_array().into_iter().flatten().cloned());
    if value["call_expr"]["target"].is_object() {
        all.push(value["call_expr"]["target"].clone());
    }
    let is_rule = [
        "and_rules",
        "or_rules",
        "not_rule",
        "header",
        "url_path",
        "metadata",
        "authenticated",
        "and_ids",
        "or_ids",
        "not_id",
    ];
    if is_rule.iter().any(|key| value.get(key).is_some()) {
        all.push(json!({ "any": true }));
    }
    all
}
