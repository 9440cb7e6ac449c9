//! The bootstrap message to plain data. Fields that are set and have no effect here are listed, for one line in the log.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::bootstrap::v3 as pb;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::metrics::v3 as metrics;
use envoy_types::pb::envoy::extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig;
use prost::Message as _;

use super::read::Statics;
use super::{AdsConfig, Bootstrap, DynamicSource, StatsMatcher};
use crate::matcher;
use crate::options::Options;
use crate::proto;
use crate::rejection::{At, Rejection};
use crate::{address, extension};

/// Checks and translates.
pub(super) fn from_proto(bootstrap: &pb::Bootstrap, statics: Statics) -> Result<Bootstrap, Rejection> {
    let root = At::root();
    let node = bootstrap.node.clone().unwrap_or_default();
    let dynamic = bootstrap.dynamic_resources.clone().unwrap_or_default();
    let dynamic_at = root.field("dynamic_resources");
    let ads = match &dynamic.ads_config {
        Some(config) => Some(ads(&dynamic_at.field("ads_config"), config)?),
        None => None,
    };
    let source = |name, config: &Option<core::ConfigSource>| match config {
        Some(config) => dynamic_source(&dynamic_at.field(name), config, ads.is_some()).map(Some),
        None => Ok(None),
    };
    let stats = bootstrap.stats_config.clone().unwrap_or_default();
    let stats_at = root.field("stats_config");
    let (log_format, log_json) = log_format(bootstrap);
    Ok(Bootstrap {
        node_id: node.id.as_str().into(),
        node_cluster: node.cluster.as_str().into(),
        node: node.encode_to_vec().into(),
        admin: match bootstrap.admin.as_ref().and_then(|admin| admin.address.as_ref()) {
            Some(address) => Some(address::decode::address(&root.field("admin").field("address"), address)?),
            None => None,
        },
        lds: source("lds_config", &dynamic.lds_config)?,
        cds: source("cds_config", &dynamic.cds_config)?,
        ads,
        static_clusters: statics.clusters,
        static_listeners: statics.listeners,
        static_secrets: statics.secrets,
        stats_matcher: stats_matcher(&stats_at.field("stats_matcher"), &stats)?,
        stats_tags: stats_tags(&stats),
        default_tags: proto::bool_or(&stats.use_all_default_tags, true),
        max_downstream_connections: connection_limit(&root.field("overload_manager"), bootstrap)?,
        runtime: runtime(bootstrap),
        log_format,
        log_json,
        stats_flush_interval: proto::duration(&root.field("stats_flush_interval"), &bootstrap.stats_flush_interval)?
            .unwrap_or(Duration::from_secs(5)),
        ignored: ignored(bootstrap, &dynamic),
    })
}

fn ads(at: &At<'_>, config: &core::ApiConfigSource) -> Result<AdsConfig, Rejection> {
    use core::api_config_source::ApiType;
    let delta = match ApiType::try_from(config.api_type) {
        Ok(ApiType::Grpc | ApiType::AggregatedGrpc) => false,
        Ok(ApiType::DeltaGrpc | ApiType::AggregatedDeltaGrpc) => true,
        _ => return Err(at.field("api_type").reject("must be GRPC or DELTA_GRPC")),
    };
    let services = at.field("grpc_services");
    let service = config.grpc_services.first().ok_or_else(|| services.reject("must name one gRPC service"))?;
    let cluster = match &service.target_specifier {
        Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(grpc)) => grpc.cluster_name.as_str().into(),
        _ => return Err(services.index(0).reject("must have envoy_grpc with the name of a static cluster")),
    };
    let pairs = service.initial_metadata.iter();
    Ok(AdsConfig {
        delta,
        cluster,
        node_on_first_message_only: config.set_node_on_first_message_only,
        metadata: pairs.map(|pair| (pair.key.to_ascii_lowercase().into(), pair.value.as_str().into())).collect(),
    })
}

fn dynamic_source(at: &At<'_>, config: &core::ConfigSource, has_ads: bool) -> Result<DynamicSource, Rejection> {
    use core::config_source::ConfigSourceSpecifier as Specifier;
    match &config.config_source_specifier {
        Some(Specifier::Ads(_)) if has_ads => {
            let timeout = at.field("initial_fetch_timeout");
            let default = Some(Duration::from_secs(15));
            Ok(DynamicSource::Ads {
                initial_fetch_timeout: proto::timeout(&timeout, &config.initial_fetch_timeout, default)?,
            })
        }
        Some(Specifier::Ads(_)) => Err(at.reject("asks for ADS, but dynamic_resources.ads_config is not set")),
        _ => Err(at.reject("must be `ads: {}`; other sources of listeners and clusters are not supported yet")),
    }
}

fn stats_matcher(at: &At<'_>, stats: &metrics::StatsConfig) -> Result<StatsMatcher, Rejection> {
    use metrics::stats_matcher::StatsMatcher as Matcher;
    let Some(matcher) = stats.stats_matcher.as_ref().and_then(|matcher| matcher.stats_matcher.as_ref()) else {
        return Ok(StatsMatcher::All);
    };
    let list = |name, list: &envoy_types::pb::envoy::r#type::matcher::v3::ListStringMatcher| {
        let field = at.field(name);
        let patterns = field.field("patterns");
        let each = list.patterns.iter().enumerate();
        each.map(|(index, pattern)| matcher::decode::string(&patterns.index(index), pattern))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match matcher {
        Matcher::RejectAll(true) => StatsMatcher::None,
        Matcher::RejectAll(false) => StatsMatcher::All,
        Matcher::ExclusionList(patterns) => StatsMatcher::Exclusion(list("exclusion_list", patterns)?),
        Matcher::InclusionList(patterns) => StatsMatcher::Inclusion(list("inclusion_list", patterns)?),
    })
}

fn stats_tags(stats: &metrics::StatsConfig) -> Vec<(Arc<str>, Arc<str>)> {
    use metrics::tag_specifier::TagValue;
    let tags = stats.stats_tags.iter();
    tags.filter_map(|tag| match &tag.tag_value {
        Some(TagValue::Regex(regex)) => Some((tag.tag_name.as_str().into(), regex.as_str().into())),
        _ => None,
    })
    .collect()
}

fn connection_limit(at: &At<'_>, bootstrap: &pb::Bootstrap) -> Result<Option<u64>, Rejection> {
    let Some(manager) = &bootstrap.overload_manager else { return Ok(None) };
    let monitors = at.field("resource_monitors");
    for (index, monitor) in manager.resource_monitors.iter().enumerate() {
        use envoy_types::pb::envoy::config::overload::v3::resource_monitor::ConfigType;
        let Some(ConfigType::TypedConfig(any)) = &monitor.config_type else { continue };
        let at = monitors.index(index);
        let opened = extension::open(&at, any)?;
        if opened.type_name
            == "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
        {
            let config: DownstreamConnectionsConfig = opened.decode(&at, &Options::default())?;
            let limit = u64::try_from(config.max_active_downstream_connections).ok().filter(|limit| *limit > 0);
            let field = at.field("max_active_downstream_connections");
            return limit.map(Some).ok_or_else(|| field.reject("must be greater than 0"));
        }
    }
    Ok(None)
}

fn runtime(bootstrap: &pb::Bootstrap) -> Vec<(Arc<str>, Arc<str>)> {
    use pb::runtime_layer::LayerSpecifier;
    let layers = bootstrap.layered_runtime.iter().flat_map(|runtime| &runtime.layers);
    let mut keys = Vec::new();
    for layer in layers {
        if let Some(LayerSpecifier::StaticLayer(values)) = &layer.layer_specifier {
            flatten("", &proto::struct_to_json(values), &mut keys);
        }
    }
    keys
}

/// Nested keys are joined with dots, as Envoy's runtime does.
fn flatten(prefix: &str, value: &serde_json::Value, keys: &mut Vec<(Arc<str>, Arc<str>)>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, value, keys);
            }
        }
        serde_json::Value::String(text) => keys.push((prefix.into(), text.as_str().into())),
        other => keys.push((prefix.into(), other.to_string().into())),
    }
}

fn log_format(bootstrap: &pb::Bootstrap) -> (Option<Arc<str>>, bool) {
    use pb::bootstrap::application_log_config::log_format::LogFormat;
    let format = bootstrap.application_log_config.as_ref().and_then(|config| config.log_format.as_ref());
    match format.and_then(|format| format.log_format.as_ref()) {
        Some(LogFormat::TextFormat(text)) => (Some(text.as_str().into()), false),
        Some(LogFormat::JsonFormat(_)) => (None, true),
        None => (None, false),
    }
}

fn ignored(bootstrap: &pb::Bootstrap, dynamic: &pb::bootstrap::DynamicResources) -> Vec<String> {
    let extensions =
        bootstrap.bootstrap_extensions.iter().map(|extension| format!("bootstrap_extensions '{}'", extension.name));
    let sinks = bootstrap.stats_sinks.iter().map(|sink| format!("stats_sinks '{}'", sink.name));
    let set = [
        ("cluster_manager", bootstrap.cluster_manager.is_some()),
        ("hds_config", bootstrap.hds_config.is_some()),
        ("flags_path", !bootstrap.flags_path.is_empty()),
        ("tracing", bootstrap.tracing.is_some()),
        ("watchdogs", bootstrap.watchdogs.is_some()),
        ("typed_dns_resolver_config", bootstrap.typed_dns_resolver_config.is_some()),
        ("fatal_actions", !bootstrap.fatal_actions.is_empty()),
        ("config_sources", !bootstrap.config_sources.is_empty()),
        ("default_config_source", bootstrap.default_config_source.is_some()),
        ("certificate_provider_instances", !bootstrap.certificate_provider_instances.is_empty()),
        ("inline_headers", !bootstrap.inline_headers.is_empty()),
        ("header_prefix", !bootstrap.header_prefix.is_empty()),
        ("dynamic_resources.lds_resources_locator", !dynamic.lds_resources_locator.is_empty()),
        ("dynamic_resources.cds_resources_locator", !dynamic.cds_resources_locator.is_empty()),
    ];
    let fields = set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned());
    extensions.chain(sinks).chain(fields).collect()
}
