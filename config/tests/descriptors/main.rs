//! The descriptors that are committed (`src/descriptors/files.bin`, `table.rs` and `schema.bin`) are those of the `.proto` files that the
//! `envoy-types` of Cargo.lock ships, and of `proto/`. `make descriptors` writes them again; builds only read them, so that
//! none compiles 500 files, or needs more than its own dependencies.

#![allow(clippy::panic, reason = "helpers of a test stop it and say why")]

use std::path::{Path, PathBuf};

mod compile;
mod notes;
mod schema;
mod write;

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/descriptors").join(name)
}

#[test]
fn what_is_committed_is_what_the_proto_files_say() {
    let compiled = compile::everything();
    let written = write::written(&compiled);
    let files =
        [("files.bin", &written.files), ("table.rs", &written.table), ("schema.bin", &schema::written(&compiled))];
    if std::env::var_os("UPDATE_DESCRIPTORS").is_some() {
        for (name, content) in files {
            std::fs::write(committed(name), content).expect("the sources are writable");
        }
        return;
    }
    for (name, content) in files {
        let there = std::fs::read(committed(name)).unwrap_or_default();
        assert!(
            there == *content,
            "{} is not of this envoy-types and proto/; run make descriptors",
            committed(name).display()
        );
    }
}
