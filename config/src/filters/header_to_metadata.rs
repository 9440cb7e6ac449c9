//! `envoy.extensions.filters.http.header_to_metadata.v3.Config`, which a chain and its routes hold alike. Called by the list of filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::header_to_metadata::v3 as pb};
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, Default)]
pub struct HeaderToMetadata {
    /// `request_rules`.
    pub request: Vec<Rule>,
    /// `response_rules`.
    pub response: Vec<Rule>,
    /// `stat_prefix`; without it nothing is counted.
    pub stat_prefix: Option<Arc<str>>,
}

/// `Rule`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where the value is.
    pub from: From,
    /// `remove`: the header goes.
    pub remove: bool,
    /// `on_header_present`.
    pub present: Option<Pair>,
    /// `on_header_missing`.
    pub missing: Option<Pair>,
}

/// Where a value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// `header`, lower case.
    Header(Arc<str>),
    /// `cookie`.
    Cookie(Arc<str>),
}

/// `KeyValuePair`.
#[derive(Debug, Clone)]
pub struct Pair {
    /// `metadata_namespace`, or the filter's.
    pub namespace: Arc<str>,
    /// `key`.
    pub key: Arc<str>,
    /// `value`, in place of the header's.
    pub value: Option<Arc<str>>,
    /// `regex_value_rewrite`.
    pub rewrite: Option<(regex::bytes::Regex, Arc<str>)>,
    /// `type`.
    pub kind: Kind,
    /// `encode`: base64.
    pub base64: bool,
}

/// `ValueType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `STRING`.
    Text,
    /// `NUMBER`.
    Number,
    /// `PROTOBUF_VALUE`: a message, `google.protobuf.Value`.
    Message,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<HeaderToMetadata, Rejection> {
    let proto: pb::Config = extension.decode(at, options)?;
    let rules = |field: &str, list: &[pb::config::Rule]| {
        let at = at.field(field);
        list.iter().enumerate().map(|(index, one)| rule(&at.index(index), one, options)).collect::<Result<_, _>>()
    };
    Ok(HeaderToMetadata {
        request: rules("request_rules", &proto.request_rules)?,
        response: rules("response_rules", &proto.response_rules)?,
        stat_prefix: proto::text(&proto.stat_prefix),
    })
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<HeaderToMetadata, Rejection> {
    let read = decode(at, extension, options)?;
    if read.request.is_empty() && read.response.is_empty() {
        return Err(at.reject("has neither request_rules nor response_rules; give some, or leave it out"));
    }
    Ok(read)
}

fn rule(at: &At<'_>, proto: &pb::config::Rule, options: &Options) -> Result<Rule, Rejection> {
    let from = match (proto.header.as_str(), proto.cookie.as_str()) {
        ("", "") => return Err(at.reject("names neither header nor cookie; give one")),
        ("", cookie) => From::Cookie(cookie.into()),
        (header, "") => From::Header(field_rules::header_name(&at.field("header"), header)?),
        _ => return Err(at.reject("names header and cookie; give one")),
    };
    if proto.on_header_present.is_none() && proto.on_header_missing.is_none() {
        return Err(at.reject("has neither on_header_present nor on_header_missing; give one"));
    }
    let at_remove = at.field("remove");
    match &from {
        From::Cookie(_) if proto.remove => {
            return Err(at_remove.reject("takes out headers, and no cookie; leave it out"));
        }
        From::Header(name) if proto.remove && (name.starts_with(':') || &**name == "host") => {
            return Err(at_remove.reject("would leave a request without its path or host; leave it out"));
        }
        _ => {}
    }
    let read = |field: &str, one: &Option<pb::config::KeyValuePair>| {
        one.as_ref().map(|one| pair(&at.field(field), one, options)).transpose()
    };
    let (present, missing) =
        (read("on_header_present", &proto.on_header_present)?, read("on_header_missing", &proto.on_header_missing)?);
    if let Some(missing) = &missing {
        let at = at.field("on_header_missing");
        if missing.value.is_none() {
            return Err(at.field("value").reject("must be set: there is no header to take it from"));
        }
    }
    Ok(Rule { from, remove: proto.remove, present, missing })
}

fn pair(at: &At<'_>, proto: &pb::config::KeyValuePair, options: &Options) -> Result<Pair, Rejection> {
    use pb::config::{ValueEncode, ValueType};
    let at_rewrite = at.field("regex_value_rewrite");
    if !proto.value.is_empty() && proto.regex_value_rewrite.is_some() {
        return Err(at_rewrite.reject("cannot stand beside value; give one of them"));
    }
    let rewrite = proto.regex_value_rewrite.as_ref();
    let rewrite = rewrite.map(|one| matcher::decode::substitution(&at_rewrite, one, options)).transpose()?.flatten();
    Ok(Pair {
        namespace: proto::text(&proto.metadata_namespace)
            .unwrap_or_else(|| "envoy.filters.http.header_to_metadata".into()),
        key: field_rules::not_empty(&at.field("key"), &proto.key)?,
        value: proto::text(&proto.value),
        rewrite,
        kind: match proto::defined::<ValueType>(&at.field("type"), proto.r#type)? {
            ValueType::String => Kind::Text,
            ValueType::Number => Kind::Number,
            ValueType::ProtobufValue => Kind::Message,
        },
        base64: proto::defined::<ValueEncode>(&at.field("encode"), proto.encode)? == ValueEncode::Base64,
    })
}
