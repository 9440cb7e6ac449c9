//! What is built into the binary and who may use it: licences, sources and doubles of dependencies, as Cargo.lock has them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that may stand in what is shipped, each by itself.
const LICENCES: [&str; 10] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// The one place that dependencies come from.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates that the binary has twice, and why.
const DOUBLES: [(&str, &str); 1] =
    [("base64", "tonic and prost-reflect have not moved to the version that we use; it is a few kilobytes")];

/// Crates that must not come in by anybody's back door, and why.
const BANNED: [(&str, &str); 5] = [
    ("openssl-sys", "AWS-LC is the one crypto library"),
    ("ring", "AWS-LC is the one crypto library"),
    ("native-tls", "rustls is the one TLS library"),
    ("rustls-native-certs", "roots are those that the configuration names, never the machine's"),
    ("webpki-roots", "roots are those that the configuration names, never a vendor's"),
];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--offline")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it writes text")
}

/// Names and versions of what the binary is made of, procedural macros among it.
fn shipped() -> BTreeSet<(String, String)> {
    let tree = cargo(&["tree", "--package", "outrigger", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let lines = tree.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            (name.to_owned(), version.trim_start_matches('v').to_owned())
        })
        .collect()
}

/// Whether one of the alternatives of each part is allowed.
fn is_allowed(licence: &str) -> bool {
    let text = licence.replace('/', " OR ");
    let (whole, rest) = either(&text.replace('(', " ( ").replace(')', " ) ").split_whitespace().collect::<Vec<_>>());
    whole && rest == 0
}

/// `a OR b`, and how many words are left.
fn either(words: &[&str]) -> (bool, usize) {
    let (mut allowed, mut rest) = both(words);
    while rest > 0 && words[words.len() - rest] == "OR" {
        let (next, left) = both(&words[words.len() - rest + 1..]);
        (allowed, rest) = (allowed | next, left);
    }
    (allowed, rest)
}

/// `a AND b`, likewise.
fn both(words: &[&str]) -> (bool, usize) {
    let (mut allowed, mut rest) = one(words);
    while rest > 0 && words[words.len() - rest] == "AND" {
        let (next, left) = one(&words[words.len() - rest + 1..]);
        (allowed, rest) = (allowed & next, left);
    }
    (allowed, rest)
}

fn one(words: &[&str]) -> (bool, usize) {
    match words {
        ["(", inner @ ..] => {
            let (allowed, rest) = either(inner);
            // The closing parenthesis.
            (allowed && rest > 0, rest.saturating_sub(1))
        }
        [name, "WITH", exception, rest @ ..] => (LICENCES.contains(&&*format!("{name} WITH {exception}")), rest.len()),
        [name, rest @ ..] => (LICENCES.contains(name), rest.len()),
        [] => (false, 0),
    }
}

#[test]
fn every_licence_of_what_is_shipped_is_one_of_those_allowed() {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).expect("JSON");
    let shipped = shipped();
    assert!(shipped.len() > 50, "{}", shipped.len());
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("a list") {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let source = text("source");
        if !source.is_empty() && source != SOURCE {
            wrong.push(format!("{} comes from {source}", text("name")));
        }
        if shipped.contains(&(text("name"), text("version"))) && !is_allowed(&text("license")) {
            wrong.push(format!("{} {} is under {:?}", text("name"), text("version"), text("license")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_built_in_twice_but_what_is_named() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let tree = cargo(&[
        "tree",
        "--package",
        "outrigger",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        versions.entry(name.to_owned()).or_default().insert(version.to_owned());
    }
    let doubles: Vec<_> = versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| &**name).collect();
    let named: Vec<_> = DOUBLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(doubles, named, "each double needs its reason in this file, and a reason its double");
    for (name, why) in BANNED {
        assert!(!versions.contains_key(name), "{name}: {why}");
    }
}

#[test]
fn licences_are_read_as_expressions() {
    for (text, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("(GPL-3.0 OR LGPL-2.1) AND MIT", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("GPL-2.0 WITH LLVM-exception", false),
        ("", false),
        ("MIT AND", false),
        ("(MIT", false),
        ("MIT GPL-3.0", false),
    ] {
        assert_eq!(is_allowed(text), expected, "{text}");
    }
}
