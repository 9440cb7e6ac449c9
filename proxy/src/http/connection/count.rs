//! Counts a downstream connection while it lives, and how it ended. Called by `connection`; given back when it is dropped.

use tokio::time::Instant;

use crate::http::context::Context;
use crate::stats::{Counter, Gauge, OneMore};

/// Counts a connection while it lives.
pub(super) struct Count<'a> {
    context: &'a Context,
    began: Instant,
}

impl<'a> Count<'a> {
    pub(super) fn begin(context: &'a Context) -> Count<'a> {
        let stats = &context.manager.stats;
        stats.downstream_cx_total.inc();
        stats.downstream_cx_active.inc();
        if context.is_tls() {
            stats.downstream_cx_ssl_total.inc();
            stats.downstream_cx_ssl_active.inc();
        }
        Count { context, began: Instant::now() }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        let stats = &self.context.manager.stats;
        stats.downstream_cx_active.dec();
        stats.downstream_cx_destroy.inc();
        let (remote, active) = self.context.ended.get();
        let active = active || self.context.active.get() > 0;
        if active {
            stats.downstream_cx_destroy_active_rq.inc();
        }
        match (remote, active) {
            (true, true) => stats.downstream_cx_destroy_remote_active_rq.inc(),
            (false, true) => stats.downstream_cx_destroy_local_active_rq.inc(),
            (_, false) => {}
        }
        if remote {
            stats.downstream_cx_destroy_remote.inc();
        } else {
            stats.downstream_cx_destroy_local.inc();
        }
        if self.context.is_tls() {
            stats.downstream_cx_ssl_active.dec();
        }
        let lived = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        stats.downstream_cx_length_ms.record(lived);
    }
}

/// Counts a connection of one protocol while it lives.
pub(super) fn begin(total: Counter, active: Gauge) -> OneMore {
    total.inc();
    active.hold()
}
