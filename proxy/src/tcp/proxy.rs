//! One proxied TCP connection, top to bottom: wait for what is waited for, connect, relay, log.

use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use config::listener::{Direction, NetworkFilter};
use config::tcp_proxy;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use super::connect::{Upstream, connect, idle_timeout};
use super::filters::{Closed, First};
use super::relay::{End, Moved, relay};
use super::reports::{Reporters, Reports};
use super::stats::TcpStats;
use super::tlvs::Tlvs;
use super::tunnel::Opener;
use crate::compile::CompileDeps;
use crate::drain::{DrainWatch, jittered};
use crate::failure::ResponseFlags;
use crate::logs::{AccessLogs, Again};
use crate::telemetry::access_log::{EntryKind, LogEntry, More};
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::transport::{ByteCounts, Stream};
use crate::worker::Worker;

/// A compiled TCP proxy. Immutable and shared by all workers.
pub struct TcpProxy {
    pub(super) config: Arc<tcp_proxy::TcpProxy>,
    pub(super) stats: TcpStats,
    /// Opens tunnels in place of connections. Boxed, for few have one.
    pub(super) opener: Option<Box<Opener>>,
    /// What upstreams may be told in a header of the PROXY protocol.
    pub(super) tlvs: Tlvs,
    access_log: AccessLogs,
    reporters: Reporters,
}

impl TcpProxy {
    /// Compiles. `filters` are those before it, `direction` is the listener's.
    pub fn compile(
        config: &Arc<tcp_proxy::TcpProxy>,
        filters: &[NetworkFilter],
        direction: Direction,
        deps: &CompileDeps<'_>,
    ) -> Arc<TcpProxy> {
        Arc::new(TcpProxy {
            reporters: Reporters::compile(filters, direction, deps.stats),
            access_log: AccessLogs::compile(&config.access_log, deps.log_sinks, deps.stats),
            stats: TcpStats::new(&config.stat_prefix, deps.stats),
            opener: config.tunneling.as_ref().map(|tunneling| Box::new(Opener::compile(tunneling))),
            tlvs: Tlvs::compile(&config.tlvs, config.merges),
            config: config.clone(),
        })
    }

    /// Writes the entry of a connection that is over.
    pub fn log(&self, worker: &Worker, info: &StreamInfo) {
        self.write(worker, info, EntryKind::TcpConnectionEnd);
    }

    fn write(&self, worker: &Worker, info: &StreamInfo, kind: EntryKind) {
        let more = More { kind, ..More::default() };
        self.access_log.log(&worker.logs, &LogEntry { more, ..LogEntry::of(info) });
    }

    /// A connection that a filter closed before it came here: counted and logged, as in Envoy.
    pub fn turned_away(&self, worker: &Worker, info: &StreamInfo) {
        self.stats.cx_total.inc();
        if let Some(mut reports) = self.reporters.begin() {
            reports.end(info, Moved::default());
        }
        self.log(worker, info);
    }

    /// When a connection that begins now has to end.
    fn longest(&self) -> Option<Instant> {
        self.config.max_connection_duration.map(|time| Instant::now() + jittered(time, self.config.duration_jitter))
    }
}

/// Proxies one connection to its end, logs it, and returns what is known of it. It is logged, too, when the future is dropped: the
/// process ends.
pub async fn proxy(
    worker: &Rc<Worker>,
    proxy: &TcpProxy,
    stream: Stream,
    connection: Rc<ConnectionInfo>,
    drain: DrainWatch,
    first: Option<Box<First>>,
) -> StreamInfo {
    proxy.stats.cx_total.inc();
    let mut info = StreamInfo::begin(connection, None);
    info.times = proxy.access_log.wants().times.then(Box::default);
    if proxy.config.early_log.at_start {
        proxy.write(worker, &info, EntryKind::TcpConnectionStart);
    }
    let limit = proxy.longest();
    let reports = proxy.reporters.begin();
    let mut record = Record { worker, proxy, info: &mut info, moved: Moved::default(), reports };
    tokio::select! {
        () = session(worker, proxy, stream, &drain, record.info, &mut record.moved, &mut record.reports, first) => {}
        () = at(limit) => {
            proxy.stats.max_duration.inc();
            record.info.flags.set(ResponseFlags::DURATION_TIMEOUT);
        }
        () = drain.deadline() => {}
    }
    drop(record);
    info
}

/// Logs a connection at its end.
struct Record<'a> {
    worker: &'a Rc<Worker>,
    proxy: &'a TcpProxy,
    info: &'a mut StreamInfo,
    moved: Moved,
    reports: Option<Box<Reports<'a>>>,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        (self.info.bytes_received, self.info.bytes_sent) = (self.moved.received, self.moved.sent);
        self.info.end = Some(std::time::Instant::now());
        if let Some(reports) = &mut self.reports {
            reports.end(self.info, self.moved);
        }
        self.proxy.log(self.worker, self.info);
        if let Some(told) = &self.info.connection.told {
            told.ended.replace(Some(Box::new(self.info.clone())));
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[allow(clippy::too_many_arguments, reason = "it is one function with the one above, apart for what ends it")]
async fn session(
    worker: &Rc<Worker>,
    proxy: &TcpProxy,
    mut downstream: Stream,
    drain: &DrainWatch,
    info: &mut StreamInfo,
    moved: &mut Moved,
    reports: &mut Option<Box<Reports<'_>>>,
    mut first: Option<Box<First>>,
) {
    let idle = idle_timeout(proxy, &info.connection);
    let idle_from_now = || idle.map(|idle| Instant::now() + idle);
    if let Some(most) = proxy.config.awaits_data {
        let heard = Box::pin(hear(&mut downstream, &mut first, most as usize));
        let heard = before(idle_from_now(), heard).await;
        if !heard.as_ref().is_some_and(|heard| matches!(heard, Ok(1..))) {
            return ended(
                proxy,
                info,
                heard.map_or(End::Idle, |heard| heard.map_or_else(End::Downstream, |_| End::Closed)),
            );
        }
        proxy.stats.early_data.inc();
    }
    // Connecting needs far more room than relaying: its future is boxed and gone when the relay begins.
    let Some(upstream) = Box::pin(connect(worker, proxy, info, idle_from_now())).await else {
        downstream.reset_if_unread();
        return;
    };
    if proxy.config.early_log.at_success {
        proxy.write(worker, info, EntryKind::TcpUpstreamConnected);
    }
    let mut again = proxy.config.early_log.interval.filter(|_| !proxy.access_log.is_empty()).map(Again::new);
    let mut before = 0;
    let mut told = |cx: &mut Context<'_>, moved: Moved| {
        if let Some(reports) = reports {
            reports.poll(cx, info, moved);
        }
        while again.as_mut().is_some_and(|again| again.is_due(cx)) {
            (info.bytes_received, info.bytes_sent) = (moved.received, moved.sent);
            proxy.write(worker, info, EntryKind::TcpPeriodic);
        }
        let all = moved.received + moved.sent;
        proxy.config.check_drain_close && std::mem::replace(&mut before, all) != all && drain.should_close()
    };
    let end = match upstream {
        Upstream::Connection(mut lease) => {
            let Some(mut upstream) = lease.stream.take() else { return };
            let counts = [proxy.stats.bytes, lease.bytes()];
            let end = {
                let mut ends = lease.is_to_close();
                let is_to_close = poll_fn(|cx| ends.as_mut().map_or(Poll::Pending, |ends| ends.as_mut().poll(cx)));
                tokio::select! {
                    end = relay(&mut downstream, &mut upstream, idle, moved, counts, first, &mut told) => end,
                    () = is_to_close => End::Closed,
                }
            };
            match &end {
                End::Upstream(error) => {
                    lease.closed_by_peer();
                    pass_on_reset(error, &downstream);
                }
                End::Downstream(error) => pass_on_reset(error, &upstream),
                End::Closed | End::Idle | End::Wanted => {}
            }
            end
        }
        Upstream::Tunnel(mut tunnel) => {
            // Its connection counts octets itself.
            let counts = [proxy.stats.bytes, ByteCounts::NONE];
            Box::pin(relay(&mut downstream, &mut *tunnel, idle, moved, counts, first, &mut told)).await
        }
    };
    ended(proxy, info, end);
}

/// Waits for the first octets, those that filters want to see and at least one, and leaves them to be read; so many there are.
async fn hear(downstream: &mut Stream, first: &mut Option<Box<First>>, most: usize) -> io::Result<usize> {
    if let Some(filters) = first {
        poll_fn(|cx| filters.poll(cx, downstream)).await?;
        *first = None;
    }
    if downstream.unspent().is_empty() {
        let mut octets = vec![0; most.clamp(1, 16 * 1024)];
        let count = downstream.read(&mut octets).await?;
        octets.truncate(count);
        downstream.put_back(octets.into());
    }
    Ok(downstream.unspent().len())
}

/// What is wanted, unless it takes too long.
pub(super) async fn before<T>(limit: Option<Instant>, wanted: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout_at(limit, wanted).await.ok(),
        None => Some(wanted.await),
    }
}

/// Counts how it ended; logs tell why.
fn ended(proxy: &TcpProxy, info: &mut StreamInfo, end: End) {
    match end {
        End::Closed => {}
        End::Idle => proxy.stats.idle_timeout.inc(),
        End::Wanted => proxy.stats.drain_close.inc(),
        End::Upstream(error) => {
            if error.kind() == io::ErrorKind::ConnectionReset {
                info.flags.set(ResponseFlags::UPSTREAM_REMOTE_RESET);
            }
            if let Some(failure) = crate::tls::HandshakeFailure::of_stream(&error) {
                info.upstream_transport_failure = Some(failure.reason);
            }
        }
        End::Downstream(error) => {
            if let Some(Closed { flags, .. }) = Closed::of(&error) {
                info.flags.set(flags);
            }
            if let Some(failure) = crate::tls::HandshakeFailure::of_stream(&error) {
                info.downstream_transport_failure = Some(failure.reason);
            }
        }
    }
}

/// A reset on one side is a reset on the other.
fn pass_on_reset(error: &io::Error, other: &Stream) {
    if error.kind() == io::ErrorKind::ConnectionReset
        && let Some(socket) = other.tcp_socket()
    {
        // With no time to linger, closing sends RST.
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }
}
