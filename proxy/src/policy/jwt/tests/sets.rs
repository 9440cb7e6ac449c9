//! Key sets: what is one, and the words for what is none.

use super::*;

fn fault(text: &str) -> Status {
    KeySet::parse(text.as_bytes()).expect_err(text)
}

/// What is wrong with a set of this one key.
fn of(key: Value) -> Status {
    fault(&set(&[key]))
}

#[test]
fn words_for_each_fault_of_a_set() {
    let cases = [
        ("", Status::KeysJson),
        ("{", Status::KeysJson),
        ("[]", Status::KeysJson),
        (r#"{"keys":[],"keys":[]}"#, Status::KeysJson),
        ("{}", Status::NoKeys),
        (r#"{"k":1}"#, Status::NoKeys),
        (r#"{"keys":{}}"#, Status::BadKeys),
        (r#"{"keys":[]}"#, Status::NoValidKeys),
        (r#"{"keys":["a",1]}"#, Status::NoValidKeys),
        (r#"{"keys":[{}]}"#, Status::MissingKty),
        (r#"{"keys":[{"kty":1}]}"#, Status::BadKty),
        (r#"{"keys":[{"kty":"x"}]}"#, Status::UnknownKty),
        (r#"{"keys":[{"kty":"x"},{}]}"#, Status::UnknownKty),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(text), expected, "{text}");
    }
    let rsa = Signer::rsa();
    let key = set(&[json!({"kty": "x"}), rsa.jwk(json!({})), json!({})]);
    assert!(KeySet::parse(key.as_bytes()).is_ok(), "one good key is enough");
}

#[test]
fn words_for_each_fault_of_a_key() {
    let (rsa, ec, ed, oct) = (Signer::rsa(), Signer::ec("ES256"), Signer::ed25519(), Signer::shared());
    let without = |signer: &Signer, field: &str| {
        let mut key = signer.jwk(json!({}));
        key.as_object_mut().unwrap().remove(field);
        of(key)
    };
    let with = |signer: &Signer, more: Value| of(signer.jwk(more));
    let cases = [
        (with(&rsa, json!({"alg": "ES256"})), Status::RsaBadAlg),
        (without(&rsa, "n"), Status::RsaMissingN),
        (with(&rsa, json!({"n": 1})), Status::RsaBadN),
        (without(&rsa, "e"), Status::RsaMissingE),
        (with(&rsa, json!({"e": 1})), Status::RsaBadE),
        (with(&rsa, json!({"e": "BQ"})), Status::RsaParse),
        (with(&rsa, json!({"e": ""})), Status::RsaParse),
        (with(&rsa, json!({"n": "*"})), Status::RsaParse),
        (with(&rsa, json!({"n": ""})), Status::RsaParse),
        (with(&rsa, json!({"n": base64url([2; 256])})), Status::RsaParse),
        (with(&rsa, json!({"n": base64url([3; 1025])})), Status::RsaParse),
        (with(&ec, json!({"alg": "RS256"})), Status::EcBadAlg),
        (with(&ec, json!({"crv": 1})), Status::EcBadCrv),
        (with(&ec, json!({"crv": "P-192"})), Status::EcUnsupported),
        (with(&ec, json!({"alg": "ES384"})), Status::EcIncompatible),
        (with(&ec, json!({"crv": "P-384"})), Status::EcParse),
        (without(&ec, "x"), Status::EcMissingX),
        (with(&ec, json!({"x": 1})), Status::EcBadX),
        (without(&ec, "y"), Status::EcMissingY),
        (with(&ec, json!({"y": 1})), Status::EcBadY),
        (with(&ec, json!({"y": "*"})), Status::EcBase64),
        (with(&ec, json!({"y": "AQ"})), Status::EcParse),
        (with(&ec, json!({"y": base64url([1; 33])})), Status::EcParse),
        (with(&oct, json!({"alg": "RS256"})), Status::OctBadAlg),
        (without(&oct, "k"), Status::OctMissingK),
        (with(&oct, json!({"k": 1})), Status::OctBadK),
        (with(&oct, json!({"k": ""})), Status::OctBase64),
        (with(&oct, json!({"k": "*"})), Status::OctBase64),
        (with(&ed, json!({"alg": "ES256"})), Status::OkpBadAlg),
        (without(&ed, "crv"), Status::OkpMissingCrv),
        (with(&ed, json!({"crv": 1})), Status::OkpBadCrv),
        (with(&ed, json!({"crv": "X25519"})), Status::OkpUnsupported),
        (without(&ed, "x"), Status::OkpMissingX),
        (with(&ed, json!({"x": 1})), Status::OkpBadX),
        (with(&ed, json!({"x": "*"})), Status::OkpBase64),
        (with(&ed, json!({"x": "AQ"})), Status::OkpLength),
    ];
    for (place, (got, expected)) in cases.into_iter().enumerate() {
        assert_eq!(got, expected, "case {place}");
    }
}

#[test]
fn a_curve_may_be_named_by_its_algorithm_or_not_at_all() {
    for (alg, fields) in [
        ("ES256", json!({"crv": null})),
        ("ES384", json!({"crv": null, "alg": "ES384"})),
        ("ES512", json!({"crv": "P-521", "alg": "ES512"})),
    ] {
        let signer = Signer::ec(alg);
        let mut key = signer.jwk(fields);
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(judged(&[key], &signer.good(alg, json!({}))), Ok(()), "{alg}");
    }
}

#[test]
fn short_rsa_keys_are_taken_and_verify_nothing() {
    let short = json!({"kty": "RSA", "n": base64url([0xff; 128]), "e": "AQAB"});
    let keys = KeySet::parse(set(&[short]).as_bytes()).unwrap();
    assert_eq!(keys.weak(), 1);
    let token = parse(&Signer::rsa().good("RS256", json!({}))).unwrap();
    assert_eq!(keys.verify(&token), Err(Status::VerificationFails));
}

#[test]
fn a_key_of_ed25519_is_asked_for_its_own_tokens_alone() {
    let (ed, rsa) = (Signer::ed25519(), Signer::rsa());
    let keys = [ed.jwk(json!({})), rsa.jwk(json!({}))];
    assert_eq!(judged(&keys, &rsa.good("RS256", json!({}))), Ok(()));
    let short = ed.good("EdDSA", json!({}));
    let cut = &short[..short.len() - 4];
    assert_eq!(judged(&keys, cut), Err(Status::Ed25519Length));
}

#[test]
fn certificates_by_their_kid() {
    let pem = |key: &rcgen::KeyPair| rcgen::CertificateParams::default().self_signed(key).unwrap().pem();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let signer = Signer::Rsa(aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&pair.serialize_der()).unwrap());
    let text = json!({"k": pem(&pair)}).to_string();
    let keys = KeySet::parse(text.as_bytes()).unwrap();
    let token = |kid: &str| signer.token(&json!({"alg": "RS256", "kid": kid}), &claims(json!({})));
    assert_eq!(keys.verify(&parse(&token("k")).unwrap()), Ok(()));
    assert_eq!(keys.verify(&parse(&token("x")).unwrap()), Err(Status::NoMatchingKey));
    let ec = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(fault(&json!({"k": pem(&ec)}).to_string()), Status::X509Key);
    let broken = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
    assert_eq!(fault(&json!({"k": broken}).to_string()), Status::X509Parse);
    assert_eq!(fault(&json!({"k": broken, "other": 1}).to_string()), Status::NoKeys);
    assert_eq!(fault(&json!({"": pem(&pair)}).to_string()), Status::NoKeys);
}
