//! Certificates that change while proxies run.

use std::time::{Duration, SystemTime};

use outrigger_integration::control_plane::ControlPlane;
use outrigger_integration::control_plane::ca::{Authority, Leaf};
use outrigger_integration::control_plane::model::Mtls;
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::client::{Connection, Request};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, Options, RATINGS, mesh_client};

/// Waits until both proxies have accepted this many secrets more.
async fn accepted_after(mesh: &EmbeddedMesh, before: usize) {
    for workload in [RATINGS, DETAILS] {
        let ack = |seen: &Seen| seen.workload == workload && seen.type_url == types::SECRET && seen.what == What::Ack;
        mesh.control_plane.wait_for_after(before, ack).await;
    }
}

#[tokio::test]
async fn rotation_under_load_fails_no_request() {
    let mesh = EmbeddedMesh::start().await;
    let identity = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings";
    let (of_the_old_root, _) = mesh.control_plane.issue(identity);
    let shown_before = mesh_client::connect(mesh.ingress, Some(&of_the_old_root)).await.unwrap().server_chain();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let egress = mesh.egress;
    let client = async || {
        let (mut sent, mut failed) = (0_u32, Vec::new());
        let mut kept = Connection::open(egress).await.expect("the egress listener accepts");
        while !*stopped.borrow() {
            let kept = kept.send(Request::get("/kept").host("details")).await;
            let fresh = Request::get("/fresh").host("details").try_send(egress).await;
            for reply in [kept, fresh] {
                sent += 1;
                match reply {
                    Ok(reply) if reply.status == 200 => {}
                    Ok(reply) => failed.push(format!("{}: {}", reply.status, reply.text())),
                    Err(error) => failed.push(error.to_string()),
                }
            }
        }
        (sent, failed)
    };
    let rotate = async {
        for _ in 0..5 {
            let before = mesh.control_plane.seen().len();
            mesh.control_plane.rotate_certificates();
            accepted_after(&mesh, before).await;
        }
        // A whole change of roots: trust both, then use the new one, then trust it alone.
        for step in [ControlPlane::add_root, ControlPlane::rotate_certificates, ControlPlane::drop_old_roots] {
            let before = mesh.control_plane.seen().len();
            step(&mesh.control_plane);
            accepted_after(&mesh, before).await;
        }
        stop.send(true).expect("the clients run");
    };
    let (one, two, ()) = tokio::join!(client(), client(), rotate);
    assert!(one.0 + two.0 > 0);
    assert!(one.1.is_empty() && two.1.is_empty(), "{:?} {:?}", one.1, two.1);
    // A connection made from now on shows the new certificate and takes the new root alone.
    let (of_the_new_root, _) = mesh.control_plane.issue(identity);
    let fresh = mesh_client::connect(mesh.ingress, Some(&of_the_new_root)).await.unwrap();
    assert_ne!(fresh.server_chain(), shown_before);
    assert!(fresh.get("/fresh").await.unwrap().starts_with("HTTP/1.1 200 OK"));
    let old = async { mesh_client::connect(mesh.ingress, Some(&of_the_old_root)).await?.get("/old").await };
    assert!(old.await.is_err(), "the old root is trusted no longer");
}

#[tokio::test]
async fn a_certificate_that_does_not_parse_is_refused_and_the_old_one_serves() {
    let mesh = EmbeddedMesh::start().await;
    let before = mesh.control_plane.seen().len();
    let broken = Leaf { chain: "this is no PEM".into(), key: "nor is this".into() };
    mesh.control_plane.send_certificate(DETAILS, broken);
    let nack = |seen: &Seen| seen.workload == DETAILS && matches!(&seen.what, What::Nack(_));
    let seen = mesh.control_plane.wait_for_after(before, nack).await;
    let What::Nack(reason) = seen.what else { unreachable!("it was asked for") };
    assert!(reason.contains("default"), "{reason}");
    assert!(reason.contains("; it must hold a BEGIN CERTIFICATE block"), "what to do: {reason}");
    assert_eq!(mesh.get("/").await.status, 200);
    mesh.control_plane.rotate_certificates();
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn a_first_certificate_that_does_not_parse_is_named_and_a_good_one_makes_ready() {
    let broken = || Leaf { chain: "this is no PEM".into(), key: "nor is this".into() };
    let options = Options {
        before: Box::new(move |control_plane| control_plane.send_certificate(DETAILS, broken())),
        ..Options::default()
    };
    let mesh = EmbeddedMesh::launch(options).await;
    let nack = |seen: &Seen| seen.workload == DETAILS && matches!(&seen.what, What::Nack(_));
    let What::Nack(reason) = mesh.control_plane.wait_for(nack).await.what else { unreachable!("it was asked for") };
    assert!(reason.contains("default") && !reason.contains("nor is this"), "{reason}");
    assert_ne!(mesh.details.admin("/ready").await.status, 200, "a listener waits for its certificate");
    mesh.control_plane.rotate_certificates();
    mesh.details.wait_ready().await;
    mesh.ratings.wait_ready().await;
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let mesh = EmbeddedMesh::start().await;
    let identity = "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details";
    let (one, _) = mesh.control_plane.issue(identity);
    let (two, _) = mesh.control_plane.issue(identity);
    mesh.control_plane.send_certificate(DETAILS, Leaf { chain: one.chain, key: two.key });
    let nack = |seen: &Seen| seen.workload == DETAILS && matches!(&seen.what, What::Nack(_));
    mesh.control_plane.wait_for(nack).await;
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn a_peer_of_another_identity_is_not_talked_to() {
    let mesh = EmbeddedMesh::start().await;
    let (other, _) = mesh.control_plane.issue("spiffe://cluster.local/ns/bookinfo/sa/somebody-else");
    let before = mesh.control_plane.seen().len();
    mesh.control_plane.send_certificate(DETAILS, other);
    let ack = |seen: &Seen| seen.workload == DETAILS && seen.type_url == types::SECRET && seen.what == What::Ack;
    mesh.control_plane.wait_for_after(before, ack).await;
    let reply = mesh.get("/").await;
    assert_eq!(reply.status, 503, "{reply:?}");
    let line = mesh.ratings.wait_access_log(" 503 ").await;
    assert!(line.contains("TLS_error") || line.contains("URX,UF") || line.contains(" UF"), "{line}");
}

#[tokio::test]
async fn strangers_are_not_let_in() {
    let mesh = EmbeddedMesh::start_changed(|mesh| mesh.find_mut(DETAILS).mtls = Mtls::Strict).await;
    let enter = async |leaf: Option<&Leaf>| mesh_client::connect(mesh.ingress, leaf).await?.get("/in").await;
    let (friend, _) = mesh.control_plane.issue("spiffe://cluster.local/ns/other/sa/friend");
    assert!(enter(Some(&friend)).await.unwrap().starts_with("HTTP/1.1 200 OK"));
    let arrived = mesh.app.arrived().len();
    assert!(enter(None).await.is_err(), "no certificate");
    let (foreign, _) = mesh.control_plane.issue("spiffe://elsewhere/ns/other/sa/friend");
    assert!(enter(Some(&foreign)).await.is_err(), "another trust domain");
    let impostor = Authority::new().issue("spiffe://cluster.local/ns/other/sa/friend");
    assert!(enter(Some(&impostor)).await.is_err(), "another authority");
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now();
    let expired = mesh.control_plane.issue_for("spiffe://cluster.local/ns/other/sa/friend", now - day * 2, now - day);
    assert!(enter(Some(&expired)).await.is_err(), "expired");
    assert_eq!(mesh.app.arrived().len(), arrived, "none of them reached the application");
}

#[tokio::test]
async fn alpn_is_negotiated_as_istio_needs_it() {
    let mesh = EmbeddedMesh::start().await;
    let (friend, _) = mesh.control_plane.issue("spiffe://cluster.local/ns/other/sa/friend");
    for (offered, agreed) in [
        (["istio-http/1.1", "istio", "http/1.1"].as_slice(), Some("http/1.1")),
        (&["istio-h2", "istio", "h2"], Some("h2")),
        // No name in common: the handshake goes on without one.
        (&["istio"], None),
    ] {
        let connection = mesh_client::connect_with_alpn(mesh.ingress, Some(&friend), offered).await.unwrap();
        assert_eq!(connection.alpn().as_deref(), agreed, "{offered:?}");
    }
}
