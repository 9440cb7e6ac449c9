//! The command line: Envoy's own arguments, so that whoever starts Envoy (an agent, a unit file) starts this instead. Called by `main`
//! before anything else exists. Commands for people stand beside them. It prints nothing itself: `main` gets an [`Exit`] to print, or an [`Invocation`] with warnings to log.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

pub mod commands;
mod options;
pub mod process;
mod say;
mod unknown;
pub mod version;

pub use options::{DrainStrategy, IpVersion, Mode, Options};
pub use say::{complain, say, say_octets, unsaid};

pub use crate::telemetry::process_log::LogLevel;

/// What the process was asked to do.
#[derive(Debug)]
pub struct Invocation {
    /// The settings of the proxy.
    pub options: Options,
    /// Arguments that were ignored, one sentence each. To be logged once there is a log.
    pub warnings: Vec<String>,
}

/// The process ends without having started anything: after `--help`, `--version`, or a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Exit status.
    pub code: u8,
    /// What to print: to stdout when `code` is 0, else to stderr.
    pub text: String,
}

/// Reads the arguments (the program's name comes first).
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, Exit> {
    let mut command = whole();
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.is_empty() {
        arguments.push("outrigger".into());
    }
    let (arguments, mut warnings) = unknown::set_aside(&command, arguments);
    let matches = command.try_get_matches_from_mut(arguments).map_err(from_clap)?;
    let options = Options::from_arg_matches(&matches).map_err(from_clap)?;
    if options.version {
        return Err(Exit { code: 0, text: version::line() });
    }
    if options.hot_restart_version {
        return Err(Exit { code: 0, text: "disabled\n".into() });
    }
    options.check().map_err(mistake)?;
    if options.cpuset_threads && options.concurrency.is_some() {
        warnings.push("both --concurrency and --cpuset-threads are given: the number counts".to_owned());
    }
    Ok(Invocation { options, warnings })
}

/// Options and commands as clap knows them: help, completion and the manual are made of it.
pub fn whole() -> clap::Command {
    commands::below(Options::command())
}

fn from_clap(error: clap::Error) -> Exit {
    let code = if error.use_stderr() { 1 } else { 0 };
    Exit { code, text: error.to_string() }
}

fn mistake(reason: String) -> Exit {
    Exit { code: 1, text: format!("error: {reason}\n\nFor more information, try 'outrigger --help'.\n") }
}

#[cfg(test)]
mod tests;
