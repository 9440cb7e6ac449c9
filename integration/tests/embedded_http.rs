//! HTTP as clients of a sidecar see it: framing, errors, retries, timeouts, upgrades, and both HTTP versions on both
//! sides. Held against a stock Envoy with the same control plane.

use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_integration::control_plane::model::{Protocol, Service};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::app::{App, Raw, read_head};
use outrigger_integration::embedded::client::{Connection, Request, raw};
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A mesh with one more service, `other:8080`, that has these endpoints without a sidecar.
async fn mesh_with(protocol: Protocol, endpoints: Vec<std::net::SocketAddr>) -> EmbeddedMesh {
    EmbeddedMesh::start_changed(move |mesh| {
        let mut service = Service::new("other").port(8080, protocol);
        service.plain_endpoints = endpoints.into_iter().map(|address| (8080, address)).collect();
        mesh.services.push(service);
    })
    .await
}

/// Changes the routes of details in the sidecar of ratings, and waits until `path` answers `status`.
async fn edit_routes(
    mesh: &EmbeddedMesh,
    edit: impl Fn(&mut Vec<Value>) + Send + Sync + 'static,
    path: &str,
    status: u16,
) {
    let table = mesh.egress.port().to_string();
    mesh.control_plane.edit(RATINGS, move |set| {
        let hosts = set.edit(types::ROUTE, &table)["virtual_hosts"].as_array_mut().expect("a table has hosts");
        let name = "details.bookinfo.svc.cluster.local:9080";
        let host = hosts.iter_mut().find(|host| host["name"] == name).expect("details is there");
        edit(host["routes"].as_array_mut().expect("a host has routes"));
    });
    let ask = async || (mesh.get(path).await.status == status).then_some(());
    mesh.ratings.wait_until("serving the changed routes", ask).await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let mesh = EmbeddedMesh::start().await;
    let mut connection = Connection::open(mesh.egress).await.unwrap();
    for number in 0..20 {
        let reply = connection.send(Request::get(&format!("/{number}")).host("details")).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    assert_eq!(mesh.app.arrived().len(), 20);
}

/// Bodies of direct responses may stand in files and in the environment.
#[tokio::test]
async fn a_direct_response_is_read_where_it_is_said_to_be() {
    let mesh = EmbeddedMesh::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, "out of a file\n").unwrap();
    let answers = move |routes: &mut Vec<Value>| {
        let body = |path: &str, body: Value| json!({ "match": { "prefix": path }, "direct_response": { "status": 203, "body": body } });
        routes.insert(0, body("/file", json!({ "filename": file })));
        routes.insert(0, body("/variable", json!({ "environment_variable": "HOME" })));
    };
    edit_routes(&mesh, answers, "/file", 203).await;
    assert_eq!(mesh.get("/file").await.text(), "out of a file\n");
    let home = std::env::var("HOME").expect("there is one wherever cargo runs");
    let reply = mesh.get("/variable").await;
    assert_eq!((reply.status, reply.text()), (203, home));
}

#[tokio::test]
async fn an_http2_client_reaches_an_http1_application() {
    let mesh = EmbeddedMesh::start().await;
    let stream = TcpStream::connect(mesh.egress).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://details.bookinfo:9080/two").body(Full::<bytes::Bytes>::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("/two"));
}

#[tokio::test]
async fn an_http2_service_is_spoken_to_in_http2() {
    let app = App::start("other").await;
    let mesh = mesh_with(Protocol::Http2, vec![app.address()]).await;
    assert_eq!(Request::get("/").host("other").send(mesh.egress).await.status, 200);
    let line = mesh.ratings.wait_access_log(" outbound|8080||other").await;
    assert!(line.contains("\"GET / HTTP/1.1\" 200"), "{line}");
    // HTTP/2 has no connection headers, and hyper shows :authority only as the target's authority.
    assert_eq!(app.last().header("host"), None);
}

#[tokio::test]
async fn a_dead_endpoint_is_tried_around() {
    let app = App::start("alive").await;
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mesh = mesh_with(Protocol::Http, vec![dead, app.address()]).await;
    for _ in 0..20 {
        assert_eq!(Request::get("/").host("other").send(mesh.egress).await.status, 200);
    }
    let attempts: Vec<_> =
        app.arrived().iter().map(|arrived| arrived.header("x-envoy-attempt-count").map(str::to_owned)).collect();
    assert!(attempts.contains(&Some("2".into())), "{attempts:?}");
}

#[tokio::test]
async fn a_service_that_refuses_is_a_503_with_its_reason() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mesh = mesh_with(Protocol::Http, vec![dead]).await;
    let reply = Request::get("/").host("other").send(mesh.egress).await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().starts_with("upstream connect error or disconnect/reset before headers. "), "{reply:?}");
    let line = mesh.ratings.wait_access_log(" outbound|8080||other").await;
    assert!(line.contains(" 503 URX,UF ") || line.contains(" 503 UF,URX "), "{line}");
}

#[tokio::test]
async fn a_service_without_endpoints_has_no_healthy_upstream() {
    let mesh = mesh_with(Protocol::Http, Vec::new()).await;
    let reply = Request::get("/").host("other").send(mesh.egress).await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "no healthy upstream"));
    let line = mesh.ratings.wait_access_log(" outbound|8080||other").await;
    assert!(line.contains(" 503 UH no_healthy_upstream "), "{line}");
}

#[tokio::test]
async fn an_application_that_hangs_up_is_a_503() {
    let app = Raw::answering(b"").await;
    let mesh = mesh_with(Protocol::Http, vec![app.address()]).await;
    let reply = Request::get("/").host("other").send(mesh.egress).await;
    assert_eq!(reply.status, 503, "{reply:?}");
    let line = mesh.ratings.wait_access_log(" outbound|8080||other").await;
    assert!(line.contains(" 503 UC "), "{line}");
}

#[tokio::test]
async fn an_application_that_sends_garbage_is_a_502() {
    let app = Raw::answering(b"this is not HTTP\r\n\r\n").await;
    let mesh = mesh_with(Protocol::Http, vec![app.address()]).await;
    let reply = Request::get("/").host("other").send(mesh.egress).await;
    assert_eq!(reply.status, 502, "{reply:?}");
    let line = mesh.ratings.wait_access_log(" outbound|8080||other").await;
    assert!(line.contains(" 502 UPE "), "{line}");
}

#[tokio::test]
async fn an_answer_without_a_length_arrives_whole() {
    let app = Raw::answering(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end").await;
    let mesh = mesh_with(Protocol::Http, vec![app.address()]).await;
    let reply = Request::get("/").host("other").send(mesh.egress).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "until the end"));
}

#[tokio::test]
async fn bad_requests_are_answered_as_envoy_does() {
    let mesh = EmbeddedMesh::start().await;
    let cases: [(&[u8], &str); 6] = [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        (b"nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        (b"GET / HTTP/1.1\r\nhost: details\r\nbad header: x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        (b"POST / HTTP/1.1\r\nhost: details\r\ncontent-length: abc\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        (b"GET / HTTP/1.0\r\nhost: details\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\n"),
        (
            b"POST / HTTP/1.1\r\nhost: details\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
        ),
    ];
    for (bytes, status) in cases {
        let answer = raw(mesh.egress, bytes).await;
        assert!(answer.starts_with(status), "{:?} got {answer:?}", String::from_utf8_lossy(bytes));
    }
    assert!(mesh.app.arrived().is_empty());
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn headers_that_are_too_large_are_a_431() {
    let mesh = EmbeddedMesh::start().await;
    let request = format!("GET / HTTP/1.1\r\nhost: details\r\nx-large: {}\r\n\r\n", "x".repeat(70_000));
    let answer = raw(mesh.egress, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_request_id_is_made_and_a_given_one_is_kept() {
    let mesh = EmbeddedMesh::start().await;
    mesh.get("/").await;
    let made = mesh.app.last().header("x-request-id").expect("one is made").to_owned();
    assert_eq!((made.len(), made.matches('-').count()), (36, 4));
    Request::get("/").host("details").header("x-request-id", "mine").send(mesh.egress).await;
    assert_eq!(mesh.app.last().header("x-request-id"), Some("mine"));
}

#[tokio::test]
async fn a_forged_client_certificate_header_is_dropped() {
    let mesh = EmbeddedMesh::start().await;
    let forged = "By=spiffe://cluster.local/ns/x/sa/x;URI=spiffe://cluster.local/ns/x/sa/admin";
    Request::get("/").host("details").header("x-forwarded-client-cert", forged).send(mesh.egress).await;
    let seen = mesh.app.last().header("x-forwarded-client-cert").expect("the true one").to_owned();
    assert!(!seen.contains("admin"), "{seen}");
}

#[tokio::test]
async fn a_websocket_passes() {
    let app = Raw::start(|mut stream| async move {
        let head = read_head(&mut stream).await;
        assert!(head.to_lowercase().contains("upgrade: websocket"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n";
        let _ = stream.write_all(answer).await;
        let mut bytes = [0; 5];
        if stream.read_exact(&mut bytes).await.is_ok() {
            bytes.reverse();
            let _ = stream.write_all(&bytes).await;
        }
    })
    .await;
    let mesh = mesh_with(Protocol::Http, vec![app.address()]).await;
    let mut stream = TcpStream::connect(mesh.egress).await.unwrap();
    let request = b"GET /chat HTTP/1.1\r\nhost: other\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"olleh");
}

#[tokio::test]
async fn expect_continue_is_relayed() {
    let app = Raw::start(|mut stream| async move {
        let head = read_head(&mut stream).await;
        assert!(head.to_lowercase().contains("expect: 100-continue"), "{head}");
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        let mut body = [0; 4];
        if stream.read_exact(&mut body).await.is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let mesh = mesh_with(Protocol::Http, vec![app.address()]).await;
    let mut stream = TcpStream::connect(mesh.egress).await.unwrap();
    let request = b"POST / HTTP/1.1\r\nhost: other\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 100 Continue\r\n"));
    stream.write_all(b"body").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_route_to_a_cluster_that_is_not_there_is_a_503() {
    let mesh = EmbeddedMesh::start().await;
    let edit = |routes: &mut Vec<Value>| routes[0]["route"]["cluster"] = json!("absent");
    edit_routes(&mesh, edit, "/", 503).await;
    assert_eq!(mesh.get("/").await.text(), "");
    let line = mesh.ratings.wait_access_log(" 503 NC ").await;
    assert!(line.contains(" cluster_not_found "), "{line}");
}

#[tokio::test]
async fn a_path_without_a_route_is_a_404() {
    let mesh = EmbeddedMesh::start().await;
    let edit = |routes: &mut Vec<Value>| routes[0]["match"] = json!({ "prefix": "/known" });
    edit_routes(&mesh, edit, "/unknown", 404).await;
    assert_eq!(mesh.get("/known/x").await.status, 200);
    let line = mesh.ratings.wait_access_log(" 404 NR ").await;
    assert!(line.contains(" route_not_found "), "{line}");
}

#[tokio::test]
async fn a_route_timeout_is_a_504() {
    let silent = Raw::start(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let mesh = mesh_with(Protocol::Http, vec![silent.address()]).await;
    let edit = |routes: &mut Vec<Value>| {
        let route = json!({ "cluster": "outbound|8080||other.bookinfo.svc.cluster.local", "timeout": "0.05s" });
        routes.insert(0, json!({ "match": { "prefix": "/slow" }, "route": route }));
    };
    edit_routes(&mesh, edit, "/slow", 504).await;
    assert_eq!(mesh.get("/slow").await.text(), "upstream request timeout");
    let line = mesh.ratings.wait_access_log(" 504 UT ").await;
    assert!(line.contains(" response_timeout "), "{line}");
}

#[tokio::test]
async fn a_redirect_and_a_rewrite_are_done() {
    let mesh = EmbeddedMesh::start().await;
    let edit = |routes: &mut Vec<Value>| {
        let details = "outbound|9080||details.bookinfo.svc.cluster.local";
        routes.insert(0, json!({ "match": { "path": "/old" }, "redirect": { "path_redirect": "/new" } }));
        let route = json!({ "cluster": details, "prefix_rewrite": "/inside/", "host_rewrite_literal": "renamed" });
        routes.insert(0, json!({ "match": { "prefix": "/outside/" }, "route": route }));
    };
    edit_routes(&mesh, edit, "/old", 301).await;
    let moved = mesh.get("/old").await;
    assert_eq!(moved.header("location"), Some("http://details.bookinfo:9080/new"));
    assert_eq!(mesh.get("/outside/a?b=c").await.status, 200);
    let arrived = mesh.app.last();
    assert_eq!((arrived.target.as_str(), arrived.header("host")), ("/inside/a?b=c", Some("renamed")));
    assert_eq!(arrived.header("x-envoy-original-path"), Some("/outside/a?b=c"));
}

#[tokio::test]
async fn weights_and_header_matches_choose_the_cluster() {
    let app = App::start("other").await;
    let mesh = mesh_with(Protocol::Http, vec![app.address()]).await;
    let edit = |routes: &mut Vec<Value>| {
        let other = "outbound|8080||other.bookinfo.svc.cluster.local";
        let header = json!({ "name": "x-user", "string_match": { "exact": "tester" } });
        let route = json!({
            "weighted_clusters": { "clusters": [{ "name": other, "weight": 100 }] },
            "timeout": "0s"
        });
        let answer = json!({ "status": 202 });
        routes.insert(0, json!({ "match": { "prefix": "/", "headers": [header] }, "route": route }));
        routes.insert(0, json!({ "match": { "path": "/applied" }, "direct_response": answer }));
    };
    edit_routes(&mesh, edit, "/applied", 202).await;
    // Until the routes were applied, what asked for them went to details.
    let asked_before = mesh.app.arrived().len();
    Request::get("/a").host("details").header("x-user", "tester").send(mesh.egress).await;
    assert_eq!(app.arrived().len(), 1);
    Request::get("/b").host("details").header("x-user", "somebody").send(mesh.egress).await;
    assert_eq!((app.arrived().len(), mesh.app.arrived().len()), (1, asked_before + 1));
}

#[tokio::test]
async fn hosts_match_whatever_their_case_and_port() {
    let mesh = EmbeddedMesh::start().await;
    for host in [
        "details",
        "DETAILS",
        "details:1234",
        "details.bookinfo.svc",
        "details.bookinfo.svc.cluster.local",
        "details.bookinfo.svc.cluster.local.",
    ] {
        assert_eq!(Request::get("/").host(host).send(mesh.egress).await.status, 200, "{host}");
    }
}
