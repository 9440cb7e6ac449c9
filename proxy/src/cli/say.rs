//! What commands print. Whoever reads may be gone (`outrigger --help | head -1`), and then nobody is told: `println!` would end the
//! process by a panic, and leave behind what it has started.

use std::fmt::Display;
use std::io::Write;

/// A line on stdout.
pub fn say(line: impl Display) {
    let _nobody_reads = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// A line on stderr.
pub fn complain(line: impl Display) {
    let _nobody_reads = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
