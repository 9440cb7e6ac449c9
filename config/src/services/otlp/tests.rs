//! Tests of `otlp`.

use super::*;

fn sent(origin: &Origin, span: Span) -> ResourceSpans {
    let mut octets = vec![1];
    encode(origin, vec![span], &mut octets);
    let request = ExportTraceServiceRequest::decode(&octets[1..]).unwrap();
    request.resource_spans.into_iter().next().unwrap()
}

fn one(span: Span) -> ProtoSpan {
    sent(&Origin::default(), span).scope_spans[0].spans[0].clone()
}

#[test]
fn spans_are_messages_of_otlp() {
    let mut span = Span {
        trace: [1; 16],
        id: [2; 8],
        parent: Some([3; 8]),
        remote_parent: true,
        state: "a=1".into(),
        name: "ingress".into(),
        start: 5,
        end: 7,
        events: vec![(6, "moment")],
        ..Span::default()
    };
    span.tag("a", "1");
    span.tag(String::from("b"), "2");
    span.tag("a", "3");
    let origin =
        Origin { resource: vec![("service.name".into(), "svc".into())], scope: Some(("envoy".into(), "1".into())) };
    let all = sent(&origin, span);
    let scope = &all.scope_spans[0];
    assert_eq!(all.resource.unwrap().attributes, [attribute("service.name".into(), "svc".into())]);
    assert_eq!(scope.scope.as_ref().map(|scope| (&*scope.name, &*scope.version)), Some(("envoy", "1")));
    let span = &scope.spans[0];
    assert_eq!(
        (&span.trace_id[..], &span.span_id[..], &span.parent_span_id[..]),
        (&[1; 16][..], &[2; 8][..], &[3; 8][..])
    );
    assert_eq!((&*span.trace_state, &*span.name, span.kind, span.flags), ("a=1", "ingress", 2, 0x301));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5, 7));
    assert_eq!(span.attributes, [attribute("a".into(), "3".into()), attribute("b".into(), "2".into())]);
    assert_eq!(span.events, [Event { time_unix_nano: 6, name: "moment".into() }]);
    assert_eq!(span.status, None);
    let plain = sent(&Origin::default(), Span::default());
    assert_eq!((plain.resource, plain.scope_spans[0].scope.clone()), (None, None));
    assert_eq!(plain.scope_spans[0].spans[0].flags, 0x101);
}

#[test]
fn statuses_are_errors_as_the_conventions_have_it() {
    let code = |kind, tags: &[(&'static str, &str)]| {
        let mut span = Span { kind, ..Span::default() };
        tags.iter().for_each(|(name, value)| span.tag(*name, *value));
        one(span).status.map(|status| status.code)
    };
    let (http, grpc) = (tags::HTTP_STATUS_CODE, tags::GRPC_STATUS_CODE);
    for (kind, tags, expected) in [
        (Kind::Server, &[(http, "200")][..], None),
        (Kind::Server, &[(http, "0")], None),
        (Kind::Server, &[(http, "404")], None),
        (Kind::Client, &[(http, "404")], Some(2)),
        (Kind::Server, &[(http, "500")], Some(2)),
        (Kind::Server, &[(http, "200"), (grpc, "13")], Some(2)),
        (Kind::Server, &[(http, "200"), (grpc, "5")], Some(0)),
        (Kind::Client, &[(grpc, "5"), (http, "200")], Some(2)),
        (Kind::Client, &[(grpc, "0"), (http, "200")], Some(0)),
        (Kind::Server, &[(http, "503"), (grpc, "x")], Some(0)),
    ] {
        assert_eq!(code(kind, tags), expected, "{kind:?} {tags:?}");
    }
}

#[test]
fn methods_are_those_that_are_known() {
    for (method, shown) in [("GET", "GET"), ("QUERY", "QUERY"), ("get", "_OTHER"), ("MINE", "_OTHER")] {
        let mut span = Span::default();
        span.tag(tags::HTTP_METHOD, method);
        assert_eq!(one(span).attributes, [attribute(tags::HTTP_METHOD.into(), shown.into())]);
    }
}
