//! Requests and bytes through two real proxies, under the embedded control plane.

use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::model::{Mtls, Protocol, Service};
use outrigger_integration::embedded::app::{App, Echo};
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, Options, bound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const RATINGS_IDENTITY: &str = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings";
const DETAILS_IDENTITY: &str = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details";

#[tokio::test]
async fn a_request_passes_both_sidecars_with_both_identities() {
    let mesh = EmbeddedMesh::start().await;
    let reply = mesh.get("/details/0").await;
    assert_eq!((reply.status, reply.header("server")), (200, Some("envoy")), "{reply:?}");
    assert!(reply.header("x-envoy-upstream-service-time").is_some());
    let arrived = mesh.app.last();
    let certificate = arrived.header("x-forwarded-client-cert").expect("mTLS brings one");
    assert!(certificate.starts_with(&format!("By={DETAILS_IDENTITY};Hash=")), "{certificate}");
    assert!(certificate.ends_with(&format!(";Subject=\"\";URI={RATINGS_IDENTITY}")), "{certificate}");
    assert_eq!(arrived.header("host"), Some("details.bookinfo:9080"));
    assert_eq!(arrived.header("x-forwarded-proto"), Some("http"));
    assert_eq!(arrived.header("x-envoy-attempt-count"), Some("1"));
}

#[tokio::test]
async fn both_access_logs_tell_of_a_request() {
    let mesh = EmbeddedMesh::start().await;
    mesh.get("/logged").await;
    let id = mesh.app.last().header("x-request-id").expect("the sidecar makes one").to_owned();
    let client = mesh.ratings.wait_access_log(&id).await;
    let server = mesh.details.wait_access_log(&id).await;
    assert!(client.contains("\"GET /logged HTTP/1.1\" 200 - via_upstream - \"-\" 0 "), "{client}");
    assert!(client.contains(" outbound|9080||details.bookinfo.svc.cluster.local "), "{client}");
    assert!(client.ends_with(" - default"), "{client}");
    let sni = "outbound_.9080_._.details.bookinfo.svc.cluster.local";
    assert!(server.ends_with(&format!(" {sni} default")), "{server}");
    assert!(server.contains(&format!(" inbound|{}|| ", mesh.ingress.port())), "{server}");
}

#[tokio::test]
async fn state_of_the_world_serves_as_delta_does() {
    let options = Options { protocol: AdsProtocol::StateOfTheWorld, ..Options::default() };
    let mesh = EmbeddedMesh::start_with(options).await;
    assert_eq!(mesh.get("/").await.status, 200);
    mesh.control_plane.change(|mesh| mesh.services.retain(|service| service.name != "details"));
    mesh.ratings.wait_until("without details", async || (mesh.get("/").await.status == 503).then_some(())).await;
}

#[tokio::test]
async fn exactly_the_listeners_of_the_configuration_are_bound() {
    let mesh = EmbeddedMesh::start().await;
    let found = |id: Option<u32>| bound::listening(id.expect("it runs")).expect("it runs");
    let ports = mesh.ratings.ports().bootstrap;
    assert_eq!(found(mesh.ratings.id()), [mesh.egress, ports.admin, ports.status, ports.prometheus].into());
    let ports = mesh.details.ports().bootstrap;
    assert_eq!(found(mesh.details.id()), [mesh.ingress, ports.admin, ports.status, ports.prometheus].into());
}

#[tokio::test]
async fn an_unknown_host_has_no_healthy_upstream() {
    let mesh = EmbeddedMesh::start().await;
    let reply = Request::get("/x").host("nowhere.example").send(mesh.egress).await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "no healthy upstream"));
    let line = mesh.ratings.wait_access_log("nowhere.example").await;
    assert!(
        line.contains(" 503 UH ") && line.contains(" PassthroughCluster ") && line.ends_with(" allow_any"),
        "{line}"
    );
}

#[tokio::test]
async fn a_proxy_request_reaches_a_service() {
    let mesh = EmbeddedMesh::start().await;
    let url = "http://details.bookinfo.svc.cluster.local:9080/proxied";
    let reply = Request::get(url).host("details.bookinfo.svc.cluster.local:9080").send(mesh.egress).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(mesh.app.last().target, "/proxied");
}

#[tokio::test]
async fn permissive_takes_plaintext_and_strict_does_not() {
    let mesh = EmbeddedMesh::start().await;
    let plain = || Request::get("/plain").host("details").try_send(mesh.ingress);
    let reply = plain().await.expect("PERMISSIVE answers");
    assert_eq!((reply.status, reply.header("server")), (200, Some("istio-envoy")));
    assert_eq!(mesh.app.last().header("x-forwarded-client-cert"), None);
    mesh.control_plane.change(|mesh| mesh.find_mut(DETAILS).mtls = Mtls::Strict);
    mesh.details.wait_until("strict", async || plain().await.is_err().then_some(())).await;
    assert_eq!(mesh.get("/").await.status, 200, "mTLS goes on");
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let mesh = EmbeddedMesh::start().await;
    let body = vec![b'x'; 5 << 20];
    let request = Request::new("POST", "/big").host("details").body(body.clone());
    assert_eq!(request.send(mesh.egress).await.status, 200);
    assert_eq!(mesh.app.last().body, body);
}

#[tokio::test]
async fn every_status_passes() {
    let mesh = EmbeddedMesh::start().await;
    for status in [204, 301, 404, 418, 500, 503] {
        assert_eq!(mesh.get(&format!("/status/{status}")).await.status, status);
    }
}

#[tokio::test]
async fn a_tcp_service_carries_bytes_over_mtls() {
    let echo = Echo::start().await;
    let (mesh, [egress, ingress]) = EmbeddedMesh::start_with_tcp(echo.address(), |_| ()).await;
    let mut stream = TcpStream::connect(egress).await.unwrap();
    stream.write_all(b"select 1").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"select 1");
    let line = mesh.details.wait_access_log(&format!("inbound|{}||", ingress.port())).await;
    assert!(line.contains("outbound_.3306_._.db.bookinfo.svc.cluster.local"), "{line}");
}

#[tokio::test]
async fn an_endpoint_without_a_sidecar_is_reached_in_plaintext() {
    let other = App::start("legacy").await;
    let address = other.address();
    let mesh = EmbeddedMesh::start_changed(move |mesh| {
        mesh.services.push(Service::new("legacy").port(8080, Protocol::Http).plain_endpoint(8080, address));
    })
    .await;
    assert_eq!(Request::get("/old").host("legacy").send(mesh.egress).await.status, 200);
    assert_eq!(other.last().header("x-forwarded-client-cert"), None);
}
