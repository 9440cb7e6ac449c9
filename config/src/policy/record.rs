//! What of a resource says who may do what, for the trail that tells each change of it. Called by the proxy when a version has come into
//! use. It never says what stands inside: that may be a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::registry::{self, DOWNSTREAM_TLS, UPSTREAM_TLS};

/// The policy of one version, and what tells it from that of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    counts: BTreeMap<&'static str, usize>,
    contents: u64,
}

impl Record {
    /// Of any resource: extensions that carry policy, and TLS contexts.
    pub fn of(bytes: &[u8]) -> Record {
        let mut counts = BTreeMap::new();
        let mut hasher = DefaultHasher::new();
        for name in names() {
            for start in memchr::memmem::find_iter(bytes, name) {
                let rest = &bytes[start + name.len()..];
                // A longer name is another.
                if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
                    continue;
                }
                *counts.entry(name).or_default() += 1;
                name.hash(&mut hasher);
                // Where what follows cannot be told from the rest, all of it counts.
                value_of_any(rest).unwrap_or(bytes).hash(&mut hasher);
            }
        }
        Record { counts, contents: hasher.finish() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Whether there is more to it than how connections are made.
    pub fn is_more_than_tls(&self) -> bool {
        self.counts.keys().any(|name| ![DOWNSTREAM_TLS, UPSTREAM_TLS].contains(name))
    }
}

/// The kinds, each with how often it stands there.
impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.counts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}{} x{count}", name.trim_start_matches("envoy.extensions."))?;
        }
        Ok(())
    }
}

fn names() -> BTreeSet<&'static str> {
    let policies = registry::extensions().filter(|entry| entry.policy).map(|entry| entry.type_name);
    policies.chain([DOWNSTREAM_TLS, UPSTREAM_TLS]).collect()
}

/// The value of an Any whose type URL has just been read.
fn value_of_any(rest: &[u8]) -> Option<&[u8]> {
    const VALUE: u8 = 2 << 3 | 2;
    let mut rest = rest.strip_prefix(&[VALUE])?;
    let length = prost::encoding::decode_varint(&mut rest).ok()?;
    rest.get(..usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests;
