//! Looking the names of a cache up for as long as the cache is there. On the control thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};

use super::{Cache, Found, Name, lock};
use crate::cluster::dns::refresh::back_off;
use crate::cluster::dns::{Answer, LookupFailure, Resolver, literal};

/// What is done next.
enum Step {
    /// Names that have failed and that nobody asks for any more go.
    Sweep,
    /// It is to be looked up, if anybody still uses it.
    Due { name: Arc<Name>, failures: u32 },
    /// It was looked up.
    Looked { name: Arc<Name>, failures: u32, result: Result<Answer, Failure> },
}

/// No answer.
enum Failure {
    /// `dns_query_timeout` is over.
    TimedOut,
    Failed(LookupFailure),
}

type Next = Pin<Box<dyn Future<Output = Step>>>;

/// Looks up what is asked for. A name that does not answer delays no other one.
pub(super) async fn run(cache: Weak<Cache>, mut asked: mpsc::UnboundedReceiver<Arc<Name>>, resolver: Arc<Resolver>) {
    let mut under_way: FuturesUnordered<Next> = FuturesUnordered::new();
    let Some(config) = cache.upgrade().map(|cache| Arc::clone(&cache.config)) else { return };
    let mut sweep = interval(config.host_ttl.max(Duration::from_secs(1)));
    loop {
        let step = tokio::select! {
            name = asked.recv() => match name {
                Some(name) => Step::Due { name, failures: 0 },
                None => return,
            },
            Some(step) = under_way.next() => step,
            _ = sweep.tick(), if config.forgets_failures => Step::Sweep,
        };
        let Some(cache) = cache.upgrade() else { return };
        match step {
            Step::Due { name, .. } if !cache.is_used(&name) => cache.forget(&name),
            Step::Sweep => cache.sweep(),
            Step::Due { name, failures } => under_way.push(look_up(&cache, name, failures, Arc::clone(&resolver))),
            Step::Looked { name, failures, result } => {
                let (wait, failures) = cache.learns(&name, failures, result);
                // Who asks for one that failed has another one looked up: strangers could fill the queue with those that did.
                if !(config.forgets_failures && name.has_failed()) {
                    under_way.push(later(wait, name, failures));
                }
            }
        }
    }
}

fn later(wait: Duration, name: Arc<Name>, failures: u32) -> Next {
    Box::pin(async move {
        sleep(wait).await;
        Step::Due { name, failures }
    })
}

fn look_up(cache: &Cache, name: Arc<Name>, failures: u32, resolver: Arc<Resolver>) -> Next {
    let config = Arc::clone(&cache.config);
    cache.stats.dns_query_attempt.inc();
    Box::pin(async move {
        if let Some(address) = literal(&name.host) {
            let answer = Answer { addresses: vec![address], ttl: None };
            return Step::Looked { name, failures, result: Ok(answer) };
        }
        let host = Arc::clone(&name.host);
        let looked = resolver.lookup(&host, config.family, &config.resolver);
        let result = match config.query_timeout {
            Some(limit) => timeout(limit, looked).await,
            None => Ok(looked.await),
        };
        let result = match result {
            Ok(result) => result.map_err(Failure::Failed),
            Err(_) => Err(Failure::TimedOut),
        };
        Step::Looked { name, failures, result }
    })
}

impl Cache {
    /// Whether somebody has asked for it within `host_ttl`.
    fn is_used(&self, name: &Name) -> bool {
        let unused = self.now().saturating_sub(name.used.load(Ordering::Relaxed));
        Duration::from_millis(unused) <= self.config.host_ttl
    }

    fn sweep(&self) {
        let failed: Vec<_> = lock(&self.names).values().filter(|name| name.has_failed()).cloned().collect();
        failed.iter().filter(|name| !self.is_used(name)).for_each(|name| self.forget(name));
    }

    fn forget(&self, name: &Arc<Name>) {
        {
            let mut names = lock(&self.names);
            // Another one may have its place.
            if !names.get(&name.key).is_some_and(|known| Arc::ptr_eq(known, name)) {
                return;
            }
            names.remove(&name.key);
        }
        self.counts_removed();
        // Whoever holds it still waits for nothing.
        name.fails("nobody uses it");
        if lock(&name.found).is_some() {
            self.publish();
        }
    }

    /// What is known now. When it is looked up again, and after how many failures.
    fn learns(&self, name: &Name, failures: u32, result: Result<Answer, Failure>) -> (Duration, u32) {
        let why = match result {
            Ok(answer) => {
                self.stats.dns_query_success.inc();
                let ttl = answer.ttl;
                let mut addresses = answer.addresses;
                let had_any = !addresses.is_empty();
                if let Some(without) = &self.config.without {
                    addresses.retain(|address| !without.has(*address));
                }
                if !addresses.is_empty() {
                    self.is_at(name, addresses.into());
                    return (ttl.unwrap_or(self.config.refresh).max(self.config.least), 0);
                }
                if had_any { "all addresses are among those that do not count" } else { "it has no address" }.to_owned()
            }
            Err(Failure::TimedOut) => {
                self.stats.dns_query_timeout.inc();
                self.stats.dns_query_failure.inc();
                "resolve_timeout".to_owned()
            }
            Err(Failure::Failed(failure)) => {
                self.stats.dns_query_failure.inc();
                failure.0
            }
        };
        tracing::debug!(name = %name.key, %why, "a dynamic forward proxy finds no address");
        name.fails(&why);
        let failures = failures.saturating_add(1);
        (back_off(self.config.failure, failures).unwrap_or(self.config.refresh), failures)
    }

    /// Its endpoint is there before those are told who wait for it.
    fn is_at(&self, name: &Name, addresses: Arc<[std::net::IpAddr]>) {
        if lock(&name.found).replace(Arc::clone(&addresses)).as_ref() == Some(&addresses) {
            return;
        }
        self.stats.host_address_changed.inc();
        self.publish();
        name.known.send_replace(Found::Addresses(addresses));
    }
}
