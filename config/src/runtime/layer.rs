//! What one layer of the runtime says: of a struct in the configuration or from a control plane, or of a text (a file, a parameter of the
//! admin interface). Called by the bootstrap's decoder and by the proxy's layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;

use crate::bootstrap;
use crate::proto::{self, envoy::service::runtime::v3 as pb, wkt};
use crate::rejection::{At, Rejection};

/// Keys and their values as texts.
pub type Entries = BTreeMap<Arc<str>, Arc<str>>;

/// A layer that a control plane has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its name.
    pub name: Arc<str>,
    /// What it says.
    pub entries: Entries,
}

/// A `Runtime` resource.
///
/// # Errors
/// It is none, or a value is none.
pub fn of_xds(bytes: &[u8]) -> Result<Discovered, Rejection> {
    let at = At::root();
    let resource = pb::Runtime::decode(bytes).map_err(|error| at.reject(format!("is no Runtime: {error}")))?;
    let layer = resource.layer.unwrap_or_default();
    if let Some(key) = bad_key(&layer) {
        return Err(at.field("layer").key(&key).reject("Invalid runtime entry value; a list and null are none"));
    }
    Ok(Discovered { name: Arc::from(resource.name), entries: of_struct(&layer) })
}

/// A nested key is its path with dots; a share (`numerator`, `denominator`) is one value.
pub(crate) fn of_struct(layer: &wkt::Struct) -> Entries {
    let mut entries = Entries::new();
    if let serde_json::Value::Object(fields) = proto::struct_to_json(layer) {
        fields.iter().for_each(|(key, value)| flatten(key, value, &mut entries));
    }
    entries
}

fn flatten(path: &str, value: &serde_json::Value, entries: &mut Entries) {
    match value {
        serde_json::Value::Object(fields)
            if !fields.is_empty() && !fields.contains_key("numerator") && !fields.contains_key("denominator") =>
        {
            fields.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, entries));
        }
        serde_json::Value::String(text) => drop(entries.insert(Arc::from(path), Arc::from(text.as_str()))),
        other => drop(entries.insert(Arc::from(path), Arc::from(other.to_string()))),
    }
}

/// The key of a value that is none: a list, or null.
pub(crate) fn bad_key(layer: &wkt::Struct) -> Option<String> {
    use wkt::value::Kind;
    layer.fields.iter().find_map(|(key, value)| match &value.kind {
        None | Some(Kind::ListValue(_) | Kind::NullValue(_)) => Some(key.clone()),
        Some(Kind::StructValue(inner)) => bad_key(inner).map(|inner| format!("{key}.{inner}")),
        Some(_) => None,
    })
}

/// A value that is given as a text, which must be YAML.
///
/// # Errors
/// What is wrong with it.
pub fn of_text(text: &str) -> Result<Arc<str>, String> {
    // Plain words and numbers are the rule.
    if text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet)) {
        return Ok(Arc::from(text));
    }
    bootstrap::yaml_to_json(text).map(|_| Arc::from(text))
}
