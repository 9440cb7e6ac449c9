//! What admin shows of a cluster (`/clusters`, text and JSON): plain data, taken at one moment.

use std::sync::Arc;

use config::endpoint::{HealthStatus, Locality};

use super::Cluster;
use super::host_stats::HostStats;

/// One endpoint.
#[derive(Debug, Clone)]
pub struct HostStatus {
    /// Address, printed: `10.0.0.1:8080`, or a path.
    pub address: Arc<str>,
    /// The same, taken apart.
    pub target: config::address::Address,
    /// Health as the control plane said it.
    pub health: HealthStatus,
    /// Weight.
    pub weight: u32,
    /// Priority, 0 the highest.
    pub priority: u32,
    /// Where.
    pub locality: Locality,
    /// `hostname`.
    pub hostname: Arc<str>,
    /// Counts over all workers.
    pub stats: HostStats,
}

impl Cluster {
    /// All endpoints, by priority and locality.
    pub fn host_statuses(&self) -> Vec<HostStatus> {
        let mut statuses = Vec::new();
        for (priority, groups) in (0..).zip(&self.endpoints().levels) {
            for group in groups {
                for endpoint in &group.endpoints {
                    let mut stats = HostStats::default();
                    endpoint.identity.shards().iter().for_each(|shard| stats.add(shard));
                    statuses.push(HostStatus {
                        address: super::endpoints::print(&endpoint.address),
                        target: endpoint.address.clone(),
                        health: endpoint.status,
                        weight: endpoint.weight,
                        priority,
                        locality: group.locality.clone(),
                        hostname: Arc::clone(&endpoint.hostname),
                        stats,
                    });
                }
            }
        }
        statuses
    }
}
