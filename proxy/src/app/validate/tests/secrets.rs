//! A private key that is broken, or stands where it should not: what the start and `--mode validate` say holds none of it.

use serde_json::{Value, json};

use super::super::judge;
use super::options;
use crate::app::bootstrap::tests::file;
use crate::tls::testing::{Authority, Leaf, Marks, spoiled};

use base64::Engine as _;

const TLS: &str = "envoy.extensions.transport_sockets.tls.v3";

/// Everywhere that a key could stand in a TLS context, also by mistake.
fn contexts(leaf: &Leaf, root: &str, text: &str) -> Vec<Value> {
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    let chain = json!({ "inline_string": leaf.chain });
    let key = json!({ "inline_string": leaf.key });
    let sources = [
        json!({ "inline_string": text }),
        json!({ "inline_bytes": coded }),
        json!({ "inline_bytes": text }),
        json!({ "inlineBytes": [text] }),
        json!({ "inline_string": [text] }),
        json!({ "inline_string": { text: text } }),
        json!({ "inline_strin": text }),
        json!({ "filename": text }),
        json!({ "environment_variable": text }),
        json!({ text: null }),
        json!({ text: text }),
        json!({ "watched_directory": text, "filename": "/dev/null" }),
        json!({ "watched_directory": { "path": text }, "filename": "/dev/null" }),
        json!(text),
        json!([text]),
    ];
    let mut all = Vec::new();
    for source in sources {
        all.extend([
            json!({ "tls_certificates": [{ "certificate_chain": chain, "private_key": source }] }),
            json!({ "tlsCertificates": [{ "certificateChain": chain, "privateKey": source }] }),
            json!({ "tls_certificates": [{ "certificate_chain": source, "private_key": key }] }),
            json!({ "tls_certificates": [{ "certificate_chain": chain, "private_key": key, "password": source }] }),
            json!({ "tls_certificates": [{ "certificate_chain": chain, "private_key": key, "pkcs12": source }] }),
            json!({ "tls_certificates": [{ "certificate_chain": chain, "private_kye": source }] }),
            json!({ "validation_context": { "trusted_ca": source } }),
            json!({ "validation_context": { "trusted_ca": { "inline_string": root }, "crl": source } }),
        ]);
    }
    all.extend([
        json!({ "tls_certificates": text }),
        json!({ "tls_certificates": [text] }),
        json!({ "tls_certificates": [{ text: text }] }),
        json!({ text: text }),
        json!(text),
        json!({ "alpn_protocols": text.chars().map(String::from).collect::<Vec<_>>().concat() }),
        json!({ "tls_params": { "cipher_suites": [text] } }),
        json!({ "tls_params": { "ecdh_curves": [text] } }),
        json!({ "tls_params": { "tls_minimum_protocol_version": text } }),
        json!({ "validation_context": { "verify_certificate_hash": [text] } }),
        json!({ "validation_context": { "verify_certificate_spki": [text] } }),
        json!({ "validation_context": { "trust_chain_verification": text } }),
    ]);
    all
}

/// The bootstraps that such a context makes: in a cluster, a listener, a secret, as a message and as a TypedStruct.
fn documents(common: &Value, which: usize) -> Value {
    let side = if which.is_multiple_of(2) { "UpstreamTlsContext" } else { "DownstreamTlsContext" };
    let context = json!({ "common_tls_context": common });
    let typed = match which % 3 {
        0 => {
            let url = format!("type.googleapis.com/{TLS}.{side}");
            json!({ "@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": url, "value": context })
        }
        _ => json!({ "@type": format!("type.googleapis.com/{TLS}.{side}"), "common_tls_context": common }),
    };
    let socket = json!({ "name": "tls", "typed_config": typed });
    let proxy = json!({
        "name": "tcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "a",
            "cluster": "a"
        }
    });
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    let certificate = common.get("tls_certificates").and_then(|list| list.get(0));
    let resources = match (which % 5, certificate) {
        (0, Some(certificate)) => json!({ "secrets": [{ "name": "s", "tls_certificate": certificate }] }),
        (_, _) if which.is_multiple_of(2) => json!({ "clusters": [{ "name": "c", "transport_socket": socket }] }),
        _ => {
            let chain = json!({ "filters": [proxy], "transport_socket": socket });
            json!({ "listeners": [{ "name": "l", "address": address, "filter_chains": [chain] }] })
        }
    };
    json!({ "node": { "id": "n", "cluster": "c" }, "static_resources": resources })
}

/// What is said of a bootstrap, if anything.
fn said(path: &str) -> Option<String> {
    let faults = judge(&options(&["-c", path])).reasons();
    (!faults.is_empty()).then(|| faults.join("\n"))
}

#[test]
fn nothing_of_a_key_is_said_wherever_it_stands() {
    let authority = Authority::new("mesh");
    let leaf = authority.issue("spiffe://cluster.local/ns/default/sa/details");
    let marks = Marks::of(&leaf.key);
    assert!(marks.in_text(&leaf.key));
    let folder = tempfile::tempdir().unwrap();
    let (mut which, mut refused, mut leaks) = (0, 0, Vec::new());
    let texts = spoiled(&leaf.key).into_iter().step_by(26).chain([leaf.key.clone()]);
    for text in texts {
        for common in contexts(&leaf, &authority.root, &text) {
            which += 1;
            let document = documents(&common, which);
            let (name, text) = match which.is_multiple_of(7) {
                true => ("b.yaml", document.to_string()),
                false => ("b.json", document.to_string()),
            };
            let path = file(&folder, name, &text);
            if let Some(reason) = said(path.to_str().unwrap()) {
                refused += 1;
                leaks.extend(marks.in_text(&reason).then(|| reason.chars().take(200).collect::<String>()));
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
    assert!(refused > which / 2, "{refused} of {which}");
}

#[test]
fn nothing_of_a_key_is_said_of_a_file_that_is_no_bootstrap() {
    let leaf = Authority::new("mesh").issue("spiffe://cluster.local/ns/default/sa/details");
    let marks = Marks::of(&leaf.key);
    let folder = tempfile::tempdir().unwrap();
    let (mut refused, mut leaks) = (0, Vec::new());
    for text in spoiled(&leaf.key).into_iter().chain([leaf.key.clone()]) {
        let quoted = Value::from(&*text).to_string();
        let whole = documents(&json!({ "tls_certificates": [{ "private_key": { "inline_string": "MARK" } }] }), 2);
        let whole = whole.to_string();
        let texts = [
            text.clone(),
            quoted.clone(),
            format!("[{quoted}]"),
            format!("{{{quoted}: {quoted}}}"),
            format!("{{\"node\": {quoted}}}"),
            format!("{{\"static_resources\": {quoted}}}"),
            format!("{{\"static_resources\": {{{quoted}: []}}}}"),
            format!("{{\"static_resources\": {{\"secrets\": {quoted}}}}}"),
            format!("{{\"static_resources\": {{\"secrets\": [{quoted}]}}}}"),
            // A line break within a string, a quote too few or too many.
            whole.replace("MARK", &text),
            whole.replace("\"MARK\"", &text),
            whole.replace("MARK\"", &text),
            whole.replace("\"MARK\"", &format!("{quoted}{quoted}")),
            // Lost indentation.
            format!(
                "static_resources:\n  secrets:\n  - tls_certificate:\n      private_key:\n        inline_string: |\n{text}"
            ),
            format!(
                "static_resources:\n  secrets:\n  - tls_certificate:\n      private_key:\n        inline_string: {text}"
            ),
            format!(
                "static_resources:\n  secrets:\n  - tls_certificate:\n      private_key:\n        inline_string: \"{text}"
            ),
            format!("static_resources:\n  secrets:\n  - tls_certificate:\n      private_key:\n{text}: 1"),
            format!("static_resources: *{text}"),
            format!("static_resources: &{text}"),
            format!("static_resources: !{text} x"),
            format!("%{text}\n--- {{}}"),
        ];
        for (index, text) in texts.iter().enumerate() {
            for name in ["b.yaml", "b.json"] {
                let path = file(&folder, name, text);
                if let Some(reason) = said(path.to_str().unwrap()) {
                    refused += 1;
                    leaks.extend(marks.in_text(&reason).then(|| format!("{index} {name}: {reason}")));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
    assert!(refused > 1000, "{refused}");
}
