//! Peers of all kinds, as clients of a listener and as servers of a cluster, to the real Envoy and to Outrigger: who is let in. Envoy
//! confirms that the table of verdicts is true; Outrigger must give the same, but for what `known.md` lists. `UPDATE_GOLDENS=1`, with
//! an Envoy on the machine, writes the table anew; the diff is the review. `make parity` asks Envoy about all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use outrigger_integration::embedded::binary;
use outrigger_integration::parity::doorman::Doorman;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::peers::{self, Case};
use outrigger_integration::skip::or_skip;

/// Envoy takes minutes for all of them: an ordinary run asks it about one in so many.
const SHARE: usize = 6;

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

/// What was thought of a peer as client and as server, and what was said of it.
struct Seen {
    verdicts: [String; 2],
    reasons: [String; 2],
}

fn look(program: &Path, cases: &[Case]) -> Vec<Seen> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let doorman = Doorman::start(program, cases).await.expect("it listens");
        let mut all = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let as_client = doorman.as_client(index, case).await;
            let reason = if as_client == "out" { doorman.reason(index).await } else { String::new() };
            let (as_server, said) = doorman.as_server(index).await;
            all.push(Seen { verdicts: [as_client, as_server], reasons: [reason, said] });
        }
        all
    })
}

fn reasons_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/tls_reasons.txt")
}

/// By peer and side: what Envoy says, and what is said here where that is something else.
type Reasons = BTreeMap<(String, String), [String; 2]>;

fn read_reasons() -> Reasons {
    let text = std::fs::read_to_string(reasons_file()).unwrap_or_default();
    let mut reasons = Reasons::new();
    let mut peer = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ").and_then(|line| line.split_once(": ")) {
            None => peer = line.to_owned(),
            Some((side, reason)) => {
                let (side, index) = side.strip_suffix(" here").map_or((side, 0), |side| (side, 1));
                reasons.entry((peer.clone(), side.to_owned())).or_default()[index] = reason.to_owned();
            }
        }
    }
    reasons
}

fn write_reasons(reasons: &Reasons) {
    let mut text = String::from(
        "# What Envoy says of peers that are not let in; `here` is what Outrigger says where that is something else.\n",
    );
    let mut before = "";
    for ((peer, side), [envoy, here]) in reasons.iter().filter(|(_, said)| said.iter().any(|said| !said.is_empty())) {
        if peer != before {
            writeln!(text, "{peer}").expect("text");
            before = peer;
        }
        writeln!(text, "  {side}: {envoy}").expect("text");
        if !here.is_empty() {
            writeln!(text, "  {side} here: {here}").expect("text");
        }
    }
    std::fs::write(reasons_file(), text).expect("the table can be written");
}

/// Without the seconds that pass between two runs.
fn steady(reason: &str) -> String {
    let seconds = regex::Regex::new(r"\d+_s_(behind|ago)").expect("an expression");
    seconds.replace_all(reason, "N_s_$1").into_owned()
}

/// Takes down what is said (0: by Envoy, 1: here), or compares it with what was.
fn hold_reasons(cases: &[Case], seen: &[Seen], who: usize) {
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let (mut reasons, mut wrong) = (read_reasons(), Vec::new());
    for (case, seen) in cases.iter().zip(seen) {
        for (side, said) in ["client", "server"].into_iter().zip(&seen.reasons) {
            let mut said = steady(said);
            let known = reasons.entry((case.name.clone(), side.to_owned())).or_default();
            // Where the peer is let in here, or its configuration refused, there is nothing to say.
            if who == 1 && said.is_empty() && !known[0].is_empty() {
                "-".clone_into(&mut said);
            }
            let expected = if who == 1 && !known[1].is_empty() { &known[1] } else { &known[0] };
            match (update, who) {
                (true, 0) => known[0] = said,
                (true, _) => known[1] = if said == known[0] { String::new() } else { said },
                _ if *expected == said => {}
                _ => wrong.push(format!("{} as {side}: {said}\n    not {expected}", case.name)),
            }
        }
    }
    if update {
        write_reasons(&reasons);
    }
    assert!(wrong.is_empty(), "{} reasons:\n{}", wrong.len(), wrong.join("\n"));
}

fn compare(cases: &[Case], seen: &[Seen], of: impl Fn(&Line) -> &[String; 2]) {
    let expected = read();
    let mut wrong = Vec::new();
    for (case, seen) in cases.iter().zip(seen) {
        let (seen, said) = (&seen.verdicts, expected.get(&case.name).map(&of).cloned().unwrap_or_default());
        if *seen != said {
            wrong.push(format!("{}: {} {}, not {} {}", case.name, seen[0], seen[1], said[0], said[1]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} peers:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let names: BTreeSet<String> = peers::all().into_iter().map(|case| case.name).collect();
    let gone: Vec<&String> = expected.keys().filter(|name| !names.contains(*name)).collect();
    assert!(gone.is_empty(), "the table has peers that are no more: {gone:?}");
}

#[test]
fn envoy_still_judges_peers_as_recorded() {
    let Some(envoy) = or_skip("envoy_still_judges_peers_as_recorded", envoy()) else { return };
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let share = if update || std::env::var_os("OUTRIGGER_WHOLE").is_some() { 1 } else { SHARE };
    let cases: Vec<Case> = peers::all().into_iter().step_by(share).collect();
    let all = look(&envoy, &cases);
    hold_reasons(&cases, &all, 0);
    if !update {
        return compare(&cases, &all, |line| &line.envoy);
    }
    let before = read();
    let mut text = String::from(
        "# Envoy's verdicts on peers as clients and as servers: `in`, `out`, or `refused` where it takes no such context; after a slash ours, where `known.md` says why.\n",
    );
    for (case, seen) in cases.iter().zip(&all) {
        let known = before.get(&case.name).cloned().unwrap_or_default();
        let word = |side: usize| match (&known, &seen.verdicts[side]) {
            (line, seen) if line.envoy[side] == *seen && line.ours[side] != *seen && !line.ours[side].is_empty() => {
                format!("{seen}/{}", line.ours[side])
            }
            (_, seen) => seen.clone(),
        };
        writeln!(text, "{} {} {}", word(0), word(1), case.name).expect("text");
    }
    std::fs::write(table_file(), text).expect("the table can be written");
}

/// What is said of those who are not let in is in the same table as Envoy's words.
#[test]
fn outrigger_judges_peers_as_envoy_does_and_says_why() {
    let cases = peers::all();
    let all = look(&binary::build().expect("the binary builds"), &cases);
    compare(&cases, &all, |line| &line.ours);
    hold_reasons(&cases, &all, 1);
}
