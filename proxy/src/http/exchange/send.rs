//! The one way out: response filters, then the connection manager's own headers, then head and body. [`answer`] for what came from
//! upstream, [`reply`] for our own.

use std::future::poll_fn;

use super::Exchange;
use crate::http::early;
use crate::http::filters;
use crate::http::filters::filter::{Hooks, Way};
use crate::http::filters::frames::{Frames, Own};
use crate::http::framing;
use crate::http::local_reply::{self, LocalReply};
use crate::http::reason;
use crate::http::relay::{self, AwaitsTrailers, FromUpstream, Kind, Origin};
use crate::http::respond;
use crate::http::stop::Stop;
use crate::http::upgrade;
use crate::http::upload::Upload;
use crate::http::upstreams::{Lease, Target};
use crate::stats::Counter;
use crate::wire::codec::Downstream;
use crate::wire::message::{BodyLength, ResponseHead};

/// Sends what an upstream answers: the head, then the body out of its stream, and the other way what is left of the request's.
/// `awaits_trailers`, of gRPC: the host, which is counted by the status in the trailers. `flow` counts waits for the client.
pub(in crate::http) async fn answer(
    exchange: &mut Exchange<'_>,
    downstream: &mut dyn Downstream,
    mut head: ResponseHead,
    (lease, upload): (&mut Lease, &mut Upload),
    (awaits_trailers, flow): (Option<Target>, [Counter; 2]),
) -> Result<(), Stop> {
    exchange.watch.deadlines.touch();
    let tunnel = upgrade::begin_tunnel(&exchange.stream, &head, upload);
    if tunnel.is_some() {
        exchange.watch.tunnel_opens();
    } else {
        exchange.read_refused_tunnel(downstream).await;
    }
    let ignored = tunnel.is_none() && upgrade::ignored(&exchange.stream.request, &mut head);
    let details = if ignored { "websocket_handshake_unsuccessful" } else { "via_upstream" };
    exchange.stream.info.response_code_details = Some(details.into());
    respond::upstream_head(&mut exchange.stream, &mut head);
    exchange.stream.info.upstream_head = head.wire_size;
    if tunnel.is_some() {
        early::at_tunnel(&mut exchange.stream);
    }
    let kind = Kind { tunnel: tunnel.is_some(), upstream: lease.protocol(), raw: lease.is_raw(), flow };
    if head.body == BodyLength::Empty {
        exchange.stream.info.mark(|times| &mut times.response_ends);
    }
    let lost = exchange.stream.context.manager.stats.rq_reset_after_downstream_response_started;
    let awaits_trailers = awaits_trailers.map(|host| AwaitsTrailers { host, lost });
    let origin = Origin::Upstream(FromUpstream::new(lease.stream(), upload, kind, awaits_trailers));
    deliver(exchange, downstream, head, origin, true).await
}

/// Sends an answer of our own.
pub(super) async fn reply(
    exchange: &mut Exchange<'_>,
    downstream: &mut dyn Downstream,
    reply: LocalReply,
) -> Result<(), Stop> {
    if exchange.response_begun() {
        return Err(reply.into());
    }
    if exchange.waited {
        exchange.read_what_is_there(downstream).await;
    }
    exchange.start_filters();
    let (head, body) = local_reply::build(&mut exchange.stream, downstream, reply);
    deliver(exchange, downstream, head, Origin::Own(Own(Some(body))), true).await
}

/// Everything that a response goes through. A filter's own answer to a response goes past the filters (`filtered` is false then).
async fn deliver(
    exchange: &mut Exchange<'_>,
    downstream: &mut dyn Downstream,
    head: ResponseHead,
    mut origin: Origin<'_>,
    filtered: bool,
) -> Result<(), Stop> {
    exchange.stream.info.response_code = head.status;
    exchange.stream.response = Some(head);
    let asked = filtered && exchange.hooks.has(Hooks::RESPONSE);
    if asked && exchange.filters.iter().any(|filter| filter.hooks().has(Hooks::RESPONSE)) {
        match Box::pin(filters::run::response(exchange, downstream, &mut origin)).await {
            Ok(()) => {}
            Err(Stop::Reply(reply)) => {
                exchange.response_frames = None;
                let (head, body) = local_reply::build(&mut exchange.stream, downstream, *reply);
                let own = Origin::Own(Own(Some(body)));
                return Box::pin(deliver(exchange, downstream, head, own, false)).await;
            }
            Err(stop) => return Err(stop),
        }
    }
    let Some(mut head) = exchange.stream.response.take() else { return Ok(()) };
    let looks = filtered && exchange.hooks.has(Hooks::RESPONSE_BODY);
    if looks && head.body != BodyLength::Empty && exchange.response_frames.is_none() {
        exchange.response_frames = Frames::new(Way::Response, &exchange.filters);
    }
    if asked || filtered && !exchange.filters.is_empty() && origin.is_own() {
        // Filters append lines, too, and to answers of their own.
        head.headers.join_repeated(respond::SINGLE);
        framing::settle_response(&mut head, exchange.stream.asked.head);
    }
    respond::finish_head(&mut exchange.stream, downstream, &mut head);
    if head.headers.is_doubted() {
        head.headers.take_out_unsound(|header| reason::left_out(&exchange.stream, header));
    }
    let end = head.body == BodyLength::Empty && !origin.is_tunnel();
    downstream.send_head(&head, end)?;
    exchange.response_sent(head);
    if end {
        exchange.watch.response_ends(exchange.stream.request.protocol);
        return poll_fn(|cx| exchange.poll_flush(downstream, cx)).await;
    }
    relay::run(exchange, downstream, &mut origin).await
}
