//! The client side: contexts of clusters. Called by `cluster` for each new upstream connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use config::tls::{SdsName, SecretId, UpstreamTls};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, HandshakeKind, SignatureScheme, SupportedProtocolVersion, WantsVerifier};
use tokio_rustls::TlsConnector;

use super::certificate::{ContextFacts, Material};
use super::files::{self, Files, View};
use super::info::TlsInfo;
use super::material::Identity;
use super::peer::{Own, describe};
use super::secrets::SecretUser;
use super::signature::{self, Schemes};
use super::sources::{Parts, Readings, Sources, negotiable};
use super::verify::{PeerVerifier, ServerVerifier, SideDemands};
use super::{HandshakeFailure, Secrets, suites};
use crate::transport::{Io, Stream};

/// ALPN protocols in order of preference.
pub type AlpnList = Arc<[Arc<[u8]>]>;

/// What one connection asks of its context.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Offered instead of the configuration's protocols.
    pub alpn: Option<&'a AlpnList>,
    /// Sent instead of the configuration's server name. An address is not sent, but is what `auto_sni_san_validation` compares with.
    pub sni: Option<&'a str>,
    /// The name that the server must prove on top of what the configuration demands (`auto_san_validation`); nobody proves an empty one.
    pub demanded: Option<&'a str>,
}

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
    verifier: Arc<PeerVerifier>,
    identities: Vec<Arc<Identity>>,
    /// Made by the first connection: most clusters with material of their own never see one.
    in_use: OnceLock<Box<InUse>>,
}

/// What connections need of it.
struct InUse {
    config: ClientConfig,
    verifier: Arc<PeerVerifier>,
    /// By the names that a connection demands: a session is resumed only under the verifier that it was made under.
    named: Mutex<HashMap<NamesKey, Arc<Named>>>,
    own: Own,
}

/// Server name, and the name demanded beside it.
type NamesKey = (Option<Box<str>>, Option<Box<str>>);

/// The configuration for connections that demand the same names.
struct Named {
    connector: TlsConnector,
    verifier: Arc<ServerVerifier>,
}

/// Names of a context that are remembered: requests choose them where the configuration takes them from the host.
const MOST_NAMES: usize = 256;

impl InUse {
    /// Locked for a look-up when a connection is made; handshakes run without it.
    fn named(&self, server: Option<&str>, is_sent: bool, demanded: Option<&str>) -> Arc<Named> {
        let key = (server.map(Box::from), demanded.map(Box::from));
        // A panic while it was held leaves a map that is whole.
        let mut all = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&key) {
            return Arc::clone(known);
        }
        if all.len() >= MOST_NAMES {
            all.clear();
        }
        let verifier = Arc::new(ServerVerifier {
            peers: Arc::clone(&self.verifier),
            server: server.map(Box::from),
            demanded: demanded.map(Box::from),
        });
        let mut config = self.config.clone();
        config.enable_sni = is_sent;
        config.dangerous().set_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>);
        let named = Arc::new(Named { connector: Arc::new(config).into(), verifier });
        all.insert(key, Arc::clone(&named));
        named
    }
}

impl ClientContext {
    /// A context. `scope` names the cluster for messages.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(config: &UpstreamTls, secrets: &Arc<Secrets>, scope: &str) -> Result<Arc<ClientContext>, String> {
        let side = SideDemands { match_server_name: config.auto_sni_san_validation, ..SideDemands::default() };
        if let Some(sni) = config.sni.as_deref() {
            server_name(Some(sni))?;
        }
        let context = Arc::new(ClientContext {
            scope: scope.into(),
            sources: Sources::new(&config.common, None, side, secrets)?,
            provider: suites::Suites::of(&config.common, scope)?.provider,
            versions: suites::versions(&config.common)?,
            alpn: negotiable(&config.common.alpn),
            sni: config.sni.clone(),
            session_keys: usize::try_from(config.max_session_keys).unwrap_or(usize::MAX).min(1024),
            current: ArcSwapOption::empty(),
        });
        context.sources.refuse_unknown(secrets)?;
        let user: Weak<dyn SecretUser> = Arc::downgrade(&(context.clone() as Arc<dyn SecretUser>));
        for need in &context.sources.needs {
            secrets.watch(need.id(), user.clone());
        }
        if !context.sources.files().is_empty() {
            secrets.watch_files(user.clone());
        }
        secrets.register(user);
        // A half that was given names files, too: what has become no good leaves the former in use.
        Files::newest_or_current(context.sources.files(), |view| context.try_rebuild(secrets, view))?;
        Ok(context)
    }

    /// The secrets that it waits for or uses.
    pub fn needs(&self) -> &[SdsName] {
        &self.sources.needs
    }

    /// Whether material of its own is read from files.
    pub fn has_files(&self) -> bool {
        !self.sources.files().is_empty()
    }

    /// Whether all of them have arrived.
    pub fn is_ready(&self) -> bool {
        self.current.load().is_some()
    }

    /// Performs the handshake.
    /// A time limit is the caller's matter: dropping the future closes the connection.
    ///
    /// # Errors
    /// The failure in Envoy's words. The alert that belongs to it has been sent.
    pub async fn connect(&self, stream: Stream, asked: Asked<'_>) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        let Some(current) = self.current.load_full() else { return Err(HandshakeFailure::not_ready()) };
        let current = self.in_use(&current).map_err(|why| HandshakeFailure::refused(&why))?;
        let sni = asked.sni.or(self.sni.as_deref()).filter(|name| !name.is_empty());
        let name = server_name(sni).map_err(|why| HandshakeFailure::refused(&why))?;
        let is_sent = matches!(name, ServerName::DnsName(_));
        let named = current.named(sni, is_sent, asked.demanded);
        let alpn = asked.alpn.map_or_else(|| self.alpn.clone(), |protocols| negotiable(protocols.iter()));
        let stream = named.connector.with_alpn(alpn).connect(name, Box::new(stream.under_tls())).await?;
        let connection = stream.get_ref().1;
        if connection.handshake_kind() == Some(HandshakeKind::Resumed) {
            named.verifier.check_again(connection.peer_certificates()).map_err(HandshakeFailure::of_check)?;
        }
        let info =
            TlsInfo { server_name: sni.filter(|_| is_sent).map(Arc::from), ..describe(connection, &current.own) };
        Ok((Stream::new(Io::TlsClient(Box::new(stream))), info))
    }

    fn try_rebuild(&self, secrets: &Secrets, view: View) -> Result<(), String> {
        let Some(parts) = self.sources.resolve(secrets, view)? else { return Ok(()) };
        self.builder()?;
        let Parts { verifier, identities, .. } = parts;
        self.current.store(Some(Arc::new(Current { verifier, identities, in_use: OnceLock::new() })));
        Ok(())
    }

    /// # Errors
    /// No version goes with the cipher suites.
    fn builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone()).with_protocol_versions(&self.versions);
        builder.map_err(|error| format!("no TLS version can be used with these cipher suites: {error}"))
    }

    fn in_use<'c>(&self, current: &'c Current) -> Result<&'c InUse, String> {
        if let Some(in_use) = current.in_use.get() {
            return Ok(in_use);
        }
        let made = Box::new(self.build(current)?);
        Ok(current.in_use.get_or_init(|| made))
    }

    fn build(&self, current: &Current) -> Result<InUse, String> {
        let Current { verifier, identities, .. } = current;
        let own = Own::of(identities);
        let peers = Arc::clone(verifier);
        let builder = self.builder()?.dangerous().with_custom_certificate_verifier(Arc::new(ServerVerifier {
            peers,
            server: None,
            demanded: None,
        }));
        let mut config = match identities.is_empty() {
            true => builder.with_no_client_auth(),
            false => builder.with_client_cert_resolver(Arc::new(Chooser::new(identities, &self.sources.schemes))),
        };
        config.resumption = match self.session_keys {
            0 => Resumption::disabled(),
            keys => Resumption::in_memory_sessions(keys),
        };
        Ok(InUse { config, verifier: Arc::clone(verifier), named: Mutex::default(), own })
    }
}

impl SecretUser for ClientContext {
    fn rebuild(&self, secrets: &Secrets) {
        if let Err(error) = self.try_rebuild(secrets, View::Current) {
            tracing::warn!(scope = &*self.scope, error, "TLS context keeps its former secrets");
        }
    }

    fn wants(&self, id: &SecretId) -> Vec<&'static str> {
        self.sources.wants(id)
    }

    fn files(&self) -> &files::Held {
        self.sources.files()
    }

    fn own_material(&self) -> (Arc<str>, Material) {
        (self.scope.clone(), self.sources.given_material())
    }

    fn certificates(&self) -> Option<ContextFacts> {
        let current = self.current.load();
        let current = current.as_ref()?;
        let chain = current.identities.iter().map(|identity| identity.shown()).collect();
        Some(ContextFacts { authorities: current.verifier.trust().shown().collect(), chain })
    }

    fn expires(&self) -> Option<SystemTime> {
        let current = self.current.load();
        let current = current.as_ref()?;
        let own = current.identities.iter().map(|identity| identity.facts.not_after);
        own.chain(current.verifier.trust().expire()).min()
    }

    fn read_again(&self, secrets: &Secrets, concerns: &dyn Fn(&files::Held) -> bool) -> Readings {
        self.sources.read_again(secrets, concerns, &|view| {
            self.try_rebuild(secrets, view).map_err(|reason| format!("{}: {reason}", self.scope))
        })
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
    ServerName::try_from(sni.to_owned())
        .map_err(|_| format!("sni {:?} is not a DNS name", config::discreet::shown(sni)))
}

/// Answers a server's request for a certificate with the first one that it can verify. Hints of accepted authorities are not looked at:
/// as with BoringSSL, the configured certificate is what there is.
struct Chooser {
    keys: Vec<Arc<CertifiedKey>>,
}

impl Chooser {
    fn new(identities: &[Arc<Identity>], schemes: &Schemes) -> Chooser {
        Chooser { keys: identities.iter().map(|identity| signature::limited(&identity.key, schemes)).collect() }
    }
}

impl ResolvesClientCert for Chooser {
    fn resolve(&self, _root_hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.keys.iter().find(|key| key.key.choose_scheme(schemes).is_some()).cloned()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chooser({} certificates)", self.keys.len())
    }
}

#[cfg(test)]
mod testing;
