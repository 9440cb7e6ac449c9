//! A listener, compiled: matcher over filter chains, listener filters, logs, stats. Made by the control thread, read by workers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use config::hcm::RouteSource;
use config::listener::TerminalFilter;
use config::tls::SdsName;
use config::{At, Rejection};

use super::bind;
use super::chain::FilterChain;
use super::matching::{Facts, Matcher};
use super::stats::ListenerStats;
use crate::compile::CompileDeps;
use crate::http::route::RouteSlots;
use crate::telemetry::access_log::AccessLogs;

/// A compiled listener. Immutable; a changed one takes its place and connections keep the one that they began with.
pub struct Listener {
    config: Arc<config::listener::Listener>,
    matcher: Matcher,
    chains: Vec<Arc<FilterChain>>,
    default_chain: Option<Arc<FilterChain>>,
    pub(super) access_log: AccessLogs,
    pub(super) stats: ListenerStats,
}

impl Listener {
    /// Compiles.
    ///
    /// # Errors
    /// The field that cannot be honoured, and why.
    pub fn compile(
        config: Arc<config::listener::Listener>,
        deps: &CompileDeps<'_>,
        slots: &dyn RouteSlots,
    ) -> Result<Arc<Listener>, Rejection> {
        let root = At::root();
        let at = root.field("filter_chains");
        let compile = |chain: &config::listener::FilterChain, at: &At<'_>| {
            FilterChain::compile(chain, &config.name, config.direction, at, deps, slots)
        };
        let mut chains = Vec::with_capacity(config.filter_chains.len());
        for (index, chain) in config.filter_chains.iter().enumerate() {
            chains.push(Arc::new(compile(chain, &at.index(index))?));
        }
        let default_chain = match &config.default_filter_chain {
            Some(chain) => Some(Arc::new(compile(chain, &root.field("default_filter_chain"))?)),
            None => None,
        };
        if chains.is_empty() && default_chain.is_none() {
            return Err(at.reject("a listener needs at least one filter chain"));
        }
        Ok(Arc::new(Listener {
            matcher: Matcher::new(&config.filter_chains, &at)?,
            chains,
            default_chain,
            access_log: AccessLogs::compile(&config.access_log, deps.log_sinks),
            stats: ListenerStats::new(&stat_prefix(&config), deps.stats),
            config,
        }))
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
        for chain in self.config.filter_chains.iter().chain(&self.config.default_filter_chain) {
            if let TerminalFilter::Http(manager) = &chain.terminal
                && let RouteSource::Rds { name, initial_fetch_timeout, .. } = &manager.routes
                && names.iter().all(|(known, _)| known != name)
            {
                names.push((name.clone(), *initial_fetch_timeout));
            }
        }
        names
    }

    /// The chain for a connection.
    pub(super) fn find_chain(&self, facts: &Facts<'_>) -> Option<&Arc<FilterChain>> {
        match self.matcher.find(facts) {
            Some(index) => self.chains.get(index),
            None => self.default_chain.as_ref(),
        }
    }

    fn all_chains(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.chains.iter().chain(&self.default_chain)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Listener").field("name", &self.config.name).finish_non_exhaustive()
    }
}

/// `listener.<stat_prefix, or the address with _ for each colon>.`
fn stat_prefix(config: &config::listener::Listener) -> String {
    let name = match (&config.stat_prefix, &config.address) {
        (Some(prefix), _) => prefix.to_string(),
        (None, Some(address)) => bind::printed(address),
        (None, None) => config.name.to_string(),
    };
    format!("listener.{}.", name.replace(':', "_"))
}
