//! Questions and answers of rate limit services, octet for octet.

use super::*;

#[test]
fn a_question_says_all_that_a_limit_says() {
    let descriptor = Descriptor {
        entries: vec![(b"user", b"eve"), (b"odd", b"\xff")],
        limit: Some((7, Unit::named("MINUTE").expect("a unit"))),
        hits: Some(3),
        negative: true,
    };
    let question = Question { domain: "d", hits: 2, descriptors: vec![descriptor, Descriptor::default()] };
    let told = pb::RateLimitRequest::decode(&encode(&question)[..]).expect("a message");
    assert_eq!((told.domain.as_str(), told.hits_addend, told.descriptors.len()), ("d", 2, 2));
    let first = &told.descriptors[0];
    let entries: Vec<_> = first.entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    assert_eq!(entries, [("user", "eve"), ("odd", "!")]);
    let limit = first.limit.as_ref().expect("a limit");
    assert_eq!((limit.requests_per_unit, limit.unit), (7, 2));
    assert_eq!((first.hits_addend.as_ref().map(|hits| hits.value), first.is_negative_hits), (Some(3), true));
    assert_eq!(told.descriptors[1], common::RateLimitDescriptor::default());
}

#[test]
fn an_answer_is_read() {
    use pb::rate_limit_response::{Code, DescriptorStatus, RateLimit, rate_limit};
    let header = |key: &str, value: &str, raw: &[u8]| core::HeaderValue {
        key: key.into(),
        value: value.into(),
        raw_value: raw.to_vec(),
    };
    let status = |code: Code, unit: i32, seconds: i64| DescriptorStatus {
        code: code as i32,
        current_limit: Some(RateLimit { name: "n".into(), requests_per_unit: 9, unit }),
        limit_remaining: 4,
        duration_until_reset: Some(wkt::Duration { seconds, nanos: -5 }),
        ..DescriptorStatus::default()
    };
    let answer = pb::RateLimitResponse {
        overall_code: Code::OverLimit as i32,
        statuses: vec![
            status(Code::OverLimit, rate_limit::Unit::Hour as i32, 5),
            status(Code::Ok, 99, -1),
            DescriptorStatus::default(),
        ],
        response_headers_to_add: vec![header("a", "1", b""), header("b", "", b"2")],
        request_headers_to_add: vec![header("c", "3", b"x")],
        raw_body: b"\xff".to_vec(),
        dynamic_metadata: Some(proto::json_to_struct(&serde_json::json!({ "k": "v" }))),
        quota: None,
    };
    let read = decode(&answer.encode_to_vec()).expect("an answer");
    assert!(read.over_limit);
    let limit = |window| Some(Limit { name: "n".into(), requests: 9, window });
    let expected = [
        Status { over_limit: true, limit: limit(Some(3600)), remaining: 4, until_reset: Some(Duration::from_secs(5)) },
        Status { over_limit: false, limit: limit(None), remaining: 4, until_reset: Some(Duration::ZERO) },
        Status::default(),
    ];
    assert_eq!(read.statuses, expected);
    let headers = |list: &[(String, Bytes)]| {
        list.iter().map(|(name, value)| format!("{name}={}", value.escape_ascii())).collect::<Vec<_>>()
    };
    assert_eq!(
        (headers(&read.response_headers), headers(&read.request_headers)),
        (vec!["a=1".into(), "b=2".into()], vec!["c=3".into()])
    );
    assert_eq!((&read.body[..], read.metadata.as_deref()), (&b"\xff"[..], Some(&serde_json::json!({ "k": "v" }))));
}

#[test]
fn what_says_nothing_limits_nothing_and_what_is_no_answer_is_none() {
    assert!(!decode(b"").expect("an empty message is one").over_limit);
    assert!(decode(b"\xff\xff").is_err());
    assert!(decode(&[0x12, 0x20, 1]).is_err(), "half a message");
}
