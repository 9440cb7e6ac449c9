//! Formats that Istio and Envoy use, and formats that are wrong.

use super::*;

/// Istio's default text format (`mesh.accessLogFormat` unset).
const ISTIO: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
    %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
    \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
    %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

fn operators(text: &str) -> Vec<String> {
    let format = format::parse(text).unwrap();
    let parts = format.parts.iter().filter_map(|part| match part {
        Part::Operator { operator, limit } => {
            Some(format!("{operator:?}{}", limit.map_or(String::new(), |limit| format!(":{limit}"))))
        }
        Part::Literal(_) => None,
    });
    parts.collect()
}

#[test]
fn istios_default_line() {
    let found = operators(ISTIO);
    assert_eq!(found.len(), 24);
    assert_eq!(found[2], "RequestHeader(\"x-envoy-original-path\", Some(\":path\"))");
    assert!(!found.iter().any(|operator| operator.contains("Absent")));
    assert!(matches!(format::parse(ISTIO).unwrap().parts.last(), Some(Part::Literal(text)) if &**text == "\n"));
}

#[test]
fn envoys_default_line() {
    assert_eq!(operators(format::DEFAULT).len(), 15);
}

#[test]
fn parameters_lengths_and_percent_signs() {
    assert_eq!(
        operators("%REQ(X-A?X-B):10%%%%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%"),
        [
            "RequestHeader(\"x-a\", Some(\"x-b\")):10",
            "Time { of: Start, local: false, pattern: Some(\"%Y/%m/%dT%H:%M:%S%z %s\") }"
        ]
    );
    assert_eq!(operators("100%%"), [""; 0]);
    assert_eq!(operators("%DYNAMIC_METADATA(a:b:c):9%%CEL(request.path)%%FILTER_STATE(x:PLAIN)%").len(), 3);
    assert_eq!(operators("%ENVIRONMENT(HOME)%"), ["Environment(\"HOME\")"]);
}

#[test]
fn wrong_formats() {
    let wrong = |text: &str| format::parse(text).unwrap_err();
    assert_eq!(wrong("a %NOPE% b"), "Not supported field in StreamInfo: NOPE; correct it, or take it out");
    assert_eq!(
        wrong("ab %REQ(X"),
        "Incorrect configuration. Couldn't find valid command at position 3; write %% for a percent sign"
    );
    assert!(!wrong("Basic dXNlcjpwYXNz%").contains("dXN"), "credentials are not shown");
    for text in [
        "%",
        "%a%",
        "%REQ(X):%",
        "%REQ(X):9",
        "%REQ%",
        "%REQ()%",
        "%REQ(A?B?C)%",
        "%PROTOCOL(x)%",
        "%PROTOCOL:3%",
        "%REQ(X):99999999999999999999999%",
        "%REQ(X\n)%",
        "%REQ(X-A:3)%",
        "%REQ(X A)%",
        "%REQ(A?B C)%",
        "%REQ(:)%",
        "%REQ(::a)%",
        "%RESP(é)%",
        "%TRAILER(a/b)%",
        "%START_TIME(%Y\n)%",
        "%é%",
    ] {
        wrong(text);
    }
}

/// What Envoy 1.40 takes: each command of its page on substitutions, and what may stand in its parentheses.
const TAKEN: &[&str] = &[
    "START_TIME",
    "START_TIME(%Y %s %3f)",
    "START_TIME_LOCAL",
    "START_TIME_LOCAL(%Y-%m-%dT%H:%M:%S%z)",
    "EMIT_TIME",
    "EMIT_TIME(%s.%6f)",
    "EMIT_TIME_LOCAL",
    "EMIT_TIME_LOCAL(%z)",
    "REQUEST_HEADERS_BYTES",
    "BYTES_RECEIVED",
    "BYTES_RETRANSMITTED",
    "PACKETS_RETRANSMITTED",
    "PROTOCOL",
    "UPSTREAM_PROTOCOL",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)",
    "RESPONSE_CODE_DETAILS(X)",
    "CONNECTION_TERMINATION_DETAILS",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "BYTES_SENT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_WIRE_BYTES_SENT",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DURATION",
    "COMMON_DURATION(DS_RX_BEG:DS_RX_END:ms)",
    "COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)",
    "COMMON_DURATION(US_CX_BEG:US_CX_END:ns)",
    "COMMON_DURATION(US_CX_END:US_HS_END:ns)",
    "COMMON_DURATION(US_TX_BEG:US_TX_END:ns)",
    "COMMON_DURATION(US_RX_BEG:US_RX_END:ns)",
    "COMMON_DURATION(US_RX_BODY_BEG:US_RX_END:ns)",
    "COMMON_DURATION(DS_TX_BEG:DS_TX_END:ns)",
    "COMMON_DURATION(foo:bar:ns)",
    "COMMON_DURATION(DS_TX_END:DS_RX_BEG:us)",
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "RESPONSE_DURATION",
    "ROUNDTRIP_DURATION",
    "RESPONSE_TX_DURATION",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "ROUTE_NAME",
    "VIRTUAL_CLUSTER_NAME",
    "UPSTREAM_HOST",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16)",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(77)",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT(9)",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
    "CONNECTION_ID",
    "UPSTREAM_CONNECTION_ID",
    "STREAM_ID",
    "GRPC_STATUS",
    "GRPC_STATUS(SNAKE_STRING)",
    "GRPC_STATUS(NUMBER)",
    "GRPC_STATUS(CAMEL_STRING)",
    "GRPC_STATUS_NUMBER",
    "REQUEST_HEADER(:method)",
    "REQ(x-none?:path):3",
    "REQ(user-agent?x)",
    "RESP(content-type)",
    "RESPONSE_HEADER(:status)",
    "TRAILER(x)",
    "RESPONSE_TRAILER(x-t)",
    "DYNAMIC_METADATA(ns)",
    "DYNAMIC_METADATA(ns:k)",
    "DYNAMIC_METADATA(ns:k):2",
    "DYNAMIC_METADATA(ns:o)",
    "DYNAMIC_METADATA(ns:o):3",
    "DYNAMIC_METADATA(ns:o:i)",
    "DYNAMIC_METADATA(ns:n)",
    "DYNAMIC_METADATA(ns:b)",
    "DYNAMIC_METADATA(ns:l)",
    "DYNAMIC_METADATA(no)",
    "CLUSTER_METADATA(cm:k)",
    "CLUSTER_METADATA(cm)",
    "UPSTREAM_METADATA(hm:k)",
    "UPSTREAM_METADATA(hm)",
    "FILTER_STATE(fs)",
    "FILTER_STATE(fs:PLAIN)",
    "FILTER_STATE(fs:TYPED)",
    "FILTER_STATE(fs:PLAIN):3",
    "FILTER_STATE(fs:FIELD:x)",
    "FILTER_STATE(none)",
    "UPSTREAM_FILTER_STATE(fs)",
    "REQUESTED_SERVER_NAME",
    "REQUESTED_SERVER_NAME(SNI_FIRST)",
    "REQUESTED_SERVER_NAME(SNI_FIRST:ORIG)",
    "REQUESTED_SERVER_NAME(HOST_FIRST)",
    "REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)",
    "REQUESTED_SERVER_NAME(HOST_FIRST:HOST)",
    "REQUESTED_SERVER_NAME(SNI_ONLY)",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_CERT",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_CERT_V_START(%Y)",
    "DOWNSTREAM_PEER_CERT_V_END",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_CERT_V_START",
    "UPSTREAM_PEER_CERT_V_END",
    "UPSTREAM_PEER_CERT_V_END(%s)",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_LOCAL_URI_SAN",
    "UPSTREAM_LOCAL_DNS_SAN",
    "UPSTREAM_LOCAL_IP_SAN",
    "HOSTNAME",
    "LOCAL_REPLY_BODY",
    "FILTER_CHAIN_NAME",
    "LISTENER_NAME",
    "ACCESS_LOG_TYPE",
    "UNIQUE_ID",
    "ENVIRONMENT(HOME)",
    "ENVIRONMENT(NONE)",
    "ENVIRONMENT(HOME):2",
    "TRACE_ID",
    "SPAN_ID",
    "QUERY_PARAM(a)",
    "QUERY_PARAM(a):1",
    "QUERY_PARAM(zz)",
    "QUERY_PARAMS",
    "QUERY_PARAMS(DECODED)",
    "QUERY_PARAMS(ORIG)",
    "PATH",
    "PATH(NQ)",
    "PATH(WQ:PATH)",
    "PATH(NQ:ORIG)",
    "PATH(NQ:ORIG_OR_PATH):2",
    "CUSTOM_FLAGS",
    r#"COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":":authority"}]})"#,
    "METADATA(DYNAMIC:ns:k)",
    "METADATA(CLUSTER:cm:k)",
    "METADATA(ROUTE:rm:k)",
    "METADATA(ROUTE:rm)",
    "METADATA(UPSTREAM_HOST:hm:k)",
    "METADATA(LISTENER:lm:k)",
    "METADATA(LISTENER_FILTER_CHAIN:fcm:k)",
    "METADATA(VIRTUAL_HOST:vm:k)",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "COMMON_DURATION(DS_RX_BEG:DS_RX_END)",
    "CEL(response.code)",
    "TYPED_CEL(response.code)",
];

#[test]
fn every_command_that_envoy_documents_is_taken() {
    for command in TAKEN {
        assert!(format::parse(&format!("%{command}%")).is_ok_and(|format| format.parts.len() == 1), "{command}");
    }
}

#[test]
fn what_envoy_refuses_is_refused_in_its_words() {
    for (command, words) in [
        ("REQUEST_TRAILERS_BYTES", "Not supported field in StreamInfo: REQUEST_TRAILERS_BYTES"),
        ("UPSTREAM_LOCAL_SUBJECT", "Not supported field in StreamInfo: UPSTREAM_LOCAL_SUBJECT"),
        ("DOWNSTREAM_PEER_NOTHING", "Not supported field in StreamInfo: DOWNSTREAM_PEER_NOTHING"),
        ("DURATION:3", "DURATION does not take any parameters or length"),
        ("TRACE_ID(x)", "TRACE_ID does not take any parameters or length"),
        ("DOWNSTREAM_PEER_SUBJECT:3", "DOWNSTREAM_PEER_SUBJECT does not take any parameters or length"),
        ("EMIT_TIME(%Y):3", "EMIT_TIME does not allow length to be specified."),
        ("CLUSTER_METADATA(cm):5", "CLUSTER_METADATA does not allow length to be specified."),
        ("GRPC_STATUS:2", "GRPC_STATUS does not allow length to be specified."),
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16):3", "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT does not allow length"),
        ("COMMON_DURATION", "COMMON_DURATION requires parameters"),
        ("COMMON_DURATION(a)", "Invalid common duration configuration: a."),
        ("COMMON_DURATION(a:b:c)", "Invalid common duration precision: c."),
        ("FILTER_STATE", "Invalid filter state configuration, key cannot be empty."),
        ("FILTER_STATE(a:X)", "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD."),
        ("FILTER_STATE(a:FIELD)", "Invalid filter state serialize type, FIELD should be used with the field name."),
        ("FILTER_STATE(a:PLAIN:x)", "Invalid filter state serialize type, FIELD should be used with the field name."),
        ("GRPC_STATUS(X)", "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: X"),
        (
            "REQUESTED_SERVER_NAME(X)",
            "Invalid REQUESTED_SERVER_NAME option: 'X', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed",
        ),
        ("PATH(X)", "Invalid PATH option: 'X', only 'WQ'/'NQ' are allowed"),
        ("PATH(NQ:X)", "Invalid PATH option: 'X', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"),
        ("QUERY_PARAMS(RAW)", "Invalid QUERY_PARAMS option: 'RAW', only 'ORIG'/'DECODED' are allowed"),
        ("METADATA(X:a)", "X is not supported type of metadata"),
        ("METADATA", " is not supported type of metadata"),
        ("COALESCE({})", "COALESCE: JSON configuration must contain 'operators' array"),
        (r#"COALESCE({"operators":[]})"#, "COALESCE: 'operators' array must not be empty"),
        (r#"COALESCE({"operators":["NOPE"]})"#, "COALESCE: failed to parse operator at index 0: "),
        (r#"COALESCE({"operators":["COALESCE"]})"#, "COALESCE: failed to parse operator at index 0: "),
    ] {
        let error = format::parse(&format!("%{command}%")).unwrap_err();
        assert!(error.starts_with(words), "{command}: {error}");
    }
}
