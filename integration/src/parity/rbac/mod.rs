//! Random RBAC policies and requests, judged by the real Envoy and by Outrigger: the verdict, the policy that matched, what the shadow
//! says, what logs are told, and the counters. The same of connections ([`connections`]).
//!
//! Called by the `rbac_parity` tests. A batch is one bootstrap: a route for each policy, on a plain listener and on one with mutual TLS.
//! [`policy`] and [`expression`] make policies, [`request`] what is asked, [`proxy`] asks, [`shrink`] makes a difference small. The same seed
//! makes the same batch.

pub mod connections;
pub mod expression;
pub mod policy;
pub mod proxy;
pub mod request;
pub mod shrink;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use self::request::Request;
pub use super::http::Failure;

/// A small generator of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 16) as usize % end
    }

    /// One time in so many.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Requests.
    Requests,
    /// Connections, of which nobody knows a path or a header.
    Connections,
}

/// Policies, and who asks of which.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `RBAC` of the HTTP filter, one a route.
    pub policies: Vec<Value>,
    /// Each with the policy that it comes to.
    pub requests: Vec<(usize, Request)>,
}

impl Batch {
    /// So many policies, and for each so many requests.
    pub fn random(seed: u64, policies: usize, requests: usize) -> Batch {
        let mut random = Random::new(seed);
        let policies: Vec<_> = (0..policies).map(|_| policy::rbac(Place::Requests, &mut random)).collect();
        let asked =
            (0..policies.len() * requests).map(|number| (number % policies.len(), Request::random(&mut random)));
        let mut asked: Vec<_> = asked.collect();
        // By connection, so that each is used again and again.
        asked.sort_by_key(|(_, request)| request.connection);
        Batch { policies, requests: asked }
    }
}

/// What a proxy made of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// A line for each request.
    pub lines: Vec<String>,
    /// The statistics of the filter.
    pub statistics: Vec<String>,
}

/// What two proxies make of the same batch, where they differ: at most `most` differences, the first of them made small.
///
/// # Errors
/// A proxy does not start or answer.
pub fn compare(envoy: &Path, outrigger: &Path, batch: &Batch, most: usize) -> Result<Vec<String>, Failure> {
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| proxy::play(envoy, batch));
        let ours = proxy::play(outrigger, batch);
        (theirs.join().unwrap_or_else(|_| Err("a thread ended".into())), ours)
    });
    let (theirs, ours) =
        (theirs.map_err(|error| format!("Envoy: {error}"))?, ours.map_err(|error| format!("Outrigger: {error}"))?);
    let mut differences = Vec::new();
    for (index, (policy, request)) in batch.requests.iter().enumerate() {
        if theirs.lines[index] == ours.lines[index] {
            continue;
        }
        let (policy, theirs, ours) = match differences.is_empty() {
            true => shrink::shrink(envoy, outrigger, &batch.policies[*policy], request)?,
            false => (batch.policies[*policy].clone(), theirs.lines[index].clone(), ours.lines[index].clone()),
        };
        let mut text = String::new();
        writeln!(text, "policy    {policy}\nrequest   {request}\nEnvoy     {theirs}\nOutrigger {ours}")?;
        differences.push(text);
        if differences.len() == most {
            return Ok(differences);
        }
    }
    for line in theirs.statistics.iter().filter(|line| !ours.statistics.contains(line)) {
        differences.push(format!("Envoy counts {line}\n"));
    }
    for line in ours.statistics.iter().filter(|line| !theirs.statistics.contains(line)) {
        differences.push(format!("Outrigger counts {line}\n"));
    }
    differences.truncate(most);
    Ok(differences)
}
