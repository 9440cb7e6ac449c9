//! The `outrigger` binary: reads the command line, hands over to [`proxy::app`].

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match proxy::cli::parse(std::env::args_os()) {
        Ok(invocation) => proxy::app::run(&invocation),
        Err(exit) => {
            // Nobody to tell when even this cannot be written.
            let _ = match exit.code {
                0 => std::io::stdout().write_all(exit.text.as_bytes()),
                _ => std::io::stderr().write_all(exit.text.as_bytes()),
            };
            ExitCode::from(exit.code)
        }
    }
}
