//! The life of one downstream connection, top to bottom: listener filters, filter chain, TLS, then the terminal filter until it ends.
//! Runs as a task of its own; whatever goes wrong ends this connection alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, UnixStream};

use super::Listener;
use super::chain::{FilterChain, Terminal};
use super::filters::{self, Inspected, Refusal};
use super::limit::Permit;
use super::matching::Facts;
use super::stats::ListenerStats;
use crate::drain::DrainWatch;
use crate::failure::ResponseFlags;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::info::TlsInfo;
use crate::tls::{FailureKind, HandshakeFailure};
use crate::transport::{Io, Stream};
use crate::worker::Worker;
use crate::{http, tcp};

/// An accepted socket.
#[derive(Debug)]
pub(super) enum Accepted {
    /// TCP, with the peer's address.
    Tcp(TcpStream, SocketAddr),
    /// A Unix domain socket.
    Unix(UnixStream),
}

/// A connection that has its chain and, if the chain says so, TLS.
struct Established {
    chain: Arc<FilterChain>,
    stream: Stream,
    info: Rc<ConnectionInfo>,
    life: Life,
}

/// Serves an accepted socket to its end.
pub(super) async fn run(
    worker: Rc<Worker>,
    listener: Arc<Listener>,
    drain: DrainWatch,
    accepted: Accepted,
    _permit: Permit,
) {
    let begun = StartTime::now();
    // Boxed, as the terminal filters are: a connection holds the future of what it does now, not of the largest thing it may do.
    let established = Box::pin(establish(&worker, &listener, accepted, begun)).await;
    let Some(Established { chain, stream, info, life: _life }) = established else { return };
    let ended = match &chain.terminal {
        Terminal::Http(manager) => {
            Box::pin(http::serve(worker.clone(), manager.clone(), stream, info.clone(), drain)).await;
            None
        }
        Terminal::Tcp(proxy) => Some(Box::pin(tcp::proxy(&worker, proxy, stream, info.clone(), drain)).await),
        Terminal::None => None,
    };
    if !listener.access_log.is_empty() {
        log(&worker, &listener, &ended.unwrap_or_else(|| begun.stream_info(info)));
    }
}

/// Listener filters, filter chain, TLS. `None`: the connection ends here, and has been counted and logged.
async fn establish(
    worker: &Rc<Worker>,
    listener: &Arc<Listener>,
    mut accepted: Accepted,
    begun: StartTime,
) -> Option<Established> {
    let (local, direct_remote) = accepted.addresses();
    let inspected = {
        let _waiting = Active::new(listener.stats.pre_cx_active);
        filters::run(listener, &mut accepted, local).await
    };
    let inspected = match inspected {
        Ok(inspected) => inspected,
        Err(refusal) => {
            if refusal == Refusal::Refused {
                accepted.reset_on_close();
            }
            let info = addresses(local, direct_remote);
            log_unserved(worker, listener, begun, info, ResponseFlags::NONE);
            return None;
        }
    };
    let local = inspected.local.or(local);
    let remote = inspected.remote.or(direct_remote);
    let facts = Facts {
        local,
        remote,
        direct_remote,
        server_name: inspected.server_name.as_deref().unwrap_or_default(),
        transport_protocol: if inspected.is_tls { "tls" } else { "raw_buffer" },
        application_protocols: &inspected.application_protocols,
    };
    let Some(chain) = listener.find_chain(&facts).cloned() else {
        listener.stats.no_filter_chain_match.inc();
        if !inspected.read.is_empty() {
            accepted.reset_on_close();
        }
        let mut info = addresses(local, remote);
        info.requested_server_name = inspected.server_name;
        log_unserved(worker, listener, begun, info, ResponseFlags::NO_ROUTE_FOUND);
        return None;
    };
    let Inspected { read, server_name, .. } = inspected;
    let mut info = ConnectionInfo {
        id: worker.connections.next(),
        direct_remote: or_nowhere(direct_remote),
        requested_server_name: server_name,
        filter_chain: chain.name.clone(),
        ..addresses(local, remote)
    };
    let life = Life::begin(listener, begun.at);
    let stream = Stream::with_prefix(read.freeze(), accepted.into_io());
    let stream = match secure(listener, &chain, stream).await {
        Ok((stream, tls)) => {
            info.tls = tls;
            stream
        }
        Err(failure) => {
            log_failed_handshake(worker, listener, &chain, begun, info, &failure);
            return None;
        }
    };
    if let Some(tls) = &info.tls
        && info.requested_server_name.is_none()
    {
        info.requested_server_name = tls.server_name.clone();
    }
    Some(Established { chain, stream, info: Rc::new(info), life })
}

/// TLS, if the chain terminates it.
async fn secure(
    listener: &Listener,
    chain: &FilterChain,
    stream: Stream,
) -> Result<(Stream, Option<Rc<TlsInfo>>), HandshakeFailure> {
    let Some(context) = &chain.tls else { return Ok((stream, None)) };
    let stats = &listener.stats.tls;
    let handshake = context.accept(stream);
    let result = match chain.connect_timeout {
        Some(time) => match tokio::time::timeout(time, handshake).await {
            Ok(result) => result,
            Err(_) => {
                listener.stats.transport_connect_timeout.inc();
                return Err(HandshakeFailure {
                    reason: "transport socket timeout was reached".into(),
                    kind: FailureKind::Closed,
                });
            }
        },
        None => handshake.await,
    };
    match result {
        Ok((stream, info)) => {
            stats.finished(&info);
            Ok((stream, Some(Rc::new(info))))
        }
        Err(failure) => {
            tracing::debug!(listener = &*listener.config().name, reason = &*failure.reason, "TLS handshake failed");
            stats.failed(failure.kind);
            Err(failure)
        }
    }
}

impl Accepted {
    /// Where the client connected to, and the client.
    fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self {
            Accepted::Tcp(stream, remote) => (stream.local_addr().ok(), Some(*remote)),
            Accepted::Unix(_) => (None, None),
        }
    }

    /// Closing sends a reset: what the client sent was not taken. Envoy only peeks at it, and closing with unread bytes resets.
    fn reset_on_close(&self) {
        if let Accepted::Tcp(stream, _) = self {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    fn into_io(self) -> Io {
        match self {
            Accepted::Tcp(stream, _) => Io::Tcp(stream),
            Accepted::Unix(stream) => Io::Unix(stream),
        }
    }
}

/// When a connection was accepted, on both clocks.
#[derive(Clone, Copy)]
struct StartTime {
    at: Instant,
    wall: std::time::SystemTime,
}

impl StartTime {
    fn now() -> StartTime {
        StartTime { at: Instant::now(), wall: std::time::SystemTime::now() }
    }

    fn stream_info(self, connection: Rc<ConnectionInfo>) -> StreamInfo {
        let mut info = StreamInfo::begin(connection, None);
        (info.start, info.start_time) = (self.at, self.wall);
        info
    }
}

/// Counts something that exists now.
struct Active(crate::stats::Gauge);

impl Active {
    fn new(gauge: crate::stats::Gauge) -> Active {
        gauge.inc();
        Active(gauge)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A connection that has a chain, in the listener's statistics.
struct Life {
    listener: Arc<Listener>,
    begun: Instant,
    _active: Active,
}

impl Life {
    fn begin(listener: &Arc<Listener>, begun: Instant) -> Life {
        let stats: &ListenerStats = &listener.stats;
        stats.cx_total.inc();
        Life { listener: listener.clone(), begun, _active: Active::new(stats.cx_active) }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.listener.stats.cx_destroy.inc();
        let length = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.listener.stats.cx_length_ms.record(length);
    }
}

/// Unix sockets have no address that logs could print.
fn or_nowhere(address: Option<SocketAddr>) -> SocketAddr {
    address.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into())
}

fn addresses(local: Option<SocketAddr>, remote: Option<SocketAddr>) -> ConnectionInfo {
    ConnectionInfo {
        id: 0,
        local: or_nowhere(local),
        remote: or_nowhere(remote),
        direct_remote: or_nowhere(remote),
        tls: None,
        requested_server_name: None,
        filter_chain: Arc::from(""),
    }
}

/// A connection that no chain took.
fn log_unserved(worker: &Worker, listener: &Listener, begun: StartTime, info: ConnectionInfo, flags: ResponseFlags) {
    if listener.access_log.is_empty() {
        return;
    }
    let mut info = begun.stream_info(Rc::new(info));
    info.flags = flags;
    if flags == ResponseFlags::NO_ROUTE_FOUND {
        info.response_code_details = Some("filter_chain_not_found".into());
    }
    log(worker, listener, &info);
}

fn log_failed_handshake(
    worker: &Worker,
    listener: &Listener,
    chain: &FilterChain,
    begun: StartTime,
    info: ConnectionInfo,
    failure: &HandshakeFailure,
) {
    let mut info = begun.stream_info(Rc::new(info));
    if !failure.reason.is_empty() {
        info.downstream_transport_failure = Some(failure.reason.clone());
    }
    log(worker, listener, &info);
    if let Terminal::Tcp(proxy) = &chain.terminal {
        proxy.log(worker, &info);
    }
}

fn log(worker: &Worker, listener: &Listener, info: &StreamInfo) {
    let entry = LogEntry { info, request: None, response: None, trailers: None };
    listener.access_log.log(&worker.logs, &entry);
}

#[cfg(test)]
pub(super) mod tests;
