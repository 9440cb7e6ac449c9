//! HTTP filters that stand behind the router: `Router.upstream_http_filters`, and `HttpProtocolOptions.http_filters` of a cluster, which come
//! in their place. Those act there that Envoy lets act there; others are refused by name, as by Envoy.

use std::sync::Arc;

use super::HttpFilter;
use super::filters::{self, Read};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::filters::composite::{Execute, ExecuteFilter};
use crate::filters::discovery::{self, Discovery};
use crate::filters::match_delegate::DelegateAction;
use crate::filters::{self as any_filters, HttpFilterConfig};
use crate::options::Options;
use crate::proto::extensions::filters::network::http_connection_manager::v3 as pb;
use crate::registry;
use crate::rejection::{At, Rejection};

/// The filters before the codec, which must be the last one. An empty list is as if there was the codec alone.
pub(crate) fn chain(at: &At<'_>, list: &[pb::HttpFilter], options: &Options) -> Result<Vec<HttpFilter>, Rejection> {
    let Some((codec, before)) = list.split_last() else { return Ok(Vec::new()) };
    let at_codec = at.index(before.len());
    if !is_codec(&at_codec, codec)? {
        return Err(at_codec.reject(format!(
            "terminal filter named {} must be envoy.filters.http.upstream_codec: nothing would send requests",
            codec.name
        )));
    }
    let mut filters = Vec::with_capacity(before.len());
    for (index, proto) in before.iter().enumerate() {
        let at = at.index(index);
        if is_codec(&at, proto)? {
            return Err(at.reject("the codec must be the last filter"));
        }
        if let Some(pb::http_filter::ConfigType::ConfigDiscovery(source)) = &proto.config_type {
            let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
            let discovery = discovery::of_upstream_http(&at.field("config_discovery"), &name, source, options)?;
            let config = HttpFilterConfig::Discovered(Arc::new(discovery));
            filters.push(HttpFilter { name, disabled: proto.disabled, config });
            continue;
        }
        match filters::filter(&at, proto, options)? {
            Read::Filter(filter) => {
                may_stand_here(&at, &filter.name, &filter.config)?;
                filters.push(filter);
            }
            Read::LeftOut => {}
            Read::Router(_) => return Err(refused(&at, &proto.name)),
        }
    }
    Ok(filters)
}

fn is_codec(at: &At<'_>, proto: &pb::HttpFilter) -> Result<bool, Rejection> {
    match &proto.config_type {
        Some(pb::http_filter::ConfigType::TypedConfig(any)) => {
            Ok(extension::open(&at.field("typed_config"), any)?.type_name == registry::UPSTREAM_CODEC)
        }
        _ => Ok(false),
    }
}

/// Whether a filter of this type may stand behind the router.
pub(crate) fn is_known(type_name: &str) -> bool {
    MAY_STAND_HERE.contains(&type_name)
}

const MAY_STAND_HERE: [&str; 7] = [
    "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
    "envoy.extensions.filters.http.buffer.v3.Buffer",
    "envoy.extensions.filters.http.composite.v3.Composite",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
];

/// The config of a filter that is to stand behind the router.
pub(crate) fn typed(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<HttpFilterConfig, Rejection> {
    let config = any_filters::typed::http(at, name, extension, options)?;
    may_stand_here(at, name, &config)?;
    Ok(config)
}

/// Whether a filter, and each that is in it, may stand behind the router.
fn may_stand_here(at: &At<'_>, name: &str, config: &HttpFilterConfig) -> Result<(), Rejection> {
    match config {
        HttpFilterConfig::Buffer(_)
        | HttpFilterConfig::Compressor(_)
        | HttpFilterConfig::CredentialInjector(_)
        | HttpFilterConfig::HeaderMutation(_)
        | HttpFilterConfig::Rbac(_) => Ok(()),
        HttpFilterConfig::MatchDelegate(delegate) => {
            let mut result = may_stand_here(at, &delegate.name, &delegate.filter);
            if let Some(tree) = &delegate.matcher {
                tree.each_action(&mut |action| {
                    if let (DelegateAction::Execute(execute), true) = (action, result.is_ok()) {
                        result = action_may_stand_here(at, execute);
                    }
                });
            }
            result
        }
        HttpFilterConfig::Composite(composite) => {
            let mut named = composite.chains.iter().flat_map(|(_, chain)| chain);
            let mut result = named.try_for_each(|filter| may_stand_here(at, &filter.name, &filter.config));
            if let Some(tree) = &composite.matcher {
                tree.each_action(&mut |action| {
                    if result.is_ok() {
                        result = action_may_stand_here(at, action);
                    }
                });
            }
            result
        }
        _ => Err(refused(at, name)),
    }
}

fn action_may_stand_here(at: &At<'_>, action: &ExecuteFilter) -> Result<(), Rejection> {
    match &action.what {
        Execute::Filter(filter) => may_stand_here(at, &filter.name, &filter.config),
        Execute::Chain(chain) => chain.iter().try_for_each(|filter| may_stand_here(at, &filter.name, &filter.config)),
        Execute::Discovered(name, discovery) => discovered_may_stand_here(at, name, discovery),
        Execute::NamedChain(_) => Ok(()),
    }
}

fn discovered_may_stand_here(
    at: &At<'_>,
    name: &str,
    discovery: &Discovery<HttpFilterConfig>,
) -> Result<(), Rejection> {
    if !discovery.type_names.iter().all(|type_name| is_known(type_name)) {
        return Err(refused(at, name));
    }
    discovery.default.as_ref().map_or(Ok(()), |default| may_stand_here(at, name, &default.config))
}

fn refused(at: &At<'_>, name: &str) -> Rejection {
    at.unsupported(format!(
        "upstream HTTP filter {name:?} cannot stand behind the router: buffer, compressor, composite, credential_injector, header_mutation, match_delegate \
         and rbac can; put it before the router"
    ))
}
