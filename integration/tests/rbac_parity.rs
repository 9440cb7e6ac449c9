//! Random RBAC policies, requests and connections: Outrigger judges as the real Envoy does. A slice of them in every run, and as many as
//! `OUTRIGGER_RBAC_PAIRS` says (`make parity`); `OUTRIGGER_RBAC_SEED` begins elsewhere, and repeats a batch that differed.

#![allow(clippy::panic, reason = "helpers of a test: what they cannot do fails it")]

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::rbac::{Batch, compare, connections};
use outrigger_integration::skip::or_skip;

/// Policies of a batch, and requests for each.
const BATCH: [usize; 2] = [250, 8];
/// The same of connections, each of which is one that is made.
const CONNECTIONS: [usize; 2] = [60, 5];
/// Differences that are told.
const MOST: usize = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

#[test]
fn outrigger_judges_as_envoy_does() {
    let Some(envoy) = or_skip("outrigger_judges_as_envoy_does", envoy()) else { return };
    let outrigger = binary::build().expect("the binary builds");
    let pairs = number("OUTRIGGER_RBAC_PAIRS").unwrap_or(2000) as usize;
    let first = number("OUTRIGGER_RBAC_SEED").unwrap_or(1);
    let [policies, requests] = BATCH;
    for (seed, done) in (first..).zip((0..pairs).step_by(policies * requests)) {
        let batch = Batch::random(seed, policies, requests);
        let differences = compare(&envoy, &outrigger, &batch, MOST).expect("both proxies run");
        assert!(differences.is_empty(), "seed {seed}, after {done} pairs:\n{}", differences.join("\n"));
    }
}

#[test]
fn outrigger_judges_connections_as_envoy_does() {
    let Some(envoy) = or_skip("outrigger_judges_connections_as_envoy_does", envoy()) else { return };
    let outrigger = binary::build().expect("the binary builds");
    let pairs = number("OUTRIGGER_RBAC_PAIRS").unwrap_or(2000) as usize / 4;
    let first = number("OUTRIGGER_RBAC_SEED").unwrap_or(1);
    let [policies, clients] = CONNECTIONS;
    for (seed, done) in (first..).zip((0..pairs).step_by(policies * clients)) {
        let batch = connections::Batch::random(seed, policies, clients);
        let differences = connections::compare(&envoy, &outrigger, &batch, MOST).expect("both proxies run");
        assert!(differences.is_empty(), "seed {seed}, after {done} pairs:\n{}", differences.join("\n"));
    }
}
