//! Raw bytes through a proxy, and what becomes of them: the same cases for the real Envoy and for Outrigger, from one bootstrap file.
//!
//! Called by the tests `*_parity`. [`bootstraps`] are small files that are judged. [`asked`] are services that filters ask. [`peers`] are the chains that a [`doorman`], a proxy full of TLS contexts, judges;
//! [`balance`] is how requests are spread. [`faults`] are places that fail. [`der`] writes them octet by octet. [`logs`] are access logs that are sent to services. [`hostile`] sends octets that are hardly any HTTP, [`http`] plays scenarios of HTTP filters, [`network`] those of network filters, [`statistics`] reads what was counted, [`tracing`] what spans say. For HTTP/1, [`table`] is the format of the cases, [`upstream`] records what is forwarded, [`proxy`] starts a
//! proxy and asks it. [`started`] is the process that most of them speak to, [`golden`] compares with what is recorded, [`scenarios`] reads files of scenarios.

pub mod asked;
pub mod balance;
pub mod bootstraps;
pub mod der;
pub mod doorman;
pub mod faults;
pub mod golden;
pub mod hostile;
pub mod http;
pub mod logs;
pub mod network;
pub mod peers;
pub mod proxy;
pub mod rbac;
pub mod scenarios;
pub mod started;
pub mod statistics;
pub mod table;
pub mod tracing;
pub mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Puts these fields into an object, over those that it has.
pub(crate) fn merge(into: &mut Value, fields: &Value) {
    for (key, value) in fields.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

/// A number that differs from run to run gets this name, where it stands by itself: a longer number that holds its digits is another.
pub(crate) fn with_number_named(text: &str, number: u16, name: &str) -> String {
    let number = number.to_string();
    let is_digit = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_digit);
    let (mut told, mut rest) = (String::with_capacity(text.len()), 0);
    for (at, _) in text.match_indices(&number) {
        let (before, after) = (at.checked_sub(1), at + number.len());
        if !is_digit(before.and_then(|at| text.as_bytes().get(at))) && !is_digit(text.as_bytes().get(after)) {
            told += &text[rest..at];
            told += name;
            rest = after;
        }
    }
    told + &text[rest..]
}

#[cfg(test)]
mod tests;

/// An `Address` of a configuration.
pub fn address(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}

/// The real Envoy: `ENVOY_BIN`, else the one that `make tools` brought.
///
/// # Errors
/// Why there is none.
pub fn envoy() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ENVOY_BIN") {
        return Ok(path.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools.sh");
    let output = Command::new("bash").arg(script).arg("--paths").output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let path = text.lines().find_map(|line| line.strip_prefix("envoy="));
    path.map(PathBuf::from).ok_or_else(|| "no stock Envoy on this machine (make tools)".to_owned())
}
