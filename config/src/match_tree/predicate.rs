//! The conditions of a tree's list, and what is asked of an input. Called by this folder.

use std::sync::Arc;

use ipnet::IpNet;

use super::{Input, Place, custom, input};
use crate::address;
use crate::cel;
use crate::extension;
use crate::field_rules;
use crate::matcher::{self, Fraction, StringMatcher, ValueMatcher};
use crate::options::Options;
use crate::proto::envoy::config::common::matcher::v3::{
    self as pb, matcher::matcher_list::predicate::single_predicate::Matcher as Kind,
};
use crate::proto::{extensions::matching as ext, types};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

const CEL: &str = "xds.type.matcher.v3.CelMatcher";

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
    /// `CelMatcher` of `HttpAttributesCelMatchInput`; what it would ask of a response is not there before that has come.
    Cel(Arc<cel::Expr>),
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
    Fraction(Live<Fraction>, u64),
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

pub(super) fn predicate(
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
    let at_input = at.field("input");
    let input = field_rules::required(&at_input, &proto.input)?;
    if input::is_attributes(&at_input, input, place)? {
        return expression(at, proto.matcher.as_ref(), options);
    }
    let input = input::input(&at_input, input, place, options)?;
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
        CEL => return Err(at.reject(format!("looks at attributes; its input is {}", input::ATTRIBUTES))),
        other => return Err(registry::unknown(at, registry::Kind::MatchTree, name, other)),
    })
}

/// The one condition that attributes meet.
fn expression(at: &At<'_>, matcher: Option<&Kind>, options: &Options) -> Result<Predicate, Rejection> {
    let Some(Kind::CustomMatch(custom)) = matcher else {
        return Err(at.reject(format!("attributes are matched by {CEL}, and by nothing else")));
    };
    let at = at.field("custom_match");
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &custom.typed_config)?;
    if extension.type_name != CEL {
        return Err(at.reject(format!("attributes are matched by {CEL}, and by nothing else")));
    }
    custom::expression(&at, &extension.decode(&at, options)?).map(Predicate::Cel)
}
