//! Clients that leave, or say more, while a network filter waits.

use config::filters::NetworkFilterConfig;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use prost::Message;
use tokio::sync::Notify;

use super::called_services::{asks, authz, code, limit as asked_limit};
use super::network_filters::{echo, limit, with};
use super::*;
use crate::call::tests::{OK, framed, serve};

const HOUR: Option<Duration> = Some(Duration::from_secs(3600));
const ACTIVE: &str = "connection_limit.p.active_connections";

/// Closing sends a reset.
fn resets(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn who_is_held_back_may_go() {
    local(async {
        let harness = Harness::new();
        let (address, _slot) = harness.serve(with(vec![limit(0, HOUR)], echo()));
        for says in ["", "something"] {
            let mut near = TcpStream::connect(address).await.unwrap();
            near.write_all(says.as_bytes()).await.unwrap();
            cluster::until(|| harness.value(ACTIVE) == 1).await;
            drop(near);
            cluster::until(|| harness.value(ACTIVE) == 0).await;
            cluster::until(|| harness.value("listener.test.downstream_cx_active") == 0).await;
        }
        assert_eq!(harness.value("connection_limit.p.limited_connections"), 2);
    })
    .await;
}

#[tokio::test]
async fn the_tcp_proxy_s_client_may_say_no_more_but_not_reset() {
    local(async {
        let harness = Harness::new();
        harness.upstream("up").await;
        let (address, _slot) = harness.serve(with(vec![limit(0, HOUR)], tcp("up")));
        let mut near = TcpStream::connect(address).await.unwrap();
        near.shutdown().await.unwrap();
        let other = TcpStream::connect(address).await.unwrap();
        cluster::until(|| harness.value(ACTIVE) == 2).await;
        resets(&other);
        drop(other);
        cluster::until(|| harness.value(ACTIVE) == 1).await;
        // Its end has been read by now, if it ever is.
        resets(&near);
        drop(near);
        cluster::until(|| harness.value(ACTIVE) == 0).await;
        assert_eq!(harness.value("tcp.tcp.downstream_cx_total"), 2, "they are the TCP proxy's, too");
    })
    .await;
}

/// Whose first octets are judged, and who is judged before any.
fn filters() -> [(NetworkFilterConfig, &'static str, Vec<u8>); 2] {
    [
        (authz(|_| {}), "ext_authz.p.active", CheckResponse::default().encode_to_vec()),
        (asked_limit(false), "ratelimit.p.active", code(Code::Ok).encode_to_vec()),
    ]
}

#[tokio::test]
async fn a_question_is_given_up_with_its_connection() {
    local(async {
        for (filter, active, _) in filters() {
            let harness = Harness::new();
            let questions = Rc::new(std::cell::Cell::new(0));
            let seen = questions.clone();
            let silent = serve(move |asked| {
                seen.set(seen.get() + 1);
                Box::pin(async move {
                    std::future::pending::<()>().await;
                    drop(asked);
                })
            });
            asks(&harness, silent.await);
            let (address, _slot) = harness.serve(with(vec![filter], echo()));
            let mut near = TcpStream::connect(address).await.unwrap();
            near.write_all(b"hello").await.unwrap();
            let reset = "cluster.app.upstream_rq_tx_reset";
            cluster::until(|| questions.get() == 1 && harness.value(active) == 1).await;
            drop(near);

            cluster::until(|| harness.value(active) == 0).await;

            cluster::until(|| harness.stats.value(reset) == Some(1)).await;

            cluster::until(|| harness.value("listener.test.downstream_cx_active") == 0).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_said_meanwhile_comes_through_whole() {
    local(async {
        for (filter, active, verdict) in filters() {
            let harness = Harness::new();
            let released = Rc::new(Notify::new());
            let (waits, verdict) = (released.clone(), framed(&verdict));
            let service = serve(move |mut asked| {
                let (waits, verdict) = (waits.clone(), verdict.clone());
                Box::pin(async move {
                    asked.body().await;
                    waits.notified().await;
                    asked.answer(&[&verdict], OK);
                })
            });
            asks(&harness, service.await);
            let (address, _slot) = harness.serve(with(vec![filter], echo()));
            let words: Vec<u8> = (0..300_000_u32).map(|octet| (octet % 251) as u8).collect();
            let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
            let said = words.clone();
            // More than is read while a filter waits.
            tokio::task::spawn_local(async move {
                write.write_all(&said).await.unwrap();
                std::future::pending::<()>().await;
                drop(write);
            });
            cluster::until(|| harness.value(active) == 1).await;
            released.notify_one();
            let mut heard = vec![0; words.len()];
            read.read_exact(&mut heard).await.unwrap();
            assert!(heard == words);
        }
    })
    .await;
}
