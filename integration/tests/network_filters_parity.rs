//! Network filters of the real Envoy and of Outrigger, by the scenarios of `integration/parity/network_filters`: what clients hear, logs and
//! statistics. Beside each scenario stands what Envoy does (`UPDATE_GOLDENS=1` writes that anew, from Envoy). What differs on purpose is in
//! `known.md`, and in no scenario.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::network::{play, scenario};
use outrigger_integration::skip::or_skip;

fn compare(program: &Path, update: bool) {
    let scenarios = scenario::all().expect("scenarios are well-formed");
    let mut wrong = Vec::new();
    for (name, text) in play(program, &scenarios).expect("all is played") {
        let path = scenario::folder().join(format!("{name}.txt"));
        if update {
            std::fs::write(&path, &text).expect("the folder is writable");
            continue;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if expected != text {
            wrong.push(format!("{name}: expected\n{expected}\nbut it is\n{text}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn envoy_does_what_is_recorded() {
    if let Some(envoy) = or_skip("envoy_does_what_is_recorded", envoy()) {
        compare(&envoy, std::env::var_os("UPDATE_GOLDENS").is_some());
    }
}

#[test]
fn outrigger_does_the_same() {
    compare(&binary::build().expect("the binary builds"), false);
}
