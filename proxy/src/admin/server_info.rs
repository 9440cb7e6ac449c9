//! `/server_info`: version, state, uptime, command line, node.

use axum::response::Response;
use clap::ValueEnum;
use config::discreet::HIDDEN;
use serde_json::{Value, json};

use super::config_dump::{Tree, message_tree};
use super::{Admin, reply};
use crate::cli::{DrainStrategy, IpVersion, Mode, version};

#[derive(serde::Serialize)]
struct ServerInfo<'a> {
    version: String,
    state: &'static str,
    uptime_current_epoch: String,
    uptime_all_epochs: String,
    hot_restart_version: &'static str,
    command_line_options: CommandLine<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Tree>,
    hot_restart_initializing: bool,
}

#[derive(serde::Serialize)]
struct CommandLine<'a> {
    base_id: String,
    concurrency: usize,
    config_path: String,
    config_yaml: &'a str,
    allow_unknown_static_fields: bool,
    admin_address_path: String,
    local_address_ip_version: &'static str,
    log_level: String,
    component_log_level: &'a str,
    log_format: &'a str,
    log_path: String,
    service_cluster: &'a str,
    service_node: &'a str,
    service_zone: &'a str,
    file_flush_interval: String,
    drain_time: String,
    parent_shutdown_time: String,
    mode: &'static str,
    disable_hot_restart: bool,
    enable_mutex_tracing: bool,
    restart_epoch: u32,
    cpuset_threads: bool,
    reject_unknown_dynamic_fields: bool,
    log_format_escaped: bool,
    disabled_extensions: [&'static str; 0],
    ignore_unknown_dynamic_fields: bool,
    use_dynamic_base_id: bool,
    base_id_path: String,
    drain_strategy: &'static str,
    enable_fine_grain_logging: bool,
    socket_path: &'static str,
    socket_mode: u32,
    enable_core_dump: bool,
    stats_tag: [&'static str; 0],
    skip_hot_restart_on_no_parent: bool,
    skip_hot_restart_parent_stats: bool,
    skip_deprecated_logs: bool,
    file_flush_min_size: usize,
    log_stacktrace_single_entry: bool,
}

/// As Envoy's, with our version.
pub fn show(admin: &Admin) -> Response {
    let uptime = format!("{}s", admin.started.elapsed().as_secs());
    let node = message_tree("type.googleapis.com/envoy.config.core.v3.Node", &admin.node);
    reply::pretty(&ServerInfo {
        version: version::full(),
        state: admin.source.state(),
        uptime_current_epoch: uptime.clone(),
        uptime_all_epochs: uptime,
        hot_restart_version: "disabled",
        command_line_options: command_line(admin),
        node: node.map(complete),
        hot_restart_initializing: false,
    })
}

/// The node with what it does not say, at its defaults: here, and here alone, Envoy prints those.
fn complete(node: Tree) -> Tree {
    let Tree::Map(mut fields) = node else { return node };
    for (name, value) in &mut fields {
        *value = match (name.as_str(), std::mem::replace(value, Tree::Plain(Value::Null))) {
            ("user_agent_build_version", Tree::Map(build)) => {
                let version = |(name, value): (String, Tree)| match name.as_str() {
                    "version" => {
                        (name, filled(value, &["major_number", "minor_number", "patch"].map(|one| (one, json!(0)))))
                    }
                    _ => (name, value),
                };
                Tree::Map(build.into_iter().map(version).collect())
            }
            ("extensions", Tree::List(extensions)) => Tree::List(
                extensions
                    .into_iter()
                    .map(|one| {
                        let texts = ["name", "category", "type_descriptor"].map(|field| (field, json!("")));
                        filled(one, &[&texts[..], &[("disabled", json!(false)), ("type_urls", json!([]))]].concat())
                    })
                    .collect(),
            ),
            ("locality", place) => filled(place, &["region", "zone", "sub_zone"].map(|one| (one, json!("")))),
            (_, value) => value,
        };
    }
    for (last, empty) in
        [("client_features", json!([])), ("listening_addresses", json!([])), ("dynamic_parameters", json!({}))]
    {
        if !fields.iter().any(|(name, _)| name == last) {
            fields.push((last.to_owned(), Tree::Plain(empty)));
        }
    }
    Tree::Map(fields)
}

/// A message with these fields first, each as it is or at its default.
fn filled(message: Tree, wanted: &[(&str, Value)]) -> Tree {
    let Tree::Map(mut fields) = message else { return message };
    let mut all = Vec::with_capacity(fields.len().max(wanted.len()));
    for (name, default) in wanted {
        all.push(match fields.iter().position(|(field, _)| field == name) {
            Some(at) => fields.remove(at),
            None => ((*name).to_owned(), Tree::Plain(default.clone())),
        });
    }
    all.extend(fields);
    Tree::Map(all)
}

fn command_line(admin: &Admin) -> CommandLine<'_> {
    let options = &admin.options;
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map_or(String::new(), |path| path.display().to_string());
    CommandLine {
        base_id: options.base_id.to_string(),
        concurrency: admin.concurrency,
        config_path: path(&options.config_path),
        // It may hold keys, in whatever field; what became of it is in the config dump.
        config_yaml: if options.config_yaml.as_deref().is_none_or(str::is_empty) { "" } else { HIDDEN },
        allow_unknown_static_fields: options.allow_unknown_static_fields,
        admin_address_path: path(&options.admin_address_path),
        local_address_ip_version: match options.local_address_ip_version {
            IpVersion::V4 => "v4",
            IpVersion::V6 => "v6",
        },
        log_level: options.log_level.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned()),
        component_log_level: &options.component_log_level,
        log_format: &options.log_format,
        log_path: path(&options.log_path),
        service_cluster: &options.service_cluster,
        service_node: &options.service_node,
        service_zone: &options.service_zone,
        file_flush_interval: seconds(options.flush_interval()),
        drain_time: seconds(options.drain_time()),
        parent_shutdown_time: format!("{}s", options.parent_shutdown_time_s),
        mode: match options.mode {
            Mode::Serve => "Serve",
            Mode::Validate => "Validate",
            Mode::InitOnly => "InitOnly",
        },
        disable_hot_restart: options.disable_hot_restart,
        enable_mutex_tracing: false,
        restart_epoch: options.restart_epoch,
        cpuset_threads: options.cpuset_threads,
        reject_unknown_dynamic_fields: options.reject_unknown_dynamic_fields,
        log_format_escaped: options.log_format_escaped,
        disabled_extensions: [],
        ignore_unknown_dynamic_fields: options.ignore_unknown_dynamic_fields,
        use_dynamic_base_id: options.use_dynamic_base_id,
        base_id_path: path(&options.base_id_path),
        drain_strategy: match options.drain_strategy {
            DrainStrategy::Gradual => "Gradual",
            DrainStrategy::Immediate => "Immediate",
        },
        enable_fine_grain_logging: false,
        socket_path: "@envoy_domain_socket",
        socket_mode: 0,
        enable_core_dump: options.enable_core_dump,
        stats_tag: [],
        skip_hot_restart_on_no_parent: false,
        skip_hot_restart_parent_stats: false,
        skip_deprecated_logs: options.skip_deprecated_logs,
        file_flush_min_size: options.flush_size() / 1024,
        log_stacktrace_single_entry: false,
    }
}

/// Protobuf-JSON's duration.
fn seconds(duration: std::time::Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        millis => format!("{}.{millis:03}s", duration.as_secs()),
    }
}
