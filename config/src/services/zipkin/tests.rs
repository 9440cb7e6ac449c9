//! Tests of `zipkin`.

use super::*;

fn span() -> Span {
    let mut span = Span {
        trace: 0x463ac35c9f6413ad48485a3953bb6124u128.to_be_bytes(),
        id: 1u64.to_be_bytes(),
        parent: Some(2u64.to_be_bytes()),
        name: "svc".into(),
        start: 5_000_900,
        end: 9_001_100,
        events: vec![(6_000_000, "moment")],
        shared: true,
        ..Span::default()
    };
    span.tag("a", "1");
    span
}

fn local() -> Local {
    Local { service: "me".into(), address: Some("10.0.0.1".parse().unwrap()) }
}

#[test]
fn spans_are_objects_of_the_second_version() {
    let told: Value = serde_json::from_slice(&json(&local(), &[span()])).unwrap();
    let expected = json!([{
        "traceId": "463ac35c9f6413ad48485a3953bb6124", "id": "0000000000000001", "parentId": "0000000000000002",
        "name": "svc", "kind": "SERVER", "timestamp": 5000, "duration": 4001, "shared": true,
        "localEndpoint": { "ipv4": "10.0.0.1", "port": 0, "serviceName": "me" },
        "annotations": [{ "timestamp": 6000, "value": "moment" }, { "timestamp": 9001, "value": "ss" }],
        "tags": { "a": "1" }
    }]);
    assert_eq!(told, expected);
    let short = Span { trace: 7u128.to_be_bytes(), kind: Kind::Client, parent: None, shared: false, ..span() };
    let told: Value = serde_json::from_slice(&json(&local(), &[short])).unwrap();
    assert_eq!((&told[0]["traceId"], &told[0]["kind"]), (&json!("0000000000000007"), &json!("CLIENT")));
    assert!(told[0].get("parentId").is_none() && told[0].get("shared").is_none());
    assert_eq!(told[0]["annotations"][1]["value"], "cr");
}

#[test]
fn ids_of_messages_are_octets_in_the_order_of_the_text() {
    let list = ListOfSpans::decode(&protobuf(&local(), &[span()])[..]).unwrap();
    let told = &list.spans[0];
    assert_eq!((&told.id[..], &told.parent_id[..]), (&[0, 0, 0, 0, 0, 0, 0, 1][..], &[0, 0, 0, 0, 0, 0, 0, 2][..]));
    assert_eq!((told.trace_id.len(), told.kind, told.timestamp, told.duration, told.shared), (16, 2, 5000, 4001, true));
    let endpoint = told.local_endpoint.as_ref().unwrap();
    assert_eq!((&*endpoint.service_name, &endpoint.ipv4[..]), ("me", &[10, 0, 0, 1][..]));
    assert_eq!(told.tags.get("a").map(String::as_str), Some("1"));
    assert_eq!(told.annotations.len(), 2);
}
