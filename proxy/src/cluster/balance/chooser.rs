//! Choosing one host of a list by the cluster's policy.

use config::cluster;

use super::edf::Schedule;
use super::hashing::{Maglev, Ring};
use crate::cluster::host::Host;

/// A list of hosts with the state of the policy.
#[derive(Debug)]
pub struct Chooser {
    hosts: Vec<Host>,
    method: Method,
}

#[derive(Debug)]
enum Method {
    /// Equal weights: one after the other.
    RoundRobin {
        next: usize,
    },
    /// Differing weights: earliest deadline first.
    Weighted(Schedule),
    /// Differing weights, and the fewer requests a host has, the sooner it comes again (`active_request_bias` 1).
    WeightedLeastRequest(Schedule),
    /// Equal weights: the best of some chosen at random.
    LeastRequest {
        choices: u32,
    },
    Random,
    Ring(Ring),
    Maglev(Maglev),
}

impl Chooser {
    /// For these hosts.
    pub fn new(hosts: Vec<Host>, policy: &cluster::Balancer, random: &mut fastrand::Rng) -> Chooser {
        let equal = hosts.windows(2).all(|pair| pair[0].weight() == pair[1].weight());
        let schedule = |random: &mut fastrand::Rng| {
            let weights: Vec<f64> = hosts.iter().map(|host| f64::from(host.weight())).collect();
            Schedule::new(&weights, random.usize(..hosts.len()))
        };
        let method = match policy {
            cluster::Balancer::RoundRobin | cluster::Balancer::ClusterProvided if equal => {
                Method::RoundRobin { next: random.usize(..hosts.len().max(1)) }
            }
            cluster::Balancer::RoundRobin | cluster::Balancer::ClusterProvided => Method::Weighted(schedule(random)),
            cluster::Balancer::LeastRequest { choices } if equal => Method::LeastRequest { choices: (*choices).max(1) },
            cluster::Balancer::LeastRequest { .. } => Method::WeightedLeastRequest(schedule(random)),
            cluster::Balancer::Random => Method::Random,
            cluster::Balancer::RingHash { minimum_ring_size } => Method::Ring(Ring::new(&hosts, *minimum_ring_size)),
            cluster::Balancer::Maglev { table_size } => Method::Maglev(Maglev::new(&hosts, *table_size)),
        };
        Chooser { hosts, method }
    }

    /// The next host; `None` when the list is empty. Without a hash the hash policies choose at random; `attempt` counts the hosts that
    /// this request has already declined.
    pub fn pick(&mut self, hash: Option<u64>, attempt: u32, random: &mut fastrand::Rng) -> Option<&Host> {
        let hosts = &self.hosts;
        if hosts.len() < 2 {
            return hosts.first();
        }
        let chosen = match &mut self.method {
            Method::RoundRobin { next } => {
                let chosen = *next % hosts.len();
                *next = chosen + 1;
                chosen
            }
            Method::Weighted(schedule) => schedule.pick(|host| f64::from(hosts[host].weight()))?,
            Method::WeightedLeastRequest(schedule) => {
                schedule.pick(|host| f64::from(hosts[host].weight()) / (f64::from(hosts[host].active()) + 1.0))?
            }
            Method::LeastRequest { choices } => {
                let mut best = random.usize(..hosts.len());
                for _ in 1..*choices {
                    let other = random.usize(..hosts.len());
                    if hosts[other].active() < hosts[best].active() {
                        best = other;
                    }
                }
                best
            }
            Method::Random => random.usize(..hosts.len()),
            Method::Ring(ring) => ring.find(hash.unwrap_or_else(|| random.u64(..)), attempt)?,
            Method::Maglev(maglev) => maglev.find(hash.unwrap_or_else(|| random.u64(..)), attempt)?,
        };
        hosts.get(chosen)
    }
}

#[cfg(test)]
mod tests;
