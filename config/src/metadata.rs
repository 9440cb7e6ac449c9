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
