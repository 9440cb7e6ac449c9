//! Changes of query parameters: what was there is decoded, and what is new percent-encoded.

use config::access_log::Format;
use config::filters::header_mutation::QueryMutation;
use config::route::AppendAction;

use crate::wire::query::{self, Parameters};

/// `query_parameter_mutations`, in order.
#[derive(Debug)]
pub(super) struct QueryMutations(Box<[QueryMutation]>);

impl QueryMutations {
    pub fn compile(config: &[QueryMutation]) -> QueryMutations {
        let settle = |mut one: QueryMutation| {
            if let QueryMutation::Append { value, .. } = &mut one {
                crate::telemetry::format::settle(value);
            }
            one
        };
        QueryMutations(config.iter().cloned().map(settle).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path with its query changed.
    pub fn apply(&self, path: &[u8], render: impl Fn(&Format, &mut Vec<u8>)) -> Vec<u8> {
        let (path, query) = query::split(path);
        let mut parameters = Parameters::decoded(query);
        for mutation in &self.0 {
            match mutation {
                QueryMutation::Remove(key) => parameters.remove(key.as_bytes()),
                QueryMutation::Append { key, value, action } => {
                    let mut text = Vec::new();
                    render(value, &mut text);
                    append(&mut parameters, key.as_bytes(), &text, *action);
                }
            }
        }
        parameters.write(path)
    }
}

fn append(parameters: &mut Parameters, key: &[u8], value: &[u8], action: AppendAction) {
    let written = query::escaped(value, |octet| octet.is_ascii_alphanumeric() || b"*-._".contains(&octet));
    let is_there = parameters.contains(key);
    match action {
        AppendAction::AppendOrAdd => parameters.add(key, written),
        AppendAction::AddIfAbsent if is_there => {}
        AppendAction::OverwriteIfExists if !is_there => {}
        AppendAction::AddIfAbsent | AppendAction::OverwriteOrAdd | AppendAction::OverwriteIfExists => {
            parameters.set(key, written);
        }
    }
}

#[cfg(test)]
mod tests;
