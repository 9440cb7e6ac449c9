//! The control plane, asked by the proxy's own client.

use xds_client::{
    AdsClient, AdsEvents, AdsHandle, AdsSettings, BackoffSettings, Endpoint, Event, Rejected, SdsClient, SdsEvent,
    Subscription, Update,
};

use super::model::{Protocol, Service, Workload};
use super::resources::types;
use super::seen::{DEADLINE, What};
use super::*;

const WORKLOAD: &str = "ratings-vm";

struct Mesh1 {
    control_plane: ControlPlane,
    root: tempfile::TempDir,
}

fn start() -> Mesh1 {
    let mesh = Mesh::new()
        .service(Service::new("details").port(9080, Protocol::Http))
        .workload(Workload::new("ratings", [127, 0, 0, 3].into()).egress([127, 0, 0, 2].into(), 9080, Protocol::Http));
    let root = tempfile::tempdir().unwrap();
    let control_plane = ControlPlane::start(mesh);
    control_plane.serve(WORKLOAD, root.path());
    Mesh1 { control_plane, root }
}

impl Mesh1 {
    fn client(&self, delta: bool) -> (AdsHandle, AdsEvents) {
        let node = envoy_types::pb::envoy::config::core::v3::Node { id: "ratings".into(), ..Default::default() };
        let mut settings = AdsSettings::new(Endpoint::uds(self.root.path().join(bootstrap::XDS_SOCKET)), node);
        settings.delta = delta;
        settings.connect_timeout = DEADLINE;
        let wait = std::time::Duration::from_millis(2);
        settings.backoff = BackoffSettings { base: wait, max: wait };
        AdsClient::spawn(settings)
    }
}

async fn update(events: &mut AdsEvents) -> Update {
    let waiting = async {
        loop {
            if let Event::Update(update) = events.next().await.expect("the client runs") {
                return update;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("an update comes")
}

fn names(update: &Update) -> Vec<&str> {
    let mut names: Vec<&str> = update.resources.iter().map(|resource| resource.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn cluster(name: &str) -> String {
    format!("outbound|9080||{name}.bookinfo.svc.cluster.local")
}

#[tokio::test]
async fn both_protocols_serve_changes_and_removals() {
    for delta in [true, false] {
        let mesh = start();
        let (handle, mut events) = mesh.client(delta);
        handle.subscribe(types::CLUSTER, Subscription::Wildcard);
        let first = update(&mut events).await;
        assert_eq!(first.resources.len(), 4, "{:?}", names(&first));
        handle.verdict(first.id, Ok(()));
        mesh.control_plane.change(|mesh| mesh.services.push(Service::new("reviews").port(9080, Protocol::Http)));
        let second = update(&mut events).await;
        assert!(names(&second).contains(&cluster("reviews").as_str()));
        assert_eq!(second.resources.len(), if delta { 1 } else { 5 });
        handle.verdict(second.id, Ok(()));
        mesh.control_plane.change(|mesh| mesh.services.retain(|service| service.name != "details"));
        assert_eq!(update(&mut events).await.removed, [cluster("details")]);
        let mixed = mesh.control_plane.seen().into_iter().filter(|seen| seen.what == What::Mixed).count();
        assert_eq!(mixed, 0);
    }
}

#[tokio::test]
async fn names_are_answered_one_by_one() {
    for delta in [true, false] {
        let mesh = start();
        let (handle, mut events) = mesh.client(delta);
        handle.subscribe(types::ROUTE, Subscription::Names(["9080".to_owned()].into()));
        let first = update(&mut events).await;
        assert_eq!(names(&first), ["9080"]);
        handle.verdict(first.id, Ok(()));
        handle.subscribe(types::ROUTE, Subscription::Names(["9080".to_owned(), "unknown".to_owned()].into()));
        let second = update(&mut events).await;
        assert_eq!(names(&second), ["unknown"], "an unknown table is empty, not missing");
    }
}

#[tokio::test]
async fn verdicts_and_subscriptions_are_seen() {
    let mesh = start();
    let (handle, mut events) = mesh.client(true);
    handle.subscribe(types::CLUSTER, Subscription::Wildcard);
    let subscribed = mesh.control_plane.wait_for(|seen| seen.type_url == types::CLUSTER).await;
    assert_eq!((subscribed.workload.as_str(), subscribed.node.as_deref()), (WORKLOAD, Some("ratings")));
    let first = update(&mut events).await;
    handle.verdict(first.id, Err(vec![Rejected { name: "x".into(), reason: "no".into() }]));
    mesh.control_plane.wait_for(|seen| seen.what == What::Nack("x: no".into())).await;
}

#[tokio::test]
async fn edits_reach_the_proxy_and_can_be_taken_back() {
    let mesh = start();
    let (handle, mut events) = mesh.client(true);
    handle.subscribe(types::LISTENER, Subscription::Wildcard);
    handle.verdict(update(&mut events).await.id, Ok(()));
    mesh.control_plane.edit(WORKLOAD, |set| set.put_raw(types::LISTENER, "bad", b"\xff\xff"));
    let second = update(&mut events).await;
    assert_eq!(names(&second), ["127.0.0.2_9080", "bad"], "listeners come all together");
    handle.verdict(second.id, Ok(()));
    mesh.control_plane.clear_edits();
    assert_eq!(update(&mut events).await.removed, ["bad"]);
}

#[tokio::test]
async fn misbehaviour_stop_and_restart_are_survived_and_told() {
    let mesh = start();
    let (handle, mut events) = mesh.client(true);
    handle.subscribe(types::CLUSTER, Subscription::Wildcard);
    handle.verdict(update(&mut events).await.id, Ok(()));
    let all = [
        Misbehaviour::Garbage,
        Misbehaviour::Unframed,
        Misbehaviour::HangUpMidMessage,
        Misbehaviour::Reset,
        Misbehaviour::End(14, "going away".into()),
    ];
    for misbehaviour in all {
        let before = mesh.control_plane.seen().len();
        mesh.control_plane.misbehave(WORKLOAD, misbehaviour);
        let again = |seen: &Seen| matches!(&seen.what, What::Subscribe { held, .. } if held.len() == 4);
        mesh.control_plane.wait_for_after(before, again).await;
        handle.verdict(update(&mut events).await.id, Ok(()));
    }
    mesh.control_plane.stop().await;
    let before = mesh.control_plane.seen().len();
    mesh.control_plane.restart();
    mesh.control_plane.wait_for_after(before, |seen| seen.type_url == types::CLUSTER).await;
}

#[tokio::test]
async fn secrets_rotate() {
    let mesh = start();
    let node = envoy_types::pb::envoy::config::core::v3::Node::default();
    let mut settings = AdsSettings::new(Endpoint::uds(mesh.root.path().join(bootstrap::SDS_SOCKET)), node);
    settings.delta = false;
    let (mut handle, mut events) = SdsClient::spawn(settings);
    handle.watch("default");
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let SdsEvent::Secret { name, id, body, .. } = events.next().await.unwrap() else { panic!("a secret") };
        handle.verdict(&name, id, Ok(()));
        bodies.push(body);
        mesh.control_plane.rotate_certificates();
    }
    assert_ne!(bodies[0], bodies[1]);
    handle.watch("ROOTCA");
    let mut roots = 0;
    mesh.control_plane.add_root();
    while roots < 2 {
        if let SdsEvent::Secret { name, body, .. } = events.next().await.unwrap()
            && &*name == "ROOTCA"
        {
            roots = String::from_utf8_lossy(&body).matches("BEGIN CERTIFICATE").count();
        }
    }
}

#[test]
fn a_leaf_has_an_empty_subject_and_one_critical_uri() {
    let authority = Authority::new();
    let leaf = authority.issue("spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings");
    assert_eq!(leaf.chain.matches("BEGIN CERTIFICATE").count(), 2, "the root stands at the end");
    let (_, pem) = x509_parser::pem::parse_x509_pem(leaf.chain.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    assert_eq!(certificate.subject().iter().count(), 0);
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical);
    assert_eq!(names.value.general_names.len(), 1);
}

#[test]
fn a_bootstrap_has_the_shape_that_the_agent_writes() {
    let workload = Workload::new("ratings", [10, 77, 0, 2].into());
    let address = |text: &str| text.parse().unwrap();
    let addresses = bootstrap::Addresses {
        admin: address("127.0.0.1:15000"),
        agent: address("127.0.0.1:15020"),
        prometheus: address("0.0.0.0:15090"),
        status: address("0.0.0.0:15021"),
    };
    let mut own = bootstrap::document(&workload, &addresses, bootstrap::AdsProtocol::Delta);
    let recording = crate::recordings::Recording::named("bookinfo").bootstrap().unwrap();
    let mut theirs: serde_json::Value = serde_json::from_str(&recording).unwrap();
    // How the workload was onboarded is told in the metadata, and differs.
    for document in [&mut own, &mut theirs] {
        document["node"]["metadata"] = serde_json::Value::Null;
    }
    let mut found = Vec::new();
    super::resources::tests::differences("", &own, &theirs, &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
