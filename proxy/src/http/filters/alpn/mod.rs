//! `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`: the ALPN list offered upstream, by the protocol that the cluster will
//! speak. Peers tell HTTP from TCP, and Istio's requests from others, by it.
//!
//! Fields honoured: `alpn_override` for HTTP/1.0, HTTP/1.1 and HTTP/2. A cluster whose metadata says
//! `istio.alpn_override: "false"` keeps its own list.

use std::sync::Arc;

use config::cluster::{Cluster, UpstreamProtocol};

use crate::tls::AlpnList;
use crate::wire::message::Protocol;

/// The filter, compiled: lists by upstream protocol; empty ones leave the cluster's own.
#[derive(Debug)]
pub(in crate::http) struct Alpn {
    http11: AlpnList,
    http2: AlpnList,
}

impl Alpn {
    pub fn compile(config: &config::filters::alpn::Alpn) -> Alpn {
        Alpn { http11: Arc::from(&config.http11[..]), http2: Arc::from(&config.http2[..]) }
    }

    /// The list for a request to this cluster.
    pub fn choose(&self, cluster: &Cluster, downstream: Protocol) -> Option<&AlpnList> {
        let list = match (cluster.http.protocol, downstream) {
            (UpstreamProtocol::Http2 | UpstreamProtocol::Auto, _) => &self.http2,
            (UpstreamProtocol::Downstream, Protocol::Http2) => &self.http2,
            // HTTP/1.0 is never spoken upstream: such requests go out as HTTP/1.1.
            (UpstreamProtocol::Http1 | UpstreamProtocol::Downstream, _) => &self.http11,
        };
        (!list.is_empty() && !cluster.alpn_override_disabled()).then_some(list)
    }
}
