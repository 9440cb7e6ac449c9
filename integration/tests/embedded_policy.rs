//! Istio's AuthorizationPolicy and RequestAuthentication, in the shapes that istiod makes of it, between two real proxies with real identities.

use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::app::Raw;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh};
use outrigger_integration::parity::http::tokens::Key;
use serde_json::{Value, json};

const RATINGS_IDENTITY: &str = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings";
const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const NETWORK: &str = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";

/// A rule of a policy: who, and with which permissions.
fn policy(principal: &str, permissions: &[Value]) -> Value {
    let who = json!({ "authenticated": { "principal_name": { "exact": principal } } });
    json!({
        "permissions": [{ "and_rules": { "rules": permissions } }],
        "principals": [{ "and_ids": { "ids": [{ "or_ids": { "ids": [who] } }] } }]
    })
}

fn one_of(rule: Value) -> Value {
    json!({ "or_rules": { "rules": [rule] } })
}

fn rules(action: &str, policy: Value) -> Value {
    json!({ "action": action, "policies": { "ns[bookinfo]-policy[p]-rule[0]": policy } })
}

/// GET and a path, as `methods` and `paths` become.
fn reads(path: Value) -> Vec<Value> {
    let method = json!({ "header": { "name": ":method", "string_match": { "exact": "GET" } } });
    vec![one_of(method), one_of(path)]
}

fn template(template: &str) -> Value {
    json!({ "uri_template": {
        "name": "uri-template",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "path_template": template
        }
    } })
}

/// Puts a filter in front of the others, of details' requests or of its connections.
fn guard(mesh: &EmbeddedMesh, filter: Value) {
    let name = format!("{}_{}", mesh.ingress.ip(), mesh.ingress.port());
    mesh.control_plane.edit(DETAILS, move |set| {
        let chains = set.edit(types::LISTENER, &name)["filter_chains"].as_array_mut().expect("chains");
        for chain in chains {
            let filters = chain["filters"].as_array_mut().expect("filters");
            let list = if filter["typed_config"]["@type"] == HTTP || filter["typed_config"]["@type"] == JWT {
                let manager = filters.last_mut().expect("the last filter");
                manager["typed_config"]["http_filters"].as_array_mut().expect("HTTP filters")
            } else {
                filters
            };
            list.insert(0, filter.clone());
        }
    });
}

async fn wait_status(mesh: &EmbeddedMesh, path: &str, status: u16) {
    let ask = async || (mesh.get(path).await.status == status).then_some(());
    mesh.ratings.wait_until(&format!("answering {status} for {path}"), ask).await;
}

#[tokio::test]
async fn requests_are_allowed_by_identity_method_and_path() {
    let mesh = EmbeddedMesh::start().await;
    let allow = rules("ALLOW", policy(RATINGS_IDENTITY, &reads(template("/details/*"))));
    guard(&mesh, json!({ "name": "envoy.filters.http.rbac", "typed_config": { "@type": HTTP, "rules": allow } }));
    wait_status(&mesh, "/elsewhere", 403).await;
    let denied = mesh.get("/elsewhere").await;
    assert_eq!(String::from_utf8_lossy(&denied.body), "RBAC: access denied", "{denied:?}");
    assert_eq!(mesh.get("/details/0?q").await.status, 200);
    assert_eq!(mesh.get("/details/0/more").await.status, 403);
}

#[tokio::test]
async fn who_is_somebody_else_is_not_let_in_and_who_is_denied_neither() {
    let mesh = EmbeddedMesh::start().await;
    let any = || reads(json!({ "url_path": { "path": { "prefix": "/" } } }));
    // The same name with something behind it.
    let other = rules("ALLOW", policy("spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings-v2", &any()));
    guard(&mesh, json!({ "name": "envoy.filters.http.rbac", "typed_config": { "@type": HTTP, "rules": other } }));
    wait_status(&mesh, "/", 403).await;
    let mesh = EmbeddedMesh::start().await;
    let path = || reads(json!({ "url_path": { "path": { "exact": "/admin" } } }));
    let deny = rules("DENY", policy(RATINGS_IDENTITY, &path()));
    guard(&mesh, json!({ "name": "envoy.filters.http.rbac", "typed_config": { "@type": HTTP, "rules": deny } }));
    wait_status(&mesh, "/admin", 403).await;
    assert_eq!(mesh.get("/admin?q").await.status, 403);
    assert_eq!(mesh.get("/administration").await.status, 200);
}

#[tokio::test]
async fn connections_are_judged_before_their_requests() {
    let mesh = EmbeddedMesh::start().await;
    let port = json!({ "destination_port": mesh.ingress.port() });
    let deny = rules("DENY", policy(RATINGS_IDENTITY, &[one_of(port)]));
    let config = json!({ "@type": NETWORK, "stat_prefix": "tcp.", "rules": deny });
    guard(&mesh, json!({ "name": "envoy.filters.network.rbac", "typed_config": config }));
    // The connection ends without an answer: the caller's sidecar says so.
    wait_status(&mesh, "/", 503).await;
}

const JWT: &str = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";

/// A filter that demands a token of `https://idp`, whose keys come from here.
fn demands(keys: &Value) -> Value {
    let mut provider = json!({ "issuer": "https://idp", "payload_in_metadata": "payload" });
    for (name, value) in keys.as_object().into_iter().flatten() {
        provider[name] = value.clone();
    }
    json!({ "name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": JWT,
        "providers": { "origins-0": provider },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "origins-0" } }]
    } })
}

/// Where keys are fetched from.
fn remote(more: &Value) -> Value {
    let mut remote = json!({ "http_uri": { "uri": "https://idp/keys", "cluster": "idp", "timeout": "5s" } });
    for (name, value) in more.as_object().into_iter().flatten() {
        remote[name] = value.clone();
    }
    json!({ "remote_jwks": remote })
}

/// A server of these octets, and a cluster of that name which leads to it.
async fn key_server(mesh: &EmbeddedMesh, status: &str, body: &str) -> Raw {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let server = Raw::answering(head.leak().as_bytes()).await;
    let at = server.address();
    let address = json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
    let cluster = json!({
        "name": "idp", "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": { "cluster_name": "idp", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] }
    });
    mesh.control_plane.edit(DETAILS, move |set| set.put(types::CLUSTER, "idp", cluster.clone()));
    server
}

fn token(key: &Key) -> String {
    let claims = json!({ "iss": "https://idp", "sub": "ann", "exp": 4_102_444_800_u64 });
    key.token(&json!({ "alg": "RS256" }), &claims.to_string()).expect("it signs")
}

async fn with_token(mesh: &EmbeddedMesh, token: &str) -> (u16, String) {
    let request = Request::get("/").host("details").header("authorization", &format!("Bearer {token}"));
    let reply = request.send(mesh.egress).await;
    (reply.status, reply.text())
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_or_before() {
    let (key, other) = (Key::rsa().expect("a key"), Key::rsa().expect("a key"));
    for early in [json!({}), json!({ "async_fetch": {} }), json!({ "async_fetch": { "fast_listener": true } })] {
        let mesh = EmbeddedMesh::start().await;
        let keys = json!({ "keys": [key.jwk(&json!({}))] }).to_string();
        let _server = key_server(&mesh, "200 OK", &keys).await;
        guard(&mesh, demands(&remote(&early)));
        wait_status(&mesh, "/", 401).await;
        assert_eq!(with_token(&mesh, &token(&key)).await.0, 200, "{early}");
        assert_eq!(with_token(&mesh, &token(&other)).await, (401, "Jwt verification fails".to_owned()));
    }
}

#[tokio::test]
async fn without_their_keys_tokens_are_refused() {
    let key = Key::rsa().expect("a key");
    for early in [json!({}), json!({ "async_fetch": { "failed_refetch_duration": "3600s" } })] {
        let mesh = EmbeddedMesh::start().await;
        let _server = key_server(&mesh, "200 OK", "no keys").await;
        guard(&mesh, demands(&remote(&early)));
        wait_status(&mesh, "/", 401).await;
        let answer = with_token(&mesh, &token(&key)).await;
        assert_eq!(answer, (401, "Jwks remote fetch is failed".to_owned()), "{early}");
    }
}

#[tokio::test]
async fn a_key_set_that_is_none_stops_the_listener_that_had_one() {
    let mesh = EmbeddedMesh::start().await;
    let key = Key::rsa().expect("a key");
    let keys = json!({ "keys": [key.jwk(&json!({}))] }).to_string();
    guard(&mesh, demands(&json!({ "local_jwks": { "inline_string": keys } })));
    wait_status(&mesh, "/", 401).await;
    assert_eq!(with_token(&mesh, &token(&key)).await.0, 200);
    let secret = "eyJrdHkiOiJvY3QiLCJrIjoiQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQSJ9";
    guard(&mesh, demands(&json!({ "local_jwks": { "inline_string": secret } })));
    let said =
        mesh.details.wait_line(|line| line.text.contains("has invalid local jwks: Jwks is an invalid JSON")).await;
    assert!(!said.text.contains(secret), "what should have been keys is not repeated");
    wait_status(&mesh, "/", 503).await;
}
