//! What clients sent to the control plane, kept for tests to look at and to wait for.
//!
//! Written by the ADS and SDS streams. Must never drop anything: a test may ask for the first request at its end.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

/// One request of one workload's proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The workload's name.
    pub workload: String,
    /// Counts streams of the control plane, from 1.
    pub stream: u64,
    /// The type asked for.
    pub type_url: String,
    /// The `node.id`, if the request carried a node.
    pub node: Option<String>,
    /// What it was for.
    pub what: What,
}

/// What a request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Resources were asked for, or given up.
    Subscribe {
        /// Names asked for; all names that are wanted, in state of the world. Empty for a wildcard.
        names: Vec<String>,
        /// Names given up (delta).
        unsubscribed: Vec<String>,
        /// Names said to be held (delta), sorted.
        held: Vec<String>,
    },
    /// A response was accepted.
    Ack,
    /// A response was refused, in whole or in part, with this text.
    Nack(String),
    /// An acknowledgement and a change of names in one message, which istiod complains about.
    Mixed,
}

/// The record of everything that came.
#[derive(Debug)]
pub(super) struct Record {
    requests: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { requests: Mutex::new(Vec::new()), count: watch::Sender::new(0) }
    }

    pub(super) fn add(&self, seen: Seen) {
        self.requests.lock().expect("no test panics while it holds the record").push(seen);
        self.count.send_modify(|count| *count += 1);
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.requests.lock().expect("no test panics while it holds the record").clone()
    }

    /// The first request, from the given place on, that a test waits for.
    pub(super) async fn wait_for(&self, from: usize, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut count = self.count.subscribe();
        let waiting = async {
            loop {
                if let Some(seen) = self.all().into_iter().skip(from).find(|seen| wanted(seen)) {
                    return seen;
                }
                count.changed().await.expect("the record lives");
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(seen) => seen,
            Err(_) => panic!("no such request within {DEADLINE:?}; what came: {:#?}", self.all()),
        }
    }
}

/// When waiting is given up; no statement about how long anything should take.
pub const DEADLINE: Duration = Duration::from_secs(30);
