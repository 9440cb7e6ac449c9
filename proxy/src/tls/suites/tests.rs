//! Names of suites and curves.

use super::*;
use crate::tls::testing::istio_common;

fn provider(common: &CommonTls) -> Result<Arc<CryptoProvider>, String> {
    Suites::of(common, "test").map(|suites| suites.provider)
}

#[test]
fn istios_list_keeps_the_four_with_forward_secrecy() {
    let provider = provider(&istio_common(&[], vec![])).unwrap();
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
    assert_eq!(provider(&common).unwrap().cipher_suites.len(), 5);
}

#[test]
fn curves() {
    let mut common = istio_common(&[], vec![]);
    let names = |common: &CommonTls| {
        provider(common).map(|provider| provider.kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>())
    };
    use rustls::NamedGroup;
    let default = [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1];
    assert_eq!(names(&common).unwrap(), default);
    common.ecdh_curves = vec!["P-384".into(), "P-521".into()];
    assert_eq!(names(&common).unwrap(), [NamedGroup::secp384r1]);
    common.ecdh_curves = vec!["P-521".into()];
    assert!(names(&common).unwrap_err().contains("P-521"));
    common.ecdh_curves = vec!["x25519:prime256v1".into(), "secp384r1".into()];
    assert_eq!(names(&common).unwrap(), [NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1]);
    for wrong in [&["X25519", "NOPE"][..], &["P-256", ""], &["P-224", "P-256"], &["prime256v1", "P-256"]] {
        common.ecdh_curves = wrong.iter().map(|name| (*name).into()).collect();
        assert!(names(&common).is_err(), "{wrong:?}");
    }
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

#[test]
fn a_list_that_is_none_is_refused_with_the_name_that_is_wrong() {
    let mut common = istio_common(&[], vec![]);
    for (list, named) in [
        (vec!["ECDHE-RSA-AES256-GCM-SHA384", "-garbage"], "tried individually: garbage"),
        (vec!["AES128-SHA", "kRSA+AES"], "none of the cipher suites"),
        (vec!["[ECDHE-RSA-AES256-GCM-SHA384]", "!AES128"], "a list with groups"),
        (vec!["!ALL"], "leave none"),
    ] {
        common.cipher_suites = list.iter().map(|rule| (*rule).into()).collect();
        let reason = provider(&common).err().unwrap_or_default();
        assert!(reason.contains(named), "{reason}");
    }
}

#[test]
fn suites_that_are_equal_to_us_stand_as_the_client_has_them() {
    let mut common = istio_common(&[], vec![]);
    common.cipher_suites.clear();
    let suites = Suites::of(&common, "test").unwrap();
    let order = |client: &[CipherSuite]| {
        suites.as_client_orders(client).map(|suites| suites.iter().map(|suite| name(suite.suite())).collect::<Vec<_>>())
    };
    let aes = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let chacha = CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;
    assert_eq!(order(&[aes, chacha]), None);
    let expected = [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ];
    assert_eq!(order(&[chacha, aes]).unwrap(), expected);
    common.cipher_suites = vec!["ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305".into()];
    assert!(Suites::of(&common, "test").unwrap().as_client_orders(&[chacha, aes]).is_none());
}

#[test]
fn a_policy_takes_the_place_of_all_that_is_named_which_must_be_right_all_the_same() {
    use rustls::NamedGroup;
    let mut common = istio_common(&[], vec![]);
    common.compliance = Some(Compliance::Fips202205);
    common.cipher_suites = vec!["ECDHE-RSA-CHACHA20-POLY1305".into()];
    common.ecdh_curves = vec!["X25519".into()];
    common.signature_algorithms = vec!["rsa_pkcs1_sha1".into()];
    let provided = provider(&common).unwrap();
    let names: Vec<_> = provided.cipher_suites.iter().map(|suite| name(suite.suite())).collect();
    assert_eq!(
        names,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
        ]
    );
    let groups: Vec<_> = provided.kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups, [NamedGroup::secp256r1, NamedGroup::secp384r1]);
    let schemes = super::super::signature::schemes(&common).unwrap();
    assert_eq!(schemes.first(), Some(&rustls::SignatureScheme::RSA_PKCS1_SHA256));
    assert!(schemes.len() == 8 && !schemes.contains(&rustls::SignatureScheme::RSA_PKCS1_SHA1));
    common.ecdh_curves = vec!["NOPE".into()];
    assert!(provider(&common).is_err());
}

#[test]
fn contexts_that_ask_for_the_same_have_one_provider() {
    let asks = |curves: &str| {
        let mut common = istio_common(&[], vec![]);
        common.ecdh_curves = vec![curves.into()];
        provider(&common).unwrap()
    };
    let one = asks("P-256");
    assert!(Arc::ptr_eq(&one, &asks("P-256")));
    assert!(!Arc::ptr_eq(&one, &asks("X25519")));
}
