//! Takes options that nobody knows out of the argument list. Agents gain options from release to release; an unknown one is a
//! warning, never the end.

use std::ffi::OsString;

use clap::{ArgAction, Command};

/// The arguments without unknown options (and the values that follow them), and a sentence for each that was taken out.
pub fn set_aside(command: &Command, arguments: Vec<OsString>) -> (Vec<OsString>, Vec<String>) {
    let mut kept = Vec::with_capacity(arguments.len());
    let mut warnings = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    kept.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let (name, has_value) = match text.split_once('=') {
            Some((name, _)) if name.starts_with("--") => (name, true),
            _ => (text.as_str(), false),
        };
        match takes_value(command, name) {
            Some(takes_value) => {
                kept.push(argument);
                // A negative number is a wrong value of this option, not an option: bound to it, the message names the right one.
                let negative = |next: &OsString| {
                    next.to_string_lossy().trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit())
                };
                if takes_value && !has_value && name.starts_with("--") && arguments.peek().is_some_and(negative) {
                    if let (Some(option), Some(value)) = (kept.last_mut(), arguments.next()) {
                        option.push("=");
                        option.push(value);
                    }
                } else if takes_value && !has_value {
                    kept.extend(arguments.next());
                }
            }
            None if !name.starts_with('-') || name == "-" => {
                warnings.push(format!("argument `{text}` belongs to no option and is ignored"));
            }
            None => {
                let value = if has_value { None } else { arguments.next_if(|next| !is_option(next)) };
                let value = value.map_or(String::new(), |value| format!(" {}", value.to_string_lossy()));
                warnings.push(format!("option `{text}{value}` is not known and is ignored"));
            }
        }
    }
    (kept, warnings)
}

fn is_option(argument: &OsString) -> bool {
    argument.as_encoded_bytes().starts_with(b"-")
}

/// Whether the option needs a value in the next argument; `None` = no such option. `-cFILE` is known and brings its value along.
fn takes_value(command: &Command, name: &str) -> Option<bool> {
    if matches!(name, "--help" | "-h") {
        return Some(false);
    }
    let arguments = || command.get_arguments();
    if let Some(long) = name.strip_prefix("--") {
        let known = arguments().find(|argument| {
            argument.get_long() == Some(long)
                || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&long))
        })?;
        return Some(matches!(known.get_action(), ArgAction::Set | ArgAction::Append));
    }
    let mut letters = name.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    let known = arguments().find(|argument| argument.get_short() == Some(letter))?;
    Some(matches!(known.get_action(), ArgAction::Set | ArgAction::Append) && letters.next().is_none())
}
