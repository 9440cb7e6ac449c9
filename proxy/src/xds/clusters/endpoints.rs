//! EDS: endpoints of clusters, by the service that a cluster asks about. What no cluster names is not kept.

use std::sync::Arc;
use std::time::Duration;

use config::cluster::Discovery;
use tokio::time::Instant;
use xds_client::{Update, Verdict};

use super::subscribed::Answer;
use super::{Clusters, Warming};
use crate::cluster::Cluster;
use crate::xds::Named;

impl Clusters {
    /// A new version of a cluster takes the endpoints that the one before had: they are still what the control plane said last.
    pub(super) fn reuse_assignment(&self, service_name: &Arc<str>, cluster: &Arc<Cluster>) {
        let Some(body) = self.assignments.active_body(service_name) else { return };
        if let Ok(assignment) = config::endpoint::decode(body, &self.options) {
            cluster.assign(&assignment);
        }
    }

    /// Applies an EDS response.
    pub fn assign(&mut self, update: &Update) -> Verdict {
        let verdict = crate::xds::each(update, Named::AsAskedFor("EDS cluster"), |service, stored| {
            let begun = std::time::Instant::now();
            let assignment = config::endpoint::decode(&stored.body, &self.options).map_err(|rejection| {
                tracing::error!(target: "upstream", "endpoints of '{service}' are refused: {rejection}");
                self.count_answer(service, &update.version, Answer::Refused);
                rejection.to_string()
            })?;
            // Kept only for who asks: they would be old when somebody does.
            if self.by_service.contains_key(service) {
                // What is sent again unchanged concerns only who waits for it.
                let unchanged = self.assignments.active_body(service) == Some(&stored.body);
                self.assign_one(service, &assignment, |cluster| !unchanged || !cluster.is_warm());
                let taken = Answer::Taken { is_new: !unchanged, took: begun.elapsed() };
                self.count_answer(service, &update.version, taken);
                self.assignments.put(service, stored, ());
                self.will_be_stale(service, assignment.stale_after);
            }
            Ok(())
        });
        // As in Envoy: endpoints in use stay. A cluster that waits for them waits no longer.
        for name in &update.removed {
            let none = config::endpoint::LoadAssignment::default();
            let service = name.as_str().into();
            self.assign_one(&service, &none, |cluster| !cluster.is_warm());
            self.count_answer(&service, &update.version, Answer::Gone);
        }
        self.assignments.set_version(&update.version);
        verdict
    }

    pub(super) fn assign_one(
        &self,
        service: &Arc<str>,
        assignment: &config::endpoint::LoadAssignment,
        concerns: impl Fn(&Cluster) -> bool,
    ) {
        for name in self.by_service.get(service).into_iter().flatten() {
            // Two versions of a cluster may name two services.
            let of_service = self.versions(name).filter(|cluster| service_of(cluster) == Some(service));
            of_service.filter(|cluster| concerns(cluster)).for_each(|cluster| cluster.assign(assignment));
        }
    }

    /// Endpoints came: how long they may be used (`endpoint_stale_after`).
    fn will_be_stale(&mut self, service: &Arc<str>, after: Option<Duration>) {
        let Some(after) = after else {
            self.stale_at.remove(service);
            return;
        };
        self.count(service, "assignment_timeout_received");
        match Instant::now().checked_add(after) {
            Some(at) => self.stale_at.insert(Arc::clone(service), at),
            None => self.stale_at.remove(service),
        };
    }

    /// As in Envoy: nothing newer came in time, and then there are no endpoints.
    pub(super) fn let_go_of_stale(&mut self) {
        let now = Instant::now();
        let stale: Vec<Arc<str>> = self.stale_at.extract_if(|_, at| *at <= now).map(|(service, _)| service).collect();
        for service in stale {
            tracing::warn!(
                target: "upstream",
                "endpoints of '{service}' are older than their endpoint_stale_after allows, and nothing newer came: they are used no more"
            );
            self.assign_one(&service, &config::endpoint::LoadAssignment::default(), |_| true);
            self.assignments.remove(&service);
            self.count(&service, "assignment_stale");
        }
    }

    /// How long until some are.
    pub(super) fn next_stale(&self) -> Option<Duration> {
        self.stale_at.values().min().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Counts something once for each cluster of a service.
    fn count(&self, service: &Arc<str>, counter: &str) {
        for name in self.by_service.get(service).into_iter().flatten() {
            if let Some(cluster) = self.versions(name).next() {
                cluster.scope().counter(counter).inc();
            }
        }
    }

    /// The versions of a name, in use and waiting.
    pub(super) fn versions(&self, name: &str) -> impl Iterator<Item = &Arc<Cluster>> {
        let active = self.held.active(name).map(|active| &active.cluster);
        active.into_iter().chain(self.held.warming(name).map(|warming| &warming.cluster))
    }

    /// A version of a cluster is gone: nothing is asked any more about a service that only it named.
    pub(super) fn release_service(&mut self, name: &Arc<str>, gone: &Cluster) {
        let Some(service) = service_of(gone) else { return };
        if self.versions(name).any(|cluster| service_of(cluster) == Some(service)) {
            return;
        }
        if !self.versions(name).any(|cluster| service_of(cluster).is_some()) {
            self.subscribed.remove(name);
        }
        if let Some(names) = self.by_service.get_mut(service) {
            names.remove(name);
            if names.is_empty() {
                self.by_service.remove(service);
                self.assignments.remove(service);
                self.stale_at.remove(service);
            }
        }
    }

    /// EDS names to subscribe to.
    pub fn service_names(&self) -> impl Iterator<Item = String> {
        self.by_service.keys().map(|name| name.to_string())
    }

    /// Whether some cluster still waits for its endpoints.
    pub fn awaits_endpoints(&self) -> bool {
        self.held.all_warming().any(|(_, warming)| !endpoints_came(warming)) || self.holds_back()
    }
}

/// The EDS service that a cluster asks about.
pub(super) fn service_of(cluster: &Cluster) -> Option<&Arc<str>> {
    match &cluster.config().discovery {
        Discovery::Eds { service_name, .. } => Some(service_name),
        _ => None,
    }
}

pub(super) fn endpoints_came(warming: &Warming) -> bool {
    warming.cluster.is_warm() || eds_timeout(warming).is_some_and(|timeout| warming.since.elapsed() >= timeout)
}

pub(super) fn eds_timeout(warming: &Warming) -> Option<Duration> {
    match warming.cluster.config().discovery {
        Discovery::Eds { initial_fetch_timeout, .. } => initial_fetch_timeout,
        _ => None,
    }
}
