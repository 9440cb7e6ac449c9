//! Tests of the commands' own output.

use super::*;
use crate::cli::commands::{Output, read};

fn shown(line: &str) -> String {
    let arguments: Vec<_> = std::iter::once("outrigger").chain(line.split(' ')).map(Into::into).collect();
    let Some(Ok(Command::Config(asked))) = read(&arguments) else { unreachable!("it is a good line") };
    config::printed(&asked, &testing::dump())
}

#[test]
fn tables_are_aligned() {
    let text = shown("config listeners");
    let lines: Vec<&str> = text.lines().collect();
    let column = lines[0].find("ADDRESS").unwrap();
    assert!(lines[1].starts_with("127.0.0.2_9080") && lines[1][column..].starts_with("127.0.0.2:9080"), "{text}");
    assert!(lines[1].contains("active") && lines[1].ends_with("routes 9080"), "{text}");
    assert!(
        text.ends_with("\n127.0.0.2_7000 is refused: address 127.0.0.2:7000 is taken by another process\n"),
        "{text}"
    );
    let text = shown("config clusters details");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("EDS") && text.contains("1/2") && text.contains("mTLS or plain (by endpoint)"), "{text}");
    let text = shown("config endpoints");
    assert!(text.contains("10.0.0.9:9080   is ejected"), "{text}");
    let text = shown("config routes");
    assert!(text.contains("/*, end-user to be jason  answers 418"), "{text}");
    let text = shown("config secrets");
    assert!(text.contains("default  certificate  active"), "{text}");
}

#[test]
fn a_stopped_listener_is_not_said_to_be_bound() {
    let arguments = ["outrigger", "config", "listeners"].map(Into::into);
    let Some(Ok(Command::Config(asked))) = read(&arguments) else { unreachable!("a good line") };
    let mut dump = testing::dump();
    dump.listeners["listener_statuses"][0]["stopped"] = true.into();
    let text = config::printed(&asked, &dump);
    assert!(text.lines().nth(1).is_some_and(|line| line.contains("stopped (drain_listeners)")), "{text}");
}

#[test]
fn options_stand_before_a_tables_name_or_behind_it() {
    for line in [
        "config --admin :1 -o json listeners",
        "config listeners --admin :1 -o json",
        "config -o json listeners --admin :1",
    ] {
        let arguments: Vec<_> = std::iter::once("outrigger").chain(line.split(' ')).map(Into::into).collect();
        let Some(Ok(Command::Config(asked))) = read(&arguments) else { panic!("{line}") };
        assert_eq!((&*asked.admin, asked.output), (":1", Output::Json), "{line}");
    }
}

#[test]
fn a_cluster_without_endpoints_has_a_line() {
    let mut dump = testing::dump();
    dump.clusters = serde_json::json!({ "cluster_statuses": [{ "name": "nobody" }] });
    let arguments = ["outrigger", "config", "endpoints"].map(Into::into);
    let Some(Ok(Command::Config(asked))) = read(&arguments) else { unreachable!("a good line") };
    let text = config::printed(&asked, &dump);
    let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(words, ["-", "no", "endpoint", "-", "-", "nobody"], "{text}");
}

#[test]
fn programs_get_the_resources() {
    let parsed = |line: &str| serde_json::from_str::<serde_json::Value>(&shown(line)).unwrap();
    assert_eq!(
        parsed("config clusters -o json db")[0]["cluster"]["name"],
        "outbound|3306||db.bookinfo.svc.cluster.local"
    );
    assert_eq!(parsed("config endpoints -o json details")[0]["host_statuses"].as_array().unwrap().len(), 2);
    assert_eq!(parsed("config listeners -o json none"), serde_json::json!([]));
}

#[test]
fn control_characters_of_strangers_do_not_reach_a_terminal() {
    let text = paper::table(["A", "B"], &[["\x1b[2J\n".to_owned(), "é".to_owned()], ["x".to_owned(), "y".to_owned()]]);
    assert_eq!(text, "A      B\n [2J   é\nx      y\n");
    assert_eq!(paper::toned("good", paper::Tone::Good, false), "good");
    assert_eq!(paper::toned("good", paper::Tone::Good, true), "\x1b[32mgood\x1b[0m");
}

#[test]
fn scripts_and_the_manual_know_every_command() {
    let manual = String::from_utf8(manual()).unwrap();
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
        let script = String::from_utf8(completions(shell)).unwrap();
        for word in ["validate", "wait", "healthcheck", "explain", "hosts", "listeners", "drain-time-s"] {
            assert!(script.contains(word), "{word} in {shell}");
        }
    }
    for word in ["validate", "explain", "hosts", "\\-\\-drain\\-time\\-s", "\\-\\-admin", "Exit status"] {
        assert!(manual.contains(word), "{word}");
    }
}
