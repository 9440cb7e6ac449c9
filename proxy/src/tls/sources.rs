//! What a context is built from: its own certificates and what peers are checked against, each by value or by name.
//! Shared by both directions.

use std::sync::Arc;

use config::tls::{CommonTls, SdsName, SecretSource};
use rustls::crypto::CryptoProvider;

use super::Secrets;
use super::material::{Identity, Trust, revocation_lists};
use super::verify::{Demands, PeerVerifier};

/// The ALPN name of TCP metadata exchange. While that does not act it is neither offered nor accepted: a peer that negotiates it
/// expects a frame before the first byte of the application.
const METADATA_EXCHANGE: &[u8] = b"istio-peer-exchange";

/// Where a context's key material comes from.
pub(super) struct Sources {
    pub needs: Vec<SdsName>,
    certificates: Vec<Source<Identity>>,
    trust: Source<Trust>,
    demands: Demands,
}

enum Source<T> {
    Given(Arc<T>),
    Named(Arc<str>),
}

/// Everything a context is built from, once all of it is here.
pub(super) struct Parts {
    pub identities: Vec<Arc<Identity>>,
    pub verifier: Arc<PeerVerifier>,
}

impl Sources {
    /// Reads what is given by value and notes what is named.
    ///
    /// # Errors
    /// What is wrong with a certificate, key or bundle given by value.
    pub fn new(common: &CommonTls, mut demands: Demands) -> Result<Sources, String> {
        let mut needs = Vec::new();
        let mut certificates = Vec::with_capacity(common.certificates.len());
        for certificate in &common.certificates {
            certificates.push(match certificate {
                SecretSource::Inline(given) => Source::Given(Arc::new(Identity::parse(given)?)),
                SecretSource::Sds(name) => named(name, &mut needs),
            });
        }
        let validation = common.validation.as_ref();
        if let Some(validation) = validation {
            demands.sans.extend(validation.subject_alt_names.iter().cloned());
            demands.accept_untrusted = validation.accept_untrusted;
            demands.hashes.extend(&validation.certificate_hashes);
            demands.public_keys.extend(&validation.certificate_spki);
        }
        if let Some(crl) = validation.and_then(|validation| validation.crl.as_ref()) {
            demands.crls = revocation_lists(crl)?.into();
        }
        let trust = match validation.and_then(|validation| validation.context.as_ref()) {
            Some(SecretSource::Inline(given)) => Source::Given(Arc::new(Trust::parse(given)?)),
            Some(SecretSource::Sds(name)) => named(name, &mut needs),
            None => Source::Given(Arc::new(Trust::anything())),
        };
        if let Source::Given(trust) = &trust {
            refuse_blind_names(trust, &demands)?;
        }
        Ok(Sources { needs, certificates, trust, demands })
    }

    /// Whether it has a certificate of its own.
    pub fn has_certificate(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// The parts, or `None` while a secret is missing.
    ///
    /// # Errors
    /// Names are demanded, and the secret that should hold the roots holds none.
    pub fn resolve(&self, secrets: &Secrets, provider: &CryptoProvider) -> Result<Option<Parts>, String> {
        let identities = self.certificates.iter().map(|source| match source {
            Source::Given(identity) => Some(identity.clone()),
            Source::Named(name) => secrets.identity(name),
        });
        let trust = match &self.trust {
            Source::Given(trust) => Some(trust.clone()),
            Source::Named(name) => secrets.trust(name),
        };
        let (Some(identities), Some(trust)) = (identities.collect::<Option<Vec<_>>>(), trust) else { return Ok(None) };
        refuse_blind_names(&trust, &self.demands)?;
        let verifier = Arc::new(PeerVerifier::new(trust, self.demands.clone(), provider));
        Ok(Some(Parts { identities, verifier }))
    }
}

fn named<T>(name: &SdsName, needs: &mut Vec<SdsName>) -> Source<T> {
    if !needs.contains(name) {
        needs.push(name.clone());
    }
    Source::Named(name.name.clone())
}

/// Envoy's rule: names of a certificate that nobody vouches for say nothing.
fn refuse_blind_names(trust: &Trust, demands: &Demands) -> Result<(), String> {
    if trust.roots.is_some() || demands.accept_untrusted {
        return Ok(());
    }
    if !demands.sans.is_empty() || !trust.sans.is_empty() {
        return Err("SAN-based verification of peer certificates without trusted CA is insecure and not allowed".into());
    }
    if demands.match_server_name {
        return Err("'auto_sni_san_validation' was configured without configuring a trusted CA".into());
    }
    Ok(())
}

/// The protocols of a configuration that may be negotiated.
pub(super) fn negotiable<'a>(protocols: impl IntoIterator<Item = &'a Arc<[u8]>>) -> Vec<Vec<u8>> {
    protocols
        .into_iter()
        .filter(|protocol| &***protocol != METADATA_EXCHANGE)
        .map(|protocol| protocol.to_vec())
        .collect()
}
