//! `envoy.type.matcher.v3.MetadataMatcher` and `ValueMatcher`: conditions on metadata. Called by the translations that hold them; the
//! proxy asks [`MetadataMatcher::matches`].

use std::sync::Arc;

use serde_json::Value;

use super::{StringMatcher, decode, octets};
use crate::field_rules;
use crate::proto::types::matcher::v3 as pb;
use crate::rejection::{At, Rejection};

/// `MetadataMatcher`.
#[derive(Debug, Clone)]
pub struct MetadataMatcher {
    /// Whose metadata.
    pub filter: Arc<str>,
    /// The way below it.
    pub path: Vec<Arc<str>>,
    /// What must stand there.
    pub value: ValueMatcher,
    /// `invert`.
    pub invert: bool,
}

/// `ValueMatcher`.
#[derive(Debug, Clone)]
pub enum ValueMatcher {
    /// `null_match`.
    Null,
    /// `double_match.exact`.
    Exactly(f64),
    /// `double_match.range`: start inclusive, end exclusive.
    Range(f64, f64),
    /// `string_match`.
    String(StringMatcher),
    /// `bool_match`.
    Bool(bool),
    /// `present_match`.
    Present(bool),
    /// `list_match.one_of`: one element of a list.
    OneOf(Box<ValueMatcher>),
    /// `or_match`: any of.
    Or(Vec<ValueMatcher>),
}

impl MetadataMatcher {
    /// Whether the metadata of [`filter`](MetadataMatcher::filter) matches; `None`: there is none.
    pub fn matches(&self, metadata: Option<&Value>) -> bool {
        let found = self.path.iter().try_fold(metadata, |value, key| value.map(|value| value.get(&**key)));
        self.value.matches(found.flatten()) != self.invert
    }
}

impl ValueMatcher {
    /// Whether a value matches; `None`: there is none.
    pub fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Null => matches!(value, Some(Value::Null)),
            Self::Exactly(wanted) => value.and_then(Value::as_f64).is_some_and(|value| value == *wanted),
            Self::Range(start, end) => {
                value.and_then(Value::as_f64).is_some_and(|value| (*start..*end).contains(&value))
            }
            Self::String(matcher) => {
                value.and_then(Value::as_str).is_some_and(|value| matcher.matches(&octets::of_text(value)))
            }
            Self::Bool(wanted) => value.and_then(Value::as_bool).is_some_and(|value| value == *wanted),
            // False never holds, as in Envoy: what is missing is asked for by `invert`.
            Self::Present(wanted) => *wanted && value.is_some(),
            Self::OneOf(matcher) => {
                value.and_then(Value::as_array).is_some_and(|list| list.iter().any(|one| matcher.matches(Some(one))))
            }
            Self::Or(matchers) => matchers.iter().any(|matcher| matcher.matches(value)),
        }
    }
}

/// A metadata matcher.
pub(crate) fn metadata(at: &At<'_>, proto: &pb::MetadataMatcher) -> Result<MetadataMatcher, Rejection> {
    use pb::metadata_matcher::path_segment::Segment;
    let at_path = at.field("path");
    field_rules::at_least_one(&at_path, &proto.path)?;
    let segment = |(index, one): (usize, &pb::metadata_matcher::PathSegment)| match &one.segment {
        Some(Segment::Key(key)) => field_rules::not_empty(&at_path.index(index).field("key"), key),
        None => Err(at_path.index(index).reject("is empty; give key")),
    };
    let at_value = at.field("value");
    Ok(MetadataMatcher {
        filter: field_rules::not_empty(&at.field("filter"), &proto.filter)?,
        path: proto.path.iter().enumerate().map(segment).collect::<Result<_, _>>()?,
        value: value(&at_value, field_rules::required(&at_value, &proto.value)?, 0)?,
        invert: proto.invert,
    })
}

/// A value matcher. Prost bounds how deep it is decoded; this bounds what is kept.
pub(crate) fn value(at: &At<'_>, proto: &pb::ValueMatcher, depth: usize) -> Result<ValueMatcher, Rejection> {
    use pb::double_matcher::MatchPattern as Double;
    use pb::value_matcher::MatchPattern as Pattern;
    if depth > 16 {
        return Err(at.reject("is nested too deeply"));
    }
    Ok(match &proto.match_pattern {
        None => return Err(at.reject("has no pattern; give null_match, double_match, string_match, bool_match, present_match, list_match or or_match")),
        Some(Pattern::NullMatch(_)) => ValueMatcher::Null,
        Some(Pattern::DoubleMatch(double)) => match &double.match_pattern {
            None => return Err(at.field("double_match").reject("has no pattern; give range or exact")),
            Some(Double::Exact(exact)) => ValueMatcher::Exactly(*exact),
            Some(Double::Range(range)) => ValueMatcher::Range(range.start, range.end),
        },
        Some(Pattern::StringMatch(matcher)) => {
            ValueMatcher::String(decode::string(&at.field("string_match"), matcher)?)
        }
        Some(Pattern::BoolMatch(wanted)) => ValueMatcher::Bool(*wanted),
        Some(Pattern::PresentMatch(wanted)) => ValueMatcher::Present(*wanted),
        Some(Pattern::ListMatch(list)) => {
            let at = at.field("list_match");
            match &list.match_pattern {
                None => return Err(at.reject("has no pattern; give one_of")),
                Some(pb::list_matcher::MatchPattern::OneOf(one)) => {
                    ValueMatcher::OneOf(Box::new(value(&at.field("one_of"), one, depth + 1)?))
                }
            }
        }
        Some(Pattern::OrMatch(list)) => {
            let at = at.field("or_match");
            let at = at.field("value_matchers");
            let list = list.value_matchers.iter().enumerate();
            ValueMatcher::Or(
                list.map(|(index, one)| value(&at.index(index), one, depth + 1)).collect::<Result<_, _>>()?,
            )
        }
    })
}

#[cfg(test)]
mod tests;
