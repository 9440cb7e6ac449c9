//! Bad bootstraps and bad clients: the message names the file and the field, and nothing else stops working.

use std::net::SocketAddr;
use std::path::Path;

use outrigger_integration::control_plane::bootstrap::{self, AdsProtocol};
use outrigger_integration::control_plane::model::Workload;
use outrigger_integration::embedded::EmbeddedMesh;
use outrigger_integration::embedded::ports::Ports;
use outrigger_integration::embedded::sidecar::{AGENT_FLAGS, Launch, Sidecar};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn usual(ports: &Ports) -> Value {
    let workload = Workload::new("ratings", [127, 0, 0, 1].into());
    bootstrap::document(&workload, &ports.bootstrap, AdsProtocol::Delta)
}

/// Starts the proxy with a file, which must end it, and gives what it said.
async fn refused(root: TempDir, ports: Ports, file: &Path) -> String {
    refused_launch(root, ports, file, Launch::default()).await
}

async fn refused_launch(root: TempDir, ports: Ports, file: &Path, launch: Launch<'_>) -> String {
    let sidecar = Sidecar::spawn("refused", root, ports, file, launch);
    let status = sidecar.exit().await;
    assert!(!status.success(), "{status}: {}", sidecar.log());
    sidecar.wait_line(|line| line.error).await;
    sidecar.log()
}

async fn refused_document(change: impl FnOnce(&mut Value)) -> String {
    let (root, ports) = (folder(), Ports::free());
    let mut document = usual(&ports);
    change(&mut document);
    let file = bootstrap::write(root.path(), &document);
    refused(root, ports, &file).await
}

#[tokio::test]
async fn a_bootstrap_that_is_not_there_is_named() {
    let said = refused(folder(), Ports::free(), Path::new("etc/istio/proxy/missing.json")).await;
    assert!(said.contains("etc/istio/proxy/missing.json"), "{said}");
}

#[tokio::test]
async fn a_bootstrap_that_is_no_json_is_named_with_the_place() {
    let root = folder();
    std::fs::write(root.path().join("broken.json"), "{\n  \"node\": {\n    \"id\": ,\n  }\n}").unwrap();
    let said = refused(root, Ports::free(), Path::new("broken.json")).await;
    assert!(said.contains("broken.json") && said.contains('3'), "the file and line 3: {said}");
}

#[tokio::test]
async fn a_wrong_value_is_named_with_its_field() {
    let said = refused_document(|document| {
        document["static_resources"]["clusters"][0]["connect_timeout"] = json!("soon");
    })
    .await;
    assert!(said.contains("connect_timeout"), "{said}");
}

#[tokio::test]
async fn an_unknown_extension_in_a_static_listener_is_named() {
    let said = refused_document(|document| {
        document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["@type"] =
            json!("type.googleapis.com/example.Unknown");
    })
    .await;
    assert!(said.contains("example.Unknown"), "{said}");
}

#[tokio::test]
async fn an_unknown_field_is_skipped_as_the_agent_asks() {
    let (root, ports) = (folder(), Ports::free());
    let mut document = usual(&ports);
    document["a_field_of_tomorrow"] = json!({ "deep": 1 });
    let file = bootstrap::write(root.path(), &document);
    let sidecar = Sidecar::spawn("ratings", root, ports, &file, Launch::default());
    let live = async || {
        let state = outrigger_integration::embedded::client::Request::get("/server_info").host("x");
        state.try_send(ports.bootstrap.admin).await.ok()
    };
    assert_eq!(sidecar.wait_until("answering", live).await.status, 200);
}

#[tokio::test]
async fn an_unknown_field_is_refused_where_nobody_allows_it() {
    let (root, ports) = (folder(), Ports::free());
    let mut document = usual(&ports);
    document["static_resources"]["clusters"][1]["a_field_of_tomorrow"] = json!({ "deep": 1 });
    let file = bootstrap::write(root.path(), &document);
    let strict: Vec<&str> =
        AGENT_FLAGS.iter().copied().filter(|flag| *flag != "--allow-unknown-static-fields").collect();
    assert!(strict.len() < AGENT_FLAGS.len());
    let said = refused_launch(root, ports, &file, Launch { flags: &strict, ..Launch::default() }).await;
    assert!(said.contains("static_resources.clusters[\"agent\"].a_field_of_tomorrow"), "{said}");
    assert!(said.contains("--allow-unknown-static-fields"), "it says what to do: {said}");
}

#[tokio::test]
async fn a_static_listener_whose_port_is_in_use_is_named_and_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = refused_document(|document| {
        let listener = &mut document["static_resources"]["listeners"][1];
        listener["name"] = json!("the-one-that-cannot");
        listener["address"] = json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } });
    })
    .await;
    assert!(said.contains("static_resources.listeners[\"the-one-that-cannot\"]"), "{said}");
    assert!(said.contains(&format!("cannot bind {address}")), "{said}");
    assert!(said.contains("in use") && said.contains("give the listener another port"), "it says what to do: {said}");
}

#[tokio::test]
async fn a_static_certificate_that_does_not_parse_is_named_with_its_listener() {
    let said = refused_document(|document| {
        let pem = json!({ "inline_string": "this is no PEM" });
        document["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": { "tls_certificates": [{ "certificate_chain": pem, "private_key": pem }] }
            }
        });
    })
    .await;
    assert!(said.contains("static_resources.listeners[\"0.0.0.0_15090\"].filter_chains[0]"), "{said}");
    assert!(said.contains("certificate"), "{said}");
}

#[tokio::test]
async fn a_static_secret_that_does_not_parse_is_named() {
    let said = refused_document(|document| {
        let pem = json!({ "inline_string": "this is no PEM" });
        let secret =
            json!({ "name": "own-certificate", "tls_certificate": { "certificate_chain": pem, "private_key": pem } });
        document["static_resources"]["secrets"] = json!([secret]);
    })
    .await;
    assert!(said.contains("static_resources.secrets[\"own-certificate\"]"), "{said}");
}

#[tokio::test]
async fn an_admin_port_in_use_is_named() {
    let (root, mut ports) = (folder(), Ports::free());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ports.bootstrap.admin = taken.local_addr().unwrap();
    let file = bootstrap::write(root.path(), &usual(&ports));
    let said = refused(root, ports, &file).await;
    assert!(said.contains(&ports.bootstrap.admin.to_string()), "{said}");
}

#[tokio::test]
async fn a_client_that_sends_garbage_is_answered_or_dropped_on_every_listener() {
    let mesh = EmbeddedMesh::start().await;
    let ports = mesh.ratings.ports().bootstrap;
    let garbage: [&[u8]; 6] = [
        b"\x00\x01\x02\x03\xff\xfe\xfd\r\n\r\n",
        b"\x16\x03\x01\xff\xff\x01\x00\x00\x00",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x16\x03\x01\x00\x05hello",
    ];
    let local = |address: SocketAddr| SocketAddr::from(([127, 0, 0, 1], address.port()));
    let listeners = [mesh.egress, mesh.ingress, ports.admin, local(ports.prometheus), local(ports.status)];
    for listener in listeners {
        for bytes in garbage {
            let mut stream = TcpStream::connect(listener).await.unwrap();
            // The proxy may have closed before it took everything.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let reading = stream.read_to_end(&mut answer);
            let ended = tokio::time::timeout(outrigger_integration::control_plane::seen::DEADLINE, reading).await;
            assert!(ended.is_ok(), "{listener} neither answers nor closes after {bytes:?}");
        }
    }
    assert_eq!(mesh.get("/").await.status, 200);
    assert_eq!(mesh.ratings.admin("/server_info").await.status, 200);
}
