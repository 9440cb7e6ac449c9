//! Changes of query parameters. As in Envoy the query is then written anew: sorted by parameter, each with `=`, what was there decoded and
//! what is new percent-encoded. Unlike Envoy's, octets that would mean something else when they stand bare stay encoded: a decoded `&`,
//! `#` or line break never gets into the path.

use std::collections::BTreeMap;

use config::access_log::Format;
use config::filters::header_mutation::QueryMutation;
use config::route::AppendAction;

use crate::http::query;

/// `query_parameter_mutations`, in order.
#[derive(Debug)]
pub(super) struct QueryMutations(Box<[QueryMutation]>);

/// Values as they will be written, by parameter, decoded.
type Parameters = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

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
        let (path, query) = match memchr::memchr(b'?', path) {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (path, &[][..]),
        };
        let mut parameters = parse(query);
        for mutation in &self.0 {
            match mutation {
                QueryMutation::Remove(key) => drop(parameters.remove(key.as_bytes())),
                QueryMutation::Append { key, value, action } => {
                    let mut text = Vec::new();
                    render(value, &mut text);
                    append(&mut parameters, key.as_bytes(), &text, *action);
                }
            }
        }
        write(path, &parameters)
    }
}

fn append(parameters: &mut Parameters, key: &[u8], value: &[u8], action: AppendAction) {
    let mut written = Vec::with_capacity(value.len());
    query::escape(value, &mut written, |octet| octet.is_ascii_alphanumeric() || b"*-._".contains(&octet));
    let is_there = parameters.contains_key(key);
    match action {
        AppendAction::AppendOrAdd => parameters.entry(key.to_vec()).or_default().push(written),
        AppendAction::AddIfAbsent if is_there => {}
        AppendAction::OverwriteIfExists if !is_there => {}
        AppendAction::AddIfAbsent | AppendAction::OverwriteOrAdd | AppendAction::OverwriteIfExists => {
            parameters.insert(key.to_vec(), vec![written]);
        }
    }
}

fn parse(query: &[u8]) -> Parameters {
    let mut parameters = Parameters::new();
    for (key, value) in query::parameters(query) {
        let mut written = Vec::with_capacity(value.len());
        query::escape(&query::decode(value), &mut written, query::may_stand_bare);
        parameters.entry(query::decode(key)).or_default().push(written);
    }
    parameters
}

fn write(path: &[u8], parameters: &Parameters) -> Vec<u8> {
    let mut out = path.to_vec();
    let mut before = b'?';
    for (key, values) in parameters {
        for value in values {
            out.push(before);
            query::escape(key, &mut out, |octet| query::may_stand_bare(octet) && octet != b'=');
            out.push(b'=');
            out.extend_from_slice(value);
            before = b'&';
        }
    }
    out
}

#[cfg(test)]
mod tests;
