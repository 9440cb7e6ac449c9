//! What waits on one worker for one collector, and the task that sends it: begun with the first span, over once there are none any more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use config::services::span::Span;
use config::tracing::Batch;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Inner;
use crate::call::Calls;

/// Spans of one message: a collector that was away is not sent one that it would refuse.
const AT_ONCE: usize = 512;

/// Octets that may wait: strangers say much of what stands in spans.
const MOST_OCTETS: usize = 2 << 20;

/// Spans that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    spans: RefCell<Vec<Span>>,
    octets: Cell<usize>,
    /// There are enough of them to be sent.
    enough: Notify,
}

thread_local! {
    /// Those of this worker, by the exporter's number.
    static QUEUES: RefCell<Vec<(u64, Rc<Queue>)>> = const { RefCell::new(Vec::new()) };
}

/// The queue of an exporter; one that is new begins.
pub(super) fn of(id: u64, begin: impl FnOnce(Rc<Queue>)) -> Rc<Queue> {
    let known = QUEUES.with_borrow(|all| all.iter().find(|(known, _)| *known == id).map(|(_, queue)| queue.clone()));
    known.unwrap_or_else(|| {
        let queue = Rc::new(Queue::default());
        QUEUES.with_borrow_mut(|all| all.push((id, queue.clone())));
        begin(queue.clone());
        queue
    })
}

impl Queue {
    /// Takes a span; false if there is no room.
    pub fn push(&self, span: Span, batch: &Batch) -> bool {
        let mut spans = self.spans.borrow_mut();
        let octets = self.octets.get() + span.octets();
        if spans.len() >= batch.most || octets > MOST_OCTETS {
            return false;
        }
        self.octets.set(octets);
        spans.push(span);
        if spans.len() >= batch.enough {
            self.enough.notify_one();
        }
        true
    }

    fn take(&self) -> Vec<Span> {
        let mut spans = self.spans.borrow_mut();
        let count = spans.len().min(AT_ONCE);
        let taken: Vec<Span> = spans.drain(..count).collect();
        self.octets.set(self.octets.get() - taken.iter().map(Span::octets).sum::<usize>());
        taken
    }

    /// Waits until so many are there.
    async fn has(&self, count: usize) {
        while self.spans.borrow().len() < count {
            self.enough.notified().await;
        }
    }
}

/// Ends a queue, however its task ends: with the worker too.
struct Ends(u64);

impl Drop for Ends {
    fn drop(&mut self) {
        // Gone with the thread, where that ends.
        let _ = QUEUES.try_with(|all| all.borrow_mut().retain(|(id, _)| *id != self.0));
    }
}

/// Sends what comes, one message after the other.
pub(super) async fn drain(inner: Arc<Inner>, queue: Rc<Queue>, calls: Calls) {
    let _ends = Ends(inner.id);
    loop {
        let by_time = timeout(inner.batch.interval, queue.has(inner.batch.enough)).await.is_err();
        let spans = queue.take();
        if spans.is_empty() {
            return;
        }
        if by_time {
            inner.stats.timer_flushed.inc();
        }
        inner.stats.spans_sent.add(spans.len() as u64);
        inner.target.send(spans, &calls, &inner.lost).await;
    }
}
