//! Bootstrap text to messages: JSON or YAML, `--config-yaml` merged over the file, static resources one at a time.
//!
//! A bootstrap may carry thousands of static clusters. Each is cut out of the text as it stands, turned into its message's bytes and forgotten, so
//! that neither a tree of values nor one great dynamic message is ever in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::bootstrap::v3 as pb;
use prost::Message as _;
use serde_json::value::RawValue;

use super::{Bootstrap, BootstrapError, StaticResource, decode, yaml};
use crate::descriptors::Descriptors;
use crate::json::{self, lenient};
use crate::options::UnknownFields;
use crate::rejection::{At, Rejection};

/// A piece of configuration text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// File name, or what the text is; begins every message about it.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
    /// JSON; otherwise YAML.
    pub is_json: bool,
}

/// Reads a bootstrap. Later sources are merged over earlier ones as protobuf merges: lists grow, single fields are replaced, messages merge.
///
/// # Errors
/// The file and line of text that cannot be parsed; the file and field that is unknown or wrong.
pub fn load(sources: &[Source<'_>], unknown_fields: UnknownFields) -> Result<Bootstrap, BootstrapError> {
    let mut descriptors = Descriptors::new();
    let mut statics = Statics::default();
    // One encoded message behind another is their merge, by the definition of the encoding.
    let mut merged = Vec::new();
    for source in sources {
        let mut reader =
            Reader { source, descriptors: &mut descriptors, deny_unknown: unknown_fields == UnknownFields::Reject };
        merged.extend(reader.read(&mut statics)?);
    }
    drop(descriptors);
    let file = sources.first().map_or("bootstrap", |source| source.name);
    let in_file = |rejection| BootstrapError::Field { file: file.to_owned(), rejection };
    let proto: pb::Bootstrap =
        pb::Bootstrap::decode(merged.as_slice()).map_err(|error| in_file(At::root().reject(error.to_string())))?;
    decode::from_proto(&proto, statics).map_err(in_file)
}

/// Static resources, encoded.
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

type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl Reader<'_> {
    fn read(&mut self, statics: &mut Statics) -> Result<Vec<u8>, BootstrapError> {
        let text: Cow<'_, str> = if self.source.is_json {
            lenient::without_trailing_commas(self.source.text)
        } else {
            let value = yaml::parse(self.source.text).map_err(|reason| self.syntax(reason))?;
            Cow::Owned(value.to_string())
        };
        if text.trim().is_empty() || text == "null" {
            return Err(
                self.syntax("it is empty; a bootstrap needs at least static_resources or dynamic_resources".to_owned())
            );
        }
        let mut fields: Fields<'_> = serde_json::from_str(&text).map_err(|error| self.syntax(error.to_string()))?;
        for name in ["static_resources", "staticResources"] {
            if let Some(resources) = fields.remove(name) {
                self.statics(resources, statics)?;
            }
        }
        let rest = serde_json::to_string(&fields).map_err(|error| self.syntax(error.to_string()))?;
        json::encode_text(self.descriptors, "envoy.config.bootstrap.v3.Bootstrap", &rest, self.deny_unknown)
            .map_err(|fault| self.field(fault.below(&At::root())))
    }

    fn statics(&mut self, resources: &RawValue, statics: &mut Statics) -> Result<(), BootstrapError> {
        let lists: Fields<'_> = serde_json::from_str(resources.get())
            .map_err(|error| self.field(At::root().field("static_resources").reject(error.to_string())))?;
        for (list, resources) in lists {
            let (into, type_name) = match &*list {
                "clusters" => (&mut statics.clusters, "envoy.config.cluster.v3.Cluster"),
                "listeners" => (&mut statics.listeners, "envoy.config.listener.v3.Listener"),
                "secrets" => (&mut statics.secrets, "envoy.extensions.transport_sockets.tls.v3.Secret"),
                _ if self.deny_unknown => {
                    let root = At::root();
                    let at = root.field("static_resources");
                    return Err(self.field(
                        at.field(&list).reject("no such field; remove it or start with --allow-unknown-static-fields"),
                    ));
                }
                _ => continue,
            };
            self.list(&list, resources, type_name, into)?;
        }
        Ok(())
    }

    fn list(
        &mut self,
        list: &str,
        resources: &RawValue,
        type_name: &str,
        into: &mut Vec<StaticResource>,
    ) -> Result<(), BootstrapError> {
        let root = At::root();
        let statics = root.field("static_resources");
        let at = statics.field(list);
        let resources: Option<Vec<&RawValue>> =
            serde_json::from_str(resources.get()).map_err(|error| self.field(at.reject(error.to_string())))?;
        for (index, resource) in resources.unwrap_or_default().into_iter().enumerate() {
            let name = serde_json::from_str::<Named>(resource.get()).map(|named| named.name).unwrap_or_default();
            let body =
                json::encode_text(self.descriptors, type_name, resource.get(), self.deny_unknown).map_err(|fault| {
                    let path = if name.is_empty() { at.index(index) } else { at.key(&name) };
                    self.field(fault.below(&path))
                })?;
            into.push(StaticResource { name: name.as_str().into(), body: body.into() });
        }
        Ok(())
    }

    fn syntax(&self, reason: String) -> BootstrapError {
        let format = if self.source.is_json { "JSON" } else { "YAML" };
        BootstrapError::Syntax { file: self.source.name.to_owned(), format, reason }
    }

    fn field(&self, rejection: Rejection) -> BootstrapError {
        BootstrapError::Field { file: self.source.name.to_owned(), rejection }
    }
}

/// What of a resource is needed before it is decoded.
#[derive(serde::Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}
