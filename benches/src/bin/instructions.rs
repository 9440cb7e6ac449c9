//! `instructions`: what a request costs in each stage, in instructions and calls for memory, counted by callgrind. A test does the same
//! with the dev build, and holds it to what is committed.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use outrigger_benches::instructions::budget::Budget;
use outrigger_benches::instructions::scenario::Scenario;
use outrigger_benches::instructions::{count, run};

/// Counts the instructions of a request, stage by stage.
#[derive(Parser)]
#[command(after_help = "Examples:\n  instructions --only http1,mtls-h1\n  instructions --dev --write")]
struct Arguments {
    /// Our binary.
    #[arg(long, default_value = "target/release/outrigger")]
    outrigger: PathBuf,
    /// The dev build, which the tests count.
    #[arg(long, conflicts_with = "outrigger")]
    dev: bool,
    /// Scenarios, by name; all when not given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Commits to what was counted of the dev build: it is what tests allow from then on.
    #[arg(long, requires = "dev")]
    write: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !run::is_there() {
        let _ = writeln!(io::stderr(), "skipped: no valgrind on this machine, so instructions are not counted");
        return ExitCode::SUCCESS;
    }
    match counted(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn counted(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let program = if arguments.dev { Path::new("target/debug/outrigger") } else { &arguments.outrigger };
    let wanted =
        |scenario: &Scenario| arguments.only.is_empty() || arguments.only.iter().any(|name| name == scenario.name());
    let scenarios: Vec<Scenario> = Scenario::ALL.into_iter().filter(wanted).collect();
    let budget = count(program, &scenarios, |line| drop(writeln!(io::stdout(), "{line}")))?;
    if arguments.write {
        budget.write(Budget::FILE)?;
    }
    Ok(())
}
