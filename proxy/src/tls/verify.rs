//! Peer validation: chain, SAN matchers, pins. One verifier serves both directions; rustls calls it during handshakes.
//! It never compares host names unless the configuration asks for that: in a mesh the server name is routing data.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use config::matcher::StringMatcher;
use config::tls::{SanKind, SanMatcher};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};

use super::certificate::San;
use super::info::PeerCertificate;
use super::material::PeerContext;
use super::signature::{self, Schemes, Version};
use super::trust::Trust;
use super::x509::{Certificate, Purpose};

/// What a context demands of its peers.
pub(super) struct PeerVerifier {
    peers: Arc<PeerContext>,
    side: SideDemands,
    schemes: Schemes,
    /// Names of the roots, which clients are told.
    hints: Vec<DistinguishedName>,
}

/// Demands that come from the side that a context is for, not from its validation context.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SideDemands {
    /// Client: the server name that was sent must be among the SANs; it takes the place of the matchers (`auto_sni_san_validation`).
    pub match_server_name: bool,
    /// Server: a client without a certificate is refused.
    pub certificate_required: bool,
    /// Server: clients are told the names of the roots.
    pub sends_hints: bool,
}

/// What one connection brings to the check: the names that the peer must prove.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names<'a> {
    /// The server name that was sent, or would have been were it no address.
    pub server: Option<&'a str>,
    /// A name demanded on top of the context's (`auto_san_validation`); an empty one is met by nobody.
    pub demanded: Option<&'a str>,
}

/// A demand that the peer's certificate does not meet; the text is the end of Envoy's failure reason.
#[derive(Debug)]
pub(super) struct Unmet {
    pub text: String,
    pub is_san: bool,
}

impl fmt::Display for Unmet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Unmet {}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PeerVerifier").field("peers", &self.peers.config).finish_non_exhaustive()
    }
}

impl PeerVerifier {
    /// A verifier.
    pub fn new(peers: Arc<PeerContext>, side: SideDemands, schemes: Schemes) -> PeerVerifier {
        let hints = match side.sends_hints && !peers.config.suppress_client_ca_list {
            true => peers.trust.names(),
            false => Vec::new(),
        };
        PeerVerifier { peers, side, schemes, hints }
    }

    fn schemes(&self) -> &[SignatureScheme] {
        &self.schemes
    }

    /// What peers are checked against.
    pub fn trust(&self) -> &Trust {
        &self.peers.trust
    }

    /// Whether anything at all is asked of the peer.
    fn asks_for_certificate(&self) -> bool {
        self.peers.trust.is_given()
            || self.peers.config.accept_untrusted
            || self.side.certificate_required
            || self.has_demands()
    }

    fn has_demands(&self) -> bool {
        !self.peers.config.subject_alt_names.is_empty() || self.has_pins()
    }

    fn has_pins(&self) -> bool {
        !(self.peers.config.certificate_hashes.is_empty() && self.peers.config.certificate_spki.is_empty())
    }

    /// The check of a client whose session was resumed: rustls does not repeat it, and time and lists may have moved on.
    pub fn check_client_again(&self, chain: Option<&[CertificateDer<'static>]>) -> Result<(), Error> {
        let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else {
            // A ticket of a context that asks for nothing, under keys that this one has too.
            return if self.client_auth_mandatory() { Err(Error::NoCertificatesPresented) } else { Ok(()) };
        };
        self.check(leaf, rest, Purpose::Client, Names::default(), UnixTime::now())
    }

    /// Whether a client's certificate, which a handshake has let through, is one that was asked for something and has it.
    pub fn vouches_for(&self, chain: Option<&[CertificateDer<'static>]>) -> bool {
        let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else { return false };
        let asks = self.peers.trust.is_given() || self.has_pins();
        asks && (!self.accepts_untrusted()
            || self.judge(leaf, rest, Purpose::Client, Names::default(), UnixTime::now()).is_ok())
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        purpose: Purpose,
        names: Names<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        // As with Envoy, a certificate that is not trusted passes when untrusted ones are accepted, demands or not.
        match self.judge(leaf, rest, purpose, names, now) {
            // What is no certificate has nobody behind it.
            Err(error @ Error::InvalidCertificate(CertificateError::BadEncoding)) => Err(error),
            Err(error) if self.accepts_untrusted() => {
                tracing::debug!(%error, "certificate is not trusted and accepted as the context says");
                Ok(())
            }
            result => result,
        }
    }

    /// The validator by trust domain knows no such mode, as Envoy's.
    fn accepts_untrusted(&self) -> bool {
        self.peers.config.accept_untrusted && !self.peers.trust.is_by_domain()
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        purpose: Purpose,
        names: Names<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let read = std::iter::once(leaf).chain(rest).map(|der| Certificate::from_der(der));
        let Some(chain) = read.collect::<Option<Vec<_>>>() else {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        };
        self.check_chain(&chain, purpose, now).and_then(|()| self.check_demands(leaf, &chain[0], names))
    }

    fn check_chain(&self, chain: &[Certificate], purpose: Purpose, now: UnixTime) -> Result<(), Error> {
        // As Envoy, which sets the depth for clients' certificates alone.
        let depth = self.peers.config.max_verify_depth.filter(|_| purpose == Purpose::Client);
        // The field counts the root, the check does not.
        let depth = depth.map(|depth| depth.saturating_sub(1));
        self.peers.trust.check(chain, purpose, depth, now.as_secs())
    }

    fn check_demands(&self, der: &[u8], leaf: &Certificate, names: Names<'_>) -> Result<(), Error> {
        self.check_names(leaf, names)?;
        if !self.has_pins() {
            return Ok(());
        }
        let config = &self.peers.config;
        let is_pinned = |pins: &[[u8; 32]], bytes: &[u8]| !pins.is_empty() && pins.contains(&super::sha256(bytes));
        if is_pinned(&config.certificate_hashes, der) || is_pinned(&config.certificate_spki, &leaf.public_key_info()) {
            return Ok(());
        }
        Err(unmet(Unmet { text: "verify cert failed: cert hash and spki".into(), is_san: false }))
    }

    /// Every name that is demanded, whether its input is there or not: what cannot be compared is not met.
    fn check_names(&self, leaf: &Certificate, names: Names<'_>) -> Result<(), Error> {
        let (matchers, match_server_name) = (&self.peers.config.subject_alt_names, self.side.match_server_name);
        if names.demanded.is_none() && !match_server_name && matchers.is_empty() {
            return Ok(());
        }
        let sans = leaf.sans();
        if let Some(name) = names.demanded {
            let vouched = self.peers.trust.is_given() || self.has_pins();
            if !vouched || !sans.iter().any(|san| is_named(name, san)) {
                return Err(unmet_name(name, &sans));
            }
        } else if let (true, Some(name)) = (match_server_name, names.server) {
            let fits = |san: &San| matches!(san.kind, SanKind::Dns | SanKind::IpAddress) && is_named(name, san);
            return if sans.iter().any(fits) { Ok(()) } else { Err(unmet_san(&sans)) };
        } else if match_server_name && matchers.is_empty() {
            return Err(unmet_name("", &sans));
        }
        if matchers.is_empty() || sans.iter().any(|san| matchers.iter().any(|one| san_matches(one, san))) {
            return Ok(());
        }
        if self.peers.trust.is_by_domain() {
            return Err(unmet(Unmet { text: "verify cert failed: SAN match".into(), is_san: true }));
        }
        Err(unmet_san(&sans))
    }
}

/// Whether a SAN is that name: DNS names by their wildcards, addresses as addresses, all else to the letter.
fn is_named(name: &str, san: &San) -> bool {
    match san.kind {
        _ if name.is_empty() => false,
        SanKind::Dns => dns_name_matches(name.as_bytes(), san.value.as_bytes()),
        SanKind::IpAddress => name.parse::<IpAddr>().is_ok_and(|name| san.value.text().parse() == Ok(name)),
        SanKind::Email | SanKind::Uri | SanKind::OtherName => name.as_bytes() == san.value.as_bytes(),
    }
}

/// Signatures of handshakes are checked alike on both sides; rustls wants it said once for each.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            signature::check(message, certificate, signature, Version::Tls12, self.schemes())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            signature::check(message, certificate, signature, Version::Tls13, self.schemes())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.schemes().to_vec()
        }
    };
}

impl ClientCertVerifier for PeerVerifier {
    fn offer_client_auth(&self) -> bool {
        self.asks_for_certificate()
    }

    fn client_auth_mandatory(&self) -> bool {
        // BoringSSL's modes as Envoy sets them: demands on names or pins fail without a certificate, unless untrusted ones are accepted.
        self.side.certificate_required
            || self.peers.trust.is_by_domain()
            || (self.has_demands() && !self.accepts_untrusted())
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let names = Names::default();
        self.check(leaf, intermediates, Purpose::Client, names, now).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

/// The verifier of one connection to a server, which knows the names that this connection demands.
pub(super) struct ServerVerifier {
    pub peers: Arc<PeerVerifier>,
    /// See [`Names::server`].
    pub server: Option<Box<str>>,
    /// See [`Names::demanded`].
    pub demanded: Option<Box<str>>,
}

impl ServerVerifier {
    fn schemes(&self) -> &[SignatureScheme] {
        self.peers.schemes()
    }

    fn names(&self) -> Names<'_> {
        Names { server: self.server.as_deref(), demanded: self.demanded.as_deref() }
    }

    /// The same check of a session that was resumed: rustls does not repeat it, and time, names and lists may have moved on.
    pub fn check_again(&self, chain: Option<&[CertificateDer<'static>]>) -> Result<(), Error> {
        let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else { return Ok(()) };
        self.peers.check(leaf, rest, Purpose::Server, self.names(), UnixTime::now())
    }
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ServerVerifier").field("names", &self.names()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.peers
            .check(leaf, intermediates, Purpose::Server, self.names(), now)
            .map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

/// Whether a certificate has a name that a matcher wants. URIs and DNS names are at hand; for others it is read again.
pub fn proves(peer: &PeerCertificate, matcher: &SanMatcher) -> bool {
    let kept = match matcher.kind {
        Some(SanKind::Uri) => Some(&peer.uri_sans),
        Some(SanKind::Dns) => Some(&peer.dns_sans),
        _ => None,
    };
    match kept.zip(matcher.kind) {
        Some((names, kind)) => names.iter().any(|name| name_matches(matcher, kind, name.as_bytes(), None)),
        None => {
            let leaf = peer.chain.first().and_then(|der| Certificate::from_der(der));
            leaf.is_some_and(|leaf| leaf.sans().iter().any(|san| san_matches(matcher, san)))
        }
    }
}

fn san_matches(matcher: &SanMatcher, san: &San) -> bool {
    name_matches(matcher, san.kind, san.value.as_bytes(), san.oid.as_deref())
}

fn name_matches(matcher: &SanMatcher, kind: SanKind, name: &[u8], oid: Option<&str>) -> bool {
    // The deprecated field stands for DNS, URI, e-mail and IP names together.
    let kind_fits = matcher.kind.map_or(kind != SanKind::OtherName, |wanted| wanted == kind);
    let oid_fits = matcher.oid.is_none() || matcher.oid.as_deref() == oid;
    kind_fits
        && oid_fits
        && match &matcher.matcher {
            // An exact DNS name follows the wildcards of the certificate.
            StringMatcher::Exact { value, .. } if kind == SanKind::Dns => dns_name_matches(value.as_bytes(), name),
            matcher => matcher.matches(name),
        }
}

/// Whether a DNS name is covered by a certificate's name, whose first label may have one `*` for any letters, as Envoy has it.
pub(super) fn dns_name_matches(name: &[u8], pattern: &[u8]) -> bool {
    if name.eq_ignore_ascii_case(pattern) {
        return true;
    }
    let (Some((label, rest)), Some((wild, suffix))) = (split_once(name, b'.'), split_once(pattern, b'.')) else {
        return false;
    };
    // The encoding of a name in another script says nothing of its letters.
    let encoded = wild.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"));
    !encoded && !suffix.contains(&b'*') && rest.eq_ignore_ascii_case(suffix) && label_matches(label, wild)
}

fn split_once(octets: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(at, octets)?;
    Some((&octets[..place], &octets[place + 1..]))
}

fn label_matches(label: &[u8], wild: &[u8]) -> bool {
    let Some((start, end)) = split_once(wild, b'*').filter(|(_, end)| !end.contains(&b'*')) else { return false };
    start.len() + end.len() <= label.len()
        && label[..start.len()].eq_ignore_ascii_case(start)
        && label[label.len() - end.len()..].eq_ignore_ascii_case(end)
}

fn unmet_san(sans: &[San]) -> Error {
    let names: Vec<_> = sans.iter().map(|san| &**san.value.text()).collect();
    unmet(Unmet {
        text: format!("verify cert failed: SAN matcher, certificate SANs are [{}]", names.join(", ")),
        is_san: true,
    })
}

fn unmet_name(name: &str, sans: &[San]) -> Error {
    let names: Vec<_> = sans.iter().map(|san| &**san.value.text()).collect();
    unmet(Unmet {
        text: format!(
            "verify cert failed: verify SAN list, expected SANs: [{name}], certificate SANs: [{}]",
            names.join(", ")
        ),
        is_san: true,
    })
}

fn unmet(unmet: Unmet) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(unmet))))
}

#[cfg(test)]
mod testing;
