//! Earliest deadline first: each pick advances a host's deadline by the inverse of its weight, so picks interleave as evenly as the
//! weights allow.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A schedule over host numbers.
#[derive(Debug)]
pub struct Schedule {
    queue: BinaryHeap<Turn>,
    now: f64,
    next_order: u64,
}

impl Schedule {
    /// Hosts 0 to `weights.len()`, with the first `skip` picks already made so that workers do not all begin with the same host. A host
    /// of weight 0 never comes.
    pub fn new(weights: &[f64], skip: usize) -> Schedule {
        let mut schedule = Schedule { queue: BinaryHeap::with_capacity(weights.len()), now: 0.0, next_order: 0 };
        for (host, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            schedule.add(host, *weight);
        }
        for _ in 0..skip {
            schedule.pick(|host| weights[host]);
        }
        schedule
    }

    /// The next host. `weight` gives the weight with which it comes back.
    pub fn pick(&mut self, weight: impl FnOnce(usize) -> f64) -> Option<usize> {
        let turn = self.queue.pop()?;
        self.now = turn.deadline;
        self.add(turn.host, weight(turn.host));
        Some(turn.host)
    }

    fn add(&mut self, host: usize, weight: f64) {
        self.queue.push(Turn { deadline: self.now + 1.0 / weight, order: self.next_order, host });
        self.next_order += 1;
    }
}

#[derive(Debug)]
struct Turn {
    deadline: f64,
    /// Among equal deadlines the one that waited longer comes first.
    order: u64,
    host: usize,
}

impl Ord for Turn {
    fn cmp(&self, other: &Turn) -> Ordering {
        // The heap's greatest is the next: reversed.
        other.deadline.total_cmp(&self.deadline).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Turn) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Turn) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}

#[cfg(test)]
mod tests;
