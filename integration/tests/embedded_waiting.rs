//! A thousand requests that wait in a filter at once, for an authorizer that says nothing: others of the same worker are answered meanwhile,
//! all end when it speaks or when their clients go, and what they cost is there for the next thousand.
//!
//! The figures are printed with `--nocapture`.

use std::fs;

use outrigger_integration::apps::service::{Mode, Service};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WAITING: usize = 1000;
/// What a request that waits may cost, in kB: its head, its task's state, the question and its stream to the authorizer. A buffer that it
/// was read into would be one page more at the least.
const MOST: u64 = 8;
/// What may be left when all are gone, in kB: pools, tables and buffers that have grown once.
const SLACK: u64 = 1024;
const AUTHZ: &str = "envoy.filters.http.ext_authz";
/// The authorizer's cluster: of these the usual bootstrap shows statistics.
const CLUSTER: &str = "xds-grpc-authz";

/// A mesh whose ratings asks an authorizer about each request but those to `/open`.
async fn start() -> (EmbeddedMesh, Service) {
    let service = Service::start(Mode::Ok).await;
    let (mesh, authorizer) = (EmbeddedMesh::start().await, service.address());
    let (listener, table) = (format!("{}_{}", mesh.egress.ip(), mesh.egress.port()), mesh.egress.port().to_string());
    mesh.control_plane.edit(RATINGS, move |set| {
        let address =
            json!({ "socket_address": { "address": authorizer.ip().to_string(), "port_value": authorizer.port() } });
        set.put(types::CLUSTER, CLUSTER, json!({
            "name": CLUSTER,
            "type": "STATIC",
            "connect_timeout": "10s",
            "load_assignment": { "cluster_name": CLUSTER, "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] },
            "circuit_breakers": { "thresholds": [{ "max_requests": 5000, "max_pending_requests": 5000 }] },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": { "http2_protocol_options": {} }
                }
            }
        }));
        let chains = set.edit(types::LISTENER, &listener)["filter_chains"].as_array_mut();
        for filter in chains.into_iter().flatten().flat_map(|chain| chain["filters"].as_array_mut()).flatten() {
            if let Some(filters) = filter["typed_config"]["http_filters"].as_array_mut() {
                filters.insert(0, json!({ "name": AUTHZ, "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                    "transport_api_version": "V3",
                    "grpc_service": { "envoy_grpc": { "cluster_name": CLUSTER }, "timeout": "600s" }
                } }));
            }
        }
        for host in set.edit(types::ROUTE, &table)["virtual_hosts"].as_array_mut().into_iter().flatten() {
            let routes = host["routes"].as_array_mut().expect("routes");
            let mut open = routes[0].clone();
            open["match"] = json!({ "prefix": "/open" });
            open["typed_per_filter_config"] = json!({ AUTHZ: {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "disabled": true
            } });
            routes.insert(0, open);
        }
    });
    let asked = async || (mesh.get("/asked").await.status == 200 && !service.checks().is_empty()).then_some(());
    mesh.ratings.wait_until("asking the authorizer", asked).await;
    (mesh, service)
}

/// Memory that somebody holds, in kB: the allocator keeps what was freed until it is told otherwise, as it is after a dump.
async fn held(mesh: &EmbeddedMesh) -> u64 {
    assert_eq!(mesh.ratings.admin("/config_dump").await.status, 200);
    memory(mesh)
}

/// Memory that is the process's own, in kB.
fn memory(mesh: &EmbeddedMesh) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", mesh.ratings.id().expect("it runs"));
    let text = fs::read_to_string(path).expect("a process may look at its child");
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("the kernel tells");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Connections that are open and have been served once.
async fn connections(mesh: &EmbeddedMesh) -> Vec<TcpStream> {
    let mut all = Vec::with_capacity(WAITING);
    for _ in 0..WAITING {
        let mut stream = TcpStream::connect(mesh.egress).await.expect("it listens");
        say(&mut stream, "/open").await;
        assert_eq!(status(&mut stream).await, 200);
        all.push(stream);
    }
    all
}

async fn say(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: details.bookinfo:9080\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is open");
}

/// A request, and some of its body with it.
async fn say_some(stream: &mut TcpStream, path: &str) {
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: details.bookinfo:9080\r\ncontent-length: 20\r\n\r\nhalf of it");
    stream.write_all(request.as_bytes()).await.expect("it is open");
}

/// Of the next answer, whose body is read, too.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    let head = String::from_utf8(head).expect("a head is text").to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|text| text.parse().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.expect("a body");
    head.get(9..12).and_then(|code| code.parse().ok()).expect("a status")
}

/// The requests that wait for the authorizer.
async fn waiting(mesh: &EmbeddedMesh) -> Option<u64> {
    mesh.ratings.stat(&format!("cluster.{CLUSTER}.upstream_rq_active")).await
}

async fn all_wait(mesh: &EmbeddedMesh, all: &mut [TcpStream], say: impl AsyncFn(&mut TcpStream, &str)) {
    for stream in all {
        say(stream, "/held").await;
    }
    let wait = async || (waiting(mesh).await == Some(WAITING as u64)).then_some(());
    mesh.ratings.wait_until("waiting with all requests", wait).await;
}

/// Others are answered while they wait.
async fn others_are_answered(mesh: &EmbeddedMesh) {
    for _ in 0..20 {
        let reply = Request::get("/open").host("details.bookinfo:9080").send(mesh.egress).await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(waiting(mesh).await, Some(WAITING as u64), "they still wait");
}

async fn none_waits(mesh: &EmbeddedMesh) {
    let none = async || {
        let pending = mesh.ratings.stat(&format!("cluster.{CLUSTER}.upstream_rq_pending_active")).await;
        (waiting(mesh).await == Some(0) && pending == Some(0)).then_some(())
    };
    mesh.ratings.wait_until("waiting with no request", none).await;
}

#[tokio::test]
async fn a_thousand_requests_wait_and_the_others_do_not() {
    // Each of them is a descriptor of this process.
    proxy::cli::process::raise_file_limit();
    let (mesh, service) = start().await;
    let mut all = connections(&mesh).await;
    let idle = held(&mesh).await;
    service.set_mode(Mode::Held);
    all_wait(&mesh, &mut all, say).await;
    others_are_answered(&mesh).await;
    costs_little("without a body", idle, held(&mesh).await);

    // Refused, so that no connections to the application are part of the account.
    service.set_mode(Mode::Deny);
    for stream in &mut all {
        assert_eq!(status(stream).await, 403);
    }
    none_waits(&mesh).await;

    // Once more, with some of a body that nobody reads, and this time the clients go.
    service.set_mode(Mode::Held);
    all_wait(&mesh, &mut all, say_some).await;
    costs_little("with some of its body", idle, held(&mesh).await);
    drop(all);
    none_waits(&mesh).await;
    assert_eq!(mesh.get("/open").await.status, 200);
    let gone = async || {
        let active = mesh.ratings.stat("server.total_connections").await?;
        (active < 100).then_some(())
    };
    mesh.ratings.wait_until("serving few connections", gone).await;

    let back = held(&mesh).await;
    println!("all are gone: {back} kB");
    assert!(back < idle + SLACK, "{idle} kB with idle connections, {back} kB after them all");
}

#[allow(clippy::print_stdout)] // The figures are for who runs it.
fn costs_little(what: &str, idle: u64, held: u64) {
    let each = held.saturating_sub(idle) * 10 / WAITING as u64;
    println!(
        "{WAITING} open connections: {idle} kB; a request {what} waits in each: {held} kB, {}.{} kB each",
        each / 10,
        each % 10
    );
    assert!(held < idle + MOST * WAITING as u64, "a request {what} that waits costs {each} tenths of a kB");
}
