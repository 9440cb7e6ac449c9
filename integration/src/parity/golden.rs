//! What Envoy does, recorded in a file of parts with empty lines between. Called by the tests that play the same with both programs.

use std::path::Path;

use super::envoy;
use super::started::Failure;
use crate::embedded::binary;
use crate::skip::or_skip;

/// Plays with the real Envoy, where there is one. `UPDATE_GOLDENS=1` records what it does; the diff is the review.
///
/// # Panics
/// What cannot be played, and what [`hold`] finds.
pub async fn of_envoy(name: &str, play: impl AsyncFn(&Path) -> Result<String, Failure>) {
    if let Some(envoy) = or_skip(&format!("envoy_does_what_is_recorded ({name})"), envoy()) {
        let text = play(&envoy).await.expect("all is played");
        hold(name, &text, std::env::var_os("UPDATE_GOLDENS").is_some());
    }
}

/// The same with ours.
///
/// # Panics
/// Likewise.
pub async fn of_outrigger(name: &str, play: impl AsyncFn(&Path) -> Result<String, Failure>) {
    let text = play(&binary::build().expect("the binary builds")).await.expect("all is played");
    hold(name, &text, false);
}

/// Compares what was played with what is recorded; `update` records it first.
///
/// # Panics
/// They differ: the parts that do.
fn hold(name: &str, text: &str, update: bool) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity").join(name);
    if update {
        std::fs::write(&golden, text).expect("the folder is writable");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    let differs = |(expected, told): &(&str, &str)| expected != told;
    let parts = expected.split("\n\n").zip(text.split("\n\n")).filter(differs);
    let wrong: Vec<_> = parts.map(|(expected, told)| format!("expected\n{expected}\nbut it is\n{told}\n")).collect();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(expected.len(), text.len(), "cases are missing, or left over: UPDATE_GOLDENS=1 with Envoy");
}
