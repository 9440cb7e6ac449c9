//! `xds.type.matcher.v3.Matcher`, the generic tree of conditions, and its older twin of Envoy's: which action is taken for what. Called by
//! the filters that hold one; generic in the action. The two messages are the same on the wire, so that one translation reads both.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use prost::Message as _;

use crate::address;
use crate::extension;
use crate::field_rules;
use crate::matcher::{self, Fraction, StringMatcher, ValueMatcher};
use crate::options::Options;
use crate::proto::{self, envoy::config::common::matcher::v3 as pb, extensions::matching as ext, types};
use crate::registry;
use crate::rejection::{At, Rejection};

mod input;

pub use input::Input;

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
}

/// `OnMatch`.
#[derive(Debug, Clone)]
pub enum OnMatch<A> {
    /// Another tree; where that finds nothing, the search goes on here.
    Matcher(Box<Matcher<A>>),
    /// The end.
    Action(A),
}

/// `Predicate`.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// `single_predicate`.
    Single(Input, Condition),
    /// `or_matcher`.
    Any(Vec<Predicate>),
    /// `and_matcher`.
    All(Vec<Predicate>),
    /// `not_matcher`.
    Not(Box<Predicate>),
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
        }
        self.no_match.iter().for_each(of);
    }
}

/// What is asked of an input.
#[derive(Debug, Clone)]
pub enum Condition {
    /// `value_match`; an input that is not there never matches.
    Text(StringMatcher),
    /// `matching.input_matchers.ip.v3.Ip`: any of these ranges.
    Ip(Vec<IpNet>),
    /// `matching.input_matchers.metadata.v3.Metadata`.
    Metadata(ValueMatcher, bool),
    /// `matching.input_matchers.runtime_fraction.v3.RuntimeFraction`: by the input's hash.
    Fraction(Fraction, u64),
    /// `matching.input_matchers.consistent_hashing.v3.ConsistentHashing`: by the input's hash, too.
    Hashing {
        /// `threshold`: what is left of the hash is at least so much.
        threshold: u32,
        /// `modulo`.
        modulo: u32,
        /// `seed`.
        seed: u64,
    },
}

/// Where a tree stands: what may be looked at depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a filter of HTTP.
    Http,
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
                let condition =
                    predicate(&at_predicate, field_rules::required(&at_predicate, &one.predicate)?, place, options)?;
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
            Err(registry::not_registered(&at, &custom.name, &extension.type_name))
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

fn predicate(
    at: &At<'_>,
    proto: &pb::matcher::matcher_list::Predicate,
    place: Place,
    options: &Options,
) -> Result<Predicate, Rejection> {
    use pb::matcher::matcher_list::predicate::{MatchType, PredicateList};
    let all = |field: &str, list: &PredicateList| {
        let at = at.field(field);
        let at = at.field("predicate");
        if list.predicate.len() < 2 {
            return Err(at.reject("must have at least two elements"));
        }
        let list = list.predicate.iter().enumerate();
        list.map(|(index, one)| predicate(&at.index(index), one, place, options)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match &proto.match_type {
        None => return Err(at.reject("is empty; give a predicate")),
        Some(MatchType::SinglePredicate(one)) => single(&at.field("single_predicate"), one, place, options)?,
        Some(MatchType::OrMatcher(list)) => Predicate::Any(all("or_matcher", list)?),
        Some(MatchType::AndMatcher(list)) => Predicate::All(all("and_matcher", list)?),
        Some(MatchType::NotMatcher(one)) => {
            Predicate::Not(Box::new(predicate(&at.field("not_matcher"), one, place, options)?))
        }
    })
}

fn single(
    at: &At<'_>,
    proto: &pb::matcher::matcher_list::predicate::SinglePredicate,
    place: Place,
    options: &Options,
) -> Result<Predicate, Rejection> {
    use pb::matcher::matcher_list::predicate::single_predicate::Matcher as Kind;
    let at_input = at.field("input");
    let input = input::input(&at_input, field_rules::required(&at_input, &proto.input)?, place, options)?;
    let condition = match &proto.matcher {
        None => return Err(at.reject("has no condition; give value_match or custom_match")),
        Some(Kind::ValueMatch(value)) => Condition::Text(matcher::decode::string(&at.field("value_match"), value)?),
        Some(Kind::CustomMatch(custom)) => {
            let at = at.field("custom_match");
            let at = at.field("typed_config");
            let extension = extension::open_required(&at, &custom.typed_config)?;
            condition(&at, &custom.name, &extension, options)?
        }
    };
    if matches!(input, Input::DynamicMetadata(..)) != matches!(condition, Condition::Metadata(..)) {
        return Err(at.reject(
            "metadata is matched by envoy.extensions.matching.input_matchers.metadata.v3.Metadata, and nothing else is",
        ));
    }
    Ok(Predicate::Single(input, condition))
}

fn condition(
    at: &At<'_>,
    name: &str,
    extension: &extension::Extension<'_>,
    options: &Options,
) -> Result<Condition, Rejection> {
    use ext::input_matchers as custom;
    Ok(match &*extension.type_name {
        "envoy.extensions.matching.input_matchers.ip.v3.Ip" => {
            let proto: custom::ip::v3::Ip = extension.decode(at, options)?;
            Condition::Ip(address::decode::cidrs(&at.field("cidr_ranges"), &proto.cidr_ranges)?)
        }
        "envoy.extensions.matching.input_matchers.metadata.v3.Metadata" => {
            let proto: custom::metadata::v3::Metadata = extension.decode(at, options)?;
            let at_value = at.field("value");
            let value: &types::matcher::v3::ValueMatcher = field_rules::required(&at_value, &proto.value)?;
            Condition::Metadata(matcher::value::value(&at_value, value, 0)?, proto.invert)
        }
        "envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction" => {
            let proto: custom::runtime_fraction::v3::RuntimeFraction = extension.decode(at, options)?;
            let at_fraction = at.field("runtime_fraction");
            let fraction = field_rules::required(&at_fraction, &proto.runtime_fraction)?;
            Condition::Fraction(matcher::decode::fraction_at(&at_fraction, fraction, options)?, proto.seed)
        }
        "envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing" => {
            let proto: custom::consistent_hashing::v3::ConsistentHashing = extension.decode(at, options)?;
            if proto.modulo == 0 {
                return Err(at.field("modulo").reject("value must be greater than 0; it is 0"));
            }
            Condition::Hashing { threshold: proto.threshold, modulo: proto.modulo, seed: proto.seed }
        }
        other => return Err(registry::not_registered(at, name, other)),
    })
}
