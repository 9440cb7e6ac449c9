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
    /// These, in order.
    All(Vec<At>),
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
                            false => Members::All(Vec::new()),
                        };
                        let is_single = match found.subsets.entry(criteria.clone()).or_insert_with(make) {
                            Members::All(hosts) => {
                                let at = (level, group, place);
                                if hosts.last() != Some(&at) {
                                    hosts.push(at);
                                }
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

/// All hosts, in order.
pub fn everybody(levels: &[Vec<Group>]) -> impl Iterator<Item = At> {
    levels.iter().enumerate().flat_map(|(level, groups)| {
        let of_group =
            move |(group, one): (usize, &Group)| (0..one.hosts.len()).map(move |place| (level, group, place));
        groups.iter().enumerate().flat_map(of_group)
    })
}

/// A part of the levels: these hosts, which come in order. Localities stay in their places, and weigh as the configuration says.
pub fn part(config: &Config, levels: &[Vec<Group>], members: impl Iterator<Item = At>) -> Vec<Vec<Group>> {
    let mut rest = members.peekable();
    let mut parts = Vec::with_capacity(levels.len());
    for (level, groups) in levels.iter().enumerate() {
        let mut part = Vec::with_capacity(groups.len());
        for (number, group) in groups.iter().enumerate() {
            let of_group = |at: &At| (at.0, at.1) == (level, number);
            let hosts: Vec<Host> =
                std::iter::from_fn(|| rest.next_if(of_group)).map(|(_, _, place)| group.hosts[place].clone()).collect();
            let weight = weight(config, group, hosts.len());
            part.push(Group { locality: group.locality.clone(), weight, hosts });
        }
        parts.push(part);
    }
    parts
}

/// Of a locality with so many hosts left.
fn weight(config: &Config, group: &Group, left: usize) -> u32 {
    match (config.weighs_localities, config.scales_weights) {
        (false, _) => 0,
        (true, false) => group.weight,
        (true, true) if group.hosts.is_empty() => 0,
        (true, true) => (f64::from(group.weight) * left as f64 / group.hosts.len() as f64).round() as u32,
    }
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
    host.endpoint().metadata.of_filter("envoy.lb")
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
