//! Holds the table of which folder of `proxy/src` may import which. A new arrow is a decision: add it here with its reason, or go
//! another way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Folder (or file) of `proxy/src`, and what it may name with `crate::`. A room not listed may import nothing of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["app", "cli"]),
    // Wires everything together.
    (
        "app",
        &[
            "admin",
            "cli",
            "cluster",
            "drain",
            "listener",
            "published",
            "status",
            "store",
            "sys",
            "telemetry",
            "tls",
            "workers",
            "xds",
        ],
    ),
    (
        "xds",
        &["cluster", "drain", "http", "listener", "published", "status", "store", "sys", "telemetry", "tls", "workers"],
    ),
    // Sees the runtime through snapshots that `app` gives it, never the runtime itself.
    ("admin", &["cli", "status", "store", "sys", "telemetry", "tls"]),
    ("cli", &["sys", "telemetry"]),
    ("workers", &["cluster", "drain", "listener", "published", "telemetry", "worker"]),
    ("worker", &["cluster", "drain", "published", "telemetry"]),
    ("published", &["cluster"]),
    ("listener", &["drain", "failure", "http", "sys", "tcp", "telemetry", "tls", "transport", "worker"]),
    ("tcp", &["cluster", "drain", "failure", "http", "listener", "sys", "telemetry", "tls", "transport", "worker"]),
    ("http", &["cluster", "drain", "failure", "listener", "telemetry", "tls", "transport", "worker"]),
    ("cluster", &["failure", "http", "published", "status", "sys", "telemetry", "tls", "transport"]),
    ("tls", &["telemetry", "transport"]),
    ("telemetry", &["drain", "failure", "http", "sys", "tls"]),
    // Counts octets where they pass.
    ("transport", &["telemetry"]),
    // Plain data, written by the runtime and read by admin.
    ("status", &["telemetry"]),
    ("store", &[]),
    ("drain", &[]),
    ("failure", &[]),
    ("sys", &[]),
];

#[test]
fn every_import_between_folders_is_in_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (file, room) in files(&source) {
        let allowed = ALLOWED.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
        let text = fs::read_to_string(&file).expect("a source file can be read");
        for named in named_rooms(&text) {
            if named != room && !allowed.contains(&named.as_str()) && room != "lib" {
                wrong.push(format!("{} imports crate::{named}", file.strip_prefix(&source).unwrap_or(&file).display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not in the table of allowed imports:\n{}", wrong.join("\n"));
}

#[test]
fn the_data_path_names_no_protobuf_types() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let data_path = ["listener", "tls", "tcp", "http", "cluster"];
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
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
                let below = path.strip_prefix(source).expect("found below it");
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
        part == "tests" || part == "tests.rs" || part == "test_support" || part == "test_support.rs"
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
