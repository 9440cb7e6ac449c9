//! `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`: the ALPN list offered upstream, by the protocol that the cluster will
//! speak. Peers tell HTTP from TCP, and Istio's requests from others, by it.
//!
//! Fields honoured: `alpn_override` for HTTP/1.0, HTTP/1.1 and HTTP/2. A cluster whose metadata says
//! `istio.alpn_override: "false"` keeps its own list.

use std::convert::Infallible;
use std::sync::Arc;

use config::Rejection;
use config::cluster::{Cluster, UpstreamProtocol};

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::tls::AlpnList;
use crate::wire::message::Protocol;

/// The filter, compiled: lists by upstream protocol; empty ones leave the cluster's own.
#[derive(Debug)]
pub(crate) struct Alpn {
    http11: AlpnList,
    http2: AlpnList,
}

impl HttpFilter for Alpn {
    type Config = config::filters::alpn::Alpn;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = ();

    fn compile(config: &Self::Config, _deps: &FilterDeps<'_>) -> Result<Alpn, Rejection> {
        Ok(Alpn { http11: Arc::from(&config.http11[..]), http2: Arc::from(&config.http2[..]) })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        if self.http11.is_empty() && self.http2.is_empty() { Hooks::NONE } else { Hooks::REQUEST }
    }

    fn request(&self, turn: &mut Turn<'_, '_, Alpn>) -> Step {
        turn.stream.plan.alpn = Some(turn.filter);
        Step::Continue
    }
}

impl Alpn {
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
