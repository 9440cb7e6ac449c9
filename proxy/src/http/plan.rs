//! What filters have decided about where and how a request goes. Written by filters, read by the router; nothing else changes it.

use std::sync::Arc;

use super::filters::alpn::Alpn;
use crate::cluster::OverrideHost;

/// The decisions of one request. What only few filters decide is boxed.
#[derive(Debug, Default)]
pub(crate) struct Plan<'s> {
    /// ALPN lists that replace the cluster's own.
    pub alpn: Option<&'s Alpn>,
    rare: Option<Box<Rare>>,
}

/// What only few filters decide.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// The route is to be chosen again, from the heads as they are now.
    pub reroute: bool,
    /// A cluster in place of the route's.
    pub cluster: Option<Arc<str>>,
    /// An endpoint for the first attempt.
    pub host: Option<OverrideHost>,
}

impl Plan<'_> {
    /// What few filters decide, to be changed.
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The cluster that a filter has chosen.
    pub fn cluster(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.cluster.as_ref()
    }

    /// The endpoint that a filter has chosen for this attempt: a retry goes where the balancer says.
    pub fn host(&self, attempt: u32) -> Option<&OverrideHost> {
        self.rare.as_ref()?.host.as_ref().filter(|_| attempt == 1)
    }

    /// Whether the route is to be chosen again; asked once.
    pub fn take_reroute(&mut self) -> bool {
        self.rare.as_mut().is_some_and(|rare| std::mem::take(&mut rare.reroute))
    }
}
