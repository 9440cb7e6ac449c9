//! The filters of a listener that are discovered (ECDS). Called by `xds`, which asks for them and lets the listener wait.

use std::sync::Arc;

use config::filters::discovery::Discovery;
use config::filters::{HttpFilterConfig, NetworkFilterConfig};
use config::listener::TerminalFilter;

use super::Listener;
use crate::discoveries::{Discoveries, Kind, Wanted};

impl Listener {
    /// What is to be discovered for its chains.
    pub fn discovered(&self) -> Vec<Wanted> {
        let (mut http, mut network) = (Vec::new(), Vec::new());
        self.each_discovery(
            &mut |name, discovery| http.push(Wanted::new(Kind::Http, name, discovery)),
            &mut |name, discovery| network.push(Wanted::new(Kind::Network, name, discovery)),
        );
        http.append(&mut network);
        http
    }

    /// The types that its configuration names for filters that are something else now: a policy among them is not in force here.
    pub fn lacks(&self, discoveries: &Discoveries) -> Vec<Arc<str>> {
        let (mut http, mut network) = (Vec::new(), Vec::new());
        self.each_discovery(
            &mut |name, discovery| {
                let now = discoveries.http(name, discovery);
                http.extend(Wanted::new(Kind::Http, name, discovery).lacks(now.typed(discovery)).cloned());
            },
            &mut |name, discovery| {
                let now = discoveries.network(name, discovery);
                network.extend(Wanted::new(Kind::Network, name, discovery).lacks(now.typed(discovery)).cloned());
            },
        );
        http.append(&mut network);
        http
    }

    fn each_discovery(
        &self,
        http: &mut dyn FnMut(&Arc<str>, &Discovery<HttpFilterConfig>),
        network: &mut dyn FnMut(&Arc<str>, &Discovery<NetworkFilterConfig>),
    ) {
        let config = self.config();
        for chain in config.filter_chains.iter().chain(&config.default_filter_chain) {
            for filter in &chain.filters {
                if let NetworkFilterConfig::Discovered(discovery) = &filter.config {
                    network(&filter.name, discovery);
                }
            }
            if let TerminalFilter::Http(manager) = &chain.terminal {
                manager.filters.iter().for_each(|filter| filter.config.each_discovery(&filter.name, http));
            }
        }
    }
}
