//! HTTP/2: requests side by side, each a task of this worker. Called by `connection`.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{Ending, Limits};
use crate::http::context::Context;
use crate::http::deadlines::Expired;
use crate::http::exchange::{self, exchange};
use crate::http::refusal;
use crate::transport::Stream;
use crate::wire::codec::{Downstream, ResetReason};
use crate::wire::h2::server::{Connection, PREMATURE_RESETS, Stream as Request};
use crate::wire::h2::{self, ConnectionError};
use crate::wire::message::{Protocol, RequestHead};

/// What the connection's task has to do.
// Moved once, and in the usual case the large variant: a box would cost an allocation a request.
#[allow(clippy::large_enum_variant)]
enum Event {
    Next(Option<Result<(RequestHead, Request), ConnectionError>>),
    /// The process, or the listener, ends: so do the streams.
    Drained,
    /// Its time is over, and no stream is left.
    Over,
    Expired(Expired),
}

pub(super) async fn serve(
    context: &Rc<Context>,
    stream: Stream,
    mut limits: Limits,
    mut end: Pin<&mut impl Future<Output = ()>>,
) {
    let manager = &context.manager;
    let mut connection = Connection::new(stream, &h2::Settings::downstream(&manager.config), manager.codec_stats());
    let last_end = Rc::new(Cell::new(Instant::now()));
    limits.begin_idle(None);
    loop {
        let event = poll_fn(|cx| {
            let next = connection.poll_next(cx);
            for unseen in connection.take_unseen() {
                context.requests.set(context.requests.get().saturating_add(1));
                exchange::unseen(context, unseen);
            }
            if let Poll::Ready(next) = next {
                return Poll::Ready(Event::Next(next));
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Drained);
            }
            if limits.ending() == Ending::Over && connection.open_streams() == 0 && !limits.awaits_head() {
                return Poll::Ready(Event::Over);
            }
            limits.heads_of_streams(context, connection.head_began());
            limits.poll(context, cx).map(Event::Expired)
        })
        .await;
        match event {
            // The client has gone, or was told to and has nothing under way.
            Event::Next(None) => {
                half_a_head(context, &connection, None);
                return context.ended.set((connection.is_ended_by_peer(), is_busy(&connection)));
            }
            Event::Next(Some(Err(error))) => return failed(context, &connection, &error),
            // The client was told long ago that no more is taken, and did not listen.
            Event::Next(Some(Ok((_, mut stream)))) if limits.ending() == Ending::Over => {
                stream.reset(ResetReason::Refused);
            }
            Event::Next(Some(Ok((head, stream)))) => begin(context, head, stream, &last_end),
            Event::Drained | Event::Over => {
                if let Some(began) = connection.head_began() {
                    context.head_began.set(Some(began));
                    exchange::cut_off(context, Protocol::Http2);
                }
                connection.abrupt_shutdown();
                let _ = tokio::time::timeout(FAREWELL, poll_fn(|cx| farewell(&mut connection, cx))).await;
                return;
            }
            Event::Expired(Expired::Idle) => {
                if limits.was_idle(connection.open_streams() == 0, last_end.get()) {
                    limits.tell(context, Expired::Idle);
                    connection.graceful_shutdown();
                }
            }
            Event::Expired(Expired::Request) => {
                if let Some(stream) = connection.give_head_up() {
                    slow_head(context, stream, limits.first(), &last_end);
                }
            }
            Event::Expired(_) if limits.ending() == Ending::Told => connection.graceful_shutdown(),
            Event::Expired(_) => {}
        }
    }
}

fn begin(context: &Rc<Context>, head: RequestHead, mut stream: Request, last_end: &Rc<Cell<Instant>>) {
    context.requests.set(context.requests.get().saturating_add(1));
    let context = Rc::clone(context);
    let last_end = Rc::clone(last_end);
    tokio::task::spawn_local(async move {
        context.head_began.set(stream.began());
        exchange(&context, &mut stream, head).await;
        last_end.set(Instant::now());
    });
}

/// A head that is not complete in time is answered, as with HTTP/1. The connection goes on.
fn slow_head(context: &Rc<Context>, mut stream: Request, whole: Option<Expired>, last_end: &Rc<Cell<Instant>>) {
    context.requests.set(context.requests.get().saturating_add(1));
    let context = Rc::clone(context);
    let last_end = Rc::clone(last_end);
    tokio::task::spawn_local(async move {
        context.head_began.set(stream.began());
        refusal::slow_head(&context, &mut stream, Protocol::Http2, whole).await;
        last_end.set(Instant::now());
    });
}

/// The connection is over in the middle of a head: the request that had begun has its line in the log.
fn half_a_head(context: &Context, connection: &Connection, error: Option<&ConnectionError>) {
    if let Some(began) = connection.head_began() {
        context.head_began.set(Some(began));
        match error {
            Some(ConnectionError::Protocol(_) | ConnectionError::Flood(_)) => refusal::broken(context),
            _ => refusal::disconnected(context, Protocol::Http2),
        }
    }
}

fn is_busy(connection: &Connection) -> bool {
    connection.open_streams() > 0 || connection.head_began().is_some()
}

fn failed(context: &Context, connection: &Connection, error: &ConnectionError) {
    half_a_head(context, connection, Some(error));
    let lost = matches!(error, ConnectionError::Io(_));
    context.ended.set((lost, is_busy(connection)));
    match error {
        ConnectionError::Io(_) => {}
        ConnectionError::Flood(PREMATURE_RESETS) => {
            context.manager.stats.downstream_rq_too_many_premature_resets.inc();
            context.misspoken();
        }
        _ => context.broken(),
    }
    tracing::debug!(target: "http", connection = context.connection.id, "HTTP/2 connection ended: {error}");
}

/// Writes what is left; further requests are not taken.
fn farewell(connection: &mut Connection, cx: &mut Task<'_>) -> Poll<()> {
    loop {
        match connection.poll_next(cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Time for a last GOAWAY to leave.
const FAREWELL: Duration = Duration::from_secs(1);
