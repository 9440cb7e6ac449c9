//! What a resource says of who may do what, found in its bytes before anything else is judged: a resource that is refused for one
//! reason may carry policy behind it. Called by the proxy when it has refused a version of a resource; never on the data path.
//!
//! Names are looked for and messages are hardly opened: a type URL is plain text in an Any, in a TypedStruct however its fields are
//! spelled, in what is to be discovered, and in bytes that are no message at all.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::extension;
use crate::options::Options;
use crate::proto::{
    core::v3 as core, extensions::transport_sockets::tls::v3::DownstreamTlsContext, listener::v3 as listener,
    route::v3 as route,
};
use crate::registry;
use crate::rejection::At;

pub use record::Record;

/// How often each kind of policy stands in something.
type Counts = BTreeMap<&'static str, usize>;

/// The policy of one version of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    whole: Counts,
    /// Filter chains by what they match, virtual hosts by name: a new one beside those that were there takes nothing down, one in the
    /// place of another may.
    parts: BTreeMap<Vec<u8>, Counts>,
}

const CLIENT_CERTIFICATE: &str = "require_client_certificate";
const NOBODY_WITHOUT: &str = "require_client_certificate of every chain";

impl Policy {
    /// Of any resource: the extensions that carry policy.
    pub fn of(bytes: &[u8]) -> Policy {
        Policy { whole: named_in(bytes), parts: BTreeMap::new() }
    }

    /// Of a `Listener`: these, and which of its chains demand a certificate of the client.
    pub fn of_listener(bytes: &[u8]) -> Policy {
        let mut policy = Policy::of(bytes);
        let Ok(listener) = listener::Listener::decode(bytes) else { return policy };
        let mut unguarded = 0;
        let chains = listener.filter_chains.iter().map(|chain| (false, chain));
        for (is_default, chain) in chains.chain(listener.default_filter_chain.iter().map(|chain| (true, chain))) {
            let mut counts = named_in(&chain.encode_to_vec());
            if chain.transport_socket.as_ref().is_some_and(demands_certificate) {
                counts.insert(CLIENT_CERTIFICATE, 1);
                policy.whole.insert(CLIENT_CERTIFICATE, 1);
            } else {
                unguarded += 1;
            }
            // The default chain is not the one that matches all.
            let mut part = vec![u8::from(is_default)];
            part.extend(chain.filter_chain_match.iter().flat_map(Message::encode_to_vec));
            policy.parts.insert(part, counts);
        }
        if unguarded == 0 && policy.whole.contains_key(CLIENT_CERTIFICATE) {
            policy.whole.insert(NOBODY_WITHOUT, 1);
        }
        policy
    }

    /// Of a `RouteConfiguration`.
    pub fn of_routes(bytes: &[u8]) -> Policy {
        let mut policy = Policy::of(bytes);
        if let Ok(table) = route::RouteConfiguration::decode(bytes) {
            let hosts = table.virtual_hosts.iter();
            policy.parts = hosts.map(|host| (host.name.clone().into(), named_in(&host.encode_to_vec()))).collect();
        }
        policy
    }

    /// Without one mention of this type in each of its parts: it may stand there, and does not.
    pub fn without(mut self, type_name: &str) -> Policy {
        for counts in std::iter::once(&mut self.whole).chain(self.parts.values_mut()) {
            if let Some(count) = counts.get_mut(type_name) {
                *count -= 1;
            }
            counts.retain(|_, count| *count > 0);
        }
        self
    }

    /// Whether it is more than that of another version: serving that one lets pass what this one may forbid.
    pub fn exceeds(&self, other: &Policy) -> bool {
        let new_kind = self.whole.keys().any(|kind| !other.whole.contains_key(kind));
        // A part that is new may be one that was there under another name, and is gone.
        let gone = other.parts.iter().filter(|(part, _)| !self.parts.contains_key(*part));
        let gone: BTreeSet<&Counts> = gone.map(|(_, counts)| counts).collect();
        let more = |(part, counts): (&Vec<u8>, &Counts)| match other.parts.get(part) {
            Some(others) => is_more(counts, others),
            None => gone.iter().any(|others| is_more(counts, others)),
        };
        new_kind || self.parts.iter().any(more)
    }
}

fn is_more(counts: &Counts, others: &Counts) -> bool {
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
