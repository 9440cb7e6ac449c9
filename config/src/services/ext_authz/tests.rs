//! Both messages, through the generated types.

use serde_json::json;

use super::*;

/// The request as the service reads it, as JSON.
fn told(request: &CheckRequest<'_>) -> Value {
    let bytes = encode(request);
    let mut descriptors = crate::descriptors::Descriptors::new();
    serde_json::to_value(crate::json::AnyJson::new(
        &mut descriptors,
        "type.googleapis.com/envoy.service.auth.v3.CheckRequest",
        &bytes,
    ))
    .unwrap()
}

#[test]
fn a_request_tells_all() {
    let metadata = json!({"k": [1, 2.5, true, null, {"deep": "x"}]});
    let request = CheckRequest {
        source: Peer {
            address: Some("10.0.0.1:5".parse().unwrap()),
            service: "web",
            principal: "spiffe://td/ns/a/sa/b",
            certificate: "-----BEGIN",
            ..Default::default()
        },
        destination: Peer { labels: vec![("app", "x")], ..Default::default() },
        time: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)),
        http: Some(HttpRequest {
            id: "7".into(),
            method: "GET",
            headers: vec![("x", b"a"), ("y", b"\xffb"), ("x", b"c")],
            path: "/p?q",
            host: "h",
            scheme: "https",
            size: -1,
            protocol: "HTTP/2",
            body: b"a\xe2\x82",
            ..Default::default()
        }),
        context_extensions: vec![("route", "r")],
        metadata: MetadataContext { plain: vec![("f", &metadata)], typed: Vec::new() },
        sni: Some("a.example"),
        ..Default::default()
    };
    let told = &told(&request)["attributes"];
    let address = |ip: &str, port: u16| json!({"socket_address": {"address": ip, "port_value": port}});
    assert_eq!(told["source"]["address"], address("10.0.0.1", 5));
    assert_eq!(told["source"]["service"], "web");
    assert_eq!(told["destination"]["labels"], json!({"app": "x"}));
    assert_eq!(told["request"]["time"], "1970-01-01T00:00:01.500Z");
    let http = &told["request"]["http"];
    assert_eq!(http["headers"], json!({"x": "a,c", "y": "!b"}));
    assert_eq!(http["body"], "a!!");
    assert_eq!(http["size"], "-1");
    assert_eq!(told["context_extensions"], json!({"route": "r"}));
    assert_eq!(told["metadata_context"]["filter_metadata"]["f"], metadata);
    assert_eq!(told["tls_session"]["sni"], "a.example");
    assert_eq!(told["route_metadata_context"], json!({}));
}

#[test]
fn octets_are_told_as_they_are() {
    let headers = vec![("x", &b"\xff"[..]), ("x", b"b")];
    let http = HttpRequest { headers, raw_headers: true, body: b"\x00\xff", raw_body: true, ..Default::default() };
    let proto = pb::CheckRequest::decode(&*encode(&CheckRequest { http: Some(http), ..Default::default() })).unwrap();
    let http = proto.attributes.unwrap().request.unwrap().http.unwrap();
    let raw: Vec<_> = http.header_map.unwrap().headers.into_iter().map(|header| header.raw_value).collect();
    assert_eq!(raw, [b"\xff".to_vec(), b"b".to_vec()]);
    assert!(http.headers.is_empty() && http.body.is_empty());
    assert_eq!(http.raw_body, b"\x00\xff");
}

/// What the service says, given as JSON.
fn said(response: Value) -> CheckResponse {
    let mut resource = response;
    resource["@type"] = "type.googleapis.com/envoy.service.auth.v3.CheckResponse".into();
    decode(&crate::dump::encode(&resource).unwrap()).unwrap()
}

#[test]
fn verdicts() {
    let ok = said(json!({"status": {"code": 0}, "ok_response": {
        "headers": [{"header": {"key": "X-A", "value": "1"}, "append": false}, {"header": {"key": "b", "raw_value": "/w=="}, "append_action": "ADD_IF_ABSENT"}],
        "headers_to_remove": ["X-Old"], "response_headers_to_add": [{"header": {"key": "r", "value": "v"}}],
        "query_parameters_to_set": [{"key": "q", "value": "1"}], "query_parameters_to_remove": ["z"]},
        "dynamic_metadata": {"who": "me"}}));
    assert_eq!(ok.metadata.as_deref(), Some(&json!({"who": "me"})));
    let Verdict::Allowed(allowed) = ok.verdict else { panic!("{ok:?}") };
    assert_eq!(allowed.headers[0].append, Some(false));
    assert_eq!(allowed.headers[1].action, Some(AppendAction::AddIfAbsent));
    assert_eq!(&allowed.headers[1].value[..], b"\xff");
    assert_eq!(allowed.remove, ["x-old"]);
    assert_eq!(allowed.response_headers[0].action, Some(AppendAction::AppendOrAdd));
    assert_eq!((allowed.query.len(), allowed.query_remove.len()), (1, 1));

    let denied = said(
        json!({"status": {"code": 7}, "denied_response": {"status": {"code": "Unauthorized"}, "body": "no", "headers": [{"header": {"key": "h", "value": "v"}}]}}),
    );
    let Verdict::Denied(answer) = denied.verdict else { panic!("{denied:?}") };
    assert_eq!((answer.status, &answer.body[..], answer.headers.len()), (Some(401), &b"no"[..], 1));

    assert!(matches!(said(json!({})).verdict, Verdict::Allowed(_)), "no status is OK, as protobuf has it");
    assert!(matches!(said(json!({"status": {"code": 7}})).verdict, Verdict::Denied(Denied { status: None, .. })));
    let failed = said(json!({"status": {"code": 13}, "error_response": {"status": {"code": "BadGateway"}}}));
    assert!(matches!(failed.verdict, Verdict::Failed(Denied { status: Some(502), .. })));
    let wrong =
        said(json!({"status": {"code": 7}, "ok_response": {"headers": [{"header": {"key": "a", "value": "b"}}]}}));
    assert!(matches!(wrong.verdict, Verdict::Denied(_)), "what it says beside a refusal grants nothing");
    let wrong = said(json!({"denied_response": {"body": "no"}}));
    assert!(matches!(wrong.verdict, Verdict::Allowed(_)), "Envoy goes by the status");
}

#[test]
fn garbage_is_no_permission() {
    for bytes in [&b"\xff"[..], b"\x0a\x05\x08", b"HTTP/1.1 200 OK"] {
        assert!(decode(bytes).is_err(), "{bytes:?}");
    }
}
