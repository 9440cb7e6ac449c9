//! What the control thread fetches for filters before they need it, and again when it has grown old: key sets. A filter registers one
//! when it is compiled; its listener may wait for the first answer, whatever that is.
//!
//! Of the control thread alone. It knows nothing of what it fetches, and holds nothing that it is for: who is gone is fetched for no more.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::call::{CallFailure, Calls, HttpCall, Reply};

/// Something that is fetched. Workers see what came, never this.
pub trait Fetch: Send + Sync {
    /// The question for it.
    fn question(&self) -> HttpCall;

    /// An answer, or none. How long until it is asked for again.
    fn came(&self, answer: Result<Reply, CallFailure>) -> Duration;

    /// There was an answer, or none.
    fn is_settled(&self) -> bool;
}

/// Held by what is fetched: fetching ends with it.
#[derive(Debug)]
pub struct Alive(#[allow(dead_code)] oneshot::Sender<()>);

/// The other end.
pub struct Watched(oneshot::Receiver<()>);

/// Makes what calls are made with.
type Make = Box<dyn Fn() -> Calls>;

/// All of them.
#[derive(Default)]
pub struct Fetches {
    make: OnceCell<Make>,
    /// The control loop runs.
    began: Cell<bool>,
    /// Made for the first one: few processes fetch anything.
    calls: OnceCell<Calls>,
    /// Registered before that.
    early: RefCell<Vec<(Weak<dyn Fetch>, Watched)>>,
    /// Registered since somebody asked, for whom a listener waits.
    waited_for: RefCell<Vec<Weak<dyn Fetch>>>,
    settled: Rc<Notify>,
}

impl Alive {
    /// Both ends.
    pub fn new() -> (Alive, Watched) {
        let (alive, watched) = oneshot::channel();
        (Alive(alive), Watched(watched))
    }
}

impl Fetches {
    /// How calls are made, once there are any.
    pub fn prepare(&self, make: impl Fn() -> Calls + 'static) {
        let _ = self.make.set(Box::new(make));
    }

    /// From now on there are clusters to fetch from. Needs the current `LocalSet`, as does [`Fetches::register`] after that.
    pub fn begin(&self) {
        self.began.set(true);
        for (what, watched) in self.early.take() {
            self.spawn(what, watched);
        }
    }

    /// Fetches something from now on, until what is alive is gone.
    pub fn register(&self, what: &Arc<dyn Fetch>, watched: Watched, is_waited_for: bool) {
        let what = Arc::downgrade(what);
        if is_waited_for {
            self.waited_for.borrow_mut().push(what.clone());
        }
        if self.began.get() {
            return self.spawn(what, watched);
        }
        let mut early = self.early.borrow_mut();
        early.retain(|(what, _)| what.strong_count() > 0);
        early.push((what, watched));
    }

    fn spawn(&self, what: Weak<dyn Fetch>, watched: Watched) {
        // Where nobody has said how, nothing is fetched: a check of a configuration.
        let Some(make) = self.make.get() else { return };
        let calls = self.calls.get_or_init(make);
        tokio::task::spawn_local(run(what, watched, calls.clone(), self.settled.clone()));
    }

    /// What was registered while something was compiled, and is waited for.
    pub fn during<T>(&self, compile: impl FnOnce() -> T) -> (T, Vec<Weak<dyn Fetch>>) {
        self.waited_for.take();
        let compiled = compile();
        (compiled, self.waited_for.take())
    }

    /// Notified whenever a first answer came.
    pub fn settled(&self) -> Rc<Notify> {
        self.settled.clone()
    }
}

/// Whether there is nothing to wait for.
pub fn are_settled(fetches: &[Weak<dyn Fetch>]) -> bool {
    fetches.iter().all(|fetch| fetch.upgrade().is_none_or(|fetch| fetch.is_settled()))
}

async fn run(what: Weak<dyn Fetch>, mut watched: Watched, calls: Calls, settled: Rc<Notify>) {
    loop {
        let Some(question) = what.upgrade().map(|what| what.question()) else { return };
        let answer = tokio::select! {
            answer = calls.http(question) => answer,
            _ = &mut watched.0 => return,
        };
        let Some(again) = what.upgrade().map(|what| what.came(answer)) else { return };
        settled.notify_one();
        tokio::select! {
            () = tokio::time::sleep(again) => {}
            _ = &mut watched.0 => return,
        }
    }
}

#[cfg(test)]
mod tests;
