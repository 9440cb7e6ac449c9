//! Tests of `format`.

mod values;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use config::access_log::{AddressPart, CertificateField, CertificateOf, GrpcStatusFormat, JsonFormat};

use super::*;
use crate::failure::ResponseFlags;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo, UpstreamConnection};
use crate::tls::info::{PeerCertificate, TlsInfo};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

fn start_time(pattern: Option<&str>) -> Operator {
    Operator::Time { of: config::access_log::Moment::Start, local: false, pattern: pattern.map(Arc::from) }
}

fn connection() -> ConnectionInfo {
    let between = ConnectionInfo::between("127.0.0.2:9080".parse().unwrap(), "127.0.0.1:43440".parse().unwrap());
    ConnectionInfo { id: 7, ..between }
}

/// A connection from this address.
fn upstream(local: &str) -> UpstreamConnection {
    let now = std::time::Instant::now();
    UpstreamConnection {
        peer_says: None,
        id: 9,
        peer: "10.0.0.1:80".into(),
        local: Some(local.parse().unwrap()),
        tls: None,
        begun: now,
        connected: now,
        secured: None,
    }
}

/// The request of the first light, as the client's sidecar saw it.
pub fn client_side() -> (StreamInfo, RequestHead, ResponseHead) {
    let mut info = StreamInfo::begin(Rc::new(connection()), Some(Protocol::Http11));
    info.start_time = UNIX_EPOCH + Duration::from_millis(1_795_241_895_767);
    (info.end, info.is_sent) = (Some(info.start + Duration::from_millis(5)), true);
    info.response_first_byte = Some(info.start + Duration::from_millis(4));
    info.request_complete = Some(info.start);
    info.response_code = 200;
    info.response_code_details = Some(Cow::Borrowed("via_upstream"));
    info.bytes_sent = 515;
    info.upstream_host = Some("10.77.0.3:9080".into());
    info.upstream_cluster = Some("outbound|9080||details.bookinfo.svc.cluster.local".into());
    info.upstream_connection = Some(Rc::new(upstream("10.77.0.2:34248")));
    info.attempts = 1;
    let mut headers = Headers::new();
    headers.append(Name::USER_AGENT, "curl/7.88.1");
    headers.append(Name::X_REQUEST_ID, "0d358dd9-06fb-4b93-a6ca-abb077106386");
    let request = RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: "/details/0".into(),
        about_server: false,
        authority: "details.bookinfo:9080".into(),
        scheme: Bytes::new(),
        headers,
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    };
    let mut headers = Headers::new();
    headers.append(Name::X_ENVOY_UPSTREAM_SERVICE_TIME, "4");
    let response = ResponseHead {
        protocol: Protocol::Http11,
        status: 200,
        reason: Bytes::new(),
        headers,
        body: BodyLength::Exact(515),
        wire_size: 0,
    };
    (info, request, response)
}

fn operator(operator: Operator) -> Part {
    Part::Operator { operator, limit: None }
}

fn literal(text: &str) -> Part {
    Part::Literal(text.into())
}

fn req(main: &str) -> Operator {
    Operator::RequestHeader(main.into(), None)
}

/// Istio's default format.
pub fn istios_format() -> Format {
    let address = AddressPart::Whole;
    let parts: Vec<(Operator, &str)> = vec![
        (start_time(None), "] \""),
        (req(":method"), " "),
        (Operator::RequestHeader("x-envoy-original-path".into(), Some(":path".into())), " "),
        (Operator::Protocol, "\" "),
        (Operator::ResponseCode, " "),
        (Operator::ResponseFlags, " "),
        (Operator::ResponseCodeDetails, " "),
        (Operator::ConnectionTerminationDetails, " \""),
        (Operator::UpstreamTransportFailureReason, "\" "),
        (Operator::BytesReceived, " "),
        (Operator::BytesSent, " "),
        (Operator::Duration, " "),
        (Operator::ResponseHeader("x-envoy-upstream-service-time".into(), None), " \""),
        (req("x-forwarded-for"), "\" \""),
        (req("user-agent"), "\" \""),
        (req("x-request-id"), "\" \""),
        (req(":authority"), "\" \""),
        (Operator::UpstreamHost, "\" "),
        (Operator::UpstreamClusterRaw, " "),
        (Operator::UpstreamLocalAddress(address), " "),
        (Operator::DownstreamLocalAddress(address), " "),
        (Operator::DownstreamRemoteAddress(address), " "),
        (Operator::RequestedServerName, " "),
        (Operator::RouteName, "\n"),
    ];
    let mut format = Format { parts: vec![literal("[")], omit_empty: false };
    for (value, text) in parts {
        format.parts.push(operator(value));
        format.parts.push(literal(text));
    }
    format
}

fn print(format: &Format, entry: &LogEntry<'_>) -> String {
    let mut out = Vec::new();
    write(format, entry, &mut out);
    String::from_utf8(out).unwrap()
}

/// What is known of a route.
fn more() -> crate::telemetry::access_log::More<'static> {
    crate::telemetry::access_log::More { route_name: Some("default"), ..Default::default() }
}

fn one(value: Operator, entry: &LogEntry<'_>) -> String {
    print(&Format { parts: vec![operator(value)], omit_empty: false }, entry)
}

#[test]
fn the_client_sides_line() {
    let (info, request, response) = client_side();
    let entry =
        LogEntry { info: &info, request: Some(&request), response: Some(&response), trailers: None, more: more() };
    assert_eq!(
        print(&istios_format(), &entry),
        "[2026-11-21T06:18:15.767Z] \"GET /details/0 HTTP/1.1\" 200 - via_upstream - \"-\" 0 515 5 4 \"-\" \
         \"curl/7.88.1\" \"0d358dd9-06fb-4b93-a6ca-abb077106386\" \"details.bookinfo:9080\" \"10.77.0.3:9080\" \
         outbound|9080||details.bookinfo.svc.cluster.local 10.77.0.2:34248 127.0.0.2:9080 127.0.0.1:43440 - default\n"
    );
}

#[test]
fn the_server_sides_line() {
    let (mut info, request, response) = client_side();
    let connection = ConnectionInfo {
        local: "10.77.0.3:9080".parse().unwrap(),
        remote: "10.77.0.2:34248".parse().unwrap(),
        requested_server_name: Some("outbound_.9080_._.details.bookinfo.svc.cluster.local".into()),
        ..connection()
    };
    info.connection = Rc::new(connection);
    info.upstream_host = Some("127.0.0.1:9080".into());
    info.upstream_cluster = Some("inbound|9080||".into());
    info.upstream_connection = Some(Rc::new(upstream("127.0.0.1:50006")));
    let entry =
        LogEntry { info: &info, request: Some(&request), response: Some(&response), trailers: None, more: more() };
    assert!(print(&istios_format(), &entry).ends_with(
        "\"127.0.0.1:9080\" inbound|9080|| 127.0.0.1:50006 10.77.0.3:9080 10.77.0.2:34248 \
             outbound_.9080_._.details.bookinfo.svc.cluster.local default\n"
    ));
}

#[test]
fn a_tcp_line() {
    let (mut info, ..) = client_side();
    info.protocol = None;
    info.response_code = 0;
    info.response_code_details = None;
    info.flags = ResponseFlags::UPSTREAM_CONNECTION_FAILURE | ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
    info.upstream_transport_failure = Some("delayed connect error: Connection refused".into());
    let entry = LogEntry::of(&info);
    assert_eq!(
        print(&istios_format(), &entry),
        "[2026-11-21T06:18:15.767Z] \"- - -\" 0 UF,URX - - \"delayed_connect_error:_Connection_refused\" 0 515 5 - \"-\" \
         \"-\" \"-\" \"-\" \"10.77.0.3:9080\" outbound|9080||details.bookinfo.svc.cluster.local 10.77.0.2:34248 \
         127.0.0.2:9080 127.0.0.1:43440 - -\n"
    );
}

#[test]
fn operators_one_by_one() {
    let (mut info, mut request, mut response) = client_side();
    request.path = "/a?b=c".into();
    request.headers.append(Name::CONTENT_TYPE, "application/grpc+proto");
    let tls = TlsInfo {
        server_name: Some("sni".into()),
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        group: "X25519",
        peer: Some(Rc::new(PeerCertificate {
            uri_sans: vec!["spiffe://a".into(), "spiffe://b".into()],
            subject: "CN=x".into(),
            ..PeerCertificate::default()
        })),
        local_uri_sans: Arc::from(["spiffe://me".into()]),
        ..TlsInfo::default()
    };
    info.connection = Rc::new(ConnectionInfo {
        tls: Some(Rc::new(tls)),
        local: "[::1]:80".parse().unwrap(),
        listener: "listener".into(),
        filter_chain: "chain".into(),
        ..connection()
    });
    info.downstream_remote = Some("1.2.3.4:0".parse().unwrap());
    info.response_code_details = Some("it went wrong".into());
    info.flags = ResponseFlags::NO_ROUTE_FOUND;
    response.headers.append(Name::new("x-dup"), "1");
    response.headers.append(Name::new("x-dup"), "2");
    let mut trailers = Headers::new();
    trailers.append(Name::GRPC_STATUS, "5");
    let entry = LogEntry {
        info: &info,
        request: Some(&request),
        response: Some(&response),
        trailers: Some(&trailers),
        more: Default::default(),
    };
    let without = AddressPart::WithoutPort;
    for (value, want) in [
        (Operator::RequestHeaderWithoutQuery(":path".into(), None), "/a"),
        (Operator::RequestHeader("nope".into(), Some("host".into())), "details.bookinfo:9080"),
        (req(":scheme"), "-"),
        (Operator::ResponseHeader("x-dup".into(), None), "1"),
        (Operator::ResponseHeader("nope".into(), Some(":status".into())), "200"),
        (Operator::ResponseTrailer("grpc-status".into(), None), "5"),
        (Operator::GrpcStatus(GrpcStatusFormat::Camel), "NotFound"),
        (start_time(Some("%s.%3f")), "1795241895.767"),
        (Operator::ResponseCodeDetails, "it_went_wrong"),
        (Operator::ResponseFlagsLong, "NoRouteFound"),
        (Operator::RequestDuration, "0"),
        (Operator::ResponseDuration, "4"),
        (Operator::ResponseTxDuration, "1"),
        (Operator::UpstreamRemoteAddress(without), "10.77.0.3"),
        (Operator::UpstreamRemoteAddress(AddressPart::Port), "9080"),
        (Operator::UpstreamCluster, "outbound|9080||details.bookinfo.svc.cluster.local"),
        (Operator::UpstreamAttemptCount, "1"),
        (Operator::DownstreamLocalAddress(AddressPart::Whole), "[::1]:80"),
        (Operator::DownstreamLocalAddress(without), "::1"),
        (Operator::DownstreamRemoteAddress(without), "1.2.3.4"),
        (Operator::DownstreamDirectRemoteAddress(AddressPart::Port), "43440"),
        (Operator::RequestedServerName, "sni"),
        (Operator::Certificate(CertificateOf::DownstreamPeer, CertificateField::UriSan), "spiffe://a,spiffe://b"),
        (Operator::Certificate(CertificateOf::DownstreamLocal, CertificateField::UriSan), "spiffe://me"),
        (Operator::Certificate(CertificateOf::DownstreamPeer, CertificateField::Subject), "CN=x"),
        (Operator::DownstreamTlsVersion, "TLSv1.3"),
        (Operator::DownstreamTlsCipher, "TLS_AES_128_GCM_SHA256"),
        (Operator::ConnectionId, "7"),
        (Operator::StreamId, "0d358dd9-06fb-4b93-a6ca-abb077106386"),
        (Operator::FilterChainName, "chain"),
        (Operator::ListenerName, "listener"),
        (Operator::VirtualClusterName, "-"),
        (Operator::Absent("DYNAMIC_METADATA(a:b)".into()), "-"),
        (Operator::Environment("OUTRIGGER_NO_SUCH_VARIABLE".into()), "-"),
        (Operator::DownstreamTransportFailureReason, "-"),
        (Operator::RequestHeadersBytes, "155"),
        (Operator::ResponseHeadersBytes, "52"),
        (Operator::DownstreamTlsGroup, "X25519"),
        (Operator::RouteResolutions, "0"),
    ] {
        assert_eq!(one(value.clone(), &entry), want, "{value:?}");
    }
    assert!(!one(Operator::Hostname, &entry).is_empty());
}

#[test]
fn lengths_and_empty_values() {
    let (info, request, _) = client_side();
    let entry = LogEntry { request: Some(&request), ..LogEntry::of(&info) };
    let cut = Part::Operator { operator: req(":authority"), limit: Some(4) };
    let absent = Part::Operator { operator: req("nope"), limit: Some(0) };
    let parts = vec![literal("<"), cut, absent, literal(">")];
    assert_eq!(print(&Format { parts: parts.clone(), omit_empty: false }, &entry), "<deta->");
    assert_eq!(print(&Format { parts, omit_empty: true }, &entry), "<deta>");
}

#[test]
fn settled_operators_are_text() {
    let mut format = Format { parts: vec![operator(Operator::Hostname)], omit_empty: false };
    settle(&mut format);
    assert!(matches!(&format.parts[0], Part::Literal(text) if !text.is_empty()));
}

#[test]
fn json_keeps_types_and_sorts_keys() {
    let (info, mut request, _) = client_side();
    request.headers.append(Name::new("x"), Bytes::from_static(b"\"quo\\te\"\xc3\xa9\t"));
    request.headers.append(Name::new("latin"), Bytes::from_static(b"a\xff\xc3\xa9b\t/\""));
    let entry = LogEntry { request: Some(&request), ..LogEntry::of(&info) };
    let value = |value: Operator| JsonFormat::Value(Format { parts: vec![operator(value)], omit_empty: false });
    let mixed =
        Format { parts: vec![literal("c="), operator(Operator::ResponseCode), operator(req("no"))], omit_empty: false };
    let fields: Vec<(Arc<str>, JsonFormat)> = vec![
        ("x".into(), value(req("x"))),
        ("latin".into(), value(req("latin"))),
        ("code".into(), value(Operator::ResponseCode)),
        ("dur".into(), value(Operator::Duration)),
        ("flags".into(), value(Operator::ResponseFlags)),
        ("route".into(), value(Operator::RouteName)),
        ("mix".into(), JsonFormat::Value(mixed)),
        ("lit\"".into(), JsonFormat::Value(Format { parts: vec![literal("pl\nain")], omit_empty: false })),
        ("n".into(), JsonFormat::Constant(serde_json::json!(5))),
        ("nul".into(), JsonFormat::Constant(serde_json::Value::Null)),
        ("port".into(), value(Operator::DownstreamRemoteAddress(AddressPart::Port))),
        ("time".into(), value(start_time(None))),
        (
            "sub".into(),
            JsonFormat::Object(vec![
                ("b".into(), JsonFormat::List(vec![value(Operator::BytesSent), value(Operator::Protocol)])),
                ("a".into(), JsonFormat::Object(vec![])),
            ]),
        ),
    ];
    let mut out = Vec::new();
    write_line(&JsonLine::compile(&fields), &entry, &mut out);
    let line = String::from_utf8(out).unwrap();
    assert_eq!(
        line,
        "{\"code\":200,\"dur\":5,\"flags\":\"-\",\"latin\":\"a\\u00ff\\u00c3\\u00a9b\\u0009/\\\"\",\"lit\\\"\":\"pl\\nain\",\"mix\":\"c=200-\",\"n\":5,\"nul\":null,\
         \"port\":43440,\"route\":null,\"sub\":{\"a\":{},\"b\":[515,\"HTTP/1.1\"]},\"time\":\"2026-11-21T06:18:15.767Z\",\
         \"x\":\"\\\"quo\\\\te\\\"é\\t\"}\n"
    );
    serde_json::from_str::<serde_json::Value>(&line).unwrap();
}

#[test]
fn json_without_empty_values() {
    let (info, request, _) = client_side();
    let entry = LogEntry { request: Some(&request), ..LogEntry::of(&info) };
    let value = |value: Operator| JsonFormat::Value(Format { parts: vec![operator(value)], omit_empty: true });
    let mixed = vec![literal("a"), operator(req("nope")), literal("b"), operator(Operator::ResponseCode)];
    let fields: Vec<(Arc<str>, JsonFormat)> = vec![
        ("nope".into(), value(req("nope"))),
        ("a".into(), value(req("nope"))),
        ("mix".into(), JsonFormat::Value(Format { parts: mixed, omit_empty: true })),
        ("sub".into(), JsonFormat::Object(vec![("n".into(), value(req("nope")))])),
        ("l".into(), JsonFormat::List(vec![value(req("nope")), value(Operator::Duration), value(req("nope"))])),
    ];
    let mut out = Vec::new();
    write_line(&JsonLine::compile(&fields), &entry, &mut out);
    // As Envoy wrote it, but for the duration.
    assert_eq!(String::from_utf8(out).unwrap(), "{\"l\":[5],\"mix\":\"ab200\"}\n");
    let mut out = Vec::new();
    write_line(&JsonLine::compile(&fields[..2]), &entry, &mut out);
    assert_eq!(out, b"{}\n");
}
