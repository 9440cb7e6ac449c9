//! Starts Envoy or Outrigger with a batch, asks it over connections that stay, and reads its log and statistics. Called by the front and
//! by [`super::shrink`].

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::request::{PEERS, PLAIN};
use super::{Batch, Failure, Told};
use crate::embedded::ports;
use crate::parity::address;
use crate::parity::started::{Started, page};

/// How long anything may take before a batch is given up.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);

/// What is told of a request: the route it came to, the answer, and what metadata has.
const FORMAT: &str = "%REQ(x-route)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% \
    enforced=%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%/%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_engine_result)% \
    shadow=%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_effective_policy_id)%/%DYNAMIC_METADATA(envoy.filters.http.rbac:shadow_engine_result)% \
    hint=%DYNAMIC_METADATA(envoy.common:access_log_hint)%\n";

/// Plays a batch.
///
/// # Errors
/// The proxy does not start or answer in time.
pub fn play(program: &Path, batch: &Batch) -> Result<Told, Failure> {
    let proxy = Proxy::start(program, batch)?;
    let mut connection: Option<(usize, Connection)> = None;
    let mut counts = [0; 2];
    for (route, request) in &batch.requests {
        counts[usize::from(request.connection >= PLAIN.len())] += 1;
        let stream = match &mut connection {
            Some((number, stream)) if *number == request.connection => stream,
            other => &mut other.insert((request.connection, proxy.connect(request.connection)?)).1,
        };
        stream.ask(&request.wire(*route)).map_err(|error| format!("{request}: {error}"))?;
    }
    let mut lines = proxy.lines("plain", counts[0])?;
    lines.extend(proxy.lines("tls", counts[1])?);
    let statistics = proxy.admin("/stats?usedonly")?;
    let mut statistics: Vec<_> = statistics.lines().filter(|line| line.contains(".rbac.")).map(str::to_owned).collect();
    statistics.sort();
    Ok(Told { lines, statistics })
}

pub(super) struct Proxy {
    process: Started,
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    admin: SocketAddr,
}

impl Proxy {
    fn start(program: &Path, batch: &Batch) -> Result<Proxy, Failure> {
        Proxy::begin(program, |addresses, folder| bootstrap(batch, addresses, folder))
    }

    /// With the bootstrap for a plain listener, one with TLS and the admin interface, and a folder for logs.
    pub(super) fn begin(
        program: &Path,
        bootstrap: impl FnOnce([SocketAddr; 3], &Path) -> Value,
    ) -> Result<Proxy, Failure> {
        let folder = tempfile::tempdir()?;
        let [plain, tls, admin] = [(); 3].map(|()| ports::free(Ipv4Addr::LOCALHOST.into()));
        let bootstrap = bootstrap([plain, tls, admin], folder.path());
        let process = Started::working(program, folder, &bootstrap, admin)?;
        Ok(Proxy { process, plain, tls, admin })
    }

    fn connect(&self, number: usize) -> Result<Connection, Failure> {
        let is_tls = number >= PLAIN.len();
        let mut socket = TcpStream::connect(if is_tls { self.tls } else { self.plain })?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_nodelay(true)?;
        if let Some(peer) = number.checked_sub(PLAIN.len()) {
            let config = Identities::get()?.client(peer)?;
            let name = "app.example".try_into()?;
            let session = rustls::ClientConnection::new(Arc::new(config), name)?;
            return Ok(Connection(BufReader::new(Box::new(rustls::StreamOwned::new(session, socket)))));
        }
        let (from, to, port) = PLAIN[number];
        let family = if from.contains(':') { "TCP6" } else { "TCP4" };
        socket.write_all(format!("PROXY {family} {from} {to} 4321 {port}\r\n").as_bytes())?;
        Ok(Connection(BufReader::new(Box::new(socket))))
    }

    /// So many lines of a log.
    pub(super) fn lines(&self, name: &str, count: usize) -> Result<Vec<String>, Failure> {
        let (path, began) = (log(self.process.folder(), name), Instant::now());
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.bytes().filter(|octet| *octet == b'\n').count() >= count {
                return Ok(text.lines().map(str::to_owned).collect());
            }
            if began.elapsed() > DEADLINE {
                return Err(format!("the log {name} does not get {count} lines").into());
            }
            std::thread::sleep(POLL);
        }
    }

    pub(super) fn admin(&self, path: &str) -> Result<String, Failure> {
        page(self.admin, path)
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// A connection that stays.
struct Connection(BufReader<Box<dyn Both>>);

impl Connection {
    /// Asks, and reads the answer.
    fn ask(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.0.get_mut().write_all(request)?;
        self.0.get_mut().flush()?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err("the connection ended".into());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        self.0.read_exact(&mut vec![0; length])?;
        Ok(())
    }
}

/// Certificates, PEM: made once in a process, and the same for both proxies.
pub(super) struct Identities {
    roots: String,
    server: (String, String),
    clients: Vec<Option<(String, String)>>,
}

impl Identities {
    pub(super) fn get() -> Result<&'static Identities, Failure> {
        static MADE: OnceLock<Result<Identities, String>> = OnceLock::new();
        let made = MADE.get_or_init(|| Identities::make().map_err(|error| error.to_string()));
        made.as_ref().map_err(|error| error.clone().into())
    }

    fn make() -> Result<Identities, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "rbac");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let roots = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let issue = |uri: &str, dns: &str, subject: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            if !subject.is_empty() {
                params.distinguished_name.push(DnType::CommonName, subject);
            }
            if !uri.is_empty() {
                params.subject_alt_names.push(SanType::URI(uri.try_into()?));
            }
            if !dns.is_empty() {
                params.subject_alt_names.push(SanType::DnsName(dns.try_into()?));
            }
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate()?;
            Ok::<_, rcgen::Error>((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
        };
        let clients = PEERS.iter().map(|(uri, dns, subject)| match uri.is_empty() && dns.is_empty() {
            true => Ok(None),
            false => issue(uri, dns, subject).map(Some),
        });
        let clients = clients.collect::<Result<_, rcgen::Error>>()?;
        Ok(Identities { roots, server: issue("spiffe://mesh/server", "app.example", "server")?, clients })
    }

    pub(super) fn client(&self, peer: usize) -> Result<rustls::ClientConfig, Failure> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.roots.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let builder = builder.with_root_certificates(roots);
        Ok(match &self.clients[peer] {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?
            }
        })
    }
}

pub(super) fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

pub(super) fn typed(type_name: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("type.googleapis.com/envoy.extensions.{type_name}"));
    fields
}

pub(super) fn filter(name: &str, type_name: &str, fields: Value) -> Value {
    json!({ "name": name, "typed_config": typed(type_name, fields) })
}

/// The factory of objects that are addresses.
pub(super) const ADDRESS: &str = "envoy.network.transport_socket.original_dst_address";

/// An object of filter state.
pub(super) fn state(key: &str, factory: &str, format: &str) -> Value {
    json!({
        "object_key": key, "factory_key": factory,
        "format_string": { "text_format_source": { "inline_string": format } },
    })
}

/// A server that knows clients by their certificates, if they show one.
pub(super) fn context() -> Value {
    let (roots, certificate, key) = match Identities::get() {
        Ok(made) => (made.roots.as_str(), made.server.0.as_str(), made.server.1.as_str()),
        Err(_) => ("", "", ""),
    };
    let inline = |text: &str| json!({ "inline_string": text });
    typed(
        "transport_sockets.tls.v3.DownstreamTlsContext",
        json!({ "common_tls_context": {
        "tls_certificates": [{ "certificate_chain": inline(certificate), "private_key": inline(key) }],
        "validation_context": { "trusted_ca": inline(roots) } } }),
    )
}

fn bootstrap(batch: &Batch, [plain, tls, admin]: [SocketAddr; 3], folder: &Path) -> Value {
    let told = json!({
        "text": "ab", "number": 1.5, "list": ["a", 1, "b"], "deep": { "text": "a" }, "truth": true, "nothing": null
    });
    let route = |(index, policy): (usize, &Value)| {
        json!({
            "name": format!("r{}", index % 3),
            "match": { "prefix": "/", "headers": [{ "name": "x-route", "string_match": { "exact": index.to_string() } }] },
            "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
            "metadata": { "filter_metadata": { "of.route": told } },
            "typed_per_filter_config": { "rbac": typed("filters.http.rbac.v3.RBACPerRoute", json!({ "rbac": policy })) }
        })
    };
    let routes: Vec<_> = batch.policies.iter().enumerate().map(route).collect();
    let listener = |name: &str, at: SocketAddr, filters: Value, chain: Value| {
        let mut chain = chain;
        let state = json!({ "on_request_headers": [
            state("state", "envoy.string", "%REQ(x-b)%"), state("where", ADDRESS, "%REQ(x-where)%"),
        ] });
        let set = json!({ "metadata": [{ "metadata_namespace": "set", "value": told }] });
        chain["filters"] = json!([filter(
            "http",
            "filters.network.http_connection_manager.v3.HttpConnectionManager",
            json!({
                "stat_prefix": name,
                "route_config": { "name": "routes", "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
                "http_filters": [
                    filter("set", "filters.http.set_metadata.v3.Config", set),
                    filter("state", "filters.http.set_filter_state.v3.Config", state),
                    filter("rbac", "filters.http.rbac.v3.RBAC", json!({})),
                    filter("router", "filters.http.router.v3.Router", json!({})),
                ],
                "access_log": [filter("log", "access_loggers.file.v3.FileAccessLog", json!({
                    "path": log(folder, name).display().to_string(),
                    "log_format": { "text_format_source": { "inline_string": FORMAT } } }))],
            })
        )]);
        json!({ "name": name, "address": address(at), "listener_filters": filters, "filter_chains": [chain] })
    };
    let proxied = json!([filter("proxy", "filters.listener.proxy_protocol.v3.ProxyProtocol", json!({}))]);
    let inspected = json!([filter("tls", "filters.listener.tls_inspector.v3.TlsInspector", json!({}))]);
    json!({
        "admin": { "address": address(admin) },
        "static_resources": { "listeners": [
            listener("plain", plain, proxied, json!({ "name": "chain" })),
            listener("tls", tls, inspected, json!({ "transport_socket": { "name": "tls", "typed_config": context() } })),
        ] }
    })
}
