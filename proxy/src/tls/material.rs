//! Key material, parsed once when it arrives: own certificates with their signing key, and what peers are checked against.
//! Made by `secrets` and the contexts; never printed.

use std::sync::Arc;
use std::time::SystemTime;

use config::secret::{DataSource, TlsCertificate, ValidationContext};
use config::tls::SanKind;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::certificate::{CertificateFacts, Facts, TrustFacts, hex};
use super::files::Reader;
use super::staple::{self, Response};
use super::trust::Trust;
use super::x509::{self, PemFault};

/// An own certificate chain with its key.
pub(super) struct Identity {
    pub key: Arc<CertifiedKey>,
    /// Of the leaf.
    pub facts: Facts,
    /// Of the leaf's subject.
    pub common_name: Option<Box<str>>,
    /// URI SANs of the leaf.
    pub uri_sans: Arc<[Arc<str>]>,
    /// The file that it came from.
    pub path: Option<Arc<str>>,
    /// The OCSP response that is shown with it.
    pub response: Option<Response>,
    /// It may not be shown without one.
    pub demands_response: bool,
}

/// A validation context and what was read for it.
pub(super) struct PeerContext {
    pub config: Arc<ValidationContext>,
    pub trust: Arc<Trust>,
}

impl Identity {
    /// Reads chain and key: once for all that have the same, for checking a key costs more than all else of a cluster.
    ///
    /// # Errors
    /// What is wrong with them, and of which file.
    pub fn parse(config: &TlsCertificate, reader: Reader<'_>) -> Result<Arc<Identity>, String> {
        let (chain, key) = (reader.read(&config.chain)?, reader.read(&config.key)?);
        let password = config.password.as_ref().map(|source| reader.read(source)).transpose()?;
        let make = || Identity::parse_anew(config, (&chain, &key, password.as_deref()), reader);
        // A response speaks of a time.
        if config.staple.is_some() {
            return make().map(Arc::new);
        }
        let of = [&chain[..], &key, password.as_deref().unwrap_or_default()];
        reader.made.identities.of(&of, &[place(&config.chain), password.is_some().to_string()], make)
    }

    fn parse_anew(
        config: &TlsCertificate,
        (chain, key, password): (&[u8], &[u8], Option<&[u8]>),
        reader: Reader<'_>,
    ) -> Result<Identity, String> {
        let chain = x509::chain(chain).map_err(|fault| {
            let what = match fault {
                PemFault::Missing => "no PEM certificate in it; it must hold a BEGIN CERTIFICATE block",
                PemFault::Broken => {
                    "a certificate of it does not parse; give the chain again, the own certificate first"
                }
            };
            format!("certificate chain{}: {what}", place(&config.chain))
        })?;
        let key = private_key(key, password, &place(&config.key))?;
        let leaf = &chain[0];
        if key.public_key().is_none_or(|own| *own != *leaf.public_key_info()) {
            return Err(
                "the private key does not match the certificate; send the key of the first certificate of the chain"
                    .into(),
            );
        }
        let facts = Facts::of(leaf);
        let response = config.staple.as_ref().map(|source| response(source, &facts.serial, reader)).transpose()?;
        let demands_response = staple::is_demanded_by(&leaf.der());
        let common_name = leaf.common_name().map(String::into_boxed_str);
        let chain = chain.iter().map(|certificate| certificate.der().into()).collect();
        Ok(Identity {
            uri_sans: facts.texts_of(SanKind::Uri).collect(),
            key: Arc::new(CertifiedKey::new(chain, key)),
            facts,
            common_name,
            path: path(&config.chain),
            response,
            demands_response,
        })
    }

    /// For admin.
    pub fn shown(&self) -> CertificateFacts {
        let response = self.response.as_ref();
        let response = response.map(|response| (response.since, response.good_until.unwrap_or(response.since)));
        CertificateFacts { response, ..CertificateFacts::of(&self.facts, self.path.clone()) }
    }

    /// A warning when the certificate cannot be in use at this moment; peers will refuse it, or the clock is wrong.
    pub fn time_warning(&self, now: SystemTime) -> Option<String> {
        if let Ok(behind) = self.facts.not_before.duration_since(now)
            && !behind.is_zero()
        {
            return Some(format!("not yet valid: if it is right, the clock is {} s behind", behind.as_secs().max(1)));
        }
        let expired = now.duration_since(self.facts.not_after).ok().filter(|since| !since.is_zero())?;
        Some(format!("expired {} s ago", expired.as_secs()))
    }
}

impl PeerContext {
    /// No roots and no demands.
    pub fn anything() -> PeerContext {
        PeerContext { config: Arc::default(), trust: Arc::default() }
    }

    /// For the trail of changes.
    pub fn facts(&self) -> TrustFacts {
        let digest = hex(&self.trust.digest[..8]);
        TrustFacts { roots: self.trust.shown().collect(), lists: self.trust.lists, digest }
    }

    /// Reads what the context names.
    ///
    /// # Errors
    /// What is wrong with it, and of which file.
    pub fn parse(config: Arc<ValidationContext>, reader: Reader<'_>) -> Result<PeerContext, String> {
        Ok(PeerContext { trust: Trust::parse(&config, reader)?, config })
    }

    /// This context, which was fetched, merged over the part of a TLS context that was given. Roots are read again only where the given
    /// part changes them: hundreds of clusters share one bundle.
    ///
    /// # Errors
    /// The two do not go together.
    pub fn over(&self, default: &ValidationContext, reader: Reader<'_>) -> Result<PeerContext, String> {
        let merged = Arc::new(self.config.over(default).map_err(|rejection| rejection.to_string())?);
        if Trust::is_of_both(&merged, &self.config) {
            return Ok(PeerContext { config: merged, trust: Arc::clone(&self.trust) });
        }
        PeerContext::parse(merged, reader)
    }
}

/// The OCSP response of a source.
fn response(source: &DataSource, serial: &str, reader: Reader<'_>) -> Result<Response, String> {
    Response::parse(&reader.read(source)?, serial).map_err(|reason| format!("ocsp_staple{} {reason}", place(source)))
}

/// A private key that can sign handshakes. Nothing of it, nor of what a library says of it, gets into an error.
fn private_key(text: &[u8], password: Option<&[u8]>, place: &str) -> Result<Arc<dyn SigningKey>, String> {
    let der = x509::private_key(text, password).map_err(|fault| {
        let what = match (fault, password) {
            (PemFault::Missing, _) => "no PEM key in it; give one BEGIN PRIVATE KEY block",
            (PemFault::Broken, None) => "does not parse, or is encrypted and no password is given; give it again",
            (PemFault::Broken, Some(_)) => "does not parse, or the password does not open it; give both again",
        };
        format!("private key{place}: {what}")
    })?;
    aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::Pkcs8(der.as_slice().into())).map_err(|_| {
        format!("private key{place} cannot be used; give an RSA key of at least 2048 bits, or an ECDSA key on P-256, P-384 or P-521")
    })
}

pub(super) fn path(source: &DataSource) -> Option<Arc<str>> {
    source.file().map(|file| file.shown().into())
}

pub(super) fn place(source: &DataSource) -> String {
    path(source).map(|path| format!(" ({path})")).unwrap_or_default()
}
