//! What every pooled or lent connection carries beside its codec: facts for logs, and counts that it gives back when it goes.

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use crate::cluster::circuit_breaker::Permit;
use crate::cluster::connect_failure::{ConnectFailure, ConnectFailureKind};
use crate::cluster::core::Core;
use crate::cluster::handshakes;
use crate::cluster::host_stats::HostShard;
use crate::telemetry::stream_info::UpstreamConnection;
use crate::tls::info::TlsInfo;
use crate::transport::{ByteCounts, Stream};

/// A connection that has just been made.
pub struct Connected {
    /// Its bytes.
    pub stream: Stream,
    /// Facts.
    pub facts: Facts,
}

/// Facts of a connection, for logs.
pub type Facts = Rc<UpstreamConnection>;

/// The counts of one connection, from its first SYN to its end.
pub struct Counted {
    core: Rc<Core>,
    shard: Arc<HostShard>,
    born: Instant,
    /// The peer closed it, as far as we know.
    by_peer: bool,
    /// Requests were under way when it ended.
    active: bool,
    /// Requests that it carried.
    requests: u64,
    _permit: Permit,
}

impl Counted {
    /// A connection that is being made.
    pub fn begin(core: &Rc<Core>, shard: &Arc<HostShard>, permit: Permit) -> Counted {
        core.stats.upstream_cx_total.inc();
        core.stats.upstream_cx_active.inc();
        shard.cx_total.inc();
        shard.cx_active.inc();
        Counted {
            core: Rc::clone(core),
            shard: Arc::clone(shard),
            born: Instant::now(),
            by_peer: false,
            active: false,
            requests: 0,
            _permit: permit,
        }
    }

    /// It stands; TLS has told this.
    pub fn connected(&mut self, tls: Option<&TlsInfo>) {
        if let Some(tls) = tls {
            handshakes::finished(self.core.shared.scope(), tls);
        }
        let elapsed = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.core.stats.upstream_cx_connect_ms.record(elapsed);
    }

    /// It did not come to stand.
    pub fn failed(&mut self, failure: &ConnectFailure) {
        let stats = &self.core.stats;
        self.shard.cx_connect_fail.inc();
        stats.upstream_cx_connect_fail.inc();
        if let Some(kind) = failure.handshake {
            handshakes::failed(self.core.shared.scope(), kind);
        }
        match failure.kind {
            ConnectFailureKind::Timeout => stats.upstream_cx_connect_timeout.inc(),
            ConnectFailureKind::Remote => self.by_peer = true,
            ConnectFailureKind::Local if failure.is_bind_failure() => stats.bind_errors.inc(),
            ConnectFailureKind::Local | ConnectFailureKind::Overflow => {}
        }
    }

    /// The peer has closed it.
    pub fn closed_by_peer(&mut self) {
        self.by_peer = true;
    }

    /// It has carried so many requests; `active`: it ends while some are under way.
    pub fn ends(&mut self, requests: u64, active: bool) {
        self.requests = requests;
        self.active |= active;
    }

    /// What counts its octets.
    pub fn bytes(&self) -> ByteCounts {
        self.core.stats.bytes()
    }

    /// When it was begun.
    pub fn born(&self) -> Instant {
        self.born
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let stats = &self.core.stats;
        stats.upstream_cx_active.dec();
        self.shard.cx_active.dec();
        stats.upstream_cx_destroy.inc();
        if self.by_peer {
            stats.upstream_cx_destroy_remote.inc()
        } else {
            stats.upstream_cx_destroy_local.inc()
        }
        match (self.active, self.by_peer) {
            (true, true) => stats.upstream_cx_destroy_remote_with_active_rq.inc(),
            (true, false) => stats.upstream_cx_destroy_local_with_active_rq.inc(),
            (false, _) => {}
        }
        if self.active {
            stats.upstream_cx_destroy_with_active_rq.inc();
        }
        if self.requests > 0 {
            stats.upstream_rq_per_cx.record(self.requests);
        }
        // As with Envoy also of what never came to stand.
        let length = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        stats.upstream_cx_length_ms.record(length);
    }
}
