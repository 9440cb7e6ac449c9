//! Waiting with a deadline: the only way anything in the lab waits.

use std::time::{Duration, Instant};

use super::Result;

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(50);

/// Calls `probe` until it gives a value. An error of the last look is told when the deadline passes.
///
/// # Errors
/// When `deadline` passes first; the text names `what` and the last error of the probe.
pub fn until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        let last = match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::from("not yet"),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= end {
            return Err(format!("waited {deadline:?} for {what}; last: {last}").into());
        }
        std::thread::sleep(POLL);
    }
}

/// Calls `probe` until it says yes.
///
/// # Errors
/// As [`until`].
pub fn until_true(what: &str, deadline: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, deadline, || Ok(probe()?.then_some(())))
}
