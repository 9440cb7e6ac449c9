//! `schema.bin`: every message's fields with what the options say of them, in a form that is used as it lies
//! (`src/schema.rs` reads it; both must agree on the layout, which `what_is_read_is_what_was_written` there holds to a sample).
//!
//! Numbers are little-endian. A header of five `u32`: where the fields, oneofs, enums, enum values and texts begin; then messages,
//! sorted by name, of 20 octets; fields in their order of declaration, of 20; oneofs that are required, of 8; enums, of 8; values, of 4; texts.

use std::collections::{BTreeMap, HashMap};

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto};

use crate::compile::Compiled;

const REPEATED: u8 = 1;
const MAP: u8 = 2;
const SENSITIVE: u8 = 4;
const CHOICE: u8 = 8;
const UNRULED: u16 = 1;
const NONE: u16 = u16::MAX;
const NO_ONEOF: u8 = u8::MAX;

#[derive(Default)]
struct Schema<'a> {
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
    texts: Texts,
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    known: HashMap<Vec<u8>, usize>,
}

impl Texts {
    fn put(&mut self, text: &[u8]) -> u32 {
        let at = match self.known.get(text) {
            Some(at) => *at,
            None => {
                self.bytes.extend_from_slice(text);
                self.known.insert(text.to_owned(), self.bytes.len() - text.len());
                self.bytes.len() - text.len()
            }
        };
        u32::try_from(at).expect("texts are short")
    }
}

pub(crate) fn written(compiled: &Compiled) -> Vec<u8> {
    let mut schema = Schema::default();
    for file in compiled.files.values() {
        let scope = if file.package().is_empty() { String::new() } else { format!("{}.", file.package()) };
        file.message_type.iter().for_each(|message| schema.note(&scope, message));
        for one in &file.enum_type {
            schema.enums.insert(format!("{scope}{}", one.name()), one);
        }
    }
    schema.encode(compiled)
}

impl<'a> Schema<'a> {
    fn note(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = format!("{scope}{}", message.name());
        let inner = format!("{name}.");
        message.nested_type.iter().for_each(|nested| self.note(&inner, nested));
        for one in &message.enum_type {
            self.enums.insert(format!("{inner}{}", one.name()), one);
        }
        self.messages.insert(name, message);
    }

    fn encode(mut self, compiled: &Compiled) -> Vec<u8> {
        let numbers = |keys: Vec<&String>| -> HashMap<String, u16> {
            let numbered = keys.into_iter().enumerate();
            numbered.map(|(number, name)| (name.clone(), u16::try_from(number).expect("few types"))).collect()
        };
        let children: HashMap<String, u16> =
            numbers(self.messages.keys().collect()).into_iter().chain(numbers(self.enums.keys().collect())).collect();
        let (mut messages, mut fields, mut oneofs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut enums, mut values) = (Vec::new(), Vec::new());
        for (name, message) in std::mem::take(&mut self.messages) {
            let required: Vec<&str> = message
                .oneof_decl
                .iter()
                .map(|oneof| oneof.name())
                .filter(|oneof| compiled.notes.required.contains(&(name.clone(), (*oneof).to_owned())))
                .collect();
            messages.extend(self.texts.put(name.as_bytes()).to_le_bytes());
            messages.extend(length(name.len()).to_le_bytes());
            messages.extend(if compiled.notes.unruled.contains(&name) { UNRULED } else { 0 }.to_le_bytes());
            messages.extend(u32::try_from(fields.len() / 20).expect("few fields").to_le_bytes());
            messages.extend(length(message.field.len()).to_le_bytes());
            messages.extend(length(required.len()).to_le_bytes());
            messages.extend(u32::try_from(oneofs.len() / 8).expect("few oneofs").to_le_bytes());
            for oneof in &required {
                oneofs.extend(self.texts.put(oneof.as_bytes()).to_le_bytes());
                oneofs.extend(u32::from(length(oneof.len())).to_le_bytes());
            }
            for field in &message.field {
                let oneof = field.oneof_index.and_then(|index| {
                    let name = message.oneof_decl[usize::try_from(index).expect("an index")].name();
                    required.iter().position(|required| *required == name)
                });
                let rules = compiled.notes.rules.get(&(name.clone(), field.number()));
                let rules = rules.map(Vec::as_slice).unwrap_or_default();
                fields.extend(field.number().to_le_bytes());
                fields.extend(self.texts.put(field.name().as_bytes()).to_le_bytes());
                fields.push(u8::try_from(field.name().len()).expect("names are short"));
                fields.push(u8::try_from(i32::from(field.r#type())).expect("eighteen types"));
                let sensitive = compiled.notes.sensitive.contains(&(name.clone(), field.number()));
                fields.push(flags(message, field) | if sensitive { SENSITIVE } else { 0 });
                fields.push(oneof.map_or(NO_ONEOF, |oneof| u8::try_from(oneof).expect("few oneofs")));
                let child = field.type_name.as_deref().map(|name| children[name.trim_start_matches('.')]);
                fields.extend(child.unwrap_or(NONE).to_le_bytes());
                fields.extend(length(rules.len()).to_le_bytes());
                fields.extend(self.texts.put(rules).to_le_bytes());
            }
        }
        for of in self.enums.values() {
            enums.extend(u32::try_from(values.len() / 4).expect("few values").to_le_bytes());
            enums.extend(u32::from(length(of.value.len())).to_le_bytes());
            of.value.iter().for_each(|value| values.extend(value.number().to_le_bytes()));
        }
        let parts = [messages, fields, oneofs, enums, values, self.texts.bytes];
        let mut start = 20;
        let mut written = Vec::new();
        for part in &parts[..5] {
            start += part.len();
            written.extend(u32::try_from(start).expect("a small file").to_le_bytes());
        }
        parts.iter().for_each(|part| written.extend(part));
        written
    }
}

fn length(length: usize) -> u16 {
    u16::try_from(length).expect("short")
}

fn flags(message: &DescriptorProto, field: &FieldDescriptorProto) -> u8 {
    if field.label() != Label::Repeated {
        return if field.oneof_index.is_some() { CHOICE } else { 0 };
    }
    let entry = |nested: &DescriptorProto| {
        nested.options.as_ref().is_some_and(|options| options.map_entry())
            && field.type_name().rsplit('.').next() == Some(nested.name())
    };
    let map = field.r#type() == Type::Message && message.nested_type.iter().any(entry);
    REPEATED | if map { MAP } else { 0 }
}
