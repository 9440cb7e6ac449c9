//! The client side: contexts of clusters. Called by `cluster` for each new upstream connection.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use config::tls::{SdsName, UpstreamTls};
use rustls::client::{ClientConfig, ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;

use super::info::TlsInfo;
use super::material::Identity;
use super::peer::describe;
use super::secrets::SecretUser;
use super::sources::{Parts, Sources, negotiable};
use super::verify::Demands;
use super::{HandshakeFailure, Secrets, suites};
use crate::transport::{Io, Stream};

/// ALPN protocols in order of preference.
pub type AlpnList = Arc<[Arc<[u8]>]>;

/// What a cluster needs to open TLS connections.
pub struct ClientContext {
    scope: Arc<str>,
    sources: Sources,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    sni: Option<Arc<str>>,
    session_keys: usize,
    current: ArcSwapOption<Current>,
}

/// One version of the context. Its session cache belongs to it: sessions do not survive a rotation, and no other context resumes them.
struct Current {
    connector: TlsConnector,
    /// The same without the server name extension, for connections that have none.
    nameless: TlsConnector,
    uri_sans: Arc<[Arc<str>]>,
}

impl ClientContext {
    /// A context. `scope` names the cluster for messages.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(config: &UpstreamTls, secrets: &Arc<Secrets>, scope: &str) -> Result<Arc<ClientContext>, String> {
        let demands = Demands { match_server_name: config.auto_sni_san_validation, ..Demands::default() };
        if let Some(sni) = config.sni.as_deref() {
            server_name(Some(sni))?;
        }
        let context = Arc::new(ClientContext {
            scope: scope.into(),
            sources: Sources::new(&config.common, demands)?,
            provider: suites::provider(&config.common, scope)?,
            versions: suites::versions(&config.common)?,
            alpn: negotiable(&config.common.alpn),
            sni: config.sni.clone(),
            session_keys: usize::try_from(config.max_session_keys).unwrap_or(usize::MAX).min(1024),
            current: ArcSwapOption::empty(),
        });
        let user: Weak<dyn SecretUser> = Arc::downgrade(&(context.clone() as Arc<dyn SecretUser>));
        for need in &context.sources.needs {
            secrets.watch(&need.name, user.clone());
        }
        context.try_rebuild(secrets)?;
        Ok(context)
    }

    /// The secrets that it waits for or uses.
    pub fn needs(&self) -> &[SdsName] {
        &self.sources.needs
    }

    /// Whether all of them have arrived.
    pub fn is_ready(&self) -> bool {
        self.current.load().is_some()
    }

    /// Performs the handshake. `alpn` and `sni` override the configuration's; an IP address as `sni` is not sent.
    /// A time limit is the caller's matter: dropping the future closes the connection.
    ///
    /// # Errors
    /// The failure in Envoy's words. The alert that belongs to it has been sent.
    pub async fn connect(
        &self,
        stream: Stream,
        alpn: Option<&AlpnList>,
        sni: Option<&str>,
    ) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        let Some(current) = self.current.load_full() else { return Err(HandshakeFailure::not_ready()) };
        let sni = sni.or(self.sni.as_deref()).filter(|name| !name.is_empty());
        let name = server_name(sni).map_err(|why| HandshakeFailure::refused(&why))?;
        let connector = match name {
            ServerName::DnsName(_) => &current.connector,
            _ => &current.nameless,
        };
        let alpn = alpn.map_or_else(|| self.alpn.clone(), |protocols| negotiable(protocols.iter()));
        let stream = connector.with_alpn(alpn).connect(name, Box::new(stream.under_tls())).await?;
        let info =
            TlsInfo { server_name: sni.map(Arc::from), ..describe(stream.get_ref().1, current.uri_sans.clone()) };
        Ok((Stream::new(Io::TlsClient(Box::new(stream))), info))
    }

    fn try_rebuild(&self, secrets: &Secrets) -> Result<(), String> {
        let Some(parts) = self.sources.resolve(secrets, &self.provider)? else { return Ok(()) };
        self.current.store(Some(Arc::new(self.build(parts)?)));
        Ok(())
    }

    fn build(&self, parts: Parts) -> Result<Current, String> {
        let uri_sans = parts.identities.first().map(|identity| identity.uri_sans.clone()).unwrap_or_default();
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.versions)
            .map_err(|error| format!("no TLS version can be used with these cipher suites: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(parts.verifier);
        let mut config = match parts.identities.is_empty() {
            true => builder.with_no_client_auth(),
            false => builder.with_client_cert_resolver(Arc::new(Chooser { identities: parts.identities })),
        };
        config.resumption = match self.session_keys {
            0 => Resumption::disabled(),
            keys => Resumption::in_memory_sessions(keys),
        };
        let named = Arc::new(config.clone());
        config.enable_sni = false;
        Ok(Current { connector: named.into(), nameless: Arc::new(config).into(), uri_sans })
    }
}

#[cfg(test)]
impl ClientContext {
    /// The same context with other suites or curves.
    pub(super) fn with_provider(self: Arc<Self>, provider: CryptoProvider, secrets: &Secrets) -> Arc<Self> {
        let mut context = Arc::into_inner(self).expect("nobody else has it");
        context.provider = Arc::new(provider);
        context.try_rebuild(secrets).expect("it was built before");
        Arc::new(context)
    }
}

impl SecretUser for ClientContext {
    fn rebuild(&self, secrets: &Secrets) {
        if let Err(error) = self.try_rebuild(secrets) {
            tracing::warn!(scope = &*self.scope, error, "TLS context keeps its former secrets");
        }
    }
}

impl fmt::Debug for ClientContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClientContext").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// rustls wants a name to file sessions under; without SNI all connections of the context share one.
fn server_name(sni: Option<&str>) -> Result<ServerName<'static>, String> {
    let Some(sni) = sni else { return Ok(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into())) };
    ServerName::try_from(sni.to_owned()).map_err(|_| format!("sni {sni:?} is not a DNS name"))
}

/// Answers a server's request for a certificate with the first one that it can verify. Hints of accepted authorities are not looked at:
/// as with BoringSSL, the configured certificate is what there is.
struct Chooser {
    identities: Vec<Arc<Identity>>,
}

impl ResolvesClientCert for Chooser {
    fn resolve(&self, _root_hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.identities
            .iter()
            .find(|identity| identity.key.key.choose_scheme(schemes).is_some())
            .map(|identity| identity.key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chooser({} certificates)", self.identities.len())
    }
}
