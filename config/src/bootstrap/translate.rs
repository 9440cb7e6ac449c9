//! `Bootstrap` to plain data, static resources excepted. Called by [`super::read`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::read::Statics;
use super::{
    AdminListener, Bootstrap, DynamicSource, Layer, LayerSource, StatsMatcher, layers, overload, sinks, together,
};
use crate::access_log::{self, AccessLog};
use crate::address;
use crate::cluster::resolver::{self, Spellings};
use crate::cluster::{Bind, DnsResolver, bind};
use crate::extension;
use crate::field_rules;
use crate::fields::wire;
use crate::istio::WorkloadDiscovery;
use crate::listener;
use crate::matcher;
use crate::options::{Options, UnknownFields};
use crate::proto::{
    self, bool_or, bootstrap::v3 as pb, core::v3 as core,
    extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig, metrics::v3 as metrics,
    metrics::v3::tag_specifier::TagValue,
};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::runtime::{Entries, Runtime};
use crate::tls;
use crate::tracing;
use crate::xds_server::{self, XdsServer};

/// Everything but the static resources, which are given.
pub(super) fn bootstrap(
    proto: &pb::Bootstrap,
    statics: Statics,
    unknown_fields: UnknownFields,
) -> Result<Bootstrap, Rejection> {
    let options = Options::new(unknown_fields, false);
    (options.checks)("envoy.config.bootstrap.v3.Bootstrap", &proto.encode_to_vec(), &At::root(), &options)?;
    together::check(proto, &statics, &options)?;
    translated(proto, statics, &options)
}

/// What is wrong with each field of the top level by itself. `whole` is what is wrong with all of them together: where each is good, that
/// is said.
pub(super) fn each(
    proto: &pb::Bootstrap,
    statics: &Statics,
    unknown_fields: UnknownFields,
    whole: Rejection,
) -> Vec<Rejection> {
    let alone = |bytes: &[u8]| {
        let proto = pb::Bootstrap::decode(bytes).ok()?;
        bootstrap(&proto, statics.clone(), unknown_fields).err()
    };
    let found: Vec<_> = wire::alone(&proto.encode_to_vec()).iter().filter_map(|bytes| alone(bytes)).collect();
    if found.is_empty() { vec![whole] } else { found }
}

/// A bootstrap whose fields have been checked.
pub(super) fn translated(proto: &pb::Bootstrap, statics: Statics, options: &Options) -> Result<Bootstrap, Rejection> {
    let at = At::root();
    let body = Bytes::from(proto.encode_to_vec());
    let node = proto.node.clone().unwrap_or_default();
    let dynamic = proto.dynamic_resources.as_ref();
    let at_dynamic = at.field("dynamic_resources");
    let ads = dynamic.and_then(|dynamic| dynamic.ads_config.as_ref());
    let ads = ads.map(|ads| ads_config(&at_dynamic.field("ads_config"), ads, &statics, options)).transpose()?;
    let source = |field: &str, config: Option<&core::ConfigSource>| {
        config.map(|config| dynamic_source(&at_dynamic.field(field), config, ads.is_some(), options)).transpose()
    };
    let stats = proto.stats_config.clone().unwrap_or_default();
    let at_stats = at.field("stats_config");
    let layers = layers::decode(&at.field("layered_runtime").field("layers"), proto, ads.is_some(), options)?;
    let runtime = runtime(&layers);
    let workloads = extensions(&at.field("bootstrap_extensions"), proto, ads.is_some(), options)?;
    let max_connections = max_connections(&at.field("overload_manager"), proto, options)?;
    let tracer = proto.tracing.as_ref().and_then(|tracing| tracing.http.clone());
    if let Some(tracer) = &tracer {
        tracing::decode::provider(&at.field("tracing").field("http"), tracer, options)?;
    }
    let overload = proto.overload_manager.clone().unwrap_or_default();
    let overload = overload::decode(&at.field("overload_manager"), &overload, options)?;
    let stats_sinks = sinks::decode(&at.field("stats_sinks"), &proto.stats_sinks, options)?;
    let mut ignored = Vec::new();
    let log_format = proto.application_log_config.as_ref().and_then(|config| config.log_format.as_ref());
    let log_format = log_format.and_then(|format| format.log_format.as_ref());
    use pb::bootstrap::application_log_config::log_format::LogFormat;
    let flush = proto::positive(&at.field("stats_flush_interval"), &proto.stats_flush_interval)?;
    let flush = flush.unwrap_or(Duration::from_secs(5));
    let evict = eviction(&at.field("stats_eviction_interval"), proto, flush)?;
    ignored.extend(options.take_notes());
    Ok(Bootstrap {
        body,
        node_id: Arc::from(node.id.as_str()),
        node_cluster: Arc::from(node.cluster.as_str()),
        node_metadata: Arc::new(node.metadata.as_ref().map(proto::struct_to_json).unwrap_or_default()),
        node: Bytes::from(node.encode_to_vec()),
        local_cluster: local_cluster(&at.field("cluster_manager"), proto, &statics)?,
        upstream_bind: upstream_bind(&at.field("cluster_manager"), proto)?,
        dns_resolver: dns_resolver(&at, proto, options)?,
        outlier_log: outlier_log(proto),
        admin: admin(&at.field("admin"), proto)?,
        admin_logs: admin_logs(&at.field("admin"), proto, options)?,
        admin_paths: admin_paths(&at.field("admin").field("allow_paths"), proto)?,
        lds: source("lds_config", dynamic.and_then(|dynamic| dynamic.lds_config.as_ref()))?,
        cds: source("cds_config", dynamic.and_then(|dynamic| dynamic.cds_config.as_ref()))?,
        ads,
        workloads,
        static_clusters: statics.clusters,
        static_listeners: statics.listeners,
        static_secrets: statics.secrets,
        stats_matcher: stats_matcher(&at_stats.field("stats_matcher"), stats.stats_matcher.as_ref())?,
        stats_tags: tags(&stats, |tag| matches!(tag, Some(TagValue::Regex(_)))),
        fixed_tags: tags(&stats, |tag| matches!(tag, Some(TagValue::FixedValue(_)))),
        named_tags: tags(&stats, |tag| tag.is_none()).into_iter().map(|(name, _)| name).collect(),
        default_tags: bool_or(&stats.use_all_default_tags, true),
        histogram_buckets: histogram_buckets(&at_stats.field("histogram_bucket_settings"), &stats)?,
        max_downstream_connections: max_connections,
        layers,
        runtime: Arc::new(runtime),
        tracer: tracer.map(Arc::new),
        log_format: match log_format {
            Some(LogFormat::TextFormat(text)) => proto::text(text),
            // As with Envoy the object, written out, is the pattern.
            Some(LogFormat::JsonFormat(json)) => Some(proto::struct_to_json(json).to_string().into()),
            None => None,
        },
        stats_flush_interval: flush,
        stats_flush_on_admin: matches!(proto.stats_flush, Some(pb::bootstrap::StatsFlush::StatsFlushOnAdmin(true))),
        server_version: proto.stats_server_version_override.map(|version| version.value),
        stats_sinks,
        overload,
        stats_eviction_interval: evict,
        ignored,
        unknown: Vec::new(),
    })
}

fn admin(at: &At<'_>, proto: &pb::Bootstrap) -> Result<Option<AdminListener>, Rejection> {
    let Some(admin) = proto.admin.as_ref() else { return Ok(None) };
    let Some(address) = &admin.address else { return Ok(None) };
    let at_address = at.field("address");
    let address = match address::decode::address(&at_address, address)? {
        address @ (address::Address::Socket(_) | address::Address::Pipe(_)) => address,
        _ => {
            let reason =
                "the admin listener needs an IP address and port, or a path; give it a socket_address or a pipe";
            return Err(at_address.reject(reason));
        }
    };
    Ok(Some(AdminListener {
        address,
        pipe_mode: listener::decode::pipe_mode(&admin.address),
        socket_options: listener::decode::socket_options(&at.field("socket_options"), &admin.socket_options)?,
    }))
}

fn admin_logs(at: &At<'_>, proto: &pb::Bootstrap, options: &Options) -> Result<Vec<AccessLog>, Rejection> {
    let Some(admin) = proto.admin.as_ref() else { return Ok(Vec::new()) };
    let mut logs = access_log::decode::access_logs(&at.field("access_log"), &admin.access_log, options)?;
    if !admin.access_log_path.is_empty() {
        logs.push(access_log::decode::plain_file(&at.field("access_log_path"), &admin.access_log_path)?);
    }
    Ok(logs)
}

fn admin_paths(at: &At<'_>, proto: &pb::Bootstrap) -> Result<Vec<matcher::StringMatcher>, Rejection> {
    let paths = proto.admin.iter().flat_map(|admin| &admin.allow_paths).enumerate();
    paths.map(|(index, path)| matcher::decode::string(&at.index(index), path)).collect()
}

/// The name of the cluster of which this proxy is a member. It must be there from the beginning.
fn local_cluster(at: &At<'_>, proto: &pb::Bootstrap, statics: &Statics) -> Result<Option<Arc<str>>, Rejection> {
    let name = proto.cluster_manager.as_ref().and_then(|manager| proto::text(&manager.local_cluster_name));
    match name {
        Some(name) if !statics.clusters.iter().any(|known| *known.name == *name) => Err(at
            .field("local_cluster_name")
            .reject(format!("local cluster '{name}' must be defined; add it to static_resources.clusters"))),
        name => Ok(name),
    }
}

fn upstream_bind(at: &At<'_>, proto: &pb::Bootstrap) -> Result<Option<Arc<Bind>>, Rejection> {
    let bind = proto.cluster_manager.as_ref().and_then(|manager| manager.upstream_bind_config.as_ref());
    let at = at.field("upstream_bind_config");
    Ok(bind.map(|bind| bind::decode(&at, bind, "Bootstrap")).transpose()?.map(Arc::new))
}

fn dns_resolver(at: &At<'_>, proto: &pb::Bootstrap, options: &Options) -> Result<DnsResolver, Rejection> {
    let (typed, untyped) = (proto.typed_dns_resolver_config.as_ref(), proto.dns_resolution_config.as_ref());
    let usual = DnsResolver { tcp: proto.use_tcp_for_dns_lookups, ..DnsResolver::default() };
    Ok(resolver::decode(at, &Spellings { typed, untyped }, options)?.unwrap_or(usual))
}

fn outlier_log(proto: &pb::Bootstrap) -> Option<Arc<str>> {
    let outliers = proto.cluster_manager.as_ref()?.outlier_detection.as_ref()?;
    proto::text(&outliers.event_log_path)
}

fn ads_config(
    at: &At<'_>,
    proto: &core::ApiConfigSource,
    statics: &Statics,
    options: &Options,
) -> Result<XdsServer, Rejection> {
    let server = xds_server::decode(at, proto, options)?;
    if !statics.clusters.iter().any(|known| known.name == server.cluster) {
        let at = at.field("grpc_services");
        let at = at.index(0);
        return Err(at.field("envoy_grpc").field("cluster_name").reject(format!(
            "{:?} is not among static_resources.clusters; add it there, or correct the name",
            server.cluster
        )));
    }
    Ok(server)
}

fn dynamic_source(
    at: &At<'_>,
    proto: &core::ConfigSource,
    has_ads: bool,
    options: &Options,
) -> Result<DynamicSource, Rejection> {
    use core::config_source::ConfigSourceSpecifier as Source;
    match &proto.config_source_specifier {
        Some(Source::Ads(_)) if has_ads => {
            Ok(DynamicSource { initial_fetch_timeout: tls::decode::fetch_timeout(at, proto)? })
        }
        Some(Source::Ads(_)) => {
            Err(at.only_envoys("asks for ADS, but dynamic_resources.ads_config is not set; set it, or take this out"))
        }
        Some(Source::ApiConfigSource(api)) => {
            let at = at.field("api_config_source");
            if api.api_type == core::api_config_source::ApiType::Rest as i32 {
                let reason = "refresh_delay is required for REST API configuration sources; set it";
                proto::positive(&at.field("refresh_delay"), &api.refresh_delay)?.ok_or_else(|| at.reject(reason))?;
            } else {
                // Its own faults come first.
                xds_server::decode(&at, api, options)?;
            }
            Err(at.only_envoys("only ads: {} with dynamic_resources.ads_config works; ask for it there"))
        }
        _ => Err(
            at.only_envoys("only ads: {} with dynamic_resources.ads_config works; files belong into static_resources")
        ),
    }
}

fn stats_matcher(at: &At<'_>, proto: Option<&metrics::StatsMatcher>) -> Result<StatsMatcher, Rejection> {
    use metrics::stats_matcher::StatsMatcher as Kind;
    let patterns = |field: &str, list: &proto::types::matcher::v3::ListStringMatcher| {
        let at = at.field(field);
        let at = at.field("patterns");
        let patterns = list.patterns.iter().enumerate();
        patterns.map(|(index, one)| matcher::decode::string(&at.index(index), one)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match proto.and_then(|proto| proto.stats_matcher.as_ref()) {
        None | Some(Kind::RejectAll(false)) => StatsMatcher::All,
        Some(Kind::RejectAll(true)) => StatsMatcher::None,
        Some(Kind::InclusionList(list)) => StatsMatcher::Inclusion(patterns("inclusion_list", list)?),
        Some(Kind::ExclusionList(list)) => StatsMatcher::Exclusion(patterns("exclusion_list", list)?),
    })
}

/// Tags with what makes them, of those that `wanted` takes.
fn tags(stats: &metrics::StatsConfig, wanted: impl Fn(Option<&TagValue>) -> bool) -> Vec<(Arc<str>, Arc<str>)> {
    let made = |tag: &metrics::TagSpecifier| {
        let of = match &tag.tag_value {
            Some(TagValue::Regex(text) | TagValue::FixedValue(text)) => Arc::from(text.as_str()),
            None => Arc::default(),
        };
        (Arc::from(tag.tag_name.as_str()), of)
    };
    stats.stats_tags.iter().filter(|tag| wanted(tag.tag_value.as_ref())).map(made).collect()
}

fn histogram_buckets(
    at: &At<'_>,
    stats: &metrics::StatsConfig,
) -> Result<Vec<(matcher::StringMatcher, Vec<f64>)>, Rejection> {
    let one = |(index, setting): (usize, &metrics::HistogramBucketSettings)| {
        let at = at.index(index);
        let at_match = at.field("match");
        let pattern = matcher::decode::string(&at_match, field_rules::required(&at_match, &setting.r#match)?)?;
        let at_buckets = at.field("buckets");
        let rising = setting.buckets.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising
            || setting.buckets.first().is_some_and(|bound| *bound <= 0.0)
            || setting.buckets.iter().any(|bound| bound.is_nan())
        {
            return Err(at_buckets.reject("must be positive and rise; put the bounds in order"));
        }
        Ok((pattern, setting.buckets.clone()))
    };
    stats.histogram_bucket_settings.iter().enumerate().map(one).collect()
}

/// What static layers say.
fn runtime(layers: &[Layer]) -> Runtime {
    Runtime::new(layers.iter().flat_map(|layer| match &layer.source {
        LayerSource::Static(entries) => entries.clone(),
        _ => Entries::new(),
    }))
}

/// Whether workloads are to be discovered.
fn extensions(at: &At<'_>, proto: &pb::Bootstrap, has_ads: bool, options: &Options) -> Result<bool, Rejection> {
    let mut workloads = false;
    for (index, config) in proto.bootstrap_extensions.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &config.typed_config)?;
        registry::inert(&at, Kind::Bootstrap, &config.name, &extension, options)?;
        if extension.type_name == registry::WORKLOAD_DISCOVERY {
            let config: WorkloadDiscovery = extension.decode(&at, options)?;
            let source = config.config_source.and_then(|source| source.config_source_specifier);
            workloads = has_ads && matches!(source, Some(core::config_source::ConfigSourceSpecifier::Ads(_)));
            if !workloads {
                options.note(&at.field("config_source"), "is not ADS; workloads are not asked for");
            }
        }
    }
    Ok(workloads)
}

fn max_connections(at: &At<'_>, proto: &pb::Bootstrap, options: &Options) -> Result<Option<u64>, Rejection> {
    use crate::proto::overload::v3::resource_monitor::ConfigType::TypedConfig;
    let at = at.field("resource_monitors");
    let mut most = None;
    let monitors = proto.overload_manager.iter().flat_map(|manager| &manager.resource_monitors);
    for (index, monitor) in monitors.enumerate() {
        let at = at.index(index);
        let at = at.field("typed_config");
        let Some(TypedConfig(any)) = &monitor.config_type else { continue };
        let extension = extension::open(&at, any)?;
        registry::inert(&at, Kind::ResourceMonitor, &monitor.name, &extension, options)?;
        if extension.type_name.ends_with(".DownstreamConnectionsConfig") {
            let config: DownstreamConnectionsConfig = extension.decode(&at, options)?;
            let limit = u64::try_from(config.max_active_downstream_connections).ok().filter(|limit| *limit > 0);
            let at_limit = at.field("max_active_downstream_connections");
            most =
                Some(*field_rules::required(&at_limit, &limit).map_err(|_| at_limit.reject("must be greater than 0"))?);
        }
    }
    Ok(most)
}

/// How long label sets live that nobody writes; as in Envoy so many flushes.
fn eviction(at: &At<'_>, proto: &pb::Bootstrap, flush: Duration) -> Result<Option<Duration>, Rejection> {
    let Some(pb::bootstrap::StatsEviction::StatsEvictionInterval(interval)) = &proto.stats_eviction else {
        return Ok(None);
    };
    let interval = proto::positive(at, &Some(*interval))?;
    if interval.is_some_and(|interval| interval.as_nanos() % flush.as_nanos() != 0) {
        return Err(at.reject("must be a multiple of stats_flush_interval"));
    }
    Ok(interval)
}
