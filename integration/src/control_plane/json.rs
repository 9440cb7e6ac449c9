//! Protobuf-JSON to bytes.
//!
//! Called when a resource is sent. Equal JSON gives equal bytes, although protobuf maps have no order: the streams tell
//! by the bytes whether anything changed. Must never be used where memory counts: descriptors and results are kept.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use config::descriptors::Descriptors;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;

static CODEC: LazyLock<Mutex<Codec>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Codec {
    descriptors: Descriptors,
    done: HashMap<(String, String), Bytes>,
}

/// Encodes a message that is written as protobuf-JSON.
///
/// # Panics
/// If the JSON is no such message: the generator or the test's edit is wrong.
pub fn encode(type_url: &str, json: &Value) -> Bytes {
    let text = json.to_string();
    let mut codec = CODEC.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (type_url.to_owned(), text);
    if let Some(bytes) = codec.done.get(&key) {
        return bytes.clone();
    }
    let descriptor = codec.descriptor(type_url, &key.1);
    let message = DynamicMessage::deserialize(descriptor, json)
        .unwrap_or_else(|error| panic!("this is no {type_url}: {error}\n{json:#}"));
    let bytes = Bytes::from(message.encode_to_vec());
    codec.done.insert(key, bytes.clone());
    bytes
}

/// Decodes a message to protobuf-JSON with the names of the `.proto` files.
///
/// # Panics
/// If the bytes are no such message, or a type in it is not known.
pub fn decode(type_url: &str, bytes: &[u8]) -> Value {
    let mut codec = CODEC.lock().unwrap_or_else(PoisonError::into_inner);
    codec.descriptors.load_named_in(bytes);
    let descriptor = codec.descriptor(type_url, "");
    let message = DynamicMessage::decode(descriptor, bytes).unwrap_or_else(|error| panic!("no {type_url}: {error}"));
    let options = prost_reflect::SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap_or_else(|error| panic!("{error}"))
}

impl Codec {
    fn descriptor(&mut self, type_url: &str, text: &str) -> MessageDescriptor {
        self.descriptors.load_named_in(text.as_bytes());
        let name = type_url.rsplit('/').next().unwrap_or_default();
        self.descriptors.message(name).unwrap_or_else(|| panic!("{type_url} is not known to this build"))
    }
}
