//! OpenSSL's names of cipher suites and curves, and the crypto provider that a context uses. Pure.

use std::sync::Arc;

use config::tls::{CommonTls, TlsVersion};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// Suites of TLS 1.3, never configurable (as with BoringSSL), in BoringSSL's order.
const TLS13: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// Suites of TLS 1.2 by OpenSSL's name, in Envoy's default order.
const TLS12: &[(&str, SupportedCipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// Every name that [`super::info::TlsInfo::cipher`] can have.
pub const CIPHER_NAMES: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];

/// Every name that [`super::info::TlsInfo::version`] can have.
pub const VERSION_NAMES: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// OpenSSL's name of a negotiated suite.
pub(super) fn name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        suite => TLS12.iter().find(|(_, known)| known.suite() == suite).map_or("", |(name, _)| name),
    }
}

/// Envoy's name of a protocol version.
pub(super) fn version(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    }
}

/// Versions between the two bounds.
///
/// # Errors
/// One sentence when there is none.
pub(super) fn versions(common: &CommonTls) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::with_capacity(2);
    if common.max_version >= TlsVersion::Tls13 {
        versions.push(&rustls::version::TLS13);
    }
    if common.min_version <= TlsVersion::Tls12 {
        versions.push(&rustls::version::TLS12);
    }
    if common.min_version > common.max_version {
        return Err("tls_minimum_protocol_version is above tls_maximum_protocol_version".into());
    }
    Ok(versions)
}

/// The provider with the suites and curves that the context asks for. Names that the library lacks are left out and told once.
///
/// # Errors
/// One sentence when nothing is left of a list.
pub(super) fn provider(common: &CommonTls, scope: &str) -> Result<Arc<CryptoProvider>, String> {
    // rustls offers what is listed, also of a version that is not allowed.
    let mut suites = if common.max_version >= TlsVersion::Tls13 { TLS13.to_vec() } else { Vec::new() };
    if common.min_version <= TlsVersion::Tls12 {
        suites.extend(tls12_suites(common, scope)?);
    }
    Ok(Arc::new(CryptoProvider {
        cipher_suites: suites,
        kx_groups: groups(common, scope)?,
        ..aws_lc_rs::default_provider()
    }))
}

fn tls12_suites(common: &CommonTls, scope: &str) -> Result<Vec<SupportedCipherSuite>, String> {
    if common.cipher_suites.is_empty() {
        return Ok(TLS12.iter().map(|(_, suite)| *suite).collect());
    }
    let mut unknown = Vec::new();
    let mut suites = Vec::new();
    let separators = |letter: char| matches!(letter, ':' | '[' | ']' | '|' | ',');
    for name in common.cipher_suites.iter().flat_map(|list| list.split(separators)).filter(|name| !name.is_empty()) {
        match TLS12.iter().find(|(known, _)| *known == name) {
            Some((_, suite)) => suites.push(*suite),
            None => unknown.push(name),
        }
    }
    if suites.is_empty() {
        return Err(format!(
            "none of the cipher suites {} is available; name an ECDHE suite with AES-GCM",
            unknown.join(", ")
        ));
    }
    if !unknown.is_empty() {
        tracing::debug!(scope, suites = unknown.join(","), "cipher suites that are not available were left out");
        warn_once(&unknown);
    }
    Ok(suites)
}

/// Istio names two suites that we lack in every context: one warning for the process is enough.
fn warn_once(unknown: &[&str]) {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            suites = unknown.join(","),
            "these cipher suites are not available (no forward secrecy) and are left out"
        );
    });
}

fn groups(common: &CommonTls, scope: &str) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    if common.ecdh_curves.is_empty() {
        return Ok(vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1]);
    }
    let known: Vec<_> = common.ecdh_curves.iter().filter_map(|name| group(name)).collect();
    if known.is_empty() {
        return Err(format!(
            "none of the ecdh_curves {} is available; use X25519 or P-256",
            common.ecdh_curves.join(", ")
        ));
    }
    if known.len() < common.ecdh_curves.len() {
        tracing::warn!(
            scope,
            curves = common.ecdh_curves.join(","),
            "some ecdh_curves are not available and are left out"
        );
    }
    Ok(known)
}

fn group(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    Some(match name {
        "X25519" => kx_group::X25519,
        "P-256" => kx_group::SECP256R1,
        "P-384" => kx_group::SECP384R1,
        "X25519MLKEM768" => kx_group::X25519MLKEM768,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
