//! Names of suites and curves.

use super::*;
use crate::tls::testing::istio_common;

#[test]
fn istios_list_keeps_the_four_with_forward_secrecy() {
    let provider = provider(&istio_common(&[], vec![]), "test").unwrap();
    let names: Vec<_> = provider.cipher_suites.iter().map(|suite| name(suite.suite())).collect();
    assert_eq!(
        names,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
        ]
    );
}

#[test]
fn groups_of_equal_preference_are_read() {
    let mut common = istio_common(&[], vec![]);
    common.cipher_suites = vec!["[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]".into()];
    assert_eq!(provider(&common, "test").unwrap().cipher_suites.len(), 5);
}

#[test]
fn curves() {
    let mut common = istio_common(&[], vec![]);
    let names = |common: &CommonTls| {
        provider(common, "test").map(|provider| provider.kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>())
    };
    use rustls::NamedGroup;
    let default = [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1];
    assert_eq!(names(&common).unwrap(), default);
    common.ecdh_curves = vec!["P-384".into(), "P-521".into()];
    assert_eq!(names(&common).unwrap(), [NamedGroup::secp384r1]);
    common.ecdh_curves = vec!["P-521".into()];
    assert!(names(&common).unwrap_err().contains("P-521"));
}

#[test]
fn versions_between_the_bounds() {
    let mut common = istio_common(&[], vec![]);
    assert_eq!(versions(&common).unwrap().len(), 2);
    common.min_version = TlsVersion::Tls13;
    assert_eq!(versions(&common).unwrap(), [&rustls::version::TLS13]);
    common.max_version = TlsVersion::Tls12;
    assert!(versions(&common).is_err());
}
