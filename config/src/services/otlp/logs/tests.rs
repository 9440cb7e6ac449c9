//! Tests of `logs`.

use super::*;

#[test]
fn records_stand_below_their_resource() {
    let attributes = vec![
        (Arc::from("n"), Value::Int(3)),
        (Arc::from("l"), Value::List(vec![Value::Text("a".into()), Value::Nothing])),
        (Arc::from("m"), Value::Map(vec![(Arc::from("k"), Value::Bool(true))])),
    ];
    let record = Record {
        time: 5,
        body: Some(Value::Text("b".into())),
        attributes: attributes.clone(),
        span: Some(([1; 16], [2; 8])),
    };
    let mut out = Vec::new();
    message(&resource(attributes.clone()), vec![record.encode()], &mut out);
    let request = Request::decode(&*out).unwrap();
    let of = &request.resource_logs[0];
    let resource = Resource::decode(&**of.resource.as_ref().unwrap()).unwrap();
    assert_eq!(resource.attributes.iter().map(super::super::value::pair).collect::<Vec<_>>(), attributes);
    let record = LogRecord::decode(&*of.scope_logs[0].log_records[0]).unwrap();
    assert_eq!((record.time_unix_nano, &*record.trace_id, &*record.span_id), (5, &[1; 16][..], &[2; 8][..]));
    assert_eq!(record.body, Some(Value::Text("b".into()).message()));
}

#[test]
fn what_a_collector_rejects_is_read() {
    let answer =
        |rejected| Answer { partial_success: Some(Partial { rejected_log_records: rejected }) }.encode_to_vec();
    assert_eq!((rejected(&answer(3)), rejected(&answer(-1)), rejected(b""), rejected(b"\xff")), (3, 0, 0, 0));
}
