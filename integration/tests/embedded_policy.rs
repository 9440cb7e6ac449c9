//! Istio's AuthorizationPolicy, in the shapes that istiod makes of it, between two real proxies with real identities.

use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh};
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
            let list = if filter["typed_config"]["@type"] == HTTP {
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
