//! Descriptors of Envoy's and Istio's messages, for protobuf-JSON: loaded file by file as types are asked for, dropped by the
//! caller. Used for the bootstrap, for TypedStruct, for config dumps and where unknown fields are to be found.
//!
//! They are committed (`files.bin`, `table.rs`), written by `make descriptors` and compared with a fresh compilation by the test
//! `descriptors`: no build compiles `.proto` files.
//!
//! All descriptors together take 17 MB, so nothing here stays: whoever makes a [`Descriptors`] drops it when the work is done
//! (and the proxy then calls `malloc_trim`).

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::schema::Message;

#[rustfmt::skip]
mod table;

/// Encoded `FileDescriptorProto`s, one behind the other.
static BYTES: &[u8] = include_bytes!("descriptors/files.bin");

struct File {
    start: usize,
    end: usize,
    needs: &'static [u16],
}

/// The descriptors that have been asked for, and what they need.
#[derive(Debug, Default)]
pub struct Descriptors {
    pool: DescriptorPool,
    loaded: BTreeSet<u16>,
}

impl Descriptors {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a message of this name (`envoy.config.cluster.v3.Cluster`) is known to this build.
    pub fn knows(name: &str) -> bool {
        Message::named(name).is_some()
    }

    /// The descriptor of a message by full name; `None` when this build does not know it.
    pub fn message(&mut self, name: &str) -> Option<MessageDescriptor> {
        if let Some(found) = self.pool.get_message_by_name(name) {
            return Some(found);
        }
        self.load(&[file_of(name)?]);
        self.pool.get_message_by_name(name)
    }

    /// Loads every type that `bytes` may name: an Any holds its type's URL as plain text, in the binary form and in JSON.
    pub fn load_named_in(&mut self, bytes: &[u8]) {
        const PREFIX: &[u8] = b"type.googleapis.com/";
        let mut files = Vec::new();
        let mut rest = bytes;
        while let Some(start) = find(rest, PREFIX) {
            rest = &rest[start + PREFIX.len()..];
            let end = rest
                .iter()
                .position(|byte| !(byte.is_ascii_alphanumeric() || b"._".contains(byte)))
                .unwrap_or(rest.len());
            // In the binary form the next field's tag follows, which may look like a part of the name.
            let name = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            files.extend(file_of(name).or_else(|| file_of(&name[..end.saturating_sub(1)])));
        }
        self.load(&files);
    }

    fn load(&mut self, files: &[u16]) {
        let mut order = Vec::new();
        for file in files {
            self.visit(*file, &mut order);
        }
        if order.is_empty() {
            return;
        }
        let decoded = order.iter().map(|file| {
            let File { start, end, .. } = table::FILES[usize::from(*file)];
            FileDescriptorProto::decode(&BYTES[start..end]).expect("a test compares it with the sources")
        });
        self.pool.add_file_descriptor_protos(decoded).expect("these files were compiled together");
    }

    /// Notes `file` behind all that it needs.
    fn visit(&mut self, file: u16, order: &mut Vec<u16>) {
        if self.loaded.insert(file) {
            for needed in table::FILES[usize::from(file)].needs {
                self.visit(*needed, order);
            }
            order.push(file);
        }
    }
}

/// The file of a message, or of the message that it is nested in.
fn file_of(name: &str) -> Option<u16> {
    match table::TYPES.binary_search_by(|(known, _)| (*known).cmp(name)) {
        Ok(index) => Some(table::TYPES[index].1),
        Err(_) => file_of(name.rsplit_once('.')?.0),
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, pattern)
}

#[cfg(test)]
mod tests;
