//! What requests may cost: the committed numbers, by compiler.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::run::Cost;
use super::scenario::Scenario;

/// More than the committed number by this part is too much.
pub const MORE: f64 = 0.01;

/// The committed numbers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Budget {
    /// What they were counted with: another compiler makes other code, another C library copies and allocates otherwise.
    pub counted_with: Machine,
    /// Instructions a request, by scenario, one number a proxy.
    pub scenarios: BTreeMap<String, Vec<u64>>,
}

/// What the numbers depend on.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `rustc --version`.
    pub compiler: String,
    /// `valgrind --version`.
    pub valgrind: String,
    /// Of the C library.
    pub libc: String,
}

/// Filters that do not act may cost a request so much, all ten together: of the release 30, of the dev build this, for no closer does its
/// count repeat on a busy machine.
const IDLE_FILTERS: f64 = 400.0;

impl Machine {
    /// This one.
    pub fn here() -> io::Result<Machine> {
        Ok(Machine {
            compiler: first_line("rustc", "--version")?,
            valgrind: first_line("valgrind", "--version")?,
            libc: first_line("ldd", "--version")?,
        })
    }
}

fn first_line(program: &str, argument: &str) -> io::Result<String> {
    let output = Command::new(program).arg(argument).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

impl Budget {
    /// Where it is committed, from the root of the checkout.
    pub const FILE: &str = "benches/instructions.json";

    /// Nothing counted yet, on this machine.
    pub fn begin() -> io::Result<Budget> {
        Ok(Budget { counted_with: Machine::here()?, scenarios: BTreeMap::new() })
    }

    /// Reads a file.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Budget> {
        serde_json::from_str(&fs::read_to_string(path)?).map_err(io::Error::other)
    }

    /// Writes a file.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Adds what was counted.
    pub fn add(&mut self, scenario: Scenario, costs: &[Cost]) {
        let numbers = costs.iter().map(|cost| cost.served.round() as u64);
        self.scenarios.insert(scenario.name().to_owned(), numbers.collect());
    }

    /// Why these numbers say nothing about another machine.
    pub fn difference(&self, other: &Machine) -> String {
        let ours = &self.counted_with;
        let pairs = [(&ours.compiler, &other.compiler), (&ours.valgrind, &other.valgrind), (&ours.libc, &other.libc)];
        let differ: Vec<String> = pairs
            .iter()
            .filter(|(ours, theirs)| ours != theirs)
            .map(|(ours, theirs)| format!("'{ours}', and here is '{theirs}'"))
            .collect();
        format!("the numbers that are allowed were counted with {}", differ.join("; "))
    }

    /// What is above the committed numbers.
    pub fn above(&self, allowed: &Budget) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, counted) in &self.scenarios {
            let allowed = allowed.scenarios.get(name).map_or(&[][..], |numbers| &numbers[..]);
            if allowed.len() != counted.len() {
                complaints.push(format!("{name} has no committed numbers"));
            }
            for (counted, allowed) in counted.iter().zip(allowed) {
                if *counted as f64 > *allowed as f64 * (1.0 + MORE) {
                    complaints.push(format!("{name}: {counted} instructions a request, {allowed} are committed"));
                }
            }
        }
        complaints
    }

    /// Filters that do not act cost next to nothing.
    pub fn complaints_about_filters(&self) -> Vec<String> {
        let of = |scenario: Scenario| Some(*self.scenarios.get(scenario.name())?.first()? as f64);
        let Some(none) = of(Scenario::Http1) else { return Vec::new() };
        let idle = [Scenario::TenUntold, Scenario::TenSwitchedOff].into_iter();
        let more = idle.filter_map(|scenario| Some((scenario, of(scenario)? - none)));
        more.filter(|(_, more)| *more > IDLE_FILTERS)
            .map(|(scenario, more)| format!("{}: {more} instructions for filters that do not act", scenario.name()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(http1: u64, idle: u64) -> Budget {
        let scenarios = [(Scenario::Http1, http1), (Scenario::TenUntold, idle)];
        Budget {
            scenarios: scenarios.map(|(scenario, number)| (scenario.name().to_owned(), vec![number])).into(),
            ..Budget::default()
        }
    }

    #[test]
    fn more_than_is_committed_is_told() {
        let allowed = counted(30_000, 30_000);
        assert!(counted(30_300, 29_000).above(&allowed).is_empty());
        let complaints = counted(30_301, 30_000).above(&allowed);
        assert_eq!(complaints, ["http1: 30301 instructions a request, 30000 are committed"]);
        assert_eq!(counted(1, 1).above(&Budget::default()).len(), 2, "what nobody has committed is told, too");
    }

    #[test]
    fn filters_that_do_not_act_are_held_to_a_few_instructions() {
        assert!(counted(30_000, 30_400).complaints_about_filters().is_empty());
        assert_eq!(
            counted(30_000, 30_401).complaints_about_filters(),
            ["http1-ten-untold: 401 instructions for filters that do not act"]
        );
    }
}
