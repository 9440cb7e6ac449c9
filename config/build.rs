//! Compiles the `.proto` files that the `envoy-types` crate ships, and our few of Istio's, to descriptors that the crate loads
//! one file at a time (`src/descriptors.rs`): a binary of encoded `FileDescriptorProto`s and a Rust table of where each lies,
//! what it needs, and which message types it holds.
//!
//! Options, services and extensions are left out, for protobuf-JSON needs none of them. Envoy's field rules
//! (`validate.rules`) are among those options: a generator for them reads the files here, before `strip`.

#![allow(clippy::panic, reason = "a build script has no other way to stop the build and say why")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FieldOptions, FileDescriptorProto, MessageOptions,
};
use protox::file::{File, FileResolver, GoogleFileResolver};

/// The version in Cargo.lock. Stated here so that a new version changes this file, which is what makes cargo run it again.
const ENVOY_TYPES: &str = "0.7.7";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-env=OUTRIGGER_ENVOY_TYPES={ENVOY_TYPES}");
    let shipped = envoy_types_folder().join("proto");
    let with_own_root = |root: PathBuf| if root.join("proto").is_dir() { root.join("proto") } else { root };
    let mut roots: Vec<PathBuf> = folders(&shipped).into_iter().map(with_own_root).collect();
    roots.push(PathBuf::from("proto"));
    let files = compile(&roots);
    write(&files, Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")));
}

/// Where cargo unpacked `envoy-types`.
fn envoy_types_folder() -> PathBuf {
    let cargo = env::var("CARGO").expect("cargo sets CARGO");
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version=1", "--filter-platform"])
        .arg(env::var("TARGET").expect("cargo sets TARGET"))
        .output()
        .expect("cargo metadata starts");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages");
    let package =
        packages.iter().find(|package| package["name"] == "envoy-types").expect("envoy-types is a dependency");
    assert_eq!(
        package["version"], ENVOY_TYPES,
        "envoy-types has changed: set ENVOY_TYPES in config/build.rs to its version"
    );
    Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a file in a folder").to_path_buf()
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
    let mut folders: Vec<_> =
        entries.map(|entry| entry.expect("a readable folder").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            proto_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
}

/// All files by name. File by file: protox resolves relative names against all that it has been given, which goes wrong
/// where packages share a component (`envoy.type` and `udpa.type`).
fn compile(roots: &[PathBuf]) -> BTreeMap<String, FileDescriptorProto> {
    let mut all = BTreeMap::new();
    for root in roots {
        let mut paths = Vec::new();
        proto_files(root, &mut paths);
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            if all.contains_key(&name) {
                continue;
            }
            let mut compiler = protox::Compiler::with_file_resolver(Sources { roots: roots.to_vec() });
            compiler.include_imports(true);
            compiler.open_file(&name).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let set = compiler.file_descriptor_set();
            for file in set.file {
                all.entry(file.name().to_owned()).or_insert_with(|| strip(file));
            }
        }
    }
    let owners = owners(&all);
    for file in all.values_mut() {
        let name = file.name().to_owned();
        let mut needed = BTreeSet::new();
        file.message_type.iter().for_each(|message| references(message, &owners, &mut needed));
        needed.remove(&name);
        file.dependency = needed.into_iter().collect();
    }
    all
}

/// Reads sources from the roots; protobuf's own types are protox's.
struct Sources {
    roots: Vec<PathBuf>,
}

impl FileResolver for Sources {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let Some(path) = self.roots.iter().map(|root| root.join(name)).find(|path| path.is_file()) else {
            return GoogleFileResolver::new().open_file(name);
        };
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // protox also sees packages that are imported by way of others, and finds this name in `envoy.extensions.clusters.common`.
        let text =
            text.replace(" common.dynamic_forward_proxy.v3.", " .envoy.extensions.common.dynamic_forward_proxy.v3.");
        File::from_source(name, &text)
    }
}

/// Which file declares each message and enum.
fn owners(all: &BTreeMap<String, FileDescriptorProto>) -> BTreeMap<String, String> {
    fn note(message: &DescriptorProto, scope: &str, file: &str, owners: &mut BTreeMap<String, String>) {
        let name = format!("{scope}.{}", message.name());
        message.nested_type.iter().for_each(|nested| note(nested, &name, file, owners));
        for nested in &message.enum_type {
            owners.insert(format!("{name}.{}", nested.name()), file.to_owned());
        }
        owners.insert(name, file.to_owned());
    }
    let mut owners = BTreeMap::new();
    for (file, descriptor) in all {
        let scope = if descriptor.package().is_empty() { String::new() } else { format!(".{}", descriptor.package()) };
        descriptor.message_type.iter().for_each(|message| note(message, &scope, file, &mut owners));
        for declared in &descriptor.enum_type {
            owners.insert(format!("{scope}.{}", declared.name()), file.clone());
        }
    }
    owners
}

fn references(message: &DescriptorProto, owners: &BTreeMap<String, String>, needed: &mut BTreeSet<String>) {
    for field in &message.field {
        if let Some(name) = &field.type_name {
            needed.insert(owners.get(name).unwrap_or_else(|| panic!("{name} is declared nowhere")).clone());
        }
    }
    message.nested_type.iter().for_each(|nested| references(nested, owners, needed));
}

fn strip(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.options = None;
    file.service.clear();
    file.extension.clear();
    file.source_code_info = None;
    file.public_dependency.clear();
    file.weak_dependency.clear();
    file.message_type.iter_mut().for_each(strip_message);
    file.enum_type.iter_mut().for_each(strip_enum);
    file
}

fn strip_message(message: &mut DescriptorProto) {
    let map_entry = message.options.as_ref().and_then(|options| options.map_entry);
    message.options = map_entry.map(|map_entry| MessageOptions { map_entry: Some(map_entry), ..Default::default() });
    message.extension.clear();
    message.extension_range.clear();
    for field in &mut message.field {
        let packed = field.options.as_ref().and_then(|options| options.packed);
        field.options = packed.map(|packed| FieldOptions { packed: Some(packed), ..Default::default() });
    }
    message.oneof_decl.iter_mut().for_each(|oneof| oneof.options = None);
    message.nested_type.iter_mut().for_each(strip_message);
    message.enum_type.iter_mut().for_each(strip_enum);
}

fn strip_enum(declared: &mut EnumDescriptorProto) {
    let alias = declared.options.as_ref().and_then(|options| options.allow_alias);
    declared.options = alias.map(|alias| EnumOptions { allow_alias: Some(alias), ..Default::default() });
    declared.value.iter_mut().for_each(|value| value.options = None);
}

fn write(files: &BTreeMap<String, FileDescriptorProto>, out: &Path) {
    let numbers: BTreeMap<&str, usize> =
        files.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let mut blob = Vec::new();
    let mut table = String::from("pub(super) static FILES: &[File] = &[\n");
    let mut types = BTreeMap::new();
    for (name, file) in files {
        let start = blob.len();
        file.encode(&mut blob).expect("a Vec grows");
        let needs: Vec<usize> = file.dependency.iter().map(|name| numbers[name.as_str()]).collect();
        writeln!(table, "    File {{ start: {start}, end: {}, needs: &{needs:?} }}, // {name}", blob.len())
            .expect("a String grows");
        for message in &file.message_type {
            types.insert(format!("{}.{}", file.package(), message.name()), numbers[name.as_str()]);
        }
    }
    table.push_str("];\npub(super) static TYPES: &[(&str, u16)] = &[\n");
    for (name, number) in types {
        writeln!(table, "    ({name:?}, {number}),").expect("a String grows");
    }
    table.push_str("];\n");
    fs::write(out.join("descriptors.bin"), blob).expect("OUT_DIR is writable");
    fs::write(out.join("descriptors.rs"), table).expect("OUT_DIR is writable");
}
