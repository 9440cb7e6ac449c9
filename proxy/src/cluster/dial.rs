//! Connections to a static cluster outside of the workers' pools: the channels to control planes. `app` makes a dialer for each
//! cluster that the bootstrap names as a gRPC server.
//!
//! It must never know a transport of its own: addresses, socket options, PROXY protocol and TLS are those of every other connection
//! to the cluster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use config::address::Address;
use config::cluster::{Cluster, Discovery, DnsSettings};
use config::endpoint::{Endpoint, HealthStatus, LoadAssignment};
use config::{At, Rejection};

use super::connect::{Goal, dress};
use super::dns::Resolver;
use super::names::{auto_san, auto_sni};
use super::pool::{Key, Speaks};
use super::transport::Transports;
use super::{ConnectFailure, ConnectFailureKind, Priority};
use crate::tls::Secrets;
use crate::transport::Stream;

/// Makes connections to a static cluster for HTTP/2, one endpoint at a time: the next one when the last has failed.
pub struct Dialer {
    config: Arc<Cluster>,
    transports: Transports,
    resolver: Arc<Resolver>,
    /// `:authority` of the requests, for `auto_sni` and `auto_san_validation`.
    authority: Box<str>,
    /// Failures so far. Read and written by one thread; the order does not matter.
    failures: AtomicUsize,
}

impl Dialer {
    /// For a cluster and the `:authority` of the requests to it.
    ///
    /// # Errors
    /// The cluster has no endpoints of its own, or one of its transport sockets cannot be honoured.
    pub fn new(
        config: Arc<Cluster>,
        authority: &str,
        secrets: &Arc<Secrets>,
        resolver: Arc<Resolver>,
    ) -> Result<Dialer, Rejection> {
        let at = At::root();
        let Some((assignment, _)) = assignment(&config) else {
            return Err(at.field("type").reject("a gRPC server of the bootstrap is STATIC, STRICT_DNS or LOGICAL_DNS"));
        };
        if assignment.localities.iter().all(|locality| locality.endpoints.is_empty()) {
            return Err(at
                .field("load_assignment")
                .reject("a gRPC server of the bootstrap needs an endpoint; give one"));
        }
        let transports = Transports::new(&config, secrets)?;
        Ok(Dialer { config, transports, resolver, authority: authority.into(), failures: AtomicUsize::new(0) })
    }

    /// The cluster.
    pub fn config(&self) -> &Arc<Cluster> {
        &self.config
    }

    /// Where the first endpoint is, for messages.
    pub fn first_address(&self) -> Option<&Address> {
        self.endpoints().first().map(|endpoint| &endpoint.address)
    }

    /// Whether every connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.endpoints().iter().all(|endpoint| {
            let transport = self.transports.choose(&self.config, endpoint);
            transport.is_none_or(|transport| self.transports.get(transport).tls().is_some())
        })
    }

    /// One attempt. How long it may take is the caller's matter.
    ///
    /// # Errors
    /// In Envoy's words.
    pub async fn connect(&self) -> Result<Stream, ConnectFailure> {
        let result = self.attempt().await;
        if result.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    async fn attempt(&self) -> Result<Stream, ConnectFailure> {
        let usable: Vec<(&Endpoint, u16)> = self
            .endpoints()
            .into_iter()
            .filter_map(|endpoint| Some((endpoint, self.transports.choose(&self.config, endpoint)?)))
            .collect();
        let turn = self.failures.load(Ordering::Relaxed).checked_rem(usable.len()).unwrap_or_default();
        let Some((endpoint, transport)) = usable.get(turn).copied() else {
            let reason = "no endpoint of the cluster can be reached by its transport socket";
            return Err(ConnectFailure::because(ConnectFailureKind::Local, reason));
        };
        let (address, more) = self.addresses(endpoint).await?;
        let authority = self.authority.as_bytes();
        let dressed = self.transports.get(transport);
        let sni = dressed.tls().and_then(|tls| auto_sni(&self.config, authority, tls.has_own_name()));
        let key = Key {
            transport,
            speaks: Speaks::Http2,
            priority: Priority::Default,
            alpn: None,
            sni: sni.map(Arc::from),
            demanded: auto_san(&self.config, authority).map(Arc::from),
            proxied: None,
            tlvs: None,
            client: None,
        };
        let hostname = match &endpoint.address {
            Address::Name { host, .. } if endpoint.hostname.is_empty() => host,
            _ => &endpoint.hostname,
        };
        let goal =
            Goal { hostname, address: &address, proxy: dressed.http_proxy(endpoint.http_proxy), tlvs: &endpoint.tlvs };
        let (io, _) = goal.open(&self.config, &more).await?;
        let (stream, _) = dress(Stream::new(io), dressed, &goal, &key).await?;
        Ok(stream)
    }

    /// Endpoints in the order in which they are tried: those that the configuration calls well, by priority.
    fn endpoints(&self) -> Vec<&Endpoint> {
        let localities = assignment(&self.config).map_or(&[][..], |(assignment, _)| &assignment.localities);
        let mut all: Vec<(bool, u32, &Endpoint)> = localities
            .iter()
            .flat_map(|locality| {
                locality.endpoints.iter().map(|endpoint| (!is_well(endpoint.health), locality.priority, endpoint))
            })
            .collect();
        all.sort_by_key(|(unwell, priority, _)| (*unwell, *priority));
        all.into_iter().map(|(.., endpoint)| endpoint).collect()
    }

    /// Where an endpoint is; a name is looked up anew for each attempt.
    async fn addresses(&self, endpoint: &Endpoint) -> Result<(Address, Vec<SocketAddr>), ConnectFailure> {
        let mut more = endpoint.additional_addresses.iter().filter_map(|address| match address {
            Address::Socket(address) => Some(*address),
            _ => None,
        });
        let Address::Name { host, port } = &endpoint.address else {
            return Ok((endpoint.address.clone(), more.collect()));
        };
        let systems = config::cluster::DnsResolver::default();
        let (family, how) = match assignment(&self.config) {
            Some((_, Some(dns))) => (dns.family, &dns.resolver),
            _ => (config::cluster::DnsFamily::Auto, &systems),
        };
        let unresolved = |reason: String| ConnectFailure::because(ConnectFailureKind::Local, reason);
        let mut found = match super::dns::literal(host) {
            Some(address) => vec![address],
            None => {
                let answer = self.resolver.lookup(host, family, how).await;
                answer.map_err(|failure| unresolved(format!("DNS resolution of {host} failed: {failure}")))?.addresses
            }
        }
        .into_iter()
        .map(|address| SocketAddr::new(address, *port));
        let first = found.next().ok_or_else(|| unresolved(format!("DNS has no address for {host}")))?;
        Ok((Address::Socket(first), found.chain(more.by_ref()).collect()))
    }
}

/// The endpoints that a cluster holds itself.
fn assignment(config: &Cluster) -> Option<(&LoadAssignment, Option<&DnsSettings>)> {
    match &config.discovery {
        Discovery::Static(assignment) => Some((assignment, None)),
        Discovery::StrictDns(assignment, dns) | Discovery::LogicalDns(assignment, dns) => Some((assignment, Some(dns))),
        Discovery::Eds { .. } | Discovery::OriginalDst(_) | Discovery::DynamicForward(_) | Discovery::Inert(_) => None,
    }
}

fn is_well(health: HealthStatus) -> bool {
    matches!(health, HealthStatus::Unknown | HealthStatus::Healthy)
}

#[cfg(test)]
mod tests;
