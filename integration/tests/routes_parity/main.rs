//! Random route tables and requests: Outrigger routes as the real Envoy does. A slice of them in every run, and as many tables as
//! `OUTRIGGER_ROUTES_TABLES` says (`make parity`); `OUTRIGGER_ROUTES_SEED` is the first table, and repeats one that differed. What differs
//! is made small before it is told.

#![allow(clippy::panic, reason = "helpers of a test: what they cannot do fails it")]

mod tables;

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::http::{play, scenario::Scenario};
use outrigger_integration::skip::or_skip;

use tables::Table;

/// Tables that are played at once, each behind a listener of its own.
const AT_ONCE: u64 = 25;
/// Requests of each.
const REQUESTS: usize = 30;
/// Tables of every run.
const SLICE: u64 = 25;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// Which table differs, which of its requests, and what both make of it.
struct Difference {
    table: usize,
    request: usize,
    told: String,
}

async fn differences(programs: [&Path; 2], tables: &[Table]) -> Vec<Difference> {
    let named = |(number, table): (usize, &Table)| table.scenario(&format!("table{number}"));
    let scenarios: Vec<Scenario> = tables.iter().enumerate().map(named).collect();
    let (envoy, ours) = tokio::join!(play(programs[0], &scenarios), play(programs[1], &scenarios));
    let (envoy, ours) = (envoy.expect("Envoy plays all"), ours.expect("Outrigger plays all"));
    let mut found = Vec::new();
    for (table, ((_, envoy), (_, ours))) in envoy.iter().zip(&ours).enumerate() {
        let parts = envoy.split("\n\n").zip(ours.split("\n\n")).take(tables[table].requests.len());
        let differing = parts.enumerate().filter(|(_, (envoy, ours))| envoy != ours && !is_known(envoy, ours));
        found.extend(differing.map(|(request, (envoy, ours))| {
            let told = format!("Envoy:\n{envoy}\nOutrigger:\n{ours}\n");
            Difference { table, request, told }
        }));
    }
    found
}

/// A rewritten host that is none, towards HTTP/2: the application resets what Envoy sends, and takes what we send (`known.md`).
fn is_known(envoy: &str, ours: &str) -> bool {
    let line = |text: &str| text.lines().rev().find_map(|line| line.strip_prefix("log ").map(str::to_owned));
    let (Some(envoy), Some(ours)) = (line(envoy), line(ours)) else { return false };
    // 502, or 200 of gRPC.
    let reset = envoy.contains(" upstream_reset_before_response_started{protocol_error} UPE ");
    reset && ours.starts_with("200 via_upstream - ") && ours.ends_with(" / /") && envoy.ends_with(" / /")
}

/// As little of the table as still differs for that request.
async fn shrunk(programs: [&Path; 2], table: &Table, difference: Difference) -> String {
    let mut table = table.with_only(difference.request);
    let mut told = difference.told;
    loop {
        let smaller = table.smaller();
        let Some(found) = differences(programs, &smaller).await.into_iter().next() else {
            return format!("{told}with\n{:#}\n{:?}", table.config, table.requests);
        };
        (table, told) = (smaller[found.table].clone(), found.told);
    }
}

#[tokio::test]
async fn outrigger_routes_as_envoy_does() {
    let Some(envoy) = or_skip("outrigger_routes_as_envoy_does", envoy()) else { return };
    let outrigger = binary::build().expect("the binary builds");
    let programs = [&*envoy, &*outrigger];
    let first = number("OUTRIGGER_ROUTES_SEED").unwrap_or(1);
    let end = first + number("OUTRIGGER_ROUTES_TABLES").unwrap_or(SLICE);
    let mut seeds = first..end;
    while !seeds.is_empty() {
        let batch: Vec<u64> = seeds.by_ref().take(AT_ONCE as usize).collect();
        let tables: Vec<Table> = batch.iter().map(|seed| Table::random(*seed, REQUESTS)).collect();
        if let Some(found) = differences(programs, &tables).await.into_iter().next() {
            let seed = batch[found.table];
            panic!("table {seed}:\n{}", shrunk(programs, &tables[found.table], found).await);
        }
    }
}
