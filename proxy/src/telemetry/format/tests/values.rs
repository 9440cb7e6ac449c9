//! The values of commands, as Envoy 1.40 printed them for the same request: recorded, not made up.

use config::metadata::Metadata;
use serde_json::json;

use super::*;
use crate::telemetry::access_log::{EntryKind, More};
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::telemetry::stream_info::{Labels, Times};

/// The client's certificate of the recording.
const CERTIFICATE: &str = "MIICHDCCAcKgAwIBAgIUJfwSmi0YvtWeaewb+KKpH9GKNl4wCgYIKoZIzj0EAwIwHzELMAkGA1UECgwCY2ExEDAOBgNVBAMMB3Jvb3QsIHgwHh\
    cNMjYxMTI2MTQ0MjM3WhcNMjcwMjI0MTQ0MjM3WjAzMQswCQYDVQQGEwJERTETMBEGA1UECgwKY2xpZW50IG9yZzEPMA0GA1UEAwwGY2xpZW50\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEidXULXAxs2FLzj7s5zibE9Y97UIwuz90Gar+hn8PeiARa4VS8CzCWVHMttqoKE3I7JgY0ya6OD\
    2IposIRc7C1KOBxzCBxDByBgNVHREEazBphhVzcGlmZmU6Ly90ZC9ucy9jbGllbnSCDGNsaWVudC5sb2NhbIIOYi5jbGllbnQubG9jYWyHBH8A\
    AAGHEAAAAAAAAAAAAAAAAAAAAAGBCmNsaWVudEB4LnmgDgYDKgMEoAcMBWhlbGxvMA4GA1UdDwEB/wQEAwIHgDAdBgNVHQ4EFgQUq2h8arrQQ+\
    ioRRLC2ZlnvmhzbhwwHwYDVR0jBBgwFoAU4pltmZfGUIDgKfLo1MUfspk55eowCgYIKoZIzj0EAwIDSAAwRQIgF77CXolqjVdSM4yK8hbwWh5Y\
    tisY+6duLhebn4PUw8oCIQDZente2RoGfbWMNnSjk3h0wnS9dzcZevbDfwaBQxk/Ng==";

#[derive(Debug)]
struct Host(Arc<Metadata>, &'static str);

impl Labels for Host {
    fn metadata(&self) -> &Arc<Metadata> {
        &self.0
    }

    fn hostname(&self) -> &str {
        self.1
    }
}

fn labels(namespace: &str, value: serde_json::Value) -> Metadata {
    Metadata::from([(namespace, value)])
}

/// `%COMMAND%` of a request.
fn printed(command: &str, entry: &LogEntry<'_>) -> String {
    let format = config::access_log::format::parse(&format!("%{command}%")).unwrap();
    print(&format, entry)
}

fn request() -> RequestHead {
    let (_, mut request, _) = client_side();
    request.path = "/a/b?a=1%202&b=x".into();
    request.authority = "127.0.0.1:23012".into();
    request.headers.append(Name::new("x-envoy-original-path"), "/orig?q=1");
    request.headers.append(Name::new("x-envoy-original-host"), "oh.x");
    request
}

#[test]
fn certificates() {
    let der = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, CERTIFICATE).unwrap();
    let sha256 = "85e36f2aeb4763c9a78d3c211bea1b7fe21f88e5e5cd16bf7b40468b4a58dcb5".into();
    let peer = PeerCertificate { chain: vec![der.clone().into()], sha256, ..PeerCertificate::default() };
    let tls = TlsInfo { peer: Some(Rc::new(peer)), local: Some(der.into()), ..TlsInfo::default() };
    let (mut info, ..) = client_side();
    info.connection = Rc::new(ConnectionInfo { tls: Some(Rc::new(tls)), ..connection() });
    let entry = LogEntry::of(&info);
    for (command, want) in [
        ("DOWNSTREAM_PEER_IP_SAN", "127.0.0.1,::1"),
        ("DOWNSTREAM_PEER_EMAIL_SAN", "client@x.y"),
        ("DOWNSTREAM_PEER_OTHERNAME_SAN", "hello"),
        ("DOWNSTREAM_PEER_ISSUER", "CN=root\\, x,O=ca"),
        ("DOWNSTREAM_PEER_FINGERPRINT_256", "85e36f2aeb4763c9a78d3c211bea1b7fe21f88e5e5cd16bf7b40468b4a58dcb5"),
        ("DOWNSTREAM_PEER_FINGERPRINT_1", "3cc1332a4c4e646707b197a2f53334dc62802f7d"),
        ("DOWNSTREAM_PEER_SERIAL", "25fc129a2d18bed59e69ec1bf8a2a91fd18a365e"),
        ("DOWNSTREAM_PEER_CERT_V_START", "2026-11-26T14:42:37.000Z"),
        ("DOWNSTREAM_PEER_CERT_V_START(%Y)", "2026"),
        ("DOWNSTREAM_PEER_CERT_V_END", "2027-02-24T14:42:37.000Z"),
        ("DOWNSTREAM_PEER_CHAIN_SERIALS", "25fc129a2d18bed59e69ec1bf8a2a91fd18a365e"),
        ("DOWNSTREAM_LOCAL_DNS_SAN", "client.local,b.client.local"),
        ("DOWNSTREAM_LOCAL_SUBJECT", "CN=client,O=client org,C=DE"),
        ("UPSTREAM_PEER_ISSUER", "-"),
        ("UPSTREAM_LOCAL_URI_SAN", "-"),
    ] {
        assert_eq!(printed(command, &entry), want, "{command}");
    }
    let pem = printed("DOWNSTREAM_PEER_CERT", &entry);
    assert!(
        pem.starts_with(
            "-----BEGIN%20CERTIFICATE-----%0AMIICHDCCAcKgAwIBAgIUJfwSmi0YvtWeaewb%2BKKpH9GKNl4wCgYIKoZIzj0EAwIw%0A"
        ),
        "{pem}"
    );
    assert!(pem.ends_with("%3D%3D%0A-----END%20CERTIFICATE-----%0A"), "{pem}");
}

#[test]
fn what_a_request_asked_for() {
    let (info, ..) = client_side();
    let request = request();
    let entry = LogEntry { request: Some(&request), ..LogEntry::of(&info) };
    for (command, want) in [
        ("BYTES_RETRANSMITTED", "0"),
        ("RESPONSE_TRAILERS_BYTES", "0"),
        ("ROUNDTRIP_DURATION", "-"),
        ("DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", ""),
        ("REQUESTED_SERVER_NAME", "-"),
        ("REQUESTED_SERVER_NAME(SNI_FIRST)", "oh.x"),
        ("REQUESTED_SERVER_NAME(SNI_FIRST:ORIG)", "oh.x"),
        ("REQUESTED_SERVER_NAME(HOST_FIRST)", "oh.x"),
        ("REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)", "oh.x"),
        ("REQUESTED_SERVER_NAME(HOST_FIRST:HOST)", "127.0.0.1:23012"),
        ("REQUESTED_SERVER_NAME(SNI_ONLY)", "-"),
        ("LOCAL_REPLY_BODY", ""),
        ("TRACE_ID", "-"),
        ("SPAN_ID", "-"),
        ("QUERY_PARAM(a)", "1 2"),
        ("QUERY_PARAM(a):1", "1"),
        ("QUERY_PARAM(zz)", "-"),
        ("QUERY_PARAMS", "a=1%202&b=x"),
        ("QUERY_PARAMS(DECODED)", "a=1%202&b=x"),
        ("QUERY_PARAMS(ORIG)", "a=1%202&b=x"),
        ("PATH", "/orig?q=1"),
        ("PATH(NQ)", "/orig"),
        ("PATH(WQ:PATH)", "/a/b?a=1%202&b=x"),
        ("PATH(NQ:ORIG)", "/orig"),
        ("PATH(NQ:ORIG_OR_PATH):2", "/o"),
        ("CUSTOM_FLAGS", ""),
        (
            r#"COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":":authority"}]})"#,
            "127.0.0.1:23012",
        ),
    ] {
        assert_eq!(printed(command, &entry), want, "{command}");
    }
    let mut request = request.clone();
    for (path, whole, first) in
        [("/p?x&y=%41%26&z=a+b&y=2", "x&y=%41%26&z=a+b&y=2", "A&"), ("/p?", "", "-"), ("/p", "-", "-")]
    {
        request.path = path.into();
        let entry = LogEntry { request: Some(&request), ..LogEntry::of(&info) };
        assert_eq!((printed("QUERY_PARAMS", &entry), printed("QUERY_PARAM(y)", &entry)), (whole.into(), first.into()));
    }
    for (query, decoded, parameter) in [
        ("a=%20b", "a=%20b", " b"),
        ("a=%25x", "a=%x", "%x"),
        ("a=%c3%a9x", "a=%c3%a9x", "\u{e9}x"),
        ("%61=x%20%41y", "a=x%20Ay", "x Ay"),
        ("a=%2x&b=%2", "a=%2x&b=%2", "%2x"),
        // Envoy breaks the line.
        ("a=%0ax", "a=%0ax", "%0ax"),
    ] {
        request.path = format!("/p?{query}").into();
        let entry = LogEntry { request: Some(&request), ..LogEntry::of(&info) };
        let found = (printed("QUERY_PARAMS(DECODED)", &entry), printed("QUERY_PARAM(a)", &entry));
        assert_eq!(found, (decoded.to_owned(), parameter.to_owned()), "{query}");
    }
}

#[test]
fn metadata_and_filter_state() {
    let (mut info, ..) = client_side();
    info.metadata
        .merge("ns", &json!({ "k": "value", "o": { "i": "inner", "z": 1.5 }, "n": 3.0, "b": true, "l": [1, "a"] }));
    let object = |key: &str| StateObject {
        key: key.into(),
        value: "state-POST".into(),
        form: Form::Text,
        read_only: false,
        shared: Shared::None,
    };
    info.filter_state.set(object("fs"));
    info.upstream_labels = [
        Some(Rc::new(Host(Arc::new(labels("cm", json!({ "k": "cmv", "o": { "a": 1 } }))), ""))),
        Some(Rc::new(Host(Arc::new(labels("hm", json!({ "k": "hmv" }))), "up.local"))),
    ];
    let chain = [labels("lm", json!({ "k": "lmv" })), labels("fcm", json!({ "k": "fcv" }))];
    info.connection = Rc::new(ConnectionInfo { labels: chain.map(|labels| Some(Arc::new(labels))), ..connection() });
    let (route, host) = (labels("rm", json!({ "k": "rmv", "o": { "a": 1 } })), labels("vm", json!({ "k": "vmv" })));
    let more =
        More { route: Some(&route), virtual_host: Some(&host), kind: EntryKind::DownstreamEnd, ..More::default() };
    let entry = LogEntry { info: &info, request: None, response: None, trailers: None, more };
    for (command, want) in [
        ("UPSTREAM_HOST_NAME", "up.local"),
        ("UPSTREAM_HOST_NAME_WITHOUT_PORT", "up.local"),
        ("DYNAMIC_METADATA(ns:k)", "value"),
        ("DYNAMIC_METADATA(ns:k):2", "va"),
        ("DYNAMIC_METADATA(ns:o)", "{\"i\":\"inner\",\"z\":1.5}"),
        ("DYNAMIC_METADATA(ns:o):3", "{\"i"),
        ("DYNAMIC_METADATA(ns:o:i)", "inner"),
        ("DYNAMIC_METADATA(ns:n)", "3"),
        ("DYNAMIC_METADATA(ns:b)", "true"),
        ("DYNAMIC_METADATA(ns:l)", "[1,\"a\"]"),
        ("DYNAMIC_METADATA(no)", "-"),
        ("CLUSTER_METADATA(cm:k)", "cmv"),
        ("CLUSTER_METADATA(cm)", "{\"k\":\"cmv\",\"o\":{\"a\":1}}"),
        ("UPSTREAM_METADATA(hm:k)", "hmv"),
        ("UPSTREAM_METADATA(hm)", "{\"k\":\"hmv\"}"),
        ("FILTER_STATE(fs)", "\"state-POST\""),
        ("FILTER_STATE(fs:PLAIN)", "state-POST"),
        ("FILTER_STATE(fs:TYPED)", "\"state-POST\""),
        ("FILTER_STATE(fs:PLAIN):3", "sta"),
        ("FILTER_STATE(fs:FIELD:x)", "-"),
        ("FILTER_STATE(none)", "-"),
        ("UPSTREAM_FILTER_STATE(fs)", "-"),
        ("ACCESS_LOG_TYPE", "DownstreamEnd"),
        ("METADATA(DYNAMIC:ns:k)", "value"),
        ("METADATA(CLUSTER:cm:k)", "cmv"),
        ("METADATA(ROUTE:rm:k)", "rmv"),
        ("METADATA(ROUTE:rm)", "{\"k\":\"rmv\",\"o\":{\"a\":1}}"),
        ("METADATA(UPSTREAM_HOST:hm:k)", "hmv"),
        ("METADATA(LISTENER:lm:k)", "lmv"),
        ("METADATA(LISTENER_FILTER_CHAIN:fcm:k)", "fcv"),
        ("METADATA(VIRTUAL_HOST:vm:k)", "vmv"),
    ] {
        assert_eq!(printed(command, &entry), want, "{command}");
    }
}

#[test]
fn addresses_in_parts() {
    let (mut info, ..) = client_side();
    info.upstream_connection = Some(Rc::new(upstream("127.0.0.1:52990")));
    info.connection = Rc::new(ConnectionInfo {
        direct_local: "127.0.0.1:23012".parse().unwrap(),
        remote: "[2001:db8:1234:5678:9abc:def0:1234:5678]:1".parse().unwrap(),
        ..connection()
    });
    let entry = LogEntry::of(&info);
    for (command, want) in [
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16)", "127.0.0.0/16"),
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(77)", "127.0.0.1/32"),
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(0)", "0.0.0.0/0"),
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(x)", "127.0.0.1"),
        ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS", "127.0.0.1:23012"),
        ("DOWNSTREAM_DIRECT_LOCAL_PORT", "23012"),
        ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(9)", "127.0.0.0/9"),
        ("DOWNSTREAM_LOCAL_ADDRESS", "127.0.0.2:9080"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(64)", "2001:db8:1234:5678::/64"),
    ] {
        assert_eq!(printed(command, &entry), want, "{command}");
    }
}

#[test]
fn times() {
    let (mut info, ..) = client_side();
    let at = |microseconds: u64| info.start + Duration::from_micros(microseconds);
    let times = Times {
        pool_asked: Some(at(100)),
        pool_ready: Some(at(12_300)),
        upload_begins: Some(at(12_400)),
        upload_ends: Some(at(12_500)),
        body_begins: None,
        response_ends: Some(at(19_000)),
        download_begins: Some(at(19_100)),
        ..Times::default()
    };
    let upstream = UpstreamConnection { begun: at(200), connected: at(223), ..upstream("10.0.0.9:1") };
    (info.end, info.is_sent) = (Some(at(20_000)), true);
    info.times = Some(Box::new(times));
    info.upstream_connection = Some(Rc::new(upstream));
    info.upstream_protocol = Some(Protocol::Http2);
    let entry = LogEntry::of(&info);
    for (command, want) in [
        ("COMMON_DURATION(US_CX_BEG:US_CX_END:ns)", "23000"),
        ("COMMON_DURATION(US_CX_END:US_HS_END:ns)", "-"),
        ("COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)", "20000"),
        ("COMMON_DURATION(DS_RX_BEG:US_TX_END)", "12"),
        ("COMMON_DURATION(DS_TX_END:DS_RX_BEG:us)", "-"),
        ("COMMON_DURATION(foo:bar:ns)", "-"),
        ("REQUEST_TX_DURATION", "12"),
        ("UPSTREAM_CONNECTION_POOL_READY_DURATION", "12"),
        ("UPSTREAM_CONNECTION_ID", "9"),
        ("UPSTREAM_PROTOCOL", "HTTP/2"),
        ("UPSTREAM_TLS_VERSION", "-"),
        ("START_TIME_LOCAL(%s %3f)", "1795241895 767"),
    ] {
        assert_eq!(printed(command, &entry), want, "{command}");
    }
    let mut cut = info.clone();
    cut.is_sent = false;
    let end = printed("COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)", &LogEntry::of(&cut));
    assert_eq!(end, "-", "nobody has heard the end");
    let format = |text: &str| config::access_log::format::parse(text).unwrap();
    let either = r#"%COALESCE({"operators":[{"command":"COMMON_DURATION","param":"DS_RX_BEG:US_TX_END"}]})%"#;
    for wanted in [either, "%COMMON_DURATION(US_RX_END:DS_TX_END)%", "%UPSTREAM_CONNECTION_POOL_READY_DURATION%"] {
        assert!(wants_times(&format(wanted)), "{wanted}");
    }
    for kept in ["%DURATION% %START_TIME%", "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG)%", "%COMMON_DURATION(a:b)%"] {
        assert!(!wants_times(&format(kept)), "{kept}: these moments are kept for all");
    }
    let now = printed("EMIT_TIME(%s)", &entry).parse::<u64>().unwrap();
    assert!(now > 1_700_000_000);
    let (one, other) = (printed("UNIQUE_ID", &entry), printed("UNIQUE_ID", &entry));
    assert!(one.len() == 36 && one != other, "{one}");
}

#[test]
fn grpc_statuses() {
    let (info, mut request, _) = client_side();
    request.headers.append(Name::CONTENT_TYPE, "application/grpc");
    for (sent, camel, snake, number) in [
        ("0", "OK", "OK", "0"),
        ("1", "Canceled", "CANCELLED", "1"),
        ("3", "InvalidArgument", "INVALID_ARGUMENT", "3"),
        ("77", "77", "77", "77"),
        ("abc", "-1", "-1", "-1"),
        ("-1", "-1", "-1", "-1"),
        ("+1", "Canceled", "CANCELLED", "1"),
    ] {
        let mut trailers = Headers::new();
        trailers.append(Name::GRPC_STATUS, sent);
        let entry = LogEntry {
            info: &info,
            request: Some(&request),
            response: None,
            trailers: Some(&trailers),
            more: More::default(),
        };
        let found =
            ["GRPC_STATUS", "GRPC_STATUS(SNAKE_STRING)", "GRPC_STATUS_NUMBER"].map(|command| printed(command, &entry));
        assert_eq!(found, [camel, snake, number]);
    }
}
