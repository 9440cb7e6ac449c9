//! Tests of `strings`.

use serde_json::json;

use super::*;

const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nMARKED\n-----END EC PRIVATE KEY-----\n";

#[test]
fn private_keys_are_cut_out_of_texts() {
    assert_eq!(shown(&format!("a\n{KEY}b")), "a\n[redacted]\nb");
    assert_eq!(shown(&format!("{KEY}{KEY}")), "[redacted]\n[redacted]\n");
    // Broken ones, too.
    assert_eq!(shown("a -----BEGIN PRIVATE KEY-----MARKED"), "a [redacted]");
    assert_eq!(shown(&KEY.replace('\n', "")), "[redacted]");
    assert_eq!(shown("MARKED\n-----END RSA PRIVATE KEY-----\nb"), "[redacted]");
    let public = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(shown(public), public);
}

#[test]
fn private_members_of_keys_are_hidden() {
    for (key, hidden) in [
        (json!({"kty": "oct", "k": "MARKED", "kid": "a"}), json!({"kty": "oct", "k": TEXT, "kid": "a"})),
        (json!({"kty": "EC", "x": "1", "y": "2", "d": "MARKED"}), json!({"kty": "EC", "x": "1", "y": "2", "d": TEXT})),
        (json!({"kty": "OKP", "x": "1", "d": "MARKED"}), json!({"kty": "OKP", "x": "1", "d": TEXT})),
        (
            json!({"kty": "RSA", "n": "1", "e": "2", "d": "MARKED", "p": "MARKED", "oth": [{"r": "MARKED"}]}),
            json!({"kty": "RSA", "n": "1", "e": "2", "d": TEXT, "p": TEXT, "oth": TEXT}),
        ),
    ] {
        let (set, expected) =
            (json!({"keys": [key.clone()]}).to_string(), json!({"keys": [hidden.clone()]}).to_string());
        assert_eq!(shown(&set), expected);
        assert_eq!(shown_bytes(set.as_bytes()), expected.as_bytes());
        let mut value = json!({"a": [key], "b": set});
        super::json(&mut value);
        assert_eq!(value, json!({"a": [hidden], "b": expected}));
    }
    let beside_url = shown(r#"{"keys":[{"kty":"oct","k":"MARKED","x5u":"https://u:MARKED@h/"}]}"#);
    assert!(!beside_url.contains("MARKED"), "{beside_url}");
    let public = r#"{"keys": [{"kty": "RSA", "n": "1", "e": "2"}]}"#;
    assert_eq!(shown(public), public);
    // What cannot be read may be a key all the same.
    assert_eq!(shown(r#"{"keys": [{"kty": "oct", "k": "MARKED""#), TEXT);
    assert_eq!(shown("kty: oct\nk: MARKED"), TEXT);
}

#[test]
fn credentials_of_urls_are_hidden() {
    for (url, expected) in [
        ("https://user:MARKED@host:8/a?b=c", "https://[redacted]@host:8/a?b=c"),
        ("http://MARKED@host", "http://[redacted]@host"),
        ("https://host/jwks?a=1&token=MARKED&b=2", "https://host/jwks?a=1&token=[redacted]&b=2"),
        ("https://host?Access_Token=MARKED#x", "https://host?Access_Token=[redacted]#x"),
        ("https://host/a@b?x=y", "https://host/a@b?x=y"),
        ("spiffe://cluster.local/ns/a/sa/b", "spiffe://cluster.local/ns/a/sa/b"),
        ("see https://a@b for more", "see https://a@b for more"),
    ] {
        assert_eq!(shown(url), expected);
    }
}

#[test]
fn credentials_are_hidden_behind_their_scheme() {
    assert_eq!(shown("Bearer MARKED"), "Bearer [redacted]");
    assert_eq!(shown("basic TUFSS0VE"), "basic [redacted]");
    assert_eq!(shown("Basic skills are asked for"), "Basic skills are asked for");
    assert_eq!(shown("Bearer %REQ(x-token)%"), "Bearer %REQ(x-token)%");
    let mut value = json!([{"key": "Cookie", "value": "a=MARKED"}, {"key": "x-api-key", "rawValue": "MARKED"}]);
    super::json(&mut value);
    assert_eq!(value, json!([{"key": "Cookie", "value": TEXT}, {"key": "x-api-key", "rawValue": TEXT}]));
    let mut value = json!({"Authorization": "MARKED", "list": [{"key": "authorization", "value": "MARKED"}, {"key": "a", "value": "b"}]});
    super::json(&mut value);
    assert_eq!(
        value,
        json!({"Authorization": TEXT, "list": [{"key": "authorization", "value": TEXT}, {"key": "a", "value": "b"}]})
    );
}

#[test]
fn octets_that_are_no_text_are_shown_unless_a_key_is_in_them() {
    assert_eq!(shown_bytes(b"\xff\x01"), &b"\xff\x01"[..]);
    assert_eq!(shown_bytes(&[b"\xff", KEY.as_bytes()].concat()), TEXT.as_bytes());
    assert_eq!(shown_bytes(b"\xff{\"kty\": \"oct\", \"k\": \"MARKED\"}"), TEXT.as_bytes());
}

/// Everywhere that they were seen: a listener with a key set, a header and metadata, and a bootstrap.
#[test]
fn nothing_of_them_is_dumped_wherever_they_stand() {
    let jwks =
        json!({"keys": [{"kty": "oct", "k": "TUFSS0VE", "kid": "shown"}, {"kty": "EC", "x": "shown", "d": "MARKED"}]});
    let coded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, jwks.to_string());
    let provider = |source: Value| json!({"issuer": "i", "local_jwks": source});
    let jwt = |wrapped: bool| {
        let config = json!({"providers": {
            "a": provider(json!({"inline_string": jwks.to_string()})), "b": provider(json!({"inline_bytes": coded})),
        }});
        let name = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
        if wrapped {
            return json!({"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": name, "value": config});
        }
        let mut config = config;
        config["@type"] = json!(format!("type.googleapis.com/{name}"));
        config
    };
    let header = json!({"header": {"key": "Authorization", "value": "MARKED"}});
    let other = json!({"header": {"key": "x-shown", "value": "Bearer MARKED"}});
    let matched = json!({"name": "a", "string_match": {"exact": "Bearer MARKED"}});
    let listener = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "shown",
        "metadata": {"filter_metadata": {"a": {"pem": KEY, "list": [jwks, KEY], "authorization": "MARKED"}}},
        "filter_chains": [{"filters": [{"name": "h", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "shown",
            "http_filters": [{"name": "a", "typed_config": jwt(false)}, {"name": "b", "typed_config": jwt(true)}],
            "route_config": {
                "request_headers_to_add": [header, other],
                "virtual_hosts": [{"name": "v", "domains": [KEY], "routes": [{
                    "match": {"prefix": "/", "headers": [matched]}, "direct_response": {"status": 200, "body": {"inline_string": KEY}}
                }]}]
            }
        }}]}]
    });
    let service =
        json!({"envoy_grpc": {"cluster_name": "x"}, "initial_metadata": [{"key": "authorization", "value": "MARKED"}]});
    let bootstrap = json!({
        "@type": "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap",
        "node": {"id": "shown", "metadata": {"a": {"b": KEY}, "c": jwks.to_string(), "d": "Bearer MARKED"}},
        "dynamic_resources": {"ads_config": {"api_type": "GRPC", "grpc_services": [service]}},
    });
    for (resource, most) in [(listener, 14), (bootstrap, 5)] {
        let bytes = crate::dump::encode(&resource).unwrap_or_else(|rejection| panic!("{rejection}"));
        let url = resource["@type"].as_str().unwrap();
        let dump = crate::json::AnyJson::new(&mut crate::descriptors::Descriptors::new(), url, &bytes);
        let text = serde_json::to_string(&dump).unwrap();
        let hidden = text.matches(TEXT).count();
        assert!(!text.contains("MARKED") && !text.contains("TUFSS0VE"), "{text}");
        assert!(text.contains("shown") && hidden >= most, "{hidden}: {text}");
        for coded in text.split('"').filter(|word| word.len() > 40) {
            let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, coded).unwrap_or_default();
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            assert!(!decoded.contains("MARKED") && !decoded.contains("TUFSS0VE"), "{decoded}");
        }
    }
}
