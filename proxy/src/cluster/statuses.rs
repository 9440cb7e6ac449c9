//! What admin shows of a cluster (`/clusters`, text and JSON): plain data, taken at one moment.

use std::sync::Arc;

use config::cluster::Discovery;

use super::Cluster;
use super::endpoints::Endpoint;
use crate::status::{HostCounts, HostStatus};

impl Cluster {
    /// All endpoints, by priority and locality.
    pub fn host_statuses(&self) -> Vec<HostStatus> {
        let mut statuses = Vec::new();
        for (priority, groups) in (0..).zip(&self.endpoints().levels) {
            for group in groups {
                for endpoint in &group.endpoints {
                    let mut counts = HostCounts::default();
                    endpoint.identity.shards().iter().for_each(|shard| shard.add_to(&mut counts));
                    statuses.push(HostStatus {
                        address: super::identity::print(&endpoint.address),
                        target: endpoint.address.clone(),
                        health: endpoint.status,
                        flags: endpoint.identity.flags(),
                        success_rates: endpoint.identity.monitor().map_or([-1.0; 2], |monitor| monitor.rates()),
                        weight: endpoint.weight,
                        priority,
                        locality: group.locality.clone(),
                        canary: endpoint.canary,
                        hostname: self.shown_name(endpoint),
                        counts,
                    });
                }
            }
        }
        statuses
    }

    /// As in Envoy names of dynamic forward proxies have the port that is asked for.
    fn shown_name(&self, endpoint: &Endpoint) -> Arc<str> {
        match &self.config().discovery {
            Discovery::DynamicForward(_) => Arc::clone(&endpoint.identity.printed),
            _ => Arc::clone(&endpoint.hostname),
        }
    }
}
