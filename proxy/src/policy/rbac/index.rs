//! Which of many policies may match at all: by the paths, beginnings of paths and names of peers that they demand to the letter. Made
//! when configuration arrives; asked by the engine for each request. It never says that a policy matches.
//!
//! Each policy stands under the keys of one demand that it has, or among the rest. Those that stand under the request's keys and the rest
//! are tried in their order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use config::matcher::StringMatcher;
use config::rbac::{Policy, Rule};
use smallvec::SmallVec;

use super::rule::url_path;
use crate::policy::facts::Facts;
use crate::tls::info::PeerName;

/// With fewer policies each is tried.
const FEW: usize = 8;
/// As many keys as one policy may stand under.
const MOST_KEYS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Index {
    paths: Table,
    /// By their lengths, the shortest first.
    prefixes: Box<[(usize, Table)]>,
    names: Table,
    rest: Box<[u32]>,
}

type Table = HashMap<Box<[u8]>, Box<[u32]>>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Path(Box<[u8]>),
    Prefix(Box<[u8]>),
    Name(Box<[u8]>),
}

impl Index {
    /// `None` where it would not help.
    pub(super) fn of<'p>(policies: impl ExactSizeIterator<Item = &'p Policy>) -> Option<Index> {
        if policies.len() < FEW {
            return None;
        }
        let (mut keys, mut rest) = (BTreeMap::<Key, Vec<u32>>::new(), Vec::new());
        for (at, policy) in (0..).zip(policies) {
            match demands_of(policy) {
                Some(demands) => demands.into_iter().for_each(|key| keys.entry(key).or_default().push(at)),
                None => rest.push(at),
            }
        }
        if keys.is_empty() {
            return None;
        }
        let (mut index, mut prefixes) = (Index { rest: rest.into(), ..Index::default() }, BTreeMap::new());
        for (key, places) in keys {
            let (table, key) = match key {
                Key::Path(path) => (&mut index.paths, path),
                Key::Name(name) => (&mut index.names, name),
                Key::Prefix(prefix) => (prefixes.entry(prefix.len()).or_insert_with(Table::new), prefix),
            };
            table.insert(key, places.into());
        }
        index.prefixes = prefixes.into_iter().collect();
        Some(index)
    }

    /// The first of the policies for which this holds.
    pub(super) fn find(&self, facts: &dyn Facts, holds: impl Fn(usize) -> bool) -> Option<usize> {
        let mut lists = SmallVec::<[&[u32]; 16]>::new();
        lists.push(&self.rest);
        if let Some(path) = url_path(facts) {
            lists.extend(self.paths.get(path).map(|list| &**list));
            let shorter = self.prefixes.iter().take_while(|(length, _)| *length <= path.len());
            lists.extend(shorter.filter_map(|(length, table)| table.get(&path[..*length])).map(|list| &**list));
        }
        if let Some(peer) = facts.tls().and_then(|tls| tls.peer.as_ref()).filter(|_| !self.names.is_empty()) {
            let names = peer.uri_sans.iter().chain(&peer.dns_sans).map(PeerName::as_bytes);
            let names = names.chain([peer.subject.as_bytes()]);
            lists.extend(names.filter_map(|name| self.names.get(name)).map(|list| &**list));
        } else if facts.tls().is_some() {
            // Who shows no certificate has an empty subject.
            lists.extend(self.names.get(&b""[..]).map(|list| &**list));
        }
        loop {
            let next = lists.iter().filter_map(|list| list.first()).min().copied()?;
            if holds(next as usize) {
                return Some(next as usize);
            }
            for list in &mut lists {
                if list.first() == Some(&next) {
                    *list = &list[1..];
                }
            }
        }
    }
}

/// Keys of which a request that the policy matches has one.
fn demands_of(policy: &Policy) -> Option<BTreeSet<Key>> {
    fewer(one_of(&policy.permissions), one_of(&policy.principals))
}

fn fewer(one: Option<BTreeSet<Key>>, other: Option<BTreeSet<Key>>) -> Option<BTreeSet<Key>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.len() < one.len() { other } else { one }),
        (one, other) => one.or(other),
    }
}

fn one_of(rules: &[Rule]) -> Option<BTreeSet<Key>> {
    let mut all = BTreeSet::new();
    for rule in rules {
        all.extend(demands(rule)?);
        if all.len() > MOST_KEYS {
            return None;
        }
    }
    Some(all)
}

fn demands(rule: &Rule) -> Option<BTreeSet<Key>> {
    let key = match rule {
        Rule::All(rules) => return rules.iter().map(demands).fold(None, fewer),
        Rule::OneOf(rules) => return one_of(rules),
        Rule::UrlPath(StringMatcher::Exact { value, ignore_case: false }) => Key::Path(value.as_bytes().into()),
        Rule::UrlPath(StringMatcher::Prefix { value, ignore_case: false }) => Key::Prefix(value.as_bytes().into()),
        Rule::Authenticated(Some(StringMatcher::Exact { value, ignore_case: false })) => {
            Key::Name(value.as_bytes().into())
        }
        _ => return None,
    };
    Some([key].into())
}

#[cfg(test)]
mod tests;
