//! The router: the last filter. It says where a request goes, and answers what goes nowhere: 404, redirects, direct responses. Called by
//! `exchange` after all other filters, so that a caller whom they turn away learns nothing of routes.

use config::route::{Action, WeightsBy};

use super::attempt;
use super::exchange::Exchange;
use super::hash;
use super::local_reply::LocalReply;
use super::proxied;
use super::reason;
use super::redirect;
use super::route::{Forwarding, Found, RouteTable};
use super::stages;
use super::stop::Stop;
use super::stream::{Chosen, Stream};
use crate::failure::ResponseFlags;
use crate::overload::Act;
use crate::wire::codec::Downstream;

/// Looks the route up and rolls the dice of weighted clusters.
pub(super) fn choose<'s>(stream: &mut Stream<'s>, table: Option<&'s RouteTable>) {
    let random = fastrand::u64(..);
    (stream.table, stream.route, stream.to_tls) = (table, None, false);
    stream.plan.forget_tunnel();
    stream.info.route_resolutions += 1;
    let Some(table) = table else { return };
    match table.find(&stream.request, &stream.info, random) {
        Found::Route(host, route) => {
            let forwarding = route.forwarding.as_ref();
            let chosen = Chosen { table, host, route, forwarding, weighted: None, counted: None };
            let weighted = forwarding.and_then(|one| one.choose(dice(stream, chosen, one, random)));
            stream.route = Some(Chosen { weighted, ..chosen });
        }
        Found::RedirectToTls => stream.to_tls = true,
        Found::Nothing => proxied::choose(stream, table, random),
    }
}

/// What chooses among weighted clusters: chance, unless the request says a number or has a hash.
fn dice(stream: &Stream<'_>, chosen: Chosen<'_>, forwarding: &Forwarding, chance: u64) -> u64 {
    let said = match (&forwarding.weights_header, &forwarding.config.weights_by) {
        (Some(name), _) => {
            let value = stream.request.headers.get(name).and_then(|value| std::str::from_utf8(value).ok());
            value.and_then(|value| value.parse().ok())
        }
        (None, WeightsBy::Hash) => hash::of_request(&[], chosen, stream),
        (None, _) => None,
    };
    said.unwrap_or(chance)
}

/// Forwards the request and sends what comes back, or says what it is answered.
pub(super) async fn answer(exchange: &mut Exchange<'_>, downstream: &mut dyn Downstream) -> Result<(), Stop> {
    exchange.stream.context.manager.stats.rq_total.inc();
    let route = exchange.stream.route;
    let Some((chosen, forwarding)) = route.and_then(|chosen| Some((chosen, chosen.forwarding?))) else {
        stages::answered_here(&exchange.stream);
        let reply = match route {
            Some(chosen) => own_answer(&mut exchange.stream, chosen),
            None => nowhere(&exchange.stream),
        };
        return Err(reply.into());
    };
    if exchange.stream.context.does(Act::ShedRouter) {
        exchange.stream.context.manager.stats.rq_overload_local_reply.inc();
        return Err(LocalReply::overloaded().into());
    }
    attempt::run(exchange, downstream, chosen, forwarding).await
}

/// No route.
fn nowhere(stream: &Stream<'_>) -> LocalReply {
    let stats = &stream.context.manager.stats;
    if stream.to_tls {
        stats.rq_direct_response.inc();
        return redirect::to_tls(&stream.request);
    }
    stats.no_route.inc();
    LocalReply::new(404, "route_not_found").flags(ResponseFlags::NO_ROUTE_FOUND)
}

/// Routes that are answered here. Redirects count among the direct responses, as with Envoy.
fn own_answer(stream: &mut Stream<'_>, chosen: Chosen<'_>) -> LocalReply {
    let stats = &stream.context.manager.stats;
    match &chosen.route.config.action {
        Action::Redirect(redirect) => {
            stats.rq_direct_response.inc();
            redirect::reply(redirect, &chosen.route.config.matches, stream)
        }
        Action::Direct(direct) => {
            stats.rq_direct_response.inc();
            redirect::direct(direct, chosen.route.body_format.as_ref(), stream)
        }
        // As with Envoy that is a route to a cluster without a name.
        Action::Forward(_) | Action::NonForwarding => {
            stats.no_cluster.inc();
            reason::tell(stream, "cluster_not_found", "the route forwards nothing: it is a non_forwarding_action");
            LocalReply::new(503, "cluster_not_found").flags(ResponseFlags::NO_CLUSTER_FOUND)
        }
    }
}
