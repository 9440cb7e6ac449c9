//! The life of one downstream connection, top to bottom: listener filters, filter chain, TLS, then the terminal filter until it ends.
//! Runs as a task of its own; whatever goes wrong ends this connection alone.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use self::handshake::{cut, secure};
use self::told::{Life, StartTime, log, log_failed_handshake, log_served, log_unserved, turn_away};
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
use crate::telemetry::stream_info::ConnectionInfo;
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
    // Boxed, as the terminal filters are: a connection holds the future of what it does now, not of the largest thing it may do.
    let established = Box::pin(establish(&worker, slot, accepted, begun)).await;
    let Some(established) = established else { return };
    let Established { common, chain, stream, info, drain, life: _life, filters } = established;
    let ended = match &chain.terminal {
        Terminal::Http(manager) => {
            let (worker, manager, connection) = (worker.clone(), manager.clone(), info.clone());
            match filters.as_ref().and_then(|filters| filters.first(&info)) {
                None => {
                    Box::pin(http::serve(worker, manager, stream, connection, drain)).await;
                    None
                }
                Some(first) => {
                    let flags = Box::pin(after_first(first, worker, manager, stream, connection, drain)).await;
                    let mut ended = begun.stream_info(info.clone());
                    ended.flags = flags;
                    Some(ended)
                }
            }
        }
        Terminal::Tcp(proxy) => {
            let first = filters.as_ref().and_then(|filters| filters.first(&info));
            Some(Box::pin(tcp::proxy(&worker, proxy, stream, info.clone(), drain, first)).await)
        }
        Terminal::Echo => {
            let first = filters.as_ref().and_then(|filters| filters.first(&info));
            let (received, sent) = Box::pin(tcp::echo(stream, &drain, first)).await;
            let mut info = begun.stream_info(info.clone());
            (info.bytes_received, info.bytes_sent) = (received, sent);
            Some(info)
        }
        Terminal::Direct(response) => {
            let sent = Box::pin(tcp::direct(stream, response, &drain)).await;
            let mut info = begun.stream_info(info.clone());
            info.bytes_sent = sent;
            info.response_code_details = Some("direct_response".into());
            Some(info)
        }
        Terminal::None => None,
    };
    log_served(&worker, &common, &ended.unwrap_or_else(|| begun.stream_info(info)));
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
        server_name: inspected.server_name.as_deref().unwrap_or_default(),
        transport_protocol: if inspected.is_tls { "tls" } else { "raw_buffer" },
        application_protocols: &inspected.application_protocols,
    };
    let Some(chain) = choose_chain(listener, &slot, &facts) else {
        common.stats.no_filter_chain_match.inc();
        let what = if inspected.is_tls { "TLS" } else { "plain, and the chains may be for TLS" };
        tracing::debug!(
            listener = &*common.name,
            server_name = facts.server_name,
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
    let Inspected { read, server_name, state, .. } = inspected;
    let mut info = Rc::new(ConnectionInfo {
        id: worker.connections.next(),
        direct_local: or_nowhere(direct_local),
        direct_remote: or_nowhere(direct_remote),
        labels: [Some(common.metadata.clone()), Some(chain.metadata.clone())],
        requested_server_name: server_name,
        filter_chain: chain.name.clone(),
        filter_state: RefCell::new(state),
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
    if let Some(tls) = &info.tls
        && info.requested_server_name.is_none()
    {
        let name = tls.server_name.clone();
        Rc::make_mut(&mut info).requested_server_name = name;
    }
    if let Some(filters) = &filters
        && let Err(closed) = drain.before_end(filters.secured(&info, &mut stream)).await.unwrap_or(Err(CUT))
    {
        turn_away(worker, &common, &chain, begun, info, (&stream, closed));
        return None;
    }
    let exchanged = drain.before_end(exchange(&chain, stream, &info)).await;
    let Some(Ok(stream)) = exchanged else {
        log(worker, &common, &begun.stream_info(info));
        return None;
    };
    Some(Established { common, chain, stream, info, drain, life, filters })
}

/// Both ends say which workload they stand for, where the chain has the filter and the client agrees.
async fn exchange(chain: &FilterChain, stream: Stream, info: &ConnectionInfo) -> std::io::Result<Stream> {
    let Some(exchange) = &chain.exchange else { return Ok(stream) };
    let alpn = info.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
    let (stream, peer) = exchange.begin(stream, alpn).await?;
    info.filter_state.borrow_mut().set_peer(Side::Downstream, peer);
    Ok(stream)
}

/// What of the process and of this drain concerns a connection of the listener.
fn watch(worker: &Worker, common: &Common, drain: &Arc<Drain>) -> DrainWatch {
    DrainWatch::new(worker.drain.clone(), drain.clone(), common.direction).modify_only(common.modify_only)
}

/// HTTP's clients speak first: filters see what they say before the codec does.
async fn after_first(
    mut first: Box<First>,
    worker: Rc<Worker>,
    manager: Arc<http::ConnectionManager>,
    mut stream: Stream,
    info: Rc<ConnectionInfo>,
    drain: DrainWatch,
) -> ResponseFlags {
    let seen = drain.before_end(std::future::poll_fn(|cx| first.poll(cx, &mut stream)));
    let seen = match manager.idle_timeout() {
        Some(idle) => tokio::time::timeout(idle, seen).await.ok().flatten(),
        None => seen.await,
    };
    match seen {
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
    }
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
