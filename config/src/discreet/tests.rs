//! Names are shown, keys are not.

use super::{HIDDEN, shown};

#[test]
fn names_as_operators_give_them_are_shown() {
    for name in [
        "outbound_.8080_._.app.default.svc.cluster.local",
        "outbound|9080|v1-canary-2|details.bookinfo.svc.cluster.local",
        "/var/run/secrets/workload-spiffe-credentials/cert-chain.pem",
        "/opt/MyCompany/Proxy2/etc/tls/Authorities/2026/root.pem",
        "kubernetes://istio-system/my-gateway-credential-2",
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "3f9d2b7e-1c1c-4a53-9d67-0d7ff3a1b2c4",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709da39a3ee5e6b4b0d3255bfef",
        "a name -- with dashes",
        "a bearer of news",
        "envoy.filters.http.basic_auth",
        "",
    ] {
        assert_eq!(shown(name), name);
    }
}

#[test]
fn keys_and_tokens_are_not_and_what_is_said_around_them_is() {
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3RAT";
    for (text, expected) in [
        (format!("cannot read {key}: no"), format!("cannot read {HIDDEN} no")),
        (format!("field \"{key}\"; take it out"), format!("field \"{HIDDEN}\"; take it out")),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB is not set".to_owned(), format!("{HIDDEN} is not set")),
        (format!("{key}\nabc"), HIDDEN.to_owned()),
        (format!("€{key}€"), HIDDEN.to_owned()),
        (format!("a\0{}", &key[..5]), HIDDEN.to_owned()),
        ("missing ): Bearer 9f8e7d6c5b4a39281706f5e4d3c2b1a0(".to_owned(), format!("missing ): Bearer {HIDDEN}")),
        ("\"basic dXNlcjpwYXNz\" is none".to_owned(), format!("\"basic {HIDDEN}\" is none")),
    ] {
        assert_eq!(shown(&text), expected);
    }
}

#[test]
fn a_json_parsers_sentence_lacks_the_value() {
    let said = |text: &str| super::of_json(&serde_json::from_str::<Vec<u8>>(text).unwrap_err());
    assert_eq!(said("\"pass, expected word\""), "invalid type: string, expected a sequence at line 1 column 21");
    assert_eq!(said("[1,"), "EOF while parsing a value at line 1 column 3");
}
