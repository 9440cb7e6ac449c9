//! OCSP responses of the real Envoy and of Outrigger: what a client gets that asks, and one that does not, and what is counted. `openssl`
//! is the client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use outrigger_integration::embedded::{binary, ports};
use outrigger_integration::parity::address;
use outrigger_integration::parity::der::{oid, seq, time, tlv};
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::started::{Started, page};
use outrigger_integration::skip::or_skip;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use serde_json::{Value, json};

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

/// What a certificate has beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Staple {
    None,
    Good,
    Old,
    /// It does not say until when it is good.
    Endless,
}

/// A context, and what comes of a client that asks (shown, none or refused) and of one that does not. What counts then: responses shown,
/// left out, and lacking.
type Case = (&'static str, Staple, bool, [&'static str; 2], [u64; 3]);

const CASES: &[Case] = &[
    ("LENIENT_STAPLING", Staple::None, false, ["none", "none"], [0, 1, 0]),
    ("LENIENT_STAPLING", Staple::Good, false, ["shown", "none"], [1, 0, 0]),
    ("LENIENT_STAPLING", Staple::Old, false, ["none", "none"], [0, 1, 0]),
    ("LENIENT_STAPLING", Staple::Endless, false, ["none", "none"], [0, 1, 0]),
    ("LENIENT_STAPLING", Staple::Good, true, ["shown", "none"], [1, 0, 0]),
    ("LENIENT_STAPLING", Staple::Old, true, ["refused", "none"], [0, 0, 1]),
    ("STRICT_STAPLING", Staple::None, false, ["none", "none"], [0, 1, 0]),
    ("STRICT_STAPLING", Staple::Good, false, ["shown", "none"], [1, 0, 0]),
    ("STRICT_STAPLING", Staple::Old, false, ["refused", "none"], [0, 0, 1]),
    ("STRICT_STAPLING", Staple::Endless, false, ["refused", "none"], [0, 0, 1]),
    ("MUST_STAPLE", Staple::Good, false, ["shown", "none"], [1, 0, 0]),
    ("MUST_STAPLE", Staple::Old, false, ["refused", "none"], [0, 0, 1]),
];

/// Contexts that no proxy begins with: policy, response, whether the certificate demands one, and whether the response is another's.
const REFUSED: &[(&str, Staple, bool, bool)] = &[
    ("MUST_STAPLE", Staple::None, false, false),
    ("LENIENT_STAPLING", Staple::None, true, false),
    ("LENIENT_STAPLING", Staple::Good, false, true),
];

/// A certificate for a server, and its response.
fn certificate(serial: u8, staple: Staple, demands: bool) -> Value {
    let mut params = CertificateParams::new(vec!["app.example".to_owned()]).expect("a name");
    params.serial_number = Some(vec![0x1a, serial].into());
    if demands {
        let feature = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
        params.custom_extensions.push(feature);
    }
    let key = KeyPair::generate().expect("a key");
    let chain = params.self_signed(&key).expect("a certificate").pem();
    json!({"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key.serialize_pem()},
        "ocsp_staple": response(serial, staple)})
}

fn response(serial: u8, staple: Staple) -> Value {
    let next = match staple {
        Staple::None => return Value::Null,
        Staple::Good => tlv(0xa0, &[&time("20900101000000Z")]),
        Staple::Old => tlv(0xa0, &[&time("20200102000000Z")]),
        Staple::Endless => Vec::new(),
    };
    let this = time("20200101000000Z");
    let hash = seq(&[&oid("1.3.14.3.2.26")]);
    let id = seq(&[&hash, &tlv(4, &[&[1; 20]]), &tlv(4, &[&[2; 20]]), &tlv(2, &[&[0x1a, serial]])]);
    let single = seq(&[&id, &tlv(0x80, &[]), &this, &next]);
    let data = seq(&[&tlv(0xa2, &[&tlv(4, &[&[3; 20]])]), &this, &seq(&[&single])]);
    let basic = seq(&[&data, &seq(&[&oid("1.2.840.10045.4.3.2")]), &tlv(3, &[&[0, 1, 2, 3]])]);
    let body = seq(&[&oid("1.3.6.1.5.5.7.48.1.1"), &tlv(4, &[&basic])]);
    let whole = seq(&[&tlv(0x0a, &[&[0]]), &tlv(0xa0, &[&body])]);
    json!({"inline_bytes": base64::engine::general_purpose::STANDARD.encode(whole)})
}

fn listener(name: &str, at: SocketAddr, policy: &str, certificate: Value) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}]},
    });
    json!({"name": name, "stat_prefix": name, "address": address(at), "filter_chains": [{
        "filters": [{"name": "m", "typed_config": manager}],
        "transport_socket": {"name": "tls", "typed_config": {"@type": TLS, "ocsp_staple_policy": policy,
            "common_tls_context": {"tls_certificates": [certificate]}}},
    }]})
}

fn free() -> SocketAddr {
    ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Starts it; `None` when it does not begin with this.
fn start(program: &Path, listeners: &[Value]) -> Option<(Started, SocketAddr)> {
    let (folder, admin) = (tempfile::tempdir().expect("a folder"), free());
    let bootstrap = json!({"admin": {"address": address(admin)}, "static_resources": {"listeners": listeners}});
    Started::working(program, folder, &bootstrap, admin).ok().map(|started| (started, admin))
}

fn statistics(admin: SocketAddr) -> String {
    page(admin, "/stats").expect("it answers")
}

fn client(at: SocketAddr, asks: bool, version: &str) -> &'static str {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &at.to_string(), "-servername", "app.example", version]);
    if asks {
        command.arg("-status");
    }
    let output = command.stdin(Stdio::null()).output().expect("openssl runs");
    let text = String::from_utf8_lossy(&output.stdout);
    match (text.contains("Cipher is (NONE)"), text.contains("OCSP Response Data:")) {
        (true, _) => "refused",
        (false, true) => "shown",
        (false, false) => "none",
    }
}

fn judge(program: &Path, counts_everywhere: bool) {
    let places: Vec<_> = CASES.iter().map(|_| free()).collect();
    let listeners = CASES.iter().zip(&places).enumerate().map(|(index, ((policy, staple, demands, ..), at))| {
        listener(&format!("l{index}"), *at, policy, certificate(index as u8 + 1, *staple, *demands))
    });
    let started = start(program, &listeners.collect::<Vec<_>>());
    let (_proxy, admin) = started.expect("it begins with these contexts");
    let mut wrong = Vec::new();
    for (index, (case, at)) in CASES.iter().zip(&places).enumerate() {
        let (policy, staple, _, want, [shown, omitted, failed]) = case;
        for version in ["-tls1_2", "-tls1_3"] {
            let found = [client(*at, true, version), client(*at, false, version)];
            if found != *want {
                wrong.push(format!("{case:?} {version}: {found:?}"));
            }
        }
        // Where nothing is said of responses, nothing is counted here: `known.md`.
        if !counts_everywhere && *policy == "LENIENT_STAPLING" && *staple == Staple::None {
            continue;
        }
        let text = statistics(admin);
        let counts = [("requests", 1), ("responses", *shown), ("omitted", *omitted), ("failed", *failed)];
        for (name, count) in counts {
            let line = format!("listener.l{index}.ssl.ocsp_staple_{name}: {}\n", 2 * count);
            if !text.replace('\r', "").contains(&line) {
                wrong.push(format!("{case:?}: not {line}"));
            }
        }
    }
    for (policy, staple, demands, is_anothers) in REFUSED {
        let mut certificate = certificate(1, *staple, *demands);
        if *is_anothers {
            certificate["ocsp_staple"] = response(2, *staple);
        }
        if start(program, &[listener("l", free(), policy, certificate)]).is_some() {
            wrong.push(format!("{policy} {staple:?} {demands} {is_anothers}: it begins"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn openssl() -> Result<(), String> {
    let found = Command::new("openssl").arg("version").output();
    found.map(drop).map_err(|error| format!("no openssl on this machine: {error}"))
}

#[test]
fn envoy_shows_responses_as_expected() {
    let tools = openssl().and_then(|()| envoy());
    if let Some(envoy) = or_skip("envoy_shows_responses_as_expected", tools) {
        judge(&envoy, true);
    }
}

#[test]
fn outrigger_shows_responses_as_envoy_does() {
    if or_skip("outrigger_shows_responses_as_envoy_does", openssl()).is_some() {
        judge(&binary::build().expect("the binary builds"), false);
    }
}
