//! `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`. Called by the list of filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::istio::AlpnFilterConfig;
use crate::options::Options;
use crate::rejection::{At, Rejection};

/// ALPN lists offered upstream, by the protocol that will be spoken there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Alpn {
    /// For HTTP/1.0 upstreams.
    pub http10: Vec<Arc<[u8]>>,
    /// For HTTP/1.1 upstreams.
    pub http11: Vec<Arc<[u8]>>,
    /// For HTTP/2 upstreams.
    pub http2: Vec<Arc<[u8]>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Alpn, Rejection> {
    let proto: AlpnFilterConfig = extension.decode(at, options)?;
    let mut alpn = Alpn::default();
    let at_list = at.field("alpn_override");
    for (index, entry) in proto.alpn_override.iter().enumerate() {
        let at = at_list.index(index);
        if entry.alpn_override.iter().any(|name| !(1..=255).contains(&name.len())) {
            return Err(at.field("alpn_override").reject("a protocol name has 1 to 255 octets"));
        }
        let list = entry.alpn_override.iter().map(|name| Arc::from(name.as_bytes())).collect();
        match entry.upstream_protocol {
            0 => alpn.http10 = list,
            1 => alpn.http11 = list,
            2 => alpn.http2 = list,
            other => return Err(at.field("upstream_protocol").reject(format!("{other} is not a value of this enum"))),
        }
    }
    Ok(alpn)
}
