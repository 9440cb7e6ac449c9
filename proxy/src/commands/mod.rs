//! Commands for people: what they ask of a running proxy through its admin interface, or of files. `main` calls [`run`].
//!
//! Nothing here runs inside a proxy that serves, and nothing changes one. What is printed goes to stdout, why it could not be to
//! stderr; the exit status is one of [`Ended`].

mod client;
mod config;
mod dump;
mod explain;
mod hosts;
mod paper;
mod ready;
#[cfg(test)]
mod testing;
mod validate;

use std::process::ExitCode;

use crate::cli::commands::Command;
use crate::cli::{complain, say_octets, unsaid, whole};

/// How a command ends: one list for all of them, which their help repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Yes, or done.
    Yes = 0,
    /// No; why has been said.
    No = 1,
    /// The command line is wrong.
    Misused = 2,
    /// Nobody answers, or a file or what was asked for cannot be written.
    Cannot = 3,
    /// Valid for Envoy, not supported here.
    OnlyEnvoys = 4,
}

/// Why a command could not do what it was asked: one sentence.
type Cannot = String;

/// Carries a command out.
pub fn run(command: &Command) -> ExitCode {
    let ended = match command {
        Command::Validate(asked) => Ok(validate::files(asked)),
        Command::Wait(asked) => Ok(ready::wait(asked)),
        Command::Healthcheck(asked) => Ok(ready::check(asked)),
        Command::Explain(asked) => explain::explain(asked),
        Command::Hosts(asked) => hosts::hosts(asked),
        Command::Config(asked) => config::show(asked),
        Command::Completions { shell } => Ok(print(&completions(*shell))),
        Command::Man => Ok(print(&manual())),
    };
    let ended = ended.unwrap_or_else(|reason| {
        complain(format_args!("error: {reason}"));
        Ended::Cannot
    });
    match unsaid() {
        None => ExitCode::from(ended as u8),
        Some(why) => {
            complain(format_args!("error: what was asked for cannot be written: {why}"));
            ExitCode::from(Ended::Cannot as u8)
        }
    }
}

fn print(text: &[u8]) -> Ended {
    say_octets(text);
    Ended::Yes
}

fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut whole(), "outrigger", &mut script);
    script
}

/// The page of the whole, and behind it that of each command.
fn manual() -> Vec<u8> {
    let mut whole = whole();
    whole.build();
    let mut page = Vec::new();
    // A vector takes all that is written to it.
    let _ = clap_mangen::Man::new(whole.clone()).render(&mut page);
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        page.extend(format!(".SH OUTRIGGER {}\n", command.get_name().to_uppercase()).bytes());
        let man = clap_mangen::Man::new(command.clone());
        let _ = man.render_description_section(&mut page);
        let _ = man.render_options_section(&mut page);
        let _ = man.render_extra_section(&mut page);
    }
    page
}

#[cfg(test)]
mod tests;
