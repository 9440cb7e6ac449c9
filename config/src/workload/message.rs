//! The `google.protobuf.Struct` that holds a workload, in the one form that both ends agree on: entries in order of their names. Used
//! by this folder alone.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use super::{CANONICAL_NAME, CANONICAL_REVISION, METADATA, METADATA_ID, Workload};

/// `google.protobuf.Struct`, as far as a workload needs one: what is neither a text nor an object is nothing.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Fields {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, Field>,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Field {
    #[prost(oneof = "Content", tags = "3, 5")]
    content: Option<Content>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Content {
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(message, tag = "5")]
    Fields(Fields),
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// The type that a frame's message must be of.
pub(super) const STRUCT: &str = "google.protobuf.Struct";

impl Fields {
    pub fn of_json(json: &serde_json::Value) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in json.as_object().into_iter().flatten() {
            let content = match value {
                serde_json::Value::String(text) => Content::Text(text.clone()),
                serde_json::Value::Object(_) => Content::Fields(Fields::of_json(value)),
                _ => continue,
            };
            fields.put(name, content);
        }
        fields
    }

    /// A text, if it is there.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.fields.get(name)?.content.as_ref()? {
            Content::Text(text) => Some(text),
            Content::Fields(_) => None,
        }
    }

    /// A text; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    pub fn fields_of(&self, name: &str) -> Option<&Fields> {
        match self.fields.get(name)?.content.as_ref()? {
            Content::Fields(fields) => Some(fields),
            Content::Text(_) => None,
        }
    }

    fn put(&mut self, name: &str, content: Content) {
        self.fields.insert(name.to_owned(), Field { content: Some(content) });
    }

    fn say(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.put(name, Content::Text(value.to_owned()));
        }
    }
}

impl Workload {
    /// As it is told to peers.
    fn fields(&self) -> Fields {
        let (mut all, mut labels) = (Fields::default(), Fields::default());
        all.say("NAME", &self.instance);
        all.say("NAMESPACE", &self.namespace);
        all.say("WORKLOAD_NAME", &self.name);
        all.say("CLUSTER_ID", &self.cluster);
        all.say("IDENTITY", &self.identity);
        all.say("OWNER", &self.owner().unwrap_or_default());
        all.say("REGION", &self.region);
        all.say("AVAILABILITY_ZONE", &self.zone);
        labels.say(CANONICAL_NAME, &self.service);
        labels.say(CANONICAL_REVISION, &self.revision);
        labels.say("app", &self.app);
        labels.say("version", &self.version);
        for (name, value) in &self.labels {
            labels.put(name, Content::Text(value.to_string()));
        }
        all.put("LABELS", Content::Fields(labels));
        all
    }

    /// The value of the header that tells it.
    pub fn header(&self) -> String {
        STANDARD.encode(self.fields().encode_to_vec())
    }

    /// The message that stands in filter state.
    pub fn message(&self) -> Vec<u8> {
        Fields::of_json(&self.json()).encode_to_vec()
    }
}

/// What is sent first on a connection whose ends have agreed to: eight octets, and the message that they announce.
pub fn frame_of(workload: &Workload, id: &str) -> Vec<u8> {
    let mut all = Fields::default();
    all.put(METADATA, Content::Fields(workload.fields()));
    all.say(METADATA_ID, id);
    let any = Any { type_url: format!("type.googleapis.com/{STRUCT}"), value: all.encode_to_vec() }.encode_to_vec();
    let mut frame = Vec::with_capacity(8 + any.len());
    frame.extend_from_slice(&super::told::MAGIC.to_be_bytes());
    // Metadata of a node is no longer than a bootstrap.
    frame.extend_from_slice(&u32::try_from(any.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(&any);
    frame
}
