//! The table is complete and no larger than asked for.

use super::*;

impl Descriptors {
    /// All of them.
    pub(crate) fn all() -> Self {
        let mut descriptors = Self::new();
        descriptors.load(&(0..).take(table::FILES.len()).collect::<Vec<u16>>());
        descriptors
    }
}

#[test]
fn every_file_loads_together() {
    let mut descriptors = Descriptors::new();
    let all: Vec<u16> = (0..table::FILES.len()).map(|number| number as u16).collect();
    descriptors.load(&all);
    for (name, _) in table::TYPES {
        assert!(descriptors.message(name).is_some(), "{name}");
    }
}

#[test]
fn a_type_brings_only_what_it_needs() {
    let mut descriptors = Descriptors::new();
    descriptors.message("envoy.tcp.metadataexchange.config.MetadataExchange").unwrap();
    assert_eq!(descriptors.pool.files().len(), 1);
    descriptors.message("udpa.type.v1.TypedStruct").unwrap();
    descriptors.message("xds.type.v3.TypedStruct").unwrap();
    assert!(descriptors.message("no.such.Type").is_none());
}

#[test]
fn types_are_found_in_text_and_in_binary() {
    let mut descriptors = Descriptors::new();
    descriptors.load_named_in(br#"{"@type":"type.googleapis.com/stats.PluginConfig"}"#);
    assert!(descriptors.pool.get_message_by_name("stats.PluginConfig").is_some());
    // A field tag that is a letter follows the URL.
    descriptors.load_named_in(b"\x0atype.googleapis.com/istio.workload.BootstrapExtensionz");
    assert!(descriptors.pool.get_message_by_name("istio.workload.BootstrapExtension").is_some());
    descriptors.load_named_in(b"type.googleapis.com/");
    descriptors.load_named_in("type.googleapis.com/é".as_bytes());
}

#[test]
fn the_descriptors_are_of_the_version_in_the_lock_file() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    let want = format!("name = \"envoy-types\"\nversion = \"{}\"", table::ENVOY_TYPES);
    assert!(lock.contains(&want), "envoy-types has changed: run make descriptors");
}
