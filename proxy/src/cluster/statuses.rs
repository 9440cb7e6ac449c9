//! What admin shows of a cluster (`/clusters`, text and JSON, and the endpoints of dumps): plain data, taken at one moment.

use std::sync::Arc;

use config::cluster::Discovery;
use config::endpoint::HealthStatus;

use super::Cluster;
use super::endpoints::{Endpoint, Health, LocalityGroup};
use crate::status::{AssignedHost, Assignment, HostCounts, HostStatus};

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

    /// All endpoints in the shape of an assignment.
    pub fn assignment(&self) -> Assignment {
        let set = self.endpoints();
        let groups = set.levels.iter().flat_map(|level| level.iter());
        let hosts = groups.flat_map(|group| group.endpoints.iter().map(|endpoint| self.assigned(group, endpoint)));
        Assignment { overprovisioning: set.overprovisioning, drops: set.drops, hosts: hosts.collect() }
    }

    fn assigned(&self, group: &LocalityGroup, endpoint: &Endpoint) -> AssignedHost {
        // As in Envoy those that come by names have a field for it, whatever is in it.
        let has_metadata = !matches!(self.config().discovery, Discovery::Static(_) | Discovery::Eds { .. })
            || !endpoint.metadata.encoded().is_empty();
        AssignedHost {
            address: endpoint.address.clone(),
            additional: endpoint.additional.clone(),
            hostname: self.shown_name(endpoint),
            health: match Health::of(endpoint.status, endpoint.identity.flags()) {
                Health::Healthy => HealthStatus::Healthy,
                Health::Degraded => HealthStatus::Degraded,
                Health::Unhealthy => HealthStatus::Unhealthy,
            },
            weight: endpoint.weight,
            priority: endpoint.priority,
            locality: group.locality.clone(),
            locality_weight: group.weight,
            metadata: has_metadata.then(|| Arc::clone(&endpoint.metadata)),
            check: endpoint.check.clone(),
        }
    }

    /// As in Envoy names of dynamic forward proxies have the port that is asked for.
    fn shown_name(&self, endpoint: &Endpoint) -> Arc<str> {
        match &self.config().discovery {
            Discovery::DynamicForward(_) => Arc::clone(&endpoint.identity.printed),
            _ => Arc::clone(&endpoint.hostname),
        }
    }
}
