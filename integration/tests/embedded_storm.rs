//! What an operator fears: many pushes while requests are under way, a full disk under the access log, and several things broken at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::model::{Mesh, Protocol, Service};
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::control_plane::seen::What;
use outrigger_integration::embedded::app::App;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::{EmbeddedMesh, Options, RATINGS};
use serde_json::json;

/// Services that are not asked for and are pushed all the same.
const OTHERS: usize = 60;
const PUSHES: usize = 120;

fn other(number: usize, round: usize) -> Service {
    let service = Service::new(&format!("other{number}")).port(8080, Protocol::Http);
    service.plain_endpoint(8080, ([127, 0, 0, 1], 1000 + (number + round) as u16).into())
}

async fn storm(protocol: AdsProtocol) {
    let others = |mesh: &mut Mesh| mesh.services.extend((0..OTHERS).map(|number| other(number, 0)));
    let mesh = EmbeddedMesh::start_with(Options { mesh: Box::new(others), protocol, ..Options::default() }).await;
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (egress, ended, count) = (mesh.egress, over.clone(), sent.clone());
    let client = tokio::spawn(async move {
        let mut wrong = BTreeMap::new();
        while !ended.load(Ordering::Relaxed) {
            let reply = Request::get("/").host("details").try_send(egress).await;
            count.fetch_add(1, Ordering::Relaxed);
            match reply {
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => *wrong.entry(reply.status.to_string()).or_insert(0) += 1,
                Err(error) => *wrong.entry(error.to_string()).or_insert(0) += 1,
            }
        }
        wrong
    });
    for round in 1..=PUSHES {
        // Clusters, endpoints and routes come, change and go; what is asked for is among all of them.
        let (gone, new) = (round % OTHERS, (round + OTHERS / 2) % OTHERS + OTHERS);
        mesh.control_plane.change(|mesh| {
            let names = [gone, new].map(|number| format!("other{number}"));
            mesh.services.retain(|service| !names.contains(&service.name));
            mesh.services.push(other(new, round));
        });
        let before = sent.load(Ordering::Relaxed);
        while sent.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
    }
    let last = format!("other{}", (PUSHES + OTHERS / 2) % OTHERS + OTHERS);
    let there = async || mesh.ratings.admin("/clusters").await.text().contains(&last).then_some(());
    mesh.ratings.wait_until("having the last push", there).await;
    over.store(true, Ordering::Relaxed);
    assert_eq!(client.await.expect("the client ends"), BTreeMap::new());
    assert!(sent.load(Ordering::Relaxed) >= PUSHES);
    let refused = mesh.control_plane.seen().into_iter().find(|seen| matches!(seen.what, What::Nack(_)));
    assert!(refused.is_none(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_in_a_storm_of_pushes() {
    storm(AdsProtocol::Delta).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_in_one_of_the_state_of_the_world() {
    storm(AdsProtocol::StateOfTheWorld).await;
}

#[tokio::test]
async fn a_full_disk_under_the_access_log_costs_lines_and_no_request() {
    let options = Options::default();
    let name = format!("{}_{}", options.addresses.egress.ip(), options.addresses.egress.port());
    let before = move |control_plane: &outrigger_integration::control_plane::ControlPlane| {
        control_plane.edit(RATINGS, move |set| {
            let listener = set.edit(types::LISTENER, &name);
            let text = listener.to_string().replace("/dev/stdout", "/dev/full");
            *listener = serde_json::from_str(&text).expect("it was JSON");
        });
    };
    let mesh = EmbeddedMesh::start_with(Options { before: Box::new(before), ..options }).await;
    let rounds = 3;
    for round in 1..=rounds {
        assert_eq!(mesh.get("/").await.status, 200);
        let lost = async || (mesh.ratings.stat("server.dropped_log_lines").await >= Some(round)).then_some(());
        mesh.ratings.wait_until("counting what is lost", lost).await;
    }
    let said = mesh.ratings.log().matches("access log /dev/full").count();
    assert_eq!(said, 1, "{}", mesh.ratings.log());
}

/// A port that somebody else has, a DNS server that is dead, and then no control plane.
#[tokio::test]
async fn several_things_are_broken_at_once_and_the_rest_serves() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("it is bound");
    let with_taken = move |mesh: &mut Mesh| {
        let workload = mesh.find(RATINGS).clone();
        *mesh.find_mut(RATINGS) = workload.egress(address.ip(), address.port(), Protocol::Http);
    };
    // Nobody answers there.
    let dead = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let server =
        json!({ "socket_address": { "address": "127.0.0.1", "port_value": dead.local_addr().expect("bound").port() } });
    let before = move |control_plane: &outrigger_integration::control_plane::ControlPlane| {
        control_plane.edit(RATINGS, move |set| {
            let endpoint = json!({ "socket_address": { "address": "nowhere.invalid", "port_value": 80 } });
            set.put(
                types::CLUSTER,
                "dead-dns",
                json!({
                    "name": "dead-dns", "type": "STRICT_DNS", "connect_timeout": "1s",
                    "dns_resolution_config": { "resolvers": [server.clone()] },
                    "load_assignment": { "cluster_name": "dead-dns", "endpoints": [
                        { "lb_endpoints": [{ "endpoint": { "address": endpoint } }] }] },
                }),
            );
        });
    };
    let options = Options { mesh: Box::new(with_taken), before: Box::new(before), ..Options::default() };
    let mesh = EmbeddedMesh::launch(options).await;
    let served = async || (mesh.get("/").await.status == 200).then_some(());
    mesh.details.wait_ready().await;
    // The agent's probe wants a response that was taken whole; requests do not wait for that.
    mesh.ratings.wait_until("serving", served).await;
    let nack = |seen: &outrigger_integration::control_plane::seen::Seen| {
        seen.workload == RATINGS && seen.type_url == types::LISTENER && matches!(seen.what, What::Nack(_))
    };
    let What::Nack(reason) = mesh.control_plane.wait_for(nack).await.what else { unreachable!("it was asked for") };
    assert!(reason.contains(&format!("127.0.0.1_{}", address.port())), "{reason}");
    mesh.control_plane.stop().await;
    let away = async || mesh.ratings.log().contains("the stream to the control plane ended").then_some(());
    mesh.ratings.wait_until("seeing that it is away", away).await;
    assert_eq!(mesh.get("/").await.status, 200);
    let page = mesh.ratings.admin("/ui").await.text();
    assert!(page.contains(&format!("127.0.0.1_{}", address.port())) && page.contains("in use"), "{page}");
    // That it is bound when the port is free, `embedded_updates` tests.
    drop(taken);
}

#[tokio::test]
async fn fifteen_hundred_clusters_are_taken_whole() {
    let app = App::start("last").await;
    let address = app.address();
    let many = move |mesh: &mut Mesh| {
        mesh.services.extend((0..1500).map(|number| other(number % 50_000, number)));
        mesh.services.push(Service::new("last").port(8080, Protocol::Http).plain_endpoint(8080, address));
    };
    let mesh = EmbeddedMesh::start_with(Options { mesh: Box::new(many), ..Options::default() }).await;
    let reply =
        tokio::time::timeout(Duration::from_secs(60), Request::get("/").host("last.bookinfo").send(mesh.egress));
    assert_eq!(reply.await.expect("it answers").status, 200);
    let active = mesh.ratings.stat("cluster_manager.active_clusters").await;
    assert!(active >= Some(1501), "{active:?}");
}
