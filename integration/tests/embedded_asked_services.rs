//! Services of the mesh that a sidecar asks about each request, over real mutual TLS: an authorizer in HTTP and one in gRPC, and a rate limit
//! service. All of them are behind the sidecar of details, which the requests reach, too.

use outrigger_integration::apps::service::{Mode, Service};
use outrigger_integration::control_plane::model::Protocol;
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::client::{Reply, Request};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, RATINGS};
use serde_json::{Value, json};

const CALLER: &str = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings";
const CLUSTER: &str = "outbound|9080||details.bookinfo.svc.cluster.local";
/// What istiod has for it: no host has the sign that stands in the names of clusters.
const AUTHORITY: &str = "outbound_.9080_._.details.bookinfo.svc.cluster.local";

/// A mesh whose details is such services, and is reached in this protocol.
async fn start(protocol: Protocol) -> (EmbeddedMesh, Service) {
    let service = Service::start(Mode::Ok).await;
    let target = service.address();
    let mesh = EmbeddedMesh::start_changed(move |mesh| {
        for port in mesh.services.iter_mut().flat_map(|service| &mut service.ports) {
            port.protocol = protocol;
        }
        for ingress in &mut mesh.find_mut(DETAILS).ingress {
            (ingress.protocol, ingress.target) = (protocol, target);
        }
    })
    .await;
    (mesh, service)
}

/// Puts filters in front of the others of ratings' requests, or of its connections.
fn guard(mesh: &EmbeddedMesh, guards: Vec<Value>) {
    let name = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.clear_edits();
    mesh.control_plane.edit(RATINGS, move |set| {
        let chains = set.edit(types::LISTENER, &name)["filter_chains"].as_array_mut().expect("chains");
        for chain in chains {
            let filters = chain["filters"].as_array_mut().expect("filters");
            let of_connections =
                |one: &Value| one["typed_config"]["@type"].as_str().is_some_and(|name| name.contains(".network."));
            let list = if guards.iter().all(of_connections) {
                filters
            } else {
                let manager = filters.last_mut().expect("the last filter");
                manager["typed_config"]["http_filters"].as_array_mut().expect("HTTP filters")
            };
            list.splice(0..0, guards.iter().cloned());
        }
    });
}

fn authz(service: &str, fields: &Value) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "status_on_error": { "code": 503 },
        "transport_api_version": "V3"
    });
    config[service] = fields.clone();
    json!({ "name": "envoy.filters.http.ext_authz", "typed_config": config })
}

fn over_http(cluster: &str) -> Value {
    authz(
        "http_service",
        &json!({
            "server_uri": { "uri": "http://authz.bookinfo/", "cluster": cluster, "timeout": "2s" },
            "path_prefix": "/authz"
        }),
    )
}

fn over_grpc(cluster: &str) -> Value {
    authz(
        "grpc_service",
        &json!({ "envoy_grpc": { "cluster_name": cluster, "authority": AUTHORITY }, "timeout": "2s" }),
    )
}

async fn wait_until(mesh: &EmbeddedMesh, path: &str, what: &str, holds: impl AsyncFn(&Reply) -> bool) -> Reply {
    let ask = async || {
        let reply = mesh.get(path).await;
        holds(&reply).await.then_some(reply)
    };
    mesh.ratings.wait_until(what, ask).await
}

fn asked(service: &Service, target: &str) -> bool {
    service.asked().iter().any(|asked| asked.target == target)
}

#[tokio::test]
async fn an_http_authorizer_is_asked_with_the_sidecar_s_identity() {
    let (mesh, service) = start(Protocol::Http).await;
    guard(&mesh, vec![over_http(CLUSTER)]);
    wait_until(&mesh, "/seen", "asking the authorizer", async |_| asked(&service, "/authz/seen")).await;
    let question = service.asked().into_iter().find(|asked| asked.target == "/authz/seen").expect("it was asked");
    let certificate = question.headers["x-forwarded-client-cert"].to_str().expect("a text").to_owned();
    assert!(certificate.ends_with(&format!(";URI={CALLER}")), "{certificate}");
    let granted = mesh.get("/granted").await;
    assert_eq!((granted.status, &granted.body[..]), (200, &b"granted"[..]), "{granted:?}");
    service.set_mode(Mode::Deny);
    let denied = mesh.get("/denied").await;
    assert_eq!((denied.status, &denied.body[..]), (403, &b"denied"[..]), "{denied:?}");
    assert!(asked(&service, "/authz/denied") && !asked(&service, "/denied"), "nobody but the authorizer heard of it");
    service.set_mode(Mode::Close);
    assert_eq!(mesh.get("/closed").await.status, 503);
    assert!(!asked(&service, "/closed"));
    // It stays closed where nobody can be asked.
    service.set_mode(Mode::Ok);
    guard(&mesh, vec![over_http("nowhere")]);
    wait_until(&mesh, "/nowhere", "asking nobody", async |reply| reply.status == 503).await;
    assert_eq!(mesh.get("/nobody").await.status, 503);
    assert!(!asked(&service, "/nobody"));
}

#[tokio::test]
async fn a_grpc_authorizer_that_goes_wrong_lets_nobody_pass() {
    let (mesh, service) = start(Protocol::Http2).await;
    guard(&mesh, vec![over_grpc(CLUSTER)]);
    wait_until(&mesh, "/seen", "asking the authorizer", async |_| !service.checks().is_empty()).await;
    assert_eq!(mesh.get("/granted").await.status, 200);
    for mode in [Mode::Deny, Mode::Garbage, Mode::Half, Mode::Close] {
        service.set_mode(mode);
        let path = format!("/{mode:?}");
        let status = mesh.get(&path).await.status;
        assert_eq!(status, if mode == Mode::Deny { 403 } else { 503 }, "{mode:?}");
        assert!(!asked(&service, &path), "{mode:?}");
    }
    service.set_mode(Mode::Ok);
    assert_eq!(mesh.get("/again").await.status, 200);
}

#[tokio::test]
async fn a_rate_limit_service_counts_for_all() {
    let (mesh, service) = start(Protocol::Http2).await;
    let config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
        "domain": "d", "timeout": "2s", "failure_mode_deny": true, "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "rate_limit_service": {
            "grpc_service": { "envoy_grpc": { "cluster_name": CLUSTER, "authority": AUTHORITY } },
            "transport_api_version": "V3"
        },
        "rate_limits": [{ "actions": [{ "request_headers": { "header_name": "x-user", "descriptor_key": "user" } }] }]
    });
    guard(&mesh, vec![json!({ "name": "envoy.filters.http.ratelimit", "typed_config": config })]);
    let send = async |user: &str| {
        Request::get("/").host("details.bookinfo:9080").header("x-user", user).send(mesh.egress).await
    };
    let limits = async || (send("first").await.header("x-ratelimit-limit").is_some()).then_some(());
    mesh.ratings.wait_until("asking the rate limit service", limits).await;
    for (expected, left) in [(200, "1"), (200, "0"), (429, "0")] {
        let reply = send("eve").await;
        assert_eq!(reply.status, expected, "{reply:?}");
        assert_eq!(reply.header("x-ratelimit-limit"), Some("2, 2;w=3600"), "{reply:?}");
        assert_eq!(reply.header("x-ratelimit-remaining"), Some(left), "{reply:?}");
        assert_eq!(reply.header("x-envoy-ratelimited"), (expected == 429).then_some("true"), "{reply:?}");
    }
    assert_eq!(send("bob").await.status, 200);
    // Without a user there is no limit, and nobody is asked.
    assert_eq!(mesh.get("/").await.status, 200);
    service.set_mode(Mode::Close);
    assert_eq!(send("carol").await.status, 500);
}

/// What istiod makes of an AuthorizationPolicy of action CUSTOM: rules that only mark what is theirs, and an authorizer for what is marked.
fn custom(kind: &str, permission: &Value, mut authorizer: Value) -> Vec<Value> {
    let policy = json!({
        "permissions": [{ "and_rules": { "rules": [permission] } }],
        "principals": [{ "and_ids": { "ids": [{ "any": true }] } }]
    });
    let mut rbac = json!({
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.rbac.v3.RBAC"),
        "shadow_rules": {
            "action": "DENY", "policies": { "istio-ext-authz-mine-ns[bookinfo]-policy[custom]-rule[0]": policy }
        },
        "shadow_rules_stat_prefix": "istio_ext_authz_"
    });
    if kind == "network" {
        rbac["stat_prefix"] = json!("tcp.");
    }
    authorizer["typed_config"]["filter_enabled_metadata"] = json!({
        "filter": format!("envoy.filters.{kind}.rbac"),
        "path": [{ "key": "istio_ext_authz_shadow_effective_policy_id" }],
        "value": { "string_match": { "prefix": "istio-ext-authz-mine" } }
    });
    vec![json!({ "name": format!("envoy.filters.{kind}.rbac"), "typed_config": rbac }), authorizer]
}

#[tokio::test]
async fn a_custom_policy_asks_only_about_what_it_is_for() {
    let (mesh, service) = start(Protocol::Http).await;
    let path = json!({ "or_rules": { "rules": [{ "url_path": { "path": { "prefix": "/guarded" } } }] } });
    guard(&mesh, custom("http", &path, over_http(CLUSTER)));
    wait_until(&mesh, "/guarded", "asking the authorizer", async |_| asked(&service, "/authz/guarded")).await;
    assert_eq!(mesh.get("/guarded/by").await.status, 200);
    assert_eq!(mesh.get("/open").await.status, 200);
    assert!(asked(&service, "/open") && !asked(&service, "/authz/open"), "{:?}", service.asked());
    service.set_mode(Mode::Deny);
    assert_eq!(mesh.get("/guarded/denied").await.status, 403);
    assert!(!asked(&service, "/guarded/denied"));
}

#[tokio::test]
async fn a_custom_policy_of_connections_asks_before_anything_goes_on() {
    let (mesh, service) = start(Protocol::Http2).await;
    let config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz",
        "stat_prefix": "tcp.", "transport_api_version": "V3",
        "grpc_service": { "envoy_grpc": { "cluster_name": CLUSTER, "authority": AUTHORITY }, "timeout": "2s" }
    });
    let authorizer = json!({ "name": "envoy.filters.network.ext_authz", "typed_config": config });
    guard(&mesh, custom("network", &json!({ "any": true }), authorizer));
    wait_until(&mesh, "/seen", "asking the authorizer", async |_| !service.checks().is_empty()).await;
    assert_eq!(mesh.get("/granted").await.status, 200);
    for mode in [Mode::Deny, Mode::Garbage, Mode::Close] {
        service.set_mode(mode);
        assert_eq!(heard(&mesh, "/not").await, b"", "{mode:?}");
        assert!(!asked(&service, "/not"), "{mode:?}");
    }
}

/// What a connection of its own hears.
async fn heard(mesh: &EmbeddedMesh, path: &str) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(mesh.egress).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: details.bookinfo:9080\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is open");
    let mut heard = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut heard).await;
    heard
}
