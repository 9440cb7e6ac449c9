//! `docs/security.md` names the test that holds each promise: every one of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names behind `fn` after a line that makes it a test.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> =
        ["config", "xds-client", "proxy", "integration"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                names(&fs::read_to_string(&path).expect("a source file can be read"), &mut found);
            }
        }
    }
    found
}

fn names(text: &str, found: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
            found.insert(rest.split('(').next().unwrap_or_default().to_owned());
            is_test = false;
        }
    }
}

/// What stands in backquotes in the last column of a table.
fn promised(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |"));
    let cells = rows.filter_map(|line| line.trim_end_matches(['|', ' ']).rsplit_once('|')).map(|(_, cell)| cell);
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let text = fs::read_to_string(root().join("docs/security.md")).expect("it is there");
    let (promised, tests) = (promised(&text), tests());
    assert!(promised.len() > 30, "{}", promised.len());
    let missing: Vec<_> = promised.iter().filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/security.md names tests that are not there: {missing:?}");
}

#[test]
fn every_promise_names_a_test() {
    let text = fs::read_to_string(root().join("docs/security.md")).expect("it is there");
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |"));
    let bare: Vec<_> = rows.filter(|line| promised(line).is_empty()).collect();
    assert!(bare.is_empty(), "{bare:?}");
}
