//! Small bootstrap files, good ones and bad ones: which are taken. Envoy confirms what is recorded of it (`UPDATE_GOLDENS=1` writes that anew;
//! the diff is the review), and we must take and refuse the same, but for the files that say otherwise, which `known.md` explains.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use outrigger_integration::parity::bootstraps::{Case, Files, Verdict, cases, topics, written};
use outrigger_integration::parity::envoy;
use outrigger_integration::skip::or_skip;

fn read(topic: &Path) -> Vec<Case> {
    cases(&std::fs::read_to_string(topic).expect("a topic"))
}

fn recorded(topic: &Path) -> String {
    std::fs::read_to_string(topic.with_extension("envoy")).unwrap_or_default()
}

/// Each case by itself, a few at a time: Envoy needs some 50 ms for one.
fn asked(program: &Path, cases: &[Case]) -> Vec<Verdict> {
    let (files, next) = (Files::new(), AtomicUsize::new(0));
    let verdicts = Mutex::new(vec![None; cases.len()]);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else { break };
            let verdict = files.envoys(program, case, number);
            verdicts.lock().expect("nobody panicked")[number] = verdict;
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    verdicts.into_inner().expect("nobody panicked")
}

/// Of the files one in so many, unless all are recorded anew: what is confirmed is the record, not Envoy.
const SHARE: usize = 5;

#[test]
fn envoy_still_judges_files_as_recorded() {
    let Some(program) = or_skip("envoy_still_judges_files_as_recorded", envoy()) else { return };
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut wrong = Vec::new();
    for topic in topics() {
        let all = read(&topic);
        let cases: Vec<Case> = all.iter().step_by(if update { 1 } else { SHARE }).cloned().collect();
        let text = written(cases.iter().map(|case| &*case.name).zip(&asked(&program, &cases)));
        if update {
            std::fs::write(topic.with_extension("envoy"), &text).expect("the folder is writable");
        }
        let expected = recorded(&topic);
        assert_eq!(expected.lines().count(), all.len(), "{}: UPDATE_GOLDENS=1 with Envoy", topic.display());
        let unknown = text.lines().filter(|line| !expected.lines().any(|known| known == *line));
        wrong.extend(unknown.map(|line| format!("{}: {line}", topic.display())));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_same_files_are_taken_here() {
    let (files, mut wrong, mut number) = (Files::new(), Vec::new(), 0);
    for topic in topics() {
        let recorded = recorded(&topic);
        let mut envoys = recorded.lines();
        for case in read(&topic) {
            number += 1;
            let place = format!("{}: {}", topic.file_stem().unwrap_or_default().display(), case.name);
            let envoy = envoys.next().and_then(|line| line.strip_prefix(&format!("{}: ", case.name)));
            let envoy = envoy.unwrap_or_else(|| panic!("{place}: not recorded: UPDATE_GOLDENS=1 with Envoy"));
            let is_taken = case.here.unwrap_or(envoy == "taken");
            assert!(case.here != Some(envoy == "taken"), "{place}: no difference any more");
            let ours = files.ours(&case, number);
            if ours.is_none() != is_taken {
                let ours = ours.map_or("taken".to_owned(), |reason| format!("refused: {reason}"));
                wrong.push(format!("{place}:\n  here  {ours}\n  envoy {envoy}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {number} differ:\n{}", wrong.len(), wrong.join("\n"));
}
