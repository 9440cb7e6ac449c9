//! Opens an extension's `typed_config`: finds out its type and its bytes. Called by every translation that meets an Any.
//!
//! Extensions are known by type URL, never by name. `udpa.type.v1.TypedStruct` and `xds.type.v3.TypedStruct` are opened too:
//! the type inside counts, with or without `type.googleapis.com/` before it.

use std::borrow::Cow;

use prost::Message;

use crate::descriptors::Descriptors;
use crate::istio::TypedStruct;
use crate::json;
use crate::options::{Options, UnknownFields};
use crate::proto::{self, wkt};
use crate::rejection::{At, Rejection};

mod unknown;

/// An opened `typed_config`.
pub(crate) struct Extension<'a> {
    /// Full message name, without a prefix.
    pub type_name: Cow<'a, str>,
    body: Body<'a>,
}

enum Body<'a> {
    Binary(&'a [u8]),
    Json(serde_json::Value),
}

/// The type and content of an Any.
pub(crate) fn open<'a>(at: &At<'_>, any: &'a wkt::Any) -> Result<Extension<'a>, Rejection> {
    let type_name = message_name(&any.type_url);
    if !matches!(type_name, "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct") {
        if type_name.is_empty() {
            return Err(at.reject("has no type URL; every typed_config needs an @type"));
        }
        return Ok(Extension { type_name: Cow::Borrowed(type_name), body: Body::Binary(&any.value) });
    }
    let typed: TypedStruct = proto::message(&any.value, at)?;
    let type_name = message_name(&typed.type_url).to_owned();
    if type_name.is_empty() {
        return Err(at.field("type_url").reject("is required and not set; set it"));
    }
    let value =
        typed.value.as_ref().map_or_else(|| serde_json::Value::Object(serde_json::Map::new()), proto::struct_to_json);
    Ok(Extension { type_name: Cow::Owned(type_name), body: Body::Json(value) })
}

/// The `typed_config` of an extension that must have one.
pub(crate) fn open_required<'a>(at: &At<'_>, any: &'a Option<wkt::Any>) -> Result<Extension<'a>, Rejection> {
    open(at, crate::field_rules::required(at, any)?)
}

impl Extension<'_> {
    /// The content as a message.
    pub fn decode<T: Message + Default>(&self, at: &At<'_>, options: &Options) -> Result<T, Rejection> {
        let bytes = self.bytes(at, options)?;
        let at_inner = at.field("value");
        (options.checks)(&self.type_name, &bytes, if self.is_json() { &at_inner } else { at }, options)?;
        proto::message(&bytes, at)
    }

    /// The content as the message's bytes.
    pub fn bytes(&self, at: &At<'_>, options: &Options) -> Result<Cow<'_, [u8]>, Rejection> {
        match &self.body {
            Body::Binary(bytes) => Ok(Cow::Borrowed(bytes)),
            Body::Json(value) => encoded(&at.field("value"), &self.type_name, value, options).map(Cow::Owned),
        }
    }

    /// Whether the content came as JSON.
    pub fn is_json(&self) -> bool {
        matches!(self.body, Body::Json(_))
    }
}

/// A JSON value as the message's bytes. What nobody here knows of is refused, or told and left out.
pub(crate) fn encoded(
    at: &At<'_>,
    type_name: &str,
    value: &serde_json::Value,
    options: &Options,
) -> Result<Vec<u8>, Rejection> {
    let mut descriptors = Descriptors::new();
    let strict = json::encode(&mut descriptors, type_name, value, true);
    let read = match strict {
        Err(_) if !options.strict_structs => {
            for one in json::unknown_in(&mut descriptors, type_name, value) {
                if let Some(refusal) = one.refusal() {
                    return Err(refusal.below(at).withholding_policy());
                }
                options.unknown_name(at, &one.of, &one.path);
            }
            json::encode(&mut descriptors, type_name, value, false)
        }
        read => read,
    };
    read.map_err(|fault| fault.below(at))
}

/// The message name of a type URL: what follows the last slash.
pub(crate) fn message_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or(type_url, |(_, name)| name)
}

/// Checks a message that is about to be decoded: unknown fields where the options refuse them, Envoy's rules, and what does not act.
pub(crate) fn check(type_name: &str, bytes: &[u8], at: &At<'_>, options: &Options) -> Result<(), Rejection> {
    if options.unknown_fields == UnknownFields::Reject {
        unknown::refuse(type_name, bytes, at)?;
    }
    (options.checks)(type_name, bytes, at, options)
}
