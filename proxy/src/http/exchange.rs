//! The life of a request, top to bottom. Each stage is a file of its own; this one is the order in which they happen.
//!
//! `connection` calls [`exchange`] for every request, whatever the codec. It sees a [`Downstream`] and streams of upstreams, never a
//! socket, and it runs in one task: no spawn, no channel, both bodies pumped by polling.

use config::route::Action;

use super::attempt;
use super::context::Context;
use super::filters::{self, Decisions};
use super::forwarded;
use super::local_reply::{self, LocalReply};
use super::normalize::{self, Normalized};
use super::record::{Chosen, Record};
use super::redirect;
use super::relay;
use super::request_id;
use super::respond;
use super::route::{Found, RouteTable};
use super::stop::Stop;
use super::upgrade;
use super::xfcc;
use crate::failure::ResponseFlags;
use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::h1::phrase;
use crate::wire::headers::Name;
use crate::wire::message::{BodyLength, Method, RequestHead};

/// Serves one request to its end: the response has been written, or the stream was reset.
pub(super) async fn exchange(context: &Context, downstream: &mut dyn Downstream, request: RequestHead) {
    let table = match context.table() {
        Some(table) => Some(table),
        None => context.wait_for_table().await,
    };
    let mut record = Record::begin(context, request);
    let mut result = proxy(&mut record, downstream, table.as_ref().map(|table| &***table)).await;
    if let Err(Stop::Gone(StreamError::Protocol { detail, status })) = result
        && record.response.is_none()
    {
        // A body that breaks the protocol is answered like a head that does.
        let reply = LocalReply::new(status, detail).body(phrase(status));
        result = Err(reply.flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR).into());
    }
    if let Err(Stop::Reply(reply)) = result {
        result = local_reply::send(&mut record, downstream, *reply).await;
    }
    match result {
        Ok(()) => {}
        // An answer to an answer: the response had begun.
        Err(Stop::Reply(reply)) => {
            record.abort(reply.flags, reply.details);
            downstream.reset(ResetReason::InternalError);
        }
        Err(Stop::Abort { flags, details, reason }) => {
            record.abort(flags, details);
            // What was sent leaves before the reset: HTTP/2's would overtake it in the connection's queue.
            tokio::task::yield_now().await;
            downstream.reset(reason);
        }
        Err(Stop::Gone(error)) => {
            record.client_gone(&error);
            downstream.reset(ResetReason::Cancel);
        }
    }
    record.complete = true;
}

async fn proxy<'a>(
    record: &mut Record<'a>,
    downstream: &mut dyn Downstream,
    table: Option<&'a RouteTable>,
) -> Result<(), Stop> {
    // What the request says of itself, made trustworthy.
    check(record)?;
    normalize(record)?;
    let caller = forwarded::apply(record.context, &mut record.request, table);
    record.info.downstream_remote = caller.address;
    record.internal = caller.internal;
    request_id::apply(&record.context.manager, &mut record.request, caller.edge);
    xfcc::apply(record.context, &mut record.request.headers);

    // Where it goes.
    let chosen = route(record, table)?;
    record.take_decorator(chosen);
    upgrade::check(record, chosen)?;

    // What filters say.
    let mut decisions = Decisions::default();
    filters::request_headers(&record.context.manager.filters, &mut decisions);

    // There.
    let Some(forwarding) = chosen.forwarding else { return Err(own_answer(record, chosen)) };
    record.context.manager.stats.rq_total.inc();
    upgrade::expect_continue(record, downstream)?;
    let mut answer = attempt::run(record, downstream, chosen, forwarding, &decisions).await?;

    // And back.
    record.deadlines.touch();
    let tunnel = upgrade::begin_tunnel(record, &answer.head, &mut answer.upload);
    let ignored = tunnel.is_none() && upgrade::ignored(&record.request, &mut answer.head);
    respond::upstream_head(record, &mut answer.head);
    respond::finish_head(record, downstream, &mut answer.head);
    record.info.response_headers_bytes = u64::from(answer.head.wire_size);
    let details = if ignored { "websocket_handshake_unsuccessful" } else { "via_upstream" };
    record.info.response_code_details = Some(details.into());
    let end = answer.head.body == BodyLength::Empty && tunnel.is_none();
    downstream.send_head(&answer.head, end)?;
    record.response_sent(answer.head);
    if end {
        return std::future::poll_fn(|cx| record.poll_flush(downstream, cx)).await;
    }
    let kind = relay::Kind { tunnel: tunnel.is_some(), upstream: answer.lease.protocol() };
    relay::run(record, downstream, answer.lease.stream(), &mut answer.upload, kind).await
}

/// Envoy's own demands on a request, in its order.
fn check(record: &Record<'_>) -> Result<(), LocalReply> {
    let request = &record.request;
    if request.authority.is_empty() {
        return Err(LocalReply::new(400, "missing_host_header"));
    }
    if request.method == Method::Connect {
        return Ok(());
    }
    // The body of a QUERY is the question: without its type nobody can read it.
    if request.method.as_bytes() == b"QUERY" && !request.headers.contains(&Name::CONTENT_TYPE) {
        return Err(LocalReply::new(400, "query_missing_content_type"));
    }
    match request.path.first() {
        Some(b'/') => Ok(()),
        _ if request.is_about_server() => Ok(()),
        Some(_) => {
            record.context.manager.stats.downstream_rq_non_relative_path.inc();
            Err(LocalReply::new(404, "absolute_path_rejected"))
        }
        None if request.upgrade.is_some() => Ok(()),
        None => Err(LocalReply::new(404, "missing_path_rejected")),
    }
}

fn normalize(record: &mut Record<'_>) -> Result<(), LocalReply> {
    let manager = &record.context.manager;
    if !record.request.path.is_empty() {
        match normalize::path(&manager.config, &mut record.request) {
            Normalized::Done => {}
            Normalized::Refused => {
                manager.stats.downstream_rq_failed_path_normalization.inc();
                return Err(LocalReply::new(400, "path_normalization_failed"));
            }
            Normalized::Redirect => {
                manager.stats.downstream_rq_redirected_with_normalized_path.inc();
                let mut reply = LocalReply::new(307, "path_normalization_failed");
                reply.location = Some(record.request.path.clone());
                return Err(reply);
            }
        }
    }
    normalize::host(&manager.config, &mut record.request, record.context.connection.local.port());
    Ok(())
}

/// Looks the route up and rolls the dice of weighted clusters.
fn route<'a>(record: &mut Record<'a>, table: Option<&'a RouteTable>) -> Result<Chosen<'a>, LocalReply> {
    let stats = &record.context.manager.stats;
    let random = fastrand::u64(..);
    let found = table.map(|table| (table, table.find(&record.request, random)));
    let (table, host, route) = match found {
        Some((table, Found::Route(host, route))) => (table, host, route),
        Some((_, Found::RedirectToTls)) => {
            stats.rq_redirect.inc();
            return Err(redirect::to_tls(&record.request));
        }
        Some((_, Found::Nothing)) | None => {
            stats.no_route.inc();
            return Err(LocalReply::new(404, "route_not_found").flags(ResponseFlags::NO_ROUTE_FOUND));
        }
    };
    let forwarding = route.forwarding.as_ref();
    let weighted = forwarding.and_then(|forwarding| forwarding.choose(random));
    let chosen = Chosen { table, host, route, forwarding, weighted };
    record.route = Some(chosen);
    record.info.route_name = Some(route.config.name.clone());
    Ok(chosen)
}

/// Routes that are answered here.
fn own_answer(record: &Record<'_>, chosen: Chosen<'_>) -> Stop {
    let stats = &record.context.manager.stats;
    match &chosen.route.config.action {
        Action::Redirect(redirect) => {
            stats.rq_redirect.inc();
            redirect::reply(redirect, &chosen.route.config.matches, &record.request).into()
        }
        Action::Direct(direct) => {
            stats.rq_direct_response.inc();
            redirect::direct(direct, &record.request).into()
        }
        Action::Forward(_) | Action::NonForwarding => {
            LocalReply::new(404, "route_not_found").flags(ResponseFlags::NO_ROUTE_FOUND).into()
        }
    }
}

#[cfg(test)]
mod tests;
