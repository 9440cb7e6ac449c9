//! Listener filters: what is learnt from a connection's first bytes before its filter chain is chosen. Bytes that are read here are
//! handed on and read again by the chain. Waiting is for readiness, never in a loop: a ClientHello of one byte a second costs nothing.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use config::listener::{ListenerFilterKind, ListenerPredicate};
use config::tlvs::Passed;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use self::client_hello::Beginning;
use self::list::Placed;
use super::Listener;
use super::accepted::Accepted;
use super::connection::addresses;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::dynamic::FilterState;
use crate::telemetry::state_values::StateValues;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::info::PeerName;

pub(super) mod client_hello;
pub(super) mod http_preface;
pub(super) mod list;
pub(super) mod proxy_protocol;

/// What listener filters found out.
#[derive(Debug, Default)]
pub(super) struct Inspected {
    /// Bytes that were read and belong to the connection.
    pub read: BytesMut,
    /// The client that a PROXY header names.
    pub remote: Option<SocketAddr>,
    /// The address that a PROXY header says the client connected to.
    pub local: Option<SocketAddr>,
    /// What a PROXY header says beside the addresses, and may be passed on; `None` where there was none.
    pub tlvs: Option<Arc<[u8]>>,
    /// SNI, lower case.
    pub server_name: Option<PeerName>,
    /// Whether a ClientHello was seen.
    pub is_tls: bool,
    /// ALPN of the ClientHello, or the HTTP version of a plain request.
    pub application_protocols: Vec<Arc<[u8]>>,
    /// What was set on the connection.
    pub state: FilterState,
}

/// Why a connection ends before a chain is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The client closed it.
    RemoteClose,
    /// The socket failed.
    Error,
    /// Time is up, and the listener does not go on without an answer.
    Timeout,
    /// There is no config for a filter that is to be discovered.
    Missing,
    /// A filter refuses it: a bad PROXY header, a ClientHello or request line that is too long.
    Refused,
}

/// What a parser says of the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress<T> {
    /// More are needed.
    More,
    /// This is it.
    Done(T),
}

/// Runs the filters in order. Reads nothing when none of them applies.
pub(super) async fn run(
    listener: &Listener,
    stream: &mut Accepted,
    local: Option<SocketAddr>,
) -> Result<Inspected, Refusal> {
    let mut inspected = Inspected::default();
    let config = listener.config();
    if config.listener_filters.is_empty() {
        return Ok(inspected);
    }
    let list = listener.filters().newest();
    if list.is_missing_one {
        // As with Envoy, also where it would be disabled.
        listener.stats().extension_config_missing.inc();
        return Err(Refusal::Missing);
    }
    let applies = |filter: &&Placed| !filter.disabled.as_ref().is_some_and(|rule| matches(rule, local));
    let filters: Vec<_> = list.filters.iter().filter(applies).collect();
    if filters.iter().all(|filter| matches!(filter.kind, ListenerFilterKind::OriginalDst)) {
        return Ok(inspected);
    }
    let mut input = Input { stream, deadline: config.listener_filters_timeout.map(|time| Instant::now() + time) };
    for filter in filters {
        let result = match &filter.kind {
            // One that is discovered stands there as what it is.
            ListenerFilterKind::OriginalDst | ListenerFilterKind::Discovered(_) => Ok(()),
            ListenerFilterKind::SetFilterState(_) => {
                set_state(&filter.values, input.stream, &mut inspected);
                Ok(())
            }
            ListenerFilterKind::TlsInspector { largest, tls_alone, .. } => {
                let limits =
                    TlsLimits { largest: usize::try_from(*largest).unwrap_or(usize::MAX), tls_alone: *tls_alone };
                inspect_tls(listener, limits, &mut input, &mut inspected).await
            }
            ListenerFilterKind::HttpInspector => inspect_http(listener, &mut input, &mut inspected).await,
            ListenerFilterKind::ProxyProtocol { optional, passes } => {
                read_proxy_header(listener, *optional, passes, &mut input, &mut inspected).await
            }
        };
        match result {
            Ok(()) => {}
            Err(Refusal::Timeout) => {
                listener.stats().pre_cx_timeout.inc();
                // Envoy goes on with the chain match and skips the filters that are left.
                return if config.continue_on_listener_filters_timeout { Ok(inspected) } else { Err(Refusal::Timeout) };
            }
            Err(refusal) => {
                match refusal {
                    Refusal::RemoteClose => listener.stats().filter_remote_close.inc(),
                    Refusal::Error => listener.stats().filter_error.inc(),
                    Refusal::Refused | Refusal::Missing | Refusal::Timeout => {}
                }
                return Err(refusal);
            }
        }
    }
    Ok(inspected)
}

/// Sets objects of filter state, made of what is known so far.
fn set_state(values: &StateValues, stream: &Accepted, inspected: &mut Inspected) {
    let (local, remote) = stream.addresses();
    let connection = Rc::new(ConnectionInfo {
        requested_server_name: inspected.server_name.clone(),
        filter_state: RefCell::new(std::mem::take(&mut inspected.state)),
        ..addresses(inspected.local.or(local), inspected.remote.or(remote))
    });
    let info = StreamInfo::begin(connection, None);
    for value in values.iter() {
        if let Some(object) = value.object(&LogEntry::of(&info)) {
            info.connection.filter_state.borrow_mut().set(object);
        }
    }
    inspected.state = info.connection.filter_state.take();
}

/// What a TLS inspector is told.
#[derive(Clone, Copy)]
struct TlsLimits {
    /// Octets that a ClientHello may take.
    largest: usize,
    /// Nothing but TLS may come.
    tls_alone: bool,
}

async fn inspect_tls(
    listener: &Listener,
    limits: TlsLimits,
    input: &mut Input<'_>,
    inspected: &mut Inspected,
) -> Result<(), Refusal> {
    let stats = &listener.stats().tls_inspector;
    loop {
        // Envoy's inspector waits for the first byte even of a client that never speaks first.
        if !inspected.read.is_empty() {
            match client_hello::parse(&inspected.read) {
                Progress::Done(Beginning::Hello(hello)) => {
                    stats.tls_found.inc();
                    if hello.server_name.is_some() {
                        stats.sni_found.inc()
                    } else {
                        stats.sni_not_found.inc()
                    }
                    if hello.alpn.is_empty() {
                        stats.alpn_not_found.inc()
                    } else {
                        stats.alpn_found.inc()
                    }
                    inspected.is_tls = true;
                    inspected.server_name = hello.server_name.map(|name| PeerName::new(&name));
                    inspected.application_protocols = hello.alpn.into_iter().map(Arc::from).collect();
                    return Ok(());
                }
                Progress::Done(Beginning::Over) => {
                    stats.tls_not_found.inc();
                    return Err(Refusal::Refused);
                }
                Progress::Done(Beginning::Plain) if limits.tls_alone => {
                    let is_large = inspected.read.len() >= limits.largest;
                    if is_large {
                        stats.client_hello_too_large.inc()
                    } else {
                        stats.tls_not_found.inc()
                    }
                    return Err(Refusal::Refused);
                }
                Progress::Done(Beginning::Plain) => {
                    stats.tls_not_found.inc();
                    return Ok(());
                }
                Progress::More if inspected.read.len() >= limits.largest => {
                    stats.client_hello_too_large.inc();
                    return Err(Refusal::Refused);
                }
                Progress::More => {}
            }
        }
        input.read_some(&mut inspected.read, limits.largest).await?;
    }
}

async fn inspect_http(listener: &Listener, input: &mut Input<'_>, inspected: &mut Inspected) -> Result<(), Refusal> {
    if inspected.is_tls {
        return Ok(());
    }
    let stats = &listener.stats().http_inspector;
    loop {
        if !inspected.read.is_empty() {
            match http_preface::parse(&inspected.read) {
                Progress::Done(found) => {
                    let (counter, protocol) = match found {
                        Some(http_preface::Version::Http10) => (stats.http10_found, Some("http/1.0")),
                        Some(http_preface::Version::Http11) => (stats.http11_found, Some("http/1.1")),
                        Some(http_preface::Version::Http2) => (stats.http2_found, Some("h2c")),
                        None => (stats.http_not_found, None),
                    };
                    counter.inc();
                    if let Some(protocol) = protocol {
                        inspected.application_protocols = vec![Arc::from(protocol.as_bytes())];
                    }
                    return Ok(());
                }
                Progress::More if inspected.read.len() >= http_preface::LARGEST => {
                    stats.read_error.inc();
                    return Err(Refusal::Refused);
                }
                Progress::More => {}
            }
        }
        input.read_some(&mut inspected.read, http_preface::LARGEST).await?;
    }
}

async fn read_proxy_header(
    listener: &Listener,
    optional: bool,
    passes: &Passed,
    input: &mut Input<'_>,
    inspected: &mut Inspected,
) -> Result<(), Refusal> {
    loop {
        let parsed = proxy_protocol::parse(&inspected.read).and_then(|progress| {
            let Progress::Done(header) = progress else { return Ok(Progress::More) };
            let tlvs = inspected.read.get(header.tlvs..header.length).unwrap_or_default();
            Ok(Progress::Done((header, proxy_protocol::passed(tlvs, passes)?)))
        });
        match parsed {
            Ok(Progress::Done((header, tlvs))) => {
                inspected.read.advance(header.length);
                // As in Envoy the first header is whose entries count.
                inspected.tlvs.get_or_insert(tlvs);
                if let Some((source, destination)) = header.addresses {
                    (inspected.remote, inspected.local) = (Some(source), Some(destination));
                }
                return Ok(());
            }
            Ok(Progress::More) => {}
            Err(proxy_protocol::Bad::NoHeader) if optional => return Ok(()),
            Err(bad) => {
                listener.stats().proxy_protocol_error.inc();
                tracing::debug!(listener = &*listener.config().name, reason = %bad, "connection refused");
                return Err(Refusal::Refused);
            }
        }
        input.read_some(&mut inspected.read, proxy_protocol::LARGEST).await?;
    }
}

/// The socket, with the time that all filters have together.
struct Input<'a> {
    stream: &'a mut Accepted,
    deadline: Option<Instant>,
}

impl Input<'_> {
    /// Appends at least one byte, and never more than up to `limit` in all.
    async fn read_some(&mut self, read: &mut BytesMut, limit: usize) -> Result<(), Refusal> {
        let reading = async {
            read.reserve(512);
            let room = limit.saturating_sub(read.len()).max(1);
            let mut target = bytes::BufMut::limit(read, room);
            match self.stream {
                Accepted::Tcp(stream, _) => stream.read_buf(&mut target).await,
                Accepted::Unix(stream) => stream.read_buf(&mut target).await,
            }
        };
        let result: io::Result<usize> = match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, reading).await.map_err(|_| Refusal::Timeout)?,
            None => reading.await,
        };
        match result {
            Ok(0) => Err(Refusal::RemoteClose),
            Ok(_) => Ok(()),
            Err(_) => Err(Refusal::Error),
        }
    }
}

fn matches(rule: &ListenerPredicate, local: Option<SocketAddr>) -> bool {
    match rule {
        ListenerPredicate::Or(rules) => rules.iter().any(|rule| matches(rule, local)),
        ListenerPredicate::And(rules) => rules.iter().all(|rule| matches(rule, local)),
        ListenerPredicate::Not(rule) => !matches(rule, local),
        ListenerPredicate::Any => true,
        ListenerPredicate::DestinationPort { start, end } => {
            local.is_some_and(|local| (u32::from(*start)..*end).contains(&u32::from(local.port())))
        }
    }
}

#[cfg(test)]
mod tests;
