//! Holds the table of which folder of `proxy/src` may import which. A new arrow is a decision, and it goes
//! down: what both ends need lies below them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A folder (or file) of `proxy/src` and what it may name with `crate::`. Whoever is not listed may import nothing of ours.
struct Room {
    name: &'static str,
    /// Rooms that stand further down in the table.
    below: &'static [&'static str],
}

const fn room(name: &'static str, below: &'static [&'static str]) -> Room {
    Room { name, below }
}

/// From the top to the bottom: nobody imports upwards.
const TABLE: &[Room] = &[
    // Uses the library from outside, by its name.
    room("main", &[]),
    // Commands for people: they ask a proxy that runs, or judge files as it would.
    room("commands", &["app", "cli", "tls"]),
    // Wires everything together.
    room(
        "app",
        &[
            "admin",
            "call",
            "cli",
            "cluster",
            "compile",
            "discoveries",
            "drain",
            "layers",
            "listener",
            "logs",
            "overload",
            "platform",
            "sinks",
            "sources",
            "stats",
            "status",
            "store",
            "sys",
            "telemetry",
            "tls",
            "threads",
            "xds",
        ],
    ),
    room(
        "xds",
        &[
            "cluster",
            "compile",
            "discoveries",
            "drain",
            "fetches",
            "http",
            "layers",
            "listener",
            "log_files",
            "logs",
            "sources",
            "stats",
            "status",
            "store",
            "sys",
            "telemetry",
            "tls",
            "threads",
        ],
    ),
    // Sees the runtime through snapshots that `app` gives it, never the runtime itself.
    room("admin", &["cli", "layers", "logs", "stats", "status", "store", "sys", "telemetry", "tls"]),
    room("cli", &["telemetry"]),
    room("threads", &["call", "cluster", "drain", "export", "http", "listener", "logs", "stats", "worker"]),
    room(
        "listener",
        &[
            "compile",
            "discoveries",
            "drain",
            "peer_exchange",
            "failure",
            "http",
            "logs",
            "overload",
            "stats",
            "sys",
            "tcp",
            "telemetry",
            "tls",
            "transport",
            "worker",
        ],
    ),
    room(
        "tcp",
        &[
            "call",
            "cluster",
            "compile",
            "discoveries",
            "drain",
            "failure",
            "logs",
            "mutate",
            "policy",
            "stats",
            "sys",
            "telemetry",
            "tls",
            "token_bucket",
            "transport",
            "wire",
            "worker",
        ],
    ),
    room(
        "http",
        &[
            "call",
            "cluster",
            "compile",
            "discoveries",
            "drain",
            "export",
            "failure",
            "fetches",
            "logs",
            "mutate",
            "overload",
            "policy",
            "sources",
            "stats",
            "telemetry",
            "tls",
            "token_bucket",
            "transport",
            "wire",
            "worker",
        ],
    ),
    room("compile", &["discoveries", "drain", "logs", "stats", "tls"]),
    // What a filter is that is discovered.
    room("discoveries", &["fetches", "stats"]),
    // What the control thread fetches for filters.
    room("fetches", &["call"]),
    room("worker", &["call", "cluster", "drain", "logs", "stats"]),
    // Access logs: which entries are written, as what and where to.
    room("logs", &["call", "export", "failure", "log_files", "policy", "stats", "telemetry", "tls", "wire"]),
    // Statistics on their way to those who are told.
    room("sinks", &["call", "cluster", "outage", "stats", "wire"]),
    // Spans and entries of logs on their way to services.
    room("export", &["call", "outage", "stats", "telemetry", "wire"]),
    // Calls to services, over clusters; below whoever calls: filters, exporters, the control thread.
    room("call", &["cluster", "failure", "stats", "wire"]),
    room(
        "cluster",
        &[
            "failure",
            "log_files",
            "peer_exchange",
            "policy",
            "stats",
            "status",
            "sys",
            "telemetry",
            "tls",
            "transport",
            "wire",
        ],
    ),
    // Plain data, written by the runtime and read by admin.
    room("status", &["stats", "store"]),
    room("store", &[]),
    // Lines on their way to files.
    room("log_files", &["outage", "stats", "telemetry"]),
    // What proxies tell each other at the beginning of a connection.
    room("peer_exchange", &["stats", "telemetry", "transport"]),
    // Changes of headers that the configuration asks for.
    room("mutate", &["telemetry", "wire"]),
    room("telemetry", &["calendar", "failure", "policy", "stats", "sys", "tls", "wire"]),
    // Judgements that routes, logs and filters share.
    room("policy", &["calendar", "outage", "stats", "tls", "wire"]),
    // Heads and codecs: what HTTP looks like on the wire.
    room("wire", &["stats", "transport"]),
    room("tls", &["calendar", "sources", "transport"]),
    // Files and variables that the configuration names.
    room("sources", &[]),
    // What is done while there is too little of something.
    room("overload", &["stats"]),
    // The runtime: which key says what.
    room("layers", &["stats"]),
    room("transport", &["stats", "sys"]),
    room("calendar", &[]),
    room("stats", &[]),
    room("drain", &[]),
    room("failure", &[]),
    room("outage", &[]),
    // What the platform says of this machine.
    room("platform", &[]),
    room("sys", &[]),
    room("token_bucket", &[]),
];

#[test]
fn every_import_between_folders_is_in_the_table() {
    let mut wrong = Vec::new();
    for (from, to, file) in imports() {
        let allowed = TABLE.iter().find(|room| room.name == from).is_some_and(|room| room.below.contains(&to.as_str()));
        if !allowed {
            wrong.push(format!("{file} imports crate::{to}"));
        }
    }
    assert!(wrong.is_empty(), "not in the table of allowed imports:\n{}", wrong.join("\n"));
}

#[test]
fn every_entry_of_the_table_is_used() {
    let used: BTreeSet<(String, String)> = imports().into_iter().map(|(from, to, _)| (from, to)).collect();
    for room in TABLE {
        for to in room.below {
            assert!(
                used.contains(&(room.name.to_owned(), (*to).to_owned())),
                "{} does not import crate::{to}: take it out",
                room.name
            );
        }
    }
}

#[test]
fn arrows_go_down() {
    let place = |name: &str| TABLE.iter().position(|room| room.name == name).expect("every room is in the table");
    for (index, room) in TABLE.iter().enumerate() {
        for to in room.below {
            assert!(place(to) > index, "{} to {to} goes up", room.name);
        }
    }
}

/// Who imports whom, and in which file. Tests may import what they like.
fn imports() -> Vec<(String, String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = Vec::new();
    for (file, from) in files(&source).into_iter().filter(|(_, room)| room != "lib") {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let shown = file.strip_prefix(&source).unwrap_or(&file).display().to_string();
        let others = named_rooms(text).into_iter().filter(|to| *to != from);
        imports.extend(others.map(|to| (from.clone(), to, shown.clone())));
    }
    imports
}

#[test]
fn the_data_path_names_no_protobuf_types() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let data_path = ["listener", "tls", "tcp", "http", "call", "cluster", "wire"];
    for (file, _) in files(&source).into_iter().filter(|(_, room)| data_path.contains(&room.as_str())) {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        for word in ["envoy_types", "prost"] {
            assert!(!text.contains(&format!("{word}::")), "{} names {word}", file.display());
        }
    }
}

/// Source files outside of tests, with the folder or file right below `src` that they belong to.
fn files(source: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![source.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a source folder can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(source).expect("found below it");
            if path.extension().is_some_and(|extension| extension == "rs") && !is_test(below) {
                let room = below.iter().next().expect("not empty").to_string_lossy().trim_end_matches(".rs").to_owned();
                found.push((path, room));
            }
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| {
        let part = part.to_string_lossy();
        part == "tests" || part == "tests.rs" || part == "testing.rs" || part.ends_with("_tests.rs")
    })
}

/// Rooms named after `crate::`, and those in `use crate::{a::…, b}`.
fn named_rooms(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(rooms.insert(word(rest))),
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for letter in list.chars() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => rooms.extend([word(&std::mem::take(&mut item))]),
                        _ if depth == 0 => item.push(letter),
                        _ => {}
                    }
                }
                rooms.insert(word(&item));
            }
        }
    }
    rooms.remove("");
    rooms
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}
