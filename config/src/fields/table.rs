//! `table.txt`: what every field of every message that is decoded does here. A section begins with a message's name; each line
//! below gives a field and one of
//!
//! - `acts`: as in Envoy, as far as the documents say;
//! - `harmless: why`: nothing that traffic or an operator could notice depends on it;
//! - `inert: what that means`: accepted and without effect; named to the operator when it is set;
//! - `refused: why`: a resource that sets it is rejected; without a reason: by the decoder, which gives it;
//! - `policy: why`: the same, and what was in force without it ends, for it lets pass what the field forbids.
//!
//! `tests.rs` holds the table to Envoy's files (nothing is missing, nothing is left over) and to what the decoders do.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::options::Options;
use crate::rejection::{At, Rejection};
use crate::schema::{Field, Message};

pub(super) const TEXT: &str = include_str!("table.txt");

/// What a field does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Acts,
    Harmless,
    Inert,
    Refused,
    Policy,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub message: &'static str,
    pub field: &'static str,
    pub class: Class,
    /// Why, or what it means.
    pub why: &'static str,
}

/// All lines, in their order. What is no line of the table is given as text.
pub(super) fn rows() -> impl Iterator<Item = Result<Row, String>> {
    let mut message = "";
    TEXT.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).filter_map(move |line| {
        let Some(row) = line.strip_prefix("  ") else {
            message = line;
            return None;
        };
        Some(parse(message, row).ok_or_else(|| format!("{message}: {row:?} is no row")))
    })
}

fn parse(message: &'static str, row: &'static str) -> Option<Row> {
    let (field, rest) = row.split_once(' ')?;
    let (class, why) = rest.split_once(": ").unwrap_or((rest, ""));
    let class = match class {
        "acts" | "refused" if why.is_empty() => {
            let class = if class == "acts" { Class::Acts } else { Class::Refused };
            return Some(Row { message, field, class, why });
        }
        "harmless" => Class::Harmless,
        "inert" => Class::Inert,
        "refused" => Class::Refused,
        "policy" => Class::Policy,
        _ => return None,
    };
    (!why.is_empty()).then_some(Row { message, field, class, why })
}

/// Judges a field that is set; whether the table speaks of what is inside of it.
pub(super) fn judge(message: Message, field: Field, at: &At<'_>, options: &Options) -> Result<bool, Rejection> {
    let Some(fields) = SPECIAL.get(&message) else { return Ok(true) };
    let Some((class, why)) = fields.iter().find(|(number, ..)| *number == field.number()).map(|found| found.1) else {
        return Ok(true);
    };
    match class {
        Class::Acts => return Ok(true),
        Class::Harmless => {}
        Class::Inert => {
            let short = message.name().rsplit('.').next().unwrap_or_default();
            options.note(at, format_args!("{short}.{} is not acting: {why}", field.name()));
        }
        // By its decoder, which says why.
        Class::Refused if why.is_empty() => {}
        Class::Refused => return Err(at.unsupported(format!("is not supported yet: {why}"))),
        Class::Policy => return Err(at.unsupported(format!("is not supported yet: {why}")).withholding_policy()),
    }
    Ok(false)
}

type Special = Vec<(u32, (Class, &'static str))>;

/// The fields that do not simply act.
static SPECIAL: LazyLock<BTreeMap<Message, Special>> = LazyLock::new(|| {
    let mut special: BTreeMap<Message, Special> = BTreeMap::new();
    for row in rows().flatten().filter(|row| row.class != Class::Acts) {
        let message = Message::named(row.message);
        if let Some((message, field)) = message.and_then(|message| Some((message, message.field_of_json(row.field)?))) {
            special.entry(message).or_default().push((field.number(), (row.class, row.why)));
        }
    }
    special
});
