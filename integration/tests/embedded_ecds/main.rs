//! Filters that are discovered (ECDS): what proxies ask for, what a config that comes, changes, is refused or goes means for requests.

mod places;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::resources::{ResourceSet, types};
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::client::{Connection, Request};
use outrigger_integration::embedded::sidecar::Launch;
use outrigger_integration::embedded::{EmbeddedMesh, Options, RATINGS};
use serde_json::{Value, json};

const MUTATION: &str = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
const BUFFER: &str = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer";
/// The flags that matter, and drains that are over soon.
const SHORT_DRAIN: &[&str] = &[
    "--drain-time-s",
    "1",
    "--drain-strategy",
    "immediate",
    "--file-flush-interval-msec",
    "100",
    "--disable-hot-restart",
    "--allow-unknown-static-fields",
];

/// A filter that tells the client this word.
fn telling(word: &str) -> Value {
    let header =
        json!({ "header": { "key": "x-later", "value": word }, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
    json!({ "@type": MUTATION, "mutations": { "response_mutations": [{ "append": header }] } })
}

fn put(set: &mut ResourceSet, config: Value) {
    set.put(types::EXTENSION, "later", json!({ "name": "later", "typed_config": config }));
}

/// Puts the filter `later` into the egress listener of ratings.
fn name_filter(set: &mut ResourceSet, listener: &str, discovery: &Value) {
    let chains = set.edit(types::LISTENER, listener)["filter_chains"].as_array_mut();
    for filter in chains.into_iter().flatten().flat_map(|chain| chain["filters"].as_array_mut()).flatten() {
        if let Some(filters) = filter["typed_config"]["http_filters"].as_array_mut() {
            filters.insert(0, json!({ "name": "later", "config_discovery": discovery }));
        }
    }
}

fn discovery() -> Value {
    json!({ "config_source": { "ads": {}, "initial_fetch_timeout": "0s" }, "type_urls": [MUTATION] })
}

fn egress(mesh: &EmbeddedMesh) -> String {
    format!("{}_{}", mesh.egress.ip(), mesh.egress.port())
}

/// Names the filter, from now on.
fn name(mesh: &EmbeddedMesh, discovery: Value) {
    let listener = egress(mesh);
    mesh.control_plane.edit(RATINGS, move |set| name_filter(set, &listener, &discovery));
}

/// Sends the config, from now on.
fn send(mesh: &EmbeddedMesh, config: Value) {
    mesh.control_plane.edit(RATINGS, move |set| put(set, config.clone()));
}

/// A mesh whose egress listener of ratings has the filter, which says this word.
async fn mesh_telling(options: Options, word: &'static str) -> EmbeddedMesh {
    let mesh = EmbeddedMesh::start_with(options).await;
    send(&mesh, telling(word));
    name(&mesh, discovery());
    wait_word(&mesh, Some(word)).await;
    mesh
}

/// Asks until the filter says this, or nothing.
async fn wait_word(mesh: &EmbeddedMesh, word: Option<&str>) {
    let ask = async || {
        let reply = mesh.get("/").await;
        (reply.status == 200 && reply.header("x-later") == word).then_some(())
    };
    mesh.ratings.wait_until("saying it", ask).await;
}

async fn wait_status(mesh: &EmbeddedMesh, status: u16) {
    let ask = async || (mesh.get("/").await.status == status).then_some(());
    mesh.ratings.wait_until("answering so", ask).await;
}

async fn nack(mesh: &EmbeddedMesh, from: usize) -> String {
    let refused = |seen: &Seen| {
        seen.workload == RATINGS && seen.type_url == types::EXTENSION && matches!(seen.what, What::Nack(_))
    };
    let What::Nack(reason) = mesh.control_plane.wait_for_after(from, refused).await.what else {
        unreachable!("it was asked for")
    };
    reason
}

async fn comes_changes_and_goes(protocol: AdsProtocol) -> EmbeddedMesh {
    let mesh = mesh_telling(Options { protocol, ..Options::default() }, "one").await;
    let listeners = mesh.ratings.stat("listener_manager.listener_modified").await;
    send(&mesh, telling("two"));
    wait_word(&mesh, Some("two")).await;
    assert_eq!(mesh.ratings.stat("listener_manager.listener_modified").await, listeners, "no listener changed");
    let dump = mesh.ratings.admin("/config_dump?resource=ecds_filters").await.text();
    assert!(dump.contains("\"name\": \"later\"") && dump.contains("\"two\"") && !dump.contains("\"one\""), "{dump}");
    mesh.control_plane.edit(RATINGS, |set| set.remove(types::EXTENSION, "later"));
    mesh
}

#[tokio::test]
async fn a_config_comes_changes_and_goes_over_delta() {
    let mesh = comes_changes_and_goes(AdsProtocol::Delta).await;
    wait_status(&mesh, 500).await;
    let log = mesh.ratings.wait_access_log(" 500 NFCF ").await;
    assert!(log.contains("GET / "), "{log}");
}

#[tokio::test]
async fn a_config_comes_and_changes_over_state_of_the_world_and_what_is_not_sent_again_stays() {
    let mesh = comes_changes_and_goes(AdsProtocol::StateOfTheWorld).await;
    let before = mesh.control_plane.seen().len();
    send(&mesh, telling("three"));
    wait_word(&mesh, Some("three")).await;
    let answered =
        |seen: &Seen| seen.workload == RATINGS && seen.type_url == types::EXTENSION && seen.what == What::Ack;
    mesh.control_plane.wait_for_after(before, answered).await;
}

#[tokio::test]
async fn a_listener_waits_for_its_filter_and_the_one_before_serves() {
    let mesh = EmbeddedMesh::start().await;
    let before = mesh.control_plane.seen().len();
    name(&mesh, discovery());
    let asked = |seen: &Seen| matches!(&seen.what, What::Subscribe { names, .. } if *names == ["later"]);
    mesh.control_plane.wait_for_after(before, |seen| seen.type_url == types::EXTENSION && asked(seen)).await;
    wait_word(&mesh, None).await;
    send(&mesh, telling("now"));
    wait_word(&mesh, Some("now")).await;
}

#[tokio::test]
async fn the_default_serves_until_something_comes_and_again_when_it_went() {
    let mesh = EmbeddedMesh::start().await;
    let mut discovery = discovery();
    discovery["default_config"] = telling("default");
    discovery["apply_default_config_without_warming"] = json!(true);
    name(&mesh, discovery);
    wait_word(&mesh, Some("default")).await;
    send(&mesh, telling("sent"));
    wait_word(&mesh, Some("sent")).await;
    mesh.control_plane.edit(RATINGS, |set| set.remove(types::EXTENSION, "later"));
    wait_word(&mesh, Some("default")).await;
}

#[tokio::test]
async fn a_config_that_is_no_good_or_of_another_type_is_refused_with_its_field_and_the_one_before_stays() {
    let mesh = mesh_telling(Options::default(), "good").await;
    let before = mesh.control_plane.seen().len();
    let mut bad = telling("bad");
    bad["mutations"]["response_mutations"][0]["append"]["header"]["key"] = json!("");
    send(&mesh, bad);
    let reason = nack(&mesh, before).await;
    assert!(reason.starts_with("later: typed_config.mutations.response_mutations[0]"), "{reason}");
    wait_word(&mesh, Some("good")).await;
    let before = mesh.control_plane.seen().len();
    send(&mesh, json!({ "@type": BUFFER, "max_request_bytes": 1 }));
    let reason = nack(&mesh, before).await;
    assert!(reason.starts_with("later: typed_config: Error: filter config has type URL "), "{reason}");
    wait_word(&mesh, Some("good")).await;
    send(&mesh, telling("better"));
    wait_word(&mesh, Some("better")).await;
}

/// Connections that ask one after another until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Result<(), String>>>,
}

impl Load {
    fn begin(mesh: &EmbeddedMesh) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let address = mesh.egress;
        let client = |_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                // One connection to the end: nothing that comes may drain it.
                let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
                while !stop.load(Ordering::Relaxed) {
                    let request = Request::get("/").host("details.bookinfo:9080");
                    let reply = connection.send(request).await.map_err(|error| error.to_string())?;
                    if reply.status != 200 || reply.header("x-later").is_none() || reply.header("connection").is_some()
                    {
                        return Err(format!("{reply:?}"));
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        };
        Load { clients: (0..4).map(client).collect(), stop, answered }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            assert_eq!(client.await.map_err(|error| error.to_string()), Ok(Ok(())));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_that_come_under_load_fail_no_request_and_end_no_connection() {
    let mesh = mesh_telling(Options::default(), "begin").await;
    let load = Load::begin(&mesh);
    for round in 0..20 {
        let (word, before) = (format!("word {round}"), load.answered.load(Ordering::Relaxed));
        send(&mesh, telling(&word));
        wait_word(&mesh, Some(&word)).await;
        let more = async || (load.answered.load(Ordering::Relaxed) > before + 20).then_some(());
        mesh.ratings.wait_until("answering meanwhile", more).await;
    }
    load.end().await;
}

#[tokio::test]
async fn what_came_is_kept_while_the_control_plane_is_away_and_not_sent_again() {
    let mesh = mesh_telling(Options::default(), "kept").await;
    let before = mesh.control_plane.seen().len();
    mesh.control_plane.stop().await;
    wait_word(&mesh, Some("kept")).await;
    mesh.control_plane.restart();
    let asked = |seen: &Seen| {
        let held =
            matches!(&seen.what, What::Subscribe { names, held, .. } if *names == ["later"] && *held == ["later"]);
        seen.workload == RATINGS && seen.type_url == types::EXTENSION && held
    };
    mesh.control_plane.wait_for_after(before, asked).await;
    wait_word(&mesh, Some("kept")).await;
}

#[tokio::test]
async fn a_name_that_no_listener_has_any_more_is_given_up() {
    let mesh = mesh_telling(
        Options { launch: Launch { flags: SHORT_DRAIN, ..Launch::default() }, ..Options::default() },
        "gone",
    )
    .await;
    let before = mesh.control_plane.seen().len();
    mesh.control_plane.clear_edits();
    wait_word(&mesh, None).await;
    let given_up =
        |seen: &Seen| matches!(&seen.what, What::Subscribe { unsubscribed, .. } if *unsubscribed == ["later"]);
    mesh.control_plane.wait_for_after(before, |seen| seen.type_url == types::EXTENSION && given_up(seen)).await;
    let dump = mesh.ratings.admin("/config_dump").await.text();
    assert!(!dump.contains("EcdsConfigDump"), "{dump}");
}
