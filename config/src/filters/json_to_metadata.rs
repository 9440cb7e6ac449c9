//! `envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata`. Called by the list of filters.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::json_to_metadata::v3 as pb};
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone)]
pub struct JsonToMetadata {
    /// `request_rules`.
    pub request: Option<Rules>,
    /// `response_rules`.
    pub response: Option<Rules>,
}

/// `MatchRules`.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `rules`, in order.
    pub rules: Vec<Rule>,
    /// `allow_content_types`.
    pub content_types: Vec<Arc<str>>,
    /// `allow_empty_content_type`.
    pub empty_content_type: bool,
    /// `allow_content_types_regex`.
    pub content_types_regex: Option<StringMatcher>,
}

/// `Rule`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `selectors`: the way to the value.
    pub path: Vec<Arc<str>>,
    /// `on_present`.
    pub present: Option<Pair>,
    /// `on_missing`.
    pub missing: Option<Pair>,
    /// `on_error`.
    pub error: Option<Pair>,
}

/// `KeyValuePair`.
#[derive(Debug, Clone)]
pub struct Pair {
    /// `metadata_namespace`, or the filter's.
    pub namespace: Arc<str>,
    /// `key`.
    pub key: Arc<str>,
    /// `value`, in place of what the body says.
    pub value: Option<Json>,
    /// `type`.
    pub kind: Kind,
    /// `preserve_existing_metadata_value`.
    pub preserve: bool,
}

/// `ValueType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `PROTOBUF_VALUE`: as it is.
    AsItIs,
    /// `STRING`.
    Text,
    /// `NUMBER`.
    Number,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<JsonToMetadata, Rejection> {
    let proto: pb::JsonToMetadata = extension.decode(at, options)?;
    let read = |field: &str, one: &Option<pb::json_to_metadata::MatchRules>| {
        one.as_ref().map(|one| rules(&at.field(field), one)).transpose()
    };
    let (request, response) =
        (read("request_rules", &proto.request_rules)?, read("response_rules", &proto.response_rules)?);
    if request.is_none() && response.is_none() {
        return Err(at.reject("has neither request_rules nor response_rules; give one"));
    }
    Ok(JsonToMetadata { request, response })
}

pub(super) use decode as scoped;

fn rules(at: &At<'_>, proto: &pb::json_to_metadata::MatchRules) -> Result<Rules, Rejection> {
    let at_rules = at.field("rules");
    field_rules::at_least_one(&at_rules, &proto.rules)?;
    let list = proto.rules.iter().enumerate();
    let types = proto.allow_content_types.iter().map(|one| Arc::from(one.as_str()));
    let regex = proto.allow_content_types_regex.as_ref();
    let regex = regex
        .map(|one| matcher::decode::full_regex(&at.field("allow_content_types_regex"), one).map(StringMatcher::Regex))
        .transpose()?;
    Ok(Rules {
        rules: list.map(|(index, one)| rule(&at_rules.index(index), one)).collect::<Result<_, _>>()?,
        content_types: if proto.allow_content_types.is_empty() {
            vec!["application/json".into()]
        } else {
            types.collect()
        },
        empty_content_type: proto.allow_empty_content_type,
        content_types_regex: regex,
    })
}

fn rule(at: &At<'_>, proto: &pb::json_to_metadata::Rule) -> Result<Rule, Rejection> {
    use pb::json_to_metadata::{KeyValuePair, Selector, selector};
    let at_path = at.field("selectors");
    field_rules::at_least_one(&at_path, &proto.selectors)?;
    let key = |(index, one): (usize, &Selector)| match &one.selector {
        Some(selector::Selector::Key(key)) => field_rules::not_empty(&at_path.index(index).field("key"), key),
        None => Err(at_path.index(index).reject("is empty; give key")),
    };
    let read =
        |field: &str, one: &Option<KeyValuePair>| one.as_ref().map(|one| pair(&at.field(field), one)).transpose();
    let rule = Rule {
        path: proto.selectors.iter().enumerate().map(key).collect::<Result<_, _>>()?,
        present: read("on_present", &proto.on_present)?,
        missing: read("on_missing", &proto.on_missing)?,
        error: read("on_error", &proto.on_error)?,
    };
    if rule.present.is_none() && rule.missing.is_none() {
        return Err(at.reject("has neither on_present nor on_missing; give one"));
    }
    for (field, pair) in [("on_missing", &rule.missing), ("on_error", &rule.error)] {
        if pair.as_ref().is_some_and(|pair| pair.value.is_none()) {
            return Err(at.field(field).field("value").reject("must be set: there is no value to take"));
        }
    }
    Ok(rule)
}

fn pair(at: &At<'_>, proto: &pb::json_to_metadata::KeyValuePair) -> Result<Pair, Rejection> {
    use pb::json_to_metadata::{ValueType, key_value_pair::ValueType as Given};
    Ok(Pair {
        namespace: proto::text(&proto.metadata_namespace)
            .unwrap_or_else(|| "envoy.filters.http.json_to_metadata".into()),
        key: field_rules::not_empty(&at.field("key"), &proto.key)?,
        value: proto.value_type.as_ref().map(|Given::Value(value)| proto::value_to_json(value)),
        kind: match proto::defined::<ValueType>(&at.field("type"), proto.r#type)? {
            ValueType::ProtobufValue => Kind::AsItIs,
            ValueType::String => Kind::Text,
            ValueType::Number => Kind::Number,
        },
        preserve: proto.preserve_existing_metadata_value,
    })
}
