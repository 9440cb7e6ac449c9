//! Requests on their way to a stream: those that wait, connects under way for them, and the stream that is ready.

use std::rc::Rc;

use tokio::sync::oneshot;

use super::{Facts, Http1Stream, Http2Stream, Pool};
use crate::cluster::circuit_breaker::{Permit, Resource};
use crate::cluster::core::Core;
use crate::cluster::host::{Active, HostState};
use crate::cluster::lease::{HttpLease, UpstreamStream};
use crate::cluster::{ConnectFailure, ConnectFailureKind, Priority};
use crate::wire::message::Protocol;

/// A request that waits, as the pool holds it.
pub struct Waiting {
    /// Whose active requests it will count among.
    pub state: Rc<HostState>,
    /// Where its answer goes; closed when the request has gone away.
    pub reply: oneshot::Sender<Result<HttpLease, ConnectFailure>>,
}

/// A stream that is ready to be lent.
pub struct Ready {
    stream: UpstreamStream,
    facts: Facts,
    protocol: Protocol,
}

impl Ready {
    /// On an HTTP/1 connection.
    pub fn http1(stream: Http1Stream) -> Ready {
        Ready { facts: stream.facts().clone(), stream: UpstreamStream::Http1(stream), protocol: Protocol::Http11 }
    }

    /// On an HTTP/2 connection.
    pub fn http2(stream: Http2Stream) -> Ready {
        Ready { facts: stream.facts().clone(), stream: UpstreamStream::Http2(stream), protocol: Protocol::Http2 }
    }

    /// Lends it.
    pub fn lease(self, active: Active) -> HttpLease {
        let Ready { stream, facts, protocol } = self;
        HttpLease { stream, protocol, connection: facts, _active: active }
    }
}

/// A connect under way, counted until it is dropped.
pub struct UnderWay(pub Rc<Pool>);

impl UnderWay {
    /// Counts one.
    pub fn begin(pool: &Rc<Pool>) -> UnderWay {
        pool.state.borrow_mut().connecting += 1;
        UnderWay(Rc::clone(pool))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state.borrow_mut().connecting -= 1;
    }
}

/// A request that waits; given up when it is dropped before its answer.
pub struct Pending {
    core: Rc<Core>,
    /// It has its answer.
    pub answered: bool,
    _permit: Permit,
}

impl Pending {
    /// Permission for one more that waits: a client of a TCP proxy waits for its connection like a request does, as with Envoy.
    ///
    /// # Errors
    /// There are too many.
    pub fn place(core: &Rc<Core>, priority: Priority) -> Result<Permit, ConnectFailure> {
        Permit::take(core, priority, Resource::Pending).ok_or_else(|| {
            core.stats.upstream_rq_pending_overflow.inc();
            ConnectFailure::new(ConnectFailureKind::Overflow)
        })
    }

    /// Counts one.
    pub fn begin(core: &Rc<Core>, permit: Permit) -> Pending {
        core.stats.upstream_rq_pending_total.inc();
        core.stats.upstream_rq_pending_active.inc();
        Pending { core: Rc::clone(core), answered: false, _permit: permit }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.core.stats.upstream_rq_pending_active.dec();
        if !self.answered {
            self.core.stats.upstream_rq_cancelled.inc();
        }
    }
}
