//! The attempt loop: pick a host, borrow a stream, send, wait for the response head; again if the retry policy says so. Called by
//! `router` for routes that forward. The stream of the attempt that is answered stays here while the answer is sent: nothing large is
//! handed about.

mod connect;
mod dropped;
mod ends;
mod failure;
mod filters;
pub(super) mod log;
pub(in crate::http) mod mirror;
mod one;
mod outcome;
mod outliers;
mod race;
pub(super) mod redirects;
mod strict;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use config::cluster::Balancer;
use config::route::ClusterChoice;
use tokio::time::Instant;

use super::exchange::{Exchange, send};
use super::forwarded;
use super::hash;
use super::local_reply::LocalReply;
use super::reason;
use super::respond;
use super::retry::{Decision, Retry};
use super::rewrite;
use super::route::{Forwarding, is_grpc};
use super::stages;
use super::stop::Stop;
use super::stream::{Chosen, Stream, asks_for_tunnel};
use super::timeouts::{self, Timeouts};
use super::trace;
use super::upgrade;
use super::upload::Upload;
use super::upstreams::UpstreamCluster;
use crate::failure::ResponseFlags;
use crate::wire::codec::Downstream;
use crate::wire::headers::Name;
use crate::wire::message::{Method, ResponseHead};

use ends::Ends;
pub(super) use failure::{reset_of, reset_reply, unsendable};
use one::Attempt;
use outcome::{Outcome, Reached};
use race::Race;
pub(super) use redirects::Elsewhere;

/// Sends the request until an attempt is answered, and that answer to the client. However it ends, cluster and route count it together.
pub(super) async fn run<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    chosen: Chosen<'s>,
    forwarding: &'s Forwarding,
) -> Result<(), Stop> {
    let stream = &mut exchange.stream;
    let cluster = stream.cluster().ok_or_else(|| no_cluster(stream, forwarding))?;
    let chosen = Chosen { counted: chosen.host.virtual_cluster(&stream.request), ..chosen };
    stream.route = Some(chosen);
    stages::routed(stream, chosen, cluster.name());
    goes_to(stream, &cluster);
    strict::check(stream)?;
    if let Some(limit) = forwarding.config.flush_timeout {
        downstream.flush_within(limit);
    }
    let grpc = is_grpc(&exchange.stream.request);
    let ends = Ends::of(exchange, chosen, &cluster, grpc);
    // What its route adds tells the number of the first attempt.
    exchange.stream.info.attempts = 1;
    let mut retry = prepare(exchange, chosen, forwarding, &cluster);
    exchange.stream.info.attempts = 0;
    let mut upload = upload(exchange, chosen, forwarding, &cluster, retry.is_some());
    if let Some(stop) = dropped::answer(&exchange.stream, cluster.drops()) {
        ends.failed(None, &stop);
        return Err(stop);
    }
    let attempt = Attempt::of(forwarding, &cluster, &ends);
    let (mut lease, head, target, succeeded) = loop {
        exchange.stream.info.attempts += 1;
        log::begins(exchange);
        let mut outcome = match attempt.run(exchange, downstream, &mut upload, retry.as_ref()).await {
            Ok(outcome) => outcome,
            Err(stop) => {
                exchange.read_refused_tunnel(downstream).await;
                return Err(stop);
            }
        };
        let flags = match attempt.decide(&outcome, retry.as_mut(), &upload) {
            Decision::PassOn(flags) => flags,
            Decision::After(wait) => {
                if let (Some(target), Some(retry)) = (outcome.target(), retry.as_mut()) {
                    target.attempted(retry);
                }
                stages::retried(&exchange.stream, outcome.status(), outcome.flags(), wait.time);
                ends.retries(outcome.target(), outcome.status());
                outcome.told(&mut exchange.stream.info);
                log::over(&mut exchange.stream, outcome.status().unwrap_or(0), outcome.flags(), outcome.reached());
                let (host, _) = outcome.reached();
                trace::attempt::over(&mut exchange.stream, outcome.head(), outcome.flags(), (host, outcome.ended()));
                exchange.watch.try_ends();
                let late = outcome.is_late();
                drop(outcome);
                // A timeout meanwhile is that of no attempt.
                back_off(exchange, downstream, wait.time).await?;
                ends.retried(wait);
                again(exchange, forwarding, late);
                upload.rewind();
                continue;
            }
        };
        exchange.stream.info.flags.set(flags);
        ends.gives_up(flags);
        let retried = retry.as_ref().is_some_and(|retry| retry.retried);
        match outcome {
            Outcome::Answer(lease, head, (target, _)) => {
                break (lease, head, target, retry.is_some_and(|retry| retry.succeeded));
            }
            Outcome::Failed(failure, host, reached) => {
                let sent = reached != Reached::Nobody;
                exchange.watch.try_ends();
                stages::gave_up(&exchange.stream, failure.flags());
                log::over(&mut exchange.stream, 0, failure.flags(), (host.is_some(), sent));
                let ended = (host.is_some(), failure.ended());
                trace::attempt::over(&mut exchange.stream, None, failure.flags(), ended);
                let counts = failure.counts();
                let waited = failure.is_waited_for();
                let stop = failure.into_stop(&exchange.stream, retried);
                if counts {
                    ends.failed(host.as_ref(), &stop);
                }
                // What a connection was waited for with.
                if host.is_some() && !sent && waited {
                    exchange.read_what_is_there(downstream).await;
                }
                return Err(stop);
            }
            Outcome::Late(lease, target) => {
                let retry = retry.take().expect("an attempt is late only where another one can overtake it");
                let race = Race::new(forwarding, &attempt, &ends, retry, (lease, target, upload));
                let won = Box::pin(race.run(exchange, downstream)).await?;
                upload = won.upload;
                break (won.lease, won.head, won.target, won.succeeded);
            }
        }
    };
    log::answered(&mut exchange.stream, &head);
    if let Some(policy) = &forwarding.config.internal_redirect
        && policy.codes.contains(&head.status)
        && let Some(elsewhere) = redirects::follow(exchange, policy, &head, &mut upload, &cluster)
    {
        exchange.stream.info.host_wire(|| lease.stream().on_wire());
        return Err(Stop::Elsewhere(elsewhere));
    }
    exchange.stream.info.response_first_byte = Some(Instant::now().into_std());
    let time = u64::try_from(exchange.stream.response_time().as_millis()).ok();
    let watched = target.watched();
    let ignored = upgrade::is_ignored(&exchange.stream.request, &head);
    let unheard = ignored && upgrade::is_websocket(&exchange.stream.request);
    let awaits_trailers = ends.answered(target, &head, time, (succeeded, ignored, unheard));
    upload.forget();
    let mut head = head;
    set_cookies(&exchange.stream, &cluster, chosen, &mut head);
    let flow = cluster.counts_waits(|stats| {
        [stats.upstream_flow_control_paused_reading_total, stats.upstream_flow_control_resumed_reading_total]
    });
    let sent = send::answer(exchange, downstream, head, (&mut lease, &mut upload), (awaits_trailers, flow)).await;
    exchange.stream.info.host_wire(|| lease.stream().on_wire());
    if let Err(stop) = &sent {
        ends.cut_short(exchange.timed_out);
        if let Some(target) = &watched {
            outliers::cut_short(target, stop);
        }
    }
    sent
}

/// The request's body, which is kept while it may be wanted once more.
fn upload(
    exchange: &Exchange<'_>,
    chosen: Chosen<'_>,
    forwarding: &Forwarding,
    cluster: &UpstreamCluster,
    may_retry: bool,
) -> Upload {
    let own = mirror::of_cluster(cluster);
    let mirrors = mirror::prepare(&exchange.stream, chosen, own.as_deref(), exchange.watch.timeouts.response);
    let tunnel = asks_for_tunnel(&exchange.stream.request);
    // Filters may hold a body that the client has sent to its end.
    let has_body = tunnel || !exchange.stream.request_is_complete() || exchange.request_frames.is_some();
    let kept = may_retry || forwarding.config.internal_redirect.is_some();
    let keep = kept.then(|| exchange.stream.may_keep());
    let mut upload = Upload::new(has_body, keep);
    upload.mirror(mirrors);
    upload.counted_by(cluster.counts_abandoned());
    upload.waits_counted_by(cluster.counts_waits(|stats| {
        [stats.upstream_flow_control_backed_up_total, stats.upstream_flow_control_drained_total]
    }));
    // Nothing of a tunnel goes up before it is accepted: to a server that refuses, it would be the next request.
    upload.paused = tunnel;
    let request = &exchange.stream.request;
    upload.refuses_early = request.upgrade.is_none()
        && request.method == Method::Connect
        && exchange.stream.context.manager.config.router.reject_early_data;
    upload
}

/// Cookies by which the client's next requests come to the same host; only where hashes choose hosts.
fn set_cookies(stream: &Stream<'_>, cluster: &UpstreamCluster, chosen: Chosen<'_>, head: &mut ResponseHead) {
    let of_cluster = &cluster.config().http.hash;
    if matches!(cluster.config().balancer, Balancer::RingHash { .. } | Balancer::Maglev { .. }) {
        for cookie in hash::cookies(of_cluster, chosen, stream) {
            head.headers.append(Name::SET_COOKIE, cookie);
        }
    }
}

/// What is done to the request once, before its first attempt.
fn prepare<'p>(
    exchange: &mut Exchange<'_>,
    chosen: Chosen<'p>,
    forwarding: &'p Forwarding,
    cluster: &'p UpstreamCluster,
) -> Option<Retry<'p>> {
    let Exchange { stream, watch, .. } = exchange;
    let envoy_headers = !stream.context.manager.config.router.suppress_envoy_headers;
    // Filters append lines, too.
    stream.request.headers.join_repeated(forwarded::SINGLE);
    let of_manager = stream.context.manager.config.max_stream_duration;
    timeouts::arm_stream_timeouts(forwarding, &mut stream.request, of_manager, &mut watch.deadlines);
    let rules = cluster.retry_rules().or(forwarding.retry.as_ref()).or(chosen.host.retry.as_ref());
    let hedges = forwarding.config.hedges.unwrap_or(chosen.host.config.hedges);
    let expected = stream.context.manager.config.router.respect_expected_timeout;
    let mut timeouts =
        Timeouts::decide(forwarding, rules.map(|rules| &*rules.policy), (hedges, expected), &mut stream.request);
    timeouts.per_try_stream = timeouts::stream_duration(&mut stream.request, cluster.config());
    timeouts.tell(forwarding, &mut stream.request, Duration::ZERO, envoy_headers);
    if chosen.host.config.attempt_count_in_request {
        stream.request.headers.set(Name::X_ENVOY_ATTEMPT_COUNT, respond::attempt_count(1));
    }
    respond::apply_request_changes(stream);
    rewrite::apply(stream, chosen, forwarding, envoy_headers);
    // The route's own headers wish, too.
    let retry = Retry::new(rules, &mut stream.request);
    watch.routed(timeouts, asks_for_tunnel(&stream.request));
    retry
}

/// What is done to the request before a further attempt.
/// `late`: a timeout led to it.
fn again(exchange: &mut Exchange<'_>, forwarding: &Forwarding, late: bool) {
    let Exchange { stream, watch, .. } = exchange;
    filters::again(stream);
    let envoy_headers = !stream.context.manager.config.router.suppress_envoy_headers;
    let elapsed = stream.since_request();
    watch.timeouts.tell(forwarding, &mut stream.request, elapsed, envoy_headers);
    if stream.route.is_some_and(|chosen| chosen.host.config.attempt_count_in_request) {
        let count = respond::attempt_count(stream.info.attempts + 1);
        stream.request.headers.set(Name::X_ENVOY_ATTEMPT_COUNT, count);
    }
    if stream.route.is_some_and(|chosen| chosen.host.config.timeout_retry_in_request) {
        stream.request.headers.set(Name::X_ENVOY_IS_TIMEOUT_RETRY, if late { "true" } else { "false" });
    }
}

async fn back_off(exchange: &mut Exchange<'_>, downstream: &mut dyn Downstream, wait: Duration) -> Result<(), Stop> {
    let mut sleep = pin!(tokio::time::sleep(wait));
    poll_fn(|cx| {
        if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        exchange.poll_over(downstream, cx)
    })
    .await
}

/// The cluster that a request goes to, for logs.
fn goes_to(stream: &mut Stream<'_>, cluster: &UpstreamCluster) {
    stream.info.upstream_cluster = Some(cluster.name().clone());
    stream.info.upstream_labels[0] = cluster.labels();
    stream.info.upstream_cluster_observed = cluster.observed_name().cloned();
}

/// Its route is chosen again.
pub(in crate::http) fn forget_cluster(stream: &mut Stream<'_>) {
    stream.info.upstream_cluster = None;
    stream.info.upstream_cluster_observed = None;
    stream.info.upstream_labels[0] = None;
}

/// Formats tell where a request is to go before it goes there, and logs where it would have gone that a filter has answered.
pub(in crate::http) fn name_cluster(stream: &mut Stream<'_>) {
    if stream.info.upstream_cluster.is_none()
        && let Some(cluster) = stream.cluster()
    {
        goes_to(stream, &cluster);
    }
}

fn no_cluster(stream: &Stream<'_>, forwarding: &Forwarding) -> Stop {
    stream.context.manager.stats.no_cluster.inc();
    let reply = LocalReply::new(forwarding.config.cluster_not_found, "cluster_not_found")
        .flags(ResponseFlags::NO_CLUSTER_FOUND);
    let wanted = match (&forwarding.config.cluster, stream.cluster_name()) {
        (ClusterChoice::Header(header), _) => format!("the request's header {header} names no known cluster"),
        (_, Some(name)) => format!("the route names the cluster '{name}', which is not (or not yet) known"),
        (_, None) => String::from("the route names no cluster"),
    };
    reason::tell(stream, "cluster_not_found", &wanted);
    reply.into()
}
