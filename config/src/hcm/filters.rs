//! The HTTP filter chain. Called by [`super::decode`]. A filter that carries policy and does not act yet is refused by name, so
//! that no request passes it unjudged.

use std::sync::Arc;

use super::{HttpFilter, Router, StrictHeader, upstream};
use crate::access_log;
use crate::extension::{self, Extension};
use crate::filters::{self, HttpFilterConfig, discovery};
use crate::options::Options;
use crate::proto::{self, bool_or, extensions as ext, extensions::filters::network::http_connection_manager::v3 as pb};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// The filters before the router, and the router.
#[derive(Debug)]
pub(super) struct Chain {
    pub filters: Vec<HttpFilter>,
    pub router: Router,
}

pub(super) enum Read {
    Filter(HttpFilter),
    Router(Router),
    LeftOut,
}

/// Reads `http_filters`: the router is the last one, and only there.
pub(super) fn chain(at: &At<'_>, list: &[pb::HttpFilter], options: &Options) -> Result<Chain, Rejection> {
    let mut filters = Vec::with_capacity(list.len());
    let last = list.len().checked_sub(1);
    for (index, proto) in list.iter().enumerate() {
        let at = at.index(index);
        match filter(&at, proto, options)? {
            Read::Filter(filter) => filters.push(filter),
            Read::LeftOut => {}
            Read::Router(_) if proto.disabled => {
                return Err(at.field("disabled").reject(format!(
                    "the last (terminal) filter ({}) in the chain cannot be disabled by default.",
                    proto.name
                )));
            }
            Read::Router(router) if Some(index) == last => return Ok(Chain { filters, router }),
            Read::Router(_) => {
                let reason = format!(
                    "terminal filter named {} of type envoy.filters.http.router must be the last filter in a http filter chain.",
                    proto.name
                );
                return Err(at.reject(reason));
            }
        }
    }
    Err(at.reject("the last filter must be envoy.filters.http.router; nothing would answer requests"))
}

/// Kinds of upgrades with their filters.
type OfUpgrades = Vec<(Arc<str>, Vec<HttpFilter>)>;

/// Filters of upgrades that have their own.
pub(super) fn of_upgrades(
    at: &At<'_>,
    manager: &pb::HttpConnectionManager,
    options: &Options,
) -> Result<OfUpgrades, Rejection> {
    fn typed(list: &[pb::HttpFilter]) -> Option<&pb::http_filter::ConfigType> {
        list.last()?.config_type.as_ref()
    }
    let at = at.field("upgrade_configs");
    let mut all = Vec::new();
    for (index, upgrade) in manager.upgrade_configs.iter().enumerate().filter(|(_, one)| !one.filters.is_empty()) {
        let at = at.index(index);
        let at = at.field("filters");
        let chain = chain(&at, &upgrade.filters, options)?;
        for (place, filter) in chain.filters.iter().enumerate() {
            if filter.config.discovers(&filter.name) {
                let reason = "configs that are discovered are not supported in filters of an upgrade's own";
                return Err(at.index(place).field("config_discovery").unsupported(reason));
            }
        }
        if typed(&upgrade.filters) != typed(&manager.http_filters) {
            let reason = "a router with other settings than that of http_filters is not supported";
            return Err(at.index(upgrade.filters.len() - 1).unsupported(reason));
        }
        all.push((Arc::from(upgrade.upgrade_type.to_ascii_lowercase()), chain.filters));
    }
    Ok(all)
}

pub(super) fn filter(at: &At<'_>, proto: &pb::HttpFilter, options: &Options) -> Result<Read, Rejection> {
    use pb::http_filter::ConfigType;
    let name: Arc<str> = crate::field_rules::not_empty(&at.field("name"), &proto.name)?;
    let kept = |config| Ok(Read::Filter(HttpFilter { name: name.clone(), disabled: proto.disabled, config }));
    let any = match &proto.config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(source)) => {
            let discovery = discovery::of_http(&at.field("config_discovery"), &name, source, options)?;
            return kept(HttpFilterConfig::Discovered(Arc::new(discovery)));
        }
        None => {
            return Err(at.field("typed_config").reject(format!("filter {name:?} has no config; give typed_config")));
        }
    };
    let at = at.field("typed_config");
    let extension = extension::open(&at, any)?;
    if extension.type_name == registry::ROUTER {
        return Ok(Read::Router(router(&at, &extension, options)?));
    }
    let is_known = registry::find(Kind::HttpFilter, &extension.type_name).is_some();
    // Envoy leaves out only what it does not know itself; a type that it knows, or a wrapper of others, may carry policy.
    if proto.is_optional && !is_known && !registry::configures_http_filter(&extension.type_name) {
        options
            .note(&at, format_args!("filter {name:?} ({}) is optional and not known; left out", extension.type_name));
        return Ok(Read::LeftOut);
    }
    kept(filters::typed::http(&at, &name, &extension, options)?)
}

fn router(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Router, Rejection> {
    let proto: ext::filters::http::router::v3::Router = extension.decode(at, options)?;
    let at_strict = at.field("strict_check_headers");
    let strict = proto.strict_check_headers.iter().enumerate();
    let log = proto.upstream_log_options.unwrap_or_default();
    let at_interval = at.field("upstream_log_options");
    let at_interval = at_interval.field("upstream_log_flush_interval");
    Ok(Router {
        strict_headers: strict
            .map(|(index, name)| strict_header(&at_strict.index(index), name))
            .collect::<Result<_, _>>()?,
        respect_expected_timeout: proto.respect_expected_rq_timeout,
        upstream_log: access_log::decode::access_logs(&at.field("upstream_log"), &proto.upstream_log, options)?,
        upstream_log_at_stream: log.flush_upstream_log_on_upstream_stream,
        upstream_log_interval: proto::duration(&at_interval, &log.upstream_log_flush_interval)?,
        upstream_filters: upstream::chain(&at.field("upstream_http_filters"), &proto.upstream_http_filters, options)?,
        suppress_envoy_headers: proto.suppress_envoy_headers,
        dynamic_stats: bool_or(&proto.dynamic_stats, true),
        starts_child_span: proto.start_child_span,
        reject_early_data: bool_or(&proto.reject_connect_request_early_data, false),
        suppress_grpc_codes: proto.suppress_grpc_request_failure_code_stats,
    })
}

fn strict_header(at: &At<'_>, name: &str) -> Result<StrictHeader, Rejection> {
    Ok(match name {
        "x-envoy-upstream-rq-timeout-ms" => StrictHeader::Timeout,
        "x-envoy-upstream-rq-per-try-timeout-ms" => StrictHeader::PerTryTimeout,
        "x-envoy-max-retries" => StrictHeader::MaxRetries,
        "x-envoy-retry-on" => StrictHeader::RetryOn,
        "x-envoy-retry-grpc-on" => StrictHeader::RetryGrpcOn,
        other => return Err(at.reject(format!("{other:?} is not a header that the router can be strict about"))),
    })
}
