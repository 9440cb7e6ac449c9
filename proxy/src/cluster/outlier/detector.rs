//! Who is left out, and for how long: Envoy's rules over one cluster's hosts. Runs on the control thread, told the time; it marks hosts
//! and publishes nothing itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::events::{Event, EventLog};
use super::monitor::{Monitor, Suspicion};
use super::rates::{Rated, threshold};
use super::shared::Watch;
use super::stats::OutlierStats;
use crate::cluster::Cluster;
use crate::cluster::endpoints::EndpointSet;
use crate::cluster::identity::Identity;
use crate::status::HealthFlags;

/// Why a host is to be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `consecutive_5xx`.
    Consecutive5xx,
    /// `consecutive_gateway_failure`.
    ConsecutiveGatewayFailure,
    /// `consecutive_local_origin_failure`.
    ConsecutiveLocalOriginFailure,
    /// `success_rate_*`.
    SuccessRate {
        /// Of what connections suffer.
        local: bool,
    },
    /// `failure_percentage_*`.
    FailurePercentage {
        /// Of what connections suffer.
        local: bool,
    },
}

/// The outlier detection of one cluster.
pub struct Detector {
    watch: Arc<Watch>,
    stats: OutlierStats,
    hosts: Vec<Arc<Identity>>,
    /// Of hosts that were ever marked, by the address of their identity, which it keeps alive.
    histories: HashMap<*const Identity, History>,
    ejected: usize,
    log: Option<EventLog>,
    cluster: Arc<str>,
}

struct History {
    host: Arc<Identity>,
    ejections: u32,
    out: Absence,
    degraded: Absence,
}

/// A mark that is taken off after a while; the while grows.
#[derive(Default)]
struct Absence {
    /// When it was set last, and taken off last.
    set: Option<Instant>,
    cleared: Option<Instant>,
    /// How many times the base it lasts.
    backoff: u32,
    jitter: Duration,
}

impl Detector {
    /// Of a cluster that asks for it.
    pub fn new(cluster: &Cluster, watch: &Arc<Watch>, log: Option<EventLog>) -> Detector {
        Detector {
            watch: Arc::clone(watch),
            stats: OutlierStats::new(cluster.scope()),
            hosts: Vec::new(),
            histories: HashMap::new(),
            ejected: 0,
            log,
            cluster: Arc::clone(&cluster.config().name),
        }
    }

    /// Looks at these hosts from now on.
    pub fn follow(&mut self, endpoints: &EndpointSet) {
        self.hosts = endpoints.iter().map(|endpoint| Arc::clone(&endpoint.identity)).collect();
        let there: std::collections::HashSet<_> = self.hosts.iter().map(Arc::as_ptr).collect();
        let (stats, ejected) = (self.stats, &mut self.ejected);
        self.histories.retain(|host, history| {
            let stays = there.contains(host);
            if !stays && history.host.flags().has(HealthFlags::FAILED_OUTLIER_CHECK) {
                *ejected -= 1;
                stats.ejections_active.dec();
            }
            stays
        });
    }

    /// Whether time alone changes nothing.
    pub fn is_at_rest(&self) -> bool {
        self.histories.values().all(|history| {
            !history.host.flags().has(MARKS) && history.out.backoff == 0 && history.degraded.backoff == 0
        })
    }

    /// Workers suspect a host. Tells whether it is marked for it.
    pub fn suspected(&mut self, host: &Arc<Identity>, now: Instant) -> bool {
        let Some(monitor) = host.monitor() else { return false };
        let mut changed = false;
        for why in monitor.take_suspicions() {
            // It may have left meanwhile.
            if self.hosts.iter().any(|known| Arc::ptr_eq(known, host)) {
                changed |= self.judge(host, monitor, why, now);
            }
        }
        changed
    }

    fn judge(&mut self, host: &Arc<Identity>, monitor: &Monitor, why: Suspicion, now: Instant) -> bool {
        let cause = match why {
            Suspicion::Consecutive5xx => Cause::Consecutive5xx,
            Suspicion::ConsecutiveGatewayFailure => Cause::ConsecutiveGatewayFailure,
            Suspicion::ConsecutiveLocalOriginFailure => Cause::ConsecutiveLocalOriginFailure,
            Suspicion::Degraded => return self.degrade(host, now),
        };
        if host.flags().has(HealthFlags::FAILED_OUTLIER_CHECK) {
            return false;
        }
        self.stats.detected(cause);
        let changed = self.eject(host, cause, now);
        if cause == Cause::Consecutive5xx {
            self.stats.ejections_consecutive_5xx.inc();
        }
        monitor.ends(why);
        changed
    }

    /// Leaves the host out, if that many may be and chance wants it.
    fn eject(&mut self, host: &Arc<Identity>, cause: Cause, now: Instant) -> bool {
        let config = &self.watch.config;
        let percent = 100.0 * (self.ejected as f64 + 1.0) / self.hosts.len() as f64;
        let is_first = config.always_eject_one_host && self.ejected == 0;
        if !is_first && percent > f64::from(config.max_ejection_percent) {
            self.stats.ejections_overflow.inc();
            return false;
        }
        if matches!(cause, Cause::Consecutive5xx | Cause::SuccessRate { local: false }) {
            self.stats.ejections_total.inc();
        }
        let enforced = u32::from(fastrand::u8(..100)) < self.enforcing(cause);
        if enforced {
            self.ejected += 1;
            self.stats.enforced(cause);
            host.set_flags(host.flags().with(HealthFlags::FAILED_OUTLIER_CHECK));
            let watch = Arc::clone(&self.watch);
            let history = self.history(host);
            history.ejections = history.ejections.saturating_add(1);
            history.out.begin(&watch, now);
        }
        self.tell(host, now, Some((cause, enforced)));
        enforced
    }

    fn degrade(&mut self, host: &Arc<Identity>, now: Instant) -> bool {
        if host.flags().has(HealthFlags::DEGRADED_OUTLIER_DETECTION) {
            return false;
        }
        self.stats.ejections_detected_degradation.inc();
        host.set_flags(host.flags().with(HealthFlags::DEGRADED_OUTLIER_DETECTION));
        let watch = Arc::clone(&self.watch);
        self.history(host).degraded.begin(&watch, now);
        true
    }

    /// An interval is over. Tells whether a mark was set or taken off.
    pub fn look(&mut self, now: Instant) -> bool {
        let mut changed = self.return_those_due(now);
        for host in &self.hosts {
            let Some(monitor) = host.monitor() else { continue };
            monitor.show_rate(true, -1.0);
            monitor.show_rate(false, -1.0);
        }
        changed |= self.compare(false, now);
        changed |= self.compare(true, now);
        let interval = self.watch.config.interval;
        for history in self.histories.values_mut() {
            let flags = history.host.flags();
            history.out.forgives(flags.has(HealthFlags::FAILED_OUTLIER_CHECK), interval, now);
            history.degraded.forgives(flags.has(HealthFlags::DEGRADED_OUTLIER_DETECTION), interval, now);
        }
        changed
    }

    fn return_those_due(&mut self, now: Instant) -> bool {
        let is_due = |history: &History, absence: &Absence, flag| {
            history.host.flags().has(flag) && absence.is_over(&self.watch, now)
        };
        let out = |history: &&History| is_due(history, &history.out, HealthFlags::FAILED_OUTLIER_CHECK);
        let degraded = |history: &&History| is_due(history, &history.degraded, HealthFlags::DEGRADED_OUTLIER_DETECTION);
        let returning: Vec<_> = self.histories.values().filter(out).map(|history| history.host.clone()).collect();
        let recovered: Vec<_> = self.histories.values().filter(degraded).map(|history| history.host.clone()).collect();
        for host in &recovered {
            host.set_flags(host.flags().without(HealthFlags::DEGRADED_OUTLIER_DETECTION));
            self.history(host).degraded.cleared = Some(now);
        }
        for host in &returning {
            self.uneject(host, now);
        }
        !returning.is_empty() || !recovered.is_empty()
    }

    /// An active health check of a host has succeeded: it is left out no longer. Tells whether it was.
    pub fn checked_well(&mut self, host: &Arc<Identity>, now: Instant) -> bool {
        let is_out = host.flags().has(HealthFlags::FAILED_OUTLIER_CHECK)
            && self.hosts.iter().any(|known| Arc::ptr_eq(known, host));
        if is_out {
            self.uneject(host, now);
        }
        is_out
    }

    /// The host takes requests again.
    fn uneject(&mut self, host: &Arc<Identity>, now: Instant) {
        self.ejected -= 1;
        self.stats.ejections_active.dec();
        host.set_flags(host.flags().without(HealthFlags::FAILED_OUTLIER_CHECK));
        if let Some(monitor) = host.monitor() {
            // One failure more must not be the last of an old row.
            Suspicion::ALL.into_iter().for_each(|row| monitor.ends(row));
        }
        self.history(host).out.cleared = Some(now);
        self.tell(host, now, None);
    }

    /// Outliers by how often they succeed.
    fn compare(&mut self, local: bool, now: Instant) -> bool {
        self.watch.show_averages(local, -1.0, -1.0);
        let watch = Arc::clone(&self.watch);
        let (success, failure) = (&watch.config.success_rate, &watch.config.failure_percentage);
        let rated = self.rates(local);
        let count = self.hosts.len();
        if count < success.minimum_hosts as usize && count < failure.minimum_hosts as usize {
            return false;
        }
        let least = success.request_volume.min(failure.request_volume);
        for one in rated.iter().filter(|one| one.volume >= u64::from(least)) {
            if let Some(monitor) = self.hosts[one.host].monitor() {
                monitor.show_rate(local, one.rate);
            }
        }
        let enough = |volume: u32| -> Vec<Rated> {
            rated.iter().copied().filter(|one| one.volume >= u64::from(volume)).collect()
        };
        let mut changed = false;
        let valid = enough(success.request_volume);
        if valid.len() >= success.minimum_hosts as usize
            && let Some((mean, limit)) = threshold(&valid, success.stdev_factor)
        {
            watch.show_averages(local, mean, limit);
            for one in valid.iter().filter(|one| one.rate < limit) {
                self.stats.ejections_success_rate.inc();
                changed |= self.found(one.host, Cause::SuccessRate { local }, now);
            }
        }
        let valid = enough(failure.request_volume);
        if !valid.is_empty() && valid.len() >= failure.minimum_hosts as usize {
            for one in valid.iter().filter(|one| 100.0 - one.rate >= f64::from(failure.threshold)) {
                changed |= self.found(one.host, Cause::FailurePercentage { local }, now);
            }
        }
        changed
    }

    fn found(&mut self, host: usize, cause: Cause, now: Instant) -> bool {
        self.stats.detected(cause);
        let host = Arc::clone(&self.hosts[host]);
        // One that the other comparison has just left out is counted, and is out already.
        if host.flags().has(HealthFlags::FAILED_OUTLIER_CHECK) {
            return false;
        }
        self.eject(&host, cause, now)
    }

    /// Hosts that take part, with what they had in the interval.
    fn rates(&self, local: bool) -> Vec<Rated> {
        let mut rated = Vec::new();
        for (host, identity) in self.hosts.iter().enumerate() {
            let Some(monitor) = identity.monitor() else { continue };
            let (volume, success) = monitor.take_volume(local);
            if volume > 0 && !identity.flags().has(HealthFlags::FAILED_OUTLIER_CHECK) {
                rated.push(Rated { host, volume, rate: 100.0 * success as f64 / volume as f64 });
            }
        }
        rated
    }

    fn enforcing(&self, cause: Cause) -> u32 {
        let config = &self.watch.config;
        match cause {
            Cause::Consecutive5xx => config.consecutive_5xx.enforcing,
            Cause::ConsecutiveGatewayFailure => config.consecutive_gateway_failure.enforcing,
            Cause::ConsecutiveLocalOriginFailure => config.consecutive_local_origin_failure.enforcing,
            Cause::SuccessRate { local: false } => config.success_rate.enforcing,
            Cause::SuccessRate { local: true } => config.success_rate.enforcing_local_origin,
            Cause::FailurePercentage { local: false } => config.failure_percentage.enforcing,
            Cause::FailurePercentage { local: true } => config.failure_percentage.enforcing_local_origin,
        }
    }

    fn history(&mut self, host: &Arc<Identity>) -> &mut History {
        self.histories.entry(Arc::as_ptr(host)).or_insert_with(|| History {
            host: Arc::clone(host),
            ejections: 0,
            out: Absence::default(),
            degraded: Absence::default(),
        })
    }

    /// Writes down what was done: with a cause the host is left out, or would be; without one it is back.
    fn tell(&self, host: &Arc<Identity>, now: Instant, cause: Option<(Cause, bool)>) {
        let history = self.histories.get(&Arc::as_ptr(host));
        let ejections = history.map_or(0, |history| history.ejections);
        let since = history.and_then(|history| match cause {
            Some(_) => history.out.cleared,
            None => history.out.set,
        });
        tracing::info!(
            target: "upstream", cluster = &*self.cluster, host = &*host.printed, ejections,
            "outlier detection: {}", match cause {
                Some((_, true)) => "ejected",
                Some((_, false)) => "would be ejected, and is not: it is not enforced",
                None => "takes requests again",
            }
        );
        if let Some(log) = &self.log {
            log.write(&Event {
                cluster: &self.cluster,
                host,
                cause,
                ejections,
                since: since.map(|since| now.duration_since(since)),
                averages: self.watch.averages(),
            });
        }
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        // Another version of the cluster has the same gauge.
        (0..self.ejected).for_each(|_| self.stats.ejections_active.dec());
    }
}

impl Absence {
    fn begin(&mut self, watch: &Watch, now: Instant) {
        let config = &watch.config;
        self.set = Some(now);
        let most = u64::try_from(config.max_ejection_time_jitter.as_millis()).unwrap_or(u64::MAX);
        self.jitter = Duration::from_millis(fastrand::u64(..=most));
        if config.base_ejection_time.saturating_mul(self.backoff)
            < config.max_ejection_time.saturating_add(config.base_ejection_time)
        {
            self.backoff += 1;
        }
    }

    fn is_over(&self, watch: &Watch, now: Instant) -> bool {
        let time = watch.config.base_ejection_time.saturating_mul(self.backoff).min(watch.config.max_ejection_time);
        self.set.is_none_or(|set| time.saturating_add(self.jitter) <= now.duration_since(set))
    }

    /// The next one is shorter for each interval without any.
    fn forgives(&mut self, is_set: bool, interval: Duration, now: Instant) {
        if !is_set && self.cleared.is_some_and(|cleared| now.duration_since(cleared) >= interval) {
            self.backoff = self.backoff.saturating_sub(1);
        }
    }
}

const MARKS: HealthFlags = HealthFlags::FAILED_OUTLIER_CHECK.with(HealthFlags::DEGRADED_OUTLIER_DETECTION);
