//! Header changes that filters make: one after the other, each with what those before it left. Called by filters.

use std::sync::Arc;

use bytes::Bytes;
use config::access_log::Format;
use config::header_mutation::HeaderMutation;
use config::matcher::StringMatcher;

use super::{AppendAction, Headers, Name, Value};

/// A list of changes, made ready.
#[derive(Debug, Default)]
pub struct OrderedMutations(Box<[Change]>);

#[derive(Debug)]
enum Change {
    Append { name: Name, value: Value, action: AppendAction, keep_empty: bool },
    Remove(Name),
    RemoveOnMatch(Arc<StringMatcher>),
}

impl OrderedMutations {
    /// Makes ready.
    pub fn compile(config: &[HeaderMutation]) -> OrderedMutations {
        let change = |one: &HeaderMutation| match one {
            HeaderMutation::Append(add) => Change::Append {
                name: Name::new(&add.name),
                value: Value::compile(&add.name, &add.value),
                action: add.action,
                keep_empty: add.keep_empty,
            },
            HeaderMutation::Remove(name) => Change::Remove(Name::new(name)),
            HeaderMutation::RemoveOnMatch(matcher) => Change::RemoveOnMatch(Arc::new(matcher.clone())),
        };
        OrderedMutations(config.iter().map(change).collect())
    }

    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies all of them to the headers of `target`. `render` writes a format as it is for `target` at that moment.
    pub fn apply<T>(
        &self,
        target: &mut T,
        headers: impl Fn(&mut T) -> Option<&mut Headers>,
        render: impl Fn(&T, &Format, &mut Vec<u8>),
    ) {
        for change in &self.0 {
            let value = match change {
                Change::Append { value, .. } => value.now(|format, out| render(target, format, out)),
                Change::Remove(_) | Change::RemoveOnMatch(_) => Bytes::new(),
            };
            if let Some(headers) = headers(target) {
                change.apply(headers, value);
            }
        }
    }
}

impl Change {
    fn apply(&self, headers: &mut Headers, value: Bytes) {
        match self {
            Change::Append { keep_empty: false, .. } if value.is_empty() => {}
            Change::Append { name, value: of, action, .. } => {
                let sound = of.is_sound(&value);
                match action {
                    AppendAction::AppendOrAdd => headers.append(name.clone(), value),
                    AppendAction::AddIfAbsent if headers.contains(name) => return,
                    AppendAction::OverwriteIfExists if !headers.contains(name) => return,
                    AppendAction::AddIfAbsent | AppendAction::OverwriteOrAdd | AppendAction::OverwriteIfExists => {
                        headers.set(name.clone(), value);
                    }
                }
                headers.doubt_unless(sound);
            }
            Change::Remove(name) => drop(headers.remove(name)),
            Change::RemoveOnMatch(matcher) => headers.retain(|header| !matcher.matches(header.name.as_bytes())),
        }
    }
}
