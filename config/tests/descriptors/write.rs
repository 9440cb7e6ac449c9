//! The two files that `src/descriptors.rs` reads: the encoded files one behind the other, and a Rust table of where each lies,
//! what it needs, and which message types it holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost::Message as _;

use crate::compile::Compiled;

/// Contents of the committed files.
pub(crate) struct Written {
    pub files: Vec<u8>,
    pub table: Vec<u8>,
}

const OPENING: &str = "\
//! Written by `make descriptors`, and compared by a test with what the `.proto` files say: where each file lies in `files.bin`,
//! what it needs, and which file holds a message type. Not to be changed by hand.

use super::File;

";

pub(crate) fn written(compiled: &Compiled) -> Written {
    let numbers: BTreeMap<&str, usize> =
        compiled.files.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let mut files = Vec::new();
    let mut table = String::from(OPENING);
    let mut types = BTreeMap::new();
    put(&mut table, "/// The version of `envoy-types` that ships the files.");
    put(&mut table, "#[cfg(test)]");
    put(&mut table, &format!("pub(super) const ENVOY_TYPES: &str = {:?};", compiled.version));
    put(&mut table, "pub(super) static FILES: &[File] = &[");
    for (name, file) in &compiled.files {
        let start = files.len();
        file.encode(&mut files).expect("a Vec grows");
        let needs: Vec<usize> = file.dependency.iter().map(|name| numbers[name.as_str()]).collect();
        put(&mut table, &format!("    File {{ start: {start}, end: {}, needs: &{needs:?} }}, // {name}", files.len()));
        for message in &file.message_type {
            types.insert(format!("{}.{}", file.package(), message.name()), numbers[name.as_str()]);
        }
    }
    put(&mut table, "];\npub(super) static TYPES: &[(&str, u16)] = &[");
    for (name, number) in types {
        put(&mut table, &format!("    ({name:?}, {number}),"));
    }
    put(&mut table, "];");
    Written { files, table: table.into_bytes() }
}

fn put(table: &mut String, line: &str) {
    writeln!(table, "{line}").expect("a String grows");
}
