//! The HTTP filters of listeners, by name: which of them may carry policy. Asked where something is said to filters of a chain that stands
//! elsewhere, as in a table of routes.

use std::collections::BTreeMap;

use super::{HTTP_CONNECTION_MANAGER, chain};
use crate::extension::message_name;
use crate::fields::wire::{self, Wire};
use crate::proto::wkt;
use crate::registry;
use crate::schema::Message;

use prost::Message as _;

/// Names that stand in some chain, and whether what has such a name may carry policy.
#[derive(Debug, Default)]
pub struct HttpFilters(BTreeMap<String, bool>);

impl HttpFilters {
    /// And those of this `Listener`.
    pub fn add_listener(&mut self, bytes: &[u8]) {
        if let Some(listener) = Message::named("envoy.config.listener.v3.Listener") {
            self.add(listener, bytes);
        }
    }

    /// Connection managers stand in network filters of filter chains.
    fn add(&mut self, message: Message, bytes: &[u8]) {
        let seen = wire::occurrences(message, bytes);
        if message.name() == HTTP_CONNECTION_MANAGER {
            for (name, of) in chain(&seen) {
                *self.0.entry(name).or_default() |= may_carry_policy(of.as_deref());
            }
            return;
        }
        for one in &seen {
            let (Some(of), Wire::Bytes(bytes)) = (one.field.message(), one.value) else { continue };
            match of.name() {
                "envoy.config.listener.v3.FilterChain" | "envoy.config.listener.v3.Filter" => self.add(of, bytes),
                "google.protobuf.Any" => {
                    let Ok(any) = wkt::Any::decode(bytes) else { continue };
                    let manager = Message::named(message_name(&any.type_url));
                    if let Some(manager) = manager.filter(|manager| manager.name() == HTTP_CONNECTION_MANAGER) {
                        self.add(manager, &any.value);
                    }
                }
                _ => {}
            }
        }
    }

    /// A name that no chain has may be that of one to come.
    pub(super) fn may_carry_policy(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(true)
    }
}

/// Filters that hold others.
const HOLDERS: [&str; 2] = [
    "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
    "envoy.extensions.filters.http.composite.v3.Composite",
];

/// Whether a filter of this type may: where the type is not known, it may.
pub(super) fn may_carry_policy(type_name: Option<&str>) -> bool {
    let carries = |of: &str| registry::extensions().any(|entry| entry.policy && entry.type_name == of);
    type_name.is_none_or(|of| HOLDERS.contains(&of) || carries(of))
}
