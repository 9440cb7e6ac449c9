//! `envoy.extensions.filters.http.health_check.v3.HealthCheck`: answers health checks for the application, or passes them on, and marks
//! them so that logs and statistics can leave them out.
//!
//! Fields honoured: all.

mod cache;

use config::Rejection;
use config::filters::health_check::HealthCheck as Config;

use self::cache::{Cache, Cached};
use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stream::Stream;
use crate::policy::headers::HeaderMatchers;
use crate::wire::headers::Name;
use crate::wire::message::BodyLength;

use bytes::Bytes;
use std::convert::Infallible;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct HealthCheck {
    config: Config,
    headers: HeaderMatchers,
    cache: Option<Cache>,
    checked_cluster: Name,
    degraded: Name,
    local_cluster: Bytes,
    counts: Counts,
}

crate::stats::counters! {
    struct Counts {
        request_total ok failed degraded cached_response failed_cluster_not_found failed_cluster_empty failed_cluster_unhealthy
    }
}

/// What one request remembers: it is a health check.
#[derive(Debug, Default)]
pub(crate) struct State(bool);

/// Octets of a body that are read before a health check is answered: it should have none.
const BODY: usize = 64 * 1024;

impl HttpFilter for HealthCheck {
    type Config = Config;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<HealthCheck, Rejection> {
        Ok(HealthCheck {
            headers: HeaderMatchers::compile(&config.headers),
            cache: config.cache_time.map(Cache::new),
            checked_cluster: Name::new("x-envoy-upstream-healthchecked-cluster"),
            degraded: Name::new("x-envoy-degraded"),
            local_cluster: Bytes::copy_from_slice(config.local_cluster.as_bytes()),
            counts: Counts::new(deps.stats, &format!("{}health_check.", deps.scope)),
            config: config.clone(),
        })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST.with(Hooks::RESPONSE)
    }

    fn request(&self, turn: &mut Turn<'_, '_, HealthCheck>) -> Step {
        if !self.headers.match_request(&turn.stream.request) {
            return Step::Continue;
        }
        turn.state.0 = true;
        turn.stream.info.health_check = true;
        let passes = self.config.pass_through
            && !turn.stream.context.drain.fails_health_checks()
            && !self.cache.as_ref().is_some_and(Cache::is_good);
        match turn.stream.request.body {
            _ if passes => Step::Continue,
            BodyLength::Empty => self.answer(turn.stream).into(),
            // What it has sent is read first, so that the connection can go on.
            _ => Step::Collect(Collect { limit: BODY }),
        }
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, HealthCheck>, _way: Way, _waited: Waited, _body: &mut Out<'_>) -> Step {
        self.answer(turn.stream).into()
    }

    fn response(&self, turn: &mut Turn<'_, '_, HealthCheck>) -> Step {
        let fails = turn.stream.context.drain.fails_health_checks();
        let Some(response) = &mut turn.stream.response else { return Step::Continue };
        if turn.state.0 {
            if let Some(cache) = &self.cache {
                cache.set(Cached { status: response.status, degraded: response.headers.contains(&self.degraded) });
            }
            response.headers.set(self.checked_cluster.clone(), self.local_cluster.clone());
        }
        if fails {
            response.headers.set(Name::X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, Bytes::from_static(b"true"));
        }
        Step::Continue
    }
}

impl HealthCheck {
    fn answer(&self, stream: &Stream<'_>) -> LocalReply {
        let (cached, details) = self.judge(stream);
        let mut reply = LocalReply::new(cached.status, details);
        self.counts.request_total.inc();
        if (200..300).contains(&cached.status) {
            self.counts.ok.inc();
        } else {
            self.counts.failed.inc();
            reply = reply.flags(ResponseFlags::FAILED_LOCAL_HEALTH_CHECK);
        }
        if cached.degraded {
            self.counts.degraded.inc();
            reply.headers.push((self.degraded.clone(), Bytes::new()));
        }
        reply
    }

    /// How the application is, and why that is believed.
    fn judge(&self, stream: &Stream<'_>) -> (Cached, &'static str) {
        let says = |status, details| (Cached { status, degraded: false }, details);
        if stream.context.drain.fails_health_checks() {
            return says(503, "health_check_failed");
        }
        if let Some(cache) = &self.cache {
            // It was good when the request came, and may have become too old while its body was read.
            let cached = cache.last().unwrap_or(Cached { status: 200, degraded: false });
            self.counts.cached_response.inc();
            return (cached, "health_check_cached");
        }
        let mut details = "health_check_ok";
        for (name, percent) in &self.config.min_healthy {
            // Whole percents, as Envoy compares them.
            let percent = *percent as u64;
            let Some(cluster) = stream.context.upstreams.get(name) else {
                self.counts.failed_cluster_not_found.inc();
                return says(503, "health_check_failed_no_cluster_found");
            };
            let members = cluster.membership();
            details = "health_check_ok_cluster_healthy";
            if members.total == 0 && percent > 0 {
                self.counts.failed_cluster_empty.inc();
                return says(503, "health_check_failed_cluster_empty");
            }
            if 100 * (members.healthy + members.degraded) < members.total * percent {
                self.counts.failed_cluster_unhealthy.inc();
                return says(503, "health_check_failed_cluster_unhealthy");
            }
        }
        says(200, details)
    }
}

#[cfg(test)]
mod tests;
