//! TLS on rustls, both directions: secrets and their rotation, contexts, peer validation, what a handshake tells.
//! `listener` and `cluster` call it. It never checks a host name unless the configuration asks for that, and never prints key material.

mod certificate;
mod chooser;
mod client;
mod credential;
mod described;
mod failure;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod info;
mod made;
mod material;
mod peer;
mod secrets;
mod server;
mod signature;
mod sources;
mod spiffe;
mod staple;
mod suites;
mod tickets;
mod trust;
mod verify;
mod x509;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use certificate::{CertificateFacts, ContextFacts, Material, TrustFacts};
pub use client::{AlpnList, Asked, ClientContext};
pub use credential::Credential;
pub use described::{Described, fingerprint, pem, principals, url_encoded_pem};
pub use failure::{FailureKind, HandshakeFailure};
pub use files::Watch;
pub use secrets::{Renewed, Secrets};
pub use server::ServerContext;
pub use staple::Stapling;
pub use suites::{CIPHER_NAMES, GROUP_NAMES, VERSION_NAMES};
pub use verify::proves;

/// SHA-256 by the crypto library that TLS uses.
fn sha256(data: &[u8]) -> [u8; 32] {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().expect("it is a suite of TLS 1.3").common.hash_provider.hash(data);
    hash.as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// What stands in the certificates of a text in PEM, in order; none if it is none.
pub fn facts_of(pem: &[u8]) -> Vec<CertificateFacts> {
    let certificates = x509::chain(pem).unwrap_or_default();
    certificates.iter().map(|one| CertificateFacts::of(&certificate::Facts::of(one), None)).collect()
}

/// DER of the public key of the first certificate of a text in PEM; `None` if there is none.
pub fn public_key_of(pem: &[u8]) -> Option<Vec<u8>> {
    Some(x509::chain(pem).ok()?.first()?.public_key_info()).filter(|key| !key.is_empty())
}
