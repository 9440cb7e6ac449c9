//! Both messages, through the generated types.

use prost::Message as _;
use serde_json::json;

use super::*;
use crate::filters::ext_proc::HeaderMode;
use crate::proto::{envoy::service::ext_proc::v3 as pb, wkt};

/// The message as the service reads it, as JSON.
fn told(request: &ProcessingRequest<'_>) -> Value {
    let bytes = encode(request);
    let mut descriptors = crate::descriptors::Descriptors::new();
    let url = "type.googleapis.com/envoy.service.ext_proc.v3.ProcessingRequest";
    serde_json::to_value(crate::json::AnyJson::new(&mut descriptors, url, &bytes)).unwrap()
}

#[test]
fn each_part_is_told_with_what_belongs_to_it() {
    let (namespace, attributes) = (json!({"k": "v"}), json!({"request.path": "/a"}));
    let metadata = MetadataContext { plain: vec![("m", &namespace)], typed: vec![("t", ("u", b"\x08"))] };
    let first = ProcessingRequest {
        of: Of::Request,
        part: Part::Headers(vec![(":path", b"/a"), ("x", b"\xff")], true),
        metadata: &metadata,
        attributes: Some(&attributes),
        modes: Some((BodyMode::Streamed, BodyMode::Buffered)),
    };
    let value = told(&first);
    assert_eq!(value["request_headers"]["end_of_stream"], true);
    assert_eq!(value["request_headers"]["headers"]["headers"][1], json!({"key": "x", "raw_value": "/w=="}));
    assert_eq!(value["attributes"]["envoy.filters.http.ext_proc"], attributes);
    assert_eq!(value["metadata_context"]["filter_metadata"]["m"], namespace);
    assert_eq!(value["protocol_config"], json!({"request_body_mode": "STREAMED", "response_body_mode": "BUFFERED"}));
    let nothing = MetadataContext::default();
    let later = |of, part| told(&ProcessingRequest { of, part, metadata: &nothing, attributes: None, modes: None });
    let body = later(Of::Response, Part::Body(b"hello", false));
    assert_eq!(body["response_body"]["body"], "aGVsbG8=");
    assert_eq!((&body["attributes"], &body["protocol_config"]), (&Value::Null, &Value::Null), "said once");
    assert_eq!(
        later(Of::Request, Part::Trailers(vec![("x", b"1")]))["request_trailers"],
        json!({"trailers": {"headers": [{"key": "x", "raw_value": "MQ=="}]}})
    );
}

fn says(response: pb::ProcessingResponse) -> ProcessingResponse {
    decode(&response.encode_to_vec()).unwrap()
}

#[test]
fn what_is_said_is_read() {
    let nothing = says(pb::ProcessingResponse::default());
    assert!(nothing.answer.is_none() && nothing.mode.is_none() && nothing.timeout.is_none());
    let streamed = pb::processing_response::Response::StreamedImmediateResponse(Default::default());
    assert!(says(pb::ProcessingResponse { response: Some(streamed), ..Default::default() }).answer.is_none());

    let later = |seconds, nanos| {
        let timeout = Some(wkt::Duration { seconds, nanos });
        says(pb::ProcessingResponse { override_message_timeout: timeout, ..Default::default() }).timeout
    };
    assert_eq!(later(1, 999_999), Some(Some(1000)));
    assert_eq!([later(-1, 0), later(0, -1), later(i64::MAX, 0)], [Some(None); 3]);

    let mode = |body: i32| {
        let mode = crate::proto::extensions::filters::http::ext_proc::v3::ProcessingMode {
            request_body_mode: body,
            response_header_mode: 2,
            ..Default::default()
        };
        says(pb::ProcessingResponse { mode_override: Some(mode), ..Default::default() }).mode.unwrap()
    };
    let read = mode(2).unwrap();
    assert_eq!((read.request_body, read.response_headers), (BodyMode::Buffered, HeaderMode::Skip));
    assert!(mode(4).is_err() && mode(77).is_err(), "modes that do not act are none");

    let before = ProcessingMode { request_trailers: HeaderMode::Send, ..ProcessingMode::default() };
    let after = before.overridden(read);
    assert_eq!(after.request_trailers, HeaderMode::Send);
    assert!(after.is_like(ProcessingMode { request_headers: HeaderMode::Skip, ..after }));
}

#[test]
fn what_is_no_message_is_an_error() {
    for octets in [&b"\xff\xff\xff"[..], b"<html>", b"\x0a\x20half"] {
        assert!(decode(octets).is_err(), "{octets:?}");
    }
}
