//! Route tables: what a request's host, path and headers choose. Compiled on the control thread from plain data, read on workers.
//!
//! `exchange` calls [`RouteTable::find`] once a request. A lookup allocates nothing and never blocks.

use std::sync::Arc;

use config::rejection::{At, Rejection};
use config::route::{RequireTls, RouteConfiguration};

use super::attempt::mirror::Mirror;
use super::filters::chain::Scopes;
use super::filters::filter::FilterDeps;
use crate::mutate::Mutation;
use crate::stats::Stats;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

mod compiled;
mod hosts;
mod matching;
mod slot;
mod stats;

pub use compiled::{Forwarding, Route, VirtualCluster, VirtualHost, WeightedTarget};
use hosts::Hosts;
pub(crate) use hosts::without_port;
pub(crate) use matching::{is_grpc, queries_match, query_parameter, without_query};
pub use slot::{RouteSlot, RouteSlots};
pub use stats::RouteStats;

/// A compiled route table. Immutable; a request pins the one it began with.
#[derive(Debug)]
pub struct RouteTable {
    name: Arc<str>,
    hosts: Hosts,
    virtual_hosts: Vec<Arc<VirtualHost>>,
    /// Removed from external requests.
    internal_only: Vec<Name>,
    /// Header changes of the table.
    mutation: Mutation,
    scopes: Scopes,
    mirrors: Box<[Mirror]>,
    most_specific_headers_win: bool,
    /// `vhost_header`.
    host_header: Option<Name>,
}

/// What Istio calls the table of its listener for clients that know a proxy.
const HTTP_PROXY: &str = "http_proxy";

/// What the table says about a request.
#[derive(Debug)]
pub enum Found<'a> {
    /// This route of this virtual host.
    Route(&'a Arc<VirtualHost>, &'a Arc<Route>),
    /// The virtual host insists on TLS: redirect to https.
    RedirectToTls,
    /// No virtual host, or none of its routes.
    Nothing,
}

impl RouteTable {
    /// Compiles a table.
    ///
    /// # Errors
    /// Two virtual hosts that claim one domain, or two that claim `*`; settings of a filter that cannot be honoured.
    pub fn compile(config: &RouteConfiguration, stats: &Arc<Stats>) -> Result<Arc<RouteTable>, Rejection> {
        let root = At::root();
        let deps = FilterDeps { stats, scope: "", discoveries: None, secrets: None, behind: false };
        let at = root.field("virtual_hosts");
        let mut hosts = Hosts::new(config.ignore_port_in_host);
        let mut virtual_hosts = Vec::with_capacity(config.virtual_hosts.len());
        for (index, host) in config.virtual_hosts.iter().enumerate() {
            let position = u32::try_from(index).map_err(|_| at.reject("has too many entries"))?;
            for (domain_index, domain) in host.domains.iter().enumerate() {
                hosts
                    .insert(domain, position)
                    .map_err(|reason| at.index(index).field("domains").index(domain_index).reject(reason))?;
            }
            virtual_hosts.push(Arc::new(VirtualHost::compile(&at.index(index), host, &deps)?));
        }
        Ok(Arc::new(RouteTable {
            name: config.name.clone(),
            hosts,
            virtual_hosts,
            internal_only: config.internal_only_headers.iter().map(|name| Name::new(name)).collect(),
            mutation: Mutation::compile(&config.headers),
            scopes: Scopes::compile(&root, &config.per_filter, &deps)?,
            mirrors: Mirror::compile(&config.mirrors),
            most_specific_headers_win: config.most_specific_headers_win,
            host_header: config.host_header.as_ref().map(|name| Name::new(name)),
        }))
    }

    /// Resource name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Headers that only internal requests may carry.
    pub fn internal_only(&self) -> &[Name] {
        &self.internal_only
    }

    /// `request_mirror_policies`, for virtual hosts without any.
    pub(in crate::http) fn mirrors(&self) -> &[Mirror] {
        &self.mirrors
    }

    /// Header changes of the whole table.
    pub fn mutation(&self) -> &Mutation {
        &self.mutation
    }

    /// What the table tells filters.
    pub(in crate::http) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// `most_specific_header_mutations_wins`.
    pub fn most_specific_headers_win(&self) -> bool {
        self.most_specific_headers_win
    }

    /// The virtual host of an authority.
    pub fn virtual_host(&self, authority: &[u8]) -> Option<&Arc<VirtualHost>> {
        self.virtual_hosts.get(self.hosts.find(authority)? as usize)
    }

    /// The virtual host that all go to, where there is no other.
    fn only_host(&self) -> Option<&Arc<VirtualHost>> {
        self.virtual_hosts.get(self.hosts.only()? as usize)
    }

    /// For whom a client of Istio's `http_proxy` listener may ask for a tunnel to this host: the virtual host that names it, and whether
    /// that names the port, too.
    pub(in crate::http) fn proxied(&self, authority: &[u8]) -> Option<(&VirtualHost, bool)> {
        if &*self.name != HTTP_PROXY {
            return None;
        }
        let (found, ported) = self.hosts.names(authority)?;
        Some((self.virtual_hosts.get(found as usize)?, ported))
    }

    /// All virtual hosts, in the order of the resource.
    pub fn virtual_hosts(&self) -> &[Arc<VirtualHost>] {
        &self.virtual_hosts
    }

    /// The route of a request, by its head and by what is known of it. `random` decides route fractions.
    pub fn find(&self, head: &RequestHead, info: &StreamInfo, random: u64) -> Found<'_> {
        // As with Envoy who has said nothing of the protocol goes nowhere.
        if head.headers.get(&Name::X_FORWARDED_PROTO).is_some_and(bytes::Bytes::is_empty) {
            return Found::Nothing;
        }
        let host = match &self.host_header {
            None => self.virtual_host(&head.authority),
            Some(header) => match head.headers.get(header) {
                Some(name) => self.virtual_host(name),
                // As with Envoy it is not looked at where all go to one host anyway.
                None => self.only_host(),
            },
        };
        let Some(host) = host else { return Found::Nothing };
        if host.config.require_tls != RequireTls::No && must_redirect(host.config.require_tls, head) {
            return Found::RedirectToTls;
        }
        match host.routes_for(head, info).iter().find(|route| route.matches(head, info, random)) {
            Some(route) => Found::Route(host, route),
            None => Found::Nothing,
        }
    }
}

fn must_redirect(require: RequireTls, head: &RequestHead) -> bool {
    let secure = head.headers.get(&Name::X_FORWARDED_PROTO).is_some_and(|value| &value[..] == b"https");
    if secure {
        return false;
    }
    let internal = || head.headers.get(&Name::X_ENVOY_INTERNAL).is_some_and(|value| &value[..] == b"true");
    require == RequireTls::All || !internal()
}

#[cfg(test)]
mod tests;
