//! Tests of `services`.

use super::*;
use crate::proto::wkt;

fn seconds(seconds: i64) -> Option<wkt::Duration> {
    Some(wkt::Duration { seconds, nanos: 0 })
}

fn envoy(envoy: core::grpc_service::EnvoyGrpc) -> core::GrpcService {
    core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
        ..core::GrpcService::default()
    }
}

fn cluster(name: &str) -> core::grpc_service::EnvoyGrpc {
    core::grpc_service::EnvoyGrpc { cluster_name: name.into(), ..Default::default() }
}

fn read(proto: &core::GrpcService) -> Result<GrpcService, String> {
    grpc_service(&At::root(), proto, &Options::default()).map_err(|rejection| rejection.to_string())
}

#[test]
fn a_service_without_more_is_its_cluster_for_ever() {
    let service = read(&envoy(cluster("outbound|9000||authz"))).unwrap();
    assert_eq!((&*service.cluster, &*service.authority), ("outbound|9000||authz", "outbound|9000||authz"));
    assert!(service.timeout.is_none() && service.retry.is_none() && service.max_receive_message_length.is_none());
    let zero = core::GrpcService { timeout: seconds(0), ..envoy(cluster("authz")) };
    assert_eq!(read(&zero).unwrap().timeout, None);
}

#[test]
fn every_field_is_read() {
    let grpc = core::grpc_service::EnvoyGrpc {
        authority: "authz.example".into(),
        max_receive_message_length: Some(wkt::UInt32Value { value: 4096 }),
        skip_envoy_headers: true,
        retry_policy: Some(core::RetryPolicy::default()),
        ..cluster("authz")
    };
    let header =
        |key: &str, value: &str| core::HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() };
    let proto = core::GrpcService {
        timeout: seconds(2),
        initial_metadata: vec![header("X-Who", "%DOWNSTREAM_REMOTE_ADDRESS%"), header("x-b", "b")],
        retry_policy: Some(core::RetryPolicy { retry_on: "unavailable".into(), ..Default::default() }),
        ..envoy(grpc)
    };
    let options = Options::default();
    let service = grpc_service(&At::root(), &proto, &options).unwrap();
    assert_eq!(&*service.authority, "authz.example");
    assert_eq!(service.timeout, Some(Duration::from_secs(2)));
    assert_eq!(service.max_receive_message_length, Some(4096));
    assert!(service.skip_envoy_headers);
    assert_eq!(service.initial_metadata.iter().map(|add| &*add.name).collect::<Vec<_>>(), ["x-who", "x-b"]);
    let retry = service.retry.unwrap();
    assert!(retry.on.has(RetryOn::GRPC_UNAVAILABLE) && retry.num_retries == 1);
    assert_eq!((retry.base_interval.as_secs(), retry.per_try_timeout.unwrap().as_secs()), (1, 10));
    assert!(options.take_notes()[0].starts_with("envoy_grpc.retry_policy: is for xDS streams alone"));
}

#[test]
fn what_a_service_cannot_be() {
    let google = core::grpc_service::GoogleGrpc { target_uri: "dns:authz:9000".into(), ..Default::default() };
    let google = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::GoogleGrpc(google)),
        ..Default::default()
    };
    let told = read(&google).unwrap_err();
    assert!(told.starts_with("google_grpc: the client of \"dns:authz:9000\" is not part of this build"), "{told}");
    assert!(read(&core::GrpcService::default()).unwrap_err().starts_with("target_specifier: is required"));
    assert!(read(&envoy(cluster(""))).unwrap_err().starts_with("envoy_grpc.cluster_name: must not be empty"));
    let host = core::HeaderValue { key: ":path".into(), value: "/".into(), raw_value: Vec::new() };
    let pseudo = core::GrpcService { initial_metadata: vec![host], ..envoy(cluster("authz")) };
    assert!(read(&pseudo).unwrap_err().starts_with("initial_metadata[0].key: \":path\""));
}

#[test]
fn the_caller_may_say_what_is_retried() {
    let policy = core::RetryPolicy {
        retry_on: "unavailable".into(),
        retry_back_off: Some(core::BackoffStrategy { base_interval: seconds(2), max_interval: seconds(1) }),
        ..Default::default()
    };
    let read = |policy: &core::RetryPolicy| retry_policy(&At::root(), policy, "5xx,reset", &Options::default());
    assert!(read(&policy).unwrap_err().to_string().starts_with("retry_back_off.max_interval: must be greater"));
    let policy = core::RetryPolicy { retry_back_off: None, ..policy };
    let on = read(&policy).unwrap().on;
    assert!(on.has(RetryOn::SERVER_ERROR) && on.has(RetryOn::RESET) && !on.has(RetryOn::GRPC_UNAVAILABLE));
}

#[test]
fn a_uri_is_taken_apart() {
    let read = |uri: &str| {
        let upstream = Some(core::http_uri::HttpUpstreamType::Cluster("jwks".into()));
        let proto = core::HttpUri { uri: uri.into(), timeout: seconds(5), http_upstream_type: upstream };
        http_uri(&At::root(), &proto).map(|uri| (uri.host.to_string(), uri.path.to_string()))
    };
    let parts = |host: &str, path: &str| Ok((host.to_owned(), path.to_owned()));
    assert_eq!(read("https://keys.example:8443/a/b?c=d"), parts("keys.example:8443", "/a/b?c=d"));
    assert_eq!(read("http://keys.example"), parts("keys.example", "/"));
    assert_eq!(read("keys.example/certs"), parts("keys.example", "/certs"));
    for bad in ["", "https:///certs", "/certs", "http://keys.example/a b"] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let unset = core::HttpUri { uri: "http://a/".into(), ..Default::default() };
    assert!(http_uri(&At::root(), &unset).unwrap_err().to_string().starts_with("cluster: is required"));
}
