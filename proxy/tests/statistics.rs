//! Every statistic is moved somewhere: what is registered and never counted is a zero that says nothing. Reads the sources: the fields that
//! hold a counter, a gauge or a histogram, and where they are used outside of tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Shown, and always zero.
const ZERO: &[(&str, &str)] = &[("control_plane_pending_requests", "nothing holds requests to a control plane back")];

const HANDLES: [&str; 3] = ["Counter", "Gauge", "Histogram"];

#[test]
fn every_statistic_is_moved() {
    let mut sources = String::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        let text = without_comments(text);
        for name in fields(&text).chain(listed(&text)) {
            names.entry(name).or_insert_with(|| path.display().to_string());
        }
        sources.push_str(&text);
        sources.push('\n');
    });
    assert!(names.len() > 200, "only {} were found", names.len());
    let uses = used(&sources);
    let still: Vec<_> = names.iter().filter(|(name, _)| !uses.contains(&name.as_str())).collect();
    let expected: Vec<_> = ZERO.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = still.iter().filter(|(name, _)| !expected.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "registered and never moved: {unknown:#?}");
    let moved: Vec<_> = expected.iter().filter(|name| !still.iter().any(|(still, _)| still == *name)).collect();
    assert!(moved.is_empty(), "these are moved by now, or gone: take them off the list: {moved:?}");
}

/// `name: Counter` of structs.
fn fields(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter_map(|line| {
        let (name, kind) = line.trim().trim_end_matches(',').split_once(": ")?;
        let name = name.rsplit(' ').next()?;
        (HANDLES.contains(&kind) && is_name(name)).then(|| name.to_owned())
    })
}

/// The words of `…stats! { … }` and its like, whose macros make the fields.
fn listed(text: &str) -> impl Iterator<Item = String> + '_ {
    let blocks = text.match_indices("! {\n").filter_map(|(at, _)| {
        let name = text[..at].rsplit('\n').next()?;
        let end = at + text[at..].find("\n}")?;
        (name.contains("stat") && is_name(name)).then(|| &text[at..end])
    });
    let words = blocks.flat_map(|block| block.split(|char: char| !char.is_ascii_alphanumeric() && char != '_'));
    let kinds = ["counter", "counters", "gauge", "gauges", "histogram", "histograms"];
    words.filter(move |word| is_name(word) && !kinds.contains(word)).map(str::to_owned)
}

fn is_name(word: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_lowercase())
        && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}

/// Every name that is reached by `.name`.
fn used(text: &str) -> std::collections::BTreeSet<&str> {
    let name_of =
        |rest: &'_ str| rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(rest.len());
    text.match_indices('.').map(|(at, _)| &text[at + 1..]).map(|rest| &rest[..name_of(rest)]).collect()
}

fn without_comments(text: &str) -> String {
    let line = |line: &str| line.split("//").next().unwrap_or_default().to_owned() + "\n";
    text.lines().map(line).collect()
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("the tree is there").flatten() {
        let path = entry.path();
        let is_test =
            path.file_stem().is_some_and(|stem| ["tests", "testing", "bench"].iter().any(|test| stem == *test));
        if is_test {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path, &fs::read_to_string(&path).expect("sources are text"));
        }
    }
}
