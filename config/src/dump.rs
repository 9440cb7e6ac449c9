//! Resources as protobuf-JSON text, the way a config dump or a test holds them, to bytes. Used by tests, benches and tools; never by the
//! data path.

use serde_json::Value;

use crate::descriptors::Descriptors;
use crate::json;
use crate::rejection::{At, Rejection};

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
