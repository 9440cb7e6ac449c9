//! Marked secrets in every shape that a resource may have: none of them is printed, and what is no secret is.

use base64::Engine as _;
use prost::Message as _;
use serde_json::{Value, json};

use crate::descriptors::Descriptors;
use crate::json::AnyJson;
use crate::proto::wkt;
use crate::schema::{Field, Message, same_name};

const MARK: &str = "s3cr3t-m4rk";

/// The dump of a resource that is given as JSON; fails when it holds the mark, in whatever coding.
fn dumped(resource: &Value) -> String {
    let bytes = crate::dump::encode(resource).unwrap_or_else(|rejection| panic!("{rejection}: {resource}"));
    dumped_bytes(resource["@type"].as_str().unwrap(), &bytes)
}

fn dumped_bytes(type_url: &str, bytes: &[u8]) -> String {
    let text = serde_json::to_string(&AnyJson::new(&mut Descriptors::new(), type_url, bytes)).unwrap();
    // Base64 of the mark at each of the three places where it may begin.
    for shift in 0..3 {
        let coded = base64::engine::general_purpose::STANDARD.encode([&vec![b' '; shift], MARK.as_bytes()].concat());
        assert!(!text.contains(&coded[4..12]), "in base64: {text}");
    }
    assert!(!text.contains(MARK), "{text}");
    text
}

fn socket(context: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "shown",
        "transport_socket": { "name": "tls", "typed_config": context },
    })
}

const CONTEXT: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

fn certificates(camel: bool) -> Value {
    let mark = base64::engine::general_purpose::STANDARD.encode(MARK);
    let chain = json!({ "filename": "/chain.pem" });
    if camel {
        json!({ "commonTlsContext": { "tlsCertificates": [
            { "certificateChain": chain, "privateKey": { "inlineString": MARK }, "password": { "inlineBytes": mark } },
        ] } })
    } else {
        json!({ "common_tls_context": { "tls_certificates": [
            { "certificate_chain": chain, "private_key": { "inline_string": MARK }, "pkcs12": { "inline_bytes": mark } },
        ] } })
    }
}

fn typed(url: &str, mut fields: Value) -> Value {
    fields["@type"] = format!("type.googleapis.com/{url}").into();
    fields
}

#[test]
fn keys_of_contexts_in_any_and_in_typed_struct_in_both_spellings() {
    for camel in [false, true] {
        let text = dumped(&socket(typed(CONTEXT, certificates(camel))));
        assert!(text.contains("/chain.pem") && text.contains("[redacted]"), "{text}");
        for (wrapper, url) in [("udpa.type.v1.TypedStruct", ""), ("xds.type.v3.TypedStruct", "type.googleapis.com/")] {
            let inner = json!({ "type_url": format!("{url}{CONTEXT}"), "value": certificates(camel) });
            let text = dumped(&socket(typed(wrapper, inner.clone())));
            assert!(text.contains("/chain.pem") && text.contains("[redacted]"), "{text}");
            // A TypedStruct in a TypedStruct, and an Any in one.
            for inner in [typed(wrapper, inner), typed(CONTEXT, certificates(camel))] {
                let outer = json!({ "type_url": "envoy.config.core.v3.TransportSocket", "value": { "name": "shown", "typedConfig": inner } });
                let text = dumped(&socket(typed(wrapper, outer)));
                assert!(text.contains("/chain.pem") && text.matches("shown").count() == 2, "{text}");
            }
        }
    }
}

#[test]
fn what_stands_for_nothing_known_is_judged_by_its_names() {
    let misspelled =
        json!({ "commonTlsContext": { "x": [{ "Private_Key": { "inline_string": MARK } }] }, "name": "shown" });
    for (url, value) in [
        (CONTEXT, misspelled.clone()),
        ("no.such.Type", misspelled.clone()),
        (
            CONTEXT,
            json!({ "common_tls_context": { "tls_certificates": { "private-key": [MARK, 3] } }, "name": "shown" }),
        ),
    ] {
        let text = dumped(&socket(typed("udpa.type.v1.TypedStruct", json!({ "type_url": url, "value": value }))));
        assert_eq!(text.matches("shown").count(), 2, "{text}");
    }
    let text = dumped(&socket(typed("google.protobuf.Struct", json!({ "value": misspelled }))));
    assert_eq!(text.matches("shown").count(), 2, "{text}");
}

#[test]
fn a_known_message_that_does_not_decode_is_not_shown() {
    let secret = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "n",
        "generic_secret": { "secret": { "inline_string": MARK } },
    });
    let mut bytes = crate::dump::encode(&secret).unwrap();
    bytes.push(0xff);
    assert!(
        dumped_bytes("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", &bytes).contains("value")
    );
    for prefix in ["type.googleapis.com/", "", "elsewhere/"] {
        let context = wkt::Any { type_url: format!("{prefix}{CONTEXT}"), value: b"\x0a\x7f s3cr3t-m4rk".to_vec() };
        let socket = crate::proto::core::v3::TransportSocket {
            name: "shown".into(),
            config_type: Some(crate::proto::core::v3::transport_socket::ConfigType::TypedConfig(context)),
        };
        dumped_bytes("type.googleapis.com/envoy.config.core.v3.TransportSocket", &socket.encode_to_vec());
    }
}

#[test]
fn an_any_with_another_prefix_is_opened_too() {
    let context = crate::dump::encode(&typed(CONTEXT, certificates(false))).unwrap();
    let context = wkt::Any { type_url: CONTEXT.into(), value: context };
    let socket = crate::proto::core::v3::TransportSocket {
        name: "shown".into(),
        config_type: Some(crate::proto::core::v3::transport_socket::ConfigType::TypedConfig(context)),
    };
    let text = dumped_bytes("type.googleapis.com/envoy.config.core.v3.TransportSocket", &socket.encode_to_vec());
    assert!(text.contains("/chain.pem"), "{text}");
}

/// Every field that is marked in Envoy's files, filled and printed, as a message and as a TypedStruct.
#[test]
fn every_sensitive_field_is_hidden() {
    let mut seen = 0;
    for message in Message::all() {
        for field in message.fields().filter(|field| field.is_sensitive()) {
            let filled = filled(field);
            let alone = typed(message.name(), json!({ field.name(): filled }));
            let text = dumped(&alone);
            assert!(text.contains("redacted") || text.contains("W3JlZGFjdGVkXQ"), "{text}");
            let json_name = camel(field.name());
            for name in [field.name(), &json_name] {
                assert!(same_name(field.name(), name));
                let inner = json!({ "type_url": message.name(), "value": { name: filled, "other": "shown" } });
                assert!(dumped(&typed("xds.type.v3.TypedStruct", inner)).contains("shown"));
            }
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// A value with the mark in it.
fn filled(field: Field) -> Value {
    let single = match field.message() {
        None => MARK.into(),
        Some(_) if field.is_map() => {
            let value = field.message().unwrap().field(2).unwrap();
            return json!({ "key": filled(value) });
        }
        Some(of) => match of.name() {
            "envoy.config.core.v3.DataSource" => json!({ "inline_string": MARK }),
            "google.protobuf.Any" => typed("envoy.config.core.v3.DataSource", json!({ "filename": MARK })),
            _ => {
                let inner = of.fields().find(|field| field.message().is_none() || !field.is_repeated()).unwrap();
                json!({ inner.name(): filled(inner) })
            }
        },
    };
    if field.is_repeated() { json!([single]) } else { single }
}

#[test]
fn a_wrong_value_in_a_sensitive_field_is_not_repeated() {
    let place = |value: Value| {
        typed(CONTEXT, json!({ "common_tls_context": { "tls_certificates": [{ "private_key": value }] } }))
    };
    let wrong = [
        json!(MARK),
        json!([MARK]),
        json!({ "inline_bytes": format!("!{MARK}") }),
        json!({ "inline_bytes": [MARK] }),
        json!({ "inline_string": { "x": MARK } }),
        json!({ "inline_string": 31_415_926 }),
        json!({ "filename": { MARK: 1 } }),
        json!({ "watched_directory": { "path": [MARK] } }),
    ];
    for value in wrong {
        let rejection = crate::dump::encode(&place(value.clone())).unwrap_err().to_string();
        let inner = rejection.replace("[redacted]", "");
        assert!(!inner.contains(MARK) && !inner.contains("31415926"), "{rejection}");
        assert!(rejection.starts_with("common_tls_context.tls_certificates[0].private_key"), "{rejection}");
        let typed = json!({ "type_url": CONTEXT, "value": place(value) });
        let any = wkt::Any {
            type_url: "udpa.type.v1.TypedStruct".into(),
            value: crate::dump::encode(&self::typed("udpa.type.v1.TypedStruct", typed)).unwrap(),
        };
        let at = crate::At::root();
        let opened = crate::extension::open(&at, &any).unwrap();
        let rejection = opened.bytes(&at, &crate::Options::default()).unwrap_err().to_string();
        assert!(!rejection.contains(MARK) && !rejection.contains("31415926"), "{rejection}");
    }
}

#[test]
fn a_key_where_a_certificate_should_be_is_not_shown_and_a_certificate_is() {
    // The head of a key of each kind, and of a certificate; what follows does not matter.
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgs3cr3tm4rk0123456789AB";
    let rsa = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7s3cr3tm4rk01234567";
    let certificate = "MIIBbjCCARSgAwIBAgIUbPUIa8A83bqhxeFwND3VI1STsm4wCgYIKoZIzj0EAwIwDzEN";
    let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    let good = pem("CERTIFICATE", certificate);
    let mixed = format!("{good}{}", pem("PRIVATE KEY", key));
    for (text, is_shown) in [
        (good.clone(), true),
        (format!("# said before\n{good}{}", pem("X509 CRL", certificate)), true),
        ("/etc/ssl/certs/ca-certificates.crt".to_owned(), true),
        ("<html>MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg is prose</html>".to_owned(), true),
        (mixed, false),
        (pem("PRIVATE KEY", key), false),
        (pem("CERTIFICATE", key), false),
        (pem("CERTIFICATE", rsa), false),
        (pem("PRIVATE KEY", key).replace('\n', " "), false),
        (key.to_owned(), false),
        (base64::engine::general_purpose::STANDARD.encode(pem("PRIVATE KEY", key)), false),
    ] {
        let source = json!({ "inline_string": text });
        let coded = json!({ "inline_bytes": base64::engine::general_purpose::STANDARD.encode(&text) });
        for source in [source, coded] {
            let context = json!({ "common_tls_context": { "validation_context": { "trusted_ca": source } } });
            let inner = json!({ "type_url": CONTEXT, "value": context });
            for socket in [socket(typed(CONTEXT, context)), socket(typed("udpa.type.v1.TypedStruct", inner))] {
                let shown = dumped(&socket);
                let hidden = shown.contains("[redacted]") || shown.contains("W3JlZGFjdGVkX");
                assert_eq!(hidden, !is_shown, "{text}: {shown}");
            }
        }
    }
}
