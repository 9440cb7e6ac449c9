//! Filters behind the router (`upstream_http_filters`, or a cluster's own): each attempt passes them, and its answer on the way back, before
//! anybody asks whether it is tried again. As with Envoy they change the one head that all attempts send. Called by `one` and `race`.

use std::sync::Arc;

use config::At;

use crate::http::exchange::Exchange;
use crate::http::filters::chain::Chain;
use crate::http::filters::filter::{FilterDeps, Hooks, Step};
use crate::http::upstreams::UpstreamCluster;
use crate::wire::codec::StreamError;
use crate::wire::message::ResponseHead;

/// The way there, for an attempt that begins.
pub(super) fn request(exchange: &mut Exchange<'_>, cluster: &UpstreamCluster) -> Result<(), StreamError> {
    let manager = &exchange.stream.context.manager;
    let own = &cluster.config().http.filters;
    let chain = if own.is_empty() {
        &manager.upstream_chain
    } else if let Some(made) = exchange.upstream_chain.get() {
        made
    } else {
        let scope = format!("cluster.{}.", cluster.config().stat_name);
        let deps = FilterDeps { stats: &manager.registry, scope: &scope, discoveries: None };
        let made = Chain::compile(&At::root().field("http_filters"), own, &deps).map_err(|_| REFUSED)?;
        exchange.upstream_chain.get_or_init(|| Arc::new(made))
    };
    if chain.is_empty() {
        return Ok(());
    }
    let mut filters = chain.start(exchange.stream.route.as_ref());
    for filter in filters.iter_mut().filter(|filter| filter.hooks().has(Hooks::REQUEST)) {
        go_on(&filter.request(&mut exchange.stream))?;
    }
    exchange.upstream_filters = Some(Box::new(filters));
    Ok(())
}

/// The way back.
pub(super) fn response(exchange: &mut Exchange<'_>, head: ResponseHead) -> Result<ResponseHead, StreamError> {
    let Some(mut filters) = exchange.upstream_filters.take() else { return Ok(head) };
    let before = exchange.stream.response.replace(head);
    let mut result = Ok(());
    for filter in filters.iter_mut().rev().filter(|filter| filter.hooks().has(Hooks::RESPONSE)) {
        result = result.and(go_on(&filter.response(&mut exchange.stream)));
    }
    let head = std::mem::replace(&mut exchange.stream.response, before);
    result.and(head.ok_or(REFUSED))
}

/// `config` lets only those filters stand here that never answer, wait or read a body.
fn go_on(step: &Step) -> Result<(), StreamError> {
    if matches!(step, Step::Continue) { Ok(()) } else { Err(REFUSED) }
}

const REFUSED: StreamError = StreamError::Protocol { detail: "upstream_filter_refused", status: 500 };

#[cfg(test)]
mod tests;
