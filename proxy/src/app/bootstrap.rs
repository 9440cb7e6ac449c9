//! The bootstrap from disk and command line, and `--mode validate`. Called by `app`.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use config::bootstrap::{Bootstrap, Source, StaticConfig};
use config::tls::SecretId;
use config::{At, UnknownFields};
use prost::Message;

use super::control_plane::GrpcServers;
use super::sources;
use crate::cli::Options;
use crate::cluster::dns::Resolver;
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::listener::{Listener, bind};
use crate::stats::{Stats, StatsSettings};
use crate::telemetry::access_log::{SinkSettings, Sinks};
use crate::tls::Secrets;
use crate::xds::clusters;
use crate::xds::routes::Routes;

/// Reads and merges what the command line names.
///
/// # Errors
/// The file that is not there; the file and line, or the file and field, that is wrong.
pub fn load(options: &Options) -> Result<Bootstrap, String> {
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
    let unknown = unknown_fields(!options.allow_unknown_static_fields);
    let mut bootstrap = config::bootstrap::load(&sources, unknown).map_err(|error| error.to_string())?;
    let node = super::node::complete(&bootstrap.node, options)?;
    (bootstrap.node_id, bootstrap.node_cluster) = (node.id.as_str().into(), node.cluster.as_str().into());
    bootstrap.node = node.encode_to_vec().into();
    // The descriptors that were needed to read it are gone; so should be their memory.
    crate::sys::trim_memory();
    Ok(bootstrap)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::InvalidData => "it must be JSON or YAML in UTF-8, so write it again",
            ErrorKind::PermissionDenied => "let the proxy's user read it",
            _ => "give its path with -c",
        };
        format!("the bootstrap file {} cannot be read: {error}; {advice}", path.display())
    })
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn unknown_fields(reject: bool) -> UnknownFields {
    if reject { UnknownFields::Reject } else { UnknownFields::Ignore }
}

/// How static resources are read. Their unknown fields were looked for while the text was read.
pub fn static_options(bootstrap: &Bootstrap) -> config::Options {
    reading(bootstrap.options(UnknownFields::Ignore))
}

/// How resources of the control plane are read.
pub fn dynamic_options(options: &Options, bootstrap: &Bootstrap) -> config::Options {
    reading(bootstrap.options(unknown_fields(options.reject_unknown_dynamic_fields)))
}

fn reading(mut options: config::Options) -> config::Options {
    options.read_source = sources::read;
    options
}

/// Checks everything that can be checked without binding or connecting, then says so.
///
/// # Errors
/// The first resource that serving would refuse, and why.
pub fn validate(options: &Options, bootstrap: &Bootstrap) -> Result<(), String> {
    let checks = static_options(bootstrap);
    let stats = Stats::new(StatsSettings::of(bootstrap));
    let secrets = Secrets::new();
    let sinks = Sinks::new(SinkSettings::default());
    let routes = Routes::default();
    let discoveries = Discoveries::new(stats.clone());
    let deps = CompileDeps {
        secrets: &secrets,
        stats: &stats,
        log_sinks: &sinks,
        discoveries: &discoveries,
        drain: Default::default(),
    };
    let mut listeners: Vec<Arc<config::listener::Listener>> = Vec::new();
    let checked = bootstrap.each_static(&checks, |resource, config| match config {
        StaticConfig::Secret(secret) => {
            let id = SecretId::of_bootstrap(&resource.name);
            secrets.update(&id, secret.kind).map_err(|reason| At::root().reject(reason))
        }
        StaticConfig::Cluster(cluster) => clusters::made(cluster, &secrets, &stats, &discoveries).map(drop),
        StaticConfig::Listener(listener) => {
            Listener::compile(listener.clone(), &deps, &routes, None)?;
            let others = listeners.iter().filter(|other| other.name != listener.name);
            if let Some(rejection) = others.into_iter().find_map(|other| bind::duplicate(&listener, other)) {
                return Err(rejection);
            }
            listeners.push(listener);
            Ok(())
        }
    });
    let notes = bootstrap.ignored.iter().cloned().chain(checks.take_notes());
    notes.for_each(|note| println!("not acting: {note}"));
    checked.map_err(|error| error.to_string())?;
    let servers = GrpcServers::new(bootstrap, &checks, &secrets, &Resolver::system())?;
    if let Some(ads) = &bootstrap.ads {
        servers.settings(ads).map_err(|reason| format!("dynamic_resources.ads_config: {reason}"))?;
    }
    let name = options.config_path.as_ref().map_or("--config-yaml".to_owned(), |path| path.display().to_string());
    println!("configuration '{name}' OK");
    Ok(())
}

#[cfg(test)]
mod tests;
