//! Peer validation: chain, SAN matchers, pins. One verifier serves both directions; rustls calls it during handshakes.
//! It never compares host names unless the configuration asks for that: in a mesh the server name is routing data.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::matcher::StringMatcher;
use config::tls::{SanKind, SanMatcher};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use webpki::{CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder};

use super::certificate::{Facts, San, public_key_info, subject_alt_names};
use super::material::{Roots, Trust};

/// What a context demands of its peers.
pub(super) struct PeerVerifier {
    trust: Arc<Trust>,
    demands: Demands,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Demands on top of the chain.
#[derive(Clone, Default)]
pub(super) struct Demands {
    /// One of them must match; empty matches any.
    pub sans: Vec<SanMatcher>,
    /// The chain may be anything (`ACCEPT_UNTRUSTED`).
    pub accept_untrusted: bool,
    /// SHA-256 of certificates, any of.
    pub hashes: Vec<[u8; 32]>,
    /// SHA-256 of public keys, any of.
    pub public_keys: Vec<[u8; 32]>,
    /// Revocation lists for roots that come without any.
    pub crls: Arc<[CertRevocationList<'static>]>,
    /// The server name sent must be among the DNS SANs; it takes the place of `sans`.
    pub match_server_name: bool,
    /// Server side: a client without a certificate is refused.
    pub certificate_required: bool,
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
        out.debug_struct("PeerVerifier").field("sans", &self.demands.sans).finish_non_exhaustive()
    }
}

impl PeerVerifier {
    /// A verifier. SAN matchers of the secret count as those of the context do.
    pub fn new(trust: Arc<Trust>, mut demands: Demands, provider: &CryptoProvider) -> PeerVerifier {
        demands.sans.extend(trust.sans.iter().cloned());
        PeerVerifier { trust, demands, algorithms: provider.signature_verification_algorithms }
    }

    /// Whether anything at all is asked of the peer.
    fn asks_for_certificate(&self) -> bool {
        self.trust.roots.is_some()
            || self.demands.accept_untrusted
            || self.demands.certificate_required
            || self.has_demands()
    }

    fn has_demands(&self) -> bool {
        !(self.demands.sans.is_empty() && self.demands.hashes.is_empty() && self.demands.public_keys.is_empty())
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        server_name: Option<&str>,
        now: UnixTime,
    ) -> Result<(), Error> {
        // As with Envoy, a certificate that is not trusted passes when untrusted ones are accepted, demands or not.
        let result =
            self.check_chain(leaf, intermediates, usage, now).and_then(|()| self.check_demands(leaf, server_name));
        match result {
            Err(error) if self.demands.accept_untrusted => {
                tracing::debug!(%error, "certificate is not trusted and accepted as the context says");
                Ok(())
            }
            result => result,
        }
    }

    fn check_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        usage: KeyUsage,
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(roots) = &self.trust.roots else { return Ok(()) };
        let own = !self.trust.crls.is_empty();
        let lists: Vec<_> = if own { self.trust.crls.iter() } else { self.demands.crls.iter() }.collect();
        let revocation = match lists.is_empty() {
            true => None,
            false => RevocationOptionsBuilder::new(&lists)
                .ok()
                .map(|builder| builder.with_expiration_policy(ExpirationPolicy::Enforce).build()),
        };
        let result = EndEntityCert::try_from(leaf).and_then(|certificate| {
            certificate
                .verify_for_usage(self.algorithms.all, &roots.anchors, intermediates, now, usage, revocation, None)
                .map(drop)
        });
        match result {
            Err(webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity)
                if is_trusted_leaf(roots, leaf, now) =>
            {
                Ok(())
            }
            result => result.map_err(|error| Error::InvalidCertificate(translate(error))),
        }
    }

    fn check_demands(&self, leaf: &CertificateDer<'_>, server_name: Option<&str>) -> Result<(), Error> {
        let demands = &self.demands;
        if let (true, Some(name)) = (demands.match_server_name, server_name) {
            let sans = subject_alt_names(leaf);
            if !sans.iter().any(|san| san.kind == SanKind::Dns && dns_name_matches(name, &san.value)) {
                return Err(unmet_san(&sans));
            }
        } else if !demands.sans.is_empty() {
            let sans = subject_alt_names(leaf);
            if !sans.iter().any(|san| demands.sans.iter().any(|matcher| san_matches(matcher, san))) {
                return Err(unmet_san(&sans));
            }
        }
        if demands.hashes.is_empty() && demands.public_keys.is_empty() {
            return Ok(());
        }
        let by_hash = !demands.hashes.is_empty() && demands.hashes.contains(&super::sha256(leaf));
        if by_hash || public_key_info(leaf).is_some_and(|key| demands.public_keys.contains(&super::sha256(&key))) {
            return Ok(());
        }
        Err(unmet(Unmet { text: "verify cert failed: cert hash and spki".into(), is_san: false }))
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
            verify_tls12_signature(message, certificate, signature, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signature, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

impl ClientCertVerifier for PeerVerifier {
    fn offer_client_auth(&self) -> bool {
        self.asks_for_certificate()
    }

    fn client_auth_mandatory(&self) -> bool {
        // BoringSSL's modes as Envoy sets them: demands on names or pins fail without a certificate, unless untrusted ones are accepted.
        self.demands.certificate_required || (self.has_demands() && !self.demands.accept_untrusted)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: hints cost bytes in every handshake, and clients of a mesh have one certificate.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(leaf, intermediates, KeyUsage::client_auth(), None, now).map(|()| ClientCertVerified::assertion())
    }

    signatures!();
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = match server_name {
            ServerName::DnsName(name) => Some(name.as_ref()),
            _ => None,
        };
        self.check(leaf, intermediates, KeyUsage::server_auth(), name, now).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

/// A bundle may hold the peer's own certificate; OpenSSL takes that as a chain of one.
fn is_trusted_leaf(roots: &Roots, leaf: &CertificateDer<'_>, now: UnixTime) -> bool {
    if !roots.certificates.iter().any(|certificate| certificate == leaf) {
        return false;
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    Facts::parse(leaf).is_ok_and(|facts| (facts.not_before..=facts.not_after).contains(&now))
}

fn san_matches(matcher: &SanMatcher, san: &San) -> bool {
    // The deprecated field stands for DNS, URI, e-mail and IP names together.
    let kind_fits = matcher.kind.map_or(san.kind != SanKind::OtherName, |kind| kind == san.kind);
    kind_fits
        && match &matcher.matcher {
            // An exact DNS name follows the wildcards of the certificate.
            StringMatcher::Exact { value, .. } if san.kind == SanKind::Dns => dns_name_matches(value, &san.value),
            matcher => matcher.matches(san.value.as_bytes()),
        }
}

/// Whether a DNS name is covered by a certificate's name, which may have `*` as its whole first label.
pub(super) fn dns_name_matches(name: &str, pattern: &str) -> bool {
    if name.eq_ignore_ascii_case(pattern) {
        return true;
    }
    let (Some(suffix), Some((first, rest))) = (pattern.strip_prefix("*."), name.split_once('.')) else { return false };
    !first.is_empty() && !suffix.contains('*') && suffix.contains('.') && rest.eq_ignore_ascii_case(suffix)
}

fn unmet_san(sans: &[San]) -> Error {
    let names: Vec<_> = sans.iter().map(|san| &*san.value).collect();
    unmet(Unmet {
        text: format!("verify cert failed: SAN matcher, certificate SANs are [{}]", names.join(", ")),
        is_san: true,
    })
}

fn unmet(unmet: Unmet) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(unmet))))
}

/// rustls' own names for webpki's errors, so that the alert sent fits.
fn translate(error: webpki::Error) -> CertificateError {
    use webpki::Error::*;
    match error {
        BadDer | BadDerTime | TrailingData(_) => CertificateError::BadEncoding,
        CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time, not_before },
        InvalidCertValidity => CertificateError::Expired,
        UnknownIssuer => CertificateError::UnknownIssuer,
        CertRevoked => CertificateError::Revoked,
        UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        CrlExpired { time, next_update } => CertificateError::ExpiredRevocationListContext { time, next_update },
        InvalidSignatureForPublicKey => CertificateError::BadSignature,
        UnsupportedCriticalExtension => CertificateError::UnhandledCriticalExtension,
        RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(Unmet {
            text: format!("verify cert failed: X509_verify_cert: certificate verification error at depth 0: {other}"),
            is_san: false,
        }))),
    }
}
