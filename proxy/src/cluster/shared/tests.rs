//! Tests of `shared`.

use config::cluster::{DnsFamily, DnsSettings};

use super::*;
use crate::cluster::testing::*;

#[test]
fn what_is_warm() {
    let bench = Bench::new();
    let cluster = bench.publish(config(eds()));
    assert!(!cluster.is_warm(), "EDS waits for its first assignment");
    cluster.assign(&assignment(Vec::new()));
    assert!(cluster.is_warm(), "an empty one will do");
    assert!(bench.publish(config(Discovery::Static(assignment(Vec::new())))).is_warm());
    assert!(bench.publish(config(Discovery::OriginalDst(Default::default()))).is_warm());
    assert!(cluster.has_secrets() && cluster.needed_secrets().is_empty());
}

#[test]
fn literal_addresses_of_dns_clusters_are_there_at_once() {
    let settings = DnsSettings {
        family: DnsFamily::All,
        refresh: std::time::Duration::from_secs(5),
        respect_ttl: false,
        jitter: std::time::Duration::ZERO,
        least: std::time::Duration::ZERO,
        resolver: Default::default(),
        failure: None,
        waits: false,
    };
    let name = |host: &str| endpoint_at(config::address::Address::Name { host: host.into(), port: 80 });
    let bench = Bench::new();
    let strict = assignment(vec![name("10.0.0.1"), name("app.example")]);
    let cluster = bench.publish(config(Discovery::StrictDns(strict.clone(), settings.clone())));
    assert_eq!(cluster.host_statuses().len(), 1);
    assert_eq!(&*cluster.host_statuses()[0].address, "10.0.0.1:80");
    let answers = HashMap::from([(Arc::from("app.example"), vec![[10, 0, 0, 2].into(), [10, 0, 0, 3].into()])]);
    cluster.assign_resolved(&strict, &answers);
    assert_eq!(cluster.host_statuses().len(), 3);
    let logical = bench.publish(config(Discovery::LogicalDns(assignment(vec![name("app.example")]), settings)));
    logical.assign_resolved(&assignment(vec![name("app.example")]), &answers);
    assert_eq!(logical.host_statuses().len(), 1);
    assert_eq!(&*logical.host_statuses()[0].address, "10.0.0.2:80");
}

#[test]
fn statuses_tell_all_that_admin_shows() {
    let bench = Bench::new();
    let cluster = bench.publish(config(eds()));
    let sick = config::endpoint::Endpoint {
        health: config::endpoint::HealthStatus::Unhealthy,
        weight: 5,
        hostname: "app".into(),
        ..endpoint(address(2))
    };
    cluster.assign(&LoadAssignment {
        localities: vec![locality("a", None, 0, vec![endpoint(address(1))]), locality("b", Some(2), 1, vec![sick])],
        ..assignment(Vec::new())
    });
    let statuses = cluster.host_statuses();
    assert_eq!(statuses.len(), 2);
    let second = &statuses[1];
    assert_eq!((second.priority, second.weight, &*second.hostname), (1, 5, "app"));
    assert_eq!(&*second.locality.zone, "b");
    assert_eq!(second.health, config::endpoint::HealthStatus::Unhealthy);
    assert_eq!(bench.stat("membership_total"), 2);
    assert_eq!(bench.stat("membership_healthy"), 1);
}

/// 5 000 clusters that are only pushed must cost little: the fixed part of each, without its endpoints.
#[test]
fn an_unused_cluster_is_small() {
    assert!(size_of::<Cluster>() <= 768, "{}", size_of::<Cluster>());
    assert!(size_of::<super::super::endpoints::Endpoint>() <= 256);
}

#[test]
fn statistics_end_with_their_cluster() {
    let bench = Bench::new();
    bench.publish(config(eds())).stats();
    assert!(bench.stats.value("cluster.app.upstream_cx_total").is_some());
    bench.remove("outbound|80||app");
    assert!(bench.stats.value("cluster.app.upstream_cx_total").is_none());
}

/// As with Envoy: health and weights may change without a host coming or going.
#[test]
fn membership_changes_when_hosts_come_or_go() {
    let bench = Bench::new();
    let cluster = bench.publish(config(eds()));
    let one = |weight| config::endpoint::Endpoint { weight, ..endpoint(address(1)) };
    cluster.assign(&assignment(vec![one(1)]));
    cluster.assign(&assignment(vec![one(1)]));
    cluster.assign(&assignment(vec![one(7)]));
    assert_eq!(bench.stat("membership_change"), 1);
    cluster.assign(&assignment(vec![one(7), endpoint(address(2))]));
    cluster.assign(&assignment(Vec::new()));
    assert_eq!((bench.stat("membership_change"), bench.stat("membership_total")), (3, 0));
}
