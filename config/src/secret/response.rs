//! A file with the answer of a server of secrets (`DiscoveryResponse`), which a `path_config_source` names. Called by the proxy whenever
//! such a file has changed. Nothing of what it holds enters a message of this module.

use std::path::Path;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

use super::wiped;
use crate::bootstrap::yaml_to_json;
use crate::discreet;
use crate::extension;
use crate::json::lenient;
use crate::options::Options;
use crate::proto::{self, envoy::service::discovery::v3 as pb, wkt};
use crate::rejection::At;

/// What such a file says.
#[derive(Debug)]
pub struct Response {
    /// `version_info`.
    pub version: String,
    /// Its resources.
    resources: Vec<wkt::Any>,
}

const RESPONSE: &str = "envoy.service.discovery.v3.DiscoveryResponse";
const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.Secret";
const WRAPPER: &str = "envoy.service.discovery.v3.Resource";

/// The content of a file, which is in the form that the end of its name says: `.yaml`, `.yml` or `.pb`, and JSON otherwise.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(path: &Path, content: &[u8], options: &Options) -> Result<Response, String> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let octets = match &*ending {
        "pb" => Zeroizing::new(content.to_vec()),
        "pb_text" | "pb_length_delimited" => {
            return Err(format!("files of the form .{ending} are not read; write YAML, JSON or .pb"));
        }
        ending => from_text(content, matches!(ending, "yaml" | "yml"), options)?,
    };
    let at = At::root();
    extension::check(RESPONSE, &octets, &at, options).map_err(|rejection| rejection.to_string())?;
    let response: pb::DiscoveryResponse = proto::message(&octets, &at).map_err(|rejection| rejection.to_string())?;
    Ok(Response { version: response.version_info, resources: response.resources })
}

fn from_text(content: &[u8], is_yaml: bool, options: &Options) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is no UTF-8; write it as that".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = match is_yaml {
        true => {
            yaml_to_json(text).map_err(|reason| format!("it is no YAML: {}; correct it", discreet::shown(&reason)))?
        }
        false => lenient::without_trailing_commas(text).into_owned(),
    };
    let text = Zeroizing::new(text);
    let mut value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("it cannot be read: {}; correct it", discreet::of_json(&error)))?;
    let encoded = extension::encoded(&At::root(), RESPONSE, &value, options);
    wipe_value(&mut value);
    encoded.map(Zeroizing::new).map_err(|rejection| rejection.to_string())
}

impl Response {
    /// The one secret that is asked for, as octets of its message.
    ///
    /// # Errors
    /// There is none, or something else.
    pub fn only(self, name: &str) -> Result<Bytes, String> {
        let mut secrets: Vec<(String, Bytes)> = Vec::new();
        for resource in self.resources {
            secrets.push(opened(resource)?);
        }
        let count = secrets.len();
        let Some((inside, octets)) = secrets.pop() else {
            return Err(format!("Missing SDS resources for {name} in its file; write the secret there"));
        };
        if count > 1 {
            return Err(format!("there are {count} resources in the file of secret {name}; leave that one alone"));
        }
        if inside != name {
            return Err(format!("Unexpected SDS secret (expecting {name}): {}", discreet::shown(&inside)));
        }
        Ok(octets)
    }
}

/// A resource, whose octets are overwritten when they are let go, and the name inside.
fn opened(resource: wkt::Any) -> Result<(String, Bytes), String> {
    let wkt::Any { type_url, value } = resource;
    let octets = wiped(value);
    match extension::message_name(&type_url) {
        SECRET => Ok((proto::resource_name(&octets), octets)),
        WRAPPER => {
            let wrapper = pb::Resource::decode(&*octets);
            let inside = wrapper.ok().and_then(|wrapper| wrapper.resource);
            match inside.filter(|inside| extension::message_name(&inside.type_url) != WRAPPER) {
                Some(inside) => opened(inside),
                None => Err(format!("a {WRAPPER} holds no secret; give it one")),
            }
        }
        other => Err(format!("Unable to unpack as {SECRET}: it holds {}; write a secret", discreet::shown(other))),
    }
}

fn wipe_value(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe_value),
        Value::Object(fields) => fields.values_mut().for_each(wipe_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
