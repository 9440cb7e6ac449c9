//! What a page takes behind the `?`: one table for `/help`, for the check of what was given, and for the words about what is wrong.

use std::fmt;

use super::query::Query;

/// A parameter of a page.
pub struct Parameter {
    name: &'static str,
    meaning: &'static str,
    /// What its value may be; anything where this is empty.
    one_of: &'static [&'static str],
}

/// One that may have any value. A name in `<>` stands for any name.
pub const fn named(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, meaning, one_of: &[] }
}

/// One that has one of these values, or none at all.
pub const fn one_of(name: &'static str, meaning: &'static str, one_of: &'static [&'static str]) -> Parameter {
    Parameter { name, meaning, one_of }
}

impl fmt::Display for Parameter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parameter { name, meaning, one_of } = self;
        match one_of {
            [] => write!(out, "{name}: {meaning}"),
            values => write!(out, "{name}: {meaning}; One of ({})", values.join(", ")),
        }
    }
}

/// Holds a query to the table. On a page that changes something every parameter must be known: a slip of the pen there does something
/// else than was wanted.
///
/// # Errors
/// What is wrong, and what there is.
pub fn check(path: &str, known: &[Parameter], changes: bool, query: &Query) -> Result<(), String> {
    let wrong = |parameter: &&Parameter| {
        let value = query.get(parameter.name).unwrap_or_default();
        !parameter.one_of.is_empty() && !value.is_empty() && !parameter.one_of.contains(&value)
    };
    if let Some(Parameter { name, one_of, .. }) = known.iter().find(wrong) {
        return Err(format!("usage: {path}?{name}=({})\n\n", one_of.join("|")));
    }
    match unknown(known, query) {
        Some(name) if changes => Err(format!("unknown parameter '{}': {path} takes {}\n", shown(name), names(known))),
        _ => Ok(()),
    }
}

/// What is said where a page that changes nothing is given a parameter that it does not take: the page is there all the same, for the tools
/// of tomorrow.
pub fn ignored(path: &str, known: &[Parameter], query: &Query) -> Option<String> {
    let name = unknown(known, query)?;
    Some(format!("unknown parameter '{}' is ignored: {path} takes {}", shown(name), names(known)))
}

fn unknown<'a>(known: &[Parameter], query: &'a Query) -> Option<&'a str> {
    let takes = |name: &str| known.iter().any(|known| known.name == name || known.name.starts_with('<'));
    query.pairs().map(|(name, _)| name).find(|name| !takes(name))
}

fn names(known: &[Parameter]) -> String {
    match known {
        [] => "none".to_owned(),
        known => known.iter().map(|known| known.name).collect::<Vec<_>>().join(", "),
    }
}

/// What a client wrote, of which not more is repeated than names need.
pub fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
