//! Endpoints join, leave, turn unhealthy and refuse connections while requests are under way, with the retry policy that Istio gives routes: as
//! long as another endpoint is well, no request fails.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::model::{Protocol, Service};
use outrigger_integration::embedded::app::{App, Arrived};
use outrigger_integration::embedded::client::{Connection, Request};
use outrigger_integration::embedded::{EmbeddedMesh, Options, ports};

const ROUNDS: usize = 30;
const CLIENTS: usize = 4;
/// Requests in which whoever is not asked is asked no more.
const ENOUGH: usize = 40;

/// Requests, one after another over few connections, until they are to end: what went wrong, and how often.
async fn ask(egress: SocketAddr, over: Arc<AtomicBool>, sent: Arc<AtomicUsize>) -> BTreeMap<String, usize> {
    let mut wrong = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        let mut connection = Connection::open(egress).await.expect("the proxy accepts");
        for _ in 0..ENOUGH {
            let reply = connection.send(Request::get("/").host("churn")).await;
            sent.fetch_add(1, Ordering::Relaxed);
            match reply {
                Ok(reply) if reply.status == 200 => continue,
                Ok(reply) => *wrong.entry(format!("{}: {}", reply.status, reply.text())).or_insert(0) += 1,
                Err(error) => *wrong.entry(error.to_string()).or_insert(0) += 1,
            }
            break;
        }
    }
    wrong
}

async fn churn(protocol: AdsProtocol) {
    let mesh = EmbeddedMesh::start_with(Options { protocol, ..Options::default() }).await;
    let steady = App::start("steady").await;
    let service = Service::new("churn").port(8080, Protocol::Http).plain_endpoint(8080, steady.address());
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    let answers = async || (Request::get("/").host("churn").send(mesh.egress).await.status == 200).then_some(());
    mesh.ratings.wait_until("knowing the service", answers).await;
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(ask(mesh.egress, over.clone(), sent.clone()))).collect();
    let joins =
        |address| mesh.control_plane.change(|mesh| mesh.service_mut("churn").plain_endpoints.push((8080, address)));
    let leaves = |gone: SocketAddr| {
        mesh.control_plane.change(|mesh| {
            let service = mesh.service_mut("churn");
            service.plain_endpoints.retain(|(_, address)| *address != gone);
            service.unhealthy.retain(|address| *address != gone);
        });
    };
    let many_more = async || {
        let before = sent.load(Ordering::Relaxed);
        let more = async || (sent.load(Ordering::Relaxed) >= before + ENOUGH).then_some(());
        mesh.ratings.wait_until("serving more requests", more).await;
    };
    for round in 0..ROUNDS {
        let guest = App::start("guest").await;
        let address = guest.address();
        joins(address);
        let is_asked = async || (!guest.arrived().is_empty()).then_some(());
        mesh.ratings.wait_until("asking the guest", is_asked).await;
        match round % 3 {
            0 => leaves(address),
            1 => mesh.control_plane.change(|mesh| mesh.service_mut("churn").unhealthy.push(address)),
            _ => {
                // Nobody listens there.
                let dead = ports::free(ports::loopback());
                joins(dead);
                many_more().await;
                leaves(dead);
                leaves(address);
            }
        }
        let is_left_alone = async || {
            let before = guest.arrived().len();
            many_more().await;
            (guest.arrived().len() == before).then_some(())
        };
        mesh.ratings.wait_until("leaving the guest alone", is_left_alone).await;
        drop(guest);
        leaves(address);
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.expect("the client ends"), BTreeMap::new());
    }
    // Who was refused has come here.
    let again = |arrived: &Arrived| arrived.header("x-envoy-attempt-count") == Some("2");
    assert!(steady.arrived().iter().any(again), "nobody was tried again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_endpoints_come_and_go() {
    churn(AdsProtocol::Delta).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_in_the_state_of_the_world() {
    churn(AdsProtocol::StateOfTheWorld).await;
}
