//! What changes while proxies run: resources, good and bad, and the control plane itself.

use std::sync::LazyLock;
use std::time::Duration;

use outrigger_integration::control_plane::Misbehaviour;
use outrigger_integration::control_plane::model::{Mesh, Protocol, Service};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::app::App;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::sidecar::{AGENT_FLAGS, Launch};
use outrigger_integration::embedded::{EmbeddedMesh, Options, RATINGS};
use serde_json::json;

/// Asks until the status is this.
async fn wait_status(mesh: &EmbeddedMesh, host: &str, status: u16) {
    let ask = async || {
        let reply = Request::get("/").host(host).try_send(mesh.egress).await.ok()?;
        (reply.status == status).then_some(())
    };
    mesh.ratings.wait_until(&format!("answering {status} for {host}"), ask).await;
}

fn nack_of<'a>(type_url: &'a str, workload: &'a str) -> impl Fn(&Seen) -> bool + 'a {
    move |seen| seen.type_url == type_url && seen.workload == workload && matches!(seen.what, What::Nack(_))
}

#[tokio::test]
async fn a_new_service_is_reachable_and_a_removed_one_is_not() {
    let mesh = EmbeddedMesh::start().await;
    let app = App::start("reviews").await;
    wait_status(&mesh, "reviews.bookinfo", 503).await;
    let service = Service::new("reviews").port(8080, Protocol::Http).plain_endpoint(8080, app.address());
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    wait_status(&mesh, "reviews.bookinfo", 200).await;
    mesh.control_plane.change(|mesh| mesh.services.retain(|service| service.name != "reviews"));
    wait_status(&mesh, "reviews.bookinfo", 503).await;
}

#[tokio::test]
async fn an_endpoint_added_and_removed_shows() {
    let mesh = EmbeddedMesh::start().await;
    let (one, two) = (App::start("one").await, App::start("two").await);
    let (first, second) = (one.address(), two.address());
    let service = Service::new("pair").port(8080, Protocol::Http).plain_endpoint(8080, first);
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    wait_status(&mesh, "pair", 200).await;
    mesh.control_plane.change(|mesh| mesh.service_mut("pair").plain_endpoints.push((8080, second)));
    let ask =
        async |name: &str| Request::get("/").host("pair").send(mesh.egress).await.text().contains(name).then_some(());
    mesh.ratings.wait_until("asking the second endpoint", async || ask("two").await).await;
    mesh.control_plane
        .change(|mesh| mesh.service_mut("pair").plain_endpoints.retain(|(_, address)| *address == second));
    let count = || one.arrived().len();
    // Once the removal has arrived, the first endpoint is asked no more.
    let settled = async || {
        let before = count();
        for _ in 0..10 {
            ask("two").await?;
        }
        (count() == before).then_some(())
    };
    mesh.ratings.wait_until("asking the second endpoint alone", settled).await;
}

#[tokio::test]
async fn a_changed_route_takes_effect_without_rebinding() {
    let mesh = EmbeddedMesh::start().await;
    let table = mesh.egress.port().to_string();
    mesh.control_plane.edit(RATINGS, move |set| {
        let hosts = set.edit(types::ROUTE, &table)["virtual_hosts"].as_array_mut().unwrap();
        let host = hosts.iter_mut().find(|host| host["name"] == "details.bookinfo.svc.cluster.local:9080").unwrap();
        host["routes"].as_array_mut().unwrap().insert(
            0,
            json!({ "match": { "prefix": "/teapot" }, "direct_response": { "status": 418, "body": { "inline_string": "short" } } }),
        );
    });
    let ask = async || (mesh.get("/teapot").await.status == 418).then_some(());
    mesh.ratings.wait_until("serving the new route", ask).await;
    assert_eq!(mesh.get("/teapot").await.text(), "short");
    assert_eq!(mesh.get("/other").await.status, 200);
}

#[tokio::test]
async fn a_bad_cluster_is_rejected_alone_and_named() {
    let mesh = EmbeddedMesh::start().await;
    let app = App::start("good").await;
    let service = Service::new("good").port(8080, Protocol::Http).plain_endpoint(8080, app.address());
    mesh.control_plane.edit(RATINGS, |set| set.put_raw(types::CLUSTER, "broken", b"\x0a\x06broken\xff\xff\xff"));
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    let nack = mesh.control_plane.wait_for(nack_of(types::CLUSTER, RATINGS)).await;
    let What::Nack(reason) = nack.what else { unreachable!("it was asked for") };
    assert!(reason.contains("broken"), "{reason}");
    assert!(!reason.contains("good"), "{reason}");
    wait_status(&mesh, "good.bookinfo", 200).await;
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn an_unknown_field_is_rejected_by_name_where_that_is_asked_for() {
    static FLAGS: LazyLock<Vec<&str>> = LazyLock::new(|| [AGENT_FLAGS, &["--reject-unknown-dynamic-fields"]].concat());
    let launch = Launch { flags: &FLAGS, ..Launch::default() };
    let mesh = EmbeddedMesh::start_with(Options { launch, ..Options::default() }).await;
    // Field 536870911 of a cluster.
    mesh.control_plane
        .edit(RATINGS, |set| set.put_raw(types::CLUSTER, "novel", b"\x0a\x05novel\xfa\xff\xff\xff\x0f\x01x"));
    let nack = mesh.control_plane.wait_for(nack_of(types::CLUSTER, RATINGS)).await;
    let What::Nack(reason) = nack.what else { unreachable!("it was asked for") };
    assert!(reason.contains("novel: ") && reason.contains("536870911"), "{reason}");
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn an_unknown_field_is_skipped_where_nobody_asks() {
    let mesh = EmbeddedMesh::start().await;
    let before = mesh.control_plane.seen().len();
    mesh.control_plane
        .edit(RATINGS, |set| set.put_raw(types::CLUSTER, "novel", b"\x0a\x05novel\xfa\xff\xff\xff\x0f\x01x"));
    let judged = |seen: &Seen| {
        seen.workload == RATINGS && seen.type_url == types::CLUSTER && !matches!(seen.what, What::Subscribe { .. })
    };
    assert_eq!(mesh.control_plane.wait_for_after(before, judged).await.what, What::Ack);
    let there = async || mesh.ratings.admin("/clusters").await.text().contains("novel::").then_some(());
    mesh.ratings.wait_until("showing the cluster", there).await;
}

#[tokio::test]
async fn a_listener_or_cluster_with_the_name_of_a_static_one_is_ignored() {
    let mesh = EmbeddedMesh::start().await;
    let (name, status) = ("0.0.0.0_15021", mesh.ratings.ports().bootstrap.status.port());
    let before = mesh.control_plane.seen().len();
    let egress = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.edit(RATINGS, move |set| {
        let mut listener = set.edit(types::LISTENER, &egress).clone();
        listener["name"] = json!(name);
        listener["address"]["socket_address"]["port_value"] = json!(0);
        set.put(types::LISTENER, name, listener);
    });
    let judged = |seen: &Seen| {
        seen.workload == RATINGS && seen.type_url == types::LISTENER && !matches!(seen.what, What::Subscribe { .. })
    };
    assert_eq!(mesh.control_plane.wait_for_after(before, judged).await.what, What::Ack);
    let listeners = mesh.ratings.admin("/listeners").await.text();
    assert!(listeners.contains(&format!("{name}::0.0.0.0:{status}")), "{listeners}");
}

#[tokio::test]
async fn health_is_what_the_operator_says() {
    let mesh = EmbeddedMesh::start().await;
    let state = async || {
        let (ready, info) = (mesh.ratings.admin("/ready").await, mesh.ratings.admin("/server_info").await.text());
        let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        (ready.status, ready.text(), info["state"].as_str().unwrap_or_default().to_owned())
    };
    let becomes = async |status: u16, word: &str| {
        let wanted = (status, format!("{word}\n"), word.to_owned());
        mesh.ratings.wait_until(word, async || (state().await == wanted).then_some(())).await;
    };
    becomes(200, "LIVE").await;
    assert_eq!(mesh.ratings.admin("/healthcheck/fail").await.status, 405, "asking changes nothing");
    assert_eq!(mesh.ratings.admin_post("/healthcheck/fail").await.text(), "OK\n");
    becomes(503, "DRAINING").await;
    assert_eq!(mesh.get("/").await.status, 200, "it still serves");
    assert_eq!(mesh.ratings.admin_post("/healthcheck/ok").await.text(), "OK\n");
    becomes(200, "LIVE").await;
}

#[tokio::test]
async fn a_bad_listener_is_rejected_with_its_field_and_the_old_one_serves() {
    let mesh = EmbeddedMesh::start().await;
    let name = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.edit(RATINGS, move |set| {
        let manager = &mut set.edit(types::LISTENER, &name)["filter_chains"][0]["filters"][0]["typed_config"];
        manager["http_filters"].as_array_mut().unwrap().insert(
            0,
            json!({
                "name": "mystery",
                "typed_config": {
                    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                    "type_url": "type.googleapis.com/example.Unknown"
                }
            }),
        );
    });
    let nack = mesh.control_plane.wait_for(nack_of(types::LISTENER, RATINGS)).await;
    let What::Nack(reason) = nack.what else { unreachable!("it was asked for") };
    assert!(reason.contains("http_filters[0]") && reason.contains("example.Unknown"), "{reason}");
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn policy_that_is_not_enforced_stops_the_listener_that_lacked_it() {
    let mesh = EmbeddedMesh::start().await;
    assert_eq!(mesh.get("/").await.status, 200);
    let name = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.edit(RATINGS, move |set| {
        let manager = &mut set.edit(types::LISTENER, &name)["filter_chains"][0]["filters"][0]["typed_config"];
        let oauth2 = "type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2";
        let filter = json!({"name": "tokens", "typed_config": {"@type": oauth2}});
        manager["http_filters"].as_array_mut().unwrap().insert(0, filter);
    });
    let nack = mesh.control_plane.wait_for(nack_of(types::LISTENER, RATINGS)).await;
    let What::Nack(reason) = nack.what else { unreachable!("it was asked for") };
    assert!(reason.contains("oauth2"), "{reason}");
    assert!(reason.contains("; take it out, or keep Envoy for this workload"), "what to do: {reason}");
    let ask = async || Request::get("/").host("details").try_send(mesh.egress).await.is_err().then_some(());
    mesh.ratings.wait_until("refusing connections", ask).await;
}

#[tokio::test]
async fn a_listener_whose_port_is_taken_is_reported_and_the_others_serve() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let take = move |mesh: &mut Mesh| {
        let workload = mesh.find(RATINGS).clone();
        *mesh.find_mut(RATINGS) = workload.egress(address.ip(), address.port(), Protocol::Http);
    };
    let mesh = EmbeddedMesh::launch(Options { mesh: Box::new(take), ..Options::default() }).await;
    mesh.details.wait_ready().await;
    wait_status(&mesh, "details", 200).await;
    let nack = mesh.control_plane.wait_for(nack_of(types::LISTENER, RATINGS)).await;
    let What::Nack(reason) = nack.what else { unreachable!("it was asked for") };
    assert!(reason.contains(&format!("127.0.0.1_{}", address.port())), "{reason}");
    assert!(reason.to_lowercase().contains("in use"), "{reason}");
    // Free again: it is bound without any further push.
    drop(taken);
    let ask = async || {
        let reply = Request::get("/").host("details").try_send(address).await.ok()?;
        (reply.status == 200).then_some(())
    };
    mesh.ratings.wait_until("bound after all", ask).await;
}

#[tokio::test]
async fn a_removed_listener_stops_accepting() {
    let mesh = EmbeddedMesh::start().await;
    let name = format!("{}_{}", mesh.egress.ip(), mesh.egress.port());
    mesh.control_plane.edit(RATINGS, move |set| set.remove(types::LISTENER, &name));
    let ask = async || Request::get("/").host("details").try_send(mesh.egress).await.is_err().then_some(());
    mesh.ratings.wait_until("gone", ask).await;
    mesh.control_plane.clear_edits();
    wait_status(&mesh, "details", 200).await;
}

#[tokio::test]
async fn traffic_goes_on_without_the_control_plane_and_news_arrive_after_it_is_back() {
    let mesh = EmbeddedMesh::start().await;
    mesh.control_plane.stop().await;
    assert_eq!(mesh.get("/").await.status, 200);
    let app = App::start("late").await;
    let service = Service::new("late").port(8080, Protocol::Http).plain_endpoint(8080, app.address());
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    let before = mesh.control_plane.seen().len();
    mesh.control_plane.restart();
    let held = |seen: &Seen| {
        seen.workload == RATINGS
            && seen.type_url == types::CLUSTER
            && matches!(&seen.what, What::Subscribe { held, .. } if held.len() == 5)
    };
    let again = mesh.control_plane.wait_for_after(before, held).await;
    assert!(again.node.is_some(), "the first request of a stream carries the node");
    wait_status(&mesh, "late.bookinfo", 200).await;
}

#[tokio::test]
async fn what_was_removed_while_the_control_plane_was_away_goes() {
    let mesh = EmbeddedMesh::start().await;
    mesh.control_plane.stop().await;
    mesh.control_plane.change(|mesh| mesh.services.retain(|service| service.name != "details"));
    mesh.control_plane.restart();
    wait_status(&mesh, "details.bookinfo", 503).await;
}

#[tokio::test]
async fn a_control_plane_that_sends_garbage_or_hangs_up_harms_nothing() {
    let mesh = EmbeddedMesh::start().await;
    for misbehaviour in [
        Misbehaviour::Garbage,
        Misbehaviour::Unframed,
        Misbehaviour::HangUpMidMessage,
        Misbehaviour::Reset,
        Misbehaviour::End(7, "authorization failed".into()),
    ] {
        let before = mesh.control_plane.seen().len();
        mesh.control_plane.misbehave(RATINGS, misbehaviour.clone());
        assert_eq!(mesh.get("/").await.status, 200, "{misbehaviour:?}");
        let back = |seen: &Seen| seen.workload == RATINGS && seen.type_url == types::LISTENER && seen.what == What::Ack;
        mesh.control_plane.wait_for_after(before, back).await;
        assert_eq!(mesh.get("/").await.status, 200, "{misbehaviour:?}");
    }
    mesh.ratings.wait_line(|line| line.text.contains("authorization failed")).await;
    for failure in ["what is no discovery response", "authorization failed"] {
        let lines: Vec<_> = mesh.ratings.lines().into_iter().filter(|line| line.text.contains(failure)).collect();
        let [line] = &lines[..] else { panic!("said once: {lines:?}") };
        for part in ["XDS", "the last good configuration stays", "look into the log of the server"] {
            assert!(line.text.contains(part), "{part}: {line:?}");
        }
    }
}

#[tokio::test]
async fn a_control_plane_that_sends_garbage_first_is_not_said_to_be_connected() {
    static FLAGS: LazyLock<Vec<&str>> =
        LazyLock::new(|| [AGENT_FLAGS, &["--component-log-level", "config:info"]].concat());
    let mesh = EmbeddedMesh::start_with(Options {
        launch: Launch { flags: &FLAGS, ..Launch::default() },
        before: Box::new(|control_plane| control_plane.misbehave(RATINGS, Misbehaviour::Garbage)),
        ..Options::default()
    })
    .await;
    let lines = mesh.ratings.lines();
    let places = |part: &str| -> Vec<usize> {
        let found = lines.iter().enumerate().filter(|(_, line)| line.text.contains(part));
        found.map(|(place, _)| place).collect()
    };
    let (failed, connected) = (places("no discovery response"), places("connected to the control plane"));
    assert!(failed.len() == 1 && connected.len() == 1 && failed < connected, "{}", mesh.ratings.log());
    let line = &lines[failed[0]].text;
    assert!(line.contains("no configuration has come yet") && !line.contains("last good"), "{line}");
}

#[tokio::test]
async fn the_order_of_requests_is_what_istiod_expects() {
    let mesh = EmbeddedMesh::start().await;
    let seen = mesh.control_plane.seen();
    let first = |type_url: &str| {
        seen.iter().position(|seen| seen.workload == RATINGS && seen.type_url == type_url).expect("it was asked for")
    };
    let order = [types::CLUSTER, types::ENDPOINT, types::LISTENER, types::ROUTE].map(first);
    assert!(order.is_sorted(), "{order:?}");
    assert!(seen[order[0]].node.is_some());
    let mixed = seen.iter().filter(|seen| seen.what == What::Mixed).count();
    assert_eq!(mixed, 0, "an acknowledgement and a change of names are two messages");
}

#[tokio::test]
async fn an_initial_fetch_timeout_of_zero_waits_for_ever() {
    let options = Options {
        before: Box::new(|control_plane| control_plane.edit(RATINGS, |set| set.withhold(types::ROUTE))),
        ..Options::default()
    };
    let mesh = EmbeddedMesh::launch(options).await;
    mesh.details.wait_ready().await;
    mesh.control_plane.wait_for(|seen| seen.workload == RATINGS && seen.type_url == types::ROUTE).await;
    // The listener warms until its routes are there: nothing is bound, and the proxy says that it initialises.
    assert!(Request::get("/").host("details").try_send(mesh.egress).await.is_err());
    assert_ne!(mesh.ratings.admin("/ready").await.status, 200);
    mesh.control_plane.clear_edits();
    mesh.ratings.wait_ready().await;
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn a_workload_without_listeners_is_ready() {
    let nothing = |mesh: &mut Mesh| {
        mesh.services.clear();
        mesh.find_mut(RATINGS).egress.clear();
    };
    let mesh = EmbeddedMesh::start_changed(nothing).await;
    let asked = |seen: &Seen| seen.workload == RATINGS && seen.type_url == types::LISTENER;
    mesh.control_plane.wait_for(asked).await;
}

#[tokio::test]
async fn a_proxy_without_a_control_plane_is_not_ready_and_becomes_so() {
    let mesh = EmbeddedMesh::launch(Options::default()).await;
    mesh.control_plane.stop().await;
    mesh.control_plane.restart();
    mesh.ratings.wait_ready().await;
    mesh.details.wait_ready().await;
    let ask = async || (mesh.get("/").await.status == 200).then_some(());
    mesh.ratings.wait_until("serving", ask).await;
    // The stream's backoff is bounded by 30 s, and so is the deadline of every wait here.
    assert!(Duration::from_secs(30) <= outrigger_integration::control_plane::seen::DEADLINE);
}
