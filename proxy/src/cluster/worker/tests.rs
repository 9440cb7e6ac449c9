use std::pin::pin;

use config::cluster::{Cluster as Config, UpstreamHttp};
use config::endpoint::{Endpoint, HealthStatus};

use super::*;
use crate::cluster::testing::*;

const NAME: &str = "outbound|80||app";

/// Runs upkeep until something holds.
async fn upkeep_until(bench: &Bench, holds: impl FnMut() -> bool) {
    tokio::select! {
        () = bench.workers.maintain(&bench.published) => {}
        () = until(holds) => {}
    }
}

#[test]
fn an_unknown_cluster_is_none() {
    let bench = Bench::new();
    assert!(bench.workers.get(&bench.published, "nowhere").is_none());
}

#[test]
fn an_endpoint_that_stays_keeps_its_connections_and_one_that_goes_loses_its_idle_ones() {
    run(async {
        let (stays, goes) = (Http1Server::start().await, Http1Server::start().await);
        let bench = Bench::new();
        let shared = bench.publish(config(eds()));
        shared.assign(&assignment(vec![endpoint(stays.address), endpoint(goes.address)]));
        let cluster = bench.worker(NAME);
        let mut hosts = Vec::new();
        for _ in 0..2 {
            let host = cluster.pick(&Pick::default()).expect("a host");
            exchange(&mut cluster.http(&host, &want()).await.expect("a stream")).await;
            hosts.push(host);
        }
        // The order of the first picks is random.
        hosts.sort_by_key(|host| host.address() != stays.address.to_string());
        let mut busy = cluster.http(&hosts[1], &want()).await.expect("a stream");
        let mut idle_too = cluster.http(&hosts[1], &want()).await.expect("a stream");
        exchange(&mut idle_too).await;
        drop(idle_too);

        shared.assign(&assignment(vec![Endpoint { weight: 7, ..endpoint(stays.address) }]));
        upkeep_until(&bench, || goes.closed.get() == 1).await;
        assert_eq!(exchange(&mut busy).await.0, 200, "a busy connection finishes");
        drop(busy);
        until(|| goes.closed.get() == 2).await;

        let host = cluster.pick(&Pick::default()).expect("a host");
        assert!(host == hosts[0] && host.weight() == 7);
        assert_eq!(exchange(&mut cluster.http(&host, &want()).await.expect("a stream")).await.1, "1");
        assert_eq!((stays.connections.get(), stays.closed.get()), (1, 0));
        assert_eq!(bench.stat("membership_total"), 1);
        assert_eq!(bench.stat("membership_change"), 2);
    });
}

#[test]
fn a_removed_cluster_closes_its_idle_connections_and_lets_the_busy_finish() {
    run(async {
        let server = Http1Server::start().await;
        let bench = Bench::new();
        bench.publish(config(Discovery::Static(assignment(vec![endpoint(server.address)]))));
        let cluster = bench.worker(NAME);
        let host = cluster.pick(&Pick::default()).expect("a host");
        let mut busy = cluster.http(&host, &want()).await.expect("a stream");
        exchange(&mut cluster.http(&host, &want()).await.expect("a stream")).await;
        drop((cluster, host));
        bench.remove(NAME);
        upkeep_until(&bench, || server.closed.get() == 1).await;
        assert!(bench.workers.get(&bench.published, NAME).is_none());
        assert_eq!(exchange(&mut busy).await.0, 200);
        drop(busy);
        until(|| server.closed.get() == 2).await;
    });
}

#[test]
fn a_replaced_cluster_is_another() {
    run(async {
        let server = Http1Server::start().await;
        let bench = Bench::new();
        let make = || config(Discovery::Static(assignment(vec![endpoint(server.address)])));
        bench.publish(make());
        let before = bench.worker(NAME);
        let host = before.pick(&Pick::default()).expect("a host");
        exchange(&mut before.http(&host, &want()).await.expect("a stream")).await;
        bench.publish(make());
        let after = bench.worker(NAME);
        assert!(!Rc::ptr_eq(&before, &after));
        until(|| server.closed.get() == 1).await;
    });
}

#[test]
fn a_cluster_without_use_is_dropped_and_one_with_connections_is_not() {
    run_paused(async {
        let server = Http1Server::start().await;
        let bench = Bench::new();
        let named = |name: &str, address| Config {
            name: name.into(),
            ..config(Discovery::Static(assignment(vec![endpoint(address)])))
        };
        bench.publish(named("used", server.address));
        bench.publish(named("idle", address(1)));
        bench.worker("idle").pick(&Pick::default()).expect("a host");
        let cluster = bench.worker("used");
        let host = cluster.pick(&Pick::default()).expect("a host");
        exchange(&mut cluster.http(&host, &want()).await.expect("a stream")).await;
        drop((cluster, host));
        tokio::select! {
            () = bench.workers.maintain(&bench.published) => {}
            () = tokio::time::sleep(3 * COOLING) => {}
        }
        let used = bench.workers.used.borrow();
        assert_eq!(used.keys().map(|name| &**name).collect::<Vec<_>>(), ["used"]);
    });
}

#[test]
fn upkeep_sleeps_while_nothing_is_used() {
    run_paused(async {
        let bench = Bench::new();
        let mut upkeep = pin!(bench.workers.maintain(&bench.published));
        tokio::select! {
            () = &mut upkeep => {}
            () = tokio::time::sleep(Duration::from_secs(24 * 3600)) => {}
        }
        assert_eq!(bench.workers.interval(), FOR_EVER);
        let short = UpstreamHttp { idle_timeout: Some(Duration::from_secs(1)), ..config(eds()).http };
        bench.publish(Config { http: short, ..config(eds()) });
        bench.worker(NAME);
        assert_eq!(bench.workers.interval(), Duration::from_secs(1));
    });
}

#[test]
fn reasons_for_no_host() {
    let bench = Bench::new();
    let dns = config::cluster::DnsSettings {
        family: config::cluster::DnsFamily::V4Only,
        refresh: Duration::from_secs(5),
        respect_ttl: true,
        jitter: Duration::ZERO,
        resolvers: Vec::new(),
    };
    let name = config::address::Address::Name { host: "app.example".into(), port: 80 };
    let sick = Endpoint { health: HealthStatus::Unhealthy, ..endpoint(address(1)) };
    let calm = |discovery| Config { panic_threshold: 0.0, ..config(discovery) };
    for (config, expected) in [
        (config(eds()), PickFailure::NoEndpoints),
        (calm(Discovery::Static(assignment(vec![sick]))), PickFailure::NoHealthyEndpoint),
        (config(Discovery::StrictDns(assignment(vec![endpoint_at(name)]), dns)), PickFailure::Unresolved),
        (config(Discovery::OriginalDst), PickFailure::NoOriginalDestination),
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
fn a_restored_original_destination_is_reached_and_forgotten_when_idle() {
    run_paused(async {
        let server = Http1Server::start().await;
        let bench = Bench::new();
        let mut original = config(Discovery::OriginalDst);
        original.http.idle_timeout = Some(Duration::from_secs(1));
        bench.publish(original);
        let cluster = bench.worker(NAME);
        let pick = Pick { original_destination: Some(server.address), ..Pick::default() };
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
fn the_server_name_of_auto_sni() {
    let mut cluster = config(eds());
    assert_eq!(auto_sni(&cluster, b"app.example"), None);
    cluster.http.auto_sni = true;
    for (authority, expected) in [
        (&b"app.example"[..], Some("app.example")),
        (b"app.example:8443", Some("app.example")),
        (b"10.0.0.1:8443", None),
        (b"10.0.0.1", None),
        (b"[::1]:8443", None),
        (b"::1", None),
        (b"", None),
        (b":80", None),
        (b"\xff", None),
    ] {
        assert_eq!(auto_sni(&cluster, authority), expected, "{authority:?}");
    }
}

#[test]
fn responses_are_counted_by_code_and_origin() {
    let bench = Bench::new();
    bench.publish(config(eds()));
    let cluster = bench.worker(NAME);
    cluster.count_response(200, false, Some(3));
    cluster.count_response(200, false, Some(4));
    cluster.count_response(503, true, None);
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
