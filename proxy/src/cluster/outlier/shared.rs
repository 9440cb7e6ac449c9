//! What all threads share of the outlier detection of one cluster: its settings, and the way from workers to the control thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use config::cluster::{Cluster, OutlierDetection};
use tokio::sync::Notify;

use crate::cluster::identity::Identity;
use crate::policy::predicate::Predicate;
use crate::wire::message::ResponseHead;

/// The outlier detection of one cluster.
pub struct Watch {
    /// Settings.
    pub config: OutlierDetection,
    errors: Option<Predicate>,
    /// Somebody counts: the control thread must look at the clock.
    busy: AtomicBool,
    suspects: Mutex<Vec<Arc<Identity>>>,
    wake: Notify,
    /// Hosts that are left out, and whose active health check has succeeded.
    well: Mutex<Vec<Arc<Identity>>>,
    /// `success_rate_average` and `success_rate_ejection_threshold`, the same for `local_origin`: bits of an `f64`. For admin.
    averages: [AtomicU64; 4],
}

impl Watch {
    /// Of a cluster that asks for it.
    pub fn of(cluster: &Cluster) -> Option<Arc<Watch>> {
        let config = cluster.outlier_detection.clone()?;
        let none = || AtomicU64::new((-1_f64).to_bits());
        Some(Arc::new(Watch {
            config,
            errors: cluster.http.error_matcher.as_deref().map(Predicate::compile),
            busy: AtomicBool::new(false),
            suspects: Mutex::default(),
            wake: Notify::new(),
            well: Mutex::default(),
            averages: std::array::from_fn(|_| none()),
        }))
    }

    /// What an answer counts as: its status, what its gRPC status means, or what the cluster's own matcher makes of it.
    pub fn status_of(&self, head: &ResponseHead, grpc: Option<u16>) -> u16 {
        match &self.errors {
            // As in Envoy: an error of no particular kind, or none.
            Some(errors) => {
                if errors.matches(head) {
                    500
                } else {
                    200
                }
            }
            None => grpc.unwrap_or(head.status),
        }
    }

    /// A worker counts.
    pub(super) fn counts(&self) {
        // One that sees the old value wakes the control thread once more than needed.
        if !self.busy.load(Ordering::Relaxed) {
            self.busy.store(true, Ordering::Relaxed);
            self.wake.notify_one();
        }
    }

    /// A worker suspects this host. Called once for each host until the control thread has looked at it.
    pub(super) fn suspects(&self, host: &Arc<Identity>) {
        self.list().push(Arc::clone(host));
        self.wake.notify_one();
    }

    /// Hosts that were suspected since it was asked last.
    pub(super) fn take_suspects(&self) -> Vec<Arc<Identity>> {
        std::mem::take(&mut *self.list())
    }

    /// An active health check of a host that is left out has succeeded.
    pub fn checked_well(&self, host: &Arc<Identity>) {
        if self.config.active_check_unejects {
            self.well.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(host));
            self.wake.notify_one();
        }
    }

    /// Those since it was asked last.
    pub(super) fn take_well(&self) -> Vec<Arc<Identity>> {
        std::mem::take(&mut *self.well.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nobody has counted since the last time this was asked.
    pub(super) fn was_quiet(&self) -> bool {
        !self.busy.swap(false, Ordering::Relaxed)
    }

    /// Something is to be looked at.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Until then.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// What admin shows of the whole cluster.
    pub fn averages(&self) -> [f64; 4] {
        std::array::from_fn(|index| f64::from_bits(self.averages[index].load(Ordering::Relaxed)))
    }

    pub(super) fn show_averages(&self, local: bool, average: f64, threshold: f64) {
        let at = if local { 2 } else { 0 };
        self.averages[at].store(average.to_bits(), Ordering::Relaxed);
        self.averages[at + 1].store(threshold.to_bits(), Ordering::Relaxed);
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Identity>>> {
        // A list that lacks its last entry is a list.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
