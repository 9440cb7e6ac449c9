//! What of a resource says who may do what, for the trail that tells each change of it. Called by the proxy when a version has come into
//! use. It never says what stands inside: that may be a secret.
//!
//! What is in the resource and does not act is left out: rules that are not there, settings for filters that a chain has not, plugins
//! that are passed by, filters that are switched off.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use prost::Message as _;

use crate::extension::message_name;
use crate::fields::wire::{self, Wire};
use crate::proto::wkt;
use crate::registry::{self, DOWNSTREAM_TLS, HTTP_CONNECTION_MANAGER, Kind, State, UPSTREAM_TLS};
use crate::schema::Message;

mod filters;
mod rules;
mod said;
mod strength;

pub use filters::HttpFilters;
use said::Said;
use strength::Strength;

/// The policy of one version, and what tells it from that of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    counts: BTreeMap<Said, usize>,
    /// What validation contexts demand of peers.
    demands: BTreeMap<&'static str, usize>,
    /// What routes and hosts switch off, or weaken, by kind.
    exempt: BTreeMap<&'static str, usize>,
    /// By what is upgraded to, where that has filters of its own: how much more is judged by them than by those of all requests, in whose
    /// place they are.
    upgrades: BTreeMap<String, Difference>,
    contents: u64,
}

/// Kinds of policy that turn somebody away (1), and those that let nobody pass unjudged (2).
pub(super) type Judging = (&'static str, u8);
/// More of each, or less.
pub(super) type Difference = BTreeMap<Judging, i64>;

impl Record {
    /// Of a resource of that type: extensions that carry policy and act, and TLS contexts.
    pub fn of(type_name: &str, bytes: &[u8]) -> Record {
        Record::of_table(type_name, bytes, &HttpFilters::default())
    }

    /// The same of something that stands in a table of routes, with what is known of the chains that it may be for.
    pub fn of_table(type_name: &str, bytes: &[u8], filters: &HttpFilters) -> Record {
        let mut walk = Walk {
            found: BTreeMap::new(),
            demands: BTreeMap::new(),
            exempt: BTreeMap::new(),
            upgrades: BTreeMap::new(),
            hasher: DefaultHasher::new(),
            chain: None,
            filters,
            manager: Manager::default(),
        };
        if let Some(message) = Message::named(type_name) {
            walk.message(message, bytes, "", 0);
        }
        let Walk { found: counts, demands, exempt, upgrades, hasher, .. } = walk;
        Record { counts, demands, exempt, upgrades, contents: hasher.finish() }
    }

    /// What forbids something, by kind: extensions without those that only try, TLS towards upstreams, and demands on certificates. Under 1
    /// stands how many turn away anybody, under 2 how many of these let nobody pass unjudged.
    pub(super) fn in_force(&self) -> BTreeMap<Judging, usize> {
        let mut all: BTreeMap<_, _> = self.demands.iter().map(|(kind, count)| ((*kind, 1), *count)).collect();
        for (said, count) in self.counts.iter().filter(|(said, _)| said.upgrade.is_none()) {
            said.judging().for_each(|judging| *all.entry(judging).or_default() += count);
        }
        all
    }

    /// What of that is different for upgrades.
    pub(super) fn of_upgrades(&self) -> &BTreeMap<String, Difference> {
        &self.upgrades
    }

    /// What is switched off, or weaker than it could be, in some places: where there is less of it, more is forbidden.
    pub(super) fn exempt(&self) -> &BTreeMap<&'static str, usize> {
        &self.exempt
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Whether there is more to it than how connections are made.
    pub fn is_more_than_tls(&self) -> bool {
        self.counts.keys().any(|said| ![DOWNSTREAM_TLS, UPSTREAM_TLS].contains(&said.kind))
    }
}

/// The filters of the connection manager that is being read: their names and types, where those are known.
type Chain = Vec<(String, Option<String>)>;

/// The connection manager that is being read: how much its filters judge, and those of its upgrades.
#[derive(Default)]
struct Manager {
    place: Place,
    filters: Difference,
    upgrades: BTreeMap<String, Difference>,
}

/// Where in it.
#[derive(Default)]
enum Place {
    /// Not among filters.
    #[default]
    Elsewhere,
    Filters,
    Upgrade(String),
}

struct Walk<'f> {
    found: BTreeMap<Said, usize>,
    exempt: BTreeMap<&'static str, usize>,
    upgrades: BTreeMap<String, Difference>,
    manager: Manager,
    demands: BTreeMap<&'static str, usize>,
    hasher: DefaultHasher,
    chain: Option<Chain>,
    /// Those of chains that are elsewhere.
    filters: &'f HttpFilters,
}

const UPGRADE: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig";
const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";
/// As deep as prost itself decodes.
const DEEPEST: usize = 100;

impl Walk<'_> {
    /// `name` is that of the nearest thing around that has one.
    fn message(&mut self, message: Message, bytes: &[u8], name: &str, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        let seen = wire::occurrences(message, bytes);
        if rules::is_switched_off(message, &seen) {
            return;
        }
        rules::demands(message, &seen).for_each(|demand| *self.demands.entry(demand).or_default() += 1);
        let own = seen.iter().find(|one| one.field.name() == "name").and_then(|one| one.value.bytes());
        let own = own.map(String::from_utf8_lossy);
        let name = own.as_deref().unwrap_or(name);
        let is_manager = message.name() == HTTP_CONNECTION_MANAGER;
        let around = is_manager.then(|| (self.chain.replace(chain(&seen)), std::mem::take(&mut self.manager)));
        for one in &seen {
            let (Some(of), Wire::Bytes(bytes)) = (one.field.message(), one.value) else { continue };
            if is_manager {
                self.manager.place = match of.name() {
                    rules::HTTP_FILTER => Place::Filters,
                    UPGRADE => self.upgrade(of, bytes),
                    _ => Place::Elsewhere,
                };
            }
            if one.field.is_map() {
                let Some(value) = of.field(2).and_then(|field| field.message()) else { continue };
                let (key, bytes) = wire::entry(of, bytes);
                self.value(value, bytes, &key, depth);
            } else {
                self.value(of, bytes, name, depth);
            }
        }
        if let Some((chain, manager)) = around {
            self.chain = chain;
            let Manager { filters, upgrades, .. } = std::mem::replace(&mut self.manager, manager);
            for (kind, own) in upgrades {
                let all = self.upgrades.entry(kind).or_default();
                own.iter().for_each(|(judging, count)| *all.entry(*judging).or_default() += count);
                filters.iter().for_each(|(judging, count)| *all.entry(*judging).or_default() -= count);
            }
        }
    }

    /// What follows is an upgrade: whether it has filters of its own.
    fn upgrade(&mut self, message: Message, bytes: &[u8]) -> Place {
        let seen = wire::occurrences(message, bytes);
        if !seen.iter().any(|one| one.field.name() == "filters") {
            return Place::Elsewhere;
        }
        let kind = seen.iter().find(|one| one.field.name() == "upgrade_type").and_then(|one| one.value.bytes());
        let kind = String::from_utf8_lossy(kind.unwrap_or_default()).to_ascii_lowercase();
        self.manager.upgrades.entry(kind.clone()).or_default();
        Place::Upgrade(kind)
    }

    fn value(&mut self, of: Message, bytes: &[u8], name: &str, depth: usize) {
        match of.name() {
            "google.protobuf.Any" => self.any(bytes, name, depth + 1),
            free if free.starts_with("google.protobuf.") => {}
            _ => self.message(of, bytes, name, depth + 1),
        }
    }

    fn any(&mut self, bytes: &[u8], name: &str, depth: usize) {
        let Ok(any) = wkt::Any::decode(bytes) else { return };
        let type_name = message_name(&any.type_url);
        if let Some(inner) = rules::typed_struct(type_name, &any.value) {
            return self.extension(message_name(&inner.type_url), None, &any, name);
        }
        if type_name == FILTER_CONFIG && rules::switches_off(&any.value) && self.is_of_policy(name) {
            *self.exempt.entry(FILTER_CONFIG).or_default() += 1;
        }
        self.extension(type_name, Some(&any.value), &any, name);
        if let Some(message) = Message::named(type_name) {
            self.message(message, &any.value, name, depth);
        }
    }

    /// `message` is its config, where that is no `TypedStruct`; `any` is whatever it is.
    fn extension(&mut self, type_name: &str, message: Option<&[u8]>, any: &wkt::Any, name: &str) {
        let acts =
            |entry: &&registry::Entry| entry.policy && entry.state == State::Works && entry.type_name == type_name;
        let entry = registry::extensions().find(acts);
        let kind = entry.map(|entry| entry.type_name);
        let Some(kind) = kind.or([DOWNSTREAM_TLS, UPSTREAM_TLS].into_iter().find(|tls| *tls == type_name)) else {
            return;
        };
        // Some types are both, and where they stand tells which.
        let is_filter = || registry::find(Kind::HttpFilter, type_name).is_some();
        let is_scoped =
            entry.is_some_and(|entry| entry.kind == Kind::PerRoute) || (is_filter() && !self.is_of_chain(name));
        if is_scoped && !self.is_heard(type_name, name) {
            return;
        }
        let Some(remark) = message.map_or(Some(""), |message| rules::remark(type_name, message)) else { return };
        kind.hash(&mut self.hasher);
        name.hash(&mut self.hasher);
        any.value.hash(&mut self.hasher);
        let strength = strength::of(any);
        if is_scoped && (strength < Strength::All || !remark.is_empty()) {
            *self.exempt.entry(kind).or_default() += 1;
        }
        let upgrade = match &self.manager.place {
            Place::Upgrade(kind) => Some(kind.clone()),
            Place::Elsewhere | Place::Filters => None,
        };
        let said = Said { kind, name: name.to_owned(), is_scoped, upgrade, remark, strength };
        let judged = match &self.manager.place {
            Place::Elsewhere => None,
            Place::Filters => Some(&mut self.manager.filters),
            Place::Upgrade(kind) => self.manager.upgrades.get_mut(kind),
        };
        if let Some(judged) = judged {
            said.judging().for_each(|judging| *judged.entry(judging).or_default() += 1);
        }
        *self.found.entry(said).or_default() += 1;
    }

    /// Whether a filter of that name may carry policy.
    fn is_of_policy(&self, name: &str) -> bool {
        let Some(chain) = &self.chain else { return self.filters.may_carry_policy(name) };
        chain.iter().any(|(known, of)| known == name && filters::may_carry_policy(of.as_deref()))
    }

    fn is_of_chain(&self, name: &str) -> bool {
        self.chain.as_ref().is_none_or(|chain| chain.iter().any(|(known, _)| known == name))
    }

    /// Whether a filter of the chain listens to settings of this type. What chains a table over RDS is for is not known here.
    fn is_heard(&self, type_name: &str, name: &str) -> bool {
        let Some(chain) = &self.chain else { return true };
        let package = |type_name: &str| type_name.rsplit_once('.').map(|(package, _)| package.to_owned());
        let fits = |of: &Option<String>| of.as_deref().is_none_or(|of| package(of) == package(type_name));
        chain.iter().any(|(known, of)| known == name && fits(of))
    }
}

/// Its filters, and those of its upgrades.
fn chain(seen: &[wire::Occurrence<'_>]) -> Chain {
    let messages = seen.iter().filter_map(|one| Some((one.field.message()?, one.value.bytes()?)));
    let all = messages.flat_map(|(message, bytes)| match message.name() {
        rules::HTTP_FILTER => rules::http_filter(bytes).into_iter().collect(),
        UPGRADE => chain(&wire::occurrences(message, bytes)),
        _ => Chain::new(),
    });
    all.collect()
}

#[cfg(test)]
mod tests;
