//! Peers of all kinds, as clients of a listener and as servers of a cluster, to the real Envoy and to Outrigger: who is let in. Envoy
//! confirms that the table of verdicts is true; Outrigger must give the same, but for what `known.md` lists. `UPDATE_GOLDENS=1`, with
//! an Envoy on the machine, writes the table anew; the diff is the review.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::doorman::Doorman;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::peers::{self, Case};
use outrigger_integration::skip::or_skip;

fn table_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/tls_peers.txt")
}

/// One line a peer: its verdicts as client and as server, ours in brackets where it differs on purpose, and its name.
#[derive(Clone, Default)]
struct Line {
    envoy: [String; 2],
    ours: [String; 2],
}

fn read() -> BTreeMap<String, Line> {
    let text = std::fs::read_to_string(table_file()).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut verdict = || {
                let word = words.next().unwrap_or_default();
                let (envoy, ours) = word.split_once('/').unwrap_or((word, word));
                (envoy.to_owned(), ours.to_owned())
            };
            let (client, server) = (verdict(), verdict());
            let name = words.next().unwrap_or_default().trim().to_owned();
            (name, Line { envoy: [client.0, server.0], ours: [client.1, server.1] })
        })
        .collect()
}

fn verdicts(program: &Path, cases: &[Case]) -> Vec<[String; 2]> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let doorman = Doorman::start(program, cases).await.expect("it listens");
        let mut all = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            all.push([doorman.as_client(index, case).await, doorman.as_server(index).await]);
        }
        all
    })
}

fn compare(program: &Path, of: impl Fn(&Line) -> &[String; 2]) {
    let cases = peers::all();
    let expected = read();
    let mut wrong = Vec::new();
    for (case, seen) in cases.iter().zip(verdicts(program, &cases)) {
        let said = expected.get(&case.name).map(&of).cloned().unwrap_or_default();
        if seen != said {
            wrong.push(format!("{}: {} {}, not {} {}", case.name, seen[0], seen[1], said[0], said[1]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} peers:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(expected.len(), cases.len(), "the table has peers that are no more");
}

#[test]
fn envoy_still_judges_peers_as_recorded() {
    let Some(envoy) = or_skip("envoy_still_judges_peers_as_recorded", envoy()) else { return };
    if std::env::var_os("UPDATE_GOLDENS").is_none() {
        return compare(&envoy, |line| &line.envoy);
    }
    let (cases, before) = (peers::all(), read());
    let mut text = String::from(
        "# Envoy's verdicts on peers as clients and as servers: `in`, `out`, or `refused` where it takes no such context; after a slash ours, where `known.md` says why.\n",
    );
    for (case, seen) in cases.iter().zip(verdicts(&envoy, &cases)) {
        let known = before.get(&case.name).cloned().unwrap_or_default();
        let word = |side: usize| match &known {
            line if line.envoy[side] == seen[side] && line.ours[side] != seen[side] && !line.ours[side].is_empty() => {
                format!("{}/{}", seen[side], line.ours[side])
            }
            _ => seen[side].clone(),
        };
        writeln!(text, "{} {} {}", word(0), word(1), case.name).expect("text");
    }
    std::fs::write(table_file(), text).expect("the table can be written");
}

#[test]
fn outrigger_judges_peers_as_envoy_does() {
    compare(&binary::build().expect("the binary builds"), |line| &line.ours);
}
