//! The ways in which a cluster reaches its endpoints, compiled from `transport_socket` and `transport_socket_matches`.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use config::cluster::{Cluster, UpstreamTransport};
use config::endpoint::Endpoint;
use config::metadata::Criteria;
use config::tls::{SdsName, UpstreamTls, Validation};
use config::tlvs::Passed;
use config::{At, Rejection};

use crate::peer_exchange;
use crate::tls::{ClientContext, Secrets};

/// A compiled transport socket.
pub enum Transport {
    /// Plain bytes.
    Raw,
    /// TLS.
    Tls(TlsTransport),
    /// A PROXY protocol header, then another transport.
    ProxyProtocol {
        /// 1 or 2.
        version: u8,
        /// What version 2 says beside the addresses.
        added: Arc<[u8]>,
        /// And which of what the client's own header says.
        passes: Passed,
        /// What follows the header.
        inner: Box<Transport>,
    },
    /// Another transport by way of an HTTP proxy.
    HttpProxy {
        /// The proxy of endpoints that name none.
        default: Option<SocketAddr>,
        /// What goes through it.
        inner: Box<Transport>,
    },
    /// Nothing that we can connect with.
    Unavailable,
}

/// TLS. The context (some kilobytes, rebuilt at every rotation) is made when the first connection needs it: most pushed clusters are
/// never used.
pub struct TlsTransport {
    config: Arc<UpstreamTls>,
    secrets: Arc<Secrets>,
    scope: Box<str>,
    needs: Box<[SdsName]>,
    context: OnceLock<Arc<ClientContext>>,
}

impl TlsTransport {
    /// Checks that a context can be made, and lets it go again. One that reads files is kept: files are not read on a worker, and are
    /// looked at as long as it lives.
    fn new(config: Arc<UpstreamTls>, secrets: &Arc<Secrets>, scope: &str) -> Result<TlsTransport, String> {
        let context = ClientContext::new(&config, secrets, scope)?;
        secrets.refuse_missing_files(context.needs())?;
        let transport = TlsTransport {
            needs: context.needs().into(),
            config,
            secrets: Arc::clone(secrets),
            scope: scope.into(),
            context: OnceLock::new(),
        };
        if context.has_files() {
            transport.context.get_or_init(|| context);
        }
        Ok(transport)
    }

    /// The context.
    ///
    /// # Errors
    /// It does not go with the secrets of this moment; with others it may.
    pub fn context(&self) -> Result<&Arc<ClientContext>, String> {
        if let Some(context) = self.context.get() {
            return Ok(context);
        }
        let context = ClientContext::new(&self.config, &self.secrets, &self.scope)?;
        Ok(self.context.get_or_init(|| context))
    }

    /// Whether the configuration names ALPN protocols; otherwise the pool offers those of its own codec.
    pub fn has_alpn(&self) -> bool {
        !self.config.common.alpn.is_empty()
    }

    /// `auto_host_sni`: the endpoint's host name is the server name.
    pub fn auto_host_sni(&self) -> bool {
        self.config.auto_host_sni
    }

    /// Whether a server name is sent that no request can be the reason of.
    pub fn has_own_name(&self) -> bool {
        self.config.auto_host_sni || self.config.sni.is_some()
    }

    fn has_secrets(&self) -> bool {
        self.needs.iter().all(|need| self.secrets.has(&need.id()))
    }
}

impl Transport {
    /// Its TLS part, if it has one.
    pub fn tls(&self) -> Option<&TlsTransport> {
        match self {
            Transport::Tls(tls) => Some(tls),
            Transport::ProxyProtocol { inner, .. } | Transport::HttpProxy { inner, .. } => inner.tls(),
            Transport::Raw | Transport::Unavailable => None,
        }
    }

    /// The PROXY protocol version it begins with.
    pub fn proxy_protocol(&self) -> Option<u8> {
        match self {
            Transport::ProxyProtocol { version, .. } => Some(*version),
            Transport::HttpProxy { inner, .. } => inner.proxy_protocol(),
            Transport::Raw | Transport::Tls(_) | Transport::Unavailable => None,
        }
    }

    /// The HTTP proxy by way of which it goes to an endpoint that names this one, or none.
    pub fn http_proxy(&self, named: Option<SocketAddr>) -> Option<SocketAddr> {
        match self {
            Transport::HttpProxy { default, .. } => named.or(*default),
            Transport::ProxyProtocol { inner, .. } => inner.http_proxy(named),
            Transport::Raw | Transport::Tls(_) | Transport::Unavailable => None,
        }
    }

    fn is_available(&self) -> bool {
        match self {
            Transport::Raw | Transport::Tls(_) => true,
            Transport::ProxyProtocol { inner, .. } | Transport::HttpProxy { inner, .. } => inner.is_available(),
            Transport::Unavailable => false,
        }
    }

    fn new(
        config: &UpstreamTransport,
        cluster: &Cluster,
        scope: &str,
        secrets: &Arc<Secrets>,
    ) -> Result<Transport, String> {
        Ok(match config {
            UpstreamTransport::Raw => Transport::Raw,
            UpstreamTransport::Internal => Transport::Unavailable,
            UpstreamTransport::ProxyProtocol { version, added, passes, inner } => Transport::ProxyProtocol {
                added: Arc::clone(added),
                passes: passes.clone(),
                version: *version,
                inner: Box::new(Transport::new(inner, cluster, scope, secrets)?),
            },
            UpstreamTransport::HttpProxy { default, inner } => Transport::HttpProxy {
                default: *default,
                inner: Box::new(Transport::new(inner, cluster, scope, secrets)?),
            },
            UpstreamTransport::Tls(tls) => {
                let vouched = tls.common.validation.as_ref().is_some_and(may_vouch);
                if cluster.http.auto_san_validation && !vouched {
                    return Err(
                        "auto_san_validation demands names of certificates that nothing verifies; give trusted_ca"
                            .into(),
                    );
                }
                Transport::Tls(TlsTransport::new(offered(tls, cluster), secrets, scope)?)
            }
        })
    }
}

/// A cluster that exchanges no metadata does not offer to.
fn offered(tls: &Arc<UpstreamTls>, cluster: &Cluster) -> Arc<UpstreamTls> {
    match peer_exchange::protocols(&tls.common.alpn, cluster.metadata_exchange.is_some()) {
        None => Arc::clone(tls),
        Some(alpn) => {
            let mut tls = UpstreamTls::clone(tls);
            tls.common.alpn = alpn;
            Arc::new(tls)
        }
    }
}

/// All transports of a cluster: those of the matches in order, then the fallback.
pub struct Transports {
    all: Box<[Transport]>,
}

impl Transports {
    /// Compiles them.
    ///
    /// # Errors
    /// The transport socket, and what of it cannot be honoured.
    pub fn new(cluster: &Cluster, secrets: &Arc<Secrets>) -> Result<Transports, Rejection> {
        let root = At::root();
        let matches = root.field("transport_socket_matches");
        let mut all = Vec::with_capacity(cluster.transport_matches.len() + 1);
        for entry in &cluster.transport_matches {
            // Sessions must not be resumed across matches either: their contexts differ in what they demand of the peer.
            let scope = format!("{}/{}", cluster.name, entry.name);
            let transport = Transport::new(&entry.transport, cluster, &scope, secrets);
            all.push(transport.map_err(|reason| matches.key(&entry.name).reject(reason))?);
        }
        let fallback = Transport::new(&cluster.transport, cluster, &cluster.name, secrets);
        all.push(fallback.map_err(|reason| root.field("transport_socket").reject(reason))?);
        Ok(Transports { all: all.into() })
    }

    /// The transport for an endpoint: the first match all of whose criteria its metadata holds, then the first for its locality's
    /// metadata, else the fallback. `None` when that one cannot be used.
    pub fn choose(&self, cluster: &Cluster, endpoint: &Endpoint) -> Option<u16> {
        let first = |metadata| first(cluster, metadata);
        self.usable(first(&endpoint.transport_socket_match).or_else(|| first(&endpoint.locality_socket_match)))
    }

    /// The transport of the first match all of whose criteria this holds, else the fallback.
    pub fn matching(&self, cluster: &Cluster, metadata: &Criteria) -> Option<u16> {
        self.usable(first(cluster, metadata))
    }

    /// The match of that number, else the fallback, which is the last.
    fn usable(&self, chosen: Option<usize>) -> Option<u16> {
        let chosen = chosen.or(self.all.len().checked_sub(1))?;
        self.all.get(chosen)?.is_available().then(|| u16::try_from(chosen).ok()).flatten()
    }

    /// By the number that [`Transports::choose`] gave.
    pub fn get(&self, index: u16) -> &Transport {
        self.all.get(usize::from(index)).unwrap_or(&Transport::Unavailable)
    }

    /// The secrets that they need.
    pub fn needed_secrets(&self) -> Vec<SdsName> {
        let mut needed: Vec<SdsName> = Vec::new();
        for name in self.all.iter().filter_map(Transport::tls).flat_map(|tls| &tls.needs) {
            if !needed.contains(name) {
                needed.push(name.clone());
            }
        }
        needed
    }

    /// Whether all of them have arrived.
    pub fn has_secrets(&self) -> bool {
        self.all.iter().filter_map(Transport::tls).all(TlsTransport::has_secrets)
    }
}

/// Whether the context may name roots; of one that is fetched that shows only then, and a connection fails without them.
fn may_vouch(validation: &Validation) -> bool {
    match validation {
        Validation::Inline(context) => context.trusted_ca.is_some() || context.accept_untrusted,
        Validation::Fetched { .. } => true,
    }
}

/// The first match all of whose criteria this holds.
fn first(cluster: &Cluster, metadata: &Criteria) -> Option<usize> {
    cluster.transport_matches.iter().position(|entry| holds(metadata, &entry.criteria))
}

fn holds(metadata: &Criteria, criteria: &Criteria) -> bool {
    criteria.0.iter().all(|(key, value)| metadata.get(key) == Some(value))
}

#[cfg(test)]
mod tests;
