//! The other places where filters are discovered: in listeners, before a filter chain is chosen, and behind the router, of a cluster and of the
//! router itself.

use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::{EmbeddedMesh, Options, RATINGS};
use serde_json::{Value, json};

use super::{MUTATION, discovery, egress, nack, send, wait_word};

const SET_FILTER_STATE: &str = "type.googleapis.com/envoy.extensions.filters.listener.set_filter_state.v3.Config";
const UPSTREAM_CODEC: &str = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const CLUSTER: &str = "outbound|9080||details.bookinfo.svc.cluster.local";

/// The egress listener of ratings has the filter `later` before its chains are chosen, and tells clients the word that it has set.
fn name_in_listener(mesh: &EmbeddedMesh, default: Option<Value>) {
    let listener = egress(mesh);
    let mut discovery = json!({
        "config_source": { "ads": {}, "initial_fetch_timeout": "0s" },
        "type_urls": [SET_FILTER_STATE]
    });
    if let Some(default) = default {
        discovery["default_config"] = default;
        discovery["apply_default_config_without_warming"] = json!(true);
    }
    mesh.control_plane.edit(RATINGS, move |set| {
        let listener = set.edit(types::LISTENER, &listener);
        listener["listener_filters"] = json!([{ "name": "later", "config_discovery": discovery }]);
        for filter in listener["filter_chains"][0]["filters"].as_array_mut().into_iter().flatten() {
            if let Some(filters) = filter["typed_config"]["http_filters"].as_array_mut() {
                filters.insert(
                    0,
                    json!({ "name": "teller", "typed_config": super::telling("%FILTER_STATE(later:PLAIN)%") }),
                );
            }
        }
    });
}

/// A listener filter that sets this word.
fn setting(word: &str) -> Value {
    let value = json!({
        "object_key": "later",
        "factory_key": "envoy.string",
        "format_string": { "text_format_source": { "inline_string": word } }
    });
    json!({ "@type": SET_FILTER_STATE, "on_accept": [value] })
}

async fn a_listener_filter_comes_and_changes(protocol: AdsProtocol) -> EmbeddedMesh {
    let mesh = EmbeddedMesh::start_with(Options { protocol, ..Options::default() }).await;
    name_in_listener(&mesh, None);
    // The listener waits for it, and the one before serves.
    assert_eq!(mesh.get("/").await.header("x-later"), None);
    send(&mesh, setting("one"));
    wait_word(&mesh, Some("one")).await;
    let listeners = mesh.ratings.stat("listener_manager.listener_modified").await;
    send(&mesh, setting("two"));
    wait_word(&mesh, Some("two")).await;
    assert_eq!(mesh.ratings.stat("listener_manager.listener_modified").await, listeners, "no listener changed");
    let before = mesh.control_plane.seen().len();
    send(&mesh, json!({ "@type": MUTATION, "mutations": {} }));
    let reason = nack(&mesh, before).await;
    assert!(reason.starts_with("later: typed_config: Error: filter config has type URL "), "{reason}");
    wait_word(&mesh, Some("two")).await;
    mesh
}

#[tokio::test]
async fn a_listener_filter_comes_changes_and_goes_over_delta() {
    let mesh = a_listener_filter_comes_and_changes(AdsProtocol::Delta).await;
    mesh.control_plane.edit(RATINGS, |set| set.remove(types::EXTENSION, "later"));
    let ask = async || Request::get("/").host("details.bookinfo:9080").try_send(mesh.egress).await;
    let closed = async || ask().await.is_err().then_some(());
    mesh.ratings.wait_until("closing connections", closed).await;
    assert!(ask().await.is_err());
    send(&mesh, setting("three"));
    let served = async || ask().await.ok().filter(|reply| reply.header("x-later") == Some("three")).map(drop);
    mesh.ratings.wait_until("serving connections", served).await;
}

#[tokio::test]
async fn a_listener_filter_comes_and_changes_over_state_of_the_world() {
    a_listener_filter_comes_and_changes(AdsProtocol::StateOfTheWorld).await;
}

#[tokio::test]
async fn a_listener_begins_with_the_default_of_its_filter() {
    let mesh = EmbeddedMesh::start().await;
    name_in_listener(&mesh, Some(setting("default")));
    wait_word(&mesh, Some("default")).await;
    send(&mesh, setting("sent"));
    wait_word(&mesh, Some("sent")).await;
}

/// A filter behind the router that tells the application this word.
fn telling(word: &str) -> Value {
    let header =
        json!({ "header": { "key": "x-later", "value": word }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
    json!({ "@type": MUTATION, "mutations": { "request_mutations": [{ "append": header }] } })
}

fn behind() -> Value {
    json!([
        { "name": "later", "config_discovery": discovery() },
        { "name": "codec", "typed_config": { "@type": UPSTREAM_CODEC } }
    ])
}

/// Asks until the application is told this word.
async fn wait_told(mesh: &EmbeddedMesh, word: &str) {
    let ask = async || {
        let reply = mesh.get("/").await;
        (reply.status == 200 && mesh.app.last().header("x-later") == Some(word)).then_some(())
    };
    mesh.ratings.wait_until("telling it", ask).await;
}

async fn come_and_change_behind_the_router(mesh: &EmbeddedMesh) {
    send(mesh, telling("one"));
    wait_told(mesh, "one").await;
    let (clusters, listeners) = (
        mesh.ratings.stat("cluster_manager.cluster_modified").await,
        mesh.ratings.stat("listener_manager.listener_modified").await,
    );
    send(mesh, telling("two"));
    wait_told(mesh, "two").await;
    assert_eq!(mesh.ratings.stat("cluster_manager.cluster_modified").await, clusters);
    assert_eq!(mesh.ratings.stat("listener_manager.listener_modified").await, listeners);
    let before = mesh.control_plane.seen().len();
    let mut bad = telling("bad");
    bad["mutations"]["request_mutations"][0]["append"]["header"]["key"] = json!("");
    send(mesh, bad);
    let reason = nack(mesh, before).await;
    assert!(reason.starts_with("later: typed_config.mutations.request_mutations[0]"), "{reason}");
    wait_told(mesh, "two").await;
}

async fn of_a_cluster(protocol: AdsProtocol) -> EmbeddedMesh {
    let mesh = EmbeddedMesh::start_with(Options { protocol, ..Options::default() }).await;
    mesh.control_plane.edit(RATINGS, |set| {
        set.edit(types::CLUSTER, CLUSTER)["typed_extension_protocol_options"] = json!({ OPTIONS: {
            "@type": format!("type.googleapis.com/{OPTIONS}"),
            "explicit_http_config": { "http_protocol_options": {} },
            "http_filters": behind()
        } });
    });
    // The cluster waits for it, and the one before serves.
    assert_eq!(mesh.get("/").await.status, 200);
    come_and_change_behind_the_router(&mesh).await;
    mesh
}

#[tokio::test]
async fn a_clusters_filter_comes_changes_and_goes_over_delta() {
    let mesh = of_a_cluster(AdsProtocol::Delta).await;
    mesh.control_plane.edit(RATINGS, |set| set.remove(types::EXTENSION, "later"));
    super::wait_status(&mesh, 500).await;
    let log = mesh.ratings.wait_access_log(" 500 NFCF ").await;
    assert!(log.contains("GET / "), "{log}");
}

#[tokio::test]
async fn a_clusters_filter_comes_and_changes_over_state_of_the_world() {
    of_a_cluster(AdsProtocol::StateOfTheWorld).await;
}

#[tokio::test]
async fn the_routers_filter_comes_and_changes() {
    let mesh = EmbeddedMesh::start().await;
    let listener = egress(&mesh);
    mesh.control_plane.edit(RATINGS, move |set| {
        let chains = set.edit(types::LISTENER, &listener)["filter_chains"].as_array_mut();
        for filter in chains.into_iter().flatten().flat_map(|chain| chain["filters"].as_array_mut()).flatten() {
            if let Some(router) = filter["typed_config"]["http_filters"].as_array_mut().and_then(|list| list.last_mut())
            {
                router["typed_config"]["upstream_http_filters"] = behind();
            }
        }
    });
    come_and_change_behind_the_router(&mesh).await;
}
