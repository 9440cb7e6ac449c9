//! What admin shows of a cluster (`/clusters`, text and JSON): plain data, taken at one moment.

use std::sync::Arc;

use super::Cluster;
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
                        hostname: Arc::clone(&endpoint.hostname),
                        counts,
                    });
                }
            }
        }
        statuses
    }
}
