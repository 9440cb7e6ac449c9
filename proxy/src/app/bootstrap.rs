//! The bootstrap from disk and command line, and `--mode validate`. Called by `app`.

use std::path::Path;
use std::sync::Arc;

use config::UnknownFields;
use config::bootstrap::{Bootstrap, Source, StaticResource};

use crate::cli::Options;
use crate::cluster::Cluster;
use crate::listener::{CompileDeps, Listener};
use crate::telemetry::access_log::{SinkSettings, Sinks};
use crate::telemetry::stats::{Stats, StatsSettings};
use crate::tls::Secrets;
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
    if let Some(text) = &options.config_yaml {
        sources.push(Source { name: "--config-yaml", text, is_json: false });
    }
    let bootstrap = config::bootstrap::load(&sources, static_unknown_fields(options)).map_err(|error| {
        let error = error.to_string();
        let may_help = error.contains("is not a field of") || error.contains("no such field");
        if options.allow_unknown_static_fields || !may_help {
            error
        } else {
            format!("{error} (see also --allow-unknown-static-fields)")
        }
    })?;
    // The descriptors that were needed to read it are gone; so should be their memory.
    crate::sys::trim_memory();
    Ok(bootstrap)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        format!("the bootstrap file {} cannot be read: {error}; give its path with -c", path.display())
    })
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn static_unknown_fields(options: &Options) -> UnknownFields {
    if options.allow_unknown_static_fields { UnknownFields::Ignore } else { UnknownFields::Reject }
}

/// How static resources are read. Their unknown fields were looked for while the text was read.
pub fn static_options(bootstrap: &Bootstrap) -> config::Options {
    config::Options::new(UnknownFields::Ignore, rejects_fragment(bootstrap))
}

/// How resources of the control plane are read.
pub fn dynamic_options(options: &Options, bootstrap: &Bootstrap) -> config::Options {
    let unknown = if options.reject_unknown_dynamic_fields { UnknownFields::Reject } else { UnknownFields::Ignore };
    config::Options::new(unknown, rejects_fragment(bootstrap))
}

/// Envoy's default is to refuse a path with a fragment; istiod's bootstrap turns that off.
fn rejects_fragment(bootstrap: &Bootstrap) -> bool {
    const KEY: &str = "envoy.reloadable_features.http_reject_path_with_fragment";
    bootstrap.runtime.iter().rev().find(|(key, _)| &**key == KEY).is_none_or(|(_, value)| &**value != "false")
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
    each("secrets", &bootstrap.static_secrets, |body| {
        let secret = config::secret::decode(body, &checks).map_err(|rejection| rejection.to_string())?;
        secrets.update(&secret.name.clone(), secret.kind)
    })?;
    each("clusters", &bootstrap.static_clusters, |body| {
        let cluster = config::cluster::decode(body, &checks).map_err(|rejection| rejection.to_string())?;
        Cluster::new(Arc::new(cluster), &secrets, &stats).map(drop)
    })?;
    each("listeners", &bootstrap.static_listeners, |body| {
        let listener = config::listener::decode(body, &checks).map_err(|rejection| rejection.to_string())?;
        let deps = CompileDeps { secrets: &secrets, routes: &routes, stats: &stats, log_sinks: &sinks };
        Listener::compile(Arc::new(listener), &deps).map(drop).map_err(|rejection| rejection.to_string())
    })?;
    super::control_plane::GrpcServers::new(bootstrap, &checks)
        .and_then(|servers| bootstrap.ads.as_ref().map_or(Ok(()), |ads| servers.ads(ads).map(drop)))?;
    let name = options.config_path.as_ref().map_or("--config-yaml".to_owned(), |path| path.display().to_string());
    println!("configuration '{name}' OK");
    Ok(())
}

fn each(
    list: &str,
    resources: &[StaticResource],
    mut check: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    for resource in resources {
        check(&resource.body).map_err(|reason| format!("static_resources.{list} '{}': {reason}", resource.name))?;
    }
    Ok(())
}
