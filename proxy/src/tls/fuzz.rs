//! What must hold for whatever a peer presents as its certificate, and for whatever comes as a secret. Called by the fuzz targets in
//! `proxy/fuzz` and, with mutated seeds, by `tests` here; not part of the binary.

use config::tls::SecretId;

use super::certificate::{Facts, hex};
use super::info::PeerCertificate;
use super::spiffe;
use super::x509::{self, Certificate, Checks, Purpose, Store};
use super::{Described, Secrets, fingerprint, url_encoded_pem};

#[cfg(test)]
mod tests;

/// DER of a certificate: everything that is read of it, and a check of it against itself.
pub fn certificate(input: &[u8]) {
    assert_eq!(fingerprint(input, true).len(), 64);
    let described = Described::of(input);
    let Some(certificate) = Certificate::from_der(input) else {
        assert!(described.is_none());
        return;
    };
    let (again, facts) = (certificate.clone(), Facts::of(&certificate));
    assert_eq!(facts.sans, again.sans(), "it is read alike each time");
    assert_eq!(described.map(|described| described.subject().to_owned()).as_deref(), Some(&*facts.subject));
    assert!(facts.serial.chars().all(|digit| digit.is_ascii_hexdigit() || digit == '-'), "{}", facts.serial);
    let _ = (certificate.issuer(), certificate.common_name(), certificate.is_authority(), certificate.may_sign());
    let _ = (certificate.public_key_info(), certificate.subject_der(), hex(&certificate.der()));
    let store = Store::new(std::slice::from_ref(&certificate), &[], Checks::default()).expect("memory");
    for purpose in [None, Some(Purpose::Client), Some(Purpose::Server)] {
        let _ = store.check(&[again.clone(), certificate.clone()], purpose, Some(2), 1_800_000_000);
    }
    let peer = PeerCertificate { chain: vec![input.to_vec().into()], ..PeerCertificate::default() };
    assert!(url_encoded_pem(&peer.chain).is_ascii());
}

/// A text that should be PEM, or a map of bundles: what is wrong is said without a word of it.
pub fn pem(input: &[u8]) {
    let _ = (x509::bundle(input).is_ok(), x509::chain(input).is_ok(), x509::private_key(input, Some(b"p")).is_ok());
    let _ = spiffe::json_bundles(input).is_ok();
}

/// A `Secret` as it comes over SDS.
pub fn secret(input: &[u8]) {
    let options = config::Options::default();
    let Ok(secret) = config::secret::decode(input, &options) else { return };
    // A file or a variable of this machine is none of a stranger's.
    if secret.kind.sources().iter().any(|(_, source)| !matches!(source, config::secret::DataSource::Inline(_))) {
        return;
    }
    let (secrets, id) = (Secrets::new(), SecretId::over_ads(&secret.name));
    let taken = secrets.update(&id, secret.kind).is_ok();
    assert_eq!(secrets.has(&id), taken);
    let _ = secrets.material(&id);
}
