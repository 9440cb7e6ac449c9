//! `cargo demo` as a script runs it: without a terminal, held to what it claims by its own exit status.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The demo's addresses are always the same: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_demo_holds_what_it_claims_and_ends_without_a_terminal() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).stdin(Stdio::null()).output().expect("the demo starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}\n{errors}");
    assert!(said.contains("Everything held"), "{said}");
    assert_eq!(
        said.matches("HTTP/1.1 200 OK, server: envoy").count(),
        5,
        "one line for each of the five requests: {said}"
    );
    assert!(!said.contains('\x1b'), "no colour without a terminal: {said}");
}

#[test]
fn help_is_printed_and_nothing_is_started() {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg("--help").output().expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("Usage: cargo demo") && !said.contains("Building"), "{said}");
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg("--halp").output().expect("the demo starts");
    assert_eq!(output.status.code(), Some(2));
}

/// The shell's `kill` saves an unsafe call.
fn kill(arguments: &str) -> bool {
    let status = Command::new("sh").args(["-c", &format!("kill {arguments} 2>/dev/null")]).status();
    status.expect("a shell").success()
}

/// Its proxies are of its process group, so that whether one is left can be asked of the system.
#[test]
fn a_signal_ends_it_and_all_that_it_started() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (signal, status) in [("TERM", 128 + 15), ("HUP", 128 + 1), ("INT", 128 + 2)] {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
        let mut demo = demo.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        // Open until it has ended: it goes on writing.
        let mut lines = BufReader::new(demo.stdout.take().expect("its output")).lines();
        // By then both proxies are up.
        let seen = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("Five requests"));
        assert!(seen.is_some());
        assert!(kill(&format!("-{signal} {}", demo.id())));
        let code = demo.wait().expect("it ends").code();
        assert!(code == Some(status) || code == Some(0), "{code:?}: it may have been done before");
        wait_for_the_last(&demo);
    }
}

/// `cargo demo 2>&1 | head -1`: it goes on for nobody, ends, and all that it started with it.
#[test]
fn who_reads_no_more_ends_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    let demo = demo.process_group(0).stdin(Stdio::null()).stdout(writer.try_clone().expect("a copy")).stderr(writer);
    let mut started = demo.spawn().expect("it starts");
    // The command holds both ends of ours.
    demo.stdout(Stdio::null()).stderr(Stdio::null());
    let first = BufReader::new(reader).lines().next();
    assert!(first.is_some_and(|line| line.is_ok_and(|line| line.starts_with("Building"))));
    assert_eq!(started.wait().expect("it ends").code(), Some(0));
    wait_for_the_last(&started);
}

/// Whoever the demo started is of its process group, and ends.
fn wait_for_the_last(demo: &Child) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while kill(&format!("-0 -- -{}", demo.id())) {
        assert!(Instant::now() < deadline, "something that it started is left");
        std::thread::yield_now();
    }
}
