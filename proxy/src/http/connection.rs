//! One downstream connection from its first byte to its last: which codec, requests one after another (HTTP/1) or side by side
//! (HTTP/2), idle and age limits, drain. `listener` calls [`serve`]; every request goes to [`exchange`].

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use config::hcm::CodecType;
use tokio::time::Instant;

use super::ConnectionManager;
use super::context::Context;
use super::deadlines::{Deadlines, Expired};
use super::exchange::exchange;
use super::refusal;
use super::upstreams::Upstreams;
use crate::drain::DrainWatch;
use crate::stats::Gauge;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::{ByteCounts, Stream};
use crate::wire::message::Protocol;
use crate::wire::{h1, h2, sniff};
use crate::worker::Worker;

/// Serves one downstream connection to its end.
pub async fn serve(
    worker: Rc<Worker>,
    manager: Arc<ConnectionManager>,
    stream: Stream,
    connection: Rc<ConnectionInfo>,
    drain: DrainWatch,
) {
    let logs = worker.logs;
    let context = Context::new(manager, connection, Upstreams::Worker(worker), logs, drain);
    run(Rc::new(context), stream).await;
}

/// Serves a connection whose surroundings are known.
pub(super) async fn run(context: Rc<Context>, stream: Stream) {
    let _count = Count::begin(&context);
    let mut limits = Limits::new(&context);
    let drain = context.drain.clone();
    let mut end = pin!(drain.deadline());
    let Some((protocol, stream)) = choose_codec(&context, stream, &mut limits, end.as_mut()).await else { return };
    let stats = &context.manager.stats;
    let stream = stream
        .counted(ByteCounts { read: stats.downstream_cx_rx_bytes_total, written: stats.downstream_cx_tx_bytes_total });
    match protocol {
        Protocol::Http2 => {
            let _active = Active::begin(stats.downstream_cx_http2_total, stats.downstream_cx_http2_active);
            http2(&context, stream, limits, end).await;
        }
        Protocol::Http10 | Protocol::Http11 => {
            let _active = Active::begin(stats.downstream_cx_http1_total, stats.downstream_cx_http1_active);
            http1(&context, stream, limits, end).await;
        }
    }
}

/// The codec by configuration, by ALPN, or by the client's first bytes. `None` when the connection ended before that.
async fn choose_codec(
    context: &Context,
    stream: Stream,
    limits: &mut Limits,
    end: Pin<&mut impl Future<Output = ()>>,
) -> Option<(Protocol, Stream)> {
    let alpn = context.connection.tls.as_deref().and_then(|tls| tls.alpn.as_deref());
    match (context.manager.config.codec, alpn) {
        (CodecType::Http1, _) | (CodecType::Auto, Some(b"http/1.1" | b"http/1.0")) => Some((Protocol::Http11, stream)),
        (CodecType::Http2, _) | (CodecType::Auto, Some(b"h2")) => Some((Protocol::Http2, stream)),
        (CodecType::Auto, _) => match limits.idle(pin!(sniff::sniff(stream)), end).await {
            Event::Ready(Ok(sniffed)) => Some(sniffed),
            Event::Ready(Err(_)) | Event::Expired(_) | Event::Drained => None,
        },
    }
}

/// Requests one after another.
async fn http1(context: &Context, stream: Stream, mut limits: Limits, mut end: Pin<&mut impl Future<Output = ()>>) {
    let manager = &context.manager;
    let delay = manager.config.delayed_close_timeout;
    let mut connection = h1::server::Connection::new(stream, &h1::Settings::downstream(&manager.config));
    loop {
        limits.begin_idle(context.last_end.get());
        let next = next_head(&mut connection, &mut limits, end.as_mut()).await;
        let request = match next {
            Event::Ready(Ok(Some(request))) => request,
            Event::Ready(Ok(None)) => return context.ended.set((true, false)),
            Event::Drained => return,
            Event::Ready(Err(h1::server::RequestError::Disconnected)) => {
                refusal::disconnected(context);
                return context.ended.set((true, true));
            }
            Event::Ready(Err(h1::server::RequestError::Protocol(error))) => {
                refusal::malformed(context, &mut connection, error).await;
                return connection.close(delay).await;
            }
            Event::Expired(Expired::Request) => {
                refusal::slow_head(context, &mut connection).await;
                return connection.close(delay).await;
            }
            Event::Expired(expired) => {
                limits.count(context, expired);
                return;
            }
        };
        limits.begin_request(context);
        let served = {
            let mut exchange = pin!(exchange(context, &mut connection, request));
            poll_fn(|cx| match exchange.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => end.as_mut().poll(cx).map(|()| false),
            })
            .await
        };
        if !served {
            return;
        }
        if !connection.finish() {
            return connection.close(delay).await;
        }
    }
}

/// The next request of an HTTP/1 connection. The time for its head begins with its first octet.
async fn next_head(
    connection: &mut h1::server::Connection,
    limits: &mut Limits,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> Event<Result<Option<crate::wire::message::RequestHead>, h1::server::RequestError>> {
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = connection.poll_next(cx) {
            return Poll::Ready(Event::Ready(result));
        }
        if connection.head_started() {
            limits.head_begins();
        }
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Drained);
        }
        limits.deadlines.poll(cx).map(Event::Expired)
    })
    .await;
    limits.head_ends();
    result
}

/// Requests side by side: each is a task of this worker.
async fn http2(context: &Rc<Context>, stream: Stream, mut limits: Limits, mut end: Pin<&mut impl Future<Output = ()>>) {
    let manager = &context.manager;
    let mut connection = h2::server::Connection::new(stream, &h2::Settings::downstream(&manager.config));
    let last_end = Rc::new(std::cell::Cell::new(Instant::now()));
    let mut closing = false;
    limits.begin_idle(None);
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(next) = connection.poll_next(cx) {
                return Poll::Ready(Event::Ready(next));
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Drained);
            }
            limits.deadlines.poll(cx).map(Event::Expired)
        })
        .await;
        match event {
            Event::Ready(None) => return context.ended.set((true, connection.open_streams() > 0)),
            Event::Ready(Some(Err(error))) => {
                context.ended.set((matches!(error, h2::ConnectionError::Io(_)), connection.open_streams() > 0));
                if !matches!(error, h2::ConnectionError::Io(_)) {
                    manager.stats.downstream_cx_protocol_error.inc();
                }
                tracing::debug!(target: "http", connection = context.connection.id, "HTTP/2 connection ended: {error}");
                return;
            }
            Event::Ready(Some(Ok((head, mut stream)))) => {
                limits.begin_request(context);
                let context = Rc::clone(context);
                let last_end = Rc::clone(&last_end);
                tokio::task::spawn_local(async move {
                    exchange(&context, &mut stream, head).await;
                    last_end.set(Instant::now());
                });
            }
            // The process, or the listener, ends: so do the streams.
            Event::Drained => {
                connection.abrupt_shutdown();
                let _ = tokio::time::timeout(FAREWELL, poll_fn(|cx| farewell(&mut connection, cx))).await;
                return;
            }
            Event::Expired(expired) => {
                let idle = connection.open_streams() == 0;
                if expired == Expired::Idle && !limits.was_idle(idle, last_end.get()) {
                    continue;
                }
                if closing {
                    return;
                }
                limits.count(context, expired);
                closing = true;
                connection.graceful_shutdown();
                limits.deadlines.set(Expired::Duration, Some(manager.config.drain_timeout));
            }
        }
    }
}

/// Writes what is left; further requests are not taken.
fn farewell(connection: &mut h2::server::Connection, cx: &mut Task<'_>) -> Poll<()> {
    loop {
        match connection.poll_next(cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Time for a last GOAWAY to leave.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

/// What a connection waited for.
enum Event<T> {
    /// It came.
    Ready(T),
    /// It did not come in time.
    Expired(Expired),
    /// The connection must end now.
    Drained,
}

/// Limits of one connection: `idle_timeout`, `max_connection_duration`, `request_headers_timeout`.
struct Limits {
    deadlines: Deadlines,
    idle: Option<std::time::Duration>,
    head: Option<std::time::Duration>,
    head_began: bool,
}

impl Limits {
    fn new(context: &Context) -> Limits {
        let config = &context.manager.config;
        let mut deadlines = Deadlines::default();
        if config.max_connection_duration.is_some() {
            deadlines.set(Expired::Duration, config.max_connection_duration);
        }
        let mut limits =
            Limits { deadlines, idle: config.idle_timeout, head: config.request_headers_timeout, head_began: false };
        limits.begin_idle(None);
        limits
    }

    /// Idle from that moment, or from now on.
    fn begin_idle(&mut self, since: Option<Instant>) {
        if self.idle.is_some() {
            self.deadlines.set_from(Expired::Idle, self.idle, since.unwrap_or_else(Instant::now));
        }
    }

    fn begin_request(&mut self, context: &Context) {
        context.requests.set(context.requests.get().saturating_add(1));
    }

    fn head_begins(&mut self) {
        if !self.head_began {
            self.head_began = true;
            if self.head.is_some() {
                self.deadlines.set(Expired::Request, self.head);
            }
        }
    }

    fn head_ends(&mut self) {
        if self.head_began {
            self.head_began = false;
            self.deadlines.set(Expired::Request, None);
        }
    }

    /// Whether a connection with several streams was idle for all the time; if not, the timeout is set anew.
    fn was_idle(&mut self, idle: bool, last_end: Instant) -> bool {
        let Some(timeout) = self.idle else { return false };
        let left = if idle { timeout.saturating_sub(last_end.elapsed()) } else { timeout };
        if left.is_zero() {
            return true;
        }
        self.deadlines.set(Expired::Idle, Some(left));
        false
    }

    fn count(&self, context: &Context, expired: Expired) {
        let stats = &context.manager.stats;
        match expired {
            Expired::Idle => stats.downstream_cx_idle_timeout.inc(),
            Expired::Duration => stats.downstream_cx_max_duration_reached.inc(),
            _ => {}
        }
    }

    /// Waits for something on an otherwise idle connection.
    async fn idle<T>(
        &mut self,
        mut wanted: Pin<&mut impl Future<Output = T>>,
        mut end: Pin<&mut impl Future<Output = ()>>,
    ) -> Event<T> {
        poll_fn(|cx| {
            if let Poll::Ready(value) = wanted.as_mut().poll(cx) {
                return Poll::Ready(Event::Ready(value));
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Drained);
            }
            self.deadlines.poll(cx).map(Event::Expired)
        })
        .await
    }
}

/// Counts a connection while it lives.
struct Count<'a> {
    context: &'a Context,
    began: Instant,
}

impl<'a> Count<'a> {
    fn begin(context: &'a Context) -> Count<'a> {
        let stats = &context.manager.stats;
        stats.downstream_cx_total.inc();
        stats.downstream_cx_active.inc();
        if context.is_tls() {
            stats.downstream_cx_ssl_total.inc();
            stats.downstream_cx_ssl_active.inc();
        }
        Count { context, began: Instant::now() }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        let stats = &self.context.manager.stats;
        stats.downstream_cx_active.dec();
        stats.downstream_cx_destroy.inc();
        let (remote, active) = self.context.ended.get();
        let active = active || self.context.active.get() > 0;
        if active {
            stats.downstream_cx_destroy_active_rq.inc();
        }
        match (remote, active) {
            (true, true) => stats.downstream_cx_destroy_remote_active_rq.inc(),
            (false, true) => stats.downstream_cx_destroy_local_active_rq.inc(),
            (_, false) => {}
        }
        if remote {
            stats.downstream_cx_destroy_remote.inc();
        } else {
            stats.downstream_cx_destroy_local.inc();
        }
        if self.context.is_tls() {
            stats.downstream_cx_ssl_active.dec();
        }
        let lived = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        stats.downstream_cx_length_ms.record(lived);
    }
}

/// Counts a connection of one protocol while it lives.
struct Active(Gauge);

impl Active {
    fn begin(total: crate::stats::Counter, active: Gauge) -> Active {
        total.inc();
        active.inc();
        Active(active)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
