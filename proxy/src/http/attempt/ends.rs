//! Where attempts are counted: cluster and route together, whatever the end. Used by the loop in [`super`] alone.

use crate::cluster::retry::BackOff;
use crate::failure::ResponseFlags;
use crate::http::deadlines::Expired;
use crate::http::route::RouteStats;
use crate::http::stop::Stop;
use crate::http::upstreams::{Target, UpstreamCluster};

/// Who counts the attempts of one request.
pub(super) struct Ends<'a> {
    pub cluster: &'a UpstreamCluster,
    pub of_route: Option<&'a RouteStats>,
    /// From an internal caller.
    pub internal: bool,
}

impl Ends<'_> {
    /// An attempt begins.
    pub fn begins(&self) {
        if let Some(stats) = self.of_route {
            stats.total.inc();
        }
    }

    /// It is over, and another one follows.
    pub fn retries(&self, after: BackOff) {
        self.cluster.count(|stats| stats.upstream_rq_retry);
        self.cluster.count(|stats| after.counter(stats));
        if let Some(stats) = self.of_route {
            stats.retry.inc();
        }
    }

    /// No other one follows, for that reason.
    pub fn gives_up(&self, why: ResponseFlags) {
        if why.has(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED) {
            self.cluster.count(|stats| stats.upstream_rq_retry_limit_exceeded);
            if let Some(stats) = self.of_route {
                stats.retry_limit_exceeded.inc();
            }
        } else if why.has(ResponseFlags::UPSTREAM_OVERFLOW)
            && let Some(stats) = self.of_route
        {
            // The cluster has counted it where the permit was refused.
            stats.retry_overflow.inc();
        }
    }

    /// With an answer from upstream.
    pub fn answered(&self, target: &Target, status: u16, milliseconds: Option<u64>, retried: bool) {
        self.cluster.count_response(Some(target), status, self.internal, milliseconds);
        if let Some(stats) = self.of_route {
            stats.count_response(status, milliseconds);
        }
        if retried && status < 500 {
            self.cluster.count(|stats| stats.upstream_rq_retry_success);
            if let Some(stats) = self.of_route {
                stats.retry_success.inc();
            }
        }
    }

    /// With one of ours.
    pub fn failed(&self, stop: &Stop) {
        if let Stop::Reply(reply) = stop {
            self.cluster.count_response(None, reply.status, self.internal, None);
            if let Some(stats) = self.of_route {
                stats.count_response(reply.status, None);
            }
        }
    }

    /// From outside: time was up for the whole request, or the client went.
    pub fn stopped(&self, timed_out: Option<Expired>, stop: Stop) -> Stop {
        if timed_out == Some(Expired::Response) {
            self.cluster.count(|stats| stats.upstream_rq_timeout);
            if let Some(stats) = self.of_route {
                stats.timeout.inc();
            }
            self.failed(&stop);
        }
        stop
    }
}
