//! Tests that need something which may be missing: skipped by name and reason, and in CI a failure. One rule for every test target.
//!
//! Called by `h1_parity`, `embedded_pid1` and the mesh tests. Must never let a skip look like a pass.

use std::ffi::OsStr;

/// Whether this is a CI run, where everything that may be missing must be there: `CI` is set, and to neither nothing, `false` nor `0`.
pub fn in_ci() -> bool {
    says_yes(std::env::var_os("CI").as_deref())
}

fn says_yes(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !["", "false", "0"].iter().any(|no| value == *no))
}

/// What a skip is in CI.
pub fn failure(reason: &str) -> String {
    format!("in CI a skip is a failure: {reason}")
}

/// What a test needs; `None`, with the reason on standard error, when it is to be skipped.
///
/// # Panics
/// In CI, if it is missing.
pub fn or_skip<T>(test: &str, found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            assert!(!in_ci(), "{}", failure(&format!("{test}: {reason}")));
            print(&format!("skipped: {test}: {reason}"));
            None
        }
    }
}

/// As a test's own output, which is shown with its name.
#[expect(clippy::print_stderr, reason = "the output of tests is taken where it is printed")]
pub fn print(words: &str) {
    eprintln!("{words}");
}

#[cfg(test)]
mod tests;
