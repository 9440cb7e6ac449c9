//! The HTTP filter chain. Called by [`super::decode`]. A filter that carries policy and does not act yet is refused by name, so
//! that no request passes it unjudged.

use std::sync::Arc;

use super::{HttpFilter, Router};
use crate::descriptors::Descriptors;
use crate::extension::{self, Extension};
use crate::filters::{self, HttpFilterConfig};
use crate::options::Options;
use crate::proto::{bool_or, extensions as ext, extensions::filters::network::http_connection_manager::v3 as pb};
use crate::registry::{self, Kind, State};
use crate::rejection::{At, Rejection};

/// The filters before the router, and the router.
#[derive(Debug)]
pub(super) struct Chain {
    pub filters: Vec<HttpFilter>,
    pub router: Router,
}

enum Read {
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

fn filter(at: &At<'_>, proto: &pb::HttpFilter, options: &Options) -> Result<Read, Rejection> {
    use pb::http_filter::ConfigType;
    let name: Arc<str> = crate::field_rules::not_empty(&at.field("name"), &proto.name)?;
    let kept = |config| Ok(Read::Filter(HttpFilter { name: name.clone(), disabled: proto.disabled, config }));
    let any = match &proto.config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(source)) => {
            let type_name =
                discovered(&at.field("config_discovery"), Kind::HttpFilter, &name, &source.type_urls, options)?;
            return kept(HttpFilterConfig::Inert(type_name));
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
    let Some(entry) = registry::find(Kind::HttpFilter, &extension.type_name) else {
        // Envoy leaves out only what it does not know itself; a type that it knows, or a wrapper of others, may carry policy.
        if proto.is_optional && !Descriptors::knows(&extension.type_name) {
            options.note(
                &at,
                format_args!("filter {name:?} ({}) is optional and not known; left out", extension.type_name),
            );
            return Ok(Read::LeftOut);
        }
        return Err(registry::not_registered(&at, &name, &extension.type_name));
    };
    if entry.state == State::InertIfFailOpen && !may_fail_open(&at, &extension, options)? {
        return Err(registry::refused(&at, &name, entry));
    }
    kept(filters::http(&at, &name, entry, &extension, options)?)
}

/// A filter that is to be discovered: its config never comes, so it may only be left out where every type it may have is harmless.
pub(crate) fn discovered(
    at: &At<'_>,
    kind: Kind,
    name: &str,
    type_urls: &[String],
    options: &Options,
) -> Result<Arc<str>, Rejection> {
    let harmful = type_urls.iter().find(|url| !registry::is_harmless(kind, url));
    match (type_urls.first(), harmful) {
        (Some(first), None) => {
            options.note(at, format_args!("filter {name:?} is not discovered and not acting"));
            Ok(Arc::from(extension::message_name(first)))
        }
        (None, _) => Err(at.field("type_urls").reject("must have at least one element")),
        (_, Some(url)) => Err(at
            .unsupported(format!(
                "filter {name:?} may turn out to be {}, which is not supported yet and may hold policy",
                extension::message_name(url)
            ))
            .withholding_policy()),
    }
}

/// Whether the config asks to let requests pass when the filter fails, so that its absence is what the operator accepted.
fn may_fail_open(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<bool, Rejection> {
    Ok(match &*extension.type_name {
        "envoy.extensions.filters.http.wasm.v3.Wasm" => {
            let wasm: ext::filters::http::wasm::v3::Wasm = extension.decode(at, options)?;
            wasm.config.is_some_and(|plugin| plugin_may_fail_open(&plugin))
        }
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor" => {
            let processor: ext::filters::http::ext_proc::v3::ExternalProcessor = extension.decode(at, options)?;
            processor.failure_mode_allow
        }
        "envoy.extensions.filters.http.ratelimit.v3.RateLimit" => {
            let limit: ext::filters::http::ratelimit::v3::RateLimit = extension.decode(at, options)?;
            !limit.failure_mode_deny
        }
        _ => false,
    })
}

/// `fail_open`, or a failure policy that says the same.
pub(crate) fn plugin_may_fail_open(plugin: &ext::wasm::v3::PluginConfig) -> bool {
    plugin.fail_open || plugin.failure_policy == ext::wasm::v3::FailurePolicy::FailOpen as i32
}

fn router(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Router, Rejection> {
    let proto: ext::filters::http::router::v3::Router = extension.decode(at, options)?;
    if let Some(filter) = proto.upstream_http_filters.iter().find(|filter| !filter.name.contains("upstream_codec")) {
        return Err(at
            .field("upstream_http_filters")
            .unsupported(format!("upstream HTTP filter {:?} is not supported", filter.name)));
    }
    let inert = [
        ("start_child_span", proto.start_child_span, "is not acting; no spans are sent"),
        ("upstream_log", !proto.upstream_log.is_empty(), "is not acting; upstream attempts are not logged"),
        (
            "strict_check_headers",
            !proto.strict_check_headers.is_empty(),
            "is not acting; wrong x-envoy headers are ignored",
        ),
        ("respect_expected_rq_timeout", proto.respect_expected_rq_timeout, "is not acting"),
    ];
    for (field, _, text) in inert.iter().filter(|(_, set, _)| *set) {
        options.note(&at.field(field), text);
    }
    Ok(Router {
        suppress_envoy_headers: proto.suppress_envoy_headers,
        dynamic_stats: bool_or(&proto.dynamic_stats, true),
    })
}
