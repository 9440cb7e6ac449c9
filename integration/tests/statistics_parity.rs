//! The statistics that the real Envoy and Outrigger show after the same requests. What Envoy shows stands in `parity/statistics.txt`
//! (`UPDATE_GOLDENS=1` writes that anew, from Envoy); what differs stands in `parity/statistics_differences.txt`, with the reason.

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::statistics::{Differences, Statistics, file, play, read, tags, write};
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

/// As recorded: [`tags`].
const TAGS: &str = "statistics_tags.txt";

#[test]
fn envoy_takes_the_recorded_tags_out_of_names() {
    let Some(envoy) = or_skip("envoy_takes_the_recorded_tags_out_of_names", envoy()) else { return };
    let shown = tags::play(&envoy).expect("it starts");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(file(TAGS), shown).expect("the folder is writable");
        return;
    }
    assert_eq!(shown, std::fs::read_to_string(file(TAGS)).expect("it is recorded"));
}

#[test]
fn outrigger_takes_the_same_tags_out_of_names() {
    let ours = tags::play(&binary::build().expect("the binary builds")).expect("it starts");
    let recorded = std::fs::read_to_string(file(TAGS)).expect("it is recorded");
    let lost: Vec<_> = recorded.lines().filter(|line| !ours.lines().any(|one| one == *line)).collect();
    let new: Vec<_> = ours.lines().filter(|line| !recorded.lines().any(|one| one == *line)).collect();
    assert!(lost.is_empty() && new.is_empty(), "Envoy alone: {lost:#?}\nwe alone: {new:#?}");
}
