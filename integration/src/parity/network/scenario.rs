//! The format of scenarios, JSON: `filters` of the one chain, `listener_filters`, `metadata` (of the listener), `steps`, `lines` (how many lines the log
//! will have), `log` (a format) and `statistics` (beginnings of the names that are compared). `$tcp` stands for a TCP proxy to the service
//! `up`; other services are `other`, `none` and `nobody`, which have no endpoint, and `hole`, a silent service of gRPC; each says its name and closes, and `talk` echoes. Their
//! clusters have their names in the metadata, `labels:cluster`. `{"$tcp": {…}}` is the same with more fields; as a cluster, `scripted` is a
//! server of tunnels over HTTP/1, at `refuses` nobody listens, `closing` and `closing_http2` close what they accept at once (`announced` is the same behind PROXY protocol), `told` and `told_some` are `talk` behind its second version with
//! entries of their own, which pass all of a client's on, and those of the types 1 and 7, `ahead` makes connections to it before they are needed, and `$door` one over HTTP/2 (see `doors`). `{"$manager": {…}}` is a connection manager with these fields.
//! `forward` is a dynamic forward proxy with the cache `names` (IPv4 alone); `"{up}"` stands for the port of `up`.
//!
//! A step is a client's name and what it does: `a connects`, `a says TEXT`, `a greets NAME` (a ClientHello for that server), `a ends` (its
//! direction), `a closes`, `a hears 5` (so many octets more), `a hears all` (until the end), `a waits NAME: 1` (until a statistic is that).
//! Read by [`super::play`] and the tests.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::parity::http::Failure;
use crate::parity::scenarios;

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's.
    pub name: String,
    /// The file.
    pub config: Value,
    /// What clients do.
    pub steps: Vec<String>,
    /// Lines of the log.
    pub lines: usize,
    /// Beginnings of names.
    pub statistics: Vec<String>,
}

/// Where the scenarios are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/network_filters")
}

/// All of them: see [`scenarios::all`].
///
/// # Errors
/// The file that is none.
pub fn all() -> Result<Vec<Scenario>, Failure> {
    scenarios::all(&folder(), read)
}

const KEYS: [&str; 7] = ["filters", "listener_filters", "metadata", "steps", "lines", "log", "statistics"];

fn read(name: &str, text: &str) -> Result<Scenario, Failure> {
    let config: Value = serde_json::from_str(text)?;
    scenarios::known(&config, &KEYS)?;
    let texts = |key: &str| {
        let items = config[key].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    Ok(Scenario {
        name: name.to_owned(),
        steps: texts("steps"),
        lines: usize::try_from(config["lines"].as_u64().unwrap_or(0))?,
        statistics: texts("statistics"),
        config,
    })
}
