//! What an exchange holds while it runs: the stream, what may end it, the filters that act on it. At its end, however that comes, it is
//! counted and logged: [`Drop`].

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context as Task, Poll};

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::failure::ResponseFlags;
use crate::http::attempt;
use crate::http::context::{Context, PinnedTable};
use crate::http::deadlines::Expired;
use crate::http::early::{self, Clock};
use crate::http::filters::behind::Pinned;
use crate::http::filters::chain::{self, Chain, RunningFilters};
use crate::http::filters::filter::Hooks;
use crate::http::filters::frames::{Frames, Source};
use crate::http::local_reply::LocalReply;
use crate::http::router;
use crate::http::stop::Stop;
use crate::http::stream::{Stream, asks_for_tunnel};
use crate::http::trace;
use crate::http::upgrade;
use crate::http::watch::Watch;
use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::message::{Frame, Protocol, RequestHead, ResponseHead};

/// Octets of a body that are read though nobody wants them.
const UNWANTED: u64 = 64 * 1024;

/// One request with its response.
pub(in crate::http) struct Exchange<'s> {
    pub stream: Stream<'s>,
    pub watch: Watch,
    chain: &'s Chain,
    /// The filters that act on it.
    pub filters: RunningFilters<'s>,
    /// What any of them may do.
    pub hooks: Hooks,
    /// Filters that look at the request's body.
    pub request_frames: Option<Box<Frames>>,
    /// Filters that look at the response's body.
    pub response_frames: Option<Box<Frames>>,
    started: bool,
    /// When something is logged again.
    pub clock: Option<Box<Clock>>,
    /// A filter of the request has waited: what the client was sending may be here by now.
    pub waited: bool,
    /// The timeout that has run out.
    pub timed_out: Option<Expired>,
    /// The head of the response was sent.
    begun: bool,
    /// The response was sent to its end.
    answered: bool,
    /// It came to its own end. Otherwise its task was dropped: the connection, or the process, had to end.
    complete: bool,
}

impl<'s> Exchange<'s> {
    /// A request that begins now. It counts, has its timeouts and its line in the log from here on.
    pub fn begin(context: &'s Context, (chain, pinned): (&'s Chain, &'s Pinned), request: RequestHead) -> Exchange<'s> {
        context.manager.stats.request_begins(request.protocol);
        context.active.set(context.active.get() + 1);
        let stream = Stream::begin(context, pinned, request);
        let began = context.head_began.take();
        Exchange {
            watch: Watch::begin(&context.manager.config, stream.request_is_complete(), began),
            clock: Clock::begin(&stream),
            stream,
            chain,
            filters: SmallVec::new(),
            hooks: Hooks::NONE,
            request_frames: None,
            response_frames: None,
            started: false,
            waited: false,
            timed_out: None,
            begun: false,
            answered: false,
            complete: false,
        }
    }

    /// The response was sent to its end.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    /// It came to its own end.
    pub fn end(&mut self) {
        self.complete = true;
    }

    /// Whether the head of the response was sent.
    pub fn response_begun(&self) -> bool {
        self.begun
    }

    /// Makes the list of filters that act on this request. Once: a request that is refused before its route is known has them, too, for
    /// its answer.
    pub fn start_filters(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        if let Some(own) = upgrade::chain(&self.stream) {
            self.chain = own;
        }
        self.filters = self.chain.start(self.stream.route.as_ref());
        self.hooks = chain::hooks(&self.filters);
    }

    /// Chooses the route again, if a filter wants that. `asked` is the last filter that was asked: those after it go by the new route.
    #[inline]
    pub fn reroute(&mut self, asked: usize) {
        if self.stream.plan.take_reroute() {
            self.choose_again(asked);
        }
    }

    #[cold]
    fn choose_again(&mut self, asked: usize) {
        let (chain, table, before) = (self.chain, self.stream.table, self.stream.route);
        attempt::forget_cluster(&mut self.stream);
        router::choose(&mut self.stream, table);
        if ![before, self.stream.route].iter().flatten().any(|chosen| chosen.has_scopes()) {
            return;
        }
        let rare = self.stream.plan.rare();
        // As in Envoy a filter that was asked keeps what it was told.
        rare.before.extend(self.filters.get(asked).map(|asked| (asked.place(), before)));
        let off = &mut rare.switched_off;
        let off = off.get_or_insert_with(|| chain.switched_off(before.as_ref())).clone();
        let kept = chain.start_again(&mut self.filters, asked, &off, self.stream.route.as_ref());
        self.hooks = chain::hooks(&self.filters);
        if let Some(frames) = &mut self.request_frames {
            frames.start_again(kept, &self.filters);
        }
    }

    /// The first route table, when it is still on its way.
    pub async fn wait_for_table(&mut self, downstream: &mut dyn Downstream) -> Result<Option<PinnedTable>, Stop> {
        let context = self.stream.context;
        let mut table = pin!(context.wait_for_table());
        std::future::poll_fn(|cx| match table.as_mut().poll(cx) {
            Poll::Ready(table) => Poll::Ready(Ok(table)),
            Poll::Pending => self.poll_over(downstream, cx),
        })
        .await
    }

    /// What may end a wait: the client is gone, or time is up.
    pub fn poll_over<T>(&mut self, downstream: &mut dyn Downstream, cx: &mut Task<'_>) -> Poll<Result<T, Stop>> {
        if let Poll::Ready(error) = downstream.poll_gone(cx) {
            return Poll::Ready(Err(Stop::Gone(error)));
        }
        if let Some(clock) = &mut self.clock {
            early::poll(clock, &mut self.stream, downstream, cx);
        }
        self.watch.deadlines.poll(cx).map(|expired| Err(self.expired(expired)))
    }

    /// The next frame of the request's body that has passed the filters.
    pub fn poll_request_body(
        &mut self,
        downstream: &mut dyn Downstream,
        cx: &mut Task<'_>,
    ) -> Poll<Result<Frame, Stop>> {
        let mut source = Incoming { downstream, watch: &mut self.watch };
        match &mut self.request_frames {
            None => source.poll(cx, &mut self.stream),
            Some(frames) => frames.poll(cx, &mut source, &mut self.filters, &mut self.stream),
        }
    }

    /// The next frame of a response's body that has passed the filters.
    pub fn poll_response_body(&mut self, source: &mut dyn Source<'s>, cx: &mut Task<'_>) -> Poll<Result<Frame, Stop>> {
        match &mut self.response_frames {
            None => source.poll(cx, &mut self.stream),
            Some(frames) => frames.poll(cx, source, &mut self.filters, &mut self.stream),
        }
    }

    /// A filter reads the body before anybody upstream could ask for it: a client that waits to be asked is.
    pub fn invite_body(&mut self, downstream: &mut dyn Downstream) -> Result<(), Stop> {
        upgrade::send_continue(&mut self.stream, downstream)
    }

    /// A head went out.
    pub fn response_sent(&mut self, head: ResponseHead) {
        self.begun = true;
        self.stream.info.mark(|times| &mut times.download_begins);
        self.stream.info.response_code = head.status;
        if !self.stream.request_is_complete() {
            self.stream.context.manager.stats.downstream_rq_response_before_rq_complete.inc();
        }
        if !self.stream.info.health_check {
            self.stream.context.manager.stats.response(head.status);
        }
        self.stream.response = Some(head);
        self.watch.response_begins();
    }

    /// Waits until all is written, no longer than the timeouts allow.
    pub fn poll_flush(&mut self, downstream: &mut dyn Downstream, cx: &mut Task<'_>) -> Poll<Result<(), Stop>> {
        match downstream.poll_flush(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Stop::Gone)),
            Poll::Pending => self.watch.deadlines.poll(cx).map(|expired| Err(self.expired(expired))),
        }
    }

    /// What an expired timeout means: an answer, or the end of one that has begun.
    pub fn expired(&mut self, expired: Expired) -> Stop {
        self.timed_out = Some(expired);
        // RFC 9110 section 15.5.9: 408 when the server waited for the request.
        let status = if self.stream.request_is_complete() { 504 } else { 408 };
        let reply = match expired {
            Expired::Idle | Expired::Duration | Expired::Request => {
                LocalReply::late(expired, status, &self.stream.context.manager.stats)
            }
            Expired::Response => self.upstream_timeout("response_timeout", ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::Try => self.upstream_timeout("upstream_per_try_timeout", ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::TryDuration => LocalReply::new(status, "upstream_max_stream_duration_reached")
                .body(&b"upstream max stream duration reached"[..])
                .flags(ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED)
                .attempted(),
            Expired::TryIdle => {
                self.upstream_timeout("upstream_per_try_idle_timeout", ResponseFlags::UPSTREAM_REQUEST_TIMEOUT)
            }
        };
        if !self.begun {
            return reply.into();
        }
        Stop::Abort { flags: reply.flags, details: reply.details, reason: ResetReason::InternalError }
    }

    fn upstream_timeout(&self, details: &'static str, flags: ResponseFlags) -> LocalReply {
        if self.watch.timeouts.alternative_response {
            return LocalReply::new(204, details).flags(flags).attempted();
        }
        LocalReply::new(504, details).body(&b"upstream request timeout"[..]).flags(flags).attempted()
    }

    /// The response could not be finished. As with Envoy a reset of ours is counted among those that came, too.
    pub fn abort(&mut self, flags: ResponseFlags, details: Cow<'static, str>) {
        let stats = &self.stream.context.manager.stats;
        stats.downstream_rq_tx_reset.inc();
        stats.downstream_rq_rx_reset.inc();
        self.stream.info.flags.set(flags);
        self.stream.info.response_code_details = Some(details);
    }

    /// The response is complete. What the client still had to say is not heard any more.
    pub fn count_unread(&mut self) {
        if !self.stream.request_is_complete() {
            self.stream.context.manager.stats.downstream_rq_rx_reset.inc();
        }
    }

    /// What has come of the request's body, where nobody will read it: a client that has sent all of it can go on with its connection. Of
    /// HTTP/1 nobody can take what came for a tunnel that is not granted: it counts, and goes nowhere.
    pub async fn read_what_is_there(&mut self, downstream: &mut dyn Downstream) {
        if asks_for_tunnel(&self.stream.request) && self.stream.request.protocol != Protocol::Http2 {
            let octets = &mut self.stream.info.bytes_received;
            *octets = downstream.untaken().max(*octets);
            return;
        }
        let most = self.stream.info.bytes_received + UNWANTED;
        poll_fn(|cx| {
            while !self.stream.request_is_complete() && self.stream.info.bytes_received < most {
                let mut source = Incoming { downstream: &mut *downstream, watch: &mut self.watch };
                if !matches!(source.poll(cx, &mut self.stream), Poll::Ready(Ok(_))) {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// What came for a tunnel that an upstream was asked for and has not granted: it counts, and goes nowhere.
    pub async fn read_refused_tunnel(&mut self, downstream: &mut dyn Downstream) {
        if asks_for_tunnel(&self.stream.request) {
            self.read_what_is_there(downstream).await;
        }
    }

    /// The client went away, or broke the protocol in the body.
    pub fn client_gone(&mut self, error: &StreamError) {
        let context = self.stream.context;
        let (flags, details) = match error {
            StreamError::Protocol { detail, .. } => {
                if self.stream.request.protocol == Protocol::Http2 {
                    context.manager.stats.downstream_rq_rx_reset.inc();
                }
                (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, Cow::Borrowed(*detail))
            }
            StreamError::Reset(_) | StreamError::Refused => {
                context.manager.stats.downstream_rq_rx_reset.inc();
                (ResponseFlags::DOWNSTREAM_REMOTE_RESET, Cow::Borrowed("http2.remote_reset"))
            }
            StreamError::Closed(_) | StreamError::Io(_) | StreamError::NoHeader(_) => {
                context.ended.set((true, true));
                context.manager.stats.downstream_rq_rx_reset.inc();
                (ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION, Cow::Borrowed("downstream_remote_disconnect"))
            }
        };
        self.stream.info.flags.set(flags);
        self.stream.info.response_code_details = Some(details);
    }
}

/// Counts and logs. Here, so that a request whose task is dropped (its connection had to end) is told of like any other.
impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        let stream = &mut self.stream;
        let manager = &stream.context.manager;
        let now = Instant::now();
        stream.context.last_end.set(Some(now));
        let end = now.into_std();
        (stream.info.end, stream.info.is_sent) = (Some(end), self.answered);
        manager.stats.downstream_rq_active.dec();
        stream.context.active.set(stream.context.active.get().saturating_sub(1));
        let elapsed = end.saturating_duration_since(stream.info.start);
        if self.answered {
            manager.stats.downstream_rq_time.record(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        }
        if stream.info.health_check {
            manager.stats.health_checks.inc();
        }
        // As with Envoy, only what is answered counts.
        if let (Some(tracing), Some(reason)) = (&manager.tracing, stream.decided)
            && stream.info.response_code != 0
        {
            tracing.count(reason);
        }
        if !self.complete || stream.info.response_code_details.is_none() {
            stream.info.flags.set(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION);
            stream.info.response_code_details = Some(Cow::Borrowed("downstream_local_disconnect"));
        }
        for filter in &mut self.filters {
            filter.end(stream);
        }
        stream.end_all_behind();
        attempt::log::last(stream, self.begun);
        if !manager.access_log.is_empty() || stream.trace.is_some() {
            attempt::name_cluster(stream);
        }
        let entry = stream.entry(stream.response.as_ref().filter(|_| self.begun), stream.trailers.as_ref());
        stream.context.finish(entry);
        trace::finish(stream, self.begun, self.begun && self.complete);
    }
}

/// The request's body as it comes from the client.
pub(in crate::http) struct Incoming<'x> {
    pub downstream: &'x mut dyn Downstream,
    pub watch: &'x mut Watch,
}

impl<'s> Source<'s> for Incoming<'_> {
    fn poll(&mut self, cx: &mut Task<'_>, stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        let frame = match self.downstream.poll_body(cx) {
            Poll::Ready(frame) => frame.map_err(Stop::Gone)?,
            Poll::Pending => return Poll::Pending,
        };
        self.watch.deadlines.touch();
        match &frame {
            Frame::Data(data) => stream.info.bytes_received += data.len() as u64,
            Frame::Trailers(_) | Frame::End => {
                if stream.info.request_complete.is_none() {
                    stream.info.request_complete = Some(Instant::now().into_std());
                }
                self.watch.request_ends();
            }
        }
        Poll::Ready(Ok(frame))
    }
}
