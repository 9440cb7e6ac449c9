//! Resources as protobuf-JSON text, the way a config dump or a test holds them, to bytes; used by tests, benches and tools. And what a
//! field mask may name in a dump; used by the admin interface. Never on the data path.

use serde_json::Value;

use crate::descriptors::Descriptors;
use crate::json;
use crate::rejection::{At, Rejection};
use crate::schema::Message;

/// The bytes of a resource that is given as JSON with its `@type`. Unknown fields are rejected.
pub fn encode(resource: &Value) -> Result<Vec<u8>, Rejection> {
    let at = At::root();
    let Some(url) = resource.get("@type").and_then(Value::as_str) else {
        return Err(at.field("@type").reject("is required and not set; set it"));
    };
    let mut body = resource.clone();
    if let Value::Object(fields) = &mut body {
        fields.remove("@type");
    }
    json::encode(&mut Descriptors::new(), crate::extension::message_name(url), &body, true)
        .map_err(|fault| fault.below(&at))
}

/// Whether a dump of a resource hides something of it: a secret, or what may be one.
pub fn hides(descriptors: &mut Descriptors, type_url: &str, bytes: &[u8]) -> bool {
    // Bytes are printed in base64, in which what a text holds looks different with each third octet before it.
    const MARKS: [&str; 4] = ["[redacted]", "W3JlZGFjdGVk", "ZWRhY3Rl", "cmVkYWN0ZWRd"];
    let printed = serde_json::to_string(&json::AnyJson::new(descriptors, type_url, bytes));
    printed.map_or(true, |text| MARKS.iter().any(|mark| text.contains(mark)))
}

/// A field as a mask sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masked {
    /// A message of this type: the path may go on.
    Message(&'static str),
    /// A plain value, a list or a map: here a path ends.
    End,
}

/// The field of a message type; `None` if there is no such field.
pub fn masked(type_name: &str, field: &str) -> Option<Masked> {
    let field = Message::named(type_name)?.fields().find(|known| known.name() == field)?;
    let of = field.message().filter(|_| !field.is_repeated() && !field.is_map());
    Some(of.map_or(Masked::End, |of| Masked::Message(of.name())))
}
