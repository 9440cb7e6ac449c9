//! Tests of `preconnect`.

use std::rc::Rc;

use config::cluster::{Cluster as Config, Discovery, Preconnect, Thresholds};
use config::endpoint::HealthStatus;

use super::*;
use crate::cluster::testing::{Bench, Http1Server, assignment, config, endpoint, run, want};
use crate::cluster::{Pick, WorkerCluster};

const NAME: &str = "outbound|80||app";

fn world(
    endpoints: Vec<config::endpoint::Endpoint>,
    change: impl FnOnce(&mut Config),
) -> (Rc<Bench>, Rc<WorkerCluster>) {
    let bench = Bench::new();
    let mut made = config(Discovery::Static(assignment(endpoints)));
    change(&mut made);
    bench.publish(made);
    let cluster = bench.worker(NAME);
    (bench, cluster)
}

fn per_host(config: &mut Config) {
    config.preconnect.per_host = 1.5;
}

/// Connections that were begun to each endpoint.
fn begun(cluster: &WorkerCluster) -> Vec<u64> {
    cluster.shared().host_statuses().iter().map(|host| host.counts.cx_total).collect()
}

#[test]
fn what_is_short_is_as_in_envoy() {
    let streams = |waiting, active, room| Streams { waiting, active, room };
    assert!(!streams(0, 0, 0).are_short(1.5, 0), "nobody asks for anything");
    assert!(streams(0, 0, 0).are_short(1.0, 1), "a request is about to come");
    assert!(streams(1, 0, 0).are_short(1.0, 0) && !streams(1, 0, 1).are_short(1.0, 0));
    assert!(streams(0, 1, 0).are_short(1.5, 0) && !streams(0, 1, 1).are_short(1.5, 0));
    assert!(streams(0, 4, 1).are_short(1.5, 0) && !streams(0, 4, 2).are_short(1.5, 0));
}

#[test]
fn a_host_has_more_connections_than_requests() {
    run(async {
        let server = Http1Server::start().await;
        let (_bench, cluster) = world(vec![endpoint(server.address)], per_host);
        let host = cluster.pick(&Pick::default()).expect("a host");
        let first = cluster.http(&host, &want()).await.expect("a stream");
        assert_eq!(begun(&cluster), [2]);
        let second = cluster.http(&host, &want()).await.expect("a stream");
        assert_eq!(begun(&cluster), [3], "two requests want three connections");
        drop((first, second));
        let _third = cluster.http(&host, &want()).await.expect("a stream");
        assert_eq!(begun(&cluster), [3], "one that is idle is enough");
    });
}

#[test]
fn neither_limits_nor_hosts_that_are_ill_are_passed_by() {
    run(async {
        let server = Http1Server::start().await;
        let ill = config::endpoint::Endpoint { health: HealthStatus::Degraded, ..endpoint(server.address) };
        let limited = |config: &mut Config| {
            per_host(config);
            config.circuit_breaker = Thresholds { max_connections: 1, ..Thresholds::default() };
        };
        let worlds = [world(vec![endpoint(server.address)], limited), world(vec![ill], per_host)];
        for (_bench, cluster) in worlds {
            let host = cluster.pick(&Pick::default()).expect("a host");
            let _lent = cluster.http(&host, &want()).await.expect("a stream");
            assert_eq!(begun(&cluster), [1]);
        }
    });
}

#[test]
fn hosts_that_come_next_are_connected_to() {
    run(async {
        let servers = [Http1Server::start().await, Http1Server::start().await];
        let endpoints = servers.iter().map(|server| endpoint(server.address)).collect();
        let ahead = |config: &mut Config| config.preconnect = Preconnect { ahead: 2.0, ..Preconnect::default() };
        let (_bench, cluster) = world(endpoints, ahead);
        let first = cluster.pick(&Pick::default()).expect("a host");
        let _lent = cluster.http(&first, &want()).await.expect("a stream");
        assert_eq!(begun(&cluster), [1, 1]);
        let second = cluster.pick(&Pick::default()).expect("a host");
        assert_ne!(first, second, "the one that was connected to");
        let _lent = cluster.http(&second, &want()).await.expect("a stream");
        assert_eq!(begun(&cluster).iter().sum::<u64>(), 3, "no more hosts are chosen ahead than there are");
    });
}
