//! HTTP filters that stand behind the router: `Router.upstream_http_filters`, and `HttpProtocolOptions.http_filters` of a cluster, which come
//! in their place. Those act there that Envoy lets act there; others are refused by name, as by Envoy.

use super::HttpFilter;
use super::filters::{self, Read};
use crate::extension;
use crate::filters::HttpFilterConfig;
use crate::filters::composite::{Execute, ExecuteFilter};
use crate::filters::match_delegate::DelegateAction;
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
        Execute::Discovered(name, _) => Err(refused(at, name)),
        Execute::NamedChain(_) => Ok(()),
    }
}

fn refused(at: &At<'_>, name: &str) -> Rejection {
    at.unsupported(format!(
        "upstream HTTP filter {name:?} cannot stand behind the router: buffer, compressor, composite, credential_injector, header_mutation, match_delegate \
         and rbac can, with their configs inline; put it before the router"
    ))
}
