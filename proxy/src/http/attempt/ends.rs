//! Where attempts are counted: cluster and route together, whatever the end. Used by the loop in [`super`] alone.

use std::rc::Rc;

use crate::cluster::retry::BackOff;
use crate::cluster::{Alternative, Beside, Codes};
use crate::failure::ResponseFlags;
use crate::http::deadlines::Expired;
use crate::http::exchange::Exchange;
use crate::http::route::RouteStats;
use crate::http::stop::Stop;
use crate::http::stream::Chosen;
use crate::http::upstreams::{Target, UpstreamCluster};
use crate::wire::grpc;
use crate::wire::headers::Name;
use crate::wire::message::{BodyLength, RequestHead, ResponseHead};

/// What a route and a virtual cluster count.
pub(super) type OfRoute<'a> = [Option<&'a RouteStats>; 2];

/// Who counts the attempts of one request.
pub(super) struct Ends<'a> {
    pub cluster: &'a UpstreamCluster,
    /// Of the route and of the virtual cluster, where they have any.
    pub of_route: OfRoute<'a>,
    /// Where codes are counted.
    pub codes: Codes,
    /// The request is gRPC: how it ended is told by its `grpc-status`.
    pub grpc: bool,
    /// Neither cluster nor route nor host counts responses (what is tried again is counted all the same, as with Envoy): it is a health check, or the router has no statistics of that kind (`dynamic_stats`).
    pub uncounted: bool,
    /// And this, by the name that the request asked for.
    pub alternative: Option<Rc<Alternative>>,
}

impl<'a> Ends<'a> {
    /// Of a request; `grpc`: it was gRPC when it came to the router.
    pub fn of<'s: 'a>(
        exchange: &mut Exchange<'s>,
        chosen: Chosen<'s>,
        cluster: &'a UpstreamCluster,
        grpc: bool,
    ) -> Ends<'a> {
        let manager = &exchange.stream.context.manager;
        let uncounted = exchange.stream.info.health_check || !manager.config.router.dynamic_stats;
        let alternative = alternative(&mut exchange.stream.request, cluster, uncounted);
        Ends {
            cluster,
            of_route: [
                chosen.route.stats(&manager.registry, chosen.host),
                chosen.counted.map(|one| one.stats(&manager.registry, chosen.host)),
            ],
            codes: Codes {
                internal: exchange.stream.internal,
                own: !(grpc && manager.config.router.suppress_grpc_codes),
            },
            grpc,
            uncounted,
            alternative,
        }
    }
}

impl Ends<'_> {
    /// It is over, with this status if it was answered, and another one is to follow.
    pub fn retries(&self, host: Option<&Target>, status: Option<u16>) {
        if let Some(host) = host {
            host.count(true);
        }
        if let Some(status) = status {
            self.cluster.count_retried(status, self.codes);
        }
    }

    /// The wait for that one is over.
    pub fn retried(&self, after: BackOff) {
        self.cluster.count(|stats| stats.upstream_rq_retry);
        self.cluster.count(|stats| after.counter(stats));
        for stats in self.of_route.into_iter().flatten() {
            stats.retry.inc();
        }
    }

    /// No other one follows, for that reason.
    pub fn gives_up(&self, why: ResponseFlags) {
        if why.has(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED) {
            self.cluster.count(|stats| stats.upstream_rq_retry_limit_exceeded);
            for stats in self.of_route.into_iter().flatten() {
                stats.retry_limit_exceeded.inc();
            }
        } else if why.has(ResponseFlags::UPSTREAM_OVERFLOW) {
            // The cluster has counted it where the permit was refused.
            for stats in self.of_route.into_iter().flatten() {
                stats.retry_overflow.inc();
            }
        }
    }

    /// With an answer from upstream; `succeeded`: a retry led to it, and it is good; `ignored`: it is no answer to what was asked; `unheard`: nor is its status counted, as with Envoy where a web socket was asked for. Gives the host back if only the trailers will tell whether it is to be counted as an error.
    pub fn answered(
        &self,
        target: Target,
        head: &ResponseHead,
        milliseconds: Option<u64>,
        (succeeded, ignored, unheard): (bool, bool, bool),
    ) -> Option<Target> {
        let status = head.status;
        if !unheard {
            self.heard(&target, head, milliseconds);
        }
        if succeeded {
            self.cluster.count(|stats| stats.upstream_rq_retry_success);
            for stats in self.of_route.into_iter().flatten() {
                stats.retry_success.inc();
            }
        }
        if self.grpc && status < 500 {
            if head.body != BodyLength::Empty {
                return Some(target);
            }
            target.count(grpc::is_host_error(grpc::status(&head.headers)));
        } else if !ignored && (status < 500 || !self.uncounted) {
            target.count_response(status);
        }
        None
    }

    /// With one of ours.
    pub fn failed(&self, host: Option<&Target>, stop: &Stop) {
        if let Some(host) = host {
            host.count(true);
        }
        self.replied(host, stop);
    }

    fn replied(&self, host: Option<&Target>, stop: &Stop) {
        if let Stop::Reply(reply) = stop {
            self.counted(reply.status, None, self.cluster.beside(host, false));
        }
    }

    /// One of several is over without an answer, and others go on.
    pub fn lost(&self, host: Option<&Target>) {
        self.counted(503, None, self.cluster.beside(host, false));
        if let Some(host) = host {
            host.count(true);
        }
    }

    /// A head came from that host, be it an informational one: those are not timed.
    pub fn heard(&self, host: &Target, head: &ResponseHead, milliseconds: Option<u64>) {
        self.counted(head.status, milliseconds, self.cluster.beside(Some(host), head.is_canary()));
    }

    /// A status that came from upstream in that time, or that we give instead (`None`).
    fn counted(&self, status: u16, milliseconds: Option<u64>, beside: Beside<'_>) {
        if self.uncounted {
            return;
        }
        self.cluster.count_response(status, self.codes, milliseconds);
        if !beside.is_nothing() || self.alternative.is_some() {
            self.counted_beside(status, milliseconds, beside);
        }
        for stats in self.of_route.into_iter().flatten() {
            stats.count_response(status, milliseconds);
        }
    }

    /// What few responses are counted by.
    #[cold]
    fn counted_beside(&self, status: u16, milliseconds: Option<u64>, beside: Beside<'_>) {
        self.cluster.count_beside(beside, status, milliseconds);
        let Some(alternative) = &self.alternative else { return };
        let scope = self.cluster.scope();
        alternative.count(scope, status, self.codes, milliseconds);
        alternative.count_beside(scope, beside, status, milliseconds);
    }

    /// Within its answer.
    pub fn cut_short(&self, timed_out: Option<Expired>) {
        match timed_out {
            Some(Expired::Response) => self.timed_out(),
            Some(expired) => self::expired(self.cluster, expired),
            None => {}
        }
    }

    fn timed_out(&self) {
        self.cluster.count(|stats| stats.upstream_rq_timeout);
        for stats in self.of_route.into_iter().flatten() {
            stats.timeout.inc();
        }
    }

    /// From outside: time was up for the whole request, or the client went. An attempt was under way, at a host if it had a stream.
    pub fn stopped(&self, timed_out: Option<Expired>, host: Option<&Target>, stop: &Stop) {
        if timed_out == Some(Expired::Response) {
            self.timed_out();
            self.replied(host, stop);
        }
    }
}

/// The name that internal callers and filters want responses counted by. It ends here.
fn alternative(request: &mut RequestHead, cluster: &UpstreamCluster, uncounted: bool) -> Option<Rc<Alternative>> {
    let name = request.headers.get(&Name::X_ENVOY_UPSTREAM_ALT_STAT_NAME)?;
    let alternative = (!uncounted).then(|| cluster.alternative(&String::from_utf8_lossy(name))).flatten();
    request.headers.remove(&Name::X_ENVOY_UPSTREAM_ALT_STAT_NAME);
    alternative
}

/// Counts a timeout of one attempt at its cluster.
pub(super) fn expired(cluster: &UpstreamCluster, expired: Expired) {
    match expired {
        Expired::Try => cluster.count(|stats| stats.upstream_rq_per_try_timeout),
        Expired::TryIdle => cluster.count(|stats| stats.upstream_rq_per_try_idle_timeout),
        Expired::TryDuration => cluster.count(|stats| stats.upstream_rq_max_duration_reached),
        Expired::Response | Expired::Duration | Expired::Request | Expired::Idle => {}
    }
}

#[cfg(test)]
mod tests;
