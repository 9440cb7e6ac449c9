//! Looking the names of one cluster up for as long as the cluster lives.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::cluster::{Discovery, DnsSettings};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;

use super::resolver::{Answer, LookupFailure, Resolver};
use super::{Known, names};
use crate::cluster::Cluster;
use crate::stats::{Counter, Scope};

/// `cluster.<name>.update_*` of a cluster whose names are looked up: one attempt is one question.
#[derive(Debug, Clone, Copy)]
struct Counts {
    attempt: Counter,
    success: Counter,
    failure: Counter,
    no_rebuild: Counter,
}

impl Counts {
    fn of(scope: &Scope) -> Counts {
        Counts {
            attempt: scope.counter("update_attempt"),
            success: scope.counter("update_success"),
            failure: scope.counter("update_failure"),
            no_rebuild: scope.counter("update_no_rebuild"),
        }
    }
}

/// Keeps a `STRICT_DNS` or `LOGICAL_DNS` cluster's endpoints as its names resolve. Never ends, but for other clusters; [`super::Names`]
/// spawns it and ends it with the cluster. A name that does not answer delays no other name.
pub async fn refresh(cluster: Arc<Cluster>, resolver: Arc<Resolver>, known: Rc<Known>) {
    let Some((assignment, settings)) = super::names::of(&cluster) else { return };
    let counts = Counts::of(cluster.scope());
    // Where one name is the whole cluster, an answer without an address takes nothing away from it.
    let keeps = matches!(cluster.config().discovery, Discovery::LogicalDns(..));
    let look_up = |name, wait, failures| look_up(&resolver, settings, name, wait, failures, counts);
    let mut look_ups = FuturesUnordered::new();
    for name in names(assignment) {
        look_ups.push(look_up(name, Duration::ZERO, 0));
    }
    while let Some(Looked { name, mut result, failures: before }) = look_ups.next().await {
        if keeps && result.as_ref().is_ok_and(|answer| answer.addresses.is_empty()) {
            result = Err(LookupFailure("the name has no address".to_owned()));
        }
        let failures = if result.is_err() { before.saturating_add(1) } else { 0 };
        let wait = next_delay(settings, &result, failures);
        known.ended.set(true);
        match result {
            Ok(answer) => {
                counts.success.inc();
                if before > 0 {
                    tracing::info!(cluster = %cluster.config().name, %name, "DNS answers again");
                }
                let mut answers = known.answers.borrow_mut();
                if answers.get(&name) != Some(&answer.addresses) {
                    answers.insert(Arc::clone(&name), answer.addresses);
                    cluster.assign_resolved(assignment, &answers);
                    known.news.notify_one();
                } else {
                    counts.no_rebuild.inc();
                }
            }
            Err(failure) => {
                counts.failure.inc();
                if failures == 1 {
                    tracing::warn!(
                        cluster = %cluster.config().name, %name, %failure,
                        "DNS does not answer; the cluster serves what it knew before and asks again"
                    );
                    known.news.notify_one();
                }
            }
        }
        look_ups.push(look_up(name, wait, failures));
    }
}

/// The outcome of one look-up.
struct Looked {
    name: Arc<str>,
    result: Result<Answer, LookupFailure>,
    /// Failures in a row before it.
    failures: u32,
}

fn look_up<'a>(
    resolver: &Arc<Resolver>,
    settings: &'a DnsSettings,
    name: Arc<str>,
    wait: Duration,
    failures: u32,
    counts: Counts,
) -> Pin<Box<dyn Future<Output = Looked> + 'a>> {
    let resolver = Arc::clone(resolver);
    Box::pin(async move {
        sleep(wait).await;
        counts.attempt.inc();
        let result = resolver.lookup(&name, settings.family, &settings.resolver).await;
        Looked { name, result, failures }
    })
}

/// When the name is to be looked up again.
fn next_delay(settings: &DnsSettings, result: &Result<Answer, LookupFailure>, failures: u32) -> Duration {
    let delay = match result {
        Ok(answer) => match answer.ttl.filter(|ttl| settings.respect_ttl && !ttl.is_zero()) {
            // Rounded up: half a second early, the server would give what is left of the old answer.
            Some(ttl) => Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).max(settings.least),
            None => settings.refresh,
        },
        Err(_) => {
            back_off(settings.failure, failures).unwrap_or_else(|| doubled(FIRST_RETRY, failures).min(settings.refresh))
        }
    };
    let jitter = u64::try_from(settings.jitter.as_millis()).unwrap_or(u64::MAX);
    let jitter = if jitter == 0 { 0 } else { fastrand::u64(..jitter) };
    delay.max(LEAST_DELAY) + Duration::from_millis(jitter)
}

/// How long after so many failures in a row, where a rate is set for them: as in Envoy any time up to that.
pub(super) fn back_off(rate: Option<(Duration, Duration)>, failures: u32) -> Option<Duration> {
    let (first, most) = rate?;
    Some(doubled(first, failures).min(most).mul_f64(fastrand::f64()).max(LEAST_DELAY))
}

fn doubled(first: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(20))
}

/// After the first failure; doubled after each further one, up to the refresh rate.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Whatever the settings say, a name is not asked for more often.
const LEAST_DELAY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
