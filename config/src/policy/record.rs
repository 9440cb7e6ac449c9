//! What of a resource says who may do what, for the trail that tells each change of it. Called by the proxy when a version has come into
//! use. It never says what stands inside: that may be a secret.
//!
//! What is in the resource and does not act is left out: rules that are not there, settings for filters that a chain has not, plugins
//! that are passed by, filters that are switched off.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use prost::Message as _;

use crate::discreet;
use crate::extension::message_name;
use crate::fields::wire::{self, Wire};
use crate::proto::wkt;
use crate::registry::{self, DOWNSTREAM_TLS, HTTP_CONNECTION_MANAGER, Kind, State, UPSTREAM_TLS};
use crate::schema::Message;

mod rules;
mod strength;

use strength::Strength;

/// The policy of one version, and what tells it from that of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    counts: BTreeMap<Said, usize>,
    /// What validation contexts demand of peers.
    demands: BTreeMap<&'static str, usize>,
    /// What routes and hosts switch off, or weaken, by kind.
    exempt: BTreeMap<&'static str, usize>,
    contents: u64,
}

/// An extension: its type, the name that it has, and what is particular about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    kind: &'static str,
    name: String,
    /// It is told to a filter of that name.
    is_scoped: bool,
    remark: &'static str,
    strength: Strength,
}

impl Record {
    /// Of a resource of that type: extensions that carry policy and act, and TLS contexts.
    pub fn of(type_name: &str, bytes: &[u8]) -> Record {
        let mut walk = Walk {
            found: BTreeMap::new(),
            demands: BTreeMap::new(),
            exempt: BTreeMap::new(),
            hasher: DefaultHasher::new(),
            chain: None,
        };
        if let Some(message) = Message::named(type_name) {
            walk.message(message, bytes, "", 0);
        }
        Record { counts: walk.found, demands: walk.demands, exempt: walk.exempt, contents: walk.hasher.finish() }
    }

    /// What forbids something, by kind: extensions without those that only try, TLS towards upstreams, and demands on certificates. Under 1
    /// stands how many turn away anybody, under 2 how many of these let nobody pass unjudged.
    pub(super) fn in_force(&self) -> BTreeMap<(&'static str, u8), usize> {
        let mut all: BTreeMap<_, _> = self.demands.iter().map(|(kind, count)| ((*kind, 1), *count)).collect();
        let judging = self.counts.iter().filter(|(said, _)| said.remark.is_empty() && said.kind != DOWNSTREAM_TLS);
        for (said, count) in judging {
            let levels = match said.strength {
                Strength::Nothing => &[][..],
                Strength::Some => &[1],
                Strength::All => &[1, 2],
            };
            levels.iter().for_each(|level| *all.entry((said.kind, *level)).or_default() += count);
        }
        all
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

/// The kinds with their names, each with how often it stands there.
impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.counts.iter().peekable();
        let mut comma = "";
        while let Some((said, count)) = rest.next() {
            // How much each of them judges is not told.
            let others = std::iter::from_fn(|| rest.next_if(|(other, _)| other.sounds_like(said)));
            let count = count + others.map(|(_, count)| count).sum::<usize>();
            write!(out, "{comma}{}", said.kind.trim_start_matches("envoy.extensions."))?;
            if !said.name.is_empty() {
                let whose = if said.is_scoped { " for" } else { "" };
                write!(out, "{whose} '{}'", discreet::shown(&said.name))?;
            }
            write!(out, "{} x{count}", said.remark)?;
            comma = ", ";
        }
        Ok(())
    }
}

impl Said {
    fn sounds_like(&self, other: &Said) -> bool {
        (self.kind, &self.name, self.is_scoped, self.remark) == (other.kind, &other.name, other.is_scoped, other.remark)
    }
}

/// The filters of the connection manager that is being read: their names and types, where those are known.
type Chain = Vec<(String, Option<String>)>;

struct Walk {
    found: BTreeMap<Said, usize>,
    exempt: BTreeMap<&'static str, usize>,
    demands: BTreeMap<&'static str, usize>,
    hasher: DefaultHasher,
    chain: Option<Chain>,
}

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";
/// As deep as prost itself decodes.
const DEEPEST: usize = 100;

impl Walk {
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
        let around = (message.name() == HTTP_CONNECTION_MANAGER).then(|| self.chain.replace(chain(&seen)));
        for one in &seen {
            let (Some(of), Wire::Bytes(bytes)) = (one.field.message(), one.value) else { continue };
            if one.field.is_map() {
                let Some(value) = of.field(2).and_then(|field| field.message()) else { continue };
                let (key, bytes) = wire::entry(of, bytes);
                self.value(value, bytes, &key, depth);
            } else {
                self.value(of, bytes, name, depth);
            }
        }
        if let Some(around) = around {
            self.chain = around;
        }
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
        *self.found.entry(Said { kind, name: name.to_owned(), is_scoped, remark, strength }).or_default() += 1;
    }

    /// Whether a filter of that name may carry policy.
    fn is_of_policy(&self, name: &str) -> bool {
        let carries = |of: &str| registry::extensions().any(|entry| entry.policy && entry.type_name == of);
        let fits = |of: &Option<String>| of.as_deref().is_none_or(carries);
        self.chain.as_ref().is_none_or(|chain| chain.iter().any(|(known, of)| known == name && fits(of)))
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

fn chain(seen: &[wire::Occurrence<'_>]) -> Chain {
    // Those of upgrades, too.
    let is_list = |one: &&wire::Occurrence<'_>| {
        one.field.is_repeated() && one.field.message().is_some_and(|message| message.name().ends_with(".HttpFilter"))
    };
    let filters = seen.iter().filter(is_list).filter_map(|one| one.value.bytes());
    filters.filter_map(rules::http_filter).collect()
}

#[cfg(test)]
mod tests;
