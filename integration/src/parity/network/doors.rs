//! Servers that TCP proxies open tunnels at. [`Scripted`] speaks HTTP/1 and is the test's own: it says back the head that it was asked with, and
//! then what it hears; how it answers, the host that is asked for says. A door is a listener of the proxy's own that speaks HTTP/2 and
//! ends tunnels at the service `talk`; it tells the scenario's log what it was asked. Used by [`super::proxy`].

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use super::proxy::{log, typed};
use super::scenario::Scenario;
use crate::parity::address;
use crate::parity::http::Failure;

/// A server of tunnels over HTTP/1.
#[derive(Debug)]
pub(super) struct Scripted {
    pub address: SocketAddr,
}

impl Scripted {
    /// Starts it; it ends with the process.
    pub fn start() -> Result<Scripted, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || drop(serve(stream)));
            }
        });
        Ok(Scripted { address })
    }
}

/// A server that closes each connection as soon as it stands. It ends with the process.
pub(super) fn closing() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || listener.incoming().for_each(drop));
    Ok(address)
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut one = [0];
        if stream.read(&mut one)? == 0 {
            return Ok(());
        }
        head.push(one[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let host = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    let answer = match host.as_deref().unwrap_or_default().split(':').next().unwrap_or_default() {
        "refuses" => "HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno",
        "empty" => "HTTP/1.1 204 No Content\r\n\r\n",
        "lengths" => "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n",
        "chunks" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "hints" => "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nx-b: c\r\n\r\n",
        "switches" => "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\n",
        "breaks" => "HTTP/1.1 2",
        "closes" => "",
        _ => "HTTP/1.1 200 OK\r\nx-b: c\r\n\r\n",
    };
    stream.write_all(answer.as_bytes())?;
    if answer.is_empty() || !answer.ends_with("\r\n\r\n") {
        return stream.shutdown(Shutdown::Both);
    }
    stream.write_all(&head)?;
    let mut room = [0; 4096];
    loop {
        match stream.read(&mut room)? {
            0 => return stream.shutdown(Shutdown::Both),
            count => stream.write_all(&room[..count])?,
        }
    }
}

/// Whether a scenario has one.
pub(super) fn is_wanted(scenario: &Scenario) -> bool {
    scenario.config["filters"].to_string().contains("\"$door\"")
}

/// The name of a scenario's.
pub(super) fn name(scenario: &str) -> String {
    format!("door_{scenario}")
}

/// A cluster that speaks HTTP/2.
pub(super) fn speaks_http2(mut cluster: Value) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    cluster["typed_extension_protocol_options"] = json!({ options: {
        "@type": format!("type.googleapis.com/{options}"),
        "explicit_http_config": { "http2_protocol_options": {} } } });
    cluster
}

/// Connections begin with who has connected: PROXY protocol, version 1.
pub(super) fn announces() -> Value {
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.transport_sockets.{name}");
    let raw = json!({ "name": "raw", "typed_config": { "@type": kind("raw_buffer.v3.RawBuffer") } });
    json!({ "name": "announces", "typed_config": { "@type": kind("proxy_protocol.v3.ProxyProtocolUpstreamTransport"),
        "config": { "version": "V1" }, "transport_socket": raw } })
}

/// Behind the PROXY protocol's second version, with what an endpoint and its cluster add, and those of the client's that `passes` says.
pub(super) fn told(mut cluster: Value, added: Value, passes: Value) -> Value {
    let mut socket = announces();
    socket["typed_config"]["config"] = json!({ "version": "V2", "added_tlvs": added, "pass_through_tlvs": passes });
    cluster["transport_socket"] = socket;
    cluster
}

/// Connections are made before they are needed.
pub(super) fn ahead(mut cluster: Value) -> Value {
    cluster["preconnect_policy"] = json!({ "per_upstream_preconnect_ratio": 1.5 });
    cluster
}

/// An endpoint's own entries, of which its metadata tells.
pub(super) fn with_own(mut cluster: Value, own: Value) -> Value {
    let own = json!({ "@type": "type.googleapis.com/envoy.config.core.v3.PerHostConfig", "added_tlvs": own });
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"]["typed_filter_metadata"] =
        json!({ "envoy.transport_sockets.proxy_protocol": own });
    cluster
}

/// A cluster that is reached by way of an HTTP proxy alone: nobody listens at its endpoint, whose host name the proxy refuses.
pub(super) fn by_proxy(name: &str, proxy: SocketAddr, tls: bool) -> Value {
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.transport_sockets.{name}");
    let context = json!({ "name": "tls", "typed_config": { "@type": kind("tls.v3.UpstreamTlsContext") } });
    let nobody = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 1 } });
    let mut socket = json!({ "@type": kind("http_11_proxy.v3.Http11ProxyUpstreamTransport"),
        "default_proxy_address": address(proxy) });
    if tls {
        socket["transport_socket"] = context;
    }
    json!({ "name": name, "connect_timeout": "5s", "transport_socket": { "name": "by_proxy", "typed_config": socket },
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": nobody, "hostname": "refuses" } }] }] } })
}

/// The listener of one.
pub(super) fn listener(name: &str, at: SocketAddr, path: &Path) -> Value {
    let format = "door %REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:PATH)% %REQ(:SCHEME)% %REQ(X-A)% %RESPONSE_CODE% \
                  %BYTES_RECEIVED% %BYTES_SENT%";
    let ends = json!({ "cluster": "talk",
        "upgrade_configs": [{ "upgrade_type": "CONNECT", "connect_config": { "allow_post": true } }] });
    let connect = json!({ "connect_matcher": {} });
    let manager = json!({
        "stat_prefix": name,
        "codec_type": "HTTP2",
        "http2_protocol_options": { "allow_connect": true },
        "upgrade_configs": [{ "upgrade_type": "CONNECT" }],
        "access_log": log(path, format),
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        "route_config": { "virtual_hosts": [
            { "name": "refuses", "domains": ["refuses:*", "refuses:1"], "routes": [
                { "match": connect, "direct_response": { "status": 403 } },
                { "match": { "prefix": "/" }, "direct_response": { "status": 403 } }] },
            { "name": "created", "domains": ["created:1"], "routes": [
                { "match": connect, "direct_response": { "status": 201 } }] },
            { "name": "all", "domains": ["*"], "routes": [
                { "match": connect, "route": ends },
                { "match": { "prefix": "/" }, "route": ends }] }
        ] }
    });
    json!({
        "name": name,
        "address": address(at),
        "filter_chains": [{ "filters": [typed("http_connection_manager.v3.HttpConnectionManager", manager)] }]
    })
}
