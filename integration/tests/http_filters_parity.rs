//! HTTP filters of the real Envoy and of Outrigger, by the scenarios of `integration/parity/http_filters`: what clients get, what reaches the
//! application, logs and statistics. Beside each scenario stands what Envoy does (`UPDATE_GOLDENS=1` writes that anew, from Envoy; the diff
//! is the review). What differs on purpose is in `known.md`, and in no scenario.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::http::{NOT_PLAYED, play, scenario};
use outrigger_integration::skip::or_skip;

async fn compare(program: &Path, update: bool) {
    let scenarios = scenario::all().expect("scenarios are well-formed");
    let texts = play(program, &scenarios).await.expect("all is played");
    let mut wrong = Vec::new();
    for (name, text) in texts {
        let path = scenario::folder().join(format!("{name}.txt"));
        if update {
            let failed = text.split("\n\n").filter(|part| part.contains(NOT_PLAYED));
            let before = wrong.len();
            wrong.extend(failed.map(|part| format!("{name}: {part}\n")));
            if before == wrong.len() {
                std::fs::write(&path, &text).expect("the folder is writable");
            }
            continue;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = |(expected, told): &(&str, &str)| expected != told;
        let parts: Vec<_> = expected.split("\n\n").zip(text.split("\n\n")).filter(differs).collect();
        for (expected, told) in &parts {
            wrong.push(format!("{name}: expected\n{expected}\nbut it is\n{told}\n"));
        }
        if parts.is_empty() && expected != text {
            wrong.push(format!("{name}: cases are missing, or left over: UPDATE_GOLDENS=1 with Envoy"));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
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
