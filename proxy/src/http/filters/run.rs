//! Who calls the hooks of heads: [`request`] from the first filter to the last, [`response`] back. Called by `exchange`. What a filter
//! waits for is polled here, beside the client and the deadlines; the slow ways are boxed, so that a request that never waits does not
//! carry them.

use std::future::poll_fn;
use std::task::Poll;

use super::chain::Slot;
use super::delegate::running::{Moment, meet};
use super::filter::{Collect, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::frames::{Frames, Source};
use super::wait::{Wait, Waited};
use crate::http::exchange::{Exchange, Incoming};
use crate::http::framing;
use crate::http::stop::Stop;
use crate::http::stream::{Stream, asks_for_tunnel};
use crate::wire::codec::{Downstream, ResetReason};
use crate::wire::message::BodyLength;

/// One filter in one request.
pub(in crate::http) struct Run<'s, F: HttpFilter> {
    pub(super) filter: &'s F,
    slot: &'s Slot,
    scope: Option<&'s F::Scoped>,
    state: F::State,
    pub(super) hooks: Hooks,
}

impl<'s, F: HttpFilter> Run<'s, F> {
    /// `None` if it does not act on this request.
    pub(super) fn start(filter: &'s F, slot: &'s Slot, scope: Option<&'s F::Scoped>) -> Option<Run<'s, F>> {
        let hooks = filter.acts(scope);
        (hooks != Hooks::NONE).then(|| Run { filter, slot, scope, state: F::State::default(), hooks })
    }

    /// Which entry of the chain it is.
    pub(super) fn place(&self) -> usize {
        self.slot.place()
    }

    pub(super) fn turn<'t>(&'t mut self, stream: &'t mut Stream<'s>) -> Turn<'t, 's, F> {
        let Run { filter, slot, scope, state, hooks } = self;
        Turn { filter, slot, state, scope: *scope, stream, hooks }
    }
}

/// Runs the request's side of the chain.
pub(in crate::http) async fn request(exchange: &mut Exchange<'_>, downstream: &mut dyn Downstream) -> Result<(), Stop> {
    let mut index = 0;
    while index < exchange.filters.len() {
        if exchange.hooks.has(Hooks::DELEGATED) {
            meet(&mut exchange.filters, index, &mut exchange.stream, Moment::Request);
        }
        if exchange.filters[index].hooks().has(Hooks::REQUEST) {
            let step = exchange.filters[index].request(&mut exchange.stream);
            exchange.reroute(index);
            if !matches!(step, Step::Continue) {
                Box::pin(follow(exchange, downstream, index, Way::Request, step, None)).await?;
                exchange.reroute(index);
            }
        }
        index += 1;
    }
    if exchange.hooks.has(Hooks::REQUEST) {
        framing::settle_request(&mut exchange.stream.request);
    }
    let has_body = exchange.stream.request.body != BodyLength::Empty || asks_for_tunnel(&exchange.stream.request);
    if has_body && exchange.request_frames.is_none() && exchange.hooks.has(Hooks::REQUEST_BODY) {
        exchange.request_frames = Frames::new(Way::Request, &exchange.filters);
    }
    Ok(())
}

/// Runs the response's side of the chain, in reverse order. `body` is where the response's body comes from.
pub(in crate::http) async fn response<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    body: &mut dyn Source<'s>,
) -> Result<(), Stop> {
    for index in (0..exchange.filters.len()).rev() {
        if exchange.hooks.has(Hooks::DELEGATED) {
            meet(&mut exchange.filters, index, &mut exchange.stream, Moment::Response);
        }
        if !exchange.filters[index].hooks().has(Hooks::RESPONSE) {
            continue;
        }
        let step = exchange.filters[index].response(&mut exchange.stream);
        if !matches!(step, Step::Continue) {
            Box::pin(follow(exchange, downstream, index, Way::Response, step, Some(&mut *body))).await?;
        }
    }
    Ok(())
}

/// Does what a filter wants until it goes on.
async fn follow<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    index: usize,
    way: Way,
    mut step: Step,
    mut body: Option<&mut dyn Source<'s>>,
) -> Result<(), Stop> {
    loop {
        let waited = match step {
            Step::Continue => return Ok(()),
            Step::Reply(reply) => return Err(Stop::Reply(reply)),
            Step::Abort(flags, details) => {
                return Err(Stop::Abort { flags, details: details.into(), reason: ResetReason::InternalError });
            }
            Step::Wait(wait) => {
                exchange.waited |= way == Way::Request;
                wait_for(exchange, downstream, wait, &mut body).await?
            }
            Step::Collect(collect) => match &mut body {
                Some(body) => collect_response(exchange, downstream, index, collect, *body).await?,
                None => collect_request(exchange, downstream, index, collect).await?,
            },
        };
        let frames = match way {
            Way::Request => &mut exchange.request_frames,
            Way::Response => &mut exchange.response_frames,
        };
        let mut nothing = std::collections::VecDeque::new();
        let mut held = match frames {
            Some(frames) if matches!(waited, Waited::Collected { .. } | Waited::Message(_)) => frames.collected(index),
            _ => Out::new(&mut nothing),
        };
        step = exchange.filters[index].resumed(&mut exchange.stream, way, waited, &mut held);
    }
}

/// Waits for what a filter waits for. A response's `body` may be lost meanwhile.
async fn wait_for<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    mut wait: Wait,
    body: &mut Option<&mut dyn Source<'s>>,
) -> Result<Waited, Stop> {
    poll_fn(|cx| {
        if let Poll::Ready(waited) = wait.poll(cx) {
            return Poll::Ready(Ok(waited));
        }
        if let Some(Poll::Ready(stop)) = body.as_mut().map(|body| body.poll_lost(cx)) {
            return Poll::Ready(Err(stop));
        }
        exchange.poll_over(downstream, cx)
    })
    .await
}

async fn collect_request(
    exchange: &mut Exchange<'_>,
    downstream: &mut dyn Downstream,
    index: usize,
    collect: Collect,
) -> Result<Waited, Stop> {
    exchange.invite_body(downstream)?;
    let mut frames = Frames::of(&mut exchange.request_frames, Way::Request, &exchange.filters);
    let result = poll_fn(|cx| {
        let (stream, watch, filters) = (&mut exchange.stream, &mut exchange.watch, &mut exchange.filters);
        let mut source = Incoming { downstream: &mut *downstream, watch };
        match frames.collect(index, collect, cx, &mut source, filters, stream) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => exchange.poll_over(downstream, cx),
        }
    })
    .await;
    exchange.request_frames = Some(frames);
    result.map(|complete| Waited::Collected { complete })
}

async fn collect_response<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    index: usize,
    collect: Collect,
    body: &mut dyn Source<'s>,
) -> Result<Waited, Stop> {
    let mut frames = Frames::of(&mut exchange.response_frames, Way::Response, &exchange.filters);
    let result =
        poll_fn(|cx| match frames.collect(index, collect, cx, body, &mut exchange.filters, &mut exchange.stream) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => match body.drive(cx, exchange, downstream) {
                Ok(()) => exchange.poll_over(downstream, cx),
                Err(stop) => Poll::Ready(Err(stop)),
            },
        })
        .await;
    exchange.response_frames = Some(frames);
    result.map(|complete| Waited::Collected { complete })
}
