//! How long a response may take: the route's word, the caller's where callers are believed, gRPC's own header. Decided once a request.

use std::time::Duration;

use config::cluster::Cluster;
use config::route::RetryPolicy;

use super::deadlines::{Deadlines, Expired};
use super::grpc;
use super::route::{Forwarding, is_grpc};
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// Timeouts of the attempts of one request. `None` is never.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeouts {
    /// For the whole response, all attempts together.
    pub response: Option<Duration>,
    /// For one attempt.
    pub per_try: Option<Duration>,
    /// For silence of one attempt.
    pub per_try_idle: Option<Duration>,
    /// For the stream of one attempt, from its beginning to its end: the cluster's `max_stream_duration`.
    pub per_try_stream: Option<Duration>,
    /// A timeout is answered 204 (`x-envoy-upstream-rq-timeout-alt-response`).
    pub alternative_response: bool,
    /// An attempt that is late is not ended: another one overtakes it, if the retry policy allows one.
    pub hedges: bool,
}

impl Timeouts {
    /// Reads and takes away the caller's wishes (only internal callers still have any). `retry` is the policy that holds; `hedges`
    /// whether late attempts are overtaken; `expected` whether the time that the caller's proxy allows is ours.
    pub fn decide(
        forwarding: &Forwarding,
        retry: Option<&RetryPolicy>,
        (hedges, expected): (bool, bool),
        request: &mut RequestHead,
    ) -> Timeouts {
        let config = &forwarding.config;
        // With `max_stream_duration` the route's timeout is not asked for.
        let response = if config.stream_duration.is_some() {
            None
        } else if let Some(cap) = config.grpc_timeout_max.filter(|_| is_grpc(request)) {
            let wanted = grpc_timeout(forwarding, request).filter(|wanted| !wanted.is_zero());
            match (wanted, cap) {
                (Some(wanted), Some(cap)) => Some(wanted.min(cap)),
                (wanted, cap) => wanted.or(cap),
            }
        } else {
            config.timeout
        };
        let mut timeouts = Timeouts {
            response,
            per_try: retry.and_then(|retry| retry.per_try_timeout),
            per_try_idle: retry.and_then(|retry| retry.per_try_idle_timeout),
            per_try_stream: None,
            alternative_response: false,
            hedges,
        };
        let expected = expected.then(|| milliseconds(request, &Name::X_ENVOY_EXPECTED_RQ_TIMEOUT_MS));
        if let Some(Some(wish)) = expected {
            timeouts.response = wish;
        } else if let Some(wish) = take_milliseconds(request, &Name::X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS) {
            timeouts.response = wish;
        }
        if let Some(wish) = take_milliseconds(request, &Name::X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS) {
            timeouts.per_try = wish;
        }
        match request.headers.get(&Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT).map(|wish| &wish[..]) {
            Some(b"true") => timeouts.hedges = true,
            Some(b"false") => timeouts.hedges = false,
            _ => {}
        }
        request.headers.remove(&Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT);
        if request.headers.remove(&Name::X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE) {
            timeouts.alternative_response = true;
        }
        // A try that may take as long as all of them has no timeout of its own.
        if timeouts.response.is_some_and(|all| timeouts.per_try.is_some_and(|one| one >= all)) {
            timeouts.per_try = None;
        }
        timeouts
    }

    /// Tells the upstream how long it has: `x-envoy-expected-rq-timeout-ms`, and `grpc-timeout` where that header was honoured.
    pub fn tell(&self, forwarding: &Forwarding, request: &mut RequestHead, elapsed: Duration, envoy_headers: bool) {
        // An attempt that is overtaken may still be the first to answer.
        let per_try = self.per_try.filter(|_| !self.hedges);
        let Some(expected) = per_try.or(self.response) else { return };
        let expected = match self.response {
            // Zero would mean no timeout at all.
            Some(all) => expected.min(all.saturating_sub(elapsed)).max(Duration::from_millis(1)),
            None => expected,
        };
        if envoy_headers {
            request.headers.set(Name::X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, expected.as_millis().to_string());
        }
        let config = &forwarding.config;
        if config.grpc_timeout_max.is_some() && config.stream_duration.is_none() && is_grpc(request) {
            request.headers.set(Name::GRPC_TIMEOUT, grpc::write_timeout(expected));
        }
    }
}

/// How long the stream of an attempt may last: the caller's word (which is taken away), else its cluster's.
pub(super) fn stream_duration(request: &mut RequestHead, cluster: &Cluster) -> Option<Duration> {
    take_milliseconds(request, &Name::X_ENVOY_UPSTREAM_STREAM_DURATION_MS).unwrap_or(cluster.http.max_stream_duration)
}

/// Arms `max_stream_duration` and the route's idle timeout. `of_manager`: the limit that is armed already, and holds where the route has
/// none.
pub(super) fn arm_stream_timeouts(
    forwarding: &Forwarding,
    request: &mut RequestHead,
    of_manager: Option<Duration>,
    deadlines: &mut Deadlines,
) {
    let config = &forwarding.config;
    if let Some(idle) = config.idle_timeout {
        deadlines.set(Expired::Idle, idle);
    }
    let Some(duration) = &config.stream_duration else { return };
    let own = match (duration.grpc_max, grpc::timeout(&request.headers)) {
        (Some(cap), Some(wanted)) => {
            let wanted = cap.map_or(wanted, |cap| wanted.min(cap));
            Some(Some(wanted.saturating_sub(duration.grpc_offset)))
        }
        _ => duration.max,
    };
    if let Some(own) = own {
        deadlines.set(Expired::Duration, own);
    }
    // As with Envoy a gRPC server is told what holds, whoever has said it.
    match own.unwrap_or(of_manager) {
        Some(limit) if is_grpc(request) => request.headers.set(Name::GRPC_TIMEOUT, grpc::write_timeout(limit)),
        None if of_manager.is_some() && is_grpc(request) => {
            request.headers.remove(&Name::GRPC_TIMEOUT);
        }
        _ => {}
    }
}

/// `grpc-timeout`, less what the route wants to keep of it. Nothing is taken off that would leave nothing, for that would mean no timeout.
fn grpc_timeout(forwarding: &Forwarding, request: &RequestHead) -> Option<Duration> {
    let wanted = grpc::timeout(&request.headers)?;
    let offset = forwarding.config.grpc_timeout_offset.filter(|offset| *offset < wanted).unwrap_or_default();
    Some(wanted - offset)
}

/// A header in milliseconds: outer `None` when absent or not a number, inner `None` for 0, which is never.
fn milliseconds(request: &RequestHead, name: &Name) -> Option<Option<Duration>> {
    let number: u64 = std::str::from_utf8(request.headers.get(name)?).ok()?.parse().ok()?;
    Some((number > 0).then(|| Duration::from_millis(number)))
}

/// The same, taken away.
fn take_milliseconds(request: &mut RequestHead, name: &Name) -> Option<Option<Duration>> {
    let value = milliseconds(request, name);
    request.headers.remove(name);
    value
}
