//! Random hostile octets of HTTP/1: Outrigger makes of them what the real Envoy does. A slice in every run, and as many cases as
//! `OUTRIGGER_HOSTILE_CASES` says (`OUTRIGGER_WHOLE=1` without it: 50 000; `make parity`); `OUTRIGGER_HOSTILE_SEED` is the first, and repeats
//! one that differed, `OUTRIGGER_HOSTILE_KNOWN=1` tells each case that differs on purpose. What differs is played once more, alone, and made small before it is told. What differs on purpose ([`known`]) is in
//! `known.md`.

#![allow(clippy::panic, reason = "helpers of a test: what they cannot do fails it")]

mod bytes;
mod known;

use std::collections::BTreeMap;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::hostile::{Case, Player};
use outrigger_integration::skip::{or_skip, print};

/// Cases of every run.
const SLICE: u64 = 1500;
/// Connections at once.
const AT_ONCE: usize = 250;
/// Differences that are told.
const TOLD: usize = 12;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// Envoy and Outrigger.
struct Both {
    players: [Player; 2],
    /// How often each known difference was met, and the first case of it.
    known: BTreeMap<&'static str, (u64, String)>,
    /// Each case of them is told.
    tells_known: bool,
}

impl Both {
    /// Which cases differ without a reason, and what both make of them.
    async fn differences(&mut self, cases: &[Case]) -> Vec<(usize, [String; 2])> {
        let [envoy, ours] = &mut self.players;
        let (envoy, ours) = tokio::join!(envoy.play(cases), ours.play(cases));
        let (envoy, ours) = (envoy.expect("Envoy plays all"), ours.expect("Outrigger plays all"));
        let pairs = envoy.into_iter().zip(ours).map(|(envoy, ours)| [envoy, ours]).enumerate();
        let mut unknown = Vec::new();
        for (index, pair) in pairs.filter(|(_, pair)| pair[0] != pair[1]) {
            match known::why(&cases[index], &pair) {
                Some(why) => {
                    if self.tells_known {
                        print(&format!("known, {why}: {}", told(&cases[index], &pair)));
                    }
                    let first = || (0, told(&cases[index], &pair));
                    self.known.entry(why).or_insert_with(first).0 += 1;
                }
                None => unknown.push((index, pair)),
            }
        }
        unknown
    }

    /// As little of it as still differs.
    async fn shrunk(&mut self, mut case: Case, mut told: [String; 2]) -> (Case, [String; 2]) {
        loop {
            let smaller = bytes::smaller(&case);
            let mut found = None;
            for some in smaller.chunks(AT_ONCE) {
                found = self.differences(some).await.into_iter().next().map(|(at, told)| (some[at].clone(), told));
                if found.is_some() {
                    break;
                }
            }
            match found {
                // Of the same length only once: another listener, all at once.
                Some(found) => (case, told) = found,
                None => return (case, told),
            }
        }
    }
}

/// A case, and what both make of it.
fn told(case: &Case, [envoy, ours]: &[String; 2]) -> String {
    let text: Vec<String> = case.pieces.iter().map(|piece| piece.escape_ascii().to_string()).collect();
    let slowly = if case.slowly { " slowly" } else { "" };
    format!("listener {}{slowly}: {}\nEnvoy:\n{envoy}Outrigger:\n{ours}", case.listener, text.join(""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outrigger_takes_hostile_octets_as_envoy_does() {
    let Some(envoy) = or_skip("outrigger_takes_hostile_octets_as_envoy_does", envoy()) else { return };
    let outrigger = binary::build().expect("the binary builds");
    let whole = std::env::var_os("OUTRIGGER_WHOLE").is_some();
    let first = number("OUTRIGGER_HOSTILE_SEED").unwrap_or(1);
    let count = number("OUTRIGGER_HOSTILE_CASES").unwrap_or(if whole { 50_000 } else { SLICE });
    let [envoy, ours] = [Player::start(&envoy).await, Player::start(&outrigger).await];
    let players = [envoy.expect("Envoy starts"), ours.expect("Outrigger starts")];
    let mut both =
        Both { players, known: BTreeMap::new(), tells_known: std::env::var_os("OUTRIGGER_HOSTILE_KNOWN").is_some() };
    let seeds: Vec<u64> = (first..first + count).collect();
    // By what is left of them: many seeds find one thing.
    let mut found = BTreeMap::new();
    for seeds in seeds.chunks(AT_ONCE) {
        let cases: Vec<Case> = seeds.iter().map(|seed| bytes::case(*seed)).collect();
        for (at, _) in both.differences(&cases).await {
            // Twice: whoever was only late the first time is in time now.
            let Some((_, pair)) = both.differences(&cases[at..=at]).await.into_iter().next() else { continue };
            let (case, pair) = both.shrunk(cases[at].clone(), pair).await;
            let what = told(&case, &pair);
            eprintln!("seed {}, {what}", seeds[at]);
            found.entry(what).or_insert(seeds[at]);
        }
        if found.len() >= TOLD {
            break;
        }
    }
    for (why, (count, first)) in &both.known {
        eprintln!("known, {count} times: {why}; the first: {first}");
    }
    let told: Vec<String> = found.iter().map(|(what, seed)| format!("seed {seed}, {what}")).collect();
    assert!(told.is_empty(), "{} differences:\n{}", told.len(), told.join("\n"));
}
