//! One attempt: have a host and a stream found (`connect`), send, wait for the response head. The loop in [`super`] makes these; `race`
//! begins further ones beside a late one. It ends with an [`Outcome`].

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use config::hcm::SchemeHeader;
use config::route::HostRewrite;

use super::super::stages;
use super::connect::connect_failed;
use super::ends::{self, Ends};
use super::failure::Failure;
use super::filters;
use super::log;
use super::outcome::{Outcome, Reached};
use super::outliers;
use crate::cluster::{PickFailure, Priority};
use crate::failure::ResponseFlags;
use crate::http::deadlines::Expired;
use crate::http::early;
use crate::http::exchange::Exchange;
use crate::http::respond;
use crate::http::retry::{Decision, Retry};
use crate::http::rewrite;
use crate::http::route::Forwarding;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::http::trace;
use crate::http::upgrade;
use crate::http::upload::Upload;
use crate::http::upstreams::{Lease, Target, UpstreamCluster};
use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::message::ResponseHead;

/// What all attempts of a request have in common.
pub(super) struct Attempt<'a> {
    pub cluster: &'a UpstreamCluster,
    pub priority: Priority,
    pub host_rewrite: Option<&'a HostRewrite>,
    pub append_forwarded_host: bool,
    /// Counts the streams that attempts get, and what they hear.
    ends: &'a Ends<'a>,
}

impl<'a> Attempt<'a> {
    /// Of a request that goes to that cluster.
    pub fn of(forwarding: &'a Forwarding, cluster: &'a UpstreamCluster, ends: &'a Ends<'a>) -> Attempt<'a> {
        Attempt {
            cluster,
            priority: if forwarding.config.high_priority { Priority::High } else { Priority::Default },
            host_rewrite: forwarding.config.host_rewrite.as_ref(),
            append_forwarded_host: forwarding.config.append_x_forwarded_host,
            ends,
        }
    }
}

impl Attempt<'_> {
    pub async fn run(
        &self,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        upload: &mut Upload,
        retry: Option<&Retry<'_>>,
    ) -> Result<Outcome, Stop> {
        // Boxed, for few requests go there.
        if let Some(cache) = self.cluster.forwards()
            && !Box::pin(self.resolve(cache, exchange, downstream)).await?
        {
            return Ok(Outcome::Failed(Failure::Pick(PickFailure::NobodyResolves), None, Reached::Nobody));
        }
        let target = match self.pick(&exchange.stream, exchange.stream.info.attempts, retry) {
            Ok(target) => target,
            Err(failure) => return Ok(Outcome::Failed(failure, None, Reached::Nobody)),
        };
        stages::picked(&exchange.stream, &target);
        self.rewrite_host(exchange, &target);
        self.goes_to(&mut exchange.stream, &target);
        upload.begin_mirrors(&mut exchange.stream, &target);
        exchange.stream.info.mark(|times| &mut times.pool_asked);
        let mut lease = match self.connect(exchange, downstream, &target).await {
            Ok(Ok(lease)) => lease,
            Err(stop) => {
                // Logs tell which host did not come.
                exchange.stream.info.upstream_host = Some(target.address());
                self.ends.stopped(exchange.timed_out, None, &stop);
                return Err(stop);
            }
            Ok(Err(failure)) => {
                connect_failed(&mut exchange.stream, &failure, &target);
                return Ok(Outcome::Failed(Failure::Connect(failure), Some(target), Reached::Nobody));
            }
        };
        if let Err(error) = self.begin(exchange, &mut lease, upload) {
            outliers::unsent(&target, &error);
            return Ok(Outcome::Failed(Failure::Stream(error), Some(target), Reached::Nobody));
        }
        let mut informed = false;
        exchange.timed_out = None;
        let hedges = exchange.watch.timeouts.hedges.then(|| retry.is_some());
        let awaited = self.await_head(exchange, downstream, (&mut lease, &target), upload, hedges, &mut informed).await;
        if matches!(exchange.timed_out, Some(Expired::Response | Expired::Try | Expired::TryIdle)) {
            target.count_timeout();
        }
        if exchange.timed_out == Some(Expired::Response) {
            target.count(true);
        }
        if !matches!(awaited, Ok(Ok(_))) {
            exchange.stream.info.host_wire(|| lease.stream().on_wire());
        }
        match awaited.inspect_err(|stop| self.ends.stopped(exchange.timed_out, Some(&target), stop))? {
            Ok(None) => Ok(Outcome::Late(lease, target)),
            Ok(Some(mut head)) => {
                upgrade::mark_answer(&exchange.stream.request, &mut head);
                let head = filters::response(exchange, downstream, (&mut lease, upload), head).await;
                let head = head.inspect_err(|stop| self.ends.stopped(exchange.timed_out, Some(&target), stop))?;
                outliers::answered(&target, &exchange.stream.request, &head);
                Ok(Outcome::Answer(lease, head, (target, informed)))
            }
            Err(failure) => {
                match &failure {
                    Failure::Stream(_) => outliers::failed(&target),
                    Failure::Timeout(stop) => outliers::timed_out(&target, stop),
                    Failure::Pick(_) | Failure::Connect(_) | Failure::Duration(_) => {}
                }
                lease.stream().reset(ResetReason::Cancel);
                let reached = if informed { Reached::Client } else { Reached::Upstream };
                Ok(Outcome::Failed(failure, Some(target), reached))
            }
        }
    }

    /// Whether another one follows. A body that is not all there any more is not sent again, and a client that has seen informational heads
    /// would see those of two attempts.
    pub fn decide(&self, outcome: &Outcome, retry: Option<&mut Retry<'_>>, upload: &Upload) -> Decision {
        let Some(retry) = retry.filter(|_| upload.can_replay()) else {
            return Decision::PassOn(ResponseFlags::NONE);
        };
        match outcome {
            Outcome::Answer(_, head, (_, false)) => retry.on_response(head, self.cluster, self.priority),
            Outcome::Failed(failure, _, reached @ (Reached::Nobody | Reached::Upstream)) => match failure.reset() {
                Some(reset) => retry.on_reset(reset, *reached == Reached::Upstream, self.cluster, self.priority),
                None => Decision::PassOn(ResponseFlags::NONE),
            },
            Outcome::Answer(_, _, (_, true)) | Outcome::Failed(_, _, Reached::Client) | Outcome::Late(..) => {
                Decision::PassOn(ResponseFlags::NONE)
            }
        }
    }

    /// Logs tell of the cluster and the host, and of no failure of an earlier one.
    pub fn goes_to(&self, stream: &mut Stream<'_>, target: &Target) {
        stream.info.upstream_transport_failure = None;
        stream.info.upstream_labels[1] = target.labels();
    }

    /// The endpoint's own name in place of the host, where the route wants that.
    pub fn rewrite_host(&self, exchange: &mut Exchange<'_>, target: &Target) {
        if let Some(name) = self.new_host(target)
            && exchange.stream.request.authority != name.as_bytes()
        {
            let append = exchange.stream.info.attempts == 1 && self.append_forwarded_host;
            let envoy_headers = !exchange.stream.context.manager.config.router.suppress_envoy_headers;
            let name = Bytes::copy_from_slice(name.as_bytes());
            rewrite::set_host(&mut exchange.stream.request, name, append, envoy_headers);
        }
    }

    /// That name.
    pub(super) fn new_host<'t>(&self, target: &'t Target) -> Option<&'t str> {
        target.hostname().filter(|_| matches!(self.host_rewrite, Some(HostRewrite::Auto)))
    }

    /// Sends the head, or has filters look at it first.
    pub fn begin(
        &self,
        exchange: &mut Exchange<'_>,
        lease: &mut Lease,
        upload: &mut Upload,
    ) -> Result<(), StreamError> {
        for stats in self.ends.of_route.into_iter().flatten() {
            stats.streams.inc();
        }
        exchange.stream.info.mark(|times| &mut times.pool_ready);
        lease.tell(&mut exchange.stream.info);
        if exchange.stream.context.manager.config.scheme == SchemeHeader::MatchUpstream {
            exchange.stream.request.scheme = Bytes::from_static(lease.scheme().as_bytes());
        }
        if exchange.stream.request.upgrade.is_some() {
            upgrade::give_key(&mut exchange.stream.request, lease.protocol());
        }
        log::ready(&exchange.stream);
        trace::inject(&mut exchange.stream);
        exchange.stream.info.mark(|times| &mut times.upload_begins);
        filters::begin(exchange, self.cluster, upload);
        if upload.is_held() {
            return Ok(());
        }
        lease.stream().send_head(&exchange.stream.request, upload.is_empty())
    }

    /// Sends the body and waits for the final head, passing informational ones on. `hedges`: an attempt that is late goes on, and with
    /// true is given back (`None`), if it can be overtaken: only when the whole request is here, for the others send what was kept of it.
    async fn await_head(
        &self,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        (lease, target): (&mut Lease, &Target),
        upload: &mut Upload,
        hedges: Option<bool>,
        informed: &mut bool,
    ) -> Result<Result<Option<ResponseHead>, Failure>, Stop> {
        exchange.watch.try_begins();
        let upstream = lease.stream();
        let mut informational = 0;
        let mut told_late = false;
        poll_fn(|cx| {
            loop {
                upload.poll(cx, downstream, upstream, exchange)?;
                let answer = if upload.is_held() { Poll::Pending } else { upstream.poll_head(cx) };
                match answer {
                    Poll::Ready(Ok(mut head)) if head.status < 200 && head.status != 101 => {
                        informational += 1;
                        self.ends.heard(target, &head, None);
                        if exchange.stream.context.manager.config.proxy_100_continue
                            && informational <= MAX_INFORMATIONAL
                        {
                            *informed = true;
                            exchange.watch.try_answers();
                            respond::strip(&mut head);
                            exchange.stream.context.manager.stats.response(head.status);
                            exchange.stream.info.response_code = head.status;
                            downstream.send_informational(&head)?;
                            if let Poll::Ready(result) = downstream.poll_flush(cx) {
                                result?;
                            }
                        }
                        continue;
                    }
                    Poll::Ready(result) => {
                        exchange.watch.try_answers();
                        return Poll::Ready(Ok(result.map(Some).map_err(Failure::Stream)));
                    }
                    Poll::Pending => {}
                }
                if let Some(clock) = &mut exchange.clock {
                    early::poll(clock, &mut exchange.stream, downstream, cx);
                }
                // Also while the upload waits for the upstream: nobody else would see the client go.
                if let Poll::Ready(error) = downstream.poll_gone(cx) {
                    return Poll::Ready(Err(Stop::Gone(error)));
                }
                return match exchange.watch.deadlines.poll(cx) {
                    Poll::Ready(Expired::Try | Expired::TryIdle) if hedges.is_some() => {
                        exchange.watch.try_ends();
                        outliers::late(target);
                        told_late = true;
                        if hedges == Some(true) && upload.is_read() && upload.can_replay() && !*informed {
                            return Poll::Ready(Ok(Ok(None)));
                        }
                        continue;
                    }
                    Poll::Ready(expired @ (Expired::Try | Expired::TryIdle | Expired::TryDuration)) => {
                        ends::expired(self.cluster, expired);
                        let stop = exchange.expired(expired);
                        let is_duration = expired == Expired::TryDuration;
                        let failure = if is_duration { Failure::Duration(stop) } else { Failure::Timeout(stop) };
                        Poll::Ready(Ok(Err(failure)))
                    }
                    Poll::Ready(expired) => {
                        let stop = exchange.expired(expired);
                        if expired == Expired::Response && !told_late {
                            outliers::timed_out(target, &stop);
                        }
                        Poll::Ready(Err(stop))
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
