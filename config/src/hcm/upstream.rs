//! HTTP filters that stand behind the router: `Router.upstream_http_filters`, and `HttpProtocolOptions.http_filters` of a cluster, which come
//! in their place. Those act that change heads alone; others are refused by name, so that nothing is left undone.

use super::HttpFilter;
use super::filters::{self, Read};
use crate::extension;
use crate::filters::HttpFilterConfig;
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
            Read::Filter(filter) if changes_heads_alone(&filter.config) => filters.push(filter),
            Read::LeftOut => {}
            Read::Filter(_) | Read::Router(_) => {
                return Err(at.unsupported(format!(
                    "upstream HTTP filter {:?} is not supported there: header_mutation (of heads) and set_metadata are",
                    proto.name
                )));
            }
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

fn changes_heads_alone(config: &HttpFilterConfig) -> bool {
    match config {
        HttpFilterConfig::HeaderMutation(config) => {
            config.mutations.request_trailers.is_empty() && config.mutations.response_trailers.is_empty()
        }
        HttpFilterConfig::SetMetadata(_) => true,
        _ => false,
    }
}
