//! The attempt loop: pick a host, borrow a stream, send, wait for the response head; again if the retry policy says so. Called by
//! `exchange` for routes that forward; hands back the response head with the stream that its body comes from.

mod ends;
mod failure;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use config::route::{ClusterChoice, HostRewrite};
use tokio::time::Instant;

use super::deadlines::Expired;
use super::exchange::{Answer, Exchange};
use super::hash;
use super::local_reply::LocalReply;
use super::reason;
use super::respond;
use super::retry::{Decision, Retry};
use super::rewrite;
use super::route::{Forwarding, is_grpc};
use super::stop::Stop;
use super::stream::{Chosen, Stream, asks_for_tunnel};
use super::timeouts::{self, Timeouts};
use super::upgrade;
use super::upload::Upload;
use super::upstreams::{Lease, Target, Tried, UpstreamCluster};
use crate::cluster::{Codes, HttpWant, Priority};
use crate::failure::ResponseFlags;
use crate::wire::codec::{Downstream, ResetReason};
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

use ends::Ends;
use failure::Failure;
pub(super) use failure::{reset_of, reset_reply};

/// Octets of a request that may be kept for a retry, when the virtual host says nothing else.
const RETRY_BUFFER: u32 = 1024 * 1024;

/// Sends the request until an attempt is answered. However that ends, cluster and route count it together.
pub(super) async fn run<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    chosen: Chosen<'s>,
    forwarding: &'s Forwarding,
) -> Result<Answer, Stop> {
    let stream = &mut exchange.stream;
    let name = cluster_name(stream, chosen, forwarding).ok_or_else(|| no_cluster(stream, forwarding))?;
    let cluster = stream.context.upstreams.get(&name).ok_or_else(|| no_cluster(stream, forwarding))?;
    stream.info.upstream_cluster = Some(name);
    let config = cluster.config();
    stream.info.upstream_cluster_observed = (config.stat_name != config.name).then(|| config.stat_name.clone());
    let grpc = is_grpc(&stream.request);
    let mut retry = prepare(exchange, chosen, forwarding);
    let priority = if forwarding.config.high_priority { Priority::High } else { Priority::Default };
    let mut upload = upload(exchange, chosen, retry.is_some());

    let of_route = chosen.route.stats(&exchange.stream.context.manager.registry, chosen.host);
    let router = &exchange.stream.context.manager.config.router;
    let codes = Codes { internal: exchange.stream.internal, own: !(grpc && router.suppress_grpc_codes) };
    let health_check = exchange.stream.info.health_check;
    let ends = Ends { cluster: &cluster, of_route, codes, grpc, health_check };
    let mut tried = Tried::default();
    loop {
        exchange.stream.info.attempts += 1;
        ends.begins();
        let attempt = Attempt {
            cluster: &cluster,
            priority,
            host_rewrite: forwarding.config.host_rewrite.as_ref(),
            append_forwarded_host: forwarding.config.append_x_forwarded_host,
        };
        let outcome = match attempt.run(exchange, downstream, &mut upload, &tried, retry.as_ref()).await {
            Ok(outcome) => outcome,
            Err(stop) => return Err(ends.stopped(exchange.timed_out, stop)),
        };
        let decision = match (&outcome, retry.as_mut()) {
            (_, None) => Decision::PassOn(ResponseFlags::NONE),
            (_, Some(_)) if !upload.can_replay() => Decision::PassOn(ResponseFlags::NONE),
            (Outcome::Answer(..), Some(_)) if outcome.was_informed() => Decision::PassOn(ResponseFlags::NONE),
            (Outcome::Answer(_, head, _), Some(retry)) => retry.on_response(head, &cluster, priority),
            (Outcome::Failed(failure, _, sent), Some(retry)) => match failure.reset() {
                Some(reset) => retry.on_reset(reset, *sent, &cluster, priority),
                None => Decision::PassOn(ResponseFlags::NONE),
            },
        };
        match decision {
            Decision::After(wait) => {
                if let (Some(target), Some(retry)) = (outcome.target(), retry.as_mut()) {
                    tried.add(target, retry);
                }
                ends.retries(outcome.target(), outcome.status(), wait);
                exchange.watch.try_ends();
                drop(outcome);
                if let Err(stop) = back_off(exchange, downstream, wait.time).await {
                    return Err(ends.stopped(exchange.timed_out, stop));
                }
                again(exchange, forwarding, &mut upload);
            }
            Decision::PassOn(flags) => {
                exchange.stream.info.flags.set(flags);
                ends.gives_up(flags);
                let retried = retry.as_ref().is_some_and(|retry| retry.retried);
                return match outcome {
                    Outcome::Answer(lease, head, (target, _)) => {
                        exchange.stream.info.response_first_byte = Some(Instant::now().into_std());
                        let time = u64::try_from(exchange.stream.response_time().as_millis()).ok();
                        let awaits_trailers = ends.answered(target, &head, time, retried);
                        upload.forget();
                        Ok(Answer { head, lease, upload, awaits_trailers })
                    }
                    Outcome::Failed(failure, host, _) => {
                        exchange.watch.try_ends();
                        let stop = failure.into_stop(&exchange.stream, retried);
                        ends.failed(host.as_ref(), &stop);
                        Err(stop)
                    }
                };
            }
        }
    }
}

/// The request's body, which is kept while a retry is possible.
fn upload(exchange: &Exchange<'_>, chosen: Chosen<'_>, may_retry: bool) -> Upload {
    let tunnel = asks_for_tunnel(&exchange.stream.request);
    // Filters may hold a body that the client has sent to its end.
    let has_body = tunnel || !exchange.stream.request_is_complete() || exchange.request_frames.is_some();
    let keep = may_retry.then(|| chosen.host.config.buffer_limit.unwrap_or(RETRY_BUFFER) as usize);
    let mut upload = Upload::new(has_body, keep);
    // Nothing of a tunnel goes up before it is accepted: to a server that refuses, it would be the next request.
    upload.paused = tunnel;
    upload
}

/// What is done to the request once, before its first attempt.
fn prepare<'s>(exchange: &mut Exchange<'s>, chosen: Chosen<'s>, forwarding: &'s Forwarding) -> Option<Retry<'s>> {
    let Exchange { stream, watch, .. } = exchange;
    let envoy_headers = !stream.context.manager.config.router.suppress_envoy_headers;
    timeouts::arm_stream_timeouts(forwarding, &mut stream.request, &mut watch.deadlines);
    let rules = forwarding.retry.as_ref().or(chosen.host.retry.as_ref());
    let timeouts = Timeouts::decide(forwarding, rules.map(|rules| &*rules.policy), &mut stream.request);
    let retry = Retry::new(rules, &mut stream.request, stream.internal);
    timeouts.tell(forwarding, &mut stream.request, Duration::ZERO, envoy_headers);
    if chosen.host.config.attempt_count_in_request {
        stream.request.headers.set(Name::X_ENVOY_ATTEMPT_COUNT, respond::attempt_count(1));
    }
    respond::apply_request_changes(stream);
    rewrite::apply(chosen, forwarding, &mut stream.request, envoy_headers);
    watch.routed(timeouts, asks_for_tunnel(&stream.request));
    retry
}

/// What is done to the request before a further attempt.
fn again(exchange: &mut Exchange<'_>, forwarding: &Forwarding, upload: &mut Upload) {
    let Exchange { stream, watch, .. } = exchange;
    let envoy_headers = !stream.context.manager.config.router.suppress_envoy_headers;
    let elapsed = stream.since_request();
    watch.timeouts.tell(forwarding, &mut stream.request, elapsed, envoy_headers);
    if stream.route.is_some_and(|chosen| chosen.host.config.attempt_count_in_request) {
        let count = respond::attempt_count(stream.info.attempts + 1);
        stream.request.headers.set(Name::X_ENVOY_ATTEMPT_COUNT, count);
    }
    upload.rewind();
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

/// The cluster of a request: a filter's choice, else its route's.
pub(super) fn cluster_name(stream: &Stream<'_>, chosen: Chosen<'_>, forwarding: &Forwarding) -> Option<Arc<str>> {
    if let Some(cluster) = stream.plan.cluster() {
        return Some(cluster.clone());
    }
    match &forwarding.config.cluster {
        ClusterChoice::Single(name) => Some(name.clone()),
        ClusterChoice::Weighted(_) => chosen.weighted.map(|target| target.name.clone()),
        ClusterChoice::Header(_) => {
            let value = stream.request.headers.get(forwarding.cluster_header.as_ref()?)?;
            std::str::from_utf8(value).ok().map(Arc::from)
        }
    }
}

fn no_cluster(stream: &Stream<'_>, forwarding: &Forwarding) -> Stop {
    stream.context.manager.stats.no_cluster.inc();
    let reply = LocalReply::new(forwarding.config.cluster_not_found, "cluster_not_found")
        .flags(ResponseFlags::NO_CLUSTER_FOUND);
    let wanted = match (&forwarding.config.cluster, stream.route) {
        (ClusterChoice::Header(header), _) => format!("the request's header {header} names no known cluster"),
        (_, Some(chosen)) => match cluster_name(stream, chosen, forwarding) {
            Some(name) => format!("the route names the cluster '{name}', which is not (or not yet) known"),
            None => String::from("the route names no cluster"),
        },
        (_, None) => String::from("there is no route"),
    };
    reason::tell(stream, "cluster_not_found", &wanted);
    reply.into()
}

/// One attempt.
struct Attempt<'a> {
    cluster: &'a UpstreamCluster,
    priority: Priority,
    host_rewrite: Option<&'a HostRewrite>,
    append_forwarded_host: bool,
}

/// How an attempt ended.
// Moved once, and in the usual case the large variant: a box would cost an allocation a request.
#[allow(clippy::large_enum_variant)]
enum Outcome {
    /// With a response head. The flag tells that an informational head went to the client before.
    Answer(Lease, ResponseHead, (Target, bool)),
    /// Without; the flag tells whether the request head was sent.
    Failed(Failure, Option<Target>, bool),
}

impl Attempt<'_> {
    async fn run(
        &self,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        upload: &mut Upload,
        tried: &Tried,
        retry: Option<&Retry<'_>>,
    ) -> Result<Outcome, Stop> {
        let hash = exchange.stream.route.and_then(|chosen| hash::of_request(chosen, &exchange.stream));
        let prefer = exchange.stream.plan.host(exchange.stream.info.attempts);
        let target = match self.cluster.pick(prefer, hash, tried, retry) {
            Ok(target) => target,
            Err(failure) => return Ok(Outcome::Failed(Failure::Pick(failure), None, false)),
        };
        if let Some(name) = target.hostname()
            && matches!(self.host_rewrite, Some(HostRewrite::Auto))
            && exchange.stream.request.authority != name.as_bytes()
        {
            let append = exchange.stream.info.attempts == 1 && self.append_forwarded_host;
            rewrite::set_host(&mut exchange.stream.request, bytes::Bytes::copy_from_slice(name.as_bytes()), append);
        }
        let mut lease = match self.connect(exchange, downstream, &target).await? {
            Ok(lease) => lease,
            Err(Failure::Connect(failure)) => {
                if failure.names_host {
                    exchange.stream.info.upstream_host = Some(target.address());
                }
                exchange.stream.info.upstream_transport_failure.clone_from(&failure.transport_reason);
                return Ok(Outcome::Failed(Failure::Connect(failure), Some(target), false));
            }
            Err(failure) => return Ok(Outcome::Failed(failure, Some(target), false)),
        };
        exchange.stream.info.upstream_host = Some(lease.host());
        exchange.stream.info.upstream_local = lease.local();
        let end = upload.is_empty();
        if let Err(error) = lease.stream().send_head(&exchange.stream.request, end) {
            return Ok(Outcome::Failed(Failure::Stream(error), Some(target), false));
        }
        let mut informed = false;
        exchange.timed_out = None;
        let awaited = self.await_head(exchange, downstream, &mut lease, upload, &mut informed).await;
        if matches!(exchange.timed_out, Some(Expired::Response | Expired::Try | Expired::TryIdle)) {
            target.count_timeout();
        }
        if exchange.timed_out == Some(Expired::Response) {
            target.count(true);
        }
        match awaited? {
            Ok(mut head) => {
                upgrade::mark_answer(&exchange.stream.request, &mut head);
                Ok(Outcome::Answer(lease, head, (target, informed)))
            }
            Err(failure) => {
                match failure {
                    Failure::Timeout(_) => self.cluster.count(|stats| stats.upstream_rq_tx_reset),
                    _ => self.cluster.count(|stats| stats.upstream_rq_rx_reset),
                }
                lease.stream().reset(ResetReason::Cancel);
                Ok(Outcome::Failed(failure, Some(target), true))
            }
        }
    }

    /// Waits for a stream.
    async fn connect(
        &self,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        target: &Target,
    ) -> Result<Result<Lease, Failure>, Stop> {
        let authority = exchange.stream.request.authority.clone();
        let downstream_protocol = exchange.stream.request.protocol;
        let want = HttpWant {
            downstream: downstream_protocol,
            alpn: exchange.stream.plan.alpn.and_then(|alpn| alpn.choose(self.cluster.config(), downstream_protocol)),
            sni: None,
            authority: &authority,
            proxied: Some((exchange.stream.context.connection.remote, exchange.stream.context.connection.local)),
            priority: self.priority,
        };
        let mut connecting = pin!(self.cluster.http(target, &want));
        poll_fn(|cx| {
            if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                return Poll::Ready(Ok(result.map_err(Failure::Connect)));
            }
            exchange.poll_over(downstream, cx)
        })
        .await
    }

    /// Sends the body and waits for the final head, passing informational ones on.
    async fn await_head(
        &self,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        lease: &mut Lease,
        upload: &mut Upload,
        informed: &mut bool,
    ) -> Result<Result<ResponseHead, Failure>, Stop> {
        exchange.watch.try_begins();
        let upstream = lease.stream();
        let mut informational = 0;
        poll_fn(|cx| {
            loop {
                upload.poll(cx, downstream, upstream, exchange)?;
                match upstream.poll_head(cx) {
                    Poll::Ready(Ok(mut head)) if head.status < 200 && head.status != 101 => {
                        exchange.watch.deadlines.touch_try();
                        informational += 1;
                        if exchange.stream.context.manager.config.proxy_100_continue
                            && informational <= MAX_INFORMATIONAL
                        {
                            *informed = true;
                            respond::strip(&mut head);
                            downstream.send_informational(&head)?;
                            if let Poll::Ready(result) = downstream.poll_flush(cx) {
                                result?;
                            }
                        }
                        continue;
                    }
                    Poll::Ready(result) => {
                        exchange.watch.try_answers();
                        return Poll::Ready(Ok(result.map_err(Failure::Stream)));
                    }
                    Poll::Pending => {}
                }
                // Also while the upload waits for the upstream: nobody else would see the client go.
                if let Poll::Ready(error) = downstream.poll_gone(cx) {
                    return Poll::Ready(Err(Stop::Gone(error)));
                }
                return match exchange.watch.deadlines.poll(cx) {
                    Poll::Ready(expired @ (Expired::Try | Expired::TryIdle)) => {
                        self.cluster.count(|stats| stats.upstream_rq_per_try_timeout);
                        Poll::Ready(Ok(Err(Failure::Timeout(exchange.expired(expired)))))
                    }
                    Poll::Ready(expired) => Poll::Ready(Err(exchange.expired(expired))),
                    Poll::Pending => Poll::Pending,
                };
            }
        })
        .await
    }
}

/// Informational heads of one response that are passed on. They wait for no window, so an endless row of them would fill the memory.
const MAX_INFORMATIONAL: u32 = 16;

impl Outcome {
    fn target(&self) -> Option<&Target> {
        match self {
            Outcome::Answer(_, _, (target, _)) => Some(target),
            Outcome::Failed(_, target, _) => target.as_ref(),
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Outcome::Answer(_, head, _) => Some(head.status),
            Outcome::Failed(..) => None,
        }
    }

    /// The client has seen an informational head of this attempt: another attempt would contradict it.
    fn was_informed(&self) -> bool {
        matches!(self, Outcome::Answer(_, _, (_, true)))
    }
}
