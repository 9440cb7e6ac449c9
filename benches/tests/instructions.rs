//! Holds what a request costs to what is committed: instructions and calls for memory of the dev build, counted by callgrind. Not what a
//! release needs, but what a request does: whatever is added to each shows in both. Without valgrind, or with another compiler than that
//! of the committed numbers, it says so and holds nothing.

#![allow(clippy::unwrap_used, reason = "helpers of a test: what they cannot do fails it")]

use std::path::PathBuf;

use outrigger_benches::instructions::budget::{Budget, Machine};
use outrigger_benches::instructions::scenario::Scenario;
use outrigger_benches::instructions::{count, run};

#[test]
fn a_request_costs_no_more_than_is_committed() {
    if !run::is_there() {
        eprintln!("skipped: no valgrind on this machine, so instructions are not counted");
        return;
    }
    let Ok(committed) = Budget::read(concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json")) else {
        eprintln!("skipped: no numbers are committed");
        return;
    };
    let here = Machine::here().unwrap();
    if committed.counted_with != here {
        eprintln!("skipped: {}", committed.difference(&here));
        return;
    }
    let held: Vec<Scenario> =
        Scenario::ALL.into_iter().filter(|scenario| committed.scenarios.contains_key(scenario.name())).collect();
    let counted = count(&program(), &held, |line| println!("{line}")).unwrap();
    let complaints = [counted.above(&committed), counted.complaints_about_filters()].concat();
    assert!(complaints.is_empty(), "{complaints:#?}\nif it must be so: target/debug/instructions --dev --write");
}

/// The binary of the dev build: `make build` has made it.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("outrigger")
}
