//! The server side: contexts of filter chains. Called by `listener` once a chain is chosen.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use config::tls::{DownstreamTls, SdsName};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ServerConfig, SignatureAlgorithm, SupportedProtocolVersion};
use tokio_rustls::LazyConfigAcceptor;

use super::files::{self, View};
use super::info::TlsInfo;
use super::material::Identity;
use super::peer::{Own, describe};
use super::secrets::SecretUser;
use super::sources::{Parts, Sources, negotiable};
use super::verify::{PeerVerifier, SideDemands};
use super::{HandshakeFailure, Secrets, suites};
use crate::transport::{Io, Stream};

/// What a filter chain needs to take TLS connections.
pub struct ServerContext {
    scope: Arc<str>,
    sources: Sources,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    require_sni: bool,
    resumption: bool,
    current: ArcSwapOption<Current>,
}

/// One version of the context. Tickets and sessions belong to it: they do not survive a rotation, and no other context takes them.
struct Current {
    configs: Configs,
    verifier: Arc<PeerVerifier>,
    own: Own,
}

/// The same configuration four times, for what rustls does otherwise than BoringSSL as Envoy sets it up.
struct Configs {
    /// TLS 1.3: the client's order of suites counts; TLS 1.2: ours.
    client_order: Pair,
    own_order: Pair,
}

struct Pair {
    with_alpn: Arc<ServerConfig>,
    /// For clients with which no protocol is shared: rustls would abort where BoringSSL goes on without ALPN.
    without_alpn: Arc<ServerConfig>,
}

impl Configs {
    fn new(mut config: ServerConfig, alpn: &[Vec<u8>]) -> Configs {
        config.ignore_client_order = false;
        let client_order = Pair::new(config.clone(), alpn);
        config.ignore_client_order = true;
        Configs { client_order, own_order: Pair::new(config, alpn) }
    }

    fn choose(&self, hello: &ClientHello<'_>, shares_protocol: bool) -> Arc<ServerConfig> {
        let knows_tls13 = hello.cipher_suites().iter().any(|suite| u16::from(*suite) >> 8 == 0x13);
        let pair = if knows_tls13 { &self.client_order } else { &self.own_order };
        if shares_protocol { pair.with_alpn.clone() } else { pair.without_alpn.clone() }
    }
}

impl Pair {
    fn new(mut config: ServerConfig, alpn: &[Vec<u8>]) -> Pair {
        let without_alpn = Arc::new(config.clone());
        config.alpn_protocols = alpn.to_vec();
        Pair { with_alpn: Arc::new(config), without_alpn }
    }
}

impl ServerContext {
    /// A context. `scope` names listener and chain for messages; each context has resumption secrets of its own.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(config: &DownstreamTls, secrets: &Arc<Secrets>, scope: &str) -> Result<Arc<ServerContext>, String> {
        let side = SideDemands { certificate_required: config.require_client_certificate, match_server_name: false };
        let sources = Sources::new(&config.common, side, secrets)?;
        if !sources.has_certificate() {
            return Err(
                "server TLS contexts need a certificate: give tls_certificates or tls_certificate_sds_secret_configs"
                    .into(),
            );
        }
        let context = Arc::new(ServerContext {
            scope: scope.into(),
            sources,
            provider: suites::provider(&config.common, scope)?,
            versions: suites::versions(&config.common)?,
            alpn: negotiable(&config.common.alpn),
            require_sni: config.require_sni,
            resumption: !config.disable_resumption,
            current: ArcSwapOption::empty(),
        });
        context.sources.refuse_unknown(secrets)?;
        let user: Weak<dyn SecretUser> = Arc::downgrade(&(context.clone() as Arc<dyn SecretUser>));
        for need in &context.sources.needs {
            secrets.watch(need.id(), user.clone());
        }
        if !context.sources.files().is_empty() {
            secrets.watch_files(user);
        }
        context.try_rebuild(secrets, View::Current)?;
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

    /// Performs the handshake. A time limit is the caller's matter: dropping the future closes the connection.
    ///
    /// # Errors
    /// The failure in Envoy's words. The alert that belongs to it has been sent.
    pub async fn accept(&self, stream: Stream) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        let Some(current) = self.current.load_full() else { return Err(HandshakeFailure::not_ready()) };
        let start = LazyConfigAcceptor::new(Acceptor::default(), Box::new(stream.under_tls())).await?;
        let hello = start.client_hello();
        if self.require_sni && hello.server_name().is_none() {
            return Err(HandshakeFailure::refused("the client sent no server name and the context requires one"));
        }
        let config = current.configs.choose(&hello, self.shares_protocol(&hello));
        let stream = start.into_stream(config).await?;
        let connection = stream.get_ref().1;
        if connection.handshake_kind() == Some(HandshakeKind::Resumed) {
            current.verifier.check_client_again(connection.peer_certificates()).map_err(HandshakeFailure::of_check)?;
        }
        let info =
            TlsInfo { server_name: connection.server_name().map(Arc::from), ..describe(connection, &current.own) };
        Ok((Stream::new(Io::TlsServer(Box::new(stream))), info))
    }

    fn shares_protocol(&self, hello: &ClientHello<'_>) -> bool {
        match hello.alpn() {
            Some(mut offered) => offered.any(|protocol| self.alpn.iter().any(|ours| ours == protocol)),
            None => false,
        }
    }

    fn try_rebuild(&self, secrets: &Secrets, view: View) -> Result<(), String> {
        let Some(parts) = self.sources.resolve(secrets, view)? else { return Ok(()) };
        self.current.store(Some(Arc::new(self.build(parts)?)));
        Ok(())
    }

    fn build(&self, parts: Parts) -> Result<Current, String> {
        let own = Own::of(&parts.identities);
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.versions)
            .map_err(|error| format!("no TLS version can be used with these cipher suites: {error}"))?
            .with_client_cert_verifier(Arc::clone(&parts.verifier) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(Arc::new(Chooser { identities: parts.identities }));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match self.resumption {
            true => {
                config.ticketer = Ticketer::new().map_err(|error| format!("no ticket keys: {error}"))?;
                // One is what an Envoy client keeps; each costs a kilobyte or two on the wire.
                config.send_tls13_tickets = 1;
            }
            false => config.send_tls13_tickets = 0,
        }
        Ok(Current { configs: Configs::new(config, &self.alpn), verifier: parts.verifier, own })
    }
}

impl SecretUser for ServerContext {
    fn rebuild(&self, secrets: &Secrets) {
        if let Err(error) = self.try_rebuild(secrets, View::Current) {
            tracing::warn!(scope = &*self.scope, error, "TLS context keeps its former secrets");
        }
    }

    fn files(&self) -> &files::Held {
        self.sources.files()
    }

    fn read_again(&self, secrets: &Secrets) -> Result<(), String> {
        let former = self.sources.put(self.sources.read_again(secrets)?);
        let rebuilt = self.try_rebuild(secrets, View::Newest);
        if rebuilt.is_err() {
            self.sources.put(former);
        }
        rebuilt.map_err(|reason| format!("{}: {reason}", self.scope))
    }
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ServerContext").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Chooses among the context's certificates: by server name if there are several, then by what the client can verify.
struct Chooser {
    identities: Vec<Arc<Identity>>,
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let [only] = &*self.identities {
            return Some(only.key.clone());
        }
        let usable = |identity: &&Arc<Identity>| identity.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = |identity: &&Arc<Identity>| hello.server_name().is_some_and(|name| identity.covers(name));
        let ecdsa = |identity: &&Arc<Identity>| identity.key.key.algorithm() == SignatureAlgorithm::ECDSA;
        let candidates = || self.identities.iter().filter(usable);
        let chosen = candidates()
            .filter(named)
            .find(ecdsa)
            .or_else(|| candidates().find(named))
            .or_else(|| candidates().find(ecdsa))
            .or_else(|| candidates().next())?;
        Some(chosen.key.clone())
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chooser({} certificates)", self.identities.len())
    }
}
