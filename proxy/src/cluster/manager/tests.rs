//! Tests of `workers`.

use std::pin::pin;

use config::cluster::{Cluster as Config, Discovery, UpstreamHttp};
use config::endpoint::Endpoint;

use super::*;
use crate::cluster::Pick;
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
