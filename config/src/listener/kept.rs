//! Which filter chains of a listener stay in another version of it. Called by the proxy when a changed listener arrives: connections
//! of chains that stay need not end. Envoy's rule for an update in place.

use prost::Message;

use crate::proto::listener::v3::Listener;

/// The chains of a version that are equal to chains of the one before, where nothing but chains differs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptChains {
    /// For each chain of the new version the number of its equal in the old one.
    pub chains: Vec<Option<usize>>,
    /// Both have the same default chain.
    pub default: bool,
}

/// Compares two versions, given as the bytes of their Any. `None`: something else differs too, or the new one has no chain to be chosen.
pub fn kept_chains(before: &[u8], after: &[u8]) -> Option<KeptChains> {
    let (mut before, mut after) = (Listener::decode(before).ok()?, Listener::decode(after).ok()?);
    let (old, new) = (std::mem::take(&mut before.filter_chains), std::mem::take(&mut after.filter_chains));
    let (old_default, new_default) = (before.default_filter_chain.take(), after.default_filter_chain.take());
    if new.is_empty() || before != after {
        return None;
    }
    let chains = new.iter().map(|chain| old.iter().position(|other| other == chain)).collect();
    Some(KeptChains { chains, default: new_default.is_some() && old_default == new_default })
}

#[cfg(test)]
mod tests;
