//! Small bootstrap files and what is thought of them, by Envoy and here. Called by the `bootstraps_parity` test.
//!
//! `integration/parity/bootstraps/TOPIC.txt` holds the files of a topic, `TOPIC.envoy` beside it what Envoy says of each. A line of a topic:
//!
//! - `== NAME`: the lines below are a file. `== NAME | refused here` (or `taken here`): we differ on purpose, and `known.md` says why.
//! - `-- around`: the lines below stand around those of the files that follow, which replace `$$`; a line of `$$` alone gives its indentation.
//! - `-- json`: the files that follow are JSON, with nothing around them.
//!
//! `@DIR@` is the folder of [`Files`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use proxy::cli;
use rcgen::{CertificateParams, KeyPair};

/// A small file.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is.
    pub name: String,
    /// Its lines.
    pub text: String,
    /// It ends in `.json`.
    pub is_json: bool,
    /// What is thought of it here, where that is meant to be something else than what Envoy thinks: whether it is taken.
    pub here: Option<bool>,
}

/// What is thought of a file: `None` if it is taken, else why not.
pub type Verdict = Option<String>;

/// The topics' files.
pub fn topics() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/bootstraps");
    let entries = std::fs::read_dir(folder).expect("the folder of topics");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut topics: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    topics.sort();
    topics
}

/// The cases of a topic.
pub fn cases(text: &str) -> Vec<Case> {
    let (mut cases, mut around, mut is_json): (Vec<Case>, Option<String>, bool) = (Vec::new(), None, false);
    let mut reads_around = false;
    for line in text.lines() {
        if let Some(what) = line.strip_prefix("-- ") {
            (reads_around, is_json) = (what == "around", what == "json");
            around = reads_around.then(String::new);
        } else if let Some(title) = line.strip_prefix("== ") {
            reads_around = false;
            let (name, here) = title.split_once(" | ").map_or((title, None), |(name, here)| (name, Some(here)));
            let here = here.map(|here| here == "taken here");
            cases.push(Case { name: name.to_owned(), text: around.clone().unwrap_or_default(), is_json, here });
            if let Some(case) = cases.last_mut().filter(|_| around.is_some()) {
                case.text.push_str(MARK);
            }
        } else if reads_around {
            let _ = writeln!(around.get_or_insert_default(), "{line}");
        } else if let Some(case) = cases.last_mut() {
            let _ = writeln!(case.text, "{line}");
        }
    }
    cases.into_iter().map(|case| Case { text: put_together(&case.text), ..case }).collect()
}

/// Between what stands around and what stands within.
const MARK: &str = "\u{1}";

fn put_together(text: &str) -> String {
    let Some((around, within)) = text.split_once(MARK) else { return text.to_owned() };
    let mut whole = String::new();
    for line in around.lines() {
        let indentation = &line[..line.len() - line.trim_start().len()];
        if line.trim() == "$$" {
            within.lines().for_each(|line| whole += &format!("{indentation}{line}\n"));
        } else {
            whole += &line.replace("$$", within.trim());
            whole.push('\n');
        }
    }
    whole
}

/// Certificates, keys and the like that the files name, and the place for the files themselves.
pub struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// Writes them.
    pub fn new() -> Files {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        for name in ["a", "b", "ca"] {
            let key = KeyPair::generate().expect("a key");
            let certificate = CertificateParams::new([format!("{name}.example")]).expect("a name").self_signed(&key);
            write(&format!("{name}.pem"), &certificate.expect("a certificate").pem());
            write(&format!("{name}.key"), &key.serialize_pem());
        }
        write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        write("long", &"x".repeat(5000));
        Files { folder }
    }

    fn write(&self, case: &Case, number: usize) -> PathBuf {
        let path = self.folder.path().join(format!("{number}.{}", if case.is_json { "json" } else { "yaml" }));
        let text = case.text.replace("@DIR@", &self.folder.path().display().to_string());
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// What is thought of it here.
    pub fn ours(&self, case: &Case, number: usize) -> Verdict {
        let path = self.write(case, number).display().to_string();
        let arguments = ["outrigger", "--mode", "validate", "-c", &path];
        let invocation = cli::parse(arguments.map(Into::into)).expect("good arguments");
        let faults = proxy::app::judge(&invocation.options).reasons();
        (!faults.is_empty()).then(|| self.told(&faults.join("\n"), &path))
    }

    /// What Envoy thinks of it.
    pub fn envoys(&self, program: &Path, case: &Case, number: usize) -> Verdict {
        let path = self.write(case, number).display().to_string();
        let arguments = ["--mode", "validate", "-l", "critical", "-c", &path];
        let output = Command::new(program).args(arguments).output().expect("Envoy starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (!output.status.success()).then(|| reason(&self.told(&text, &path)))
    }

    fn told(&self, text: &str, path: &str) -> String {
        text.replace(path, "FILE").replace(&self.folder.path().display().to_string(), "@DIR@")
    }
}

impl Default for Files {
    fn default() -> Files {
        Files::new()
    }
}

/// The reason alone, in one line: Envoy repeats messages, with white space that differs from run to run.
fn reason(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.split_once("error initializing configuration 'FILE': ").map_or(&*words, |(_, reason)| reason);
    if words.contains("panic: ") {
        return "(it ends by a panic)".to_owned();
    }
    let words = match (words.find("goo.gle/debug"), words.find("Proto constraint validation failed")) {
        (Some(_), Some(constraint)) => &words[constraint..],
        (Some(message), None) => &words[..message],
        (None, _) => words,
    };
    // What follows is the whole file again.
    let words = words.split_once("): {").map_or(words, |(reason, _)| reason);
    let words = words.split_once(" near 1:").map_or(words, |(reason, _)| reason.trim_end_matches(','));
    // Of two fields that exclude each other it names the one or the other.
    let words = match words.split_once(" @ ") {
        Some((problem, path)) => {
            let path = path.split_once(": ").map_or(path, |(path, _)| path);
            format!("{problem} within {}", path.rsplit_once('.').map_or(path, |(parent, _)| parent))
        }
        None => words.to_owned(),
    };
    words.chars().take(MOST).collect::<String>().trim_end().to_owned()
}

const MOST: usize = 240;

/// A recorded list of verdicts.
pub fn written<'a>(verdicts: impl Iterator<Item = (&'a str, &'a Verdict)>) -> String {
    let mut text = String::new();
    for (name, verdict) in verdicts {
        let _ = match verdict {
            None => writeln!(text, "{name}: taken"),
            Some(reason) => writeln!(text, "{name}: refused: {reason}"),
        };
    }
    text
}
