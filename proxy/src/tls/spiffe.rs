//! Trust by domain (`SPIFFECertValidatorConfig`): the roots of the domain that a peer's one URI name is of, and of no other, must vouch
//! for it. Called by `trust`. It must never let the authority of one domain vouch for a name of another.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::secret::DataSource;
use config::tls::{SanKind, SpiffeTrust};
use rustls::{CertificateError, Error, OtherError};
use serde_json::Value;

use super::files::Reader;
use super::material::{path, place};
use super::trust::Roots;
use super::verify::Unmet;
use super::x509::{self, Bundle, Certificate, Checks};

/// Roots by the name of their trust domain.
pub(super) struct Domains(HashMap<Arc<str>, Roots>);

impl Domains {
    /// Reads the bundles.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn parse(config: &SpiffeTrust, allow_expired: bool, reader: Reader<'_>) -> Result<Domains, String> {
        let checks = Checks { only_leaf_crl: false, allow_expired, whole_chain: true };
        let named = |name: &str, bundle: &Bundle, path| {
            let roots = Roots::new(bundle, checks, path).map_err(|reason| format!("trust domain {name}: {reason}"))?;
            Ok((Arc::from(name), roots))
        };
        match config {
            SpiffeTrust::Domains(domains) => domains
                .iter()
                .map(|domain| {
                    named(&domain.name, &pem_bundle(&domain.name, &domain.bundle, reader)?, path(&domain.bundle))
                })
                .collect::<Result<_, String>>()
                .map(Domains),
            SpiffeTrust::Bundles(source) => json_bundles(&reader.read(source)?)
                .map_err(|reason| format!("trust_bundles{}: {reason}", place(source)))?
                .iter()
                .map(|(name, bundle)| named(name, bundle, path(source)))
                .collect::<Result<_, String>>()
                .map(Domains),
        }
    }

    /// The roots of all of them.
    pub fn roots(&self) -> impl Iterator<Item = &Roots> {
        self.0.values()
    }

    /// Whether the roots of the leaf's own domain vouch for it.
    ///
    /// # Errors
    /// The fault in Envoy's words.
    pub fn check(&self, chain: &[Certificate], now: u64) -> Result<(), Error> {
        let Some(leaf) = chain.first() else { return Err(refused("empty cert chain".into())) };
        if leaf.is_authority() {
            return Err(refused("cert precheck".into()));
        }
        let mut names = leaf.sans().into_iter().filter(|san| san.kind == SanKind::Uri);
        let name = names.next();
        if names.next().is_some() {
            return Err(refused("cert precheck: more than one URI SAN".into()));
        }
        let domain = name.as_ref().and_then(|name| domain_of(name.value.as_bytes()));
        let Some(roots) = domain.and_then(|domain| self.0.get(std::str::from_utf8(domain).ok()?)) else {
            return Err(refused("no trust bundle store".into()));
        };
        // Extended key usages are not asked for: Envoy gives this check no purpose.
        roots.store.check(chain, None, None, now).map_err(|fault| refused(format!("X509_verify_cert: {fault}")))
    }
}

fn refused(reason: String) -> Error {
    let text = format!("verify cert failed: {reason}");
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Unmet { text, is_san: false }))))
}

/// What stands between the scheme and the path, to the letter; a name without a path is of none.
fn domain_of(uri: &[u8]) -> Option<&[u8]> {
    let rest = uri.strip_prefix(b"spiffe://")?;
    memchr::memchr(b'/', rest).map(|end| &rest[..end])
}

fn pem_bundle(name: &str, source: &DataSource, reader: Reader<'_>) -> Result<Bundle, String> {
    let bundle = reader.read(source).and_then(|text| {
        let bundle = x509::bundle(&text).map_err(|_| "a block of it does not parse".to_owned())?;
        if bundle.certificates.is_empty() {
            return Err("it holds no BEGIN CERTIFICATE block".to_owned());
        }
        Ok(bundle)
    });
    bundle.map_err(|reason| format!("Failed to load trusted CA certificate for {name}{}: {reason}", place(source)))
}

/// A map of SPIFFE bundles: `{"trust_domains": {"a": {"keys": [{"use": "x509-svid", "x5c": ["…"]}]}}}`.
pub(super) fn json_bundles(text: &[u8]) -> Result<Vec<(String, Bundle)>, String> {
    let Ok(map) = serde_json::from_slice::<Value>(text) else {
        return Err("Invalid JSON found in SPIFFE bundle; give a map of trust domains".into());
    };
    let domains = map.get("trust_domains").and_then(Value::as_object).filter(|domains| !domains.is_empty());
    let Some(domains) = domains else {
        return Err("No trust domains found in SPIFFE bundle; give trust_domains, a map by name".into());
    };
    let bundles = domains.iter().map(|(name, domain)| {
        let shown = config::discreet::shown(name);
        json_bundle(domain)
            .map(|bundle| (name.clone(), bundle))
            .map_err(|reason| format!("trust domain {shown}: {reason}"))
    });
    bundles.collect()
}

fn json_bundle(domain: &Value) -> Result<Bundle, String> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).filter(|list| !list.is_empty()).cloned();
    let Some(keys) = list(domain.get("keys")) else {
        return Err("No keys found in SPIFFE bundle; give keys".into());
    };
    let mut bundle = Bundle::default();
    for key in keys {
        if key.get("use").and_then(Value::as_str) != Some("x509-svid") {
            return Err("missing or invalid 'use' field found in cert; only x509-svid is taken".into());
        }
        let Some(certificates) = list(key.get("x5c")) else {
            return Err("missing or empty 'x5c' field found in keys; give certificates".into());
        };
        for certificate in certificates {
            let der = certificate.as_str().and_then(|text| STANDARD.decode(text).ok());
            let read = der.as_deref().and_then(Certificate::from_der);
            bundle.certificates.push(read.ok_or("Invalid x509 object in certs; give base64 of DER")?);
        }
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests;
