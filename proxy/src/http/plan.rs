//! What filters have decided about where and how a request goes. Written by filters, read by the router; nothing else changes it.

use std::rc::Rc;
use std::sync::Arc;

use super::filters::alpn::Alpn;
use super::stream::{Chosen, Stream};
use crate::cluster::OverrideHost;
use crate::tls::AlpnList;

/// The decisions of one request. What only few filters decide is boxed.
#[derive(Debug, Default)]
pub(crate) struct Plan<'s> {
    /// ALPN lists that replace the cluster's own.
    pub alpn: Option<&'s Alpn>,
    rare: Option<Box<Rare<'s>>>,
}

/// What only few filters decide.
#[derive(Debug, Default)]
pub(crate) struct Rare<'s> {
    /// The route is to be chosen again, from the heads as they are now.
    pub reroute: bool,
    /// The filters that the first route has switched off; known once there is another.
    pub switched_off: Option<Rc<[u16]>>,
    /// The routes before, each with the place of the last filter that was asked while it was the route.
    pub before: Vec<(usize, Option<Chosen<'s>>)>,
    /// A tunnel through this proxy to a host of its table: the cluster that it leads to.
    pub tunnel: Option<Arc<str>>,
    /// An endpoint for the first attempt.
    pub host: Option<OverrideHost>,
}

impl<'s> Plan<'s> {
    /// What few filters decide, to be changed.
    pub fn rare(&mut self) -> &mut Rare<'s> {
        self.rare.get_or_insert_default()
    }

    /// The cluster of a tunnel through this proxy to a host of its table.
    pub fn tunnel(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.tunnel.as_ref()
    }

    /// The endpoint that a filter has chosen for this attempt: a retry goes where the balancer says.
    pub fn host(&self, attempt: u32) -> Option<&OverrideHost> {
        self.rare.as_ref()?.host.as_ref().filter(|_| attempt == 1)
    }

    /// Another route is chosen: the tunnel of the one before is none of it.
    pub fn forget_tunnel(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.tunnel = None;
        }
    }

    /// The route that a filter in this place was asked with, if there is another one now.
    pub fn route_before(&self, place: usize) -> Option<Option<&Chosen<'s>>> {
        let before = &self.rare.as_ref()?.before;
        before.iter().find(|(last, _)| place <= *last).map(|(_, chosen)| chosen.as_ref())
    }

    /// Whether the route is to be chosen again; asked once.
    #[inline]
    pub fn take_reroute(&mut self) -> bool {
        self.rare.as_mut().is_some_and(|rare| std::mem::take(&mut rare.reroute))
    }
}

/// What filter state says of the upstream connection's TLS, in place of the cluster.
#[derive(Debug, Default)]
pub(super) struct UpstreamNames {
    /// `envoy.network.upstream_server_name`.
    pub sni: Option<Box<str>>,
    /// `envoy.network.application_protocols`.
    pub alpn: Option<AlpnList>,
}

/// The names for a request. Costs two looks where there is no filter state; boxed, for few requests have any.
pub(super) fn upstream_names(stream: &Stream<'_>) -> Option<Box<UpstreamNames>> {
    if stream.info.filter_state.is_empty() && stream.info.connection.filter_state.borrow().is_empty() {
        return None;
    }
    let text = |key: &str| String::from_utf8(stream.state(key)?.to_vec()).ok().map(String::into_boxed_str);
    let list = |value: bytes::Bytes| -> AlpnList {
        let names = value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        names.filter(|name| !name.is_empty()).map(Arc::from).collect()
    };
    let alpn = stream.state("envoy.network.application_protocols").map(list).filter(|names| !names.is_empty());
    let sni = text("envoy.network.upstream_server_name").filter(|name| !name.is_empty());
    (sni.is_some() || alpn.is_some()).then(|| Box::new(UpstreamNames { sni, alpn }))
}
