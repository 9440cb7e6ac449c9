//! `envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig`, and what routes tell it. Called by the list of filters.

use std::sync::Arc;

use crate::dns_cache::{self, DnsCache};
use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::filters::http::dynamic_forward_proxy::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone)]
pub struct DynamicForwardProxy {
    /// `dns_cache_config`.
    pub cache: Arc<DnsCache>,
    /// `allow_dynamic_host_from_filter_state`.
    pub heeds_state: bool,
}

/// `PerRouteConfig`: another host, for the look-up and for the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewHost {
    /// The request's own.
    Same,
    /// `host_rewrite_literal`.
    Literal(Arc<str>),
    /// `host_rewrite_header`: the first value of it, where there is one.
    Header(Arc<str>),
}

pub(super) fn decode(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<DynamicForwardProxy, Rejection> {
    use pb::filter_config::ImplementationSpecifier as Kind;
    let proto: pb::FilterConfig = extension.decode(at, options)?;
    saves_no_address(at, proto.save_upstream_address)?;
    let cache = match &proto.implementation_specifier {
        Some(Kind::DnsCacheConfig(config)) => dns_cache::decode(&at.field("dns_cache_config"), config, options)?,
        Some(Kind::SubClusterConfig(_)) => {
            return Err(at.field("sub_cluster_config").only_envoys(
                "clusters of one host each are not made; give dns_cache_config, here and in the cluster",
            ));
        }
        None => return Err(at.field("dns_cache_config").reject("is required and not set; set it")),
    };
    Ok(DynamicForwardProxy { cache, heeds_state: proto.allow_dynamic_host_from_filter_state })
}

/// Rules on the upstream's address would be asked about what nobody keeps.
pub(super) fn saves_no_address(at: &At<'_>, saves: bool) -> Result<(), Rejection> {
    if saves {
        return Err(at
            .field("save_upstream_address")
            .only_envoys("is not supported: no rule here looks at that address; use resolved_address_filter"));
    }
    Ok(())
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<NewHost, Rejection> {
    use pb::per_route_config::HostRewriteSpecifier as Rewrite;
    let proto: pb::PerRouteConfig = extension.decode(at, options)?;
    Ok(match proto.host_rewrite_specifier {
        Some(Rewrite::HostRewriteLiteral(host)) if !host.is_empty() => {
            field_rules::header_value(&at.field("host_rewrite_literal"), &host)?;
            NewHost::Literal(host.into())
        }
        Some(Rewrite::HostRewriteHeader(name)) if !name.is_empty() => {
            NewHost::Header(field_rules::header_name(&at.field("host_rewrite_header"), &name)?)
        }
        _ => NewHost::Same,
    })
}
