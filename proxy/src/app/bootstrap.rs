//! The bootstrap from disk and command line. Called by `app` to serve it and by [`super::validate`] to judge it.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use config::UnknownFields;
use config::bootstrap::{Bootstrap, BootstrapError, Examined, Source};
use prost::Message;

use crate::cli::Options;

/// Reads and merges what the command line names.
///
/// # Errors
/// The file that is not there; each file and line, or file and field, that is wrong, a line for each.
pub fn load(options: &Options) -> Result<Bootstrap, String> {
    let Examined { bootstrap, faults, .. } = examine(options)?;
    match bootstrap {
        Some(bootstrap) if faults.is_empty() => complete(bootstrap, options),
        _ => Err(BootstrapError::Several(faults).to_string()),
    }
}

/// The same, as far as it can be read.
///
/// # Errors
/// The file that is not there, or is no text.
pub fn examine(options: &Options) -> Result<Examined, String> {
    let file = match &options.config_path {
        Some(path) => Some((path.display().to_string(), read(path)?, is_json(path))),
        None => None,
    };
    let mut sources = Vec::new();
    if let Some((name, text, is_json)) = &file {
        sources.push(Source { name, text, is_json: *is_json });
    }
    // Nothing to merge is nothing wrong, as for Envoy.
    if let Some(text) = options.config_yaml.as_ref().filter(|text| !text.is_empty()) {
        sources.push(Source { name: "--config-yaml", text, is_json: false });
    }
    Ok(config::bootstrap::examine(&sources, unknown_fields(!options.allow_unknown_static_fields)))
}

/// The node is what the command line says of it.
///
/// # Errors
/// The node is none.
pub fn complete(mut bootstrap: Bootstrap, options: &Options) -> Result<Bootstrap, String> {
    let node = super::node::complete(&bootstrap.node, options)?;
    (bootstrap.node_id, bootstrap.node_cluster) = (node.id.as_str().into(), node.cluster.as_str().into());
    bootstrap.node = node.encode_to_vec().into();
    if bootstrap.ads.is_some() && (node.id.is_empty() || node.cluster.is_empty()) {
        return Err("ads: node 'id' and 'cluster' are required. Set it either in 'node' config or via --service-node and --service-cluster options.".into());
    }
    // The descriptors that were needed to read it are gone; so should be their memory.
    crate::sys::trim_memory();
    Ok(bootstrap)
}

/// Octets of a file that are read: a device must not fill the memory.
const LONGEST: u64 = 256 << 20;

fn read(path: &Path) -> Result<String, String> {
    let whole = || {
        let file = File::open(path)?;
        let mut text = String::with_capacity(file.metadata()?.len().min(LONGEST) as usize + 1);
        file.take(LONGEST + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = whole().map_err(|error: std::io::Error| {
        let advice = match error.kind() {
            ErrorKind::InvalidData => "it must be JSON or YAML in UTF-8, so write it again",
            ErrorKind::PermissionDenied => "let the proxy's user read it",
            _ => "give its path with -c",
        };
        format!("the bootstrap file {} cannot be read: {error}; {advice}", path.display())
    })?;
    match text.len() as u64 > LONGEST {
        true => Err(format!("the bootstrap file {} is longer than 256 MiB; give its path with -c", path.display())),
        false => Ok(text),
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn unknown_fields(reject: bool) -> UnknownFields {
    if reject { UnknownFields::Reject } else { UnknownFields::Ignore }
}

/// How static resources are read. Their unknown fields were looked for while the text was read.
pub fn static_options(options: &Options, bootstrap: &Bootstrap) -> config::Options {
    let mut made = reading(bootstrap.options(UnknownFields::Ignore));
    // But for what stands in structs.
    made.strict_structs = !options.allow_unknown_static_fields;
    // Whoever mends a file wants the list.
    made.tells_all = true;
    made
}

/// How resources of the control plane are read.
pub fn dynamic_options(options: &Options, bootstrap: &Bootstrap) -> config::Options {
    reading(bootstrap.options(unknown_fields(options.reject_unknown_dynamic_fields)))
}

fn reading(mut options: config::Options) -> config::Options {
    options.read_source = crate::sources::read;
    options
}

#[cfg(test)]
pub(super) mod tests;
