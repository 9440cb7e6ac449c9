//! The life of one downstream connection, top to bottom: listener filters, filter chain, TLS, then the terminal filter until it ends.
//! Runs as a task of its own; whatever goes wrong ends this connection alone.

use std::cell::RefCell;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;

use self::handshake::{cut, secure};
use self::told::{Life, Served, StartTime, log, log_failed_handshake, log_unserved, turn_away};
use super::Listener;
use super::accept::Slot;
use super::accepted::Accepted;
use super::chain::{FilterChain, Terminal};
use super::compiled::Common;
use super::filters::{self, Inspected, Refusal};
use super::limit::Permit;
use super::matching::Facts;
use crate::drain::{Drain, DrainWatch};
use crate::failure::ResponseFlags;
use crate::tcp::filters::{Closed, First, Started};
use crate::telemetry::peer::Side;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo, Told};
use crate::tls::info::PeerName;
use crate::transport::Stream;
use crate::worker::Worker;
use crate::{http, tcp};

mod handshake;
mod told;

/// A connection that has its chain and, if the chain says so, TLS.
struct Established {
    common: Arc<Common>,
    chain: Arc<FilterChain>,
    stream: Stream,
    info: Rc<ConnectionInfo>,
    drain: DrainWatch,
    life: Life,
    /// Kept until the connection has ended.
    filters: Option<Rc<Started>>,
}

/// The listener's drain has ended while a filter waited.
const CUT: Closed = Closed { flags: ResponseFlags::NONE, by_client: false };

/// Serves an accepted socket to its end.
pub(super) async fn run(worker: Rc<Worker>, slot: Rc<Slot>, accepted: Accepted, _permit: Permit) {
    let begun = StartTime::now();
    // Boxed, as what the last filter does is: a connection holds the future of what it does now, not of the largest thing it may do.
    let established = Box::pin(establish(&worker, slot, accepted, begun)).await;
    let Some(established) = established else { return };
    let Established { common, chain, stream, info, drain, life: _life, filters } = established;
    let mut first = match &chain.terminal {
        Terminal::Http(_) | Terminal::Echo | Terminal::Tcp(_) => {
            filters.as_ref().and_then(|filters| filters.first(&info))
        }
        Terminal::Direct(_) | Terminal::None => None,
    };
    let more = first.as_mut().and_then(|first| first.more());
    let octets = info.told.as_ref().and_then(|told| told.octets.clone());
    let stream = match octets {
        None => stream,
        Some(octets) => stream.counting(octets),
    };
    // Before what it tells of, so that it is dropped behind that.
    let told = Served::begin(&worker, common, begun, &info);
    let stream = match &more {
        None => stream,
        Some(more) => more.gated(stream),
    };
    let served = serve(&worker, &chain, stream, &info, drain, first, begun);
    let ended = match more {
        None => served.await,
        Some(more) => Box::pin(more.beside(served)).await,
    };
    if let Some(told) = told {
        told.end(ended);
    }
}

/// What the last filter of a chain does, on the heap: a connection's task is no larger than what it does now.
type Serving<'s> = Pin<Box<dyn Future<Output = Option<StreamInfo>> + 's>>;

/// The last filter of the chain, to its end.
fn serve<'s>(
    worker: &'s Rc<Worker>,
    chain: &'s FilterChain,
    stream: Stream,
    info: &'s Rc<ConnectionInfo>,
    drain: DrainWatch,
    first: Option<Box<First>>,
    begun: StartTime,
) -> Serving<'s> {
    match (&chain.terminal, first) {
        (Terminal::Http(manager), None) => {
            Box::pin(http::serve(worker.clone(), manager.clone(), stream, info.clone(), drain).map(|()| None))
        }
        (Terminal::Http(manager), Some(first)) => {
            let served = after_first(first, worker.clone(), manager.clone(), stream, info.clone(), drain);
            Box::pin(served.map(move |(flags, received)| {
                let mut info = begun.stream_info(info.clone());
                (info.flags, info.bytes_received) = (flags, received);
                Some(info)
            }))
        }
        (Terminal::Tcp(proxy), first) => {
            Box::pin(tcp::proxy(worker, proxy, stream, info.clone(), drain, first).map(Some))
        }
        (Terminal::Echo, first) => Box::pin(async move {
            let (received, sent) = tcp::echo(stream, &drain, first).await;
            let mut info = begun.stream_info(info.clone());
            (info.bytes_received, info.bytes_sent) = (received, sent);
            Some(info)
        }),
        (Terminal::Direct(response), _) => Box::pin(async move {
            let sent = tcp::direct(stream, response, &drain).await;
            let mut info = begun.stream_info(info.clone());
            info.bytes_sent = sent;
            info.response_code_details = Some("direct_response".into());
            Some(info)
        }),
        (Terminal::None, _) => Box::pin(std::future::ready(None)),
    }
}

/// Listener filters, filter chain, TLS. `None`: the connection ends here, and has been counted and logged.
async fn establish(
    worker: &Rc<Worker>,
    slot: Rc<Slot>,
    mut accepted: Accepted,
    begun: StartTime,
) -> Option<Established> {
    let listener = slot.load();
    let common = listener.common().clone();
    let drain = watch(worker, &common, &common.drain);
    let (local, direct_remote) = accepted.addresses();
    let inspected = {
        let _waiting = common.stats.pre_cx_active.hold();
        drain.before_end(filters::run(&listener, &mut accepted, local)).await
    };
    let inspected = match inspected {
        Some(Ok(inspected)) => inspected,
        refused => {
            if refused.is_some_and(|result| matches!(result, Err(Refusal::Refused))) {
                accepted.reset_on_close();
            }
            let info = addresses(local, direct_remote);
            log_unserved(worker, &common, begun, info, ResponseFlags::NONE);
            return None;
        }
    };
    let (direct_local, local) = (local, inspected.local.or(local));
    let remote = inspected.remote.or(direct_remote);
    let facts = Facts {
        local,
        remote,
        direct_remote,
        server_name: inspected.server_name.as_ref().map_or(b"", PeerName::as_bytes),
        transport_protocol: if inspected.is_tls { "tls" } else { "raw_buffer" },
        application_protocols: &inspected.application_protocols,
    };
    let Some(chain) = choose_chain(listener, &slot, &facts) else {
        common.stats.no_filter_chain_match.inc();
        let what = if inspected.is_tls { "TLS" } else { "plain, and the chains may be for TLS" };
        tracing::debug!(
            listener = &*common.name,
            server_name = %facts.server_name.escape_ascii(),
            "no filter chain matches: what came is {what}"
        );
        if !inspected.read.is_empty() {
            accepted.reset_on_close();
        }
        let mut info = addresses(local, remote);
        info.requested_server_name = inspected.server_name;
        log_unserved(worker, &common, begun, info, ResponseFlags::NO_ROUTE_FOUND);
        return None;
    };
    drop(slot);
    let drain = watch(worker, &common, &chain.drain);
    let Inspected { read, server_name, state, tlvs, .. } = inspected;
    let mut info = Rc::new(ConnectionInfo {
        id: worker.connections.next(),
        direct_local: or_nowhere(direct_local),
        direct_remote: or_nowhere(direct_remote),
        labels: [Some(common.metadata.clone()), Some(chain.metadata.clone())],
        requested_server_name: server_name,
        proxy_tlvs: tlvs,
        listener: common.name.clone(),
        filter_chain: chain.name.clone(),
        filter_state: RefCell::new(state),
        told: (!common.access_log.is_empty()).then(|| Told::new(matches!(chain.terminal, Terminal::Http(_)))),
        ..addresses(local, remote)
    });
    let life = Life::begin(&common, begun.at);
    let mut stream = Stream::with_prefix(read.freeze(), accepted.into_io());
    let half_open = matches!(chain.terminal, Terminal::Tcp(_));
    let Ok(filters) = chain.filters.start(&worker.calls, half_open) else {
        common.stats.network_extension_config_missing.inc();
        stream.reset_if_unread();
        log(worker, &common, &begun.stream_info(info));
        return None;
    };
    if let Some(filters) = &filters
        && let Err(closed) = drain.before_end(filters.connected(&info, &mut stream)).await.unwrap_or(Err(CUT))
    {
        turn_away(worker, &common, &chain, begun, info, (&stream, closed));
        return None;
    }
    let secured = drain.before_end(secure(&common, &chain, stream)).await;
    let mut stream = match secured.unwrap_or_else(|| Err(cut())) {
        Ok((stream, tls)) => {
            // Nobody else holds it yet, so that nothing is copied.
            let info = Rc::make_mut(&mut info);
            info.handshake = tls.is_some().then(|| begun.at.elapsed());
            info.tls = tls;
            stream
        }
        Err(failure) => {
            log_failed_handshake(worker, &common, &chain, begun, info, &failure);
            return None;
        }
    };
    if let Some(filters) = &filters
        && let Err(closed) = drain.before_end(filters.secured(&info, &mut stream)).await.unwrap_or(Err(CUT))
    {
        turn_away(worker, &common, &chain, begun, info, (&stream, closed));
        return None;
    }
    let exchanged = drain.before_end(exchange(&chain, stream, &info)).await;
    let Some(Ok(stream)) = exchanged else {
        log_failed_handshake(worker, &common, &chain, begun, info, &cut());
        return None;
    };
    Some(Established { common, chain, stream, info, drain, life, filters })
}

/// Both ends say which workload they stand for, where the chain has the filter and the client agrees.
async fn exchange(chain: &FilterChain, stream: Stream, info: &ConnectionInfo) -> std::io::Result<Stream> {
    let Some(exchange) = &chain.exchange else { return Ok(stream) };
    let alpn = info.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    let (stream, peer) = exchange.begin(stream, alpn, Some(info.remote.ip())).await?;
    info.filter_state.borrow_mut().set_peer(Side::Downstream, peer);
    Ok(stream)
}

/// What of the process and of this drain concerns a connection of the listener.
fn watch(worker: &Worker, common: &Common, drain: &Arc<Drain>) -> DrainWatch {
    DrainWatch::new(worker.drain.clone(), drain.clone(), common.direction)
        .modify_only(common.modify_only)
        .bypassing_overload(common.bypass_overload)
}

/// HTTP's clients speak first: filters see what they say before the codec does. What became of it, and how many octets nobody has read
/// after them.
async fn after_first(
    mut first: Box<First>,
    worker: Rc<Worker>,
    manager: Arc<http::ConnectionManager>,
    mut stream: Stream,
    info: Rc<ConnectionInfo>,
    drain: DrainWatch,
) -> (ResponseFlags, u64) {
    let seen = drain.before_end(std::future::poll_fn(|cx| first.poll(cx, &mut stream)));
    let seen = match manager.idle_timeout() {
        Some(idle) => tokio::time::timeout(idle, seen).await.ok().flatten(),
        None => seen.await,
    };
    let held = first.held();
    manager.count_unserved_octets(held);
    let flags = match seen {
        Some(Ok(())) => {
            http::serve(worker, manager, stream, info, drain).await;
            ResponseFlags::NONE
        }
        Some(Err(error)) => {
            let closed = Closed::of(&error);
            manager.count_unserved(info.tls.is_some(), closed.is_none_or(|closed| closed.by_client));
            closed.map_or(ResponseFlags::NONE, |closed| closed.flags)
        }
        None => {
            manager.count_unserved(info.tls.is_some(), false);
            ResponseFlags::NONE
        }
    };
    (flags, held)
}

/// The chain, of the newest version whose listener filters are those that have run.
fn choose_chain(listener: Arc<Listener>, slot: &Slot, facts: &Facts<'_>) -> Option<Arc<FilterChain>> {
    let newest = slot.load();
    let listener = if listener.is_succeeded_by(&newest) { newest } else { listener };
    listener.find_chain(facts).cloned()
}

/// Unix sockets have no address that logs could print.
fn or_nowhere(address: Option<SocketAddr>) -> SocketAddr {
    address.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into())
}

pub(super) fn addresses(local: Option<SocketAddr>, remote: Option<SocketAddr>) -> ConnectionInfo {
    ConnectionInfo { id: 0, ..ConnectionInfo::between(or_nowhere(local), or_nowhere(remote)) }
}

#[cfg(test)]
pub(super) mod tests;
