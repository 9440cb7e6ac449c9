//! The format of scenarios, JSON: `filters` of the one chain, `listener_filters`, `metadata` (of the listener), `steps`, `lines` (how many lines the log
//! will have), `log` (a format) and `statistics` (beginnings of the names that are compared). `$tcp` stands for a TCP proxy to the service
//! `up`; other services are `other` and `none`, which has no endpoint, and `hole`, a silent service of gRPC; each says its name and closes, and `talk` echoes. Their
//! clusters have their names in the metadata, `labels:cluster`.
//!
//! A step is a client's name and what it does: `a connects`, `a says TEXT`, `a greets NAME` (a ClientHello for that server), `a ends` (its
//! direction), `a closes`, `a hears 5` (so many octets more), `a hears all` (until the end), `a waits NAME: 1` (until a statistic is that).
//! Read by [`super::play`] and the tests.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::parity::http::Failure;

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

/// All of them, in order of their names; with `PARITY_ONLY=a,b` in the environment those whose names begin with `a` or `b`.
///
/// # Errors
/// The file that is none.
pub fn all() -> Result<Vec<Scenario>, Failure> {
    let only = std::env::var("PARITY_ONLY").unwrap_or_default();
    let mut scenarios = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "json")
            && only.split(',').any(|prefix| name.starts_with(prefix))
        {
            let told = |error: Failure| format!("{}: {error}", path.display());
            scenarios.push(read(name, &std::fs::read_to_string(&path)?).map_err(told)?);
        }
    }
    scenarios.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(scenarios)
}

const KEYS: [&str; 7] = ["filters", "listener_filters", "metadata", "steps", "lines", "log", "statistics"];

fn read(name: &str, text: &str) -> Result<Scenario, Failure> {
    let config: Value = serde_json::from_str(text)?;
    if let Some((key, _)) = config.as_object().into_iter().flatten().find(|(key, _)| !KEYS.contains(&key.as_str())) {
        return Err(format!("nothing is called {key:?}").into());
    }
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
