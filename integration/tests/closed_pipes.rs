//! Commands whose reader is gone (`outrigger --help | head -1`): they do what they are to do, say it to nobody, and never panic.

use std::process::{Command, Stdio};

use outrigger_integration::embedded::binary;

/// The status of a command that writes to pipes which nobody reads.
fn status(arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new(binary::build().expect("it is built"));
    command.args(arguments).stdin(Stdio::null());
    for closed in [Command::stdout, Command::stderr] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        closed(&mut command, Stdio::from(writer));
    }
    command.status().expect("it starts").code()
}

#[test]
fn a_command_ends_as_it_would_where_somebody_reads() {
    let good = "node: {id: a, cluster: b}";
    let noted = "{node: {id: a, cluster: b}, static_resources: {clusters: [{name: c, alt_stat_name: d, track_cluster_stats: {}}]}}";
    for (arguments, expected) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["--no-such-thing"], 1),
        (&["--mode", "validate", "--config-yaml", good], 0),
        (&["--mode", "validate", "--config-yaml", noted], 0),
        (&["--mode", "validate", "--config-yaml", "node: 1"], 1),
        (&["--config-yaml", "node: 1"], 1),
        (&["--mode", "init_only", "-l", "trace", "--config-yaml", good], 0),
        (&["--log-path", "/nowhere/log", "--config-yaml", good], 1),
    ] {
        assert_eq!(status(arguments), Some(expected), "{arguments:?}");
    }
}
