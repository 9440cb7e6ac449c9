//! The `outrigger` binary: reads the command line, hands over to [`proxy::app`] or, for commands, to [`proxy::commands`].

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let read = match proxy::cli::commands::read(&arguments) {
        Some(command) => command.map(|command| proxy::commands::run(&command)),
        None => proxy::cli::parse(arguments).map(|invocation| proxy::app::run(&invocation)),
    };
    read.unwrap_or_else(|exit| {
        // Nobody to tell when even this cannot be written.
        let _ = match exit.code {
            0 => std::io::stdout().write_all(exit.text.as_bytes()),
            _ => std::io::stderr().write_all(exit.text.as_bytes()),
        };
        ExitCode::from(exit.code)
    })
}
