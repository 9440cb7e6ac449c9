//! Tests of what is fetched, and for how long.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::call::tests::{CLUSTER, World, serve};
use crate::cluster::testing::run;

/// Counts answers, and wants the next one soon.
#[derive(Default)]
struct Counted {
    answers: AtomicUsize,
    failures: AtomicUsize,
    alive: std::sync::Mutex<Option<Alive>>,
}

impl Counted {
    fn registered(fetches: &Fetches, is_waited_for: bool) -> Arc<Counted> {
        let (alive, watched) = Alive::new();
        let counted = Arc::new(Counted::default());
        *counted.alive.lock().unwrap() = Some(alive);
        let fetch: Arc<dyn Fetch> = counted.clone();
        fetches.register(&fetch, watched, is_waited_for);
        counted
    }
}

impl Fetch for Counted {
    fn question(&self) -> HttpCall {
        HttpCall::get(&config::services::HttpUri {
            cluster: CLUSTER.into(),
            uri: "http://keys/".into(),
            host: "keys".into(),
            path: "/".into(),
            timeout: None,
        })
    }

    fn came(&self, answer: Result<Reply, CallFailure>) -> Duration {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(usize::from(answer.is_err()), Ordering::Relaxed);
        Duration::from_millis(1)
    }

    fn is_settled(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > 0
    }
}

#[test]
fn what_is_registered_is_fetched_again_until_it_is_gone() {
    run(async {
        let asked = Rc::new(RefCell::new(0));
        let count = asked.clone();
        let address = serve(move |mut one| {
            *count.borrow_mut() += 1;
            Box::pin(async move { one.only_head(200, &[]) })
        })
        .await;
        let world = World::http2(address);
        let (fetches, calls) = (Fetches::default(), world.calls.clone());
        fetches.prepare(move || calls.clone());
        let ((), waited) = fetches.during(|| {
            let fast = Counted::registered(&fetches, false);
            assert!(fetches.waited_for.borrow().is_empty());
            drop(fast);
        });
        assert!(are_settled(&waited), "nobody waits");
        let (early, waited) = fetches.during(|| Counted::registered(&fetches, true));
        assert!(!are_settled(&waited));
        assert_eq!(*asked.borrow(), 0, "nothing is fetched before there are clusters");
        let settled = fetches.settled();
        fetches.begin();
        settled.notified().await;
        assert!(are_settled(&waited));
        while early.answers.load(Ordering::Relaxed) < 3 {
            settled.notified().await;
        }
        assert_eq!(early.failures.load(Ordering::Relaxed), 0);
        let late = Counted::registered(&fetches, false);
        while !late.is_settled() {
            settled.notified().await;
        }
        assert!(*asked.borrow() >= 4);
        let (one, other) = (Arc::downgrade(&early), Arc::downgrade(&late));
        drop((early, late));
        assert!(one.upgrade().is_none() && other.upgrade().is_none(), "fetching keeps nothing alive");
        assert!(are_settled(&waited), "who is gone is not waited for");
    });
}

#[test]
fn a_failure_settles_too() {
    run(async {
        let world = World::http2(std::net::SocketAddr::from(([127, 0, 0, 1], 9)));
        let (fetches, calls) = (Fetches::default(), world.calls.clone());
        fetches.prepare(move || calls.clone());
        let (one, waited) = fetches.during(|| Counted::registered(&fetches, true));
        let settled = fetches.settled();
        fetches.begin();
        settled.notified().await;
        assert!(are_settled(&waited));
        assert_eq!(one.failures.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_check_of_a_configuration_fetches_nothing() {
    let fetches = Fetches::default();
    let (_one, waited) = fetches.during(|| Counted::registered(&fetches, true));
    fetches.begin();
    assert!(!are_settled(&waited));
}
