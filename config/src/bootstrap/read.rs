//! Reads bootstrap text, JSON or YAML, one source merged over another, to a [`Bootstrap`]. Called by the proxy at its start and by
//! `--mode validate`; the files themselves are read there.
//!
//! Static resources are taken one by one: slices of the text become messages, then bytes, and the message is dropped before
//! the next. A file with thousands of clusters so costs little more memory than its own length. The rest is one small message.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use serde_json::value::RawValue;

use super::members::Members;
use super::{Bootstrap, BootstrapError, StaticResource, translate, yaml};
use crate::descriptors::Descriptors;
use crate::discreet;
use crate::json::{self, Fault, lenient};
use crate::options::UnknownFields;
use crate::proto::bootstrap::v3 as pb;
use crate::rejection::{At, Rejection};

/// One text of a bootstrap.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file, or the option it was given with; errors name it.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
    /// JSON; otherwise YAML.
    pub is_json: bool,
}

/// Reads the sources; each later one is merged over those before, as protobuf merges messages: lists grow, scalars are
/// replaced, messages are merged.
pub fn load(sources: &[Source<'_>], unknown_fields: UnknownFields) -> Result<Bootstrap, BootstrapError> {
    let mut merged = Vec::new();
    let mut statics = Statics::default();
    let mut descriptors = Descriptors::new();
    let deny_unknown = unknown_fields == UnknownFields::Reject;
    for source in sources {
        let mut reader = Reader { source, descriptors: &mut descriptors, deny_unknown };
        // Encoded messages that stand behind one another are merged by whoever decodes them.
        merged.extend(reader.read(&mut statics)?);
    }
    drop(descriptors);
    // Which of the merged texts a field came from is not known any more.
    let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
    let field = |rejection| BootstrapError::Field { file: names.join(" merged with "), rejection };
    let proto = pb::Bootstrap::decode(merged.as_slice())
        .map_err(|error| field(crate::proto::not_a_message(&At::root(), &error)))?;
    drop(merged);
    unique_names("clusters", &statics.clusters).map_err(field)?;
    unique_names("secrets", &statics.secrets).map_err(field)?;
    translate::bootstrap(&proto, statics, unknown_fields).map_err(field)
}

/// Static resources of all sources.
#[derive(Debug, Default)]
pub(super) struct Statics {
    pub clusters: Vec<StaticResource>,
    pub listeners: Vec<StaticResource>,
    pub secrets: Vec<StaticResource>,
}

struct Reader<'a> {
    source: &'a Source<'a>,
    descriptors: &'a mut Descriptors,
    deny_unknown: bool,
}

impl Reader<'_> {
    /// Adds the source's static resources and returns the encoding of all else.
    fn read(&mut self, statics: &mut Statics) -> Result<Vec<u8>, BootstrapError> {
        let (text, format) = json_text(self.source)?;
        if matches!(text.trim(), "" | "null") {
            let reason = "it is empty; a bootstrap needs at least static_resources or dynamic_resources";
            return Err(self.syntax(format, reason.to_owned()));
        }
        let members: Members<'_> = serde_json::from_str(&text)
            .map_err(|error| self.syntax(format, mend(self.source, &discreet::of_json(&error))))?;
        let mut rest = Vec::new();
        for (key, value) in members.0 {
            if matches!(&*key, "static_resources" | "staticResources") && value.get() != "null" {
                let inner: Members<'_> = serde_json::from_str(value.get())
                    .map_err(|error| self.not_an_object("static_resources", &error))?;
                for (key, value) in inner.0 {
                    self.static_list(&key, value, statics)?;
                }
            } else {
                rest.push((key, value));
            }
        }
        let rest = object(&rest);
        json::encode_text(self.descriptors, "envoy.config.bootstrap.v3.Bootstrap", &rest, self.deny_unknown)
            .map_err(|fault| self.field(fault))
    }

    fn static_list(&mut self, key: &str, value: &RawValue, statics: &mut Statics) -> Result<(), BootstrapError> {
        let (list, name, type_name) = match key {
            "clusters" => (&mut statics.clusters, "clusters", "envoy.config.cluster.v3.Cluster"),
            "listeners" => (&mut statics.listeners, "listeners", "envoy.config.listener.v3.Listener"),
            "secrets" => (&mut statics.secrets, "secrets", "envoy.extensions.transport_sockets.tls.v3.Secret"),
            _ if self.deny_unknown => {
                let reason =
                    "no such field; check its spelling, or start with --allow-unknown-static-fields".to_owned();
                return Err(self.field(Fault { path: format!("static_resources.{}", discreet::shown(key)), reason }));
            }
            _ => return Ok(()),
        };
        if value.get() == "null" {
            return Ok(());
        }
        let slices: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| {
            self.field(Fault {
                path: format!("static_resources.{name}"),
                reason: "is not a list; put what it holds in [ ]".to_owned(),
            })
        })?;
        let file: Arc<str> = Arc::from(self.source.name);
        list.reserve(slices.len());
        let root = At::root();
        let at = root.field("static_resources");
        let at = at.field(name);
        for (index, slice) in slices.into_iter().enumerate() {
            let encoded = json::encode_text(self.descriptors, type_name, slice.get(), self.deny_unknown);
            let body = encoded.map_err(|fault| {
                let resource = name_in(slice.get());
                let at = if resource.is_empty() { at.index(index) } else { at.key(&resource) };
                BootstrapError::Field { file: file.to_string(), rejection: fault.below(&at) }
            })?;
            list.push(StaticResource { name: name_of(&body), body: Bytes::from(body), file: file.clone() });
        }
        Ok(())
    }

    fn syntax(&self, format: &'static str, reason: String) -> BootstrapError {
        BootstrapError::Syntax { file: self.source.name.to_owned(), format, reason }
    }

    fn field(&self, fault: Fault) -> BootstrapError {
        BootstrapError::Field { file: self.source.name.to_owned(), rejection: fault.below(&At::root()) }
    }

    fn not_an_object(&self, path: &str, error: &serde_json::Error) -> BootstrapError {
        let error = discreet::of_json(error);
        let reason = format!("cannot be read: {}; correct it", error.split(" at line ").next().unwrap_or_default());
        self.field(Fault { path: path.to_owned(), reason })
    }
}

/// The source as strict JSON text, and what it was.
fn json_text<'a>(source: &Source<'a>) -> Result<(Cow<'a, str>, &'static str), BootstrapError> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
    if source.is_json {
        return Ok((lenient::without_trailing_commas(text), "JSON"));
    }
    let syntax = |reason: String| BootstrapError::Syntax {
        file: source.name.to_owned(),
        format: "YAML",
        reason: mend(source, &discreet::shown(&reason)),
    };
    yaml::to_json(text).map(|text| (Cow::Owned(text), "YAML")).map_err(syntax)
}

/// The parser's sentence, and what to do.
fn mend(source: &Source<'_>, error: &dyn std::fmt::Display) -> String {
    let other = if source.is_json { ", or name the file .yaml if it is YAML" } else { "" };
    format!("{error}; correct it there{other}")
}

/// The members as one object again.
pub(super) fn object(members: &[(Cow<'_, str>, &RawValue)]) -> String {
    let mut text = String::from("{");
    for (key, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(key.as_ref()).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    text
}

/// `name` is field 1 of clusters, listeners and secrets.
fn name_of(body: &[u8]) -> Arc<str> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Named {
        #[prost(string, tag = "1")]
        name: String,
    }
    Arc::from(Named::decode(body).unwrap_or_default().name)
}

/// The name of a resource that did not become a message.
fn name_in(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    value.get("name").and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

fn unique_names(list: &str, resources: &[StaticResource]) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    match resources.iter().position(|resource| !seen.insert(resource.name.clone())) {
        None => Ok(()),
        Some(index) => {
            let path = format!("static_resources.{list}[{index}].name");
            Err(Rejection {
                path,
                withholds_policy: false,
                reason: format!(
                    "{:?} is the name of an earlier one; names are unique",
                    discreet::shown(&resources[index].name)
                ),
            })
        }
    }
}
