//! What Envoy demands of several parts of a bootstrap together, in its words. Called by [`super::translate`]; some of these parts do not
//! act here, and are wrong all the same.

use std::collections::BTreeSet;

use prost::Message as _;

use super::read::Statics;
use crate::extension;
use crate::matcher::re2;
use crate::options::Options;
use crate::proto::extensions::resource_monitors::fixed_heap::v3::FixedHeapConfig;
use crate::proto::{bootstrap::v3 as pb, core::v3 as core, metrics::v3 as metrics};
use crate::rejection::{At, Rejection};
use crate::runtime::bad_key;

/// All of it.
pub(super) fn check(proto: &pb::Bootstrap, statics: &Statics, options: &Options) -> Result<(), Rejection> {
    let at = At::root();
    if proto.stats_flush_interval.is_some() && proto.stats_flush.is_some() {
        return Err(at
            .field("stats_flush_on_admin")
            .reject("Only one of stats_flush_interval or stats_flush_on_admin should be set; take one out"));
    }
    layers(&at.field("layered_runtime").field("layers"), proto)?;
    overload(&at.field("overload_manager"), proto)?;
    log_format(&at.field("application_log_config").field("log_format"), proto)?;
    tags(&at.field("stats_config").field("stats_tags"), proto)?;
    sinks(&at.field("stats_sinks"), proto, statics, options)
}

fn layers(at: &At<'_>, proto: &pb::Bootstrap) -> Result<(), Rejection> {
    use pb::runtime_layer::LayerSpecifier;
    let mut names = BTreeSet::new();
    let mut of_admin = 0;
    for (index, layer) in proto.layered_runtime.iter().flat_map(|runtime| &runtime.layers).enumerate() {
        let at = at.index(index);
        if !names.insert(&layer.name) {
            return Err(at.field("name").reject(format!("Duplicate layer name: {}; names are unique", layer.name)));
        }
        match &layer.layer_specifier {
            Some(LayerSpecifier::AdminLayer(_)) => of_admin += 1,
            Some(LayerSpecifier::DiskLayer(disk)) if disk.symlink_root.is_empty() => {
                return Err(at.field("disk_layer").field("symlink_root").reject("invalid file path; give one"));
            }
            Some(LayerSpecifier::StaticLayer(layer)) => {
                if let Some(key) = bad_key(layer) {
                    return Err(at
                        .field("static_layer")
                        .key(&key)
                        .reject("Invalid runtime entry value; a list and null are none"));
                }
            }
            _ => {}
        }
        if of_admin > 1 {
            return Err(at
                .field("admin_layer")
                .reject("Too many admin layers specified in LayeredRuntime, at most one may be specified"));
        }
    }
    Ok(())
}

/// Envoy's, of version 1.40.
const ACTIONS: [&str; 8] = [
    "envoy.overload_actions.stop_accepting_requests",
    "envoy.overload_actions.disable_http_keepalive",
    "envoy.overload_actions.stop_accepting_connections",
    "envoy.overload_actions.reject_incoming_connections",
    "envoy.overload_actions.shrink_heap",
    "envoy.overload_actions.reduce_timeouts",
    "envoy.overload_actions.reset_high_memory_stream",
    "envoy.overload_actions.stop_accepting_connections_gradually",
];

fn overload(at: &At<'_>, proto: &pb::Bootstrap) -> Result<(), Rejection> {
    let Some(manager) = &proto.overload_manager else { return Ok(()) };
    let at_monitors = at.field("resource_monitors");
    let mut names = BTreeSet::new();
    for (index, monitor) in manager.resource_monitors.iter().enumerate() {
        if !names.insert(&monitor.name) {
            let at = at_monitors.index(index);
            return Err(at.field("name").reject(format!("Duplicate resource monitor {}; name it once", monitor.name)));
        }
        use crate::proto::overload::v3::resource_monitor::ConfigType::TypedConfig;
        let Some(TypedConfig(any)) = &monitor.config_type else { continue };
        let at = at_monitors.index(index);
        if any.type_url.ends_with(".FixedHeapConfig")
            && FixedHeapConfig::decode(&*any.value).is_ok_and(|heap| heap.max_heap_size_bytes == 0)
        {
            return Err(at.field("typed_config").reject("fixed_heap: max heap size must be greater than 0; give one"));
        }
    }
    let at_actions = at.field("actions");
    for (index, action) in manager.actions.iter().enumerate() {
        if !ACTIONS.contains(&&*action.name) {
            let at = at_actions.index(index);
            return Err(at
                .field("name")
                .reject(format!("Unknown Overload Manager Action {}; correct its name", action.name)));
        }
    }
    let resets =
        |action: &&crate::proto::overload::v3::OverloadAction| action.name.ends_with(".reset_high_memory_stream");
    if manager.buffer_factory_config.is_none()
        && let Some(action) = manager.actions.iter().find(resets)
    {
        let at = at.field("buffer_factory_config");
        return Err(at.reject(format!("Overload action \"{}\" requires buffer_factory_config; give one", action.name)));
    }
    Ok(())
}

fn log_format(at: &At<'_>, proto: &pb::Bootstrap) -> Result<(), Rejection> {
    use pb::bootstrap::application_log_config::log_format::LogFormat;
    let format = proto.application_log_config.as_ref().and_then(|config| config.log_format.as_ref());
    let Some(LogFormat::JsonFormat(json)) = format.and_then(|format| format.log_format.as_ref()) else { return Ok(()) };
    let text = crate::proto::struct_to_json(json).to_string();
    match ["%v", "%_"].into_iter().find(|flag| text.contains(flag)) {
        Some(flag) => {
            Err(at.field("json_format").reject(format!("Usage of {flag} is unavailable for JSON log formats; use %j")))
        }
        None => Ok(()),
    }
}

fn tags(at: &At<'_>, proto: &pb::Bootstrap) -> Result<(), Rejection> {
    for (index, tag) in proto.stats_config.iter().flat_map(|stats| &stats.stats_tags).enumerate() {
        let at = at.index(index);
        if tag.tag_name.is_empty() {
            return Err(at.field("tag_name").reject("tag_name cannot be empty; give one"));
        }
        let Some(metrics::tag_specifier::TagValue::Regex(regex)) = &tag.tag_value else { continue };
        // What looks around or back is no mistake there; here it is told, and the tag is not made.
        let is_richer = regex.contains("(?") || regex.contains('\\');
        if let (false, Err(reason)) = (is_richer, re2::partial_match(regex)) {
            return Err(at.field("regex").reject(format!("Invalid regex: {reason}")));
        }
    }
    Ok(())
}

/// Whoever names a cluster wants it there.
fn sinks(at: &At<'_>, proto: &pb::Bootstrap, statics: &Statics, options: &Options) -> Result<(), Rejection> {
    use metrics::statsd_sink::StatsdSpecifier;
    for (index, sink) in proto.stats_sinks.iter().enumerate() {
        let at = at.index(index);
        let Some(metrics::stats_sink::ConfigType::TypedConfig(any)) = &sink.config_type else {
            return Err(crate::registry::not_registered(&at.field("typed_config"), &sink.name, ""));
        };
        let at = at.field("typed_config");
        let extension = extension::open(&at, any)?;
        match &*extension.type_name {
            "envoy.config.metrics.v3.StatsdSink" => {
                let statsd: metrics::StatsdSink = extension.decode(&at, options)?;
                if let Some(StatsdSpecifier::TcpClusterName(name)) = &statsd.statsd_specifier {
                    exists(&at.field("tcp_cluster_name"), "tcp statsd: unknown cluster", name, statics)?;
                }
            }
            "envoy.config.metrics.v3.MetricsServiceConfig" => {
                let service: metrics::MetricsServiceConfig = extension.decode(&at, options)?;
                let target = service.grpc_service.and_then(|service| service.target_specifier);
                if let Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(grpc)) = target {
                    let at = at.field("grpc_service");
                    exists(&at.field("envoy_grpc"), "Unknown gRPC client cluster", &grpc.cluster_name, statics)?;
                }
            }
            "envoy.config.metrics.v3.DogStatsdSink"
            | "envoy.config.metrics.v3.HystrixSink"
            | "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink"
            | "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"
            | "envoy.extensions.stat_sinks.wasm.v3.Wasm" => {}
            other => return Err(crate::registry::not_registered(&at, &sink.name, other)),
        }
    }
    Ok(())
}

fn exists(at: &At<'_>, words: &str, name: &str, statics: &Statics) -> Result<(), Rejection> {
    if statics.clusters.iter().any(|cluster| *cluster.name == *name) {
        return Ok(());
    }
    Err(at.reject(format!("{words} '{name}'; add it to static_resources.clusters, or correct the name")))
}
