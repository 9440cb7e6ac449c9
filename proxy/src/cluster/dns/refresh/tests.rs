//! Tests of `refresh`.

use config::cluster::{Cluster as Config, Discovery, DnsFamily};

use super::super::resolver::tests::{Says, Server};
use super::*;
use crate::cluster::testing::{Bench, assignment, config, endpoint_at, run, run_paused};
use crate::cluster::{Pick, PickFailure};

fn settings() -> DnsSettings {
    DnsSettings {
        family: DnsFamily::V4Only,
        refresh: Duration::from_secs(60),
        respect_ttl: true,
        jitter: Duration::ZERO,
        least: Duration::ZERO,
        resolver: Default::default(),
        failure: None,
        waits: false,
    }
}

fn answer(ttl: Option<Duration>) -> Result<Answer, LookupFailure> {
    Ok(Answer { addresses: Vec::new(), ttl })
}

#[test]
fn the_ttl_counts_where_it_is_respected() {
    let seconds = Duration::from_secs;
    let ttl = answer(Some(Duration::from_millis(4_200)));
    assert_eq!(next_delay(&settings(), &ttl, 0), seconds(5));
    assert_eq!(next_delay(&settings(), &answer(None), 0), seconds(60));
    assert_eq!(next_delay(&settings(), &answer(Some(Duration::ZERO)), 0), seconds(60));
    let patient = DnsSettings { least: seconds(30), ..settings() };
    assert_eq!(next_delay(&patient, &ttl, 0), seconds(30));
    assert_eq!(next_delay(&patient, &answer(Some(seconds(31))), 0), seconds(31));
    let deaf = DnsSettings { respect_ttl: false, ..settings() };
    assert_eq!(next_delay(&deaf, &ttl, 0), seconds(60));
}

#[test]
fn failures_back_off_up_to_the_refresh_rate() {
    let failure = Err(LookupFailure("no".to_owned()));
    let delays: Vec<u64> =
        [1, 2, 3, 6, 7, 40, u32::MAX].map(|failures| next_delay(&settings(), &failure, failures).as_secs()).into();
    assert_eq!(delays, [1, 2, 4, 32, 60, 60, 60]);
}

#[test]
fn failures_back_off_as_they_are_told_to() {
    let failure = Err(LookupFailure("no".to_owned()));
    let told = DnsSettings { failure: Some((Duration::from_secs(2), Duration::from_secs(5))), ..settings() };
    for (failures, most) in [(1, 2), (2, 4), (3, 5), (u32::MAX, 5)] {
        for _ in 0..20 {
            let delay = next_delay(&told, &failure, failures);
            assert!((LEAST_DELAY..Duration::from_secs(most)).contains(&delay), "{delay:?}");
        }
    }
}

#[test]
fn jitter_is_added_and_nothing_is_asked_all_the_time() {
    let jittery = DnsSettings { jitter: Duration::from_millis(100), refresh: Duration::ZERO, ..settings() };
    for _ in 0..50 {
        let delay = next_delay(&jittery, &answer(None), 0);
        assert!((LEAST_DELAY..LEAST_DELAY + Duration::from_millis(100)).contains(&delay), "{delay:?}");
    }
}

/// A cluster whose DNS cannot be asked is empty, and nothing else happens; when the file with the answer appears, it serves.
#[test]
fn a_name_in_the_hosts_file_is_found_when_the_file_appears() {
    run_paused(async {
        let folder = tempfile::tempdir().expect("a folder");
        let (resolv_conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
        let resolver = Resolver::with_files(&resolv_conf, &hosts);
        let bench = Bench::new();
        let name = config::address::Address::Name { host: "app.example".into(), port: 80 };
        let shared =
            bench.publish(Config { ..config(Discovery::StrictDns(assignment(vec![endpoint_at(name)]), settings())) });
        assert!(shared.is_warm(), "DNS delays no readiness");
        let cluster = bench.worker("outbound|80||app");
        let upkeep = refresh(Arc::clone(&shared), resolver, Rc::default());
        let scenario = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(cluster.pick(&Pick::default()).err(), Some(PickFailure::Unresolved));
            std::fs::write(&hosts, "10.0.0.1 other.example app.example\n").expect("written");
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(cluster.pick(&Pick::default()).expect("a host").address(), "10.0.0.1:80");
        };
        tokio::select! {
            () = upkeep => {}
            () = scenario => {}
        }
    });
}

/// What a cluster picks and has counted when its name had an address once, and since then answers without one.
async fn after_an_empty_answer(
    discovery: impl Fn(config::endpoint::LoadAssignment, DnsSettings) -> Discovery,
) -> (Result<String, PickFailure>, [u64; 3]) {
    let empty = Rc::new(std::cell::Cell::new(false));
    let says = Rc::clone(&empty);
    let server =
        Server::start(move |_, _| Says::Addresses(if says.get() { Vec::new() } else { vec![[10, 0, 0, 1].into()] }, 0))
            .await;
    let resolver = Resolver::with_files("/nonexistent/resolv.conf", "/nonexistent/hosts");
    let asks = config::cluster::DnsResolver { servers: vec![server.address], ..Default::default() };
    let settings = DnsSettings { refresh: LEAST_DELAY, resolver: asks, ..settings() };
    let bench = Bench::new();
    let name = config::address::Address::Name { host: "app.example".into(), port: 80 };
    let shared = bench.publish(Config { ..config(discovery(assignment(vec![endpoint_at(name)]), settings)) });
    let cluster = bench.worker("outbound|80||app");
    let prefix = crate::cluster::stats_prefix(shared.config());
    let counted = |name: &str| bench.stats.value(&format!("{prefix}update_{name}")).unwrap_or(0);
    let upkeep = refresh(Arc::clone(&shared), resolver, Rc::default());
    let scenario = async {
        while counted("no_rebuild") < 1 {
            tokio::task::yield_now().await;
        }
        empty.set(true);
        let asked = counted("attempt");
        while counted("attempt") < asked + 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = upkeep => {}
        () = scenario => {}
    }
    let picked = cluster.pick(&Pick::default()).map(|host| host.address().to_string());
    (picked, ["attempt", "success", "failure"].map(counted))
}

#[test]
fn an_empty_answer_empties_a_strict_cluster_and_takes_nothing_from_a_logical_one() {
    run(async {
        let (picked, [attempts, successes, failures]) = after_an_empty_answer(Discovery::StrictDns).await;
        assert_eq!((picked, failures), (Err(PickFailure::Unresolved), 0), "{attempts} {successes}");
        assert_eq!(successes, attempts - 1, "one is under way");
        let (picked, [attempts, successes, failures]) = after_an_empty_answer(Discovery::LogicalDns).await;
        assert_eq!(picked, Ok("app.example:80".to_owned()));
        assert!(failures >= 1 && successes + failures == attempts - 1, "{attempts} {successes} {failures}");
    });
}
