//! What commands print. Whoever reads may be gone (`outrigger --help | head -1`), and then nobody is told: `println!` would end the
//! process by a panic, and leave behind what it has started.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// A line on stdout.
pub fn say(line: impl Display) {
    say_octets(format!("{line}\n").as_bytes());
}

static UNSAID: OnceLock<String> = OnceLock::new();

/// The same, as it is.
pub fn say_octets(text: &[u8]) {
    let mut out = std::io::stdout();
    if let Err(error) = out.write_all(text).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Whoever reads may be gone; any other reason is told once.
        UNSAID.get_or_init(|| error.to_string());
    }
}

/// Why something could not be written on stdout; `None` where all was, or nobody reads.
pub fn unsaid() -> Option<&'static str> {
    UNSAID.get().map(String::as_str)
}

/// A line on stderr.
pub fn complain(line: impl Display) {
    let _nobody_reads = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
