//! Both directions of a connection pair, with the time limits that end them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::filters::First;
use super::lane::{Lane, LaneError, Side};
use crate::transport::{ByteCounts, Stream};

/// How a relay ended.
#[derive(Debug)]
pub(super) enum End {
    /// Both directions ended in order.
    Closed,
    /// The downstream side failed or was reset.
    Downstream(io::Error),
    /// The upstream side failed or was reset.
    Upstream(io::Error),
    /// Nothing moved for the idle time.
    Idle,
    /// Who was told wanted it.
    Wanted,
}

/// Octets that were passed on.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Moved {
    /// From downstream to upstream, with those that filters hold back.
    pub received: u64,
    /// From upstream to downstream.
    pub sent: u64,
}

/// Relays until both directions have ended, one fails, or nothing moves for `idle`. `moved` is kept up to date, so that it is right
/// also when the caller gives up. `counts` are those of downstream and upstream. `first` sees what comes first from downstream, while the
/// other direction flows already; `told` hears of it whenever something happens, and wakes the task when it wants to. Where it says true
/// the relay ends, once all that was read has been written.
pub(super) async fn relay(
    downstream: &mut Stream,
    upstream: &mut impl Side,
    idle: Option<Duration>,
    moved: &mut Moved,
    counts: [ByteCounts; 2],
    mut first: Option<Box<First>>,
    told: &mut dyn FnMut(&mut Context<'_>, Moved) -> bool,
) -> End {
    let (mut out, mut back) = (Lane::default(), Lane::default());
    let (mut last, mut written) = (Instant::now(), 0);
    let mut ends = false;
    // One timer that is set again when it fires, not with every byte.
    let mut timer = pin!(tokio::time::sleep(idle.unwrap_or(Duration::from_secs(86400 * 365))));
    poll_fn(|cx| {
        if let Some(filters) = &mut first {
            let seen = filters.poll(cx, downstream);
            if filters.held() > moved.received {
                counts[0].read.add(filters.held() - moved.received);
                moved.received = filters.held();
            }
            match seen {
                Poll::Ready(Ok(())) => first = None,
                Poll::Ready(Err(error)) => return Poll::Ready(End::Downstream(error)),
                Poll::Pending => {}
            }
        }
        let results = [
            first
                .is_none()
                .then(|| poll_lane(out.poll(cx, downstream, upstream), End::Downstream, End::Upstream))
                .flatten(),
            poll_lane(back.poll(cx, upstream, downstream), End::Upstream, End::Downstream),
        ];
        if out.moved > written || back.moved > moved.sent {
            let [down, up] = counts;
            let sent = back.moved - moved.sent;
            // What filters held back has been received already.
            down.read.add(out.moved.saturating_sub(moved.received));
            up.written.add(out.moved - written);
            up.read.add(sent);
            down.written.add(sent);
            written = out.moved;
            *moved = Moved { received: out.moved.max(moved.received), sent: back.moved };
            last = Instant::now();
        }
        ends |= told(cx, *moved);
        if let Some(failed) = results.into_iter().flatten().next() {
            return Poll::Ready(failed);
        }
        if out.is_done() && back.is_done() {
            return Poll::Ready(End::Closed);
        }
        if ends && out.is_written() && back.is_written() {
            return Poll::Ready(End::Wanted);
        }
        let Some(idle) = idle else { return Poll::Pending };
        while timer.as_mut().poll(cx).is_ready() {
            let due = last + idle;
            if due <= Instant::now() {
                return Poll::Ready(End::Idle);
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    })
    .await
}

/// A lane's failure, told by the side on which it happened.
fn poll_lane(
    result: Poll<Result<(), LaneError>>,
    source: impl FnOnce(io::Error) -> End,
    target: impl FnOnce(io::Error) -> End,
) -> Option<End> {
    match result {
        Poll::Ready(Err(LaneError::Read(error))) => Some(source(error)),
        Poll::Ready(Err(LaneError::Write(error))) => Some(target(error)),
        Poll::Ready(Ok(())) | Poll::Pending => None,
    }
}
