//! `envoy.config.core.v3.Metadata`, kept encoded until somebody reads it: a mesh has thousands, of which few are ever asked for.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prost::Message;

use crate::proto::{core::v3 as pb, json_to_struct, struct_to_json};

/// `filter_metadata`, by filter name.
#[derive(Clone, Default)]
pub struct Metadata {
    /// As it was received.
    encoded: Box<[u8]>,
    /// The same, once it was asked for; sorted by name.
    read: OnceLock<Box<[Named]>>,
}

/// A filter's name, and what stands under it.
type Named = (Arc<str>, serde_json::Value);

/// A `google.protobuf.Value` from its bytes.
pub fn value_of(bytes: &[u8]) -> Option<serde_json::Value> {
    <crate::proto::wkt::Value as prost::Message>::decode(bytes).ok().map(|value| crate::proto::value_to_json(&value))
}

impl Metadata {
    /// What a message says. What is typed is for dumps alone.
    pub(crate) fn of(proto: &pb::Metadata) -> Metadata {
        Metadata { encoded: proto.encode_to_vec().into(), read: OnceLock::new() }
    }

    /// `core.v3.Metadata`, encoded.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What stands under a filter's name.
    pub fn of_filter(&self, filter: &str) -> Option<&serde_json::Value> {
        self.all().iter().find(|(name, _)| **name == *filter).map(|(_, value)| value)
    }

    /// All of it, sorted by name.
    pub fn all(&self) -> &[Named] {
        self.read.get_or_init(|| self.decoded())
    }

    /// The value at `filter`, then `key`.
    pub fn get(&self, filter: &str, key: &str) -> Option<&serde_json::Value> {
        self.of_filter(filter)?.get(key)
    }

    fn decoded(&self) -> Box<[Named]> {
        // It was encoded here.
        let proto = pb::Metadata::decode(&*self.encoded).unwrap_or_default();
        let fields = proto.filter_metadata.iter();
        let mut read: Vec<_> = fields.map(|(name, value)| (Arc::from(name.as_str()), struct_to_json(value))).collect();
        read.sort_by(|(left, _): &Named, (right, _)| left.cmp(right));
        read.into()
    }
}

impl<const COUNT: usize> From<[(&str, serde_json::Value); COUNT]> for Metadata {
    fn from(fields: [(&str, serde_json::Value); COUNT]) -> Metadata {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), json_to_struct(value)));
        Metadata::of(&pb::Metadata { filter_metadata: fields.collect(), ..pb::Metadata::default() })
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Metadata) -> bool {
        // Maps are encoded in any order, each with as many octets.
        self.encoded.len() == other.encoded.len()
            && (self.encoded == other.encoded || self.decoded() == other.decoded())
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.decoded().iter().map(|(name, value)| (name, value))).finish()
    }
}

/// What endpoints must have below `envoy.lb`: keys, sorted, each once, and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Criteria(pub Vec<(Arc<str>, serde_json::Value)>);

impl Criteria {
    /// Of an object; none of anything else.
    pub fn of(object: &serde_json::Value) -> Criteria {
        let fields = object.as_object().into_iter().flatten();
        let mut all: Vec<_> = fields.map(|(key, value)| (Arc::from(key.as_str()), value.clone())).collect();
        all.sort_by(|(left, _): &(Arc<str>, _), (right, _)| left.cmp(right));
        Criteria(all)
    }

    /// Those of a `metadata_match`; `None` where it says nothing of endpoints.
    pub fn of_match(metadata: &Metadata) -> Option<Criteria> {
        metadata.of_filter("envoy.lb").map(Criteria::of)
    }

    /// Those of a `metadata_match`, over what stands above it.
    pub fn over(above: &Option<Arc<Criteria>>, metadata: &Metadata) -> Option<Arc<Criteria>> {
        match (above, Criteria::of_match(metadata)) {
            (Some(above), Some(own)) => Some(Arc::new(above.merged(&own))),
            (None, Some(own)) => Some(Arc::new(own)),
            (above, None) => above.clone(),
        }
    }

    /// What a filter has said of a request or connection, over what the configuration asks.
    pub fn said(asked: Option<&Criteria>, said: &serde_json::Value) -> Criteria {
        let said = Criteria::of(said);
        match asked {
            Some(asked) => asked.merged(&said),
            None => said,
        }
    }

    /// Those of some keys.
    #[must_use]
    pub fn only(&self, keys: &[Arc<str>]) -> Criteria {
        Criteria(self.0.iter().filter(|(key, _)| keys.contains(key)).cloned().collect())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&serde_json::Value> {
        self.0.iter().find(|(known, _)| **known == *key).map(|(_, value)| value)
    }

    /// These, with those of `others` in place of what has the same key, or beside it.
    #[must_use]
    pub fn merged(&self, others: &Criteria) -> Criteria {
        let mut all = self.0.clone();
        for (key, value) in &others.0 {
            match all.binary_search_by(|(known, _)| known.cmp(key)) {
                Ok(at) => all[at].1 = value.clone(),
                Err(at) => all.insert(at, (key.clone(), value.clone())),
            }
        }
        Criteria(all)
    }
}
