//! `cargo demo` as a script runs it: without a terminal, held to what it claims by its own exit status.

use std::process::{Command, Stdio};

#[test]
fn the_demo_holds_what_it_claims_and_ends_without_a_terminal() {
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
