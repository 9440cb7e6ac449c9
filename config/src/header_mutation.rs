//! `envoy.config.common.mutation_rules.v3.HeaderMutation`: one change of headers, as filters make them. Called by the filters that have
//! lists of it.

use std::sync::Arc;

use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::proto::{bool_or, envoy::config::common::mutation_rules::v3 as pb, types};
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

/// `HeaderMutationRules`: which headers a service may change.
#[derive(Debug, Clone)]
pub struct MutationRules {
    /// `allow_all_routing`: also `host`, `:authority`, `:scheme` and `:method`.
    pub allow_all_routing: bool,
    /// `allow_envoy`: also those that begin with `x-envoy`.
    pub allow_envoy: bool,
    /// `disallow_system`: none that begins with `:`.
    pub disallow_system: bool,
    /// `disallow_all`.
    pub disallow_all: bool,
    /// `allow_expression`: these, whatever the rules above say.
    pub allow: Option<regex::bytes::Regex>,
    /// `disallow_expression`: these never.
    pub disallow: Option<regex::bytes::Regex>,
    /// `disallow_is_error`: a change that is not allowed is a failure; else it is left out.
    pub disallow_is_error: bool,
}

/// The rules.
pub(crate) fn rules(at: &At<'_>, proto: &pb::HeaderMutationRules) -> Result<MutationRules, Rejection> {
    let regex = |field: &str, one: &Option<types::matcher::v3::RegexMatcher>| {
        one.as_ref().map(|one| matcher::decode::full_regex(&at.field(field), one)).transpose()
    };
    Ok(MutationRules {
        allow_all_routing: bool_or(&proto.allow_all_routing, false),
        allow_envoy: bool_or(&proto.allow_envoy, false),
        disallow_system: bool_or(&proto.disallow_system, false),
        disallow_all: bool_or(&proto.disallow_all, false),
        allow: regex("allow_expression", &proto.allow_expression)?,
        disallow: regex("disallow_expression", &proto.disallow_expression)?,
        disallow_is_error: bool_or(&proto.disallow_is_error, false),
    })
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
