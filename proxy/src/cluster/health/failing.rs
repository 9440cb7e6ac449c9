//! The way from workers to the checks of a cluster: endpoints whose answers say that they fail (`x-envoy-immediate-health-check-fail`).

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::cluster::identity::Identity;
use crate::status::HealthFlags;

/// Endpoints of one cluster that have said so. Locked by workers when an answer says it, which is seldom.
#[derive(Debug, Default)]
pub struct Failing {
    list: Mutex<Vec<Arc<Identity>>>,
    told: Notify,
}

impl Failing {
    /// This one says so.
    pub fn tell(&self, host: &Arc<Identity>) {
        // One that is out already says nothing new. A stale read costs an entry more in the list.
        if host.flags().has(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL) {
            return;
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if !list.iter().any(|known| Arc::ptr_eq(known, host)) {
            list.push(Arc::clone(host));
            self.told.notify_one();
        }
    }

    /// Those that have said so since it was asked last, once there is one.
    pub(super) async fn next(&self) -> Vec<Arc<Identity>> {
        loop {
            let list = std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner));
            if !list.is_empty() {
                return list;
            }
            self.told.notified().await;
        }
    }
}
