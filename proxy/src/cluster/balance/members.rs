//! Which hosts are in which subset: what their metadata says below `envoy.lb`, by the keys of the selectors. Pure; called by
//! [`super::subsets`].

use std::collections::{HashMap, HashSet};

use config::cluster::{Selector, Subsets as Config};
use config::metadata::Criteria;
use foldhash::fast::FixedState;
use serde_json::Value;

use super::Group;
use crate::cluster::host::Host;

/// A host by the numbers of its level, group and place.
pub type At = (usize, usize, usize);

/// The hosts of a subset.
#[derive(Debug)]
pub enum Members {
    /// These.
    All(HashSet<At, FixedState>),
    /// The first that has it.
    Single(Host),
}

/// All subsets there are.
#[derive(Debug, Default)]
pub struct Found {
    /// By what they are subsets of.
    pub subsets: HashMap<Criteria, Members, FixedState>,
    /// Hosts of the last level that are in no subset, for it has one already.
    pub duplicates: u64,
}

/// Finds them.
pub fn find(config: &Config, levels: &[Vec<Group>]) -> Found {
    let mut found = Found::default();
    for (level, groups) in levels.iter().enumerate() {
        found.duplicates = 0;
        // Levels that have a host of such a subset already.
        let mut single: HashSet<Criteria, FixedState> = HashSet::default();
        for (group, one) in groups.iter().enumerate() {
            for (place, host) in one.hosts.iter().enumerate() {
                for selector in &config.selectors {
                    for criteria in criteria(host, selector, config.list_as_any) {
                        let make = || match selector.single {
                            true => Members::Single(host.clone()),
                            false => Members::All(HashSet::default()),
                        };
                        let is_single = match found.subsets.entry(criteria.clone()).or_insert_with(make) {
                            Members::All(hosts) => {
                                hosts.insert((level, group, place));
                                false
                            }
                            Members::Single(_) => true,
                        };
                        if is_single && !single.insert(criteria) {
                            found.duplicates += 1;
                        }
                    }
                }
            }
        }
    }
    found
}

/// A part of the levels. Localities stay in their places, and weigh as the configuration says.
pub fn part(config: &Config, levels: &[Vec<Group>], has: &dyn Fn(usize, usize, usize) -> bool) -> Vec<Vec<Group>> {
    let group = |level: usize, number: usize, group: &Group| {
        let hosts = group.hosts.iter().enumerate().filter(|(place, _)| has(level, number, *place));
        let hosts: Vec<Host> = hosts.map(|(_, host)| host.clone()).collect();
        let weight = match (config.weighs_localities, config.scales_weights) {
            (false, _) => 0,
            (true, false) => group.weight,
            (true, true) if group.hosts.is_empty() => 0,
            (true, true) => (f64::from(group.weight) * hosts.len() as f64 / group.hosts.len() as f64).round() as u32,
        };
        Group { locality: group.locality.clone(), weight, hosts }
    };
    let level = |(level, groups): (usize, &Vec<Group>)| {
        groups.iter().enumerate().map(|(number, one)| group(level, number, one)).collect()
    };
    levels.iter().enumerate().map(level).collect()
}

/// Whether a host is in the default subset.
pub fn is_default(config: &Config, host: &Host) -> bool {
    let labels = labels(host);
    config.default.0.iter().all(|(key, wanted)| match labels.and_then(|labels| labels.get(&**key)) {
        Some(Value::Array(list)) if config.list_as_any => list.contains(wanted),
        Some(value) => value == wanted,
        None => false,
    })
}

fn labels(host: &Host) -> Option<&Value> {
    host.endpoint().metadata.0.get("envoy.lb")
}

/// What a host has for the keys of a selector: one, or with lists one for each way to choose of them; none where it lacks a key.
fn criteria(host: &Host, selector: &Selector, list_as_any: bool) -> Vec<Criteria> {
    let Some(labels) = labels(host) else { return Vec::new() };
    let mut all: Vec<Criteria> = Vec::new();
    for key in &selector.keys {
        let Some(value) = labels.get(&**key) else { return Vec::new() };
        let values: &[Value] = match value {
            Value::Array(list) if list_as_any => list,
            value => std::slice::from_ref(value),
        };
        let with = |before: &Criteria, value: &Value| {
            let mut criteria = before.clone();
            criteria.0.push((key.clone(), value.clone()));
            criteria
        };
        let before = if all.is_empty() { vec![Criteria::default()] } else { all };
        all = before.iter().flat_map(|one| values.iter().map(move |value| with(one, value))).take(MOST).collect();
    }
    all
}

/// So many ways to choose of lists count for one host and selector: they multiply.
const MOST: usize = 1024;
