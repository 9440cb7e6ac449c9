//! The server side: contexts of filter chains. Called by `listener` once a chain is chosen.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use config::tls::{DownstreamTls, SdsName, SecretId, SessionTickets, StaplePolicy};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ClientHello};
use rustls::{HandshakeKind, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::LazyConfigAcceptor;

use super::certificate::{ContextFacts, Material};
use super::chooser::{Chooser, Chosen, Status};
use super::files::{self, Files, View};
use super::info::TlsInfo;
use super::material::Identity;
use super::peer::{Own, describe};
use super::secrets::SecretUser;
use super::sources::{Parts, Readings, Sources, negotiable};
use super::staple::{Stapling, hello::asks_for_response};
use super::suites::{self, Suites};
use super::tickets::{Keys, Resumption};
use super::verify::{PeerVerifier, SideDemands};
use super::{HandshakeFailure, Secrets};
use crate::transport::{Io, Stream};

/// What a filter chain needs to take TLS connections.
pub struct ServerContext {
    scope: Arc<str>,
    sources: Sources,
    suites: Suites,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    require_sni: bool,
    /// What is resumed, and how long; the keys of tickets come with the secrets.
    tickets: SessionTickets,
    keeps_sessions: bool,
    session_timeout: Option<Duration>,
    prefer_client_ciphers: bool,
    full_scan: bool,
    staple_policy: StaplePolicy,
    current: ArcSwapOption<Current>,
}

/// One version of the context. Tickets and sessions belong to it: but for tickets under given keys, they do not survive a rotation,
/// and no other context takes them.
struct Current {
    configs: Configs,
    verifier: Arc<PeerVerifier>,
    chooser: Arc<Chooser>,
    identities: Vec<Arc<Identity>>,
    own: Own,
}

/// The same configuration four times, for what rustls does otherwise than BoringSSL as Envoy sets it up.
struct Configs {
    /// TLS 1.3: the client's order of suites counts; TLS 1.2: ours, unless the context says otherwise.
    client_order: Pair,
    own_order: Pair,
    /// Ours, with the client's order among suites that are equal to us; made when a client comes who has such an order.
    mixed: Mutex<HashMap<Vec<u16>, Pair>>,
}

#[derive(Clone)]
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
        Configs { client_order, own_order: Pair::new(config, alpn), mixed: Mutex::default() }
    }
}

impl Pair {
    fn new(mut config: ServerConfig, alpn: &[Vec<u8>]) -> Pair {
        let without_alpn = Arc::new(config.clone());
        config.alpn_protocols = alpn.to_vec();
        Pair { with_alpn: Arc::new(config), without_alpn }
    }

    fn choose(&self, shares_protocol: bool) -> Arc<ServerConfig> {
        if shares_protocol { self.with_alpn.clone() } else { self.without_alpn.clone() }
    }
}

/// Orders of suites that are remembered.
const MOST_ORDERS: usize = 64;

impl ServerContext {
    /// A context. `scope` names listener and chain for messages; each context has resumption secrets of its own.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(config: &DownstreamTls, secrets: &Arc<Secrets>, scope: &str) -> Result<Arc<ServerContext>, String> {
        let side = SideDemands {
            certificate_required: config.require_client_certificate,
            sends_hints: true,
            ..SideDemands::default()
        };
        let keys = match &config.tickets {
            SessionTickets::Keys(keys) => Some(keys),
            SessionTickets::Off | SessionTickets::OwnKeys => None,
        };
        let sources = Sources::new(&config.common, keys, side, secrets)?;
        if !sources.has_certificate() {
            return Err(
                "server TLS contexts need a certificate: give tls_certificates or tls_certificate_sds_secret_configs"
                    .into(),
            );
        }
        let context = Arc::new(ServerContext {
            scope: scope.into(),
            sources,
            suites: Suites::of(&config.common, scope)?,
            versions: suites::versions(&config.common)?,
            alpn: negotiable(&config.common.alpn),
            require_sni: config.require_sni,
            tickets: config.tickets.clone(),
            keeps_sessions: !config.disable_stateful_resumption,
            session_timeout: config.session_timeout,
            prefer_client_ciphers: config.prefer_client_ciphers,
            full_scan: config.full_scan_on_sni_mismatch,
            staple_policy: config.staple_policy,
            current: ArcSwapOption::empty(),
        });
        context.sources.refuse_unknown(secrets)?;
        secrets.refuse_missing_files(&context.sources.needs)?;
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

    /// Whether all of them have arrived.
    pub fn is_ready(&self) -> bool {
        self.current.load().is_some()
    }

    /// Performs the handshake. A time limit is the caller's matter: dropping the future closes the connection.
    ///
    /// # Errors
    /// The failure in Envoy's words. The alert that belongs to it has been sent.
    pub async fn accept(&self, stream: Stream) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        self.accept_telling(stream, &Cell::new(None)).await
    }

    /// The same; what is done about an OCSP response is told as soon as it is known, where responses have a say.
    ///
    /// # Errors
    /// As [`accept`](ServerContext::accept).
    pub async fn accept_telling(
        &self,
        mut stream: Stream,
        told: &Cell<Option<Stapling>>,
    ) -> Result<(Stream, TlsInfo), HandshakeFailure> {
        let Some(current) = self.current.load_full() else { return Err(HandshakeFailure::not_ready()) };
        let asked = match current.chooser.staples() {
            true => Some(asks_for_response(&mut stream).await?),
            false => None,
        };
        let start = LazyConfigAcceptor::new(Acceptor::default(), Box::new(stream.under_tls())).await?;
        let hello = start.client_hello();
        if self.require_sni && hello.server_name().is_none() {
            return Err(HandshakeFailure::refused("the client sent no server name and the context requires one"));
        }
        let mut config = self.choose(&current, &hello).map_err(|reason| HandshakeFailure::refused(&reason))?;
        if let Some(asked) = asked {
            let (key, stapling) = current.chooser.choose_stapled(&hello, Status { asked, now: SystemTime::now() });
            told.set(Some(stapling));
            // A copy of pointers: only contexts with responses make one for each connection.
            let mut own = ServerConfig::clone(&config);
            own.cert_resolver = Arc::new(Chosen(key));
            config = Arc::new(own);
        }
        let failed = told.get() == Some(Stapling::Failed);
        let stream = start.into_stream(config).await.map_err(|error| match failed {
            // The library knows only that there was no certificate.
            true => {
                HandshakeFailure::refused("no certificate may be shown without a good OCSP response, and there is none")
            }
            false => error.into(),
        })?;
        let connection = stream.get_ref().1;
        if connection.handshake_kind() == Some(HandshakeKind::Resumed) {
            current.verifier.check_client_again(connection.peer_certificates()).map_err(HandshakeFailure::of_check)?;
        }
        let info = TlsInfo {
            server_name: connection.server_name().map(Arc::from),
            validated: current.verifier.vouches_for(connection.peer_certificates()),
            ..describe(connection, &current.own)
        };
        Ok((Stream::new(Io::TlsServer(Box::new(stream))), info))
    }

    fn choose(&self, current: &Current, hello: &ClientHello<'_>) -> Result<Arc<ServerConfig>, String> {
        let shares_protocol = self.shares_protocol(hello);
        let knows_tls13 = hello.cipher_suites().iter().any(|suite| u16::from(*suite) >> 8 == 0x13);
        let is_tls13 = knows_tls13 && self.versions.contains(&&rustls::version::TLS13);
        if is_tls13 || self.prefer_client_ciphers {
            return Ok(current.configs.client_order.choose(shares_protocol));
        }
        let Some(suites) = self.suites.as_client_orders(hello.cipher_suites()) else {
            return Ok(current.configs.own_order.choose(shares_protocol));
        };
        let names = suites.iter().map(|suite| u16::from(suite.suite())).collect();
        // Locked for a look-up, by clients of TLS 1.2 whose order differs from ours. There are no more orders than permutations of
        // two or three suites. A panic while it was held leaves a map that is whole.
        let mut mixed = current.configs.mixed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = mixed.get(&names) {
            return Ok(pair.choose(shares_protocol));
        }
        let mut config =
            self.builder(self.suites.provider_of(suites), current.verifier.clone(), current.chooser.clone())?;
        let base = &current.configs.own_order.without_alpn;
        config.ticketer = base.ticketer.clone();
        config.session_storage = base.session_storage.clone();
        config.send_tls13_tickets = base.send_tls13_tickets;
        config.ignore_client_order = true;
        let pair = Pair::new(config, &self.alpn);
        if mixed.len() < MOST_ORDERS {
            mixed.insert(names, pair.clone());
        }
        Ok(pair.choose(shares_protocol))
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
        self.demand_responses(&parts.identities)?;
        let tls13 = self.versions.contains(&&rustls::version::TLS13);
        let by = (self.full_scan, tls13);
        let chooser = Chooser::new(&parts.identities, &self.sources.schemes, by, self.staple_policy);
        let chooser = Arc::new(chooser);
        let keys = match (&self.tickets, parts.tickets) {
            (SessionTickets::Off, _) => Keys::None,
            (_, Some(keys)) => Keys::Given(keys, parts.binding),
            _ => Keys::Own,
        };
        let resumption = Resumption::new(keys, self.keeps_sessions, self.session_timeout)?;
        let mut config = self.builder(self.suites.provider.clone(), parts.verifier.clone(), chooser.clone())?;
        config.session_storage = resumption.storage;
        // TLS 1.3 knows no sessions without tickets. One is what an Envoy client keeps; each costs a kilobyte or two on the wire.
        config.send_tls13_tickets = usize::from(resumption.ticketer.is_some());
        if let Some(ticketer) = resumption.ticketer {
            config.ticketer = ticketer;
        }
        let configs = Configs::new(config, &self.alpn);
        Ok(Current { configs, verifier: parts.verifier, chooser, identities: parts.identities, own })
    }

    /// In Envoy's words.
    fn demand_responses(&self, identities: &[Arc<Identity>]) -> Result<(), String> {
        let mut lacking = identities.iter().filter(|identity| identity.response.is_none());
        match lacking.find(|identity| identity.demands_response || self.staple_policy == StaplePolicy::Must) {
            None => Ok(()),
            Some(identity) if identity.demands_response => {
                Err("OCSP response is required for must-staple certificate; give it as ocsp_staple".into())
            }
            Some(_) => Err("Required OCSP response is missing from TLS context; give it as ocsp_staple".into()),
        }
    }

    fn builder(
        &self,
        provider: Arc<CryptoProvider>,
        verifier: Arc<PeerVerifier>,
        chooser: Arc<Chooser>,
    ) -> Result<ServerConfig, String> {
        Ok(ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .map_err(|error| format!("no TLS version can be used with these cipher suites: {error}"))?
            .with_client_cert_verifier(verifier as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(chooser))
    }
}

impl SecretUser for ServerContext {
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

    fn responses_expire(&self) -> Option<SystemTime> {
        let current = self.current.load();
        let responses = current.as_ref()?.identities.iter().filter_map(|identity| identity.response.as_ref());
        responses.map(|response| response.good_until.unwrap_or(response.since)).min()
    }

    fn read_again(&self, secrets: &Secrets, concerns: &dyn Fn(&files::Held) -> bool) -> Readings {
        self.sources.read_again(secrets, concerns, &|view| {
            self.try_rebuild(secrets, view).map_err(|reason| format!("{}: {reason}", self.scope))
        })
    }
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ServerContext").field("scope", &self.scope).finish_non_exhaustive()
    }
}
