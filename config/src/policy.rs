//! What a resource says of who may do what, found in its bytes before anything else is judged: a resource that is refused for one
//! reason may carry policy behind it. Called by the proxy when it has refused a version of a resource; never on the data path.
//!
//! Names are looked for and messages are hardly opened: a type URL is plain text in an Any, in a TypedStruct however its fields are
//! spelled, in what is to be discovered, and in bytes that are no message at all. Beside that stands what acts, as far as the messages can be
//! read: rules that are only tried or let everybody pass, and filters that are switched off, are mentioned and forbid nothing; some judge a
//! part of what passes, and others all of it. Where two versions judge alike, what the earlier one says of whom goes on.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::extension;
use crate::options::Options;
use crate::proto::{
    core::v3 as core, extensions::transport_sockets::tls::v3::DownstreamTlsContext, listener::v3 as listener,
    route::v3 as route, wkt,
};
use crate::registry;
use crate::rejection::At;

use record::{Difference, Judging};
pub use record::{HttpFilters, Record};

/// How often each kind of policy stands in something.
type Counts = BTreeMap<&'static str, usize>;

/// The policy of one version of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    whole: Found,
    /// Filter chains by what they match, virtual hosts by name: a new one beside those that were there takes nothing down, one in the
    /// place of another may.
    parts: BTreeMap<Vec<u8>, Found>,
}

/// What stands in one part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Found {
    named: Counts,
    /// By how much of what passes it judges, too: see [`Record::in_force`].
    acting: BTreeMap<Judging, usize>,
    /// What routes and hosts switch off or weaken.
    exempt: Counts,
    /// What of `acting` is different for upgrades that have filters of their own.
    upgrades: BTreeMap<String, Difference>,
}

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const EXTENSION_CONFIG: &str = "envoy.config.core.v3.TypedExtensionConfig";
const LISTENER: &str = "envoy.config.listener.v3.Listener";
const FILTER_CHAIN: &str = "envoy.config.listener.v3.FilterChain";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
const CLIENT_CERTIFICATE: &str = "require_client_certificate";
const NOBODY_WITHOUT: &str = "require_client_certificate of every chain";

impl Policy {
    /// Of a resource of that type: the extensions that carry policy, and what is demanded of peers.
    fn of(type_name: &str, bytes: &[u8]) -> Policy {
        Policy { whole: Found::of(type_name, bytes), parts: BTreeMap::new() }
    }

    /// Of a `Cluster`.
    pub fn of_cluster(bytes: &[u8]) -> Policy {
        Policy::of(CLUSTER, bytes)
    }

    /// Of a `TypedExtensionConfig`.
    pub fn of_extension_config(bytes: &[u8]) -> Policy {
        Policy::of(EXTENSION_CONFIG, bytes)
    }

    /// Of a config, as that of the resource that would bring it.
    pub(crate) fn of_config(config: &wkt::Any) -> Policy {
        let resource = core::TypedExtensionConfig { name: String::new(), typed_config: Some(config.clone()) };
        Policy::of_extension_config(&resource.encode_to_vec())
    }

    /// Of a `Listener`: these, and which of its chains demand a certificate of the client.
    pub fn of_listener(bytes: &[u8]) -> Policy {
        let mut policy = Policy::of(LISTENER, bytes);
        let Ok(listener) = listener::Listener::decode(bytes) else { return policy };
        let mut unguarded = 0;
        let chains = listener.filter_chains.iter().map(|chain| (false, chain));
        for (is_default, chain) in chains.chain(listener.default_filter_chain.iter().map(|chain| (true, chain))) {
            let mut found = Found::of(FILTER_CHAIN, &chain.encode_to_vec());
            if chain.transport_socket.as_ref().is_some_and(demands_certificate) {
                found.named.insert(CLIENT_CERTIFICATE, 1);
                policy.whole.named.insert(CLIENT_CERTIFICATE, 1);
            } else {
                unguarded += 1;
            }
            // The default chain is not the one that matches all.
            let mut part = vec![u8::from(is_default)];
            part.extend(chain.filter_chain_match.iter().flat_map(Message::encode_to_vec));
            policy.parts.insert(part, found);
        }
        if unguarded == 0 && policy.whole.named.contains_key(CLIENT_CERTIFICATE) {
            policy.whole.named.insert(NOBODY_WITHOUT, 1);
        }
        policy.keep_own_exemptions();
        policy
    }

    /// Of a `RouteConfiguration`, whose settings are for chains with these filters.
    pub fn of_routes(bytes: &[u8], filters: &HttpFilters) -> Policy {
        let whole = Found::with(Record::of_table(ROUTES, bytes, filters), bytes);
        let mut policy = Policy { whole, parts: BTreeMap::new() };
        if let Ok(table) = route::RouteConfiguration::decode(bytes) {
            let found = |host: &route::VirtualHost| {
                let bytes = host.encode_to_vec();
                Found::with(Record::of_table(VIRTUAL_HOST, &bytes, filters), &bytes)
            };
            policy.parts = table.virtual_hosts.iter().map(|host| (host.name.clone().into(), found(host))).collect();
        }
        policy.keep_own_exemptions();
        policy
    }

    /// What its parts exempt is compared part by part.
    fn keep_own_exemptions(&mut self) {
        for (kind, count) in self.parts.values().flat_map(|found| &found.exempt) {
            if let Some(all) = self.whole.exempt.get_mut(kind) {
                *all = all.saturating_sub(*count);
            }
        }
        self.whole.exempt.retain(|_, count| *count > 0);
    }

    /// Without one mention of this type in each of its parts: it may stand there, and does not.
    pub fn without(mut self, type_name: &str) -> Policy {
        for found in std::iter::once(&mut self.whole).chain(self.parts.values_mut()) {
            if let Some(count) = found.named.get_mut(type_name) {
                *count -= 1;
            }
            found.named.retain(|_, count| *count > 0);
        }
        self
    }

    /// Whether it is more than that of another version: serving that one lets pass what this one may forbid.
    pub fn exceeds(&self, other: &Policy) -> bool {
        // How much is judged is compared part by part, where there are any.
        let whole = self.whole.acting.keys().filter(|(_, level)| *level == 1 || self.parts.is_empty());
        let new_kind = has_others(self.whole.named.keys(), &other.whole.named)
            || has_others(whole, &other.whole.acting)
            || is_more(&other.whole.exempt, &self.whole.exempt);
        // A part that is new may be one that was there under another name, and is gone.
        let gone = other.parts.iter().filter(|(part, _)| !self.parts.contains_key(*part));
        let gone: BTreeSet<&Found> = gone.map(|(_, found)| found).collect();
        let more = |(part, found): (&Vec<u8>, &Found)| match other.parts.get(part) {
            Some(others) => found.is_more(others),
            None => gone.iter().any(|others| found.is_more(others)),
        };
        new_kind || self.parts.iter().any(more)
    }
}

impl Found {
    fn of(type_name: &str, bytes: &[u8]) -> Found {
        Found::with(Record::of(type_name, bytes), bytes)
    }

    fn with(record: Record, bytes: &[u8]) -> Found {
        let (acting, upgrades) = (record.in_force(), record.of_upgrades().clone());
        Found { named: named_in(bytes), acting, exempt: record.exempt().clone(), upgrades }
    }

    fn is_more(&self, others: &Found) -> bool {
        is_more(&self.named, &others.named)
            || is_more(&self.acting, &others.acting)
            || is_more(&others.exempt, &self.exempt)
            || self.upgrades.keys().chain(others.upgrades.keys()).any(|kind| self.judges_more(others, kind))
    }

    /// Whether it judges more of upgrades to that.
    fn judges_more(&self, others: &Found, kind: &str) -> bool {
        let judged = |found: &Found, judging: &Judging| {
            let all = i64::try_from(found.acting.get(judging).copied().unwrap_or_default()).unwrap_or(i64::MAX);
            let more = found.upgrades.get(kind).and_then(|upgrade| upgrade.get(judging)).copied();
            all.saturating_add(more.unwrap_or_default())
        };
        let own = self.upgrades.get(kind).into_iter().flat_map(Difference::keys);
        self.acting.keys().chain(own).any(|judging| judged(self, judging) > judged(others, judging))
    }
}

/// Kinds that the other has not.
fn has_others<'k, K: Ord + 'k>(mut kinds: impl Iterator<Item = &'k K>, others: &BTreeMap<K, usize>) -> bool {
    kinds.any(|kind| !others.contains_key(kind))
}

fn is_more<K: Ord>(counts: &BTreeMap<K, usize>, others: &BTreeMap<K, usize>) -> bool {
    counts.iter().any(|(kind, count)| others.get(kind).is_none_or(|others| count > others))
}

fn named_in(bytes: &[u8]) -> Counts {
    let policies = registry::extensions().filter(|entry| entry.policy);
    policies
        .map(|entry| (entry.type_name, memchr::memmem::find_iter(bytes, entry.type_name).count()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// A context that cannot be read may demand one.
fn demands_certificate(socket: &core::TransportSocket) -> bool {
    let at = At::root();
    let Some(core::transport_socket::ConfigType::TypedConfig(any)) = &socket.config_type else { return false };
    let Ok(extension) = extension::open(&at, any) else { return true };
    if extension.type_name != registry::DOWNSTREAM_TLS {
        return false;
    }
    let context = extension.decode::<DownstreamTlsContext>(&at, &Options::default());
    context.map_or(true, |context| context.require_client_certificate.is_some_and(|required| required.value))
}

#[cfg(test)]
mod tests;
