//! Header changes that routes ask for (`request_headers_to_add` and kin), made ready once and applied per message.
//!
//! Called by routes and by TCP proxies that open tunnels. It writes values and never looks them up. Order is Envoy's: removals, then replacements, then additions, all values
//! computed from the headers as the removals left them.

use std::sync::Arc;

use bytes::Bytes;
use config::access_log::{Format, Part};
use config::route::{AppendAction, HeaderAdd, HeaderChanges};
use smallvec::SmallVec;

use crate::telemetry::format;
use crate::wire::headers::{Headers, Name, is_header, is_value};

mod ordered;

pub use ordered::OrderedMutations;

/// The header changes of one level (table, virtual host, route or weighted cluster).
#[derive(Debug, Default)]
pub struct Mutation {
    request: Side,
    response: Side,
    tells_of_attempts: bool,
}

#[derive(Debug, Default)]
struct Side {
    remove: Vec<Name>,
    add: Vec<Addition>,
}

#[derive(Debug)]
struct Addition {
    name: Name,
    value: Value,
    action: AppendAction,
    keep_empty: bool,
}

#[derive(Debug)]
enum Value {
    /// Without operators; the flag tells that it, or the name that it is for, makes no header.
    Constant(Bytes, bool),
    /// With operators.
    Computed(Format),
}

impl Mutation {
    /// Makes the changes of one level ready.
    pub fn compile(config: &HeaderChanges) -> Mutation {
        let tells = |add: &HeaderAdd| format::tells_of_attempts(&add.value);
        Mutation {
            request: Side::compile(&config.request_remove, &config.request_add),
            response: Side::compile(&config.response_remove, &config.response_add),
            tells_of_attempts: config.response_add.iter().any(tells),
        }
    }

    /// Whether responses are told which hosts were tried: that is kept only where somebody wants it.
    pub fn tells_of_attempts(&self) -> bool {
        self.tells_of_attempts
    }

    /// Whether requests pass unchanged.
    pub fn leaves_requests(&self) -> bool {
        self.request.is_empty()
    }

    /// Whether responses pass unchanged.
    pub fn leaves_responses(&self) -> bool {
        self.response.is_empty()
    }

    /// Takes away what the request is not to have: values that are computed do not see it.
    pub fn remove_from_request(&self, headers: &mut Headers) {
        self.request.remove_from(headers);
    }

    /// Takes away what the response is not to have, likewise.
    pub fn remove_from_response(&self, headers: &mut Headers) {
        self.response.remove_from(headers);
    }

    /// Values of the request changes, computed before anything is added. `render` writes a format.
    pub fn request_values(&self, render: impl FnMut(&Format, &mut Vec<u8>)) -> Values {
        self.request.values(render)
    }

    /// Values of the response changes.
    pub fn response_values(&self, render: impl FnMut(&Format, &mut Vec<u8>)) -> Values {
        self.response.values(render)
    }

    /// Applies the request changes.
    pub fn apply_to_request(&self, headers: &mut Headers, values: Values) {
        self.request.apply(headers, values);
    }

    /// Applies the response changes.
    pub fn apply_to_response(&self, headers: &mut Headers, values: Values) {
        self.response.apply(headers, values);
    }
}

/// Computed values, one an addition.
pub type Values = SmallVec<[Bytes; 4]>;

impl Side {
    fn compile(remove: &[Arc<str>], add: &[HeaderAdd]) -> Side {
        Side {
            remove: remove.iter().map(|name| Name::new(name)).collect(),
            add: add
                .iter()
                .map(|add| Addition {
                    name: Name::new(&add.name),
                    value: Value::compile(&add.name, &add.value),
                    action: add.action,
                    keep_empty: add.keep_empty,
                })
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }

    fn values(&self, mut render: impl FnMut(&Format, &mut Vec<u8>)) -> Values {
        self.add.iter().map(|addition| addition.value.now(&mut render)).collect()
    }

    fn remove_from(&self, headers: &mut Headers) {
        for name in &self.remove {
            headers.remove(name);
        }
    }

    /// Adds; what is to be removed was removed before the values were computed.
    fn apply(&self, headers: &mut Headers, values: Values) {
        let wanted = |addition: &Addition, value: &Bytes, headers: &Headers| {
            let keep = !value.is_empty() || addition.keep_empty;
            keep && match addition.action {
                AppendAction::AppendOrAdd | AppendAction::OverwriteOrAdd => true,
                AppendAction::AddIfAbsent => !headers.contains(&addition.name),
                AppendAction::OverwriteIfExists => headers.contains(&addition.name),
            }
        };
        // Decided before the first change: two additions of one name do not see each other.
        let decided: SmallVec<[bool; 8]> =
            self.add.iter().zip(&values).map(|(addition, value)| wanted(addition, value, headers)).collect();
        let chosen = || self.add.iter().zip(&values).zip(&decided).filter(|(_, wanted)| **wanted).map(|(pair, _)| pair);
        for (addition, value) in chosen().filter(|(addition, _)| addition.replaces()) {
            headers.remove(&addition.name);
            addition.write(headers, value);
        }
        for (addition, value) in chosen().filter(|(addition, _)| !addition.replaces()) {
            addition.write(headers, value);
        }
    }
}

impl Addition {
    fn write(&self, headers: &mut Headers, value: &Bytes) {
        headers.doubt_unless(self.value.is_sound(value));
        headers.append(self.name.clone(), value.clone());
    }

    fn replaces(&self) -> bool {
        matches!(self.action, AppendAction::OverwriteOrAdd | AppendAction::OverwriteIfExists)
    }
}

impl Value {
    fn now(&self, render: impl FnOnce(&Format, &mut Vec<u8>)) -> Bytes {
        match self {
            Value::Constant(value, _) => value.clone(),
            Value::Computed(format) => {
                let mut text = Vec::new();
                render(format, &mut text);
                Bytes::from(text)
            }
        }
    }

    /// Whether what it is now is a header's value: one that is computed may hold anything. Known beforehand for the others.
    fn is_sound(&self, now: &[u8]) -> bool {
        match self {
            Value::Constant(_, unsound) => !unsound,
            Value::Computed(_) => is_value(now),
        }
    }

    fn compile(name: &str, format: &Format) -> Value {
        let mut text = Vec::new();
        for part in &format.parts {
            match part {
                Part::Literal(literal) => text.extend_from_slice(literal.as_bytes()),
                Part::Operator { .. } => {
                    // In a header a value that is missing is nothing; only logs print `-`.
                    let mut format = Format { omit_empty: true, ..format.clone() };
                    crate::telemetry::format::settle(&mut format);
                    return Value::Computed(format);
                }
            }
        }
        let unsound = !is_header(name.as_bytes(), &text);
        Value::Constant(Bytes::from(text), unsound)
    }
}
