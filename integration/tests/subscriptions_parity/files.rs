//! Secrets that come from files: what is counted of each that is moved there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::address;
use outrigger_integration::parity::started::{Failure, Started};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::{DEADLINE, POLL, counters, typed};

/// What is counted, in this order.
const COUNTED: [&str; 5] =
    ["update_attempt", "update_success", "update_rejected", "update_failure", "init_fetch_timeout"];

fn bootstrap(admin: SocketAddr, listener: SocketAddr, source: Value) -> Value {
    let context = typed(
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        json!({ "common_tls_context": { "tls_certificate_sds_secret_configs": [{ "name": "own", "sds_config": source }] } }),
    );
    json!({
        "node": { "id": "n", "cluster": "c" },
        "admin": { "address": address(admin) },
        "static_resources": { "listeners": [{ "name": "l", "address": address(listener), "filter_chains": [{
            "transport_socket": { "name": "tls", "typed_config": context },
            "filters": [{ "name": "echo", "typed_config": typed("extensions.filters.network.echo.v3.Echo", json!({})) }]
        }] }] }
    })
}

fn secret(name: &str) -> Value {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["app.example".to_owned()]).expect("a name");
    let chain = params.self_signed(&key).expect("a certificate").pem();
    typed(
        "extensions.transport_sockets.tls.v3.Secret",
        json!({ "name": name, "tls_certificate": {
            "certificate_chain": { "inline_string": chain }, "private_key": { "inline_string": key.serialize_pem() } } }),
    )
}

fn response(secrets: &[Value]) -> String {
    json!({ "version_info": "7", "resources": secrets }).to_string()
}

/// Moved to its place, as whoever replaces a file does it.
fn put(path: &Path, content: &str) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content)?;
    Ok(std::fs::rename(beside, path)?)
}

pub type Table = Vec<(&'static str, [u64; COUNTED.len()])>;

pub fn play(program: &Path, is_old: bool, ending: &str) -> Result<Table, Failure> {
    let [admin, listener] = std::array::from_fn(|_| ports::free(Ipv4Addr::LOCALHOST.into()));
    let files = tempfile::tempdir()?;
    let path = files.path().join(format!("secret.{ending}"));
    let good = secret("own");
    let mut broken = secret("own");
    broken["tls_certificate"]["private_key"] = json!({ "inline_string": "none" });
    // JSON is YAML.
    put(&path, &response(std::slice::from_ref(&good)))?;
    let mut source = if is_old { json!({ "path": path }) } else { json!({ "path_config_source": { "path": path } }) };
    source["resource_api_version"] = json!("V3");
    let _process = Started::working(program, tempfile::tempdir()?, &bootstrap(admin, listener, source), admin)?;
    let steps = [
        ("the same", response(std::slice::from_ref(&good))),
        ("another", response(&[secret("own")])),
        ("no response", "[{".to_owned()),
        ("two", response(&[good, secret("x")])),
        ("none", response(&[])),
        ("of another name", response(&[secret("x")])),
        ("broken", response(&[broken])),
        ("another again", response(&[secret("own")])),
    ];
    let count = || -> Result<_, Failure> {
        let counters = counters(admin)?;
        Ok(COUNTED.map(|what| counters.get(&format!("sds.own.{what}")).copied().unwrap_or_default()))
    };
    let mut table = vec![("the first", count()?)];
    for (what, content) in steps {
        let before = count()?[0];
        put(&path, &content)?;
        let began = Instant::now();
        while count()?[0] == before {
            if began.elapsed() > DEADLINE {
                return Err(format!("{what}: it is not read").into());
            }
            std::thread::sleep(POLL);
        }
        table.push((what, count()?));
    }
    Ok(table)
}

/// The numbers are those of the real Envoy.
pub fn judge(table: &Table) {
    let expected = [
        ("the first", [1, 1, 0, 0, 0]),
        ("the same", [2, 2, 0, 0, 0]),
        ("another", [3, 3, 0, 0, 0]),
        ("no response", [4, 3, 0, 1, 0]),
        ("two", [5, 3, 1, 1, 0]),
        ("none", [6, 3, 2, 1, 0]),
        ("of another name", [7, 3, 3, 1, 0]),
        ("broken", [8, 3, 4, 1, 0]),
        ("another again", [9, 4, 4, 1, 0]),
    ];
    assert_eq!(table[..], expected);
}
