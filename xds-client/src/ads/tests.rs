//! The client against a server that is played by hand: streams, failures, garbage.

use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::{ControlPlane, Node};
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::*;
use crate::test_server::{TestServer, TestStream};
use crate::type_url::{CLUSTER, ENDPOINT, WRAPPED_RESOURCE};
use crate::{BackoffSettings, Rejected};

fn start(server: &TestServer, delta: bool) -> (AdsHandle, AdsEvents) {
    let mut settings = AdsSettings::new(server.endpoint(), Node { id: "n".into(), ..Default::default() });
    settings.delta = delta;
    settings.backoff = BackoffSettings { base: Duration::from_millis(1), max: Duration::from_millis(5) };
    settings.connect_timeout = Duration::from_secs(20);
    settings.metadata =
        Some(Arc::new(|| vec![("Authorization".into(), "Bearer abc".into()), ("bad name".into(), "x".into())]));
    AdsClient::spawn(settings)
}

fn cluster(name: &str) -> Any {
    // Field 1 (name), then an unknown field 2000: the client must keep both as they are.
    let mut value = vec![0x0a, name.len() as u8];
    value.extend_from_slice(name.as_bytes());
    value.extend_from_slice(&[0x82, 0x7d, 0x01, 0x00]);
    Any { type_url: CLUSTER.into(), value }
}

fn delta(nonce: &str, names: &[&str]) -> discovery::DeltaDiscoveryResponse {
    let resource = |name: &&str| discovery::Resource {
        name: name.to_string(),
        resource: Some(cluster(name)),
        ..Default::default()
    };
    discovery::DeltaDiscoveryResponse {
        system_version_info: "2026-01-01T00:00:00Z/1".into(),
        type_url: CLUSTER.into(),
        nonce: nonce.into(),
        resources: names.iter().map(resource).collect(),
        control_plane: Some(ControlPlane { identifier: "istiod".into() }),
        ..Default::default()
    }
}

async fn update(events: &mut AdsEvents) -> Update {
    loop {
        match events.next().await.expect("the client runs") {
            Event::Update(update) => return update,
            Event::Connected | Event::Disconnected { .. } => {}
        }
    }
}

async fn disconnected(events: &mut AdsEvents) -> String {
    loop {
        match events.next().await.expect("the client runs") {
            Event::Disconnected { reason, .. } => return reason,
            Event::Connected | Event::Update(_) => {}
        }
    }
}

async fn delta_request(stream: &mut TestStream) -> discovery::DeltaDiscoveryRequest {
    stream.request().await
}

#[tokio::test]
async fn delta_from_the_first_request_to_the_acknowledgement() {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, true);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let mut stream = server.stream().await;
    assert_eq!(stream.path, DELTA);
    assert_eq!(stream.headers["authorization"], "Bearer abc");
    assert_eq!(stream.headers["content-type"], "application/grpc");
    // The request comes although the server has not sent its response head's first message yet.
    assert_eq!(delta_request(&mut stream).await.node.unwrap().id, "n");
    stream.send(&delta("n1", &["a", "b"]));
    let update = update(&mut events).await;
    assert_eq!(update.version, "2026-01-01T00:00:00Z/1");
    assert_eq!(update.resources[1].name, "b");
    assert_eq!(update.resources[1].body, cluster("b").value, "bytes are kept as they came");
    handle.verdict(update.id, Err(vec![Rejected { name: "b".into(), reason: "no".into() }]));
    let nack = delta_request(&mut stream).await;
    assert_eq!((nack.response_nonce.as_str(), nack.error_detail.unwrap().message.as_str()), ("n1", "b: no"));
    let status = handle.status();
    assert!(status.connected);
    assert_eq!((status.control_plane.as_str(), status.types[CLUSTER].held), ("istiod", 1));
}

#[tokio::test]
async fn state_of_the_world_with_plain_and_wrapped_resources() {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, false);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let mut stream = server.stream().await;
    assert_eq!(stream.path, STATE_OF_THE_WORLD);
    let request: discovery::DiscoveryRequest = stream.request().await;
    assert_eq!((request.type_url.as_str(), request.resource_names.len()), (CLUSTER, 0));
    let wrapped = discovery::Resource {
        name: "b".into(),
        version: "7".into(),
        resource: Some(cluster("b")),
        ..Default::default()
    };
    stream.send(&discovery::DiscoveryResponse {
        version_info: "1".into(),
        nonce: "n1".into(),
        type_url: CLUSTER.into(),
        resources: vec![cluster("a"), Any { type_url: WRAPPED_RESOURCE.into(), value: wrapped.encode_to_vec() }],
        ..Default::default()
    });
    let update = update(&mut events).await;
    let seen: Vec<_> = update.resources.iter().map(|r| (r.name.as_str(), r.version.as_str())).collect();
    assert_eq!(seen, [("a", "1"), ("b", "7")]);
    assert_eq!(update.resources[1].body, cluster("b").value);
    handle.verdict(update.id, Ok(()));
    let ack: discovery::DiscoveryRequest = stream.request().await;
    assert_eq!((ack.version_info.as_str(), ack.response_nonce.as_str()), ("1", "n1"));
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_told_what_is_held() {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, true);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let mut stream = server.stream().await;
    delta_request(&mut stream).await;
    stream.send(&delta("n1", &["a"]));
    handle.verdict(update(&mut events).await.id, Ok(()));
    delta_request(&mut stream).await;
    server.kill().await;
    disconnected(&mut events).await;
    assert!(disconnected(&mut events).await.contains("No such file"), "it tries on while nobody listens");
    // Wanted while there is no stream.
    handle.subscribe(ENDPOINT, Subscription::Names(["e".to_owned()].into()));
    server.listen();
    let mut stream = server.stream().await;
    let first = delta_request(&mut stream).await;
    assert_eq!((first.type_url.as_str(), first.initial_resource_versions.len()), (CLUSTER, 1));
    assert!(first.node.is_some());
    assert_eq!(delta_request(&mut stream).await.resource_names_subscribe, ["e"]);
}

/// Sends something bad on the first stream; the client must report it and come back, and then work.
async fn survives(delta_protocol: bool, bad: impl FnOnce(TestStream), reason: &str) {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, delta_protocol);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let stream = server.stream().await;
    bad(stream);
    let seen = disconnected(&mut events).await;
    assert!(seen.contains(reason), "{seen}");
    let stream = server.stream().await;
    if delta_protocol {
        stream.send(&delta("n1", &["a"]));
        assert_eq!(update(&mut events).await.resources.len(), 1);
    }
}

#[tokio::test]
async fn bytes_that_are_no_response_break_the_stream_alone() {
    survives(true, |stream| stream.send_bytes(b"\xff\xff\xff garbage"), "no discovery response").await;
    survives(false, |stream| stream.send_bytes(b"\xff\xff\xff garbage"), "no discovery response").await;
}

#[tokio::test]
async fn a_frame_that_claims_four_gigabytes_is_not_waited_for() {
    let claim = |stream: TestStream| stream.send_raw(Bytes::from_static(b"\0\xff\xff\xff\xffabc"));
    survives(true, claim, "announced a message of 4294967295 octets").await;
}

#[tokio::test]
async fn a_frame_that_claims_much_takes_no_memory_before_it_comes() {
    let hang_up = |stream: TestStream| stream.send_raw(Bytes::from_static(b"\0\x0f\xff\xff\xffabc"));
    survives(true, hang_up, "in the middle of a message").await;
}

#[tokio::test]
async fn a_server_that_does_not_speak_grpc_is_named() {
    survives(true, |stream| stream.send_raw(Bytes::from_static(b"HTTP/1.1 200 OK\r\n")), "no gRPC").await;
}

#[tokio::test]
async fn a_reset_and_an_end_without_status_are_survived() {
    survives(true, TestStream::reset, "").await;
    survives(true, drop, "closed the stream").await;
}

#[tokio::test]
async fn the_servers_status_is_the_reason() {
    survives(true, |stream| stream.end(7, "authorization failed"), "PermissionDenied, authorization failed").await;
    survives(true, |stream| stream.end(14, ""), "Unavailable").await;
}

#[tokio::test]
async fn a_resource_that_is_no_protobuf_is_refused_and_the_others_are_taken() {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, false);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let mut stream = server.stream().await;
    let _: discovery::DiscoveryRequest = stream.request().await;
    let bad = Any { type_url: CLUSTER.into(), value: vec![0xff, 0xff] };
    let wrapped = Any { type_url: WRAPPED_RESOURCE.into(), value: vec![0xff] };
    let foreign = Any { type_url: "type.googleapis.com/a.Foreign".into(), ..cluster("b") };
    stream.send(&discovery::DiscoveryResponse {
        type_url: CLUSTER.into(),
        resources: vec![bad, wrapped, foreign, cluster("a")],
        nonce: "n".into(),
        ..Default::default()
    });
    let update = update(&mut events).await;
    assert_eq!(update.resources.iter().map(|resource| &*resource.name).collect::<Vec<_>>(), ["a"]);
    handle.verdict(update.id, Ok(()));
    let nack: discovery::DiscoveryRequest = stream.request().await;
    let message = nack.error_detail.unwrap().message;
    assert!(message.contains("does not parse") && message.contains("discovery.v3.Resource"), "{message}");
    let words = format!("b: is a type.googleapis.com/a.Foreign, in a response of type {CLUSTER}");
    assert!(message.contains(&words), "{message}");
}

#[tokio::test]
async fn a_server_that_pushes_without_end_meets_flow_control() {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, true);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let mut stream = server.stream().await;
    delta_request(&mut stream).await;
    for index in 0..200 {
        stream.send(&delta(&format!("n{index}"), &["a"]));
    }
    let mut last = None;
    for index in 0..200 {
        // Never more than a few without a verdict; each verdict lets the next one in.
        let update = update(&mut events).await;
        handle.verdict(update.id, Ok(()));
        let ack = delta_request(&mut stream).await;
        assert_eq!(ack.response_nonce, format!("n{index}"));
        last = Some(ack);
    }
    assert!(last.is_some());
}

#[tokio::test]
async fn a_large_push_arrives_whole() {
    let mut server = TestServer::start();
    let (handle, mut events) = start(&server, true);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let stream = server.stream().await;
    let mut response = delta("n1", &["a"]);
    response.resources[0].resource.as_mut().unwrap().value.resize(20 << 20, 7);
    stream.send(&response);
    assert_eq!(update(&mut events).await.resources[0].body.len(), 20 << 20);
}

#[tokio::test]
async fn dropping_the_handle_ends_the_stream() {
    let mut server = TestServer::start();
    let (handle, _events) = start(&server, true);
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    let mut stream = server.stream().await;
    delta_request(&mut stream).await;
    drop(handle);
    assert!(stream.is_over().await);
}

#[tokio::test]
async fn a_server_that_answers_no_ping_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("XDS");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let short = Duration::from_millis(10);
    let keepalive = Some(crate::Keepalive { interval: short, timeout: short });
    let endpoint = crate::Endpoint::uds(path).with_http2(crate::Http2 { keepalive, ..Default::default() });
    let (handle, mut events) = AdsClient::spawn(AdsSettings::new(endpoint, Node::default()));
    handle.subscribe(CLUSTER, Subscription::Wildcard);
    // Says SETTINGS and no more, as a server does whose process is stopped; the socket stays open.
    let (mut stream, _) = listener.accept().await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let reason = disconnected(&mut events).await;
    assert!(reason.to_lowercase().contains("keep-alive") || reason.contains("keepalive"), "{reason}");
}
