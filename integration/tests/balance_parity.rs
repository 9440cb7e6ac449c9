//! How the real Envoy and Outrigger spread requests over endpoints, by the scenarios of `integration/parity/balance`. Beside each stands what
//! Envoy did (`UPDATE_GOLDENS=1` writes that anew, from Envoy); both are held to it as far as chance goes. They take minutes: a share of
//! them is played, unless `OUTRIGGER_WHOLE` is set.

use std::path::Path;

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::balance::{play, scenario, shares};
use outrigger_integration::parity::envoy;
use outrigger_integration::skip::or_skip;

/// Plays one of so many scenarios, or all.
fn compare(program: &Path, one_of: usize, update: bool) {
    let mut wrong = Vec::new();
    let one_of = if update || std::env::var_os("OUTRIGGER_WHOLE").is_some() { 1 } else { one_of };
    for scenario in scenario::all().expect("scenarios are well-formed").into_iter().step_by(one_of) {
        let name = &scenario.name;
        let text = match play(program, &scenario) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let path = scenario::folder().join(format!("{name}.txt"));
        if update {
            std::fs::write(&path, &text).expect("the folder is writable");
            continue;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        wrong.extend(shares::differences(&expected, &text).into_iter().map(|line| format!("{name} {line}")));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn envoy_spreads_as_is_recorded() {
    if let Some(envoy) = or_skip("envoy_spreads_as_is_recorded", envoy()) {
        compare(&envoy, 12, std::env::var_os("UPDATE_GOLDENS").is_some());
    }
}

#[test]
fn outrigger_spreads_alike() {
    compare(&binary::build().expect("the binary builds"), 3, false);
}
