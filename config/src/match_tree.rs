//! `xds.type.matcher.v3.Matcher`, the generic tree of conditions, and its older twin of Envoy's: which action is taken for what. Called by
//! the filters that hold one; generic in the action. The two messages are the same on the wire, so that one translation reads both.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;

use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, envoy::config::common::matcher::v3 as pb};
use crate::registry;
use crate::rejection::{At, Rejection};

mod custom;
mod input;
mod predicate;

pub use custom::{Domains, Ranges};
pub use input::Input;
pub use predicate::{Condition, Predicate};

/// A tree.
#[derive(Debug, Clone)]
pub struct Matcher<A> {
    /// What is tried.
    pub rules: Rules<A>,
    /// `on_no_match`, where nothing of that matched.
    pub no_match: Option<OnMatch<A>>,
}

/// `matcher_type`.
#[derive(Debug, Clone)]
pub enum Rules<A> {
    /// None: `on_no_match` alone.
    Nothing,
    /// `matcher_list`: the first that matches.
    List(Vec<(Predicate, OnMatch<A>)>),
    /// `matcher_tree.exact_match_map`.
    Exact(Input, BTreeMap<Arc<str>, OnMatch<A>>),
    /// `matcher_tree.prefix_match_map`: the longest prefix first.
    Prefix(Input, BTreeMap<Arc<str>, OnMatch<A>>),
    /// `matcher_tree.custom_match`, `IPMatcher`: the longest range first.
    Ranges(Input, Vec<Ranges<A>>),
    /// `matcher_tree.custom_match`, `ServerNameMatcher`: a name as it stands, the longest wildcard, the wildcard that is all.
    Domains(Input, Vec<Domains<A>>),
}

/// `OnMatch`.
#[derive(Debug, Clone)]
pub enum OnMatch<A> {
    /// Another tree; where that finds nothing, the search goes on here.
    Matcher(Box<Matcher<A>>),
    /// The end.
    Action(A),
}

impl<A> Matcher<A> {
    /// Hands over every action that may be taken.
    pub fn each_action(&self, found: &mut dyn FnMut(&A)) {
        let mut of = |next: &OnMatch<A>| match next {
            OnMatch::Matcher(tree) => tree.each_action(found),
            OnMatch::Action(action) => found(action),
        };
        match &self.rules {
            Rules::Nothing => {}
            Rules::List(list) => list.iter().for_each(|(_, next)| of(next)),
            Rules::Exact(_, map) | Rules::Prefix(_, map) => map.values().for_each(&mut of),
            Rules::Ranges(_, list) => list.iter().for_each(|one| of(&one.next)),
            Rules::Domains(_, list) => list.iter().for_each(|one| of(&one.next)),
        }
        self.no_match.iter().for_each(of);
    }
}

/// Where a tree stands: what may be looked at depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a filter of HTTP.
    Http,
    /// In the RBAC filter of HTTP, which judges when the request's head is there.
    Rbac,
    /// In a network filter.
    Network,
}

/// Reads an action.
pub(crate) type ReadAction<'r, A> = &'r dyn Fn(&At<'_>, &proto::core::v3::TypedExtensionConfig) -> Result<A, Rejection>;

/// A tree of `xds.type.matcher.v3`.
pub(crate) fn xds<A>(
    at: &At<'_>,
    proto: &envoy_types::pb::xds::r#type::matcher::v3::Matcher,
    place: Place,
    options: &Options,
    action: ReadAction<'_, A>,
) -> Result<Matcher<A>, Rejection> {
    matcher(at, &proto::message(&proto.encode_to_vec(), at)?, place, options, action)
}

/// A tree of `envoy.config.common.matcher.v3`.
pub(crate) fn matcher<A>(
    at: &At<'_>,
    proto: &pb::Matcher,
    place: Place,
    options: &Options,
    action: ReadAction<'_, A>,
) -> Result<Matcher<A>, Rejection> {
    use pb::matcher::MatcherType;
    let rules = match &proto.matcher_type {
        None => Rules::Nothing,
        Some(MatcherType::MatcherList(list)) => {
            let at = at.field("matcher_list");
            let at = at.field("matchers");
            field_rules::at_least_one(&at, &list.matchers)?;
            let one = |(index, one): (usize, &pb::matcher::matcher_list::FieldMatcher)| {
                let at = at.index(index);
                let (at_predicate, at_match) = (at.field("predicate"), at.field("on_match"));
                let condition = field_rules::required(&at_predicate, &one.predicate)?;
                let condition = predicate::predicate(&at_predicate, condition, place, options)?;
                Ok((
                    condition,
                    on_match(&at_match, field_rules::required(&at_match, &one.on_match)?, place, options, action)?,
                ))
            };
            Rules::List(list.matchers.iter().enumerate().map(one).collect::<Result<_, Rejection>>()?)
        }
        Some(MatcherType::MatcherTree(one)) => tree(&at.field("matcher_tree"), one, place, options, action)?,
    };
    let no_match = proto.on_no_match.as_deref();
    Ok(Matcher {
        rules,
        no_match: no_match.map(|one| on_match(&at.field("on_no_match"), one, place, options, action)).transpose()?,
    })
}

fn tree<A>(
    at: &At<'_>,
    proto: &pb::matcher::MatcherTree,
    place: Place,
    options: &Options,
    action: ReadAction<'_, A>,
) -> Result<Rules<A>, Rejection> {
    use pb::matcher::matcher_tree::{MatchMap, TreeType};
    let at_input = at.field("input");
    let input = input::input(&at_input, field_rules::required(&at_input, &proto.input)?, place, options)?;
    let map = |field: &str, map: &MatchMap| {
        let at = at.field(field);
        let at = at.field("map");
        if map.map.is_empty() {
            return Err(at.reject("must have at least one element"));
        }
        let mut entries: Vec<_> = map.map.iter().collect();
        // Sorted, so that the same rejection is told each time.
        entries.sort_by_key(|(key, _)| *key);
        entries
            .into_iter()
            .map(|(key, one)| Ok((Arc::from(key.as_str()), on_match(&at.key(key), one, place, options, action)?)))
            .collect::<Result<BTreeMap<_, _>, Rejection>>()
    };
    match &proto.tree_type {
        None => Err(at.reject("has no tree; give exact_match_map or prefix_match_map")),
        Some(TreeType::ExactMatchMap(one)) => Ok(Rules::Exact(input, map("exact_match_map", one)?)),
        Some(TreeType::PrefixMatchMap(one)) => Ok(Rules::Prefix(input, map("prefix_match_map", one)?)),
        Some(TreeType::CustomMatch(custom)) => {
            let at = at.field("custom_match");
            let at = at.field("typed_config");
            let extension = extension::open_required(&at, &custom.typed_config)?;
            match &*extension.type_name {
                "xds.type.matcher.v3.IPMatcher" => {
                    let proto = extension.decode(&at, options)?;
                    Ok(Rules::Ranges(
                        input,
                        custom::ranges(&at, &proto, &|at, one| on_match(at, one, place, options, action))?,
                    ))
                }
                "xds.type.matcher.v3.ServerNameMatcher" => {
                    let proto = extension.decode(&at, options)?;
                    Ok(Rules::Domains(
                        input,
                        custom::domains(&at, &proto, &|at, one| on_match(at, one, place, options, action))?,
                    ))
                }
                other => Err(registry::not_registered(&at, &custom.name, other)),
            }
        }
    }
}

fn on_match<A>(
    at: &At<'_>,
    proto: &pb::matcher::OnMatch,
    place: Place,
    options: &Options,
    action: ReadAction<'_, A>,
) -> Result<OnMatch<A>, Rejection> {
    use pb::matcher::on_match::OnMatch as Kind;
    if proto.keep_matching {
        return Err(at.field("keep_matching").reject("keep_matching is not supported in this context; take it out"));
    }
    Ok(match &proto.on_match {
        None => return Err(at.reject("says nothing; give matcher or action")),
        Some(Kind::Matcher(one)) => {
            OnMatch::Matcher(Box::new(matcher(&at.field("matcher"), one, place, options, action)?))
        }
        Some(Kind::Action(one)) => OnMatch::Action(action(&at.field("action"), one)?),
    })
}
