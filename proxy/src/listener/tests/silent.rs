//! Clients that end their direction without having said anything: network filters judge them where the connection is relayed all the same.

use config::rbac::Action;

use super::called_services::authz;
use super::network_filters::{echo, rbac, with};
use super::*;

/// A client that ends at once; what it hears.
async fn silent(address: SocketAddr) -> Vec<u8> {
    let mut near = TcpStream::connect(address).await.unwrap();
    near.shutdown().await.unwrap();
    let mut heard = Vec::new();
    let _ = near.read_to_end(&mut heard).await;
    heard
}

#[tokio::test]
async fn rules_judge_a_relayed_client_that_says_nothing() {
    local(async {
        let harness = Harness::new();
        harness.upstream("secret").await;
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Deny, None, None)], tcp("secret")));
        assert_eq!(silent(address).await, b"");
        assert_eq!((harness.value("tcp.rbac.denied"), harness.value("tcp.rbac.sp_.shadow_denied")), (1, 1));
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Allow, Some(1), None)], tcp("secret")));
        assert_eq!(silent(address).await, b"");
        assert_eq!((harness.value("tcp.rbac.denied"), harness.value("tcp.rbac.allowed")), (2, 0));
        // Two filters: the second is asked, too.
        let both = vec![rbac(Action::Allow, None, None), rbac(Action::Deny, None, None)];
        let (address, _slot) = harness.serve(with(both, tcp("secret")));
        assert_eq!(silent(address).await, b"");
        assert_eq!((harness.value("tcp.rbac.denied"), harness.value("tcp.rbac.allowed")), (3, 1));
        let (address, _slot) = harness.serve(with(vec![rbac(Action::Allow, None, None)], tcp("secret")));
        assert_eq!(silent(address).await, b"secret");
        assert_eq!((harness.value("tcp.rbac.denied"), harness.value("tcp.rbac.allowed")), (3, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_the_silent_may_be_held_for_a_while() {
    local(async {
        let harness = Harness::new();
        let filter = rbac(Action::Deny, None, Some(Duration::from_secs(7)));
        let (address, _slot) = harness.serve(with(vec![filter], echo()));
        assert_eq!(silent(address).await, b"");
        assert_eq!(harness.value("tcp.rbac.denied"), 0, "an echo has nothing for them, and nobody is asked");
        harness.upstream("slow").await;
        let filter = rbac(Action::Deny, None, Some(Duration::from_secs(7)));
        let (address, _slot) = harness.serve(with(vec![filter], tcp("slow")));
        let begun = tokio::time::Instant::now();
        silent(address).await;
        assert_eq!((begun.elapsed().as_secs(), harness.value("tcp.rbac.denied")), (7, 1));
    })
    .await;
}

#[tokio::test]
async fn an_authorizer_that_cannot_be_asked_lets_no_silent_client_in() {
    local(async {
        let harness = Harness::new();
        harness.upstream("secret").await;
        let (address, _slot) = harness.serve(with(vec![authz(|_| {})], tcp("secret")));
        assert_eq!(silent(address).await, b"");
        assert_eq!((harness.value("ext_authz.p.error"), harness.value("ext_authz.p.cx_closed")), (1, 1));
        let open = authz(|config| config.failure_mode_allow = true);
        let (address, _slot) = harness.serve(with(vec![open], tcp("secret")));
        assert_eq!(silent(address).await, b"secret");
        assert_eq!(harness.value("ext_authz.p.failure_mode_allowed"), 1);
    })
    .await;
}
