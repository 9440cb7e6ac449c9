//! Secrets from a server that is played by hand.

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::*;
use crate::BackoffSettings;
use crate::test_server::{TestServer, TestStream};

fn start(server: &TestServer) -> (SdsHandle, SdsEvents) {
    let mut settings = AdsSettings::new(server.endpoint(), Node { id: "n".into(), ..Default::default() });
    settings.delta = false;
    settings.backoff = BackoffSettings { base: Duration::from_millis(1), max: Duration::from_millis(5) };
    settings.connect_timeout = Duration::from_secs(20);
    SdsClient::spawn(settings)
}

fn push(stream: &TestStream, nonce: &str, names: &[&str]) {
    let secret = |name: &&str| Any {
        type_url: type_url::SECRET.into(),
        value: Secret { name: name.to_string(), ..Default::default() }.encode_to_vec(),
    };
    stream.send(&DiscoveryResponse {
        version_info: nonce.to_uppercase(),
        nonce: nonce.into(),
        type_url: type_url::SECRET.into(),
        resources: names.iter().map(secret).collect(),
        ..Default::default()
    });
}

async fn request(stream: &mut TestStream) -> DiscoveryRequest {
    stream.request().await
}

async fn secret(events: &mut SdsEvents) -> (Arc<str>, UpdateId, String) {
    loop {
        if let SdsEvent::Secret { name, id, version, .. } = events.next().await.expect("the handle lives") {
            return (name, id, version);
        }
    }
}

#[tokio::test]
async fn each_secret_has_a_stream_and_rotation_is_an_event() {
    let mut server = TestServer::start();
    let (mut handle, mut events) = start(&server);
    handle.watch("default");
    handle.watch("default");
    let mut first = server.stream().await;
    assert_eq!(first.path, "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets");
    let asked = request(&mut first).await;
    assert_eq!((asked.resource_names, asked.node.unwrap().id), (vec!["default".to_owned()], "n".to_owned()));
    handle.watch("ROOTCA");
    let mut second = server.stream().await;
    assert_eq!(request(&mut second).await.resource_names, ["ROOTCA"]);
    for nonce in ["a", "b"] {
        push(&first, nonce, &["default"]);
        let (name, id, version) = secret(&mut events).await;
        assert_eq!((&*name, version), ("default", nonce.to_uppercase()));
        handle.verdict(&name, id, Ok(()));
        let ack = request(&mut first).await;
        assert_eq!((ack.response_nonce.as_str(), ack.resource_names.len()), (nonce, 1));
        assert!(ack.error_detail.is_none());
    }
}

#[tokio::test]
async fn a_refused_secret_is_a_nack_with_the_version_before_it() {
    let mut server = TestServer::start();
    let (mut handle, mut events) = start(&server);
    handle.watch("default");
    let mut stream = server.stream().await;
    request(&mut stream).await;
    push(&stream, "a", &["default"]);
    let (name, id, _) = secret(&mut events).await;
    handle.verdict(&name, id, Ok(()));
    request(&mut stream).await;
    push(&stream, "b", &["default"]);
    let (name, id, _) = secret(&mut events).await;
    handle.verdict(&name, id, Err("the key does not fit the certificate".into()));
    let nack = request(&mut stream).await;
    assert_eq!((nack.version_info.as_str(), nack.response_nonce.as_str()), ("A", "b"));
    assert_eq!(nack.error_detail.unwrap().message, "default: the key does not fit the certificate");
}

#[tokio::test]
async fn a_stream_that_the_agent_ends_is_opened_again() {
    let mut server = TestServer::start();
    let (mut handle, mut events) = start(&server);
    handle.watch("default");
    server.stream().await.end(14, "no certificate yet");
    let failed = events.next().await.unwrap();
    assert!(matches!(&failed, SdsEvent::Failed { reason, .. } if reason.contains("no certificate yet")), "{failed:?}");
    let mut stream = server.stream().await;
    assert!(request(&mut stream).await.node.is_some());
    push(&stream, "a", &["default"]);
    secret(&mut events).await;
}

#[tokio::test]
async fn the_agent_may_come_later_and_go() {
    let mut server = TestServer::start();
    server.kill().await;
    let (mut handle, mut events) = start(&server);
    handle.watch("default");
    assert!(matches!(events.next().await, Some(SdsEvent::Failed { .. })));
    server.listen();
    request(&mut server.stream().await).await;
    server.kill().await;
    server.listen();
    request(&mut server.stream().await).await;
}

#[tokio::test]
async fn other_secrets_and_empty_responses_are_acknowledged_and_dropped() {
    let mut server = TestServer::start();
    let (mut handle, mut events) = start(&server);
    handle.watch("default");
    let mut stream = server.stream().await;
    request(&mut stream).await;
    push(&stream, "a", &["other"]);
    assert_eq!(request(&mut stream).await.response_nonce, "a");
    push(&stream, "b", &[]);
    assert_eq!(request(&mut stream).await.response_nonce, "b");
    push(&stream, "c", &["default"]);
    assert_eq!(&*secret(&mut events).await.0, "default");
}

#[tokio::test]
async fn unwatching_ends_the_stream() {
    let mut server = TestServer::start();
    let (mut handle, _events) = start(&server);
    handle.watch("default");
    let mut stream = server.stream().await;
    request(&mut stream).await;
    handle.unwatch("default");
    assert!(stream.is_over().await);
    assert_eq!(handle.watched().count(), 0);
}
