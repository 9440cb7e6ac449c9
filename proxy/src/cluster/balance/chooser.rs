//! Choosing one host of a list by the cluster's policy.

use config::cluster::{self, Balancing};

use super::edf::Schedule;
use super::hashing::{self, Maglev, Ring, Shared};
use super::slow_start::SlowStart;
use super::twister::Twister;
use crate::cluster::host::Host;

/// A list of hosts with the state of the policy.
#[derive(Debug)]
pub struct Chooser {
    hosts: Vec<Host>,
    method: Method,
    slow_start: Option<SlowStart>,
}

#[derive(Debug)]
enum Method {
    /// Equal weights: one after the other.
    RoundRobin {
        next: usize,
    },
    /// Differing weights: earliest deadline first.
    Weighted(Schedule),
    /// Differing weights, and the fewer requests a host has, the sooner it comes again; how much they count.
    WeightedLeastRequest(Schedule, f64),
    /// Equal weights: the best of some chosen at random.
    LeastRequest {
        choices: u32,
    },
    /// Equal weights: the best of all.
    LeastOfAll,
    Random,
    Ring(Shared<Ring>, Option<Bound>),
    Maglev(Shared<Maglev>, Option<Bound>),
}

/// `hash_balance_factor`, and what part of all each host is.
#[derive(Debug)]
struct Bound {
    factor: u32,
    shares: Vec<f64>,
}

impl Chooser {
    /// For these hosts.
    pub fn new(
        hosts: Vec<Host>,
        policy: &cluster::Balancer,
        balancing: &Balancing,
        random: &mut fastrand::Rng,
    ) -> Chooser {
        let slow_start = SlowStart::of(&hosts, balancing);
        let equal = slow_start.is_none() && hosts.windows(2).all(|pair| pair[0].weight() == pair[1].weight());
        let schedule = |random: &mut fastrand::Rng| {
            let weights: Vec<f64> = hosts.iter().map(|host| weight(host, &slow_start)).collect();
            Schedule::new(&weights, random.usize(..hosts.len()))
        };
        let method = match policy {
            cluster::Balancer::RoundRobin | cluster::Balancer::ClusterProvided if equal => {
                Method::RoundRobin { next: random.usize(..hosts.len().max(1)) }
            }
            cluster::Balancer::RoundRobin | cluster::Balancer::ClusterProvided => Method::Weighted(schedule(random)),
            cluster::Balancer::LeastRequest { .. } if equal && balancing.full_scan => Method::LeastOfAll,
            cluster::Balancer::LeastRequest { choices } if equal => Method::LeastRequest { choices: (*choices).max(1) },
            cluster::Balancer::LeastRequest { .. } => {
                Method::WeightedLeastRequest(schedule(random), balancing.active_request_bias)
            }
            cluster::Balancer::Random => Method::Random,
            cluster::Balancer::RingHash { .. } | cluster::Balancer::Maglev { .. } => {
                let shares = hashing::shares(&hosts);
                return Chooser::hashed(hosts, shares, policy, balancing);
            }
        };
        Chooser { hosts, method, slow_start }
    }

    /// For these hosts, of which each is such a part. Policies that do not hash choose at random.
    pub fn hashed(hosts: Vec<Host>, shares: Vec<f64>, policy: &cluster::Balancer, balancing: &Balancing) -> Chooser {
        let bound = |shares| balancing.balance_factor.map(|factor| Bound { factor, shares });
        let method = match policy {
            cluster::Balancer::RingHash { minimum_ring_size } => {
                Method::Ring(Ring::of(&hosts, &shares, *minimum_ring_size, balancing), bound(shares))
            }
            cluster::Balancer::Maglev { table_size } => {
                Method::Maglev(Maglev::of(&hosts, &shares, *table_size, balancing), bound(shares))
            }
            _ => Method::Random,
        };
        Chooser { hosts, method, slow_start: None }
    }

    /// The next host; `None` when the list is empty. Without a hash the hash policies choose at random; `attempt` counts the hosts that
    /// this request has already declined.
    pub fn pick(&mut self, hash: Option<u64>, attempt: u32, random: &mut fastrand::Rng) -> Option<&Host> {
        let (hosts, slow_start) = (&self.hosts, &self.slow_start);
        if hosts.len() < 2 {
            return hosts.first();
        }
        let chosen = match &mut self.method {
            Method::RoundRobin { next } => {
                let chosen = *next % hosts.len();
                *next = chosen + 1;
                chosen
            }
            Method::Weighted(schedule) => schedule.pick(|host| weight(&hosts[host], slow_start))?,
            Method::WeightedLeastRequest(schedule, bias) => {
                let bias = *bias;
                schedule.pick(|host| weight(&hosts[host], slow_start) / busy(&hosts[host], bias))?
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
            Method::LeastOfAll => least_of_all(hosts, random),
            Method::Random => random.usize(..hosts.len()),
            Method::Ring(ring, bound) => {
                let hash = hash.unwrap_or_else(|| random.u64(..));
                bounded(hosts, ring.find(hash, attempt)?, hash, bound.as_ref())
            }
            Method::Maglev(maglev, bound) => {
                let hash = hash.unwrap_or_else(|| random.u64(..));
                bounded(hosts, maglev.find(hash, attempt)?, hash, bound.as_ref())
            }
        };
        hosts.get(chosen)
    }
}

fn weight(host: &Host, slow_start: &Option<SlowStart>) -> f64 {
    let weight = f64::from(host.weight());
    match slow_start {
        Some(slow_start) => weight * slow_start.share(host),
        None => weight,
    }
}

/// How much the requests of a host count against it.
fn busy(host: &Host, bias: f64) -> f64 {
    let requests = f64::from(host.active()) + 1.0;
    if bias == 1.0 { requests } else { requests.powf(bias) }
}

/// One of those that have the fewest requests.
fn least_of_all(hosts: &[Host], random: &mut fastrand::Rng) -> usize {
    let (mut best, mut tied) = (0, 0);
    for (index, host) in hosts.iter().enumerate() {
        match host.active().cmp(&hosts[best].active()) {
            std::cmp::Ordering::Less => (best, tied) = (index, 1),
            std::cmp::Ordering::Equal => {
                tied += 1;
                if random.usize(..tied) == 0 {
                    best = index;
                }
            }
            std::cmp::Ordering::Greater => {}
        }
    }
    best
}

/// That host, or where it has more than its bound another one: each hash has a row of hosts of its own, as in Envoy. Requests are those of this
/// worker.
fn bounded(hosts: &[Host], first: usize, hash: u64, bound: Option<&Bound>) -> usize {
    let Some(Bound { factor, shares }) = bound else { return first };
    let all: u64 = hosts.iter().map(|host| u64::from(host.active())).sum();
    let slots = ((all + 1) * u64::from(*factor)).div_ceil(100) as f64;
    let load = |host: usize| f64::from(hosts[host].active()) / (slots * shares[host]).ceil().max(1.0);
    let mut least = (first, load(first));
    if least.1 <= 1.0 {
        return first;
    }
    let mut twister = Twister::new(hash as u32);
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    for index in 0..hosts.len() {
        let other = index + twister.below((hosts.len() - index) as u32) as usize;
        order.swap(index, other);
        let host = order[index];
        if host == first {
            continue;
        }
        let load = load(host);
        if load <= 1.0 {
            return host;
        }
        if load < least.1 {
            least = (host, load);
        }
    }
    least.0
}

#[cfg(test)]
mod tests;
