//! Every statistic is moved somewhere: what is registered and never counted is a zero that says nothing. Reads the sources: the fields that
//! hold a counter, a gauge or a histogram, and where they are moved, or handed to who moves them, outside of tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Shown, and always zero.
const ZERO: &[(&str, &str)] = &[("control_plane_pending_requests", "nothing holds requests to a control plane back")];

const HANDLES: [&str; 3] = ["Counter", "Gauge", "Histogram"];
/// What moves one.
const MOVES: [&str; 8] = ["inc", "dec", "add", "sub", "set", "record", "hold", "value"];
/// What a group of them is called by those who have it.
const GROUPS: [&str; 6] = ["stats", "stats()", "counts", "counters", "listener", "server"];

#[test]
fn every_statistic_is_moved() {
    let sources = sources();
    let names = names(&sources);
    assert!(names.len() > 200, "only {} were found", names.len());
    let still = still(&sources, &names);
    let expected: Vec<_> = ZERO.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = still.iter().filter(|(name, _)| !expected.contains(name)).collect();
    assert!(unknown.is_empty(), "registered and never moved: {unknown:#?}");
    let moved: Vec<_> = expected.iter().filter(|name| !still.iter().any(|(still, _)| still == *name)).collect();
    assert!(moved.is_empty(), "these are moved by now, or gone: take them off the list: {moved:?}");
}

/// Without the one line that moves it, a statistic is found, whatever else is called so.
#[test]
fn a_line_that_is_gone_is_noticed() {
    let sources = sources();
    for (file, line, name) in [
        ("http/attempt/ends.rs", "stats.timeout.inc();", "timeout"),
        ("http/attempt/one.rs", "stats.streams.inc();", "streams"),
        ("http/local_reply.rs", "stats.downstream_rq_idle_timeout.inc();", "downstream_rq_idle_timeout"),
        ("tcp/filters/connection_limit.rs", "self.limited_connections.inc();", "limited_connections"),
        ("app/admin.rs", "self.server.memory_allocated.set(allocated);", "memory_allocated"),
    ] {
        let mut without = sources.clone();
        let text = without.get_mut(Path::new(file)).unwrap_or_else(|| panic!("no {file}"));
        assert!(text.contains(line), "{file}: {line}");
        *text = text.replace(line, "");
        let names = names(&without);
        let still = still(&without, &names);
        assert!(still.iter().any(|(still, _)| *still == name), "{name} is not missed");
    }
}

/// By its path below `src`, each file without comments and texts.
type Sources = BTreeMap<PathBuf, String>;

fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Sources::new();
    walk(&root, &mut |path, text| {
        let below = path.strip_prefix(&root).expect("it is below").to_owned();
        sources.insert(below, without_comments(text));
    });
    sources
}

/// Each name with the files that declare it, a file for each time.
fn names(sources: &Sources) -> BTreeMap<String, Vec<&Path>> {
    let mut names: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    for (path, text) in sources {
        for name in fields(text).chain(listed(text)) {
            names.entry(name).or_default().push(path);
        }
    }
    names
}

/// Those that are never moved. Where several files declare a name, what is in the folder of one of them is of that one.
fn still<'n>(sources: &Sources, names: &'n BTreeMap<String, Vec<&Path>>) -> Vec<(&'n str, PathBuf)> {
    let mut still = Vec::new();
    for (name, declared) in names {
        let homes: BTreeMap<&Path, usize> = declared.iter().fold(BTreeMap::new(), |mut homes, path| {
            *homes.entry(*path).or_default() += 1;
            homes
        });
        let mut uses: BTreeMap<Option<&Path>, usize> = BTreeMap::new();
        for (path, text) in sources {
            let count = moved(text, name, homes.contains_key(&**path));
            let mut at = homes.keys().filter(|home| is_home(home, path));
            let home = if homes.len() == 1 { None } else { at.next().copied() };
            *uses.entry(home).or_default() += count;
        }
        // What is moved elsewhere may be of any that is not moved at home.
        let mut elsewhere = uses.get(&None).copied().unwrap_or(0);
        for (home, times) in homes {
            let missing = times.saturating_sub(uses.get(&Some(home)).copied().unwrap_or(0));
            if missing > elsewhere {
                still.push((name.as_str(), home.to_owned()));
            }
            elsewhere = elsewhere.saturating_sub(missing);
        }
    }
    still
}

/// Whether a file is that of a declaration, or in its folder: `a/mod.rs` and `a/stats.rs` have `a`, `a/b.rs` has `a/b`.
fn is_home(declaration: &Path, path: &Path) -> bool {
    let is_folders = declaration.file_stem().is_some_and(|stem| stem == "mod" || stem == "stats");
    let folder =
        if is_folders { declaration.parent().map(Path::to_owned) } else { Some(declaration.with_extension("")) };
    path == declaration || folder.is_some_and(|folder| path.starts_with(folder))
}

/// How often a file moves it: `.name.inc()` and the like, or `stats.name` handed to somebody; in the file that declares it, also `self.name`.
fn moved(text: &str, name: &str, is_own: bool) -> usize {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let uses = text.match_indices(name).filter(|(at, _)| text[..*at].trim_end().ends_with('.'));
    uses.filter(|(at, _)| {
        let (before, after) = (text[..*at].trim_end().trim_end_matches('.').trim_end(), &text[at + name.len()..]);
        if after.starts_with(is_part) || text[..*at].ends_with(is_part) {
            return false;
        }
        let after = after.trim_start();
        if let Some(called) = after.strip_prefix('.') {
            let called = called.trim_start();
            let end = called.find(|char| !is_part(char)).unwrap_or(called.len());
            return MOVES.contains(&&called[..end]) && called[end..].starts_with('(');
        }
        let (before, call) = before.strip_suffix("()").map_or((before, ""), |before| (before, "()"));
        let begin = before.rfind(|char| !is_part(char)).map_or(0, |at| at + 1);
        let group = format!("{}{call}", &before[begin..]);
        let is_handed_on =
            after.starts_with([',', ')', '}', ']', ';', ':']) || text[at + name.len()..].starts_with('\n');
        is_handed_on && (GROUPS.contains(&&*group) || is_own && group == "self")
    })
    .count()
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
        (["stats", "counters"].iter().any(|word| name.ends_with(word))).then(|| &text[at..end])
    });
    let words = blocks.flat_map(|block| block.split(|char: char| !char.is_ascii_alphanumeric() && char != '_'));
    let others =
        ["counter", "counters", "gauge", "gauges", "histogram", "histograms", "struct", "pub", "super", "crate", "in"];
    words.filter(move |word| is_name(word) && !others.contains(word)).map(str::to_owned)
}

fn is_name(word: &str) -> bool {
    word.starts_with(|char: char| char.is_ascii_lowercase())
        && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
}

/// Without what stands between quotes, too: names of statistics hold the words that are looked for.
fn without_comments(text: &str) -> String {
    let line = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"") + "\n"
    };
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
