//! The applications that stand behind and before the proxies in tests: `outrigger-lab-app` runs one of them.
//!
//! What an application saw it writes to standard output, one JSON object a line; tests read that, there is no control port.

pub mod echo;
pub mod http;
mod limits;
pub mod load;
pub mod mute_dns;
pub mod service;
pub mod tls;

/// Writes one line of what was seen, whole, so that a reader never finds half of it.
fn report(value: &serde_json::Value) {
    use std::io::Write;
    let mut line = value.to_string();
    line.push('\n');
    // A test that is gone reads no more; the application goes on for the others.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}
