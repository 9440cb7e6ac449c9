//! The attempt loop: pick a host, borrow a stream, send, wait for the response head; again if the retry policy says so. Called by
//! `exchange` for routes that forward; hands back the response head with the stream that its body comes from.

mod failure;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use config::route::{ClusterChoice, HostRewrite};
use tokio::time::Instant;

use super::deadlines::Expired;
use super::filters::Decisions;
use super::hash;
use super::local_reply::LocalReply;
use super::reason;
use super::record::{Chosen, Record};
use super::respond;
use super::retry::{Decision, Retry};
use super::rewrite;
use super::route::Forwarding;
use super::stop::Stop;
use super::timeouts::{self, Timeouts};
use super::upgrade;
use super::upload::{Progress, Upload};
use super::upstreams::{Lease, Target, Tried, UpstreamCluster};
use crate::cluster::{HttpWant, Priority};
use crate::failure::ResponseFlags;
use crate::wire::codec::{Downstream, ResetReason};
use crate::wire::message::{RequestHead, ResponseHead};

use failure::Failure;
pub(super) use failure::reset_of;

/// A response head and where its body comes from.
pub(super) struct Answer {
    pub lease: Lease,
    pub head: ResponseHead,
    pub upload: Upload,
}

/// Octets of a request that may be kept for a retry, when the virtual host says nothing else.
const RETRY_BUFFER: u32 = 1024 * 1024;

/// Sends the request until an attempt is answered.
pub(super) async fn run<'a>(
    record: &mut Record<'a>,
    downstream: &mut dyn Downstream,
    chosen: Chosen<'a>,
    forwarding: &'a Forwarding,
    decisions: &Decisions<'a>,
) -> Result<Answer, Stop> {
    let name = cluster_name(chosen, forwarding, &record.request).ok_or_else(|| no_cluster(record, forwarding))?;
    let cluster = record.context.upstreams.get(&name).ok_or_else(|| no_cluster(record, forwarding))?;
    record.info.upstream_cluster = Some(name);
    let config = cluster.config();
    record.info.upstream_cluster_observed = (config.stat_name != config.name).then(|| config.stat_name.clone());
    let mut retry = prepare(record, chosen, forwarding);
    let priority = if forwarding.config.high_priority { Priority::High } else { Priority::Default };

    let upgrade = record.request.upgrade.is_some();
    let has_body = !record.request_is_complete() && !upgrade;
    let keep = retry.as_ref().map(|_| chosen.host.config.buffer_limit.unwrap_or(RETRY_BUFFER) as usize);
    let mut upload = Upload::new(has_body || upgrade, keep);
    upload.paused = upgrade;

    let of_route = chosen.route.stats(&record.context.manager.registry, chosen.host);
    let mut tried = Tried::default();
    loop {
        record.info.attempts += 1;
        if let Some(stats) = of_route {
            stats.total.inc();
        }
        let attempt = Attempt {
            cluster: &cluster,
            priority,
            decisions,
            host_rewrite: forwarding.config.host_rewrite.as_ref(),
            append_forwarded_host: forwarding.config.append_x_forwarded_host,
        };
        let outcome = attempt.run(record, downstream, &mut upload, &tried, retry.as_ref()).await?;
        record.disarm_try_timeouts();
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
                if let Some(target) = outcome.target()
                    && retry.as_ref().is_some_and(|retry| retry.avoid.is_some())
                {
                    tried.add(target);
                }
                if let Outcome::Answer(_, head, (target, _)) = &outcome {
                    cluster.count_response(Some(target), head.status, record.internal, None);
                }
                cluster.count(|stats| stats.upstream_rq_retry);
                if let Some(stats) = of_route {
                    stats.retry.inc();
                }
                cluster.count(|stats| stats.upstream_rq_retry_backoff_exponential);
                drop(outcome);
                back_off(record, downstream, wait).await?;
                again(record, forwarding, &mut upload);
            }
            Decision::PassOn(flags) => {
                record.info.flags.set(flags);
                if flags.has(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED) {
                    cluster.count(|stats| stats.upstream_rq_retry_limit_exceeded);
                    if let Some(stats) = of_route {
                        stats.retry_limit_exceeded.inc();
                    }
                }
                let retried = retry.as_ref().is_some_and(|retry| retry.retried);
                return match outcome {
                    Outcome::Answer(lease, head, (target, _)) => {
                        record.info.response_first_byte = Some(Instant::now().into_std());
                        let time = u64::try_from(record.response_time().as_millis()).ok();
                        cluster.count_response(Some(&target), head.status, record.internal, time);
                        if let Some(stats) = of_route {
                            stats.count_response(head.status, time);
                        }
                        if retried && head.status < 500 {
                            cluster.count(|stats| stats.upstream_rq_retry_success);
                            if let Some(stats) = of_route {
                                stats.retry_success.inc();
                            }
                        }
                        upload.forget();
                        Ok(Answer { lease, head, upload })
                    }
                    Outcome::Failed(failure, ..) => {
                        let stop = failure.into_stop(record, retried);
                        if let Stop::Reply(reply) = &stop {
                            cluster.count_response(None, reply.status, record.internal, None);
                            if let Some(stats) = of_route {
                                stats.count_response(reply.status, None);
                            }
                        }
                        Err(stop)
                    }
                };
            }
        }
    }
}

/// What is done to the request once, before its first attempt.
fn prepare(record: &mut Record<'_>, chosen: Chosen<'_>, forwarding: &Forwarding) -> Option<Retry> {
    let envoy_headers = !record.context.manager.config.router.suppress_envoy_headers;
    timeouts::arm_stream_timeouts(forwarding, &mut record.request, &mut record.deadlines);
    record.timeouts = Timeouts::decide(forwarding, &mut record.request);
    let policy = forwarding.config.retry.as_deref().or(chosen.host.config.retry.as_deref());
    let retry = Retry::new(policy, &mut record.request, record.internal);
    record.timeouts.tell(forwarding, &mut record.request, Duration::ZERO, envoy_headers);
    if chosen.host.config.attempt_count_in_request {
        record.request.headers.set(crate::wire::headers::Name::X_ENVOY_ATTEMPT_COUNT, respond::attempt_count(1));
    }
    respond::apply_request_changes(record);
    rewrite::apply(chosen, forwarding, &mut record.request, envoy_headers);
    record.arm_response_timeouts();
    retry
}

/// What is done to the request before a further attempt.
fn again(record: &mut Record<'_>, forwarding: &Forwarding, upload: &mut Upload) {
    let envoy_headers = !record.context.manager.config.router.suppress_envoy_headers;
    let elapsed = record.since_request();
    let timeouts = record.timeouts;
    timeouts.tell(forwarding, &mut record.request, elapsed, envoy_headers);
    if record.route.is_some_and(|chosen| chosen.host.config.attempt_count_in_request) {
        let count = respond::attempt_count(record.info.attempts + 1);
        record.request.headers.set(crate::wire::headers::Name::X_ENVOY_ATTEMPT_COUNT, count);
    }
    upload.rewind();
}

async fn back_off(record: &mut Record<'_>, downstream: &mut dyn Downstream, wait: Duration) -> Result<(), Stop> {
    let mut sleep = pin!(tokio::time::sleep(wait));
    poll_fn(|cx| {
        if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        watch(record, downstream, cx)
    })
    .await
}

/// What may end a wait: the client is gone, or time is up.
fn watch<T>(
    record: &mut Record<'_>,
    downstream: &mut dyn Downstream,
    cx: &mut std::task::Context<'_>,
) -> Poll<Result<T, Stop>> {
    if let Poll::Ready(error) = downstream.poll_gone(cx) {
        return Poll::Ready(Err(Stop::Gone(error)));
    }
    record.deadlines.poll(cx).map(|expired| Err(record.expired(expired)))
}

/// The cluster of a request by its route.
pub(super) fn cluster_name(chosen: Chosen<'_>, forwarding: &Forwarding, request: &RequestHead) -> Option<Arc<str>> {
    match &forwarding.config.cluster {
        ClusterChoice::Single(name) => Some(name.clone()),
        ClusterChoice::Weighted(_) => chosen.weighted.map(|target| target.name.clone()),
        ClusterChoice::Header(_) => {
            let value = request.headers.get(forwarding.cluster_header.as_ref()?)?;
            std::str::from_utf8(value).ok().map(Arc::from)
        }
    }
}

fn no_cluster(record: &Record<'_>, forwarding: &Forwarding) -> Stop {
    record.context.manager.stats.no_cluster.inc();
    let reply = LocalReply::new(forwarding.config.cluster_not_found, "cluster_not_found")
        .flags(ResponseFlags::NO_CLUSTER_FOUND);
    let wanted = match (&forwarding.config.cluster, record.route) {
        (ClusterChoice::Header(header), _) => format!("the request's header {header} names no known cluster"),
        (_, Some(chosen)) => match cluster_name(chosen, forwarding, &record.request) {
            Some(name) => format!("the route names the cluster '{name}', which is not (or not yet) known"),
            None => String::from("the route names no cluster"),
        },
        (_, None) => String::from("there is no route"),
    };
    reason::tell(record, "cluster_not_found", &wanted);
    reply.into()
}

/// One attempt.
struct Attempt<'a, 'b> {
    cluster: &'b UpstreamCluster,
    priority: Priority,
    decisions: &'b Decisions<'a>,
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

impl Attempt<'_, '_> {
    async fn run(
        &self,
        record: &mut Record<'_>,
        downstream: &mut dyn Downstream,
        upload: &mut Upload,
        tried: &Tried,
        retry: Option<&Retry>,
    ) -> Result<Outcome, Stop> {
        let hash = record.route.and_then(|chosen| hash::of_request(chosen, record));
        let again = retry.and_then(|retry| retry.avoid).unwrap_or(0);
        let target = match self.cluster.pick(hash, tried, again) {
            Ok(target) => target,
            Err(failure) => return Ok(Outcome::Failed(Failure::Pick(failure), None, false)),
        };
        if let Some(name) = target.hostname()
            && matches!(self.host_rewrite, Some(HostRewrite::Auto))
            && record.request.authority != name.as_bytes()
        {
            let append = record.info.attempts == 1 && self.append_forwarded_host;
            rewrite::set_host(&mut record.request, bytes::Bytes::copy_from_slice(name.as_bytes()), append);
        }
        let mut lease = match self.connect(record, downstream, &target).await? {
            Ok(lease) => lease,
            Err(Failure::Connect(failure)) => {
                if failure.names_host {
                    record.info.upstream_host = Some(target.address());
                }
                record.info.upstream_transport_failure.clone_from(&failure.transport_reason);
                return Ok(Outcome::Failed(Failure::Connect(failure), Some(target), false));
            }
            Err(failure) => return Ok(Outcome::Failed(failure, Some(target), false)),
        };
        record.info.upstream_host = Some(lease.host());
        record.info.upstream_local = lease.local();
        let end = upload.is_empty();
        if let Err(error) = lease.stream().send_head(&record.request, end) {
            return Ok(Outcome::Failed(Failure::Stream(error), Some(target), false));
        }
        let mut informed = false;
        let protocol = lease.protocol();
        match self.await_head(record, downstream, &mut lease, upload, &mut informed).await? {
            Ok(mut head) => {
                upgrade::translate_answer(&record.request, &mut head, protocol);
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
        record: &mut Record<'_>,
        downstream: &mut dyn Downstream,
        target: &Target,
    ) -> Result<Result<Lease, Failure>, Stop> {
        let authority = record.request.authority.clone();
        let downstream_protocol = record.request.protocol;
        let want = HttpWant {
            downstream: downstream_protocol,
            alpn: self.decisions.alpn.and_then(|alpn| alpn.choose(self.cluster.config(), downstream_protocol)),
            sni: None,
            authority: &authority,
            proxied: Some((record.context.connection.remote, record.context.connection.local)),
            priority: self.priority,
        };
        let mut connecting = pin!(self.cluster.http(target, &want));
        poll_fn(|cx| {
            if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                return Poll::Ready(Ok(result.map_err(Failure::Connect)));
            }
            watch(record, downstream, cx)
        })
        .await
    }

    /// Sends the body and waits for the final head, passing informational ones on.
    async fn await_head(
        &self,
        record: &mut Record<'_>,
        downstream: &mut dyn Downstream,
        lease: &mut Lease,
        upload: &mut Upload,
        informed: &mut bool,
    ) -> Result<Result<ResponseHead, Failure>, Stop> {
        record.arm_try_timeouts();
        let upstream = lease.stream();
        let mut informational = 0;
        poll_fn(|cx| {
            loop {
                let uploaded = match upload.poll(cx, downstream, upstream, record) {
                    Ok(progress) => progress == Progress::Done,
                    Err(error) => return Poll::Ready(Err(Stop::Gone(error))),
                };
                match upstream.poll_head(cx) {
                    Poll::Ready(Ok(mut head)) if head.status < 200 && head.status != 101 => {
                        record.deadlines.touch_try();
                        informational += 1;
                        if record.context.manager.config.proxy_100_continue && informational <= MAX_INFORMATIONAL {
                            *informed = true;
                            respond::strip(&mut head);
                            downstream.send_informational(&head)?;
                            if let Poll::Ready(result) = downstream.poll_flush(cx) {
                                result?;
                            }
                        }
                        continue;
                    }
                    Poll::Ready(result) => return Poll::Ready(Ok(result.map_err(Failure::Stream))),
                    Poll::Pending => {}
                }
                if (uploaded || upload.paused)
                    && let Poll::Ready(error) = downstream.poll_gone(cx)
                {
                    return Poll::Ready(Err(Stop::Gone(error)));
                }
                return match record.deadlines.poll(cx) {
                    Poll::Ready(expired @ (Expired::Try | Expired::TryIdle)) => {
                        self.cluster.count(|stats| stats.upstream_rq_per_try_timeout);
                        Poll::Ready(Ok(Err(Failure::Timeout(record.expired(expired)))))
                    }
                    Poll::Ready(expired) => {
                        if expired == Expired::Response {
                            self.cluster.count(|stats| stats.upstream_rq_timeout);
                            self.cluster.count_response(None, 504, record.internal, None);
                        }
                        Poll::Ready(Err(record.expired(expired)))
                    }
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

    /// The client has seen an informational head of this attempt: another attempt would contradict it.
    fn was_informed(&self) -> bool {
        matches!(self, Outcome::Answer(_, _, (_, true)))
    }
}
