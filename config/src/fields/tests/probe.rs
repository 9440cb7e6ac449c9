//! Which fields the decoders look at: found by changing every field of every message in samples, one at a time, and looking
//! whether what comes out of the decoder changes. Messages that no sample holds are put in, as small as Envoy's rules allow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use envoy_types::pb::validate::{FieldRules, field_rules::Type};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};

use crate::descriptors::Descriptors;
use crate::options::Options;
use crate::registry;
use crate::schema::Message;

/// Names of a message and of one of its fields.
pub(super) type Place = (String, String);

/// How often a message is looked at in one field of another.
const SURROUNDINGS: usize = 2;

struct Sample {
    decode: fn(&[u8]) -> String,
    root: DynamicMessage,
}

#[derive(Clone)]
enum Step {
    Field(u32),
    Item(u32, usize),
    Key(u32, MapKey),
    Any,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Fields on which something depends.
    pub read: BTreeSet<Place>,
    /// Those of them that may be set.
    pub taken: BTreeSet<Place>,
    /// Every message that was reached.
    pub reached: BTreeSet<String>,
}

/// Looks at everything that the samples, and what can be put into them, reach.
pub(super) fn probe(skip: &BTreeSet<Place>) -> Found {
    let descriptors = Descriptors::all();
    let mut search = Search { descriptors, found: Found::default(), visits: BTreeMap::new(), skip };
    let mut queue: VecDeque<(Sample, Vec<Step>)> =
        search.samples().into_iter().map(|sample| (sample, Vec::new())).collect();
    while let Some((sample, path)) = queue.pop_front() {
        search.visit(&sample, &path, &mut queue);
    }
    search.found
}

struct Search<'a> {
    descriptors: Descriptors,
    found: Found,
    visits: BTreeMap<String, usize>,
    /// Fields that nobody looks into.
    skip: &'a BTreeSet<Place>,
}

impl Search<'_> {
    fn visit(&mut self, sample: &Sample, path: &[Step], queue: &mut VecDeque<(Sample, Vec<Step>)>) {
        let Some(message) = at(&sample.root, path) else { return };
        let descriptor = message.descriptor();
        let name = descriptor.full_name().to_owned();
        if name == "google.protobuf.Any" {
            let below = [path, &[Step::Any]].concat();
            return queue.push_back((sample.copy(), below));
        }
        let above = ancestors(&sample.root, path);
        // What carries an extension is another message with each of them.
        let bytes = message.encode_to_vec();
        let inner = memchr::memmem::rfind(&bytes, b"type.googleapis.com/")
            .map(|at| String::from_utf8_lossy(&bytes[at..]).into_owned());
        let inner =
            inner.map(|url| url.split(|letter: char| letter.is_control()).next().unwrap_or_default().to_owned());
        // And what is set beside a field may be what makes it count.
        let set: Vec<_> = message.fields().map(|(field, _)| field.number()).collect();
        // Each kind of resource has decoders of its own.
        let of = sample.root.descriptor();
        let surroundings = format!("{name} in {:?} of {} with {inner:?} and {set:?}", above.last(), of.full_name());
        let visits = self.visits.entry(surroundings).or_default();
        *visits += usize::from(!path.is_empty());
        if *visits > SURROUNDINGS || name.starts_with("google.protobuf.") {
            return;
        }
        self.found.reached.insert(name.clone());
        let base = sample.outcome();
        for field in descriptor.fields() {
            let place = (name.clone(), field.name().to_owned());
            let mut next = None;
            for value in self.values(&field, &message) {
                let changed = sample.with(path, &mut |message| match &value {
                    None => message.clear_field(&field),
                    Some(value) => message.set_field(&field, value.clone()),
                });
                let outcome = changed.outcome();
                if outcome != base {
                    self.found.read.insert(place.clone());
                    self.found.read.extend(above.iter().cloned());
                }
                if outcome != base && outcome.starts_with("Ok") {
                    self.found.taken.insert(place.clone());
                }
                if value.is_some() && outcome.starts_with("Ok") {
                    next.get_or_insert(changed);
                }
            }
            if self.skip.contains(&place) {
                continue;
            }
            let next = if message.has_field(&field) { Some(sample.copy()) } else { next };
            if let Some(next) = next {
                children(&next, path, &field, queue);
            }
        }
    }

    /// What a field may be instead of what it is; none is cleared.
    fn values(&mut self, field: &FieldDescriptor, message: &DynamicMessage) -> Vec<Option<Value>> {
        let mut values = if message.has_field(field) { vec![None] } else { Vec::new() };
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { return values };
            let one = self.singles(&entry.map_entry_value_field());
            values.extend(one.into_iter().map(|value| {
                Some(Value::Map([(MapKey::String("envoy.filters.http.cors".into()), value)].into_iter().collect()))
            }));
        } else if field.is_list() {
            let mut list = match &*message.get_field(field) {
                Value::List(list) => list.clone(),
                _ => Vec::new(),
            };
            for value in self.singles(field) {
                values.push(Some(Value::List(vec![value.clone()])));
                list.push(value);
                values.push(Some(Value::List(list.clone())));
                list.pop();
            }
        } else {
            values.extend(self.singles(field).into_iter().map(Some));
        }
        values
    }

    fn singles(&mut self, field: &FieldDescriptor) -> Vec<Value> {
        match field.kind() {
            Kind::Bool => vec![Value::Bool(true)],
            Kind::String => {
                ["probe", "/probe", "10.1.2.3", "%PROTOCOL%", "probe.example:80", "GET,PUT", "0a".repeat(32).as_str()]
                    .iter()
                    .map(|text| Value::String((*text).to_owned()))
                    .collect()
            }
            Kind::Bytes => vec![Value::Bytes(bytes::Bytes::from_static(b"probe"))],
            Kind::Float => vec![Value::F32(3.0)],
            Kind::Double => vec![Value::F64(3.0)],
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => [3, 251].map(Value::I32).to_vec(),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => [3, 251].map(Value::I64).to_vec(),
            Kind::Uint32 | Kind::Fixed32 => [3, 251, 99_999].map(Value::U32).to_vec(),
            Kind::Uint64 | Kind::Fixed64 => [3, 251, 9_999_991].map(Value::U64).to_vec(),
            Kind::Enum(of) => of.values().map(|value| Value::EnumNumber(value.number())).collect(),
            Kind::Message(of) => self.messages(&of),
        }
    }

    fn messages(&mut self, of: &MessageDescriptor) -> Vec<Value> {
        let json = |values: &[&str]| {
            let parsed = values.iter().map(|text| {
                let mut parser = serde_json::Deserializer::from_str(text);
                Value::Message(DynamicMessage::deserialize(of.clone(), &mut parser).unwrap())
            });
            parsed.collect::<Vec<_>>()
        };
        match of.full_name() {
            "google.protobuf.Duration" => json(&["\"7s\"", "\"0s\"", "\"86400.5s\""]),
            "google.protobuf.Timestamp" => json(&["\"2030-01-01T00:00:00Z\""]),
            "google.protobuf.BoolValue" => json(&["true", "false"]),
            "google.protobuf.StringValue" => json(&["\"probe\""]),
            "google.protobuf.BytesValue" => json(&["\"AAAA\""]),
            name if name.ends_with("Value")
                && name.starts_with("google.protobuf.")
                && name != "google.protobuf.Value"
                && name != "google.protobuf.ListValue" =>
            {
                json(&["3", "251", "99"])
            }
            "google.protobuf.Struct" => json(&["{\"probe\": 1}"]),
            "google.protobuf.Any" => json(&["{\"@type\": \"type.googleapis.com/google.rpc.Status\", \"code\": 3}"]),
            "envoy.config.core.v3.Address" => json(&[
                "{\"socket_address\": {\"address\": \"10.1.2.3\", \"port_value\": 81}}",
                "{\"pipe\": {\"path\": \"/probe\"}}",
            ]),
            "envoy.config.core.v3.DataSource" => {
                json(&["{\"inline_string\": \"probe\"}", "{\"filename\": \"/probe\"}"])
            }
            "envoy.type.matcher.v3.RegexMatcher" => json(&["{\"regex\": \"probe\"}"]),
            "envoy.config.core.v3.ConfigSource" => json(&["{\"ads\": {}, \"resource_api_version\": \"V3\"}"]),
            _ => vec![Value::Message(self.minimal(of, 0))],
        }
    }

    /// A message that Envoy's rules allow, with as little in it as possible.
    fn minimal(&mut self, of: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        let Some(known) = Message::named(of.full_name()).filter(|_| depth < 5) else { return message };
        let mut chosen = BTreeSet::new();
        for field in known.fields() {
            let rules = FieldRules::decode(field.rules()).unwrap_or_default();
            let required = rules.message.is_some_and(|message| message.required());
            let demanded = match &rules.r#type {
                Some(Type::String(rules)) => rules.min_len() > 0 || rules.min_bytes() > 0,
                Some(Type::Repeated(rules)) => rules.min_items() > 0,
                Some(Type::Uint32(rules)) => rules.gt.is_some() || rules.gte() > 0,
                Some(Type::Duration(rules)) => rules.required(),
                Some(Type::Any(rules)) => rules.required(),
                _ => false,
            };
            let first = field.oneof().is_some_and(|oneof| chosen.insert(oneof));
            if first || ((required || demanded) && !field.is_choice()) {
                let descriptor = of.get_field(field.number()).unwrap();
                let value = match descriptor.kind() {
                    Kind::Message(inner)
                        if !inner.full_name().starts_with("google.protobuf.")
                            && inner.full_name() != "envoy.config.core.v3.Address" =>
                    {
                        Some(Value::Message(self.minimal(&inner, depth + 1)))
                    }
                    _ => self.singles(&descriptor).into_iter().next(),
                };
                if let Some(value) = value {
                    let value = if descriptor.is_list() { Value::List(vec![value]) } else { value };
                    if !descriptor.is_map() {
                        message.set_field(&descriptor, value);
                    }
                }
            }
        }
        message
    }

    fn samples(&mut self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut add = |descriptors: &mut Descriptors, name: &str, bytes: &[u8]| {
            let decode: fn(&[u8]) -> String = match name.rsplit('.').next().unwrap_or_default() {
                "Cluster" => |bytes| format!("{:?}", crate::cluster::decode(bytes, &unchecked())),
                "Listener" => |bytes| format!("{:?}", crate::listener::decode(bytes, &unchecked())),
                "RouteConfiguration" => |bytes| format!("{:?}", crate::route::decode(bytes, &unchecked())),
                "ClusterLoadAssignment" => |bytes| format!("{:?}", crate::endpoint::decode(bytes, &unchecked())),
                "Secret" => |bytes| format!("{:?}", secret(bytes)),
                "Bootstrap" => |bytes| crate::bootstrap::tests::probed(bytes),
                other => panic!("{other}"),
            };
            let descriptor = descriptors.message(name).unwrap();
            samples.push(Sample { decode, root: DynamicMessage::decode(descriptor, bytes).unwrap() });
        };
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        for folder in ["fields", "translation"] {
            let mut files: Vec<_> =
                std::fs::read_dir(testdata.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
                let text = std::fs::read_to_string(path).unwrap();
                let file: serde_json::Value =
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let alone = std::slice::from_ref(&file);
                for resource in file.as_array().map_or(alone, Vec::as_slice) {
                    let bytes =
                        crate::dump::encode(resource).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    add(
                        &mut self.descriptors,
                        crate::extension::message_name(resource["@type"].as_str().unwrap()),
                        &bytes,
                    );
                }
            }
        }
        samples.extend(self.filters());
        samples
    }

    /// The configs of filters, each in an `Any`.
    fn filters(&mut self) -> Vec<Sample> {
        use crate::filters::tests::{files, kind, probed};
        let any = self.descriptors.message("google.protobuf.Any").unwrap();
        let mut samples = Vec::new();
        for case in files().into_iter().flat_map(|(_, cases)| cases).filter(|case| case["bad"] != true) {
            let decode: fn(&[u8]) -> String = match kind(&case) {
                registry::Kind::PerRoute => |bytes| probed(registry::Kind::PerRoute, bytes),
                registry::Kind::NetworkFilter => |bytes| probed(registry::Kind::NetworkFilter, bytes),
                _ => |bytes| probed(registry::Kind::HttpFilter, bytes),
            };
            let mut root = DynamicMessage::new(any.clone());
            root.set_field_by_name("type_url", Value::String(case["config"]["@type"].as_str().unwrap().to_owned()));
            root.set_field_by_name("value", Value::Bytes(crate::dump::encode(&case["config"]).unwrap().into()));
            samples.push(Sample { decode, root });
        }
        samples
    }
}

impl Options {
    /// Nothing is checked before it is decoded, so that one sees what decoders do themselves.
    pub(crate) fn unchecked() -> Self {
        let mut options = Self::default();
        options.checks = |_, _, _, _| Ok(());
        let values = [("probe", "7"), ("probe.a", "7"), ("probe.b", "7"), ("/probe", "true"), ("10.1.2.3", "451")];
        let values = values.map(|(key, value)| (key.into(), value.into()));
        options.runtime = std::sync::Arc::new(crate::runtime::Runtime::new(values));
        options.node_metadata = std::sync::Arc::new(serde_json::json!({ "probe": { "label": "value" } }));
        options
    }
}

fn unchecked() -> Options {
    Options::unchecked()
}

/// Keys and certificates are not printed by `Debug`: their lengths are looked at instead.
fn secret(bytes: &[u8]) -> String {
    format!("{:?}", crate::secret::decode(bytes, &unchecked()))
}

fn children(sample: &Sample, path: &[Step], field: &FieldDescriptor, queue: &mut VecDeque<(Sample, Vec<Step>)>) {
    let Some(message) = at(&sample.root, path) else { return };
    let mut push = |step| queue.push_back((sample.copy(), [path, &[step]].concat()));
    match &*message.get_field(field) {
        Value::Message(_) => push(Step::Field(field.number())),
        Value::List(items) => {
            (0..items.len())
                .filter(|index| matches!(items[*index], Value::Message(_)))
                .for_each(|index| push(Step::Item(field.number(), index)));
        }
        Value::Map(entries) => {
            entries
                .iter()
                .filter(|(_, value)| matches!(value, Value::Message(_)))
                .for_each(|(key, _)| push(Step::Key(field.number(), key.clone())));
        }
        _ => {}
    }
}

impl Sample {
    fn copy(&self) -> Sample {
        Sample { decode: self.decode, root: self.root.clone() }
    }

    fn outcome(&self) -> String {
        (self.decode)(&self.root.encode_to_vec())
    }

    fn with(&self, path: &[Step], change: &mut dyn FnMut(&mut DynamicMessage)) -> Sample {
        let mut changed = self.copy();
        walk(&mut changed.root, path, change);
        changed
    }
}

/// The fields that a path goes through.
fn ancestors(root: &DynamicMessage, path: &[Step]) -> Vec<Place> {
    let number = |step: &Step| match step {
        Step::Field(number) | Step::Item(number, _) | Step::Key(number, _) => Some(*number),
        Step::Any => None,
    };
    let steps = path.iter().enumerate().filter_map(|(index, step)| Some((at(root, &path[..index])?, number(step)?)));
    steps
        .filter_map(|(message, number)| {
            let field = message.descriptor().get_field(number)?;
            Some((message.descriptor().full_name().to_owned(), field.name().to_owned()))
        })
        .collect()
}

/// A copy of the message at a path.
fn at(root: &DynamicMessage, path: &[Step]) -> Option<DynamicMessage> {
    let mut found = None;
    walk(&mut root.clone(), path, &mut |message| found = Some(message.clone()));
    found
}

fn walk(message: &mut DynamicMessage, path: &[Step], act: &mut dyn FnMut(&mut DynamicMessage)) {
    let Some((step, rest)) = path.split_first() else { return act(message) };
    let value = match step {
        Step::Any => {
            let url = message.get_field_by_name("type_url").unwrap().as_str().unwrap().to_owned();
            let body = message.get_field_by_name("value").unwrap().as_bytes().unwrap().clone();
            let inner = message.descriptor().parent_pool().get_message_by_name(crate::extension::message_name(&url));
            let Some(Ok(mut inner)) = inner.map(|inner| DynamicMessage::decode(inner, body)) else { return };
            walk(&mut inner, rest, act);
            return message.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
        }
        Step::Field(number) => message.get_field_by_number_mut(*number),
        Step::Item(number, index) => match message.get_field_by_number_mut(*number) {
            Some(Value::List(items)) => items.get_mut(*index),
            _ => None,
        },
        Step::Key(number, key) => match message.get_field_by_number_mut(*number) {
            Some(Value::Map(entries)) => entries.get_mut(key),
            _ => None,
        },
    };
    if let Some(Value::Message(inner)) = value {
        walk(inner, rest, act);
    }
}
