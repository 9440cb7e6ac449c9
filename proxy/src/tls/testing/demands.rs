//! Validation contexts for tests, as a control plane would encode them: parts of a `CertificateValidationContext`, which protobuf
//! merges when they are written one after the other.

use std::sync::Arc;

use config::secret::{SecretKind, ValidationContext};
use config::tls::Validation;

use super::sds;

/// An encoded part of a context.
pub type Part = Vec<u8>;

fn field(number: u8, bytes: &[u8]) -> Part {
    let mut out = number_of(number, 2);
    out.extend(varint(bytes.len()));
    out.extend(bytes);
    out
}

fn number_of(number: u8, wire: u8) -> Part {
    varint(usize::from(number) << 3 | usize::from(wire))
}

fn varint(mut value: usize) -> Part {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn set(number: u8, value: u8) -> Part {
    [number_of(number, 0), vec![value]].concat()
}

/// `trusted_ca.inline_string`.
pub fn roots(pem: &str) -> Part {
    field(1, &field(3, pem.as_bytes()))
}

/// `crl.inline_string`.
pub fn crl(pem: &str) -> Part {
    field(7, &field(3, pem.as_bytes()))
}

/// `crl.filename`.
pub fn crl_file(path: &str) -> Part {
    field(7, &field(1, path.as_bytes()))
}

/// An exact name of the deprecated field: any kind of name.
pub fn exact(value: &str) -> Part {
    field(9, &field(1, value.as_bytes()))
}

/// A prefix of the deprecated field.
pub fn prefix(value: &str) -> Part {
    field(9, &field(2, value.as_bytes()))
}

/// `match_typed_subject_alt_names` with the number of a type, and an exact name.
pub fn typed(san_type: u8, value: &str, oid: &str) -> Part {
    let name = [set(1, san_type), field(2, &field(1, value.as_bytes())), field(3, oid.as_bytes())].concat();
    field(15, &name)
}

/// `trust_chain_verification: ACCEPT_UNTRUSTED`.
pub fn accept_untrusted() -> Part {
    set(10, 1)
}

/// `allow_expired_certificate`.
pub fn allow_expired() -> Part {
    set(8, 1)
}

/// `suppress_client_ca_list`.
pub fn no_hints() -> Part {
    set(18, 1)
}

/// `only_verify_leaf_cert_crl`.
pub fn only_leaf_crl() -> Part {
    set(14, 1)
}

/// A SPIFFE validator: the trust domains, each with its PEM bundle.
pub fn spiffe(domains: &[(&str, &str)]) -> Part {
    let domain = |(name, bundle): &(&str, &str)| {
        field(1, &[field(1, name.as_bytes()), field(2, &field(3, bundle.as_bytes()))].concat())
    };
    let config: Part = domains.iter().flat_map(domain).collect();
    let name = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
    let any = [field(1, name.as_bytes()), field(2, &config)].concat();
    field(12, &[field(1, b"envoy.tls.cert_validator.spiffe"), field(2, &any)].concat())
}

/// `verify_certificate_hash`.
pub fn hash(sha256: [u8; 32]) -> Part {
    field(2, sha256.iter().map(|octet| format!("{octet:02x}")).collect::<String>().as_bytes())
}

/// `verify_certificate_spki`.
pub fn spki(sha256: [u8; 32]) -> Part {
    field(3, super::super::tests::base64(&sha256).as_bytes())
}

/// The secret that these parts are.
pub fn secret(parts: &[Part]) -> SecretKind {
    let bytes = field(4, &parts.concat());
    config::secret::decode(&bytes, &config::Options::default()).expect("a good context").kind
}

/// The context that these parts are.
pub fn context(parts: &[Part]) -> Arc<ValidationContext> {
    match secret(parts) {
        SecretKind::ValidationContext(context) => Arc::new(context),
        _ => unreachable!("it is a validation context"),
    }
}

/// Given by value.
pub fn given(parts: &[Part]) -> Option<Validation> {
    Some(Validation::Inline(context(parts)))
}

/// `ROOTCA` by SDS, merged over these parts.
pub fn fetched(parts: &[Part]) -> Option<Validation> {
    Some(Validation::Fetched { name: sds("ROOTCA"), default: Some(context(parts)) })
}
