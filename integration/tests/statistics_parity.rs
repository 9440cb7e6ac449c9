//! The statistics that the real Envoy and Outrigger show after the same requests. What Envoy shows stands in `parity/statistics.txt`
//! (`UPDATE_GOLDENS=1` writes that anew, from Envoy); what differs stands in `parity/statistics_differences.txt`, with the reason.

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::statistics::{Differences, Statistics, file, play, read, write};
use outrigger_integration::skip::or_skip;

/// Values that depend on time and octets are not compared, nor written down.
const CHANGING: [&str; 5] = ["bytes", "server.", "filesystem.", "_ms", "admin."];

fn settled(mut statistics: Statistics) -> Statistics {
    for ((_, name), value) in &mut statistics {
        if CHANGING.iter().any(|part| name.contains(part)) {
            *value = None;
        }
    }
    statistics
}

#[test]
fn envoy_shows_what_is_recorded() {
    let Some(envoy) = or_skip("envoy_shows_what_is_recorded", envoy()) else { return };
    let shown = write(&settled(play(&envoy).expect("all is played")));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(file("statistics.txt"), shown).expect("the folder is writable");
        return;
    }
    let recorded = std::fs::read_to_string(file("statistics.txt")).expect("it is recorded");
    let lost: Vec<_> = recorded.lines().filter(|line| !shown.lines().any(|one| one == *line)).collect();
    assert!(lost.is_empty(), "recorded, and no longer so: {lost:#?}");
}

#[test]
fn outrigger_shows_the_same() {
    let ours = settled(play(&binary::build().expect("the binary builds")).expect("all is played"));
    let recorded = std::fs::read_to_string(file("statistics.txt")).expect("it is recorded");
    let differences = std::fs::read_to_string(file("statistics_differences.txt")).expect("the file is there");
    let wrong = Differences::read(&differences).expect("each has a reason").judge(&read(&recorded), &ours);
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
