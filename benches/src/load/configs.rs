//! Configs that give every contender the same work. Envoy and Outrigger get the very same bootstrap file.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::certs::Certs;
use super::contender::Kind;

/// One proxy process: where it listens, where it sends, and how each side is carried.
#[derive(Debug, Clone)]
pub struct Hop {
    /// Client side.
    pub listen: SocketAddr,
    /// mTLS on the client side.
    pub listen_tls: bool,
    /// Next hop or backend.
    pub upstream: SocketAddr,
    /// mTLS on the upstream side.
    pub upstream_tls: bool,
    /// What is spoken.
    pub protocol: Protocol,
    /// Filters as istiod sends them and an access log in Istio's format.
    pub mesh_filters: bool,
    /// Three RBAC filters of Istio's shape.
    pub policies: bool,
    /// Admin port (Envoy and Outrigger).
    pub admin: SocketAddr,
}

/// What is spoken between the proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 between the proxies, HTTP/1.1 outside.
    Http2,
    /// Bytes.
    Tcp,
}

/// Writes the config of a hop for a contender; `None` when it cannot do the work.
pub fn write(kind: Kind, hop: &Hop, certs: &Certs, folder: &Path) -> io::Result<Option<PathBuf>> {
    let (name, text) = match kind {
        Kind::Outrigger | Kind::Envoy => ("bootstrap.json", envoy(hop, certs, folder).to_string()),
        Kind::Haproxy | Kind::Nginx if hop.policies => return Ok(None),
        Kind::Haproxy => ("haproxy.cfg", haproxy(hop, certs)),
        // nginx speaks no HTTP/2 to its upstreams, and needs its stream module for TCP, which Debian packages apart.
        Kind::Nginx if hop.protocol != Protocol::Http1 => return Ok(None),
        Kind::Nginx => ("nginx.conf", nginx(hop, certs, folder)),
    };
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(Some(path))
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn tls_common(certs: &Certs, alpn: &[&str]) -> Value {
    json!({
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
        "alpn_protocols": alpn,
        "tls_certificates": [{
            "certificate_chain": {"filename": certs.chain},
            "private_key": {"filename": certs.key},
        }],
        "validation_context": {
            "trusted_ca": {"filename": certs.ca},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}}],
        },
    })
}

/// The bootstrap for Envoy and for us.
pub fn envoy(hop: &Hop, certs: &Certs, folder: &Path) -> Value {
    json!({
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": socket(hop.admin)},
        "static_resources": {
            "listeners": [envoy_listener(hop, certs, folder)],
            "clusters": [envoy_cluster("backend", hop, certs)],
        },
    })
}

fn envoy_listener(hop: &Hop, certs: &Certs, folder: &Path) -> Value {
    let terminal = if hop.protocol == Protocol::Tcp {
        json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "bench", "cluster": "backend",
            },
        })
    } else {
        json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": envoy_manager(hop, folder)})
    };
    let mut chain = json!({"filters": [terminal]});
    if hop.listen_tls {
        chain["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": true,
                "common_tls_context": tls_common(certs, &["h2", "http/1.1"]),
            },
        });
    }
    json!({"name": "bench", "address": socket(hop.listen), "filter_chains": [chain]})
}

fn envoy_manager(hop: &Hop, folder: &Path) -> Value {
    let mut filters = Vec::new();
    let extension = |name: &str, package: &str| json!({"name": name, "typed_config": {"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{package}")}});
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "stream_idle_timeout": "0s",
        "route_config": {"name": "bench", "virtual_hosts": [{
            "name": "bench", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "0s"}}],
        }]},
    });
    if hop.mesh_filters {
        filters.push(extension("envoy.filters.http.grpc_stats", "grpc_stats.v3.FilterConfig"));
        filters.push(extension("envoy.filters.http.fault", "fault.v3.HTTPFault"));
        filters.push(extension("envoy.filters.http.cors", "cors.v3.Cors"));
        manager["normalize_path"] = json!(true);
        manager["access_log"] = json!([{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": folder.join("access.log"),
                "log_format": {"text_format_source": {"inline_string": ISTIO_LINE}},
            },
        }]);
    }
    if hop.policies {
        // What istiod sends of a DENY, an ALLOW and a policy that is only tried.
        let rules = |action: &str, path: &str| {
            json!({"action": action, "policies": {(format!("ns[a]-policy[{path}]-rule[0]")): {
                "permissions": [{"and_rules": {"rules": [{"url_path": {"path": {"prefix": path}}}]}}],
                "principals": [{"and_ids": {"ids": [{"any": true}]}}],
            }}})
        };
        for (name, fields) in [
            ("deny", json!({"rules": rules("DENY", "/forbidden"), "shadow_rules_stat_prefix": "istio_dry_run_deny_"})),
            ("allow", json!({"rules": rules("ALLOW", "/"), "shadow_rules_stat_prefix": "istio_dry_run_allow_"})),
            (
                "tried",
                json!({
                    "rules": rules("ALLOW", "/"), "shadow_rules": rules("ALLOW", "/"),
                    "shadow_rules_stat_prefix": "istio_dry_run_allow_",
                }),
            ),
        ] {
            let mut filter = extension(name, "rbac.v3.RBAC");
            for (key, value) in fields.as_object().into_iter().flatten() {
                filter["typed_config"][key] = value.clone();
            }
            filters.push(filter);
        }
    }
    filters.push(extension("envoy.filters.http.router", "router.v3.Router"));
    manager["http_filters"] = json!(filters);
    manager
}

fn envoy_cluster(name: &str, hop: &Hop, certs: &Certs) -> Value {
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "10s", "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{
            "max_connections": 4294967295u32, "max_pending_requests": 4294967295u32,
            "max_requests": 4294967295u32, "max_retries": 4294967295u32,
        }]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(hop.upstream)}}]}]},
    });
    if hop.upstream_tls {
        let alpn: &[&str] = if hop.protocol == Protocol::Http2 { &["h2"] } else { &["http/1.1"] };
        cluster["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": "bench",
                "common_tls_context": tls_common(certs, alpn),
            },
        });
        if hop.protocol == Protocol::Http2 {
            cluster["typed_extension_protocol_options"] = json!({
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                },
            });
        }
    }
    cluster
}

/// A bootstrap with `count` clusters of the mesh's shape and nothing to do.
pub fn many_clusters(count: usize, hop: &Hop, certs: &Certs, folder: &Path) -> io::Result<PathBuf> {
    let mut bootstrap = envoy(hop, certs, folder);
    let mut tls_hop = hop.clone();
    tls_hop.upstream_tls = true;
    let clusters = (0..count).map(|index| {
        let name = format!("outbound|9080||service-{index}.bookinfo.svc.cluster.local");
        let mut cluster = envoy_cluster(&name, &tls_hop, certs);
        let tls = cluster["transport_socket"].take();
        if let Some(fields) = cluster.as_object_mut() {
            fields.remove("transport_socket");
        }
        cluster["alt_stat_name"] = json!(format!("{name};"));
        cluster["transport_socket_matches"] = json!([
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": tls},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": {
                "name": "envoy.transport_sockets.raw_buffer",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
            }},
        ]);
        cluster["metadata"] = json!({"filter_metadata": {"istio": {"services": [
            {"host": format!("service-{index}.bookinfo.svc.cluster.local"), "name": format!("service-{index}"), "namespace": "bookinfo"},
        ]}}});
        cluster
    });
    let mut all: Vec<Value> = bootstrap["static_resources"]["clusters"].as_array().cloned().unwrap_or_default();
    all.extend(clusters);
    bootstrap["static_resources"]["clusters"] = json!(all);
    let path = folder.join(format!("clusters-{count}.json"));
    fs::write(&path, bootstrap.to_string())?;
    Ok(path)
}

fn haproxy(hop: &Hop, certs: &Certs) -> String {
    // No log, also where the others write one: HAProxy has no buffered log file, and a line a system call would be no fair comparison.
    let mut text = String::from("global\n  nbthread 1\n  maxconn 4000\n");
    let _ = write!(
        text,
        "defaults\n  mode {}\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n  {}\n",
        if hop.protocol == Protocol::Tcp { "tcp" } else { "http" },
        if hop.protocol == Protocol::Tcp {
            "option splice-auto"
        } else {
            "option http-keep-alive\n  http-reuse always"
        },
    );
    let (ca, pem) = (certs.ca.display(), certs.combined.display());
    let listen = if hop.listen_tls {
        format!(" ssl crt {pem} ca-file {ca} verify required alpn h2,http/1.1")
    } else {
        String::new()
    };
    let upstream = match (hop.upstream_tls, hop.protocol) {
        (true, Protocol::Http2) => format!(" ssl crt {pem} ca-file {ca} verify required sni str(bench) alpn h2"),
        (true, _) => format!(" ssl crt {pem} ca-file {ca} verify required sni str(bench)"),
        (false, _) => String::new(),
    };
    let _ = write!(
        text,
        "frontend f\n  bind {}{listen}\n  default_backend b\nbackend b\n  server s {}{upstream}\n",
        hop.listen, hop.upstream
    );
    text
}

fn nginx(hop: &Hop, certs: &Certs, folder: &Path) -> String {
    let (ca, chain, key) = (certs.ca.display(), certs.chain.display(), certs.key.display());
    let folder = folder.display();
    let listen = if hop.listen_tls {
        format!(
            "listen {} ssl;\n    ssl_certificate {chain};\n    ssl_certificate_key {key};\n    \
             ssl_client_certificate {ca};\n    ssl_verify_client on;",
            hop.listen
        )
    } else {
        format!("listen {};", hop.listen)
    };
    let scheme = if hop.upstream_tls { "https" } else { "http" };
    let tls = if hop.upstream_tls {
        format!(
            "proxy_ssl_certificate {chain}; proxy_ssl_certificate_key {key}; proxy_ssl_trusted_certificate {ca}; \
             proxy_ssl_verify on; proxy_ssl_name bench; proxy_ssl_server_name on;"
        )
    } else {
        String::new()
    };
    let log = if hop.mesh_filters {
        format!("access_log {folder}/access.log combined buffer=64k flush=1s;")
    } else {
        "access_log off;".into()
    };
    format!(
        "worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  {log}\n  keepalive_requests 1000000000;\n  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; \
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n  \
         upstream b {{ server {}; keepalive 512; keepalive_requests 1000000000; }}\n  server {{\n    {listen}\n    location / {{\n      \
         proxy_pass {scheme}://b;\n      proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      {tls}\n    }}\n  }}\n}}\n",
        hop.upstream
    )
}

/// Istio's default access log line.
pub const ISTIO_LINE: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" \
%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";
