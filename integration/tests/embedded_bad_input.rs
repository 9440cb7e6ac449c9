//! Bad bootstraps and bad clients: the message names the file and the field and says what to do, and nothing else stops working.

use std::net::SocketAddr;
use std::path::Path;

use outrigger_integration::control_plane::bootstrap::{self, AdsProtocol};
use outrigger_integration::control_plane::model::{Mesh, Mtls, Workload};
use outrigger_integration::embedded::app::Echo;
use outrigger_integration::embedded::ports::Ports;
use outrigger_integration::embedded::sidecar::{AGENT_FLAGS, Launch, Sidecar};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What was said names the thing that is wrong, and goes on to say what to do.
#[track_caller]
fn assert_says(said: &str, name: &str, advice: &str) {
    let after = said.lines().find_map(|line| Some(line.split_once(name)?.1));
    assert!(after.is_some(), "{name} is not named: {said}");
    assert!(after.is_some_and(|after| after.contains(advice)), "what to do ({advice}) is not said: {said}");
}

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
    assert_says(&said, "etc/istio/proxy/missing.json", "; give its path with -c");
}

async fn refused_text(name: &str, text: &[u8]) -> String {
    let root = folder();
    std::fs::write(root.path().join(name), text).expect("the folder is ours");
    refused(root, Ports::free(), Path::new(name)).await
}

#[tokio::test]
async fn a_bootstrap_that_is_no_yaml_is_named_with_the_place() {
    let said = refused_text("broken.yaml", b"node:\n  id: a\n bad: [\n").await;
    assert_says(&said, "broken.yaml: not valid YAML", " line 3 column");
    assert_says(&said, "broken.yaml", "; correct it there");
}

#[tokio::test]
async fn a_bootstrap_with_nothing_in_it_is_named() {
    for (name, text) in [("empty.json", &b""[..]), ("empty.yaml", b""), ("words.yaml", b"# to be written\n")] {
        let said = refused_text(name, text).await;
        assert_says(&said, name, "it is empty; a bootstrap needs at least static_resources or dynamic_resources");
    }
}

#[tokio::test]
async fn a_bootstrap_that_is_no_text_is_named() {
    let said = refused_text("binary.json", b"\x1f\x8b\x08\x00\xff\xfe").await;
    assert_says(&said, "binary.json", "; it must be JSON or YAML in UTF-8");
    assert!(!said.contains("-c"), "the path is right: {said}");
}

#[tokio::test]
async fn a_comma_that_follows_no_value_is_refused() {
    for text in ["{,}", r#"{"static_resources":{"listeners":[,]}}"#] {
        assert_says(
            &refused_text("commas.json", text.as_bytes()).await,
            "commas.json: not valid JSON",
            "; correct it there",
        );
    }
}

#[tokio::test]
async fn a_bootstrap_that_is_no_json_is_named_with_the_place() {
    let said = refused_text("broken.json", b"{\n  \"node\": {\n    \"id\": ,\n  }\n}").await;
    assert_says(&said, "broken.json: not valid JSON", "at line 3 column");
    assert_says(&said, "broken.json", "; correct it there");
}

#[tokio::test]
async fn a_wrong_value_is_named_with_its_field() {
    let said = refused_document(|document| {
        document["static_resources"]["clusters"][0]["connect_timeout"] = json!("soon");
    })
    .await;
    assert_says(&said, ": static_resources.clusters[\"prometheus_stats\"].connect_timeout", "; write seconds, as in");
}

#[tokio::test]
async fn an_unknown_extension_in_a_static_listener_is_named() {
    let said = refused_document(|document| {
        document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["@type"] =
            json!("type.googleapis.com/example.Unknown");
    })
    .await;
    assert_says(&said, "example.Unknown", "take it out, or keep Envoy for this workload");
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
    let place = "static_resources.listeners[\"0.0.0.0_15090\"].filter_chains[0]";
    assert_says(&said, place, "; it must hold a BEGIN CERTIFICATE block");
}

#[tokio::test]
async fn a_static_certificate_whose_file_is_missing_is_named() {
    let said = refused_document(|document| {
        let file = json!({ "filename": "nowhere/cert-chain.pem" });
        let secret =
            json!({ "name": "own-certificate", "tls_certificate": { "certificate_chain": file, "private_key": file } });
        document["static_resources"]["secrets"] = json!([secret]);
    })
    .await;
    assert_says(&said, "static_resources.secrets[\"own-certificate\"]", "nowhere/cert-chain.pem");
    assert_says(&said, "nowhere/cert-chain.pem", "; put the file there, or correct its path");
}

#[tokio::test]
async fn an_admin_address_that_is_no_socket_is_named() {
    let internal = json!({ "envoy_internal_address": { "server_listener_name": "admin" } });
    let said = refused_document(|document| document["admin"]["address"] = internal).await;
    assert_says(&said, "envoy-rev.json:", ": admin.address: ");
    assert_says(&said, ": admin.address", "; give it a socket_address or a pipe");
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
    assert_says(&said, "static_resources.secrets[\"own-certificate\"]", "; it must hold a BEGIN CERTIFICATE block");
}

#[tokio::test]
async fn an_admin_port_in_use_is_named() {
    let (root, mut ports) = (folder(), Ports::free());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ports.bootstrap.admin = taken.local_addr().unwrap();
    let file = bootstrap::write(root.path(), &usual(&ports));
    let said = refused(root, ports, &file).await;
    assert_says(
        &said,
        &ports.bootstrap.admin.to_string(),
        "; another process holds it (`ss -ltnp` names it): stop that one",
    );
}

#[tokio::test]
async fn a_listener_where_the_admin_interface_is_is_named_with_it() {
    let said = refused_document(|document| {
        document["admin"]["address"] = document["static_resources"]["listeners"][0]["address"].clone();
    })
    .await;
    assert_says(&said, "static_resources.listeners[\"0.0.0.0_15090\"].address", "the admin interface is at");
    assert!(!said.contains("another process"), "{said}");
}

/// What routes say of it is right, once it is.
#[tokio::test]
async fn a_cluster_that_is_refused_is_told_once() {
    let said = refused_document(|document| {
        document["static_resources"]["clusters"][0]["connect_timeout"] = json!("0s");
    })
    .await;
    assert_says(&said, "clusters[\"prometheus_stats\"].connect_timeout", "must be greater than 0s");
    assert!(!said.contains("unknown cluster"), "{said}");
    assert_eq!(said.matches("error initializing configuration").count(), 1, "{said}");
}

/// Sends garbage to each of the listeners; each answers or closes.
async fn send_garbage(listeners: &[SocketAddr]) {
    let garbage: [&[u8]; 6] = [
        b"\x00\x01\x02\x03\xff\xfe\xfd\r\n\r\n",
        b"\x16\x03\x01\xff\xff\x01\x00\x00\x00",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x16\x03\x01\x00\x05hello",
    ];
    for listener in listeners {
        for bytes in garbage {
            let mut stream = TcpStream::connect(listener).await.expect("it listens");
            // The proxy may have closed before it took everything.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let reading = stream.read_to_end(&mut answer);
            let ended = tokio::time::timeout(outrigger_integration::control_plane::seen::DEADLINE, reading).await;
            assert!(ended.is_ok(), "{listener} neither answers nor closes after {bytes:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_garbage_is_answered_or_dropped_on_every_listener() {
    let mesh = EmbeddedMesh::start().await;
    let ports = mesh.ratings.ports().bootstrap;
    let local = |address: SocketAddr| SocketAddr::from(([127, 0, 0, 1], address.port()));
    send_garbage(&[mesh.egress, mesh.ingress, ports.admin, local(ports.prometheus), local(ports.status)]).await;
    assert_eq!(mesh.get("/").await.status, 200);
    assert_eq!(mesh.ratings.admin("/server_info").await.status, 200);
}

/// PERMISSIVE has chains for plaintext, for the mesh's TLS and for TLS that is passed through; STRICT the mesh's alone.
#[tokio::test]
async fn a_client_that_sends_garbage_to_tcp_or_mtls_listeners_is_answered_or_dropped() {
    for mtls in [Mtls::Permissive, Mtls::Strict] {
        let echo = Echo::start().await;
        let change = move |mesh: &mut Mesh| mesh.find_mut(DETAILS).mtls = mtls;
        let (mesh, [egress, ingress]) = EmbeddedMesh::start_with_tcp(echo.address(), change).await;
        send_garbage(&[egress, ingress, mesh.ingress]).await;
        assert_eq!(mesh.get("/").await.status, 200, "{mtls:?}");
        let mut stream = TcpStream::connect(egress).await.unwrap();
        stream.write_all(b"select 1").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"select 1", "{mtls:?}");
    }
}
