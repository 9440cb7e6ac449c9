//! What Envoy does, recorded in a file of parts with empty lines between. Called by the tests that play the same with both programs.

use std::path::Path;

/// Compares what was played with what is recorded; `update` records it first.
///
/// # Panics
/// They differ: the parts that do.
pub fn hold(name: &str, text: &str, update: bool) {
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
