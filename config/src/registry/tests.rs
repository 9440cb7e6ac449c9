//! The registry and `config/EXTENSIONS.md` say the same.

use std::fmt::Write as _;

use super::*;

const BEGIN: &str = "<!-- the table below is checked against the code -->\n";

fn rows() -> String {
    let mut text = String::new();
    let mut last = None;
    let mut entries: Vec<_> = extensions().collect();
    entries.sort_by_key(|entry| entry.kind);
    for entry in entries {
        if last != Some(entry.kind) {
            last = Some(entry.kind);
            write!(text, "\n### {:?}\n\n| type | state | policy | what that means |\n|---|---|---|---|\n", entry.kind)
                .unwrap();
        }
        let state = match entry.state {
            State::Works => "works",
            State::Inert => "parsed, not yet acting",
            State::InertIfFailOpen => "parsed, not yet acting where it may fail open; refused otherwise",
            State::Refused => "refused",
        };
        let policy = if entry.policy { "yes" } else { "" };
        writeln!(text, "| `{}` | {state} | {policy} | {} |", entry.type_name, entry.traffic).unwrap();
    }
    text
}

#[test]
fn the_document_has_the_same_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/EXTENSIONS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, table) = text.split_once(BEGIN).expect("the marker before the table");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{}", rows())).unwrap();
    } else {
        assert_eq!(table, rows(), "run with UPDATE_GOLDENS=1 to rewrite the table");
    }
}

#[test]
fn no_entry_stands_twice() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in extensions() {
        assert!(seen.insert((entry.kind, entry.type_name)), "{} stands twice", entry.type_name);
        assert!(!entry.traffic.contains('|'), "{}: would break the table", entry.type_name);
    }
}

#[test]
fn every_type_is_one_that_exists() {
    let known = crate::descriptors::Descriptors::knows;
    let missing: Vec<_> = extensions().map(|entry| entry.type_name).filter(|name| !known(name)).collect();
    // Envoy's contrib extensions are not among the files that envoy-types ships.
    assert_eq!(missing, ["envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy"]);
}
