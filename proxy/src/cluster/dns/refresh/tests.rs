//! Tests of `refresh`.

use config::cluster::{Cluster as Config, Discovery, DnsFamily};

use super::*;
use crate::cluster::testing::{Bench, assignment, config, endpoint_at, run_paused};
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
