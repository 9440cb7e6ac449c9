//! Tests of `worker`.

use config::cluster::{Cluster as Config, Discovery, LocalZone};
use config::endpoint::{Endpoint, HealthStatus, LoadAssignment};

use super::*;
use crate::cluster::testing::*;
use crate::cluster::{Destination, OverrideHost, Pick};

const NAME: &str = "outbound|80||app";

#[test]
fn reasons_for_no_host() {
    let bench = Bench::new();
    let dns = config::cluster::DnsSettings {
        family: config::cluster::DnsFamily::V4Only,
        refresh: Duration::from_secs(5),
        respect_ttl: true,
        jitter: Duration::ZERO,
        least: Duration::ZERO,
        resolver: Default::default(),
        failure: None,
        waits: false,
    };
    let name = config::address::Address::Name { host: "app.example".into(), port: 80 };
    let sick = Endpoint { health: HealthStatus::Unhealthy, ..endpoint(address(1)) };
    let calm = |discovery| Config { panic_threshold: 0.0, ..config(discovery) };
    for (config, expected) in [
        (config(eds()), PickFailure::NoEndpoints),
        (calm(Discovery::Static(assignment(vec![sick]))), PickFailure::NoHealthyEndpoint),
        (config(Discovery::StrictDns(assignment(vec![endpoint_at(name)]), dns)), PickFailure::Unresolved),
        (config(Discovery::OriginalDst(Default::default())), PickFailure::NoOriginalDestination),
        (config(Discovery::Inert("envoy.clusters.dynamic_forward_proxy".into())), PickFailure::Inert),
    ] {
        bench.publish(config);
        let failure = bench.worker(NAME).pick(&Pick::default()).expect_err("no host");
        assert_eq!(failure, expected);
        assert_eq!(failure.details(), "no_healthy_upstream");
    }
    assert_eq!(bench.stat("upstream_cx_none_healthy"), 1, "the scope of each cluster begins at zero");
}

#[test]
fn a_host_that_a_filter_has_chosen_is_taken_where_its_health_allows_it() {
    use HealthStatus::{Degraded, Draining, Healthy, Unhealthy};
    let hosts = [Healthy, Degraded, Unhealthy, Draining].into_iter().zip(1..);
    let hosts: Vec<_> = hosts.map(|(health, last)| Endpoint { health, ..endpoint(address(last)) }).collect();
    let bench = Bench::new();
    let publish = |statuses: &[HealthStatus]| {
        let discovery = Discovery::Static(assignment(hosts.clone()));
        bench.publish(Config { override_host_statuses: statuses.into(), ..config(discovery) });
    };
    let usual = [HealthStatus::Unknown, Healthy, Degraded];
    for (statuses, last, taken) in [
        (&usual[..], 1, true),
        (&usual, 2, true),
        (&usual, 3, false),
        (&usual, 4, false),
        (&[Draining], 4, true),
        (&[Draining], 1, false),
        (&[], 1, false),
        (&usual, 9, false),
    ] {
        publish(statuses);
        let cluster = bench.worker(NAME);
        for strict in [None, Some(504)] {
            let wanted = OverrideHost { address: address(last).to_string().into(), strict };
            let before = bench.stat("upstream_cx_none_healthy");
            let host = cluster.pick(&Pick { prefer: Some(&wanted), ..Pick::default() });
            match (taken, strict) {
                (true, _) => assert_eq!(host.expect("the host").address(), &*wanted.address),
                (false, None) => assert!(host.is_ok(), "the balancer chooses"),
                (false, Some(status)) => {
                    let failure = host.expect_err("no other will do");
                    // The status is for those that there are not.
                    let expected = if last == 9 {
                        (PickFailure::OverrideHost(504), status)
                    } else {
                        (PickFailure::NoHealthyEndpoint, 503)
                    };
                    assert_eq!((failure, failure.status()), expected);
                    assert_eq!(bench.stat("upstream_cx_none_healthy"), before + 1);
                }
            }
        }
    }
}

/// Half of the proxies are here and half of the hosts: all stays. Then two thirds of the proxies are, and a quarter has to leave.
#[test]
fn what_the_local_cluster_has_decides_how_much_stays_in_the_zone() {
    let zone =
        |name: &str, hosts: &[u8]| locality(name, None, 0, hosts.iter().map(|last| endpoint(address(*last))).collect());
    let of = |localities| LoadAssignment { localities, ..assignment(Vec::new()) };
    let bench = Bench::new();
    let halves = of(vec![zone("a", &[1]), zone("b", &[2])]);
    let local = bench.publish(Config { name: "local".into(), ..config(Discovery::Static(halves)) });
    let own = LocalZone { cluster: "local".into(), locality: zone("a", &[]).locality };
    let hosts = of(vec![zone("b", &[14, 15, 16]), zone("a", &[11, 12, 13])]);
    bench.publish(Config { local_zone: Some(Arc::new(own)), ..config(Discovery::Static(hosts)) });
    let cluster = bench.worker(NAME);
    let leave = || {
        let picks = (0..4000).map(|_| cluster.pick(&Pick::default()).expect("a host"));
        picks.filter(|host| *host.endpoint().locality.zone == *"b").count()
    };
    assert_eq!(leave(), 0);
    assert_eq!(bench.stat("lb_zone_routing_all_directly"), 4000);
    local.assign(&of(vec![zone("a", &[1, 2]), zone("b", &[3])]));
    let left = leave();
    assert!((850..1150).contains(&left), "{left}");
    assert_eq!(bench.stat("lb_zone_routing_cross_zone"), left as u64);
}

/// The real Envoy counts the same in `integration/tests/statistics_parity.rs`.
#[test]
fn responses_are_counted_by_zones_and_of_canaries() {
    let metadata =
        |canary: serde_json::Value| Arc::new(Metadata::from([("envoy.lb", serde_json::json!({ "canary": canary }))]));
    let canary = Endpoint { metadata: metadata(true.into()), ..endpoint(address(1)) };
    let called_so = Endpoint { metadata: metadata("true".into()), ..endpoint(address(2)) };
    let zones = vec![locality("away", None, 0, vec![canary]), locality("", None, 0, vec![called_so])];
    let bench = Bench::new();
    bench.publish(config(Discovery::Static(LoadAssignment { localities: zones, ..assignment(Vec::new()) })));
    let cluster = bench.worker(NAME);
    let host = |last: u8| {
        let wanted = OverrideHost { address: address(last).to_string().into(), strict: Some(503) };
        cluster.pick(&Pick { prefer: Some(&wanted), ..Pick::default() }).expect("it is there")
    };
    let codes = Codes::of(false);
    cluster.count_called(Some(&host(1)), 200, codes, Some(3), false);
    cluster.count_called(Some(&host(1)), 504, codes, None, false);
    cluster.count_called(Some(&host(2)), 200, codes, Some(3), false);
    cluster.count_called(Some(&host(2)), 200, codes, Some(3), true);
    cluster.count_called(None, 503, codes, None, false);
    for (family, of_200, of_504) in [("", 3, 1), ("canary.", 2, 1), ("zone.home.away.", 1, 1)] {
        for (name, count) in [("200", of_200), ("2xx", of_200), ("504", of_504)] {
            assert_eq!(bench.stat(&format!("{family}upstream_rq_{name}")), count, "{family}{name}");
        }
    }
    assert_eq!(
        (bench.stat("canary.upstream_rq_completed"), bench.stat("zone.home.away.upstream_rq_completed")),
        (3, 2)
    );
    assert_eq!((bench.stat("canary.upstream_rq_5xx"), bench.stat("upstream_rq_5xx")), (1, 2));
    assert_eq!(bench.stat("zone.home..upstream_rq_completed"), 0);
}

#[test]
fn a_restored_original_destination_is_reached_and_forgotten_when_idle() {
    run_paused(async {
        let server = Http1Server::start().await;
        let bench = Bench::new();
        let mut original = config(Discovery::OriginalDst(Default::default()));
        original.http.idle_timeout = Some(Duration::from_secs(1));
        bench.publish(original);
        let cluster = bench.worker(NAME);
        let there = Destination::Address(server.address);
        let pick = Pick { destination: Some(&there), ..Pick::default() };
        let host = cluster.pick(&pick).expect("a host");
        assert_eq!(exchange(&mut cluster.http(&host, &want()).await.expect("a stream")).await.1, "1");
        assert!(cluster.pick(&pick).expect("a host") == host);
        tokio::select! {
            () = bench.workers.maintain(&bench.published) => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        assert!(cluster.destinations.borrow().is_empty());
    });
}

#[test]
fn responses_are_counted_by_code_and_origin() {
    let bench = Bench::new();
    bench.publish(config(eds()));
    let cluster = bench.worker(NAME);
    cluster.count_response(200, Codes::of(false), Some(3));
    cluster.count_response(200, Codes::of(false), Some(4));
    cluster.count_response(503, Codes::of(true), None);
    for (name, expected) in [
        ("upstream_rq_completed", 3),
        ("upstream_rq_200", 2),
        ("upstream_rq_2xx", 2),
        ("external.upstream_rq_200", 2),
        ("external.upstream_rq_2xx", 2),
        ("internal.upstream_rq_503", 1),
        ("upstream_rq_5xx", 1),
    ] {
        assert_eq!(bench.stat(name), expected, "{name}");
    }
}

/// A future that is held for each request must stay small.
#[test]
fn futures_stay_small() {
    run(async {
        let bench = Bench::new();
        bench.publish(config(Discovery::Static(assignment(vec![endpoint(address(1))]))));
        let cluster = bench.worker(NAME);
        let host = cluster.pick(&Pick::default()).expect("a host");
        let want = want();
        let size = size_of_val(&cluster.http(&host, &want));
        assert!(size <= 1024, "{size} octets");
    });
}
