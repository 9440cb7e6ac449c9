//! `envoy.config.common.mutation_rules.v3.HeaderMutation`: one change of headers, as filters make them. Called by the filters that have
//! lists of it.

use std::sync::Arc;

use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::proto::envoy::config::common::mutation_rules::v3 as pb;
use crate::rejection::{At, Rejection};
use crate::route::{HeaderAdd, headers};

/// One change.
#[derive(Debug, Clone)]
pub enum HeaderMutation {
    /// `append`.
    Append(HeaderAdd),
    /// `remove`, lower case.
    Remove(Arc<str>),
    /// `remove_on_match`: each header whose name matches.
    RemoveOnMatch(StringMatcher),
}

/// A list, which is carried out in order.
pub(crate) fn decode(at: &At<'_>, list: &[pb::HeaderMutation]) -> Result<Vec<HeaderMutation>, Rejection> {
    list.iter().enumerate().map(|(index, one)| mutation(&at.index(index), one)).collect()
}

fn mutation(at: &At<'_>, proto: &pb::HeaderMutation) -> Result<HeaderMutation, Rejection> {
    use pb::header_mutation::Action;
    Ok(match &proto.action {
        None => return Err(at.reject("says nothing; give remove, append or remove_on_match")),
        Some(Action::Remove(name)) => remove(&at.field("remove"), name)?,
        Some(Action::Append(option)) => HeaderMutation::Append(headers::addition(&at.field("append"), option)?),
        Some(Action::RemoveOnMatch(remove)) => {
            let at = at.field("remove_on_match");
            let at = at.field("key_matcher");
            let matcher = field_rules::required(&at, &remove.key_matcher)?;
            HeaderMutation::RemoveOnMatch(matcher::decode::string(&at, matcher)?)
        }
    })
}

/// Envoy takes any text; what is no header's name removes nothing.
fn remove(at: &At<'_>, name: &str) -> Result<HeaderMutation, Rejection> {
    field_rules::header_value(at, name)?;
    Ok(HeaderMutation::Remove(Arc::from(name.to_ascii_lowercase())))
}
