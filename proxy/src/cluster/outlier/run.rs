//! The outlier detection of one version of a cluster while it is in use. The control thread holds one for each such cluster; dropping it
//! ends it.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::detector::Detector;
use super::events::EventLog;
use super::shared::Watch;
use crate::cluster::Cluster;
use crate::log_files::EventFile;

/// A running outlier detection.
pub struct Ejections(JoinHandle<()>);

impl Ejections {
    /// Begins; `None` for clusters that do not ask for it. `log` is where it writes down what it does.
    pub fn follow(cluster: &Arc<Cluster>, log: Option<EventFile>) -> Option<Ejections> {
        let watch = Arc::clone(cluster.outliers()?);
        Some(Ejections(tokio::task::spawn_local(run(Arc::clone(cluster), watch, log.map(EventLog)))))
    }
}

impl Drop for Ejections {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(cluster: Arc<Cluster>, watch: Arc<Watch>, log: Option<EventLog>) {
    let interval = watch.config.interval.max(LEAST_INTERVAL);
    let mut detector = Detector::new(&cluster, &watch, log);
    let mut endpoints = cluster.endpoints_owned();
    detector.follow(&endpoints);
    let mut next = Instant::now() + interval;
    // Thousands of clusters that nobody uses must not wake the thread: the clock is looked at while somebody counts, or is left out.
    let mut at_rest = true;
    loop {
        let changed = tokio::select! {
            () = watch.woken() => {
                let now = Instant::now();
                if at_rest {
                    // The interval goes on as if it had been looked at all the time.
                    next = after(next, interval, now);
                    at_rest = false;
                }
                follow(&mut detector, &cluster, &mut endpoints);
                let mut changed = false;
                for host in watch.take_well() {
                    changed |= detector.checked_well(&host, now);
                }
                for host in watch.take_suspects() {
                    changed |= detector.suspected(&host, now);
                }
                changed
            }
            () = sleep_until(next), if !at_rest => {
                follow(&mut detector, &cluster, &mut endpoints);
                let changed = detector.look(next);
                next = after(next, interval, Instant::now());
                at_rest = watch.was_quiet() && detector.is_at_rest();
                changed
            }
        };
        if changed {
            cluster.publish_health();
            endpoints = cluster.endpoints_owned();
        }
    }
}

fn follow(detector: &mut Detector, cluster: &Cluster, known: &mut Arc<crate::cluster::endpoints::EndpointSet>) {
    if !Arc::ptr_eq(known, &cluster.endpoints()) {
        *known = cluster.endpoints_owned();
        detector.follow(known);
    }
}

/// The first end of an interval after `now`.
fn after(last: Instant, interval: std::time::Duration, now: Instant) -> Instant {
    if last > now {
        return last;
    }
    let passed = now.duration_since(last).as_nanos() / interval.as_nanos() + 1;
    last + interval.saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX))
}

/// Shorter ones would leave no time for anything else.
const LEAST_INTERVAL: std::time::Duration = std::time::Duration::from_millis(1);
