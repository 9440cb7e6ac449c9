//! The proxy whose statistics are read, and what it speaks to. Used by [`super::play`] alone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::embedded::ports;
use crate::parity::address;
use crate::parity::http::Failure;
use crate::parity::started::{Started, page};

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(10);

/// A running proxy.
pub(super) struct World {
    plain: SocketAddr,
    tcp: SocketAddr,
    admin: SocketAddr,
    _process: Started,
}

impl World {
    /// Starts a program that understands Envoy's arguments.
    pub fn start(program: &Path) -> Result<World, Failure> {
        let folder = tempfile::tempdir()?;
        let [plain, tls, http2, tcp, admin] = std::array::from_fn(|_| ports::free(Ipv4Addr::LOCALHOST.into()));
        let app = application()?;
        let certificate = certificate(folder.path())?;
        let manager = |name: &str, routes: Value| manager(name, &routes);
        let to_app = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "app" } }]);
        let secured =
            typed("transport_sockets.tls.v3.DownstreamTlsContext", &json!({ "common_tls_context": certificate }));
        let mut at_tls = listener("tls", tls, manager("tls", to_app.clone()));
        at_tls["filter_chains"][0]["transport_socket"] = json!({ "name": "tls", "typed_config": secured });
        let inspector = typed("filters.listener.tls_inspector.v3.TlsInspector", &json!({}));
        at_tls["listener_filters"] = json!([{ "name": "inspector", "typed_config": inspector }]);
        let proxy = typed("filters.network.tcp_proxy.v3.TcpProxy", &json!({ "stat_prefix": "tcp", "cluster": "app" }));
        let bootstrap = json!({
            "node": { "id": "here", "cluster": "here", "locality": { "region": "r", "zone": "home" } },
            "admin": { "address": address(admin) },
            "static_resources": {
                "listeners": [listener("plain", plain, manager("plain", routes())), at_tls,
                    listener("http2", http2, manager("http2", to_app)), listener("tcp", tcp, proxy)],
                "clusters": clusters([app, tls, http2], &certificate)
            }
        });
        let process = Started::working(program, folder, &bootstrap, admin)?;
        Ok(World { plain, tcp, admin, _process: process })
    }

    /// A request on a connection of its own, to the end of its answer.
    pub fn http(&self, method: &str, path: &str) -> Result<(), Failure> {
        let body = if method == "POST" { "some octets" } else { "" };
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        exchange(self.plain, &format!("{method} {path} HTTP/1.1\r\nhost: app\r\n{length}\r\n{body}"))?;
        Ok(())
    }

    /// The same through the TCP proxy.
    pub fn tcp(&self) -> Result<(), Failure> {
        exchange(self.tcp, "GET /app/200 HTTP/1.1\r\nhost: app\r\n\r\n")?;
        Ok(())
    }

    /// What is no HTTP.
    pub fn nonsense(&self) -> Result<(), Failure> {
        exchange(self.plain, "NONSENSE\r\n\r\n")?;
        Ok(())
    }

    /// Waits until all connections of clients are over.
    pub fn settle(&self) -> Result<(), Failure> {
        let over = [
            "http.plain.downstream_cx_active: 0",
            "listener.tcp.downstream_cx_active: 0",
            "cluster.mirror.upstream_rq_completed: 1",
        ];
        let began = Instant::now();
        loop {
            let text = self.admin("/stats")?;
            if over.iter().all(|line| text.lines().any(|one| one == *line)) {
                return Ok(());
            }
            if began.elapsed() > DEADLINE {
                return Err("connections stay".into());
            }
            std::thread::sleep(POLL);
        }
    }

    /// A page of the admin interface.
    pub fn admin(&self, path: &str) -> Result<String, Failure> {
        page(self.admin, path)
    }
}

/// Sends, and reads the whole answer, whose length its head says.
fn exchange(to: SocketAddr, text: &str) -> Result<Vec<u8>, Failure> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(text.as_bytes())?;
    message(&mut stream, Vec::new()).map(|(head, _)| head)
}

/// A message with a length, and what follows it.
fn message(stream: &mut TcpStream, mut read: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let whole = end + 4 + length.unwrap_or(0);
            if read.len() >= whole {
                let rest = read.split_off(whole);
                return Ok((read, rest));
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err("the connection ended".into()),
            count => read.extend_from_slice(&piece[..count]),
        }
    }
}

/// What chunks hold.
/// Answers `/…/STATUS`, request after request, and `/…/slow` never.
fn application() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut rest = Vec::new();
    loop {
        let (request, more) = message(&mut stream, rest).ok()?;
        rest = more;
        let line = String::from_utf8_lossy(&request).lines().next()?.to_owned();
        let status = line.split(' ').nth(1)?.rsplit('/').next()?.to_owned();
        if status == "slow" {
            continue;
        }
        stream.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok").as_bytes()).ok()?;
    }
}

/// A certificate of `app`, for servers, and as what clients trust.
fn certificate(folder: &Path) -> Result<Value, Failure> {
    let made = rcgen::generate_simple_self_signed(["app".to_owned()])?;
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    Ok(
        json!({ "tls_certificates": [{ "certificate_chain": { "filename": chain }, "private_key": { "filename": key } }] }),
    )
}

pub(super) fn typed(name: &str, fields: &Value) -> Value {
    let mut config = fields.clone();
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.{name}"));
    config
}

pub(super) fn listener(name: &str, at: SocketAddr, filter: Value) -> Value {
    json!({ "name": name, "stat_prefix": name, "address": address(at),
        "filter_chains": [{ "filters": [{ "name": "filter", "typed_config": filter }] }] })
}

pub(super) fn manager(name: &str, routes: &Value) -> Value {
    let router = typed("filters.http.router.v3.Router", &json!({}));
    typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        &json!({ "stat_prefix": name, "http_filters": [{ "name": "router", "typed_config": router }],
            "route_config": { "name": "routes", "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] } }),
    )
}

fn routes() -> Value {
    let retry = json!({ "retry_on": "5xx", "num_retries": 1, "retry_back_off": { "base_interval": "0.001s" } });
    let mirrors = json!([{ "cluster": "mirror" }]);
    json!([
        { "match": { "prefix": "/mirrored" }, "route": { "cluster": "app", "request_mirror_policies": mirrors } },
        { "match": { "prefix": "/away" }, "route": { "cluster": "away", "timeout": "0.2s", "retry_policy": retry } },
        { "match": { "prefix": "/lost" }, "route": { "cluster": "lost" } },
        { "match": { "prefix": "/app" }, "route": { "cluster": "app" } },
        { "match": { "prefix": "/retried" }, "route": { "cluster": "app", "retry_policy": retry } },
        { "match": { "prefix": "/counted" }, "route": { "cluster": "app" }, "stat_prefix": "counted" },
        { "match": { "prefix": "/tls" }, "route": { "cluster": "tls" } },
        { "match": { "prefix": "/http2" }, "route": { "cluster": "http2" } },
        { "match": { "prefix": "/none" }, "route": { "cluster": "none" } },
        { "match": { "prefix": "/unknown" }, "route": { "cluster_header": "x-cluster" } },
        { "match": { "prefix": "/direct" }, "direct_response": { "status": 200, "body": { "inline_string": "ok" } } },
        { "match": { "prefix": "/redirect" }, "redirect": { "path_redirect": "/elsewhere" } }
    ])
}

fn clusters([app, tls, http2]: [SocketAddr; 3], certificate: &Value) -> Value {
    let cluster = |name: &str, at: Option<SocketAddr>| {
        let endpoint = at.map(|at| json!({ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }));
        json!({ "name": name, "connect_timeout": "5s",
            "load_assignment": { "cluster_name": name, "endpoints": endpoint.into_iter().collect::<Vec<_>>() } })
    };
    let mut to_tls = cluster("tls", Some(tls));
    let trusted = json!({ "trusted_ca": certificate["tls_certificates"][0]["certificate_chain"] });
    let context = json!({ "sni": "app", "common_tls_context": {
        "tls_params": { "tls_maximum_protocol_version": "TLSv1_3" }, "validation_context": trusted } });
    to_tls["transport_socket"] = json!({ "name": "tls",
        "typed_config": typed("transport_sockets.tls.v3.UpstreamTlsContext", &context) });
    let mut to_http2 = cluster("http2", Some(http2));
    let options = json!({ "explicit_http_config": { "http2_protocol_options": {} } });
    to_http2["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
        typed("upstreams.http.v3.HttpProtocolOptions", &options) });
    // Another zone than the proxy's, and canaries by their metadata.
    let in_zone = |name: &str, at: SocketAddr, canary: Value| {
        let mut one = cluster(name, Some(at));
        let locality = &mut one["load_assignment"]["endpoints"][0];
        locality["locality"] = json!({ "region": "r", "zone": "far.away" });
        locality["lb_endpoints"][0]["metadata"] = json!({ "filter_metadata": { "envoy.lb": { "canary": canary } } });
        one
    };
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    json!([
        in_zone("away", app, json!(true)),
        in_zone("lost", nobody, json!(true)),
        in_zone("mirror", app, json!("true")),
        cluster("app", Some(app)),
        to_tls,
        to_http2,
        cluster("none", None),
        cluster("unused", Some(app))
    ])
}
