//! Reads a bootstrap file and tells how long it took and how much memory: `cargo run --release --example measure_bootstrap FILE`.

use std::io::Write as _;
use std::time::Instant;

use outrigger_config::bootstrap::{self, Source};
use outrigger_config::{Options, UnknownFields};

/// Nobody may read it.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn status(field: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned()
}

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        say(format_args!("give a bootstrap file"));
        return;
    };
    let start = Instant::now();
    let text = std::fs::read_to_string(&path).expect("a readable file");
    let source = Source { name: &path, text: &text, is_json: path.ends_with(".json") };
    let found = bootstrap::load(&[source], UnknownFields::Ignore).expect("a good bootstrap");
    drop(text);
    say(format_args!(
        "read {} clusters in {:?}; {}; {}",
        found.static_clusters.len(),
        start.elapsed(),
        status("VmHWM"),
        status("VmRSS")
    ));
    let start = Instant::now();
    found.each_static(&Options::default(), |_, _| Ok(())).expect("good resources");
    say(format_args!("checked in {:?}; {}; {}", start.elapsed(), status("VmHWM"), status("VmRSS")));
}
