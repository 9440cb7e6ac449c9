//! Spans and entries of access logs on their way to services: gathered by each worker, sent over the mesh's own clusters, off the path of
//! requests. `http` and `logs` hand them over and never wait: what a slow service leaves no room for is dropped, and counted.

mod collector;
mod http;
mod log_stream;
mod queue;
mod records;
mod resource;
mod spans;

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use config::access_log::{Buffer, Identity};

use crate::call::Calls;

use queue::Item;

pub use log_stream::LogStream;
pub use queue::hold;
pub use records::Records;
pub use spans::Spans;

/// Takes items and sends them. Shared by all workers; each of them has a queue of its own.
#[derive(Debug)]
struct Exporter<T> {
    inner: Arc<Inner<T>>,
    /// Not held by tasks: they see by it that nobody sends any more.
    alive: Arc<()>,
}

impl<T> Clone for Exporter<T> {
    fn clone(&self) -> Self {
        Exporter { inner: self.inner.clone(), alive: self.alive.clone() }
    }
}

#[derive(Debug)]
struct Inner<T> {
    /// Names it among the queues of a worker.
    id: u64,
    target: T,
    batch: Batch,
    alive: Weak<()>,
}

/// How items are gathered before they are sent.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// So many are sent at once.
    enough: usize,
    /// Or so many octets.
    enough_octets: usize,
    /// And fewer once this is over.
    interval: Duration,
    /// More are not kept.
    most: usize,
}

/// A service, made ready: how items become calls.
trait Target: fmt::Debug + Send + Sync + 'static {
    type Item: Item;
    /// What a worker keeps between two messages.
    type Link: Default;

    /// Sends them, and waits until they are gone. `by_time`: not because there were enough.
    async fn send(&self, items: Vec<Self::Item>, by_time: bool, link: &mut Self::Link, calls: &Calls);

    /// There was no room for one.
    fn dropped(&self);

    /// One was taken.
    fn taken(&self) {}

    /// Looks after what is kept while nothing is sent. Never ready.
    async fn tend(&self, _link: &mut Self::Link) -> Infallible {
        std::future::pending().await
    }

    /// Nothing more will be sent: waits until what was is gone.
    async fn close(&self, _link: &mut Self::Link) {}

    /// Whether something is kept.
    fn is_kept(_link: &Self::Link) -> bool {
        false
    }
}

/// Sends what waits on this thread, within the time that the end of a process leaves: what a slow service does not take meanwhile is lost. Needs
/// the current `LocalSet`.
pub async fn send_rest(calls: &Calls, limit: Duration) {
    let tasks: Vec<_> = queue::rest().into_iter().map(|rest| tokio::task::spawn_local(rest(calls.clone()))).collect();
    let all = async {
        for task in tasks {
            // One that panicked has been told.
            let _ = task.await;
        }
    };
    if tokio::time::timeout(limit, all).await.is_err() {
        tracing::warn!(target: "misc", "spans or entries of logs are lost: their services have not taken them in {limit:?}");
    }
}

/// For a service that is given no time of its own: one that hangs must not hold what comes after it for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl<T: Target> Exporter<T> {
    fn new(target: T, batch: Batch) -> Exporter<T> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let alive = Arc::new(());
        let id = IDS.fetch_add(1, Relaxed);
        Exporter { inner: Arc::new(Inner { id, target, batch, alive: Arc::downgrade(&alive) }), alive }
    }

    /// Takes an item. It is sent later, or dropped where too many wait. Needs the current `LocalSet`.
    fn send(&self, item: T::Item, calls: &Calls) {
        let inner = &self.inner;
        let queue = queue::of(inner.id, |queue| queue::begin(inner, queue, calls));
        match queue.push(item, &inner.batch) {
            true => inner.target.taken(),
            false => inner.target.dropped(),
        }
    }
}

/// Exporters of logs: each is one for all logs that say the same of it.
#[derive(Debug, Default)]
pub struct LogExporters {
    streams: Known<log_stream::Service>,
    records: Known<records::ToCollector>,
}

/// Those that somebody holds, by what was said of them.
#[derive(Debug)]
struct Known<T>(Mutex<Vec<Held<T>>>);

#[derive(Debug)]
struct Held<T> {
    identity: (Identity, bool),
    inner: Weak<Inner<T>>,
    alive: Weak<()>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known(Mutex::default())
    }
}

impl<T> Known<T> {
    fn exporter(&self, identity: (Identity, bool), make: impl FnOnce() -> Exporter<T>) -> Exporter<T> {
        // Whole at every moment that can panic.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|held| held.alive.strong_count() > 0);
        let known = all.iter().find(|held| held.identity == identity);
        let known =
            known.and_then(|held| Some(Exporter { inner: held.inner.upgrade()?, alive: held.alive.upgrade()? }));
        known.unwrap_or_else(|| {
            let made = make();
            all.push(Held { identity, inner: Arc::downgrade(&made.inner), alive: Arc::downgrade(&made.alive) });
            made
        })
    }
}

impl From<Buffer> for Batch {
    fn from(buffer: Buffer) -> Batch {
        Batch { enough: usize::MAX, enough_octets: buffer.octets, interval: buffer.interval, most: usize::MAX }
    }
}

/// An entry of a log, as the octets of its message.
#[derive(Debug)]
struct Entry(Vec<u8>);

thread_local! {
    static ENTRIES: queue::Queues<Entry> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Item for Entry {
    fn octets(&self) -> usize {
        self.0.len() + size_of::<Entry>()
    }

    fn queues() -> &'static std::thread::LocalKey<queue::Queues<Entry>> {
        &ENTRIES
    }
}

#[cfg(test)]
mod tests;
