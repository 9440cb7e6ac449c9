//! What a security feature needs is taken away from it, piece by piece: whoever got in with all of it there gets in no more.

mod filters;
mod settings;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrigger_integration::apps::service::{Mode, Service};
use outrigger_integration::control_plane::ca::{Authority, Leaf};
use outrigger_integration::embedded::binary;
use outrigger_integration::parity::doorman::trusting::{Anyone, Presents};
use outrigger_integration::parity::started::Started;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

const DEADLINE: Duration = Duration::from_secs(30);
const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";
const PEER: &str = "spiffe://cluster.local/ns/a/sa/peer";

/// How a feature is asked.
struct Asks<'a> {
    method: &'a str,
    headers: &'a str,
    peer: &'a Leaf,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The process did not start with this configuration.
    Refused,
    /// No answer: the connection or the handshake ended.
    Closed,
    Status(u16),
}

/// A feature with all that it needs, and what can be taken away from it.
struct Feature {
    name: &'static str,
    bootstrap: Value,
    method: &'static str,
    /// Lines that every request has.
    headers: String,
    /// Who asks, where that is not the usual peer.
    peer: Option<Leaf>,
    /// JSON pointers; what they lead to is taken out.
    pieces: Vec<&'static str>,
    /// JSON pointers, and what takes the place of what they lead to.
    spoiled: Vec<(&'static str, Value)>,
}

fn certificate(leaf: &Leaf) -> Value {
    json!({"certificate_chain": {"inline_string": leaf.chain}, "private_key": {"inline_string": leaf.key}})
}

fn bootstrap(context: Option<Value>, filters: Vec<Value>, network: Vec<Value>) -> Value {
    let mut filters = filters;
    filters.push(
        json!({"name": "router", "typed_config": {"@type": format!("{EXTENSIONS}.filters.http.router.v3.Router")}}),
    );
    let manager = json!({"name": "m", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "m",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200}},
        ]}]},
    }});
    let network = [network, vec![manager]].concat();
    let mut chain = json!({"filters": network});
    if let Some(mut context) = context {
        context["@type"] = format!("{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext").into();
        chain["transport_socket"] = json!({"name": "tls", "typed_config": context});
    }
    let listener = json!({"name": "l", "address": {"pipe": {"path": "SOCKET"}}, "filter_chains": [chain]});
    // Nobody listens there.
    let sds = json!({
        "name": "sds",
        "load_assignment": {"cluster_name": "sds", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"pipe": {"path": "SOCKET.sds"}}}},
        ]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": format!("{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
    });
    json!({"static_resources": {"listeners": [listener], "clusters": [sds]}})
}

const CONTEXT: &str = "/static_resources/listeners/0/filter_chains/0/transport_socket/typed_config/common_tls_context";

fn features(authority: &Authority, own: &Leaf) -> Vec<Feature> {
    let names = json!([{"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}}]);
    let roots = || json!({"inline_string": authority.roots()});
    let mutual = |validation: Value| {
        json!({
            "require_client_certificate": true,
            "common_tls_context": {"tls_certificates": [certificate(own)], "validation_context": validation},
        })
    };
    let spiffe = json!({"custom_validator_config": {"name": "envoy.tls.cert_validator.spiffe", "typed_config": {
        "@type": format!("{EXTENSIONS}.transport_sockets.tls.v3.SPIFFECertValidatorConfig"),
        "trust_domains": [{"name": "cluster.local", "trust_bundle": roots()}],
    }}});
    let fetched = json!({"name": "s", "sds_config": {"api_config_source": {
        "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "sds"}}],
    }}});
    let secrets = |mut bootstrap: Value| {
        bootstrap["static_resources"]["secrets"] = json!([
            {"name": "own", "tls_certificate": certificate(own)},
            {"name": "roots", "validation_context": {"trusted_ca": roots(), "match_typed_subject_alt_names": names.clone()}},
            {"name": "keys", "session_ticket_keys": {"keys": [{"inline_string": "k".repeat(80)}]}},
        ]);
        bootstrap
    };
    let by_name = json!({
        "require_client_certificate": true,
        "session_ticket_keys_sds_secret_config": {"name": "keys"},
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [{"name": "own"}],
            "validation_context_sds_secret_config": {"name": "roots"},
        },
    });
    let rbac = |kind: &str, prefix: &str| {
        json!({"name": "r", "typed_config": {
            "@type": format!("{EXTENSIONS}.filters.{kind}.rbac.v3.RBAC"),
            "stat_prefix": prefix,
            "rules": {"action": "ALLOW", "policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}]}}},
        }})
    };
    let mut requests = rbac("http", "r");
    requests["typed_config"].as_object_mut().expect("an object").remove("stat_prefix");
    const POLICIES: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/rules/policies";
    const CONNECTIONS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/rules/policies";
    vec![
        Feature {
            name: "certificates of both sides",
            bootstrap: bootstrap(
                Some(mutual(json!({"trusted_ca": roots(), "match_typed_subject_alt_names": names.clone()}))),
                vec![],
                vec![],
            ),
            pieces: vec!["/tls_certificates", "/tls_certificates/0/private_key", "/tls_certificates/0/certificate_chain", "/validation_context", "/validation_context/trusted_ca"],
            spoiled: vec![
                ("/tls_certificates/0/private_key/inline_string", json!("nothing")),
                ("/tls_certificates/0/certificate_chain/inline_string", json!("nothing")),
                ("/validation_context/trusted_ca/inline_string", json!("nothing")),
                ("/validation_context/trusted_ca/inline_string", json!("")),
                ("/validation_context/match_typed_subject_alt_names/0/matcher/prefix", json!("spiffe://elsewhere/")),
            ],
            ..Feature::default()
        },
        Feature {
            name: "roots by trust domain",
            bootstrap: bootstrap(Some(mutual(spiffe)), vec![], vec![]),
            pieces: vec![
                "/validation_context",
                "/validation_context/custom_validator_config",
                "/validation_context/custom_validator_config/typed_config",
                "/validation_context/custom_validator_config/typed_config/trust_domains",
                "/validation_context/custom_validator_config/typed_config/trust_domains/0/trust_bundle",
                "/validation_context/custom_validator_config/typed_config/trust_domains/0/name",
            ],
            spoiled: vec![
                ("/validation_context/custom_validator_config/name", json!("another")),
                ("/validation_context/custom_validator_config/typed_config/trust_domains/0/name", json!("elsewhere")),
                ("/validation_context/custom_validator_config/typed_config/trust_domains/0/trust_bundle/inline_string", json!("nothing")),
            ],
            ..Feature::default()
        },
        Feature {
            name: "secrets by name",
            bootstrap: secrets(bootstrap(Some(by_name), vec![], vec![])),
            pieces: vec!["secrets 0", "secrets 1", "secrets 2", "/validation_context_sds_secret_config"],
            spoiled: vec![
                ("/tls_certificate_sds_secret_configs/0", fetched.clone()),
                ("/validation_context_sds_secret_config", fetched.clone()),
                ("secrets 1/validation_context", json!({})),
            ],
            ..Feature::default()
        },
        Feature {
            name: "policy on requests",
            bootstrap: bootstrap(None, vec![requests], vec![]),
            pieces: vec![POLICIES, "POLICIES/p/permissions", "POLICIES/p/principals"],
            spoiled: vec![("POLICIES/p/permissions/0", json!({})), ("POLICIES/p/principals/0", json!({}))],
            ..Feature::default()
        },
        Feature {
            name: "policy on connections",
            bootstrap: bootstrap(None, vec![], vec![rbac("network", "c")]),
            pieces: vec![CONNECTIONS, "CONNECTIONS/p/permissions", "CONNECTIONS/p/principals"],
            spoiled: vec![("CONNECTIONS/p/permissions/0", json!({})), ("CONNECTIONS/p/principals/0", json!({}))],
            ..Feature::default()
        },
    ]
    .into_iter()
    .map(|feature| feature.with_whole_pointers(POLICIES, CONNECTIONS))
    .collect()
}

impl Default for Feature {
    fn default() -> Feature {
        Feature {
            name: "",
            bootstrap: Value::Null,
            method: "GET",
            headers: String::new(),
            peer: None,
            pieces: Vec::new(),
            spoiled: Vec::new(),
        }
    }
}

impl Feature {
    /// Pointers are written from where the feature's data are.
    fn with_whole_pointers(self, policies: &str, connections: &str) -> Feature {
        let whole = |pointer: &'static str| -> &'static str {
            let text = match pointer {
                text if text.starts_with("/static_resources") => text.to_owned(),
                text if text.starts_with("secrets ") => format!("/static_resources/{}", text.replace(' ', "/")),
                text if text.starts_with("POLICIES") => text.replace("POLICIES", policies),
                text if text.starts_with("CONNECTIONS") => text.replace("CONNECTIONS", connections),
                text => format!("{CONTEXT}{text}"),
            };
            text.leak()
        };
        Feature {
            pieces: self.pieces.into_iter().map(whole).collect(),
            spoiled: self.spoiled.into_iter().map(|(pointer, value)| (whole(pointer), value)).collect(),
            ..self
        }
    }
}

fn take_out(bootstrap: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match bootstrap.pointer_mut(parent).expect(pointer) {
        Value::Object(fields) => assert!(fields.remove(key).is_some(), "{pointer} leads nowhere"),
        Value::Array(items) => drop(items.remove(key.parse().expect("a number"))),
        _ => unreachable!("{pointer} leads nowhere"),
    }
}

fn put(bootstrap: &mut Value, pointer: &str, value: Value) {
    *bootstrap.pointer_mut(pointer).expect(pointer) = value;
}

async fn outcome(program: &Path, bootstrap: &Value, feature: &Asks<'_>) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let text = bootstrap.to_string().replace("SOCKET", &socket.display().to_string());
    let mut proxy = Started::launch(program, folder, &text).expect("it can be started");
    let started = Instant::now();
    let stream = loop {
        if let Ok(stream) = UnixStream::connect(&socket).await {
            break stream;
        }
        if proxy.has_ended() {
            return Outcome::Refused;
        }
        // A listener that waits for its secrets is not there yet: that lets nobody in, either.
        let waits = ["\"sds_config\"", "\"config_discovery\""].iter().any(|word| bootstrap.to_string().contains(word));
        if started.elapsed() > WAIT && waits {
            return Outcome::Closed;
        }
        assert!(started.elapsed() < DEADLINE, "neither listens nor ends: {bootstrap}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let is_tls = bootstrap.to_string().contains("DownstreamTlsContext");
    let asked = async {
        match is_tls {
            true => {
                let connector = tokio_rustls::TlsConnector::from(Arc::new(client(feature.peer)));
                let name = ServerName::try_from("proxy.example").expect("a name");
                ask(connector.connect(name, stream).await.ok()?, feature).await
            }
            false => ask(stream, feature).await,
        }
    };
    match tokio::time::timeout(DEADLINE, asked).await.expect("it answers or ends") {
        Some(status) => Outcome::Status(status),
        None => Outcome::Closed,
    }
}

/// As long as a listener is looked for that waits for a server which does not exist.
const WAIT: Duration = Duration::from_secs(3);

fn client(peer: &Leaf) -> rustls::ClientConfig {
    let chain = CertificateDer::pem_slice_iter(peer.chain.as_bytes()).collect::<Result<_, _>>().expect("a chain");
    let key = PrivateKeyDer::from_pem_slice(peer.key.as_bytes()).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("it signs");
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_client_cert_resolver(Arc::new(Presents(Arc::new(CertifiedKey::new(chain, key)))))
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, Asks { method, headers, .. }: &Asks<'_>) -> Option<u16> {
    let request = format!("{method} / HTTP/1.1\r\nhost: a\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

#[tokio::test]
async fn what_is_taken_away_from_a_security_feature_opens_nothing() {
    let program = binary::build().expect("the binary builds");
    let authority = Authority::new();
    let (own, peer) = (authority.issue("spiffe://cluster.local/ns/a/sa/own"), authority.issue(PEER));
    let mut wrong = Vec::new();
    let authorizer = Service::start(Mode::Ok).await;
    let all = features(&authority, &own).into_iter().chain(filters::features(authorizer.address()));
    for feature in all.chain(settings::features(authorizer.address(), &own)) {
        let asks =
            Asks { method: feature.method, headers: &feature.headers, peer: feature.peer.as_ref().unwrap_or(&peer) };
        let whole = outcome(&program, &feature.bootstrap, &asks).await;
        assert_eq!(whole, Outcome::Status(200), "{} with all that it needs", feature.name);
        let mut changed: Vec<(String, Value)> = Vec::new();
        for pointer in feature.pieces {
            let mut bootstrap = feature.bootstrap.clone();
            take_out(&mut bootstrap, pointer);
            changed.push((format!("without {pointer}"), bootstrap));
        }
        for (pointer, value) in feature.spoiled {
            let mut bootstrap = feature.bootstrap.clone();
            put(&mut bootstrap, pointer, value);
            changed.push((format!("another {pointer}"), bootstrap));
        }
        for (what, bootstrap) in changed {
            match outcome(&program, &bootstrap, &asks).await {
                Outcome::Refused | Outcome::Closed | Outcome::Status(401 | 403 | 500 | 503) => {}
                other => wrong.push(format!("{}, {what}: {other:?}", feature.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
