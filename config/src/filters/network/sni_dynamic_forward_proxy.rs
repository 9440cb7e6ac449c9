//! `envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig`. Called by the list of network filters.

use std::sync::Arc;

use crate::dns_cache::{self, DnsCache};
use crate::extension::Extension;
use crate::field_rules;
use crate::filters::dynamic_forward_proxy::saves_no_address;
use crate::options::Options;
use crate::proto::extensions::filters::network::sni_dynamic_forward_proxy::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone)]
pub struct SniDynamicForwardProxy {
    /// `dns_cache_config`.
    pub cache: Arc<DnsCache>,
    /// `port_value`.
    pub port: u16,
}

pub(super) fn decode(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<SniDynamicForwardProxy, Rejection> {
    let proto: pb::FilterConfig = extension.decode(at, options)?;
    saves_no_address(at, proto.save_upstream_address)?;
    let at_cache = at.field("dns_cache_config");
    let cache = dns_cache::decode(&at_cache, field_rules::required(&at_cache, &proto.dns_cache_config)?, options)?;
    let port = match proto.port_specifier {
        Some(pb::filter_config::PortSpecifier::PortValue(port)) => {
            let at = at.field("port_value");
            field_rules::within(&at, u64::from(port), 1, 65_535)?;
            field_rules::port(&at, port)?
        }
        None => return Err(at.field("port_value").reject("is required and not set; set it")),
    };
    Ok(SniDynamicForwardProxy { cache, port })
}
