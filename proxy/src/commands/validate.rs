//! `outrigger validate`: the verdict on bootstrap files, each fault with its file, line and field.

use std::path::Path;

use config::bootstrap::line_of;

use super::Ended;
use super::paper::{self, Tone};
use crate::app::{Fault, Judged, judge};
use crate::cli::commands::Validate;
use crate::cli::{self, complain, say};

/// Judges each file.
pub fn files(asked: &Validate) -> Ended {
    let files = asked.files.iter().chain(&asked.config_path);
    let all: Vec<Ended> = files.map(|file| one(file, asked.allow_unknown_static_fields)).collect();
    match (all.contains(&Ended::No), all.contains(&Ended::OnlyEnvoys)) {
        (true, _) => Ended::No,
        (false, true) => Ended::OnlyEnvoys,
        (false, false) => Ended::Yes,
    }
}

fn one(file: &Path, allows_unknown: bool) -> Ended {
    let (name, colour) = (file.display().to_string(), paper::has_colour());
    if let Err(error) = std::fs::File::open(file) {
        say(format_args!("{name}: {}", paper::toned(&format!("cannot be read: {error}"), Tone::Bad, colour)));
        return Ended::No;
    }
    let mut arguments = vec!["outrigger".into(), "-c".into(), file.into(), "--mode=validate".into()];
    if allows_unknown {
        arguments.push("--allow-unknown-static-fields".into());
    }
    let options = match cli::parse(arguments) {
        Ok(invocation) => invocation.options,
        Err(exit) => {
            complain(exit.text);
            return Ended::No;
        }
    };
    let Judged { notes, unknown, faults } = judge(&options);
    unknown.iter().for_each(say);
    notes.iter().for_each(|note| say(format_args!("{name}: not acting: {note}")));
    // It was read before; what is not there any more has no lines.
    let text = if faults.is_empty() { String::new() } else { std::fs::read_to_string(file).unwrap_or_default() };
    faults.iter().for_each(|fault| say(told(fault, &name, &text)));
    let (word, tone, ended) = match (faults.len(), faults.iter().all(|fault| fault.is_unsupported)) {
        (0, _) => ("can be used".to_owned(), Tone::Good, Ended::Yes),
        (count, true) => (format!("valid for Envoy, not supported here ({count})"), Tone::Odd, Ended::OnlyEnvoys),
        (1, false) => ("one fault".to_owned(), Tone::Bad, Ended::No),
        (count, false) => (format!("{count} faults"), Tone::Bad, Ended::No),
    };
    say(format_args!("{name}: {}", paper::toned(&word, tone, colour)));
    ended
}

/// `FILE:LINE: FIELD: what is wrong`.
fn told(fault: &Fault, name: &str, text: &str) -> String {
    let sentence = paper::plain(&fault.sentence);
    let sentence = sentence.strip_prefix(name).map_or(&*sentence, |rest| rest.trim_start_matches(": "));
    let line = line_of(text, &fault.path).map_or(String::new(), |line| format!(":{line}"));
    let kind = if fault.is_unsupported { "valid for Envoy, not supported here: " } else { "" };
    format!("{name}{line}: {kind}{sentence}")
}
