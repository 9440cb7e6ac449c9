//! Reads a bootstrap file and tells how long it took and how much memory: `cargo run --release --example measure_bootstrap FILE`.

#![allow(clippy::print_stdout)]

use std::time::Instant;

use outrigger_config::bootstrap::{self, Source};
use outrigger_config::{Options, UnknownFields};

fn status(field: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned()
}

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        println!("give a bootstrap file");
        return;
    };
    let start = Instant::now();
    let text = std::fs::read_to_string(&path).expect("a readable file");
    let source = Source { name: &path, text: &text, is_json: path.ends_with(".json") };
    let found = bootstrap::load(&[source], UnknownFields::Ignore).expect("a good bootstrap");
    drop(text);
    println!(
        "read {} clusters in {:?}; {}; {}",
        found.static_clusters.len(),
        start.elapsed(),
        status("VmHWM"),
        status("VmRSS")
    );
    let start = Instant::now();
    found.each_static(&Options::default(), |_, _| Ok(())).expect("good resources");
    println!("checked in {:?}; {}; {}", start.elapsed(), status("VmHWM"), status("VmRSS"));
}
