//! Spans as the real Envoy and Outrigger send them: `parity/tracing.txt` is what Envoy does (`UPDATE_GOLDENS=1` writes that anew; the diff is
//! the review). What differs on purpose is in `known.md`.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::{envoy, tracing};
use outrigger_integration::skip::or_skip;

async fn compare(program: &Path, update: bool) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/tracing.txt");
    let text = tracing::play(program).await.expect("all is played");
    if update {
        std::fs::write(&golden, &text).expect("the folder is writable");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    let differs = |(expected, told): &(&str, &str)| expected != told;
    let parts = expected.split("\n\n").zip(text.split("\n\n")).filter(differs);
    let wrong: Vec<_> = parts.map(|(expected, told)| format!("expected\n{expected}\nbut it is\n{told}\n")).collect();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(expected.len(), text.len(), "cases are missing, or left over: UPDATE_GOLDENS=1 with Envoy");
}

#[tokio::test]
async fn envoy_does_what_is_recorded() {
    if let Some(envoy) = or_skip("envoy_does_what_is_recorded", envoy()) {
        compare(&envoy, std::env::var_os("UPDATE_GOLDENS").is_some()).await;
    }
}

#[tokio::test]
async fn outrigger_does_the_same() {
    compare(&binary::build().expect("the binary builds"), false).await;
}
