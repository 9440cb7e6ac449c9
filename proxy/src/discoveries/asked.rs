//! A filter that something in the configuration wants discovered, of any kind. Listeners and clusters hand theirs over.

use std::sync::Arc;
use std::time::Duration;

use config::filters::discovery::{Discovery, Typed};
use config::filters::{HttpFilterConfig, NetworkFilterConfig};
use config::listener::ListenerFilterKind;

use super::{Discoveries, Key, Kind};

/// A name, and what is said of it.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// An HTTP filter, before the router or behind it.
    Http(Kind, &'a Arc<str>, &'a Discovery<HttpFilterConfig>),
    /// A network filter.
    Network(&'a Arc<str>, &'a Discovery<NetworkFilterConfig>),
    /// A listener filter.
    Listener(&'a Arc<str>, &'a Discovery<ListenerFilterKind>),
}

impl Asked<'_> {
    /// What is wanted.
    pub fn wanted(&self) -> Wanted {
        match self {
            Asked::Http(kind, name, discovery) => Wanted::new(*kind, name, discovery),
            Asked::Network(name, discovery) => Wanted::new(Kind::Network, name, discovery),
            Asked::Listener(name, discovery) => Wanted::new(Kind::Listener, name, discovery),
        }
    }

    /// The types that stand in the configuration and that it is not, as it is now.
    pub fn lacks(&self, discoveries: &Discoveries) -> Vec<Arc<str>> {
        match self {
            Asked::Http(kind, name, discovery) => {
                lacks(self, discoveries.http(*kind, name, discovery).typed(discovery))
            }
            Asked::Network(name, discovery) => lacks(self, discoveries.network(name, discovery).typed(discovery)),
            Asked::Listener(name, discovery) => lacks(self, discoveries.listener(name, discovery).typed(discovery)),
        }
    }
}

/// Where it is nothing, nothing passes: then it lacks none.
fn lacks<C>(asked: &Asked<'_>, now: Option<&Typed<C>>) -> Vec<Arc<str>> {
    let Some(Typed { type_name, .. }) = now else { return Vec::new() };
    let Wanted { types, default, .. } = asked.wanted();
    types.into_iter().filter(|name| name != type_name).chain(default).collect()
}

/// A filter that a chain wants discovered.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which.
    pub key: Key,
    /// What it may be.
    pub types: Vec<Arc<str>>,
    /// What its default is.
    pub default: Option<Arc<str>>,
    /// What has the chain, a listener or a cluster, waits for it.
    pub is_waited_for: bool,
    /// For how long; `None`: without an end.
    pub timeout: Option<Duration>,
}

impl Wanted {
    /// What a chain says of it.
    pub fn new<C>(kind: Kind, name: &Arc<str>, discovery: &Discovery<C>) -> Wanted {
        Wanted {
            key: (kind, name.clone()),
            types: discovery.type_names.clone(),
            default: discovery.default.as_ref().map(|default| default.type_name.clone()),
            is_waited_for: !discovery.without_warming,
            timeout: discovery.initial_fetch_timeout,
        }
    }

    /// Whether nobody waits for it any more. How long it is waited for is its own affair: one that has been given up is settled.
    pub fn is_ready(&self, discoveries: &Discoveries) -> bool {
        !self.is_waited_for || discoveries.is_settled(&self.key)
    }
}
