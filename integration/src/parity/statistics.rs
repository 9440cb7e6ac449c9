//! The statistics of the real Envoy and of Outrigger after the same requests: which there are, and what the counters say. Called by the
//! `statistics_parity` test.
//!
//! [`play`] starts a proxy (plain HTTP, TLS, HTTP/2 and TCP listeners, and the clusters between them), asks it what [`REQUESTS`] says and
//! reads its admin interface. What Envoy says stands in `integration/parity/statistics.txt`, and what differs, with the reason, in
//! `integration/parity/statistics_differences.txt`. Must never depend on time, ports or the number of octets.

pub mod tags;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::world::World;
use super::http::Failure;

/// What is asked over the plain listener, in this order.
const REQUESTS: [(&str, &str); 19] = [
    ("GET", "/mirrored/200"),
    ("GET", "/away/200"),
    ("GET", "/away/503"),
    ("GET", "/away/slow"),
    ("GET", "/lost"),
    ("GET", "/app/200"),
    ("GET", "/app/404"),
    ("GET", "/app/302"),
    ("POST", "/app/200"),
    ("GET", "/retried/503"),
    ("GET", "/counted/200"),
    ("GET", "/tls/200"),
    ("POST", "/tls/200"),
    ("GET", "/http2/200"),
    ("GET", "/none"),
    ("GET", "/unknown"),
    ("GET", "/direct"),
    ("GET", "/redirect"),
    ("GET", "/nowhere"),
];

/// Names by kind (`counters`, `gauges`, `histograms`, `prometheus`), with the values of counters.
pub type Statistics = BTreeMap<(String, String), Option<u64>>;

/// Starts the program, asks it, and reads what it has counted.
///
/// # Errors
/// What could not be done.
pub fn play(program: &Path) -> Result<Statistics, Failure> {
    let world = World::start(program)?;
    for (method, path) in REQUESTS {
        world.http(method, path)?;
    }
    world.tcp()?;
    world.nonsense()?;
    world.settle()?;
    let mut all = Statistics::new();
    for kind in ["counters", "gauges", "histograms"] {
        let text = world.admin(&format!("/stats?type={}", kind[..1].to_uppercase() + &kind[1..]))?;
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            let value = if kind == "counters" { value.parse().ok() } else { None };
            all.insert((kind.to_owned(), name.to_owned()), value);
        }
    }
    let text = world.admin("/stats?format=prometheus")?;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.contains("le=\"")) {
        let Some((series, _)) = line.rsplit_once(' ') else { continue };
        if ["\"app\"", "\"tls\"", "\"plain\""].iter().any(|name| series.contains(name)) {
            all.insert(("prometheus".to_owned(), series.to_owned()), None);
        }
    }
    Ok(all)
}

/// Where things are written down.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity").join(name)
}

/// As the file has them: `KIND NAME [VALUE]`.
pub fn write(statistics: &Statistics) -> String {
    let line = |((kind, name), value): (&(String, String), &Option<u64>)| match value {
        Some(value) => format!("{kind} {name} = {value}\n"),
        None => format!("{kind} {name}\n"),
    };
    statistics.iter().map(line).collect()
}

/// The same, the other way round.
pub fn read(text: &str) -> Statistics {
    let line = |line: &str| {
        let (kind, rest) = line.split_once(' ')?;
        let (name, value) = match rest.rsplit_once(" = ") {
            Some((name, value)) => (name, value.parse().ok()),
            None => (rest, None),
        };
        Some(((kind.to_owned(), name.to_owned()), value))
    };
    text.lines().filter_map(line).collect()
}

/// What is known to differ: `-` Envoy alone has it, `+` we alone do, `~` the values differ; then a kind and a name (`*` stands for
/// anything), and behind `:` why.
#[derive(Debug)]
pub struct Differences(Vec<(char, String)>);

impl Differences {
    /// From the file's text.
    ///
    /// # Errors
    /// A line without a reason.
    pub fn read(text: &str) -> Result<Differences, Failure> {
        let mut all = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (what, why) = line.split_once(" : ").ok_or_else(|| format!("no reason: {line}"))?;
            let (sign, pattern) = what.split_once(' ').ok_or_else(|| format!("no name: {line}"))?;
            if why.trim().is_empty() || !["-", "+", "~"].contains(&sign) {
                return Err(format!("not understood: {line}").into());
            }
            all.push((sign.chars().next().unwrap_or('-'), pattern.trim().to_owned()));
        }
        Ok(Differences(all))
    }

    /// All that differs and is not known, and all that is known and does not differ.
    pub fn judge(&self, envoy: &Statistics, ours: &Statistics) -> Vec<String> {
        let mut found: Vec<(char, String, String)> = Vec::new();
        let text = |key: &(String, String)| format!("{} {}", key.0, key.1);
        for (key, value) in envoy {
            match ours.get(key) {
                None => found.push(('-', text(key), String::new())),
                Some(other) if other != value => found.push(('~', text(key), format!(" {value:?} {other:?}"))),
                Some(_) => {}
            }
        }
        found.extend(ours.keys().filter(|key| !envoy.contains_key(*key)).map(|key| ('+', text(key), String::new())));
        let covers = |(sign, pattern): &(char, String), (other, name, _): &(char, String, String)| {
            sign == other && fits(pattern, name)
        };
        let unknown = found.iter().filter(|one| !self.0.iter().any(|known| covers(known, one)));
        let mut wrong: Vec<_> = unknown.map(|(sign, name, more)| format!("{sign} {name}{more}")).collect();
        let idle = self.0.iter().filter(|known| !found.iter().any(|one| covers(known, one)));
        wrong.extend(idle.map(|(sign, pattern)| format!("does not differ (any more): {sign} {pattern}")));
        wrong
    }
}

/// Whether a name is of a pattern.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{Differences, Statistics, fits};

    #[test]
    fn patterns() {
        assert!(fits("a*", "abc") && fits("*c", "abc") && fits("a*c", "abc") && fits("abc", "abc") && fits("*", ""));
        assert!(!fits("a", "abc") && !fits("b*", "abc") && !fits("a*d*c", "abc") && !fits("abcd", "abc"));
    }

    #[test]
    fn what_differs_is_told_and_what_no_longer_does() {
        let of = |names: &[(&str, u64)]| -> Statistics {
            names.iter().map(|(name, value)| (("counters".into(), (*name).into()), Some(*value))).collect()
        };
        let differences = Differences::read("- counters x* : none here\n~ counters same : for now\n").unwrap();
        let wrong =
            differences.judge(&of(&[("a", 1), ("same", 1), ("x1", 1)]), &of(&[("a", 2), ("same", 1), ("b", 1)]));
        let expected = ["~ counters a Some(1) Some(2)", "+ counters b", "does not differ (any more): ~ counters same"];
        assert_eq!(wrong, expected);
        assert!(Differences::read("- counters x").is_err());
    }
}
