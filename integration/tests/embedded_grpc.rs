//! gRPC through a sidecar, called by everybody who calls it: a gRPC client, a browser's gRPC-Web, curl over HTTP/1.1, and the sidecar itself,
//! which asks an authorizer. The service is tonic's. And curl reads what the sidecar has compressed.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use outrigger_integration::apps::service::{Asked, Mode, Service};
use outrigger_integration::control_plane::model::{Protocol, Service as Named};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::client::{Reply, Request};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, RATINGS};
use outrigger_integration::skip::or_skip;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::transport::Endpoint;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const CLUSTER: &str = "outbound|8080||other.bookinfo.svc.cluster.local";
const DETAILS_CLUSTER: &str = "outbound|9080||details.bookinfo.svc.cluster.local";

/// A mesh with `other:8080`, which is the service, and with `details:9080`, which is the service behind a sidecar. In the sidecar of ratings, that calls it, these filters come first.
async fn mesh(service: &Service, filters: Vec<Value>) -> EmbeddedMesh {
    let address = service.address();
    let mesh = EmbeddedMesh::start_changed(move |mesh| {
        let mut other = Named::new("other").port(8080, Protocol::Http2);
        other.plain_endpoints = vec![(8080, address)];
        mesh.service_mut("details").ports.iter_mut().for_each(|port| port.protocol = Protocol::Http2);
        for ingress in &mut mesh.find_mut(DETAILS).ingress {
            (ingress.protocol, ingress.target) = (Protocol::Http2, address);
        }
        mesh.services.push(other);
    })
    .await;
    let serves = format!("{CLUSTER}::{address}::");
    let there = async || mesh.ratings.admin("/clusters").await.text().contains(&serves).then_some(());
    mesh.ratings.wait_until("with the service's endpoint", there).await;
    if !filters.is_empty() {
        let listener = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
        let count = filters.len();
        mesh.control_plane.edit(RATINGS, move |set| {
            let manager = &mut set.edit(types::LISTENER, &listener)["filter_chains"][0]["filters"][0]["typed_config"];
            let chain = manager["http_filters"].as_array_mut().expect("a manager has filters");
            chain.splice(0..0, filters.clone());
        });
        let told = async || {
            let dump = mesh.ratings.admin("/config_dump").await.text();
            (dump.matches("\"test.").count() >= count).then_some(())
        };
        mesh.ratings.wait_until("with the filters", told).await;
    }
    mesh
}

/// Requests of the service that went well, and those that did not. (The mesh's bootstrap leaves its statistics out.)
async fn counted(mesh: &EmbeddedMesh) -> (u64, u64) {
    let text = mesh.ratings.admin("/clusters").await.text();
    let value = |name: &str| {
        let of = |line: &str| line.strip_prefix(CLUSTER)?.split_once(&format!("::{name}::"))?.1.parse().ok();
        text.lines().find_map(of).expect("the page has it")
    };
    (value("rq_success"), value("rq_error"))
}

fn filter(name: &str, fields: Value) -> Value {
    let mut config = fields;
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{name}"));
    json!({ "name": format!("test.{name}"), "typed_config": config })
}

fn question() -> CheckRequest {
    let extensions = [("who".to_owned(), "a client".to_owned())].into_iter().collect();
    let attributes = AttributeContext { context_extensions: extensions, ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// The messages of a gRPC-Web body, and its trailers.
fn unframed(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let mut messages = Vec::new();
    while body.remaining() >= 5 {
        let flags = body.get_u8();
        let length = body.get_u32() as usize;
        let message = body.copy_to_bytes(length);
        if flags == 0x80 {
            return (messages, String::from_utf8_lossy(&message).into_owned());
        }
        messages.push(message.to_vec());
    }
    (messages, String::new())
}

#[tokio::test]
async fn a_grpc_client_is_served_and_counted() {
    let service = Service::start(Mode::Ok).await;
    let mesh = mesh(&service, Vec::new()).await;
    // The channel writes the authority of its endpoint into every request.
    let endpoint = Endpoint::from_shared(format!("http://{}", mesh.egress)).unwrap();
    let endpoint = endpoint.origin("http://other".parse().unwrap());
    let mut client = AuthorizationClient::new(endpoint.connect().await.unwrap());
    let answer = client.check(question()).await.unwrap().into_inner();
    assert_eq!(answer.status.map(|status| status.code), Some(0));
    service.set_mode(Mode::Garbage);
    client.check(question()).await.unwrap_err();
    assert_eq!(counted(&mesh).await, (1, 1), "an answer without a status is an error of its host");
}

/// What a browser does: a POST whose answer has its trailers in the body.
async fn from_a_browser(mesh: &EmbeddedMesh, text: bool) -> Reply {
    let kind = if text { "application/grpc-web-text" } else { "application/grpc-web+proto" };
    let message = framed(&question().encode_to_vec());
    let body = if text { STANDARD.encode(message).into_bytes() } else { message };
    let request = Request::new("POST", CHECK).host("other").header("content-type", kind).header("accept", kind);
    request.header("x-grpc-web", "1").body(body).send(mesh.egress).await
}

#[tokio::test]
async fn a_browser_is_served_in_binary_and_in_text() {
    let service = Service::start(Mode::Ok).await;
    let mesh = mesh(&service, vec![filter("grpc_web.v3.GrpcWeb", json!({}))]).await;
    for text in [false, true] {
        let reply = from_a_browser(&mesh, text).await;
        assert_eq!(reply.status, 200);
        let body: Bytes = if text { decoded(&reply.text()).into() } else { reply.body.clone() };
        let (messages, trailers) = unframed(&body);
        let answer = CheckResponse::decode(&messages[0][..]).unwrap();
        assert_eq!((messages.len(), answer.status.map(|status| status.code)), (1, Some(0)));
        assert!(trailers.contains("grpc-status:0\r\n"), "{trailers}");
    }
    let asked = service.asked();
    let header = |name: &str| asked[1].headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(
        (header("content-type").as_deref(), header("te").as_deref()),
        (Some("application/grpc"), Some("trailers"))
    );
    assert_eq!(counted(&mesh).await, (2, 0));
}

/// Base64 in parts, each padded.
fn decoded(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(4).flat_map(|quad| STANDARD.decode(quad).expect("it is base64")).collect()
}

#[tokio::test]
async fn a_browser_is_told_in_its_own_kind_why_nobody_answers() {
    let service = Service::start(Mode::Close).await;
    let mesh = mesh(&service, vec![filter("grpc_web.v3.GrpcWeb", json!({}))]).await;
    let reply = from_a_browser(&mesh, false).await;
    assert_eq!((reply.status, reply.header("grpc-status")), (503, Some("14")));
    assert_eq!(reply.header("content-type"), Some("application/grpc-web+proto"));
    assert!(reply.header("grpc-message").is_some_and(|text| text.starts_with("upstream connect error")), "{reply:?}");
}

#[tokio::test]
async fn curl_calls_grpc_through_the_bridge() {
    let curl = std::process::Command::new("curl").arg("--version").output().map_err(|error| format!("curl: {error}"));
    if or_skip("curl_calls_grpc_through_the_bridge", curl).is_none() {
        return;
    }
    let service = Service::start(Mode::Ok).await;
    let bridge = filter(
        "grpc_http1_bridge.v3.Config",
        json!({ "upgrade_protobuf_to_grpc": true, "ignore_query_parameters": true }),
    );
    let mesh = mesh(&service, vec![bridge]).await;
    let folder = tempfile::tempdir().unwrap();
    let bare = question().encode_to_vec();
    for (kind, body) in [("application/x-protobuf", bare.clone()), ("application/grpc", framed(&bare))] {
        let file = folder.path().join("question");
        std::fs::write(&file, body).unwrap();
        let url = format!("http://{}{CHECK}?trace=1", mesh.egress);
        let (head, body) = curl_says(&url, kind, &file).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\ngrpc-status: 0\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        let message = if kind == "application/grpc" { unframed(&body).0.remove(0) } else { body };
        assert_eq!(CheckResponse::decode(&message[..]).unwrap().status.map(|status| status.code), Some(0));
    }
    let targets: Vec<_> = service.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, [CHECK, CHECK]);
}

/// Head and body of what curl gets.
async fn curl_says(url: &str, kind: &str, file: &Path) -> (String, Vec<u8>) {
    let mut command = tokio::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--http1.1", "--include", "--max-time", "20", "--header", "host: other"]);
    command.arg("--header").arg(format!("content-type: {kind}"));
    command.arg("--data-binary").arg(format!("@{}", file.display())).arg(url).stdin(Stdio::null());
    let output = command.output().await.expect("curl starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end") + 4;
    let (head, body) = output.stdout.split_at(end);
    (String::from_utf8_lossy(head).into_owned(), body.to_vec())
}

#[tokio::test]
async fn an_authorizer_behind_a_sidecar_is_asked_over_mutual_tls() {
    let service = Service::start(Mode::Ok).await;
    let config = json!({
        "grpc_service": {
            "envoy_grpc": { "cluster_name": DETAILS_CLUSTER, "authority": "details.bookinfo:9080" },
            "timeout": "20s"
        },
        "transport_api_version": "V3",
        "status_on_error": { "code": "ServiceUnavailable" }
    });
    let mesh = mesh(&service, vec![filter("ext_authz.v3.ExtAuthz", config)]).await;
    let ask = async || Request::get("/x").host("other").send(mesh.egress).await;
    let reply = ask().await;
    assert_eq!(reply.status, 200, "{reply:?}, asked {:?}", service.asked());
    let [check, passed] = &service.asked()[..] else { panic!("{:?}", service.asked()) };
    let header = |asked: &Asked, name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let certificate = header(check, "x-forwarded-client-cert").expect("the sidecar of details says who asks");
    assert!(certificate.ends_with(";URI=spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings"), "{certificate}");
    assert_eq!((check.target.as_str(), passed.target.as_str()), (CHECK, "/x"));
    assert!(header(passed, "x-authorized-by").is_some(), "{passed:?}");
    let question = service.checks().remove(0).attributes.unwrap().request.unwrap().http.unwrap();
    assert_eq!((question.method.as_str(), question.path.as_str(), question.host.as_str()), ("GET", "/x", "other"));

    service.set_mode(Mode::Deny);
    let reply = ask().await;
    assert_eq!((reply.status, reply.text().starts_with("denied by ")), (403, true), "{reply:?}");
    for broken in [Mode::Garbage, Mode::Half, Mode::Close] {
        service.set_mode(broken);
        assert_eq!(ask().await.status, 503, "{broken:?}");
    }
    service.set_mode(Mode::Ok);
    assert_eq!(ask().await.status, 200, "nothing stays broken");
}

#[tokio::test]
async fn curl_reads_what_is_compressed() {
    let version = std::process::Command::new("curl").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let Some(version) = or_skip("curl_reads_what_is_compressed", version.map_err(|error| format!("curl: {error}")))
    else {
        return;
    };
    let service = Service::start(Mode::Ok).await;
    let library = |name: &str, message: &str| {
        let library = json!({ "name": name, "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.compression.{message}") } });
        let response = json!({ "common_config": { "min_content_length": 1 } });
        filter(
            "compressor.v3.Compressor",
            json!({ "compressor_library": library, "response_direction_config": response }),
        )
    };
    let filters = vec![
        library("gzip", "gzip.compressor.v3.Gzip"),
        library("br", "brotli.compressor.v3.Brotli"),
        library("zstd", "zstd.compressor.v3.Zstd"),
    ];
    let mesh = mesh(&service, filters).await;
    let url = format!("http://{}/x", mesh.egress);
    for (encoding, feature) in [("gzip", "libz"), ("br", "brotli"), ("zstd", "zstd")] {
        let name = format!("curl_reads_what_is_compressed ({encoding})");
        let has = version.split_whitespace().any(|word| word.eq_ignore_ascii_case(feature));
        if or_skip(&name, has.then_some(()).ok_or_else(|| format!("this curl has no {feature}"))).is_none() {
            continue;
        }
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--max-time", "20", "--compressed"]);
        command.args(["--header", "host: other", "--header"]).arg(format!("accept-encoding: {encoding}"));
        let output = command.arg(&url).stdin(Stdio::null()).output().await.expect("curl starts");
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        assert!(text.contains(&format!("\r\ncontent-encoding: {encoding}\r\n")), "{text}");
        assert!(text.ends_with("\r\n\r\ngranted"), "{text}");
    }
}
