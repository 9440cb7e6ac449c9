//! Every message that is decoded passes here first: Envoy's own rules on its fields hold (`rules`), and what is set and does not
//! act is refused or named (`table`). Called for each resource and each opened extension, on the control thread.
//!
//! Works on the bytes as they came, so that no decoder can forget a field: the table is compared with Envoy's files, and its
//! `acts` with what the decoders do. Makes no copies and needs no descriptors, for a push may hold thousands of resources.

use std::borrow::Cow;

use crate::options::Options;
use crate::rejection::{At, Rejection};
use crate::schema::{Field, Message};

mod patterns;
mod rules;
pub(crate) mod table;
pub(crate) mod wire;

use wire::Occurrence;

/// As deep as prost itself decodes.
const DEEPEST: usize = 100;

/// Checks a message that is about to be decoded.
pub(crate) fn check(type_name: &str, bytes: &[u8], at: &At<'_>, options: &Options) -> Result<(), Rejection> {
    let Some(message) = Message::named(type_name) else { return Ok(()) };
    Walk::new(options).whole(message, bytes, at, Interest { rules: true, table: true })
}

/// Checks a message that does not act, by Envoy's rules alone.
pub(crate) fn check_inert(type_name: &str, bytes: &[u8], at: &At<'_>, options: &Options) -> Result<(), Rejection> {
    match Message::named(type_name).filter(|_| options.is_checking()) {
        Some(message) => Walk::new(options).whole(message, bytes, at, Interest { rules: true, table: false }),
        None => Ok(()),
    }
}

/// Rules that these files have and Envoy has no more: the decoder says what must be there.
fn is_waived(message: Message, field: Field) -> bool {
    // A map of bundles may stand in its place.
    field.name() == "trust_domains" && message.name() == crate::registry::SPIFFE_VALIDATOR
}

/// What is asked of a message.
#[derive(Clone, Copy)]
struct Interest {
    rules: bool,
    table: bool,
}

struct Walk<'o> {
    options: &'o Options,
    /// What is wrong, in the order of the fields.
    found: Vec<Rejection>,
}

/// What is told of one message at most.
const MOST: usize = 32;

impl Walk<'_> {
    fn new(options: &Options) -> Walk<'_> {
        Walk { options, found: Vec::new() }
    }

    /// The first of what is wrong; what else is goes to who wants to know all of it.
    fn whole(mut self, message: Message, bytes: &[u8], at: &At<'_>, interest: Interest) -> Result<(), Rejection> {
        self.message(message, bytes, at, interest, 0);
        let withholds_policy = self.found.iter().any(|one| one.withholds_policy);
        let mut found = self.found.into_iter();
        let Some(first) = found.next() else { return Ok(()) };
        self.options.add_faults(found);
        Err(Rejection { withholds_policy, ..first })
    }

    /// What an answer is worth; what is wrong is kept, and nothing below it is looked at.
    fn keep<T>(&mut self, judged: Result<T, Rejection>) -> Option<T> {
        judged.map_err(|rejection| self.found.push(rejection)).ok()
    }

    fn message(&mut self, message: Message, bytes: &[u8], at: &At<'_>, interest: Interest, depth: usize) {
        // Decoding refuses what is deeper, and bytes that are no fields.
        if depth > DEEPEST || self.found.len() >= MOST || message.name().starts_with("google.protobuf.") {
            return;
        }
        let seen = wire::all(message, bytes, |number| self.options.unknown_field(at, message.name(), number));
        let interest = Interest { rules: interest.rules && message.is_ruled(), ..interest };
        if interest.rules {
            self.keep(rules::oneofs(message, &seen, at));
        }
        for field in message.fields() {
            let occurrences = seen.iter().filter(|one| one.field.number() == field.number());
            self.field(message, field, occurrences, at, interest, depth);
        }
    }

    fn field<'a>(
        &mut self,
        message: Message,
        field: Field,
        occurrences: impl Iterator<Item = &'a Occurrence<'a>> + Clone,
        at: &At<'_>,
        mut interest: Interest,
        depth: usize,
    ) {
        let at = at.field(field.name());
        if interest.rules && !field.rules().is_empty() && !is_waived(message, field) {
            let Some(below) = self.keep(rules::field(field, occurrences.clone(), &at)) else { return };
            interest.rules = below;
        }
        if field.message().is_some_and(|of| of.name() == "google.protobuf.Duration") {
            let mut durations = occurrences.clone().filter_map(|one| one.value.bytes());
            self.keep(durations.try_for_each(|bytes| not_below_zero(&at, bytes)));
        }
        let mut set = occurrences.clone().filter(|one| !one.value.is_default(field)).peekable();
        if set.peek().is_none() {
            return;
        }
        if interest.table {
            let Some(below) = self.keep(table::judge(message, field, &at, self.options)) else { return };
            interest.table = below;
        }
        if let Some(of) = field.message().filter(|_| interest.rules || interest.table) {
            self.children(field, of, occurrences, &at, interest, depth);
        }
    }

    fn children<'a>(
        &mut self,
        field: Field,
        of: Message,
        occurrences: impl Iterator<Item = &'a Occurrence<'a>>,
        at: &At<'_>,
        interest: Interest,
        depth: usize,
    ) {
        let bodies = occurrences.filter_map(|one| one.value.bytes());
        if field.is_map() {
            let Some(value) = of.field(2).and_then(Field::message) else { return };
            for entry in bodies {
                let (key, body) = wire::entry(of, entry);
                self.message(value, body, &at.key(&key), interest, depth + 1);
            }
        } else if field.is_repeated() {
            for (index, body) in bodies.enumerate() {
                self.message(of, body, &at.index(index), interest, depth + 1);
            }
        } else {
            // Encodings that stand behind one another are one message, merged.
            let body = bodies.fold(Cow::Borrowed(&[][..]), |body: Cow<'_, [u8]>, more| {
                if body.is_empty() { Cow::Borrowed(more) } else { Cow::Owned([&body, more].concat()) }
            });
            self.message(of, &body, at, interest, depth + 1);
        }
    }
}

/// As wherever Envoy reads one.
fn not_below_zero(at: &At<'_>, bytes: &[u8]) -> Result<(), Rejection> {
    let duration = <crate::proto::wkt::Duration as prost::Message>::decode(bytes).unwrap_or_default();
    if duration.seconds < 0 || duration.nanos < 0 {
        return Err(at.reject("Invalid duration: Expected positive duration; it is below zero"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
