//! HTTP/1: requests one after another, each served to its end before the next is read. Called by `connection`.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use super::limits::{Ending, Event, Limits};
use crate::http::context::Context;
use crate::http::deadlines::Expired;
use crate::http::exchange::{cut_off, exchange};
use crate::http::refusal;
use crate::transport::Stream;
use crate::wire::h1;
use crate::wire::h1::server::{Connection, RequestError};
use crate::wire::message::{Protocol, RequestHead};

pub(super) async fn serve(
    context: &Context,
    stream: Stream,
    mut limits: Limits,
    mut end: Pin<&mut impl Future<Output = ()>>,
) {
    let manager = &context.manager;
    limits = limits.of_http1(context);
    let delay = manager.config.delayed_close_timeout;
    let settings = h1::Settings::downstream(&manager.config, manager.buffers.of_listener());
    let mut connection = Connection::new(stream, &settings);
    loop {
        limits.begin_idle(context.last_end.get());
        let request = match next_head(context, &mut connection, &mut limits, end.as_mut()).await {
            Event::Ready(Ok(Some(request))) => request,
            Event::Ready(Ok(None)) => return context.ended.set((true, false)),
            Event::Ready(Err(RequestError::Disconnected)) => {
                refusal::disconnected(context, Protocol::Http11);
                return context.ended.set((true, true));
            }
            Event::Ready(Err(RequestError::Protocol(error))) => {
                tokio::select! {
                    () = refusal::malformed(context, &mut connection, error) => {}
                    () = end.as_mut() => return,
                }
                return close(context, connection, delay).await;
            }
            Event::Expired(Expired::Request) => {
                connection.refuse_next();
                tokio::select! {
                    () = refusal::slow_head(context, &mut connection, Protocol::Http11, limits.first()) => {}
                    () = end.as_mut() => return,
                }
                return close(context, connection, delay).await;
            }
            Event::Drained | Event::Expired(_) => {
                if connection.head_started() {
                    cut_off(context, Protocol::Http11);
                }
                return;
            }
        };
        limits.end_idle();
        context.requests.set(context.requests.get().saturating_add(1));
        if !answer(context, &mut connection, request, &mut limits, end.as_mut()).await {
            return;
        }
        if !connection.finish() || limits.ending() == Ending::Over {
            return close(context, connection, delay).await;
        }
    }
}

/// Closes, and counts a client that does not.
async fn close(context: &Context, connection: Connection, delay: Option<Duration>) {
    if !connection.close(delay).await {
        context.manager.stats.downstream_cx_delayed_close_timeout.inc();
    }
}

/// Serves one request. False when the connection had to end meanwhile.
async fn answer(
    context: &Context,
    connection: &mut Connection,
    request: RequestHead,
    limits: &mut Limits,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    let last = connection.last_request();
    last.set(limits.ending() != Ending::No);
    let mut exchange = pin!(exchange(context, connection, request));
    poll_fn(|cx| {
        // The answer says `connection: close`, if its head has not left yet. Where connections end safely that is said to the next request.
        while limits.poll_age(context, cx).is_ready() {
            last.set(last.get() || !limits.is_safe());
        }
        if exchange.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        end.as_mut().poll(cx).map(|()| false)
    })
    .await
}

/// The next request. The time for its head begins with its first octet.
async fn next_head(
    context: &Context,
    connection: &mut Connection,
    limits: &mut Limits,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> Event<Result<Option<RequestHead>, RequestError>> {
    let result = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.poll_next(cx) {
                return Poll::Ready(Event::Ready(result));
            }
            if connection.head_started() {
                limits.head_begins(context);
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Drained);
            }
            match limits.poll(context, cx) {
                Poll::Pending => return Poll::Pending,
                // Who has said nothing yet has nothing to finish.
                Poll::Ready(Expired::Idle) if context.requests.get() == 0 && !connection.head_started() => {
                    limits.count(context, Expired::Idle);
                    return Poll::Ready(Event::Expired(Expired::Idle));
                }
                Poll::Ready(Expired::Idle) => limits.tell(context, Expired::Idle),
                Poll::Ready(Expired::Duration) if limits.ending() == Ending::Told => {}
                Poll::Ready(expired) => return Poll::Ready(Event::Expired(expired)),
            }
        }
    })
    .await;
    context.head_began.set(limits.head_ends());
    result
}
