//! Compiles the `.proto` files that the `envoy-types` crate ships, and our few of Istio's, to descriptors.
//!
//! Options, services and extensions are left out, for protobuf-JSON needs none of them; `notes.rs` keeps what others need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FieldOptions, FileDescriptorProto, MessageOptions,
};
use protox::file::{File, FileResolver, GoogleFileResolver};

use crate::notes::Notes;

/// What was compiled, and from which version of `envoy-types`.
pub(crate) struct Compiled {
    pub version: String,
    /// Stripped files by name; each names as dependencies what its fields need, no more.
    pub files: BTreeMap<String, FileDescriptorProto>,
    /// What the options say that are stripped from the files.
    pub notes: Notes,
}

/// Everything, from the sources that cargo unpacked for this build.
pub(crate) fn everything() -> Compiled {
    let (version, folder) = envoy_types();
    let with_own_root = |root: PathBuf| if root.join("proto").is_dir() { root.join("proto") } else { root };
    let mut roots: Vec<PathBuf> = folders(&folder.join("proto")).into_iter().map(with_own_root).collect();
    roots.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"));
    let mut notes = Notes::default();
    Compiled { version, files: compile(&roots, &mut notes), notes }
}

/// The version of `envoy-types`, and where cargo unpacked it. Cargo may download what it has not needed so far.
fn envoy_types() -> (String, PathBuf) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata starts");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages");
    let package =
        packages.iter().find(|package| package["name"] == "envoy-types").expect("envoy-types is a dependency");
    let text = |name: &str| package[name].as_str().expect("cargo metadata gives it").to_owned();
    (text("version"), Path::new(&text("manifest_path")).parent().expect("a file in a folder").to_path_buf())
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
fn compile(roots: &[PathBuf], notes: &mut Notes) -> BTreeMap<String, FileDescriptorProto> {
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
            let pool = compiler.descriptor_pool();
            for file in compiler.file_descriptor_set().file {
                if !all.contains_key(file.name()) {
                    notes.take(&pool, file.name());
                    all.insert(file.name().to_owned(), strip(file));
                }
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
