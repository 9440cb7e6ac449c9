//! The listeners of [`super`], and what is said to them.

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit::Unit,
};
use envoy_types::pb::google::protobuf::Duration;
use envoy_types::pb::google::rpc::Status;
use prost::Message;
use serde_json::{Value, json};

use super::service::Answer;
use super::shadows;

/// What is said to a listener, and what the service answers.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// To whom.
    pub listener: &'static str,
    /// What is said.
    pub says: Vec<u8>,
    /// The client's side ends after that.
    pub ends: bool,
    /// The answer.
    pub answer: Answer,
    /// How many questions are waited for.
    pub questions: usize,
}

/// Each listener's filters, with its log.
pub(super) fn listeners(log: &dyn Fn(&str) -> String) -> Vec<(&'static str, Value)> {
    let service = json!({ "server_uri": { "uri": "http://authz.example/", "cluster": "asked-1", "timeout": "5s" } });
    let mut whole = service.clone();
    whole["path_prefix"] = json!("/pre");
    whole["authorization_request"] = json!({ "headers_to_add": [{ "key": "x-add", "value": "%REQ(x-a)%-v" }] });
    whole["authorization_response"] = json!({
        "allowed_upstream_headers": { "patterns": [{ "prefix": "x-up" }] },
        "allowed_upstream_headers_to_append": { "patterns": [{ "exact": "x-more" }] },
        "allowed_client_headers_on_success": { "patterns": [{ "exact": "x-seen" }] },
        "dynamic_metadata_from_headers": { "patterns": [{ "prefix": "x-dm" }] }
    });
    let mut few = service.clone();
    few["path_override"] = json!("/o");
    few["authorization_response"] = json!({ "allowed_client_headers": { "patterns": [{ "exact": "x-c" }] } });
    let authz = |mut fields: Value| {
        fields["@type"] = json!("type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz");
        json!([{ "name": "authz", "typed_config": fields }])
    };
    let limits = |mut fields: Value| {
        fields["@type"] = json!("type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit");
        fields["domain"] = json!("d");
        fields["timeout"] = json!("5s");
        fields["rate_limit_service"] = rate_limit_service();
        json!([{ "name": "limit", "typed_config": fields }])
    };
    let manager = |name: &'static str, filters: Value, route: Value, host: Value| {
        (name, json!([http(name, &log(name), filters, route, host)]))
    };
    let scope = json!({ "limit": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
        "vh_rate_limits": "INCLUDE", "domain": "r" } });
    let own = json!([
        { "actions": [key("own")], "hits_addend": { "format": "%REQ(x-hits)%" } },
        { "actions": [key("given")], "hits_addend": { "number": 3, "is_negative_hits": true } }
    ]);
    let late = json!([
        { "actions": [key("first")] },
        { "actions": [key("last")], "hits_addend": { "format": "%RESPONSE_CODE%" }, "apply_on_stream_done": true }
    ]);
    let late = json!({ "limit": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
        "rate_limits": late } });
    let told = json!([{ "header": { "key": "x-told", "value": "%RESPONSE_CODE_DETAILS%" } }]);
    let mut listeners = vec![
        manager(
            "granting",
            authz(json!({ "http_service": whole, "status_on_error": { "code": 503 },
                "allowed_headers": { "patterns": [{ "prefix": "x-" }] },
                "disallowed_headers": { "patterns": [{ "exact": "x-no" }] } })),
            json!({}),
            json!({}),
        ),
        manager(
            "bodies",
            authz(json!({ "http_service": few, "encode_raw_headers": true, "stat_prefix": "b",
                "allowed_headers": { "patterns": [{ "exact": "a" }] },
                "with_request_body": { "max_request_bytes": 4, "allow_partial_message": true } })),
            json!({}),
            json!({}),
        ),
        manager(
            "open",
            authz(json!({ "http_service": service, "failure_mode_allow": true, "failure_mode_allow_header_add": true,
                "with_request_body": { "max_request_bytes": 4 }, "stat_prefix": "o" })),
            json!({}),
            json!({}),
        ),
        manager(
            "limited",
            limits(json!({ "enable_x_ratelimit_headers": "DRAFT_VERSION_03", "enable_retry_after_header": true,
                "response_headers_to_add": told })),
            json!({ "rate_limits": actions() }),
            json!({ "rate_limits": [{ "actions": [key("host")] }] }),
        ),
        manager(
            "host",
            limits(
                json!({ "stage": 2, "failure_mode_deny": true, "status_on_error": { "code": 502 }, "stat_prefix": "h" }),
            ),
            json!({ "rate_limits": [{ "stage": 2, "actions": [key("two")] }, { "actions": [key("none")] }] }),
            json!({ "rate_limits": [{ "stage": 2, "actions": [key("host")] }], "typed_per_filter_config": scope }),
        ),
        manager("own", limits(json!({ "rate_limits": own })), json!({ "rate_limits": actions() }), json!({})),
        manager("addresses", limits(json!({})), json!({ "rate_limits": addresses() }), json!({})),
        manager("late", limits(json!({})), json!({}), json!({ "typed_per_filter_config": late })),
        ("tcp authorized", json!([network_authz(false), echo("authorized", &log("tcp authorized"), RECEIVED)])),
        ("tcp open", json!([network_authz(true), echo("t", &log("tcp open"), "")])),
        ("tcp told", json!([shadow(), hears(network_authz(false)), echo("t", &log("tcp told"), RECEIVED)])),
        ("tcp limited", json!([network_limit("l", false), echo("t", &log("tcp limited"), "")])),
        ("tcp closed", json!([network_limit("c", true), echo("t", &log("tcp closed"), "")])),
    ];
    listeners.extend(shadows::listeners(log));
    listeners
}

/// An action that makes an entry of this value.
fn key(value: &str) -> Value {
    json!({ "generic_key": { "descriptor_value": value } })
}

/// All actions, and what else a route's limit may say.
fn actions() -> Value {
    json!([
        { "actions": [{ "source_cluster": {} }, { "destination_cluster": {} }, { "remote_address": {} }],
          "limit": { "rate_limit": { "requests_per_unit": 7, "unit": "HOUR" } } },
        { "actions": [{ "request_headers": { "header_name": "x-user", "descriptor_key": "user" } }], "disable_key": "k",
          "hits_addend": { "number": 9 } },
        { "actions": [{ "query_parameters": { "query_parameter_name": "q", "descriptor_key": "q" } }] },
        { "actions": [{ "masked_remote_address": { "v4_prefix_mask_len": 8 } }, { "header_value_match": {
            "descriptor_value": "hv", "headers": [{ "name": "x-user", "string_match": { "exact": "eve" } }] } }] },
        { "actions": [{ "query_parameter_value_match": { "descriptor_value": "qv", "query_parameters": [{ "name": "q", "present_match": true }] } }] },
        { "actions": [{ "metadata": { "descriptor_key": "m", "default_value": "none",
            "metadata_key": { "key": "f", "path": [{ "key": "k" }] } } }], "stage": 0 },
        { "actions": [key("another stage")], "stage": 1 }
    ])
}

/// Values that are formats.
fn addresses() -> Value {
    let limit = |value: &str, default: &str| {
        json!({ "actions": [{ "remote_address_match": { "descriptor_value": value, "default_value": default,
            "address_matcher": { "ranges": [{ "address_prefix": "127.0.0.0", "prefix_len": 8 }] } } }] })
    };
    json!([limit("%REQ(x-user)%", ""), limit("%REQ(x-none)%", ""), limit("%REQ(x-none)%", "none"), limit("100%%", "")])
}

fn rate_limit_service() -> Value {
    json!({ "grpc_service": { "envoy_grpc": { "cluster_name": "asked" } }, "transport_api_version": "V3" })
}

fn network_authz(open: bool) -> Value {
    json!({ "name": "authz", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
        "stat_prefix": if open { "open" } else { "tcp" }, "failure_mode_allow": open, "transport_api_version": "V3",
        "grpc_service": { "envoy_grpc": { "cluster_name": "asked" }, "timeout": "5s" },
        "include_tls_session": true, "bootstrap_metadata_labels_key": "LABELS" } })
}

/// Rules that are judged and not enforced, which leave metadata on the connection.
fn shadow() -> Value {
    let all = json!({ "permissions": [{ "any": true }], "principals": [{ "any": true }] });
    json!({ "name": "rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC", "stat_prefix": "shadow",
        "shadow_rules": { "action": "DENY", "policies": { "all": all } } } })
}

/// An authorizer that hears of metadata.
fn hears(mut filter: Value) -> Value {
    let namespaces = json!(["envoy.filters.network.rbac", "nothing"]);
    filter["typed_config"]["metadata_context_namespaces"] = namespaces.clone();
    filter["typed_config"]["typed_metadata_context_namespaces"] = namespaces;
    filter
}

fn network_limit(prefix: &str, deny: bool) -> Value {
    json!({ "name": "limit", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.ratelimit.v3.RateLimit",
        "stat_prefix": prefix, "domain": "t", "timeout": "5s", "failure_mode_deny": deny,
        "rate_limit_service": rate_limit_service(),
        "descriptors": [{ "entries": [{ "key": "k", "value": "v" },
            { "key": "from", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" }],
            "limit": { "requests_per_unit": 5, "unit": "HOUR" }, "hits_addend": 3 }] } })
}

/// What a log has of octets, where it does not depend on when they were read.
const RECEIVED: &str = " %BYTES_RECEIVED%";

/// A TCP proxy to the application, which is spoken to in HTTP.
fn echo(prefix: &str, log: &str, more: &str) -> Value {
    let format = format!("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%{more}");
    json!({ "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": prefix, "cluster": "app", "access_log": access_log(log, &format) } })
}

pub(super) fn access_log(path: &str, format: &str) -> Value {
    json!([{ "name": "log", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
        "log_format": { "text_format_source": { "inline_string": format!("{format}\n") } } } }])
}

fn http(name: &str, log: &str, mut filters: Value, mut route: Value, mut host: Value) -> Value {
    if let Some(filters) = filters.as_array_mut() {
        filters.push(json!({ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }));
    }
    route["cluster"] = json!("app");
    host["name"] = json!("all");
    host["domains"] = json!(["*"]);
    host["routes"] = json!([{ "match": { "prefix": "/a" }, "route": route }]);
    let format = "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% \
        %DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-dm)%%DYNAMIC_METADATA(envoy.filters.http.ratelimit)%";
    json!({ "name": "manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name, "generate_request_id": false, "http_filters": filters,
        "access_log": access_log(log, format),
        "route_config": { "virtual_hosts": [host] } } })
}

/// A request, on a connection that ends with it.
pub(super) fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: app\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: app\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn message(message: &impl Message) -> Answer {
    Answer::Message(Bytes::from(message.encode_to_vec()))
}

fn limit(code: Code) -> RateLimitResponse {
    RateLimitResponse { overall_code: code as i32, ..RateLimitResponse::default() }
}

/// A limit that says all that it can.
fn talkative(code: Code) -> Answer {
    let header =
        |key: &str, value: &str| HeaderValue { key: key.into(), value: value.into(), ..HeaderValue::default() };
    let status = |code: Code, name: &str, remaining: u32, seconds: i64| DescriptorStatus {
        code: code as i32,
        current_limit: Some(RateLimit { name: name.into(), requests_per_unit: 10, unit: Unit::Minute as i32 }),
        limit_remaining: remaining,
        duration_until_reset: Some(Duration { seconds, nanos: 0 }),
        ..DescriptorStatus::default()
    };
    message(&RateLimitResponse {
        statuses: vec![status(code, "per-user", 5, 3), status(code, "", 2, 40), DescriptorStatus::default()],
        response_headers_to_add: vec![header("x-limit", "1"), header("content-type", "a/b")],
        request_headers_to_add: vec![header("x-up", "1"), header("x-up", "2")],
        raw_body: b"too much".to_vec(),
        ..limit(code)
    })
}

/// Within its limit, with this header for the request.
fn says(key: &str, value: &str) -> Answer {
    let header = HeaderValue { key: key.into(), value: value.into(), ..HeaderValue::default() };
    message(&RateLimitResponse { request_headers_to_add: vec![header], ..limit(Code::Ok) })
}

/// All cases, in order.
pub fn all() -> Vec<Case> {
    let case = |name, listener, says, answer, questions| Case { name, listener, says, ends: false, answer, questions };
    let fails = || Answer::Status(14);
    let denied = &[
        ("www-authenticate", "Basic"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("x-c", "1"),
        ("content-type", "a/b"),
    ];
    let granted = &[
        ("x-up1", "s1"),
        ("x-up2", "s2"),
        ("x-more", "two"),
        ("x-seen", "1"),
        ("x-seen", "2"),
        ("x-dm", "told"),
        ("x-envoy-auth-headers-to-remove", "x-gone, :path,, host"),
    ];
    let tcp = |name, listener, answer, questions| Case {
        name,
        listener,
        says: get("/t", ""),
        ends: false,
        answer,
        questions,
    };
    let deny = CheckResponse { status: Some(Status { code: 7, ..Status::default() }), ..CheckResponse::default() };
    let mut cases = vec![
        case(
            "granted",
            "granting",
            get(
                "/a?q=1",
                "authorization: me\r\nx-a: 1\r\nx-a: 2\r\nx-no: 1\r\ny: 1\r\nx-more: one\r\nx-gone: 1\r\nx-up1: client\r\n",
            ),
            Answer::Http(200, granted, "unread"),
            1,
        ),
        case("denied", "granting", get("/a", ""), Answer::Http(401, denied, "who are you"), 1),
        case("another 2xx", "granting", get("/a", ""), Answer::Http(201, &[], ""), 1),
        case("a redirect", "granting", get("/a", ""), Answer::Http(302, &[("location", "/login")], ""), 1),
        case("5xx", "granting", get("/a", ""), Answer::Http(500, &[("x-up", "1")], "oops"), 1),
        case("no route", "granting", get("/none", ""), Answer::Http(500, &[], ""), 0),
        case(
            "a part of the body",
            "bodies",
            post("/a", "a: 1\r\na: \u{ff}\r\nb: 1\r\n", b"abcde\xff"),
            Answer::Http(200, &[], ""),
            1,
        ),
        case("all of the body", "bodies", post("/a", "", b"\xffb"), Answer::Http(200, &[], ""), 1),
        case("denied, few headers", "bodies", get("/a", ""), Answer::Http(403, denied, "no"), 1),
        case("fails open", "open", get("/a", ""), Answer::Http(503, &[], ""), 1),
        case("too long a body", "open", post("/a", "", b"abcde"), Answer::Http(200, &[], ""), 0),
        case("within all limits", "limited", get("/a?q=1", "x-user: eve\r\n"), talkative(Code::Ok), 1),
        case("above a limit", "limited", get("/a", ""), talkative(Code::OverLimit), 1),
        case("an answer that says nothing", "limited", get("/a", ""), message(&limit(Code::Unknown)), 1),
        case("no answer, open", "limited", get("/a", ""), fails(), 1),
        case(
            "a gRPC request above a limit",
            "limited",
            post("/a", "content-type: application/grpc\r\n", b""),
            message(&limit(Code::OverLimit)),
            1,
        ),
        case("a header that is none", "own", get("/a", ""), says("x-up", "a\u{1}b"), 1),
        case("a name that is none", "own", get("/a", ""), says("x up", "a"), 1),
        case("a path", "own", get("/a", ""), says(":path", "/other"), 1),
        case("a host", "own", get("/a", ""), says("host", "other"), 1),
        case("limits of the host, too", "host", get("/a", ""), message(&limit(Code::Ok)), 1),
        case("no answer, closed", "host", get("/a", ""), fails(), 1),
        case("limits of the filter", "own", get("/a", "x-hits: 4\r\n"), message(&limit(Code::Ok)), 1),
        case("values that are formats", "addresses", get("/a", "x-user: eve\r\n"), message(&limit(Code::Ok)), 1),
        case("no number of hits", "own", get("/a", "x-hits: many\r\n"), message(&limit(Code::Ok)), 1),
        case("the end is counted", "late", get("/a", ""), message(&limit(Code::Ok)), 2),
        tcp("a connection is granted", "tcp authorized", message(&CheckResponse::default()), 1),
        tcp("a connection is denied", "tcp authorized", message(&deny), 1),
        tcp("no verdict, closed", "tcp authorized", fails(), 1),
        tcp("no verdict, open", "tcp open", fails(), 1),
        tcp("metadata of the connection is told", "tcp told", message(&CheckResponse::default()), 1),
        tcp("a connection within its limit", "tcp limited", message(&limit(Code::Ok)), 1),
        tcp("a connection above its limit", "tcp limited", message(&limit(Code::OverLimit)), 1),
        tcp("a connection without an answer, open", "tcp limited", fails(), 1),
        tcp("a connection without an answer, closed", "tcp closed", fails(), 1),
        Case { says: Vec::new(), ends: true, ..tcp("a silent end is denied", "tcp authorized", message(&deny), 1) },
    ];
    cases.extend(shadows::cases());
    cases
}
