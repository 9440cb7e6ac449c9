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

use super::members::{Members, Unique};
use super::{Bootstrap, BootstrapError, StaticResource, translate, yaml};
use crate::descriptors::Descriptors;
use crate::discreet;
use crate::json::{self, Fault, Unknown, lenient};
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

/// What texts say, as far as they can be read, and all that is wrong with them.
#[derive(Debug)]
pub struct Examined {
    /// What could be read. With faults it is good for finding more of them, and for nothing else.
    pub bootstrap: Option<Bootstrap>,
    /// What is wrong, in the order of the texts.
    pub faults: Vec<BootstrapError>,
    /// Names of static clusters that could not be read: who names one names a cluster that is meant to be there.
    pub unread_clusters: Vec<Arc<str>>,
}

/// Reads the sources; each later one is merged over those before, as protobuf merges messages: lists grow, scalars are
/// replaced, messages are merged.
///
/// # Errors
/// All that is wrong with them.
pub fn load(sources: &[Source<'_>], unknown_fields: UnknownFields) -> Result<Bootstrap, BootstrapError> {
    let Examined { bootstrap, mut faults, .. } = examine(sources, unknown_fields);
    match (bootstrap, faults.len()) {
        (Some(bootstrap), 0) => Ok(bootstrap),
        (_, 1) => Err(faults.remove(0)),
        _ => Err(BootstrapError::Several(faults)),
    }
}

/// The same, and what is wrong keeps nothing else from being looked at.
pub fn examine(sources: &[Source<'_>], unknown_fields: UnknownFields) -> Examined {
    let mut statics = Statics::default();
    let mut faults = Vec::new();
    let mut unknown = Vec::new();
    let proto = merged(sources, unknown_fields, &mut statics, (&mut faults, &mut unknown));
    let unread_clusters = std::mem::take(&mut statics.unread_clusters);
    let Some(proto) = proto else { return Examined { bootstrap: None, faults, unread_clusters } };
    // Which of the merged texts a field came from is not known any more.
    let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
    let field = |rejection| BootstrapError::Field { file: names.join(" merged with "), rejection };
    faults.extend(duplicates("clusters", &statics.clusters).map(field));
    faults.extend(duplicates("secrets", &statics.secrets).map(field));
    let bootstrap = match translate::bootstrap(&proto, statics.clone(), unknown_fields) {
        Ok(bootstrap) => Some(bootstrap),
        Err(rejection) => {
            faults.extend(translate::each(&proto, &statics, unknown_fields, rejection).into_iter().map(field));
            let rest = pb::Bootstrap { node: proto.node, ..pb::Bootstrap::default() };
            translate::bootstrap(&rest, statics, unknown_fields).ok()
        }
    };
    let bootstrap = bootstrap.map(|bootstrap| Bootstrap { unknown, ..bootstrap });
    Examined { bootstrap, faults, unread_clusters }
}

/// All that is no static resource, as one message; `None` if there is nothing to be read.
fn merged(
    sources: &[Source<'_>],
    unknown_fields: UnknownFields,
    statics: &mut Statics,
    (faults, unknown): (&mut Vec<BootstrapError>, &mut Vec<String>),
) -> Option<pb::Bootstrap> {
    let mut merged = Vec::new();
    let mut descriptors = Descriptors::new();
    let deny_unknown = unknown_fields == UnknownFields::Reject;
    for source in sources {
        let mut reader = Reader { source, descriptors: &mut descriptors, deny_unknown, faults, unknown };
        // Encoded messages that stand behind one another are merged by whoever decodes them.
        match reader.read(statics) {
            Ok(rest) => merged.extend(rest),
            Err(error) => {
                faults.push(error);
                return None;
            }
        }
    }
    pb::Bootstrap::decode(merged.as_slice())
        .inspect_err(|error| {
            let rejection = crate::proto::not_a_message(&At::root(), error);
            faults.push(BootstrapError::Field {
                file: sources.first().map_or("", |source| source.name).into(),
                rejection,
            });
        })
        .ok()
}

/// Fields without which the others of a resource mean something else.
const DECIDING: [&str; 11] = [
    "name",
    "type",
    "cluster_type",
    "clusterType",
    "load_assignment",
    "loadAssignment",
    "address",
    "filter_chains",
    "filterChains",
    "default_filter_chain",
    "defaultFilterChain",
];

const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";

/// Static resources of all sources.
#[derive(Debug, Default, Clone)]
pub(super) struct Statics {
    pub clusters: Vec<StaticResource>,
    pub listeners: Vec<StaticResource>,
    pub secrets: Vec<StaticResource>,
    unread_clusters: Vec<Arc<str>>,
}

struct Reader<'a> {
    source: &'a Source<'a>,
    descriptors: &'a mut Descriptors,
    deny_unknown: bool,
    /// What is wrong within fields; the others are read on.
    faults: &'a mut Vec<BootstrapError>,
    /// What was left out.
    unknown: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Adds the source's static resources and returns the encoding of all else.
    fn read(&mut self, statics: &mut Statics) -> Result<Vec<u8>, BootstrapError> {
        let (text, format) = json_text(self.source)?;
        if matches!(text.trim(), "" | "null") {
            let reason = "it is empty; a bootstrap needs at least static_resources or dynamic_resources";
            return Err(self.syntax(format, reason.to_owned()));
        }
        if self.source.is_json {
            let unique = serde_json::from_str::<Unique>(&text).map(drop);
            unique.map_err(|error| self.syntax(format, mend(self.source, &discreet::of_json(&error))))?;
        }
        let members: Members<'_> = serde_json::from_str(&text)
            .map_err(|error| self.syntax(format, mend(self.source, &discreet::of_json(&error))))?;
        let mut rest = Vec::new();
        for (key, value) in members.0 {
            if matches!(&*key, "static_resources" | "staticResources") && value.get() != "null" {
                match serde_json::from_str::<Members<'_>>(value.get()) {
                    Ok(inner) => inner.0.iter().for_each(|(key, value)| self.static_list(key, value, statics)),
                    Err(error) => self.faults.push(self.not_an_object("static_resources", &error)),
                }
            } else {
                rest.push((key, value));
            }
        }
        Ok(self.encoded(&rest))
    }

    /// A message. What it has not is an error, or left out and told with its place.
    fn message(&mut self, type_name: &str, text: &str, place: impl FnOnce(&str) -> String) -> Result<Vec<u8>, Fault> {
        match json::encode_text(self.descriptors, type_name, text, true) {
            Err(_) if !self.deny_unknown => {
                let body = json::encode_text(self.descriptors, type_name, text, false)?;
                let unknown = json::unknown_fields(self.descriptors, type_name, text);
                if let Some(refusal) = unknown.iter().find_map(Unknown::refusal) {
                    return Err(refusal);
                }
                if !unknown.is_empty() {
                    self.left_out(&place(text), &unknown);
                }
                Ok(body)
            }
            read => read,
        }
    }

    fn left_out(&mut self, place: &str, fields: &[Unknown]) {
        let dot = if place.is_empty() { "" } else { "." };
        self.unknown.extend(fields.iter().map(|Unknown { path, of, .. }| {
            format!(
                "{}: Unknown field {place}{dot}{path}: {of} has none of that name, and it is left out",
                self.source.name
            )
        }));
    }

    /// The members as a message. Where that fails, each is looked at alone, and those that are good are.
    fn encoded(&mut self, members: &[(Cow<'_, str>, &RawValue)]) -> Vec<u8> {
        match self.message(BOOTSTRAP, &object(members), |_| String::new()) {
            Ok(whole) => whole,
            Err(fault) if members.len() < 2 => {
                self.faults.push(self.field(fault));
                Vec::new()
            }
            Err(_) => members.iter().flat_map(|member| self.encoded(std::slice::from_ref(member))).collect(),
        }
    }

    fn static_list(&mut self, key: &str, value: &RawValue, statics: &mut Statics) {
        let (list, name, type_name) = match key {
            "clusters" => (&mut statics.clusters, "clusters", "envoy.config.cluster.v3.Cluster"),
            "listeners" => (&mut statics.listeners, "listeners", "envoy.config.listener.v3.Listener"),
            "secrets" => (&mut statics.secrets, "secrets", "envoy.extensions.transport_sockets.tls.v3.Secret"),
            _ => {
                let of = format!("{BOOTSTRAP}.StaticResources");
                let path = format!("static_resources.{}", discreet::shown(key));
                let unknown = json::unknown(path, of, value.get());
                let fault = match unknown.refusal() {
                    None if !self.deny_unknown => return self.left_out("", &[unknown]),
                    None => Fault { reason: "no such field; check its spelling (--allow-unknown-static-fields would leave it out, whatever it is to do)".to_owned(), path: unknown.path },
                    Some(refusal) => refusal,
                };
                return self.faults.push(self.field(fault));
            }
        };
        if value.get() == "null" {
            return;
        }
        // As protobuf's parser: one is a list of one.
        let read = if value.get().starts_with('{') { Ok(vec![value]) } else { serde_json::from_str(value.get()) };
        let Ok(slices): Result<Vec<&RawValue>, _> = read else {
            let reason = "is not a list; put what it holds in [ ]".to_owned();
            return self.faults.push(self.field(Fault { path: format!("static_resources.{name}"), reason }));
        };
        let file: Arc<str> = Arc::from(self.source.name);
        list.reserve(slices.len());
        let root = At::root();
        let at = root.field("static_resources");
        let at = at.field(name);
        for (index, slice) in slices.into_iter().enumerate() {
            match self.message(type_name, slice.get(), |text| {
                let resource = name_in(text);
                if resource.is_empty() { at.index(index).to_string() } else { at.key(&resource).to_string() }
            }) {
                Ok(body) => {
                    list.push(StaticResource { name: name_of(&body), body: Bytes::from(body), file: file.clone() });
                }
                Err(fault) => {
                    let resource = name_in(slice.get());
                    let at = if resource.is_empty() { at.index(index) } else { at.key(&resource) };
                    let (faults, rest) = self.taken_apart(type_name, slice.get(), fault);
                    let told = faults.into_iter().map(|fault| fault.below(&at));
                    let file_name = file.to_string();
                    self.faults
                        .extend(told.map(|rejection| BootstrapError::Field { file: file_name.clone(), rejection }));
                    // Of a secret that holds nothing readable there is nothing more to say.
                    list.extend(rest.filter(|_| name != "secrets").map(|body| StaticResource {
                        name: name_of(&body),
                        body: Bytes::from(body),
                        file: file.clone(),
                    }));
                    if name == "clusters" {
                        statics.unread_clusters.push(resource.into());
                    }
                }
            }
        }
    }

    /// All fields of a resource that cannot be read, and the others, where they can be judged without these.
    fn taken_apart(&mut self, type_name: &str, text: &str, whole: Fault) -> (Vec<Fault>, Option<Vec<u8>>) {
        let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return (vec![whole], None) };
        let (mut faults, mut rest, mut is_judged) = (Vec::new(), Vec::new(), true);
        for member in members.0 {
            match self.message(type_name, &object(std::slice::from_ref(&member)), |_| String::new()) {
                Ok(body) => rest.extend(body),
                Err(fault) => {
                    // What a name that there is not stands for, nobody knows.
                    let unknown =
                        json::unknown_fields(self.descriptors, type_name, &object(std::slice::from_ref(&member)));
                    let is_known = unknown.iter().all(|unknown| unknown.path.contains(['.', '[']));
                    is_judged &= is_known && !DECIDING.contains(&&*member.0);
                    faults.push(fault);
                }
            }
        }
        // Each is good by itself: two of them are not, together.
        if faults.is_empty() {
            return (vec![whole], None);
        }
        (faults, is_judged.then_some(rest))
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

/// Each resource that has the name of an earlier one.
fn duplicates<'a>(list: &'a str, resources: &'a [StaticResource]) -> impl Iterator<Item = Rejection> + 'a {
    let mut seen = BTreeSet::new();
    let again = move |(_, resource): &(usize, &StaticResource)| !seen.insert(resource.name.clone());
    resources.iter().enumerate().filter(again).map(move |(index, resource)| Rejection {
        path: format!("static_resources.{list}[{index}].name"),
        withholds_policy: false,
        is_unsupported: false,
        reason: format!("{:?} is the name of an earlier one; names are unique", discreet::shown(&resource.name)),
    })
}
