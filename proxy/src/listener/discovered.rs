//! The filters of a listener that are discovered (ECDS). Called by `xds`, which asks for them and lets the listener wait.

use std::sync::Arc;

use config::filters::NetworkFilterConfig;
use config::hcm::HttpConnectionManager;
use config::listener::{ListenerFilterKind, TerminalFilter};

use super::Listener;
use crate::discoveries::{Asked, Discoveries, Kind, Wanted};

impl Listener {
    /// What is to be discovered for it and its chains.
    pub fn discovered(&self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        self.each_discovery(&mut |asked| wanted.push(asked.wanted()));
        wanted
    }

    /// The types that its configuration names for filters that are something else now: a policy among them is not in force here.
    pub fn lacks(&self, discoveries: &Discoveries) -> Vec<Arc<str>> {
        let mut lacks = Vec::new();
        self.each_discovery(&mut |asked| lacks.append(&mut asked.lacks(discoveries)));
        lacks
    }

    fn each_discovery(&self, found: &mut dyn FnMut(Asked<'_>)) {
        let config = self.config();
        for filter in &config.listener_filters {
            if let ListenerFilterKind::Discovered(discovery) = &filter.kind {
                found(Asked::Listener(&filter.name, discovery));
            }
        }
        for chain in config.filter_chains.iter().chain(&config.default_filter_chain) {
            for filter in &chain.filters {
                if let NetworkFilterConfig::Discovered(discovery) = &filter.config {
                    found(Asked::Network(&filter.name, discovery));
                }
            }
            if let TerminalFilter::Http(manager) = &chain.terminal {
                of_manager(manager, found);
            }
        }
    }
}

fn of_manager(manager: &HttpConnectionManager, found: &mut dyn FnMut(Asked<'_>)) {
    for filter in &manager.filters {
        filter
            .config
            .each_discovery(&filter.name, &mut |name, discovery| found(Asked::Http(Kind::Http, name, discovery)));
    }
    for filter in &manager.router.upstream_filters {
        let found = &mut |name: &_, discovery: &_| found(Asked::Http(Kind::UpstreamHttp, name, discovery));
        filter.config.each_discovery(&filter.name, found);
    }
}
