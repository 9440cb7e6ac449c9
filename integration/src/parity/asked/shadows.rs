//! Authorizers that are asked and not obeyed: their listeners, and what is said to them. Used by [`super::cases`].

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::BoolValue;
use envoy_types::pb::google::rpc::Status;
use prost::Message;
use serde_json::{Value, json};

use super::cases::{Case, access_log, get};
use super::service::Answer;

/// What a log says of a decision.
fn format(key: &str) -> String {
    let fields = ["TYPED", "PLAIN", "FIELD:check_result", "FIELD:status_code", "FIELD:response_headers", "FIELD:none"];
    let fields: Vec<_> = fields.iter().map(|field| format!("%FILTER_STATE({key}:{field})%")).collect();
    format!("%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% {}", fields.join(" "))
}

/// The listeners.
pub(super) fn listeners(log: &dyn Fn(&str) -> String) -> Vec<(&'static str, Value)> {
    let grpc = json!({ "envoy_grpc": { "cluster_name": "asked" }, "timeout": "5s" });
    let http = |name: &'static str, mut fields: Value| {
        fields["@type"] = json!("type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz");
        fields["shadow_mode"] = json!(true);
        let manager = json!({ "name": "manager", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name, "generate_request_id": false,
            "access_log": access_log(&log(name), &format("authz.shadow")),
            "http_filters": [{ "name": "authz", "typed_config": fields }, { "name": "router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
            "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
                { "match": { "prefix": "/" }, "route": { "cluster": "app" } }] }] } } });
        (name, json!([manager]))
    };
    let tcp = json!([
        { "name": "authz", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
            "stat_prefix": "shadow", "shadow_mode": true, "transport_api_version": "V3", "grpc_service": grpc } },
        { "name": "tcp", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "t", "cluster": "app",
            "access_log": access_log(&log("tcp shadow"), &format("envoy.filters.network.ext_authz")) } }
    ]);
    let service = json!({ "server_uri": { "uri": "http://authz.example/", "cluster": "asked-1", "timeout": "5s" },
        "authorization_response": { "allowed_client_headers": { "patterns": [{ "exact": "x-c" }] },
            "allowed_upstream_headers": { "patterns": [{ "prefix": "x-up" }] } } });
    let off = json!({ "default_value": { "numerator": 0 } });
    let denies = json!({ "default_value": true, "runtime_key": "denies" });
    vec![
        http(
            "shadow",
            json!({ "http_service": service, "failure_mode_allow": true, "status_on_error": { "code": 503 } }),
        ),
        http("shadow grpc", json!({ "grpc_service": grpc, "transport_api_version": "V3", "validate_mutations": true })),
        http("shadow off", json!({ "http_service": service, "filter_enabled": off, "deny_at_disable": denies })),
        ("tcp shadow", tcp),
    ]
}

fn answer(code: i32, http_response: Option<HttpResponse>) -> Answer {
    let status = Some(Status { code, ..Status::default() });
    Answer::Message(Bytes::from(CheckResponse { status, http_response, ..CheckResponse::default() }.encode_to_vec()))
}

/// A denial with a header that is none, and one that is to be appended.
#[allow(deprecated, reason = "Envoy looks at it in denials")]
fn denial(code: i32) -> Answer {
    let header = |key: &str, append: Option<bool>| HeaderValueOption {
        header: Some(HeaderValue { key: key.into(), value: "1".into(), ..HeaderValue::default() }),
        append: append.map(|value| BoolValue { value }),
        ..HeaderValueOption::default()
    };
    answer(
        7,
        Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus { code }),
            headers: vec![header("X-One", None), header("no header", Some(false)), header("x-more", Some(true))],
            body: "who are you".into(),
        })),
    )
}

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    let case = |name, listener, answer, questions| Case {
        name,
        listener,
        says: get("/s", "x-up1: client\r\n"),
        ends: false,
        answer,
        questions,
    };
    let denied = &[("www-authenticate", "Basic"), ("x-c", "1"), ("x-c", "2"), ("x-hidden", "1")];
    let fails = || Answer::Status(14);
    vec![
        case("a shadow grants", "shadow", Answer::Http(200, &[("x-up1", "s1")], ""), 1),
        case("a shadow denies", "shadow", Answer::Http(401, denied, "who are you"), 1),
        case("a shadow fails", "shadow", Answer::Http(500, denied, ""), 1),
        case("a shadow over gRPC grants", "shadow grpc", answer(0, None), 1),
        case("a shadow over gRPC denies", "shadow grpc", denial(401), 1),
        case("a shadow over gRPC denies and says no more", "shadow grpc", answer(13, None), 1),
        case("a shadow over gRPC denies with a status that is none", "shadow grpc", denial(700), 1),
        case("a shadow over gRPC fails", "shadow grpc", fails(), 1),
        case("a shadow that is off denies", "shadow off", fails(), 0),
        case("a shadow of connections grants", "tcp shadow", answer(0, None), 1),
        case("a shadow of connections denies", "tcp shadow", denial(401), 1),
        case("a shadow of connections denies and says no more", "tcp shadow", answer(7, None), 1),
        case("a shadow of connections fails", "tcp shadow", fails(), 1),
    ]
}
