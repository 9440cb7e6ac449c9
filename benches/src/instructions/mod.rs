//! Parts of the count of instructions: what is run ([`scenario`]), under what ([`run`]), with which requests ([`traffic`]), how what
//! callgrind says is read ([`callgrind`]) and told ([`stages`]), and what it may be ([`budget`]).

pub mod budget;
pub mod callgrind;
pub mod run;
pub mod scenario;
pub mod stages;
pub mod traffic;

use std::path::Path;

use self::budget::Budget;
use self::scenario::Scenario;
use crate::load::certs;

/// Counts these scenarios with that binary, and tells of each.
pub fn count(
    program: &Path,
    scenarios: &[Scenario],
    mut tell: impl FnMut(String),
) -> Result<Budget, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let certs = certs::write(folder.path())?;
    let mut budget = Budget::begin()?;
    for scenario in scenarios {
        let costs = run::run(*scenario, program, &certs, folder.path())?;
        for (index, cost) in costs.iter().enumerate() {
            tell(format!("{} ({} of {}): {cost}", scenario.name(), index + 1, costs.len()));
        }
        budget.add(*scenario, &costs);
    }
    Ok(budget)
}
