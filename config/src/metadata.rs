//! `envoy.config.core.v3.Metadata`, kept as JSON values: small, rarely read, never on the request path.

use std::collections::BTreeMap;
use std::sync::Arc;

/// `filter_metadata`, by filter name. Shared by content where the builder can.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(pub BTreeMap<Arc<str>, serde_json::Value>);

/// A `google.protobuf.Value` from its bytes.
pub fn value_of(bytes: &[u8]) -> Option<serde_json::Value> {
    <crate::proto::wkt::Value as prost::Message>::decode(bytes).ok().map(|value| crate::proto::value_to_json(&value))
}

impl Metadata {
    /// The value at `filter`, then `key`.
    pub fn get(&self, filter: &str, key: &str) -> Option<&serde_json::Value> {
        self.0.get(filter)?.get(key)
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
        metadata.0.get("envoy.lb").map(Criteria::of)
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
