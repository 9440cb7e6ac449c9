//! The life of a request, top to bottom. Each stage is a file of its own; this one is the order in which they happen.
//!
//! `connection` calls [`exchange`] for every request, whatever the codec. It sees a [`Downstream`] and streams of upstreams, never a
//! socket, and it runs in one task: no spawn, no channel, both bodies pumped by polling. Whatever the answer is, an upstream's or one of
//! our own, it leaves by one way: [`send`].

mod replayed;
pub(super) mod send;
mod state;

use std::cell::OnceCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;

use bytes::Bytes;

use super::attempt::Elsewhere;
use super::attempt::redirects::History;
use super::codec_error;
use super::context::Context;
use super::early;
use super::filters;
use super::filters::behind::Pinned;
use super::forwarded;
use super::framing;
use super::local_reply::LocalReply;
use super::masque;
use super::normalize::{self, Normalized};
use super::request_id;
use super::router;
use super::stop::Stop;
use super::stream::Stream;
use super::trace;
use super::upgrade;
use super::watch::Watch;
use super::xfcc;
use crate::failure::ResponseFlags;
use crate::overload::Act;
use crate::telemetry::format;
use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::h2::Unseen;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{Method, Protocol, RequestHead};

use self::replayed::Replayed;
pub(super) use self::state::{Exchange, Incoming};

/// Serves one request to its end: the response has been written, or the stream was reset. A redirect that is followed here begins anew.
pub(super) async fn exchange(context: &Context, downstream: &mut dyn Downstream, request: RequestHead) {
    let mut next = serve(context, downstream, request, None, None).await;
    while let Some(elsewhere) = next {
        let Elsewhere { head, body, trailers, history, caller } = *elsewhere;
        let mut downstream = Replayed::new(downstream, body, trailers);
        next = Box::pin(serve(context, &mut downstream, head, Some((history, caller)), None)).await;
    }
}

/// Answers what never became a request.
pub(super) async fn refused(context: &Context, downstream: &mut dyn Downstream, protocol: Protocol, reply: LocalReply) {
    Box::pin(serve(context, downstream, RequestHead::unread(protocol), None, Some(Box::new(reply)))).await;
}

/// What never became a request, and is not answered: it is counted and logged.
pub(super) fn abandoned(context: &Context, protocol: Protocol, error: &StreamError) {
    headless(context, protocol, |exchange| exchange.client_gone(error));
}

/// What never became a request, for we end its connection: likewise.
pub(super) fn cut_off(context: &Context, protocol: Protocol) {
    context.ended.set((false, true));
    headless(context, protocol, |exchange| exchange.stream.context.manager.stats.downstream_rq_rx_reset.inc());
}

/// What HTTP/2's codec has refused: nobody has seen it, but it is counted and logged.
pub(super) fn unseen(context: &Context, Unseen { detail, unwanted }: Unseen) {
    headless(context, Protocol::Http2, |exchange| {
        if unwanted {
            context.manager.stats.downstream_rq_rx_reset.inc();
            exchange.stream.info.flags.set(ResponseFlags::DOWNSTREAM_REMOTE_RESET);
            exchange.stream.info.response_code_details = Some(detail.into());
        } else {
            exchange.client_gone(&StreamError::Protocol { detail, status: 400 });
        }
    });
}

fn headless(context: &Context, protocol: Protocol, tell: impl FnOnce(&mut Exchange<'_>)) {
    let (chain, pinned) = (context.chain(), Pinned::default());
    let mut exchange = Exchange::begin(context, (&chain, &pinned), RequestHead::unread(protocol));
    exchange.stream.headless = true;
    tell(&mut exchange);
    exchange.end();
}

/// What a request brings along that has been redirected.
type Before = (History, (bool, Option<SocketAddr>));

async fn serve(
    context: &Context,
    downstream: &mut dyn Downstream,
    request: RequestHead,
    before: Option<Before>,
    refusal: Option<Box<LocalReply>>,
) -> Option<Box<Elsewhere>> {
    // They live longer than the exchange, which borrows from them.
    let (table, chain, pinned) = (OnceCell::new(), context.chain(), Pinned::default());
    let mut exchange = Exchange::begin(context, (&chain, &pinned), request);
    if let Some((history, (internal, remote))) = before {
        exchange.stream.history = Some(Box::new(history));
        (exchange.stream.internal, exchange.stream.info.downstream_remote) = (internal, remote);
    }
    let mut result = match refusal {
        None => proxy(&mut exchange, downstream, &table).await,
        Some(reply) => {
            exchange.stream.headless = true;
            // Its time may be over already: whoever refuses it bounds what is left.
            exchange.watch = Watch::default();
            Err(Stop::Reply(reply))
        }
    };
    if let Err(Stop::Gone(error)) = &result
        && let Some(reply) = codec_error::reply(error)
        && exchange.stream.request.protocol != Protocol::Http2
    {
        // A body that breaks the protocol is counted and answered like a head that does. HTTP/2's codec has reset its stream.
        context.broken();
        if !exchange.response_begun() {
            result = Err(reply.into());
        }
    }
    if let Err(Stop::Reply(reply)) = result {
        result = send::reply(&mut exchange, downstream, *reply).await;
    }
    let mut elsewhere = None;
    match result {
        Ok(()) => {
            exchange.answered();
            exchange.count_unread();
            if exchange.stream.has_lost_its_tunnel() {
                downstream.leads_nowhere();
            }
        }
        Err(Stop::Elsewhere(next)) => {
            exchange.answered();
            elsewhere = Some(next);
        }
        // An answer to an answer: the response had begun.
        Err(Stop::Reply(reply)) => {
            exchange.abort(reply.flags, reply.details);
            downstream.reset(ResetReason::InternalError);
        }
        Err(Stop::Abort { flags, details, reason }) => {
            exchange.abort(flags, details);
            // What was sent leaves before the reset: HTTP/2's would overtake it in the connection's queue.
            let _ = poll_fn(|cx| Poll::Ready(downstream.poll_flush(cx))).await;
            tokio::task::yield_now().await;
            downstream.reset(reason);
        }
        Err(Stop::Gone(error)) => {
            exchange.client_gone(&error);
            downstream.reset(ResetReason::Cancel);
        }
    }
    exchange.stream.info.client_wire(|| downstream.on_wire());
    exchange.end();
    elsewhere
}

async fn proxy<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    table: &'s OnceCell<super::context::PinnedTable>,
) -> Result<(), Stop> {
    let context = exchange.stream.context;
    check_overload(exchange)?;
    // As with Envoy before anything else is judged: who waits for this hears it, whatever the answer will be.
    upgrade::expect_continue(&mut exchange.stream, downstream)?;
    let table = match context.table() {
        Some(found) => Some(table.get_or_init(|| found)),
        None => exchange.wait_for_table(downstream).await?.map(|found| table.get_or_init(|| found)),
    };
    let table = table.map(|table| &***table);

    // What the request says of itself, made trustworthy.
    if let Err(stop) = check(exchange).and_then(|()| normalize(exchange)) {
        // The answer is the route's, where that can be told: it is looked up by the protocol that the request has come over, which is not
        // known yet unless a proxy before us has said it.
        if exchange.stream.request.headers.contains(&Name::X_FORWARDED_PROTO) {
            router::choose(&mut exchange.stream, table);
        }
        return Err(stop);
    }
    let stream = &mut exchange.stream;
    // What a redirect leads to is made by us, out of what was judged before.
    if stream.history.is_none() {
        change_early(stream);
        let caller = forwarded::apply(context, &mut stream.request, table)
            .map_err(|status| LocalReply::new(status, "rejecting_because_detection_failed"))?;
        stream.info.downstream_remote = caller.address;
        stream.internal = caller.internal;
        request_id::apply(&context.manager.config, &mut stream.request, caller.edge);
        xfcc::apply(stream);
    }

    // Where it would go. Whether there is such a place, the router says, when the filters have had their say.
    router::choose(&mut exchange.stream, table);
    trace::begin(&mut exchange.stream);
    early::at_start(&mut exchange.stream);
    // Our own answers have response filters, too.
    exchange.start_filters();
    upgrade::check(&mut exchange.stream)?;
    filters::run::request(exchange, downstream).await?;

    // There, and back.
    router::answer(exchange, downstream).await
}

/// Whether there is enough of everything for one more request. One that is redirected has begun already.
fn check_overload(exchange: &Exchange<'_>) -> Result<(), Stop> {
    let context = exchange.stream.context;
    let sheds = || context.does(Act::ShedRequest) || context.does(Act::StopRequests);
    if exchange.stream.history.is_some() || !sheds() {
        return Ok(());
    }
    context.manager.stats.downstream_rq_overload_close.inc();
    let mut reply = LocalReply::overloaded();
    if context.manager.config.append_local_overload {
        reply.headers.push((Name::X_ENVOY_LOCAL_OVERLOADED, Bytes::from_static(b"true")));
    }
    Err(reply.into())
}

/// Envoy's own demands on a request, in its order.
fn check(exchange: &mut Exchange<'_>) -> Result<(), Stop> {
    let request = &mut exchange.stream.request;
    if let Some(host) = &exchange.stream.context.manager.config.default_host
        && request.authority.is_empty()
        && request.protocol == Protocol::Http10
    {
        request.authority = Bytes::copy_from_slice(host.as_bytes());
    }
    if request.authority.is_empty() {
        return Err(LocalReply::new(400, "missing_host_header").into());
    }
    if request.method == Method::Connect {
        return Ok(());
    }
    // The body of a QUERY is the question: without its type nobody can read it.
    if request.method.as_bytes() == b"QUERY" && !request.headers.contains(&Name::CONTENT_TYPE) {
        return Err(LocalReply::new(400, "query_missing_content_type").into());
    }
    // HTTP/2 hands the kind on as it was spelt.
    if request.upgrade.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(masque::KIND)) {
        let Some(target) = masque::target(&request.path) else {
            let reply = LocalReply::new(404, "invalid_path").body(&b"The path is incorrect for CONNECT-UDP"[..]);
            return Err(reply.into());
        };
        request.authority = target;
    }
    match request.path.first() {
        Some(b'/') => Ok(()),
        Some(_) => {
            exchange.stream.context.manager.stats.downstream_rq_non_relative_path.inc();
            Err(LocalReply::new(404, "absolute_path_rejected").into())
        }
        None if request.upgrade.is_some() => Ok(()),
        None => Err(LocalReply::new(404, "missing_path_rejected").into()),
    }
}

/// Changes that come before anybody has looked at the headers.
fn change_early(stream: &mut Stream<'_>) {
    let changes = &stream.context.manager.early_headers;
    if !changes.is_empty() {
        changes.apply(stream, of_request, |stream, format, out| {
            format::write(format, &stream.entry(None, None), out);
        });
        framing::settle_request(&mut stream.request);
    }
}

fn of_request<'h>(stream: &'h mut Stream<'_>) -> Option<&'h mut Headers> {
    Some(&mut stream.request.headers)
}

fn normalize(exchange: &mut Exchange<'_>) -> Result<(), Stop> {
    let stream = &mut exchange.stream;
    let manager = &stream.context.manager;
    if !stream.request.path.is_empty() {
        let outcome = normalize::path(&manager.config, &mut stream.request);
        match outcome {
            Normalized::Done => {}
            // As in Envoy gRPC is not redirected.
            Normalized::Redirect if stream.asked.grpc => {
                manager.stats.downstream_rq_failed_path_normalization.inc();
                return Err(LocalReply::new(400, "path_normalization_failed").into());
            }
            Normalized::Refused => {
                manager.stats.downstream_rq_failed_path_normalization.inc();
                return Err(LocalReply::new(400, "path_normalization_failed").into());
            }
            Normalized::Redirect => {
                manager.stats.downstream_rq_redirected_with_normalized_path.inc();
                let mut reply = LocalReply::new(307, "path_normalization_failed");
                reply.headers.push((Name::LOCATION, stream.request.path.clone()));
                return Err(reply.into());
            }
        }
    }
    normalize::host(&manager.config, &mut stream.request, stream.context.connection.local.port());
    Ok(())
}

#[cfg(test)]
mod tests;
