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
        ["RequestHeader(\"x-a\", Some(\"x-b\")):10", "StartTime(Some(\"%Y/%m/%dT%H:%M:%S%z %s\"))",]
    );
    assert_eq!(operators("100%%"), [""; 0]);
    assert_eq!(operators("%DYNAMIC_METADATA(a:b:c):9%%CEL(request.path)%%FILTER_STATE(x:PLAIN)%").len(), 3);
    assert_eq!(operators("%ENVIRONMENT(HOME)%"), ["Environment(\"HOME\")"]);
}

#[test]
fn wrong_formats() {
    let wrong = |text: &str| format::parse(text).unwrap_err();
    assert_eq!(wrong("a %NOPE% b"), "Not supported field in StreamInfo: NOPE; correct it, or take it out");
    assert_eq!(wrong("ab %REQ(X"), "Incorrect configuration: ab %REQ(X. Couldn't find valid command at position 3");
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
        "%START_TIME(%Y\n)%",
        "%é%",
    ] {
        wrong(text);
    }
}
