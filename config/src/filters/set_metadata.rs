//! `envoy.extensions.filters.http.set_metadata.v3.Config`. Called by the list of filters.

use std::sync::Arc;

use bytes::Bytes;

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::set_metadata::v3 as pb};
use crate::rejection::{At, Rejection};

/// The filter, or what a level adds to it: entries in order.
#[derive(Debug, Clone, Default)]
pub struct SetMetadata {
    /// `metadata`, behind the deprecated `metadata_namespace` and `value`.
    pub entries: Vec<Entry>,
}

/// `Metadata`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `metadata_namespace`.
    pub namespace: Arc<str>,
    /// `allow_overwrite`: what stands there is merged with a value, replaced by a typed one; else it stays.
    pub allow_overwrite: bool,
    /// What is set.
    pub value: Value,
}

/// What an entry sets.
#[derive(Debug, Clone)]
pub enum Value {
    /// `value`, an object.
    Struct(Arc<serde_json::Value>),
    /// `typed_value`.
    Typed {
        /// Its type URL.
        type_url: Arc<str>,
        /// Its bytes.
        bytes: Bytes,
    },
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<SetMetadata, Rejection> {
    let proto: pb::Config = extension.decode(at, options)?;
    let mut entries = Vec::with_capacity(proto.metadata.len());
    match (&proto.value, proto::text(&proto.metadata_namespace)) {
        (Some(value), Some(namespace)) => entries.push(Entry {
            namespace,
            allow_overwrite: true,
            value: Value::Struct(Arc::new(proto::struct_to_json(value))),
        }),
        (None, None) => {}
        _ => options.note(&at.field("value"), "says nothing without metadata_namespace, and the other way round"),
    }
    let at_list = at.field("metadata");
    for (index, one) in proto.metadata.iter().enumerate() {
        entries.extend(entry(&at_list.index(index), one, options)?);
    }
    Ok(SetMetadata { entries })
}

pub(super) use decode as scoped;

fn entry(at: &At<'_>, proto: &pb::Metadata, options: &Options) -> Result<Option<Entry>, Rejection> {
    let namespace = field_rules::not_empty(&at.field("metadata_namespace"), &proto.metadata_namespace)?;
    let value = match (&proto.value, &proto.typed_value) {
        (Some(value), typed) => {
            if typed.is_some() {
                options.note(&at.field("typed_value"), "is not set beside value");
            }
            Value::Struct(Arc::new(proto::struct_to_json(value)))
        }
        (None, Some(typed)) => {
            Value::Typed { type_url: Arc::from(typed.type_url.as_str()), bytes: Bytes::copy_from_slice(&typed.value) }
        }
        // Envoy takes it and warns.
        (None, None) => {
            options.note(at, "has neither value nor typed_value; it sets nothing");
            return Ok(None);
        }
    };
    Ok(Some(Entry { namespace, allow_overwrite: proto.allow_overwrite, value }))
}
