//! A proxy that judges peers: for each case a listener that asks for client certificates, and a cluster behind one plain listener. All
//! of it is on Unix sockets in one folder, so that hundreds of them need no ports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::der::{Key, Text};
use super::peers::{Case, pem};

pub mod trusting;

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running proxy, and the servers behind it.
pub struct Doorman {
    child: Child,
    folder: tempfile::TempDir,
    /// The cases whose contexts the program takes.
    loaded: BTreeSet<usize>,
}

impl Doorman {
    /// Starts a program that understands Envoy's arguments, and a server for each case.
    ///
    /// # Errors
    /// When it does not listen in time; its standard error is in the text.
    pub async fn start(program: &Path, cases: &[Case]) -> Result<Doorman, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let all: Vec<_> = cases.iter().enumerate().collect();
        let loaded = loadable(program, folder.path(), &all).map_err(|error| error.to_string())?;
        for (index, case) in &loaded {
            serve(&folder.path().join(format!("u{index}")), case).map_err(|error| format!("{}: {error}", case.name))?;
        }
        let file = folder.path().join("bootstrap.json");
        let errors = folder.path().join("stderr");
        let write = || -> std::io::Result<Child> {
            std::fs::write(&file, bootstrap(folder.path(), &loaded).to_string())?;
            Command::new(program)
                .arg("-c")
                .arg(&file)
                .args([
                    "--concurrency",
                    "1",
                    "-l",
                    "error",
                    "--disable-hot-restart",
                    "--file-flush-interval-msec",
                    "20",
                ])
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(&errors)?)
                .spawn()
        };
        let child = write().map_err(|error| format!("{}: {error}", program.display()))?;
        let loaded = loaded.iter().map(|(index, _)| *index).collect();
        let mut doorman = Doorman { child, folder, loaded };
        let started = Instant::now();
        let mut waiting: Vec<_> = doorman.loaded.iter().map(|index| doorman.path(&format!("s{index}"))).collect();
        waiting.push(doorman.path("plain"));
        while let Some(next) = waiting.last() {
            if UnixStream::connect(next).await.is_ok() {
                waiting.pop();
                continue;
            }
            if started.elapsed() > DEADLINE || doorman.child.try_wait().is_ok_and(|status| status.is_some()) {
                let said = std::fs::read_to_string(&errors).unwrap_or_default();
                return Err(format!("{} does not listen: {said}", program.display()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(doorman)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether the case is let in as a client.
    pub async fn as_client(&self, index: usize, case: &Case) -> String {
        if !self.loaded.contains(&index) {
            return "refused".to_owned();
        }
        let ask = async {
            let stream = UnixStream::connect(self.path(&format!("s{index}"))).await.ok()?;
            let connector = TlsConnector::from(Arc::new(client(case)?));
            let stream = connector.connect(ServerName::try_from("proxy.example").ok()?, stream).await.ok()?;
            status(stream, "/").await
        };
        verdict(tokio::time::timeout(DEADLINE, ask).await.ok().flatten())
    }

    /// Whether the case is let in as a server, and what the answer says otherwise.
    pub async fn as_server(&self, index: usize) -> (String, String) {
        if !self.loaded.contains(&index) {
            return ("refused".to_owned(), String::new());
        }
        let ask = async {
            let stream = UnixStream::connect(self.path("plain")).await.ok()?;
            status(stream, &format!("/{index}/")).await
        };
        let verdict = verdict(tokio::time::timeout(DEADLINE, ask).await.ok().flatten());
        let reason = if verdict == "out" { self.logged(&format!("u/{index}/ "), 0).await } else { String::new() };
        (verdict, reason)
    }

    /// Why the case was turned away as a client: what the access log says of the last connection. The first was the look whether the
    /// listener is there.
    pub async fn reason(&self, index: usize) -> String {
        self.logged(&format!("s{index} "), 1).await
    }

    /// What follows this mark in the access log, in the line with this number.
    async fn logged(&self, mark: &str, number: usize) -> String {
        let started = Instant::now();
        loop {
            let log = std::fs::read_to_string(self.path("access")).unwrap_or_default();
            let mut lines = log.lines().filter_map(|line| line.strip_prefix(mark));
            if let Some(reason) = lines.nth(number) {
                return reason.to_owned();
            }
            if started.elapsed() > DEADLINE {
                return "no line in the log".to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Doorman {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn verdict(status: Option<u16>) -> String {
    if status == Some(200) { "in" } else { "out" }.to_owned()
}

/// The status that a GET gets.
async fn status(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> Option<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: peer.example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    // To the end, which some tell by an error.
    while let Ok(read) = stream.read(&mut part).await
        && read > 0
    {
        answer.extend_from_slice(&part[..read]);
    }
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

fn presented(case: &Case) -> Option<Arc<CertifiedKey>> {
    let key = PrivateKeyDer::try_from(case.key.clone()).ok()?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok()?;
    let chain = case.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    Some(Arc::new(CertifiedKey::new(chain, key)))
}

fn client(case: &Case) -> Option<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?;
    let presents = Arc::new(trusting::Presents(presented(case)?));
    let trusts = Arc::new(trusting::Anyone);
    Some(builder.dangerous().with_custom_certificate_verifier(trusts).with_client_cert_resolver(presents))
}

/// Answers 200 to whoever gets through the handshake.
fn serve(path: &Path, case: &Case) -> Result<(), String> {
    let presents = Arc::new(trusting::Presents(presented(case).ok_or("a key that cannot sign")?));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(presents);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = UnixListener::bind(path).map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut part = [0; 4096];
                if stream.read(&mut part).await.is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let _closed = stream.write_all(answer).await;
                    let _closed = stream.shutdown().await;
                }
            });
        }
    });
    Ok(())
}

/// The cases that the program takes: all, or those of both halves.
fn loadable<'a>(program: &Path, folder: &Path, cases: &[(usize, &'a Case)]) -> std::io::Result<Vec<(usize, &'a Case)>> {
    let file = folder.join("try.json");
    std::fs::write(&file, bootstrap(folder, cases).to_string())?;
    let taken = Command::new(program)
        .arg("-c")
        .arg(&file)
        .args(["--mode", "validate", "-l", "critical"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?
        .success();
    Ok(match cases {
        cases if taken => cases.to_vec(),
        [] | [_] => Vec::new(),
        cases => {
            let (left, right) = cases.split_at(cases.len() / 2);
            [loadable(program, folder, left)?, loadable(program, folder, right)?].concat()
        }
    })
}

fn bootstrap(folder: &Path, cases: &[(usize, &Case)]) -> Value {
    let key = Key::new();
    let own = Text::new("proxy.example", "proxy.example", Vec::new()).sign(&key, &key);
    let certificate = json!({
        "certificate_chain": {"inline_string": pem("CERTIFICATE", &own)},
        "private_key": {"inline_string": pem("PRIVATE KEY", &key.pair.serialize_der())},
    });
    let pipe = |name: String| json!({"pipe": {"path": folder.join(name)}});
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
    let mut listeners = Vec::new();
    let mut clusters = Vec::new();
    let mut routes = Vec::new();
    for (index, case) in cases {
        let context = json!({
            "@type": format!("{tls}.DownstreamTlsContext"),
            "require_client_certificate": true,
            "common_tls_context": {"tls_certificates": [certificate.clone()], "validation_context": case.context},
        });
        let answer = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
        listeners.push(json!({
            "name": format!("s{index}"),
            "address": pipe(format!("s{index}")),
            "access_log": log(folder, &format!("s{index} %DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n")),
            "filter_chains": [{
                "transport_socket": {"name": "tls", "typed_config": context},
                "filters": [manager(&answer)],
            }],
        }));
        let context = json!({
            "@type": format!("{tls}.UpstreamTlsContext"),
            "common_tls_context": {
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "validation_context": case.context,
            },
        });
        clusters.push(json!({
            "name": format!("u{index}"),
            "connect_timeout": "20s",
            "load_assignment": {"cluster_name": "u", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": pipe(format!("u{index}"))}},
            ]}]},
            "transport_socket": {"name": "tls", "typed_config": context},
        }));
        routes.push(json!({"match": {"prefix": format!("/{index}/")}, "route": {"cluster": format!("u{index}")}}));
    }
    let mut front = manager(&json!(routes));
    front["typed_config"]["access_log"] = log(folder, "u%REQ(:PATH)% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n");
    let plain = json!({"name": "plain", "address": pipe("plain".to_owned()), "filter_chains": [{"filters": [front]}]});
    listeners.push(plain);
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

fn log(folder: &Path, format: &str) -> Value {
    json!([{"name": "file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": folder.join("access"),
        "log_format": {"text_format_source": {"inline_string": format}},
    }}])
}

fn manager(routes: &Value) -> Value {
    let filters = "type.googleapis.com/envoy.extensions.filters";
    json!({
        "name": "manager",
        "typed_config": {
            "@type": format!("{filters}.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "peers",
            "http_filters": [{
                "name": "router",
                "typed_config": {"@type": format!("{filters}.http.router.v3.Router")},
            }],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        },
    })
}
