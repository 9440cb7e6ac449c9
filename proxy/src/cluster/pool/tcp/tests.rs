//! Tests of `tcp`.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use config::cluster::{Cluster as Config, Discovery, Preconnect, Thresholds};

use super::*;
use crate::cluster::testing::{Bench, Http1Server, assignment, config, endpoint, run};
use crate::cluster::{Pick, TcpWant, WorkerCluster};

const NAME: &str = "outbound|80||app";

fn world(servers: &[Http1Server], change: impl FnOnce(&mut Config)) -> (Rc<Bench>, Rc<WorkerCluster>) {
    let bench = Bench::new();
    let endpoints = servers.iter().map(|server| endpoint(server.address)).collect();
    let mut made = config(Discovery::Static(assignment(endpoints)));
    change(&mut made);
    bench.publish(made);
    let cluster = bench.worker(NAME);
    (bench, cluster)
}

async fn lend(cluster: &WorkerCluster) -> Result<crate::cluster::TcpLease, ConnectFailure> {
    let host = cluster.pick(&Pick::default()).expect("a host");
    cluster.tcp(&host, &TcpWant::default()).await
}

/// Connections that were begun to each endpoint.
fn begun(cluster: &WorkerCluster) -> Vec<u64> {
    cluster.shared().host_statuses().iter().map(|host| host.counts.cx_total).collect()
}

fn per_host(config: &mut Config) {
    config.preconnect.per_host = 1.5;
}

#[test]
fn a_client_finds_a_connection_that_stands() {
    run(async {
        let servers = [Http1Server::start().await];
        let (_bench, cluster) = world(&servers, per_host);
        let first = lend(&cluster).await.expect("a connection");
        assert_eq!(begun(&cluster), [2], "one more than there are clients");
        let second = lend(&cluster).await.expect("a connection");
        assert_eq!(begun(&cluster), [3], "two clients want three connections");
        drop((first, second));
        // Connections that have carried somebody do not come back.
        let _third = lend(&cluster).await.expect("a connection");
        assert_eq!(begun(&cluster), [4]);
    });
}

#[test]
fn without_a_policy_none_is_made_ahead() {
    run(async {
        let servers = [Http1Server::start().await];
        let (_bench, cluster) = world(&servers, |_| {});
        let _first = lend(&cluster).await.expect("a connection");
        assert_eq!(begun(&cluster), [1]);
    });
}

#[test]
fn hosts_that_come_next_are_connected_to() {
    run(async {
        let servers = [Http1Server::start().await, Http1Server::start().await];
        let ahead = |config: &mut Config| config.preconnect = Preconnect { ahead: 2.0, ..Preconnect::default() };
        let (_bench, cluster) = world(&servers, ahead);
        let _first = lend(&cluster).await.expect("a connection");
        assert_eq!(begun(&cluster), [1, 1]);
    });
}

#[test]
fn the_limit_counts_those_that_wait_and_a_client_gets_one_of_them() {
    run(async {
        let servers = [Http1Server::start().await];
        let limited = |config: &mut Config| {
            per_host(config);
            config.circuit_breaker = Thresholds { max_connections: 2, ..Thresholds::default() };
        };
        let (_bench, cluster) = world(&servers, limited);
        let _first = lend(&cluster).await.expect("a connection");
        let _second = lend(&cluster).await.expect("the one that was made ahead");
        assert_eq!(begun(&cluster), [2]);
        let refused = lend(&cluster).await.map(drop).expect_err("there are two");
        assert_eq!(refused.kind, ConnectFailureKind::Overflow);
    });
}

#[test]
fn one_that_the_server_has_closed_is_not_lent() {
    run(async {
        let servers = [Http1Server::start().await];
        let (_bench, cluster) = world(&servers, per_host);
        let first = lend(&cluster).await.expect("a connection");
        while servers[0].connections.get() < 2 {
            tokio::task::yield_now().await;
        }
        servers[0].hang_up.notify_waiters();
        while servers[0].closed.get() < 2 {
            tokio::task::yield_now().await;
        }
        drop(first);
        let second = lend(&cluster).await.expect("a new one");
        assert!(!second.stream.as_ref().expect("it is there").has_peer_left());
        assert!(begun(&cluster)[0] > 2, "{:?}", begun(&cluster));
    });
}

#[test]
fn nobody_dials_a_host_on_behalf_of_clients_that_have_gone() {
    run(async {
        let servers = [Http1Server::start().await];
        let (_bench, cluster) = world(&servers, per_host);
        for _ in 0..5 {
            let mut lending = Box::pin(lend(&cluster));
            // It begins, and is given up.
            assert!(poll_fn(|cx| Poll::Ready(lending.as_mut().poll(cx).is_pending())).await);
        }
        assert!(begun(&cluster)[0] <= 3, "{:?}", begun(&cluster));
    });
}
