//! What waits on one worker for one service, and the task that sends it: begun with the first item, over once there are none any more and
//! no connection is worth keeping. What still waits when a worker ends is sent by [`rest`].

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::LocalKey;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Batch, Inner, Target};
use crate::call::Calls;

/// Items of one message: a service that was away is not sent one that it would refuse.
const AT_ONCE: usize = 512;

/// Octets that may wait: strangers say much of what stands in items.
const MOST_OCTETS: usize = 2 << 20;

/// Those of a worker, by their exporters' numbers.
pub(super) type Queues<I> = RefCell<Vec<(u64, Rc<Queue<I>>)>>;

/// What is sent.
pub(super) trait Item: Sized + 'static {
    /// How much of it there is.
    fn octets(&self) -> usize;
    /// Where a worker keeps its queues.
    fn queues() -> &'static LocalKey<Queues<Self>>;
}

/// Items that wait.
#[derive(Debug)]
pub(super) struct Queue<I> {
    items: RefCell<Vec<I>>,
    octets: Cell<usize>,
    /// There are enough of them to be sent.
    enough: Notify,
}

impl<I> Default for Queue<I> {
    fn default() -> Self {
        Queue { items: RefCell::default(), octets: Cell::default(), enough: Notify::new() }
    }
}

/// The queue of an exporter; one that is new begins.
pub(super) fn of<I: Item>(id: u64, begin: impl FnOnce(Rc<Queue<I>>)) -> Rc<Queue<I>> {
    let known =
        I::queues().with_borrow(|all| all.iter().find(|(known, _)| *known == id).map(|(_, queue)| queue.clone()));
    known.unwrap_or_else(|| {
        let queue = Rc::new(Queue::default());
        I::queues().with_borrow_mut(|all| all.push((id, queue.clone())));
        begin(queue.clone());
        queue
    })
}

impl<I: Item> Queue<I> {
    /// Takes an item; false if there is no room.
    pub fn push(&self, item: I, batch: &Batch) -> bool {
        let mut items = self.items.borrow_mut();
        let octets = self.octets.get() + item.octets();
        if items.len() >= batch.most || octets > MOST_OCTETS {
            return false;
        }
        self.octets.set(octets);
        items.push(item);
        drop(items);
        if self.has_enough(batch) {
            self.enough.notify_one();
        }
        true
    }

    fn take(&self) -> Vec<I> {
        let mut items = self.items.borrow_mut();
        let count = items.len().min(AT_ONCE);
        let taken: Vec<I> = items.drain(..count).collect();
        self.octets.set(self.octets.get() - taken.iter().map(I::octets).sum::<usize>());
        taken
    }

    fn has_enough(&self, batch: &Batch) -> bool {
        let count = self.items.borrow().len();
        count >= batch.enough || count > 0 && self.octets.get() >= batch.enough_octets.min(MOST_OCTETS / 2)
    }

    /// Waits until there is enough.
    async fn fills(&self, batch: &Batch) {
        while !self.has_enough(batch) {
            self.enough.notified().await;
        }
    }
}

/// Sends what a queue holds.
type Rest = Box<dyn FnOnce(Calls) -> Pin<Box<dyn Future<Output = ()>>>>;

thread_local! {
    /// Of each queue that there is, by their exporters' numbers.
    static RESTS: RefCell<Vec<(u64, Rest)>> = const { RefCell::new(Vec::new()) };
    /// Tasks of this thread are dropped, and queues wait for [`rest`].
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

/// From here on what comes on this thread waits for [`rest`], and queues outlive their tasks.
pub fn hold() {
    ENDS.set(true);
}

/// Sends what waits on this thread: how, for each queue.
pub(super) fn rest() -> Vec<Rest> {
    RESTS.take().into_iter().map(|(_, rest)| rest).collect()
}

/// Begins a queue.
pub(super) fn begin<T: Target>(inner: &Arc<Inner<T>>, queue: Rc<Queue<T::Item>>, calls: &Calls) {
    let (of_rest, waiting) = (inner.clone(), queue.clone());
    let rest: Rest = Box::new(move |calls| Box::pin(empty(of_rest, waiting, calls)));
    RESTS.with_borrow_mut(|all| all.push((inner.id, rest)));
    if !ENDS.get() {
        tokio::task::spawn_local(drain(inner.clone(), queue, calls.clone()));
    }
}

/// Ends a queue, however its task ends, unless that is because the worker does.
struct Ends<I: Item>(u64, std::marker::PhantomData<I>);

impl<I: Item> Drop for Ends<I> {
    fn drop(&mut self) {
        // Gone with the thread, where that ends.
        if ENDS.try_with(Cell::get).unwrap_or(true) {
            return;
        }
        let _ = I::queues().try_with(|all| all.borrow_mut().retain(|(id, _)| *id != self.0));
        let _ = RESTS.try_with(|all| all.borrow_mut().retain(|(id, _)| *id != self.0));
    }
}

/// Sends what waits, whatever number of messages that takes.
async fn empty<T: Target>(inner: Arc<Inner<T>>, queue: Rc<Queue<T::Item>>, calls: Calls) {
    let mut link = T::Link::default();
    loop {
        let items = queue.take();
        if items.is_empty() {
            break;
        }
        inner.target.send(items, false, &mut link, &calls).await;
    }
    inner.target.close(&mut link).await;
}

/// Sends what comes, one message after the other.
async fn drain<T: Target>(inner: Arc<Inner<T>>, queue: Rc<Queue<T::Item>>, calls: Calls) {
    let _ends = Ends::<T::Item>(inner.id, std::marker::PhantomData);
    let mut link = T::Link::default();
    loop {
        let by_time = timeout(inner.batch.interval, async {
            tokio::select! {
                () = queue.fills(&inner.batch) => {}
                never = inner.target.tend(&mut link) => match never {},
            }
        });
        let by_time = by_time.await.is_err();
        let items = queue.take();
        if !items.is_empty() {
            inner.target.send(items, by_time, &mut link, &calls).await;
        } else if !T::is_kept(&link) || inner.alive.strong_count() == 0 {
            // Nobody can send any more, or nothing is lost by beginning anew.
            return;
        }
    }
}
