//! A listener, compiled: matcher over filter chains, listener filters, logs, stats. Made by the control thread, read by workers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use config::hcm::RouteSource;
use config::listener::{Direction, KeptChains, TerminalFilter};
use config::metadata::Metadata;
use config::tls::SdsName;
use config::{At, Rejection};

use super::bind;
use super::chain::FilterChain;
use super::filters::list::Filters;
use super::matching::{Facts, Matcher};
use super::stats::ListenerStats;
use crate::compile::CompileDeps;
use crate::drain::Drain;
use crate::http::route::RouteSlots;
use crate::logs::AccessLogs;

/// A compiled listener. Immutable; a changed one takes its place. Connections that have a chain keep that and what is common, not the
/// listener: a version that is gone must not stay in memory for one connection of one chain.
pub struct Listener {
    config: Arc<config::listener::Listener>,
    matcher: Matcher,
    chains: Vec<Arc<FilterChain>>,
    default_chain: Option<Arc<FilterChain>>,
    filters: Arc<Filters>,
    common: Arc<Common>,
}

/// What all connections of a listener share, whatever their chain. Versions that differ in chains alone share it, too.
pub(super) struct Common {
    pub name: Arc<str>,
    pub metadata: Arc<Metadata>,
    pub direction: Direction,
    pub modify_only: bool,
    pub ignore_connection_limit: bool,
    /// Too little memory is nothing to it.
    pub bypass_overload: bool,
    pub access_log: AccessLogs,
    pub stats: ListenerStats,
    /// For connections that have no chain yet.
    pub drain: Arc<Drain>,
}

/// The version in use, and which of its chains a new one has unchanged.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// That version.
    pub listener: &'a Listener,
    /// Its chains that stay.
    pub kept: &'a KeptChains,
}

impl Listener {
    /// Compiles. Where nothing but chains differs from the version `before`, those that stay are taken over, with their connections.
    ///
    /// # Errors
    /// The field that cannot be honoured, and why.
    pub fn compile(
        config: Arc<config::listener::Listener>,
        deps: &CompileDeps<'_>,
        slots: &dyn RouteSlots,
        before: Option<Before<'_>>,
    ) -> Result<Arc<Listener>, Rejection> {
        let root = At::root();
        let at = root.field("filter_chains");
        let compile = |chain: &config::listener::FilterChain, at: &At<'_>| {
            FilterChain::compile(chain, &config, at, deps, slots).map(Arc::new)
        };
        let mut chains = Vec::with_capacity(config.filter_chains.len());
        for (index, chain) in config.filter_chains.iter().enumerate() {
            chains.push(match before.and_then(|before| before.chain(index)) {
                Some(kept) => kept,
                None => compile(chain, &at.index(index))?,
            });
        }
        let default_chain = match &config.default_filter_chain {
            Some(chain) => Some(match before.and_then(Before::default_chain) {
                Some(kept) => kept,
                None => compile(chain, &root.field("default_filter_chain"))?,
            }),
            None => None,
        };
        if chains.is_empty() && default_chain.is_none() {
            return Err(at.reject("a listener needs at least one filter chain"));
        }
        let matcher = Matcher::new(&config.filter_chains, &at)?;
        let filters = Filters::compile(&config.listener_filters, &root.field("listener_filters"), deps)?;
        let common = match before {
            Some(before) => before.listener.common.clone(),
            None => Arc::new(Common::compile(&config, deps)),
        };
        Ok(Arc::new(Listener { matcher, chains, default_chain, filters, common, config }))
    }

    /// What a connection meets before it has a chain.
    pub(super) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// The drains of what another version of this listener, or its end, leaves without a place.
    pub fn retired_by(&self, next: Option<&Listener>) -> Vec<Arc<Drain>> {
        let stays = |chain: &Arc<FilterChain>| {
            next.is_some_and(|next| next.all_chains().any(|other| Arc::ptr_eq(chain, other)))
        };
        let chains = self.all_chains().filter(|chain| !stays(chain)).map(|chain| chain.drain.clone());
        let common = (!next.is_some_and(|next| self.is_succeeded_by(next))).then(|| self.common.drain.clone());
        chains.chain(common).collect()
    }

    /// Whether the other differs in filter chains alone: connections that have none yet may take one of it.
    pub fn is_succeeded_by(&self, next: &Listener) -> bool {
        Arc::ptr_eq(&self.common, &next.common)
    }

    pub(super) fn common(&self) -> &Arc<Common> {
        &self.common
    }

    pub(super) fn stats(&self) -> &ListenerStats {
        &self.common.stats
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<config::listener::Listener> {
        &self.config
    }

    /// The secrets that its TLS contexts wait for.
    pub fn needed_secrets(&self) -> Vec<SdsName> {
        let mut names: Vec<SdsName> = Vec::new();
        for context in self.all_chains().filter_map(|chain| chain.tls.as_ref()) {
            for need in context.needs() {
                if !names.contains(need) {
                    names.push(need.clone());
                }
            }
        }
        names
    }

    /// RDS names of its connection managers, each with its `initial_fetch_timeout` (`None` waits for ever).
    pub fn rds_names(&self) -> Vec<(Arc<str>, Option<Duration>)> {
        let mut names: Vec<(Arc<str>, Option<Duration>)> = Vec::new();
        for (name, _, timeout) in self.tables_asked_for() {
            if names.iter().all(|(known, _)| *known != name) {
                names.push((name, timeout));
            }
        }
        names
    }

    /// The same of each connection manager, with its `stat_prefix`: a name may come more than once.
    pub fn tables_asked_for(&self) -> impl Iterator<Item = (Arc<str>, Arc<str>, Option<Duration>)> {
        let chains = self.config.filter_chains.iter().chain(&self.config.default_filter_chain);
        chains.filter_map(|chain| match &chain.terminal {
            TerminalFilter::Http(manager) => match &manager.routes {
                RouteSource::Rds { name, initial_fetch_timeout } => {
                    Some((name.clone(), manager.stat_prefix.clone(), *initial_fetch_timeout))
                }
                RouteSource::Inline(_) => None,
            },
            _ => None,
        })
    }

    /// The chain for a connection.
    pub(super) fn find_chain(&self, facts: &Facts<'_>) -> Option<&Arc<FilterChain>> {
        match self.matcher.find(facts) {
            Some(index) => self.chains.get(index),
            None => self.default_chain.as_ref(),
        }
    }

    pub(super) fn all_chains(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.chains.iter().chain(&self.default_chain)
    }
}

impl Before<'_> {
    fn chain(self, index: usize) -> Option<Arc<FilterChain>> {
        let kept = (*self.kept.chains.get(index)?)?;
        self.listener.chains.get(kept).cloned()
    }

    fn default_chain(self) -> Option<Arc<FilterChain>> {
        if self.kept.default { self.listener.default_chain.clone() } else { None }
    }
}

impl Common {
    fn compile(config: &config::listener::Listener, deps: &CompileDeps<'_>) -> Common {
        Common {
            name: config.name.clone(),
            metadata: config.metadata.clone(),
            direction: config.direction,
            modify_only: config.drain_modify_only,
            ignore_connection_limit: config.ignore_global_connection_limit,
            bypass_overload: config.bypass_overload_manager,
            access_log: AccessLogs::compile(&config.access_log, deps.log_sinks, deps.stats),
            stats: ListenerStats::new(&stat_prefix(config), deps.stats),
            drain: Drain::new(deps.drain),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Listener").field("name", &self.config.name).finish_non_exhaustive()
    }
}

/// `listener.<stat_prefix, or the address>.`
pub(super) fn stat_prefix(config: &config::listener::Listener) -> String {
    let name = match (&config.stat_prefix, &config.address) {
        (Some(prefix), _) => prefix.to_string(),
        (None, Some(address)) => bind::printed(address),
        (None, None) => config.name.to_string(),
    };
    format!("listener.{name}.")
}
