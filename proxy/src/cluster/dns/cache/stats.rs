//! Statistics of a cache of names: `dns_cache.<name>.`.

use std::sync::Arc;

use config::dns_cache::DnsCache;

use crate::stats::{Counter, Gauge, Scope, Stats};

/// What is counted.
pub(super) struct CacheStats {
    pub dns_query_attempt: Counter,
    pub dns_query_failure: Counter,
    pub dns_query_success: Counter,
    pub dns_query_timeout: Counter,
    pub dns_rq_pending_overflow: Counter,
    pub host_added: Counter,
    pub host_address_changed: Counter,
    pub host_overflow: Counter,
    pub host_removed: Counter,
    pub num_hosts: Gauge,
    rq_pending_open: Gauge,
    rq_pending_remaining: Gauge,
    /// Where they live; they go away with the cache.
    _scope: Scope,
}

impl CacheStats {
    /// Those of a cache.
    pub fn new(stats: &Arc<Stats>, config: &DnsCache) -> CacheStats {
        let scope = stats.scope(&format!("dns_cache.{}.", config.name));
        // Nothing is kept on disk.
        scope.counter("cache_load");
        let made = CacheStats {
            dns_query_attempt: scope.counter("dns_query_attempt"),
            dns_query_failure: scope.counter("dns_query_failure"),
            dns_query_success: scope.counter("dns_query_success"),
            dns_query_timeout: scope.counter("dns_query_timeout"),
            dns_rq_pending_overflow: scope.counter("dns_rq_pending_overflow"),
            host_added: scope.counter("host_added"),
            host_address_changed: scope.counter("host_address_changed"),
            host_overflow: scope.counter("host_overflow"),
            host_removed: scope.counter("host_removed"),
            num_hosts: scope.gauge("num_hosts"),
            rq_pending_open: scope.gauge("circuit_breakers.rq_pending_open"),
            rq_pending_remaining: scope.gauge("circuit_breakers.rq_pending_remaining"),
            _scope: scope,
        };
        made.rq_pending_remaining.set(u64::from(config.max_pending));
        made
    }

    /// A caller waits; it may be the last one that may.
    pub fn waits(&self, is_last: bool) {
        self.rq_pending_remaining.dec();
        if is_last {
            self.rq_pending_open.inc();
        }
    }

    /// It waits no more.
    pub fn waits_no_more(&self, was_last: bool) {
        self.rq_pending_remaining.inc();
        if was_last {
            self.rq_pending_open.dec();
        }
    }
}
