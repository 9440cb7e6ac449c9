//! Tests of `cache`.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use config::cluster::{Discovery, DnsFamily};
use config::dns_cache::Addresses;
use tempfile::TempDir;

use super::*;
use crate::cluster::testing::{Bench, config as cluster_config, run_paused};
use crate::cluster::{Destination, Pick, PickFailure};

const NAME: &str = "outbound|80||app";

fn settings() -> DnsCache {
    DnsCache {
        name: "names".into(),
        family: DnsFamily::V4Only,
        refresh: Duration::from_secs(60),
        least: Duration::from_secs(5),
        host_ttl: Duration::from_secs(300),
        max_hosts: 10,
        failure: None,
        forgets_failures: false,
        max_pending: 10,
        resolver: Default::default(),
        beforehand: Vec::new(),
        query_timeout: Some(Duration::from_secs(5)),
        without: None,
    }
}

/// A cluster whose names are those of a hosts file.
struct World {
    bench: Rc<Bench>,
    cache: Arc<Cache>,
    cluster: Arc<Cluster>,
    hosts: PathBuf,
    _folder: TempDir,
}

impl World {
    fn new(settings: DnsCache) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "10.0.0.1 app.example\n10.0.0.2 other.example\n").expect("written");
        let bench = Bench::new();
        let settings = Arc::new(settings);
        let cluster = bench.publish(cluster_config(Discovery::DynamicForward(Arc::clone(&settings))));
        let cache = Cache::new(settings, &bench.stats);
        cache.serve(&cluster, &Resolver::with_files("/nonexistent/resolv.conf", &hosts));
        World { bench, cache, cluster, hosts, _folder: folder }
    }

    /// What becomes known of a host.
    async fn resolved(&self, authority: &str) -> Found {
        match self.cache.load(authority, 80) {
            Load::Known(name) => name.known(),
            Load::Coming(name) => {
                Arc::clone(&name).settles().await;
                name.known()
            }
            other => panic!("{other:?}"),
        }
    }

    fn stat(&self, name: &str) -> u64 {
        self.bench.stats.value(&format!("dns_cache.names.{name}")).unwrap_or_else(|| panic!("no statistic {name}"))
    }

    /// Where requests for the name would go.
    fn picked(&self, name: &str) -> Result<String, PickFailure> {
        let destination = Destination::Name(name.into());
        let pick = Pick { destination: Some(&destination), ..Pick::default() };
        self.bench.worker(NAME).pick(&pick).map(|host| format!("{:?}", host.endpoint().address))
    }

    fn endpoints(&self) -> Vec<String> {
        self.cluster.endpoints().iter().map(|endpoint| endpoint.identity.printed.to_string()).collect()
    }
}

fn at(last: u8) -> Found {
    Found::Addresses([IpAddr::from([10, 0, 0, last])].into())
}

#[test]
fn a_name_is_looked_up_when_it_is_asked_for_and_is_an_endpoint_then() {
    run_paused(async {
        let world = World::new(settings());
        assert_eq!(world.picked("app.example:80"), Err(PickFailure::NobodyResolves));
        assert_eq!(world.resolved("app.example").await, at(1));
        assert!(world.picked("app.example:80").expect("a host").contains("10.0.0.1:80"));
        assert!(matches!(world.cache.load("app.example:80", 443), Load::Known(_)), "the same name");
        assert_eq!(world.resolved("other.example:8080").await, at(2));
        assert_eq!(world.endpoints(), ["app.example:80", "other.example:8080"]);
        let shown = world.cluster.host_statuses();
        assert_eq!((&*shown[1].hostname, &*shown[1].address), ("other.example:8080", "10.0.0.2:8080"));
        assert_eq!(world.resolved("10.0.0.7").await, at(7), "an address stands for itself");
        assert_eq!(world.picked("app.example:81"), Err(PickFailure::NobodyResolves), "another port is another name");
        assert_eq!((world.stat("host_added"), world.stat("num_hosts"), world.stat("host_address_changed")), (3, 3, 3));
        assert_eq!((world.stat("dns_query_attempt"), world.stat("dns_query_success")), (3, 3));
        assert_eq!(world.bench.stat("membership_total"), 3);
    });
}

#[test]
fn what_does_not_resolve_is_told_and_asked_for_again() {
    run_paused(async {
        let world = World::new(settings());
        let Found::No(why) = world.resolved("late.example").await else { panic!("it has no address") };
        assert!(why.contains("resolv.conf"), "{why}");
        assert!(matches!(world.cache.load("late.example", 80), Load::Known(_)), "that is known");
        std::fs::write(&world.hosts, "10.0.0.3 late.example\n").expect("written");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(world.resolved("late.example").await, at(3));
        assert_eq!((world.stat("dns_query_failure"), world.stat("dns_query_success")), (1, 1));
    });
}

#[test]
fn addresses_change_and_stay_when_a_look_up_fails() {
    run_paused(async {
        let world = World::new(settings());
        assert_eq!(world.resolved("app.example").await, at(1));
        std::fs::write(&world.hosts, "10.0.0.9 app.example\n").expect("written");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(world.resolved("app.example").await, at(9));
        assert!(world.picked("app.example:80").expect("a host").contains("10.0.0.9:80"));
        assert_eq!(
            (world.stat("host_address_changed"), world.bench.stat("membership_change")),
            (2, 1),
            "the same host"
        );
        std::fs::write(&world.hosts, "10.0.0.9 another.example with more\n").expect("written");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(world.resolved("app.example").await, at(9));
        assert_eq!(world.stat("dns_query_failure"), 1);
    });
}

#[test]
fn names_that_nobody_asks_for_are_forgotten() {
    run_paused(async {
        let world = World::new(settings());
        world.resolved("app.example").await;
        world.resolved("other.example").await;
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            world.resolved("app.example").await;
        }
        assert_eq!(world.endpoints(), ["app.example:80"]);
        assert_eq!((world.stat("host_removed"), world.stat("num_hosts")), (1, 1));
        assert_eq!(world.picked("other.example:80"), Err(PickFailure::NobodyResolves));
    });
}

#[test]
fn there_are_so_many_names_and_callers_and_no_more() {
    run_paused(async {
        let world = World::new(DnsCache { max_hosts: 1, max_pending: 1, ..settings() });
        world.resolved("app.example").await;
        assert!(matches!(world.cache.load("other.example", 80), Load::Overflow));
        assert_eq!(world.stat("host_overflow"), 1);
        let (open, remaining) = ("circuit_breakers.rq_pending_open", "circuit_breakers.rq_pending_remaining");
        assert_eq!((world.stat(open), world.stat(remaining)), (0, 1));
        let one = world.cache.wait().expect("a place");
        assert_eq!((world.stat(open), world.stat(remaining)), (1, 0));
        assert!(world.cache.wait().is_none());
        assert_eq!(world.stat("dns_rq_pending_overflow"), 1);
        drop(one);
        assert_eq!((world.stat(open), world.stat(remaining)), (0, 1));
        assert!(world.cache.wait().is_some());
    });
}

#[test]
fn addresses_that_do_not_count_are_none() {
    run_paused(async {
        let ranges = vec!["10.0.0.1/32".parse().expect("a range")];
        let without = |inverted| Some(Addresses { ranges: ranges.clone(), inverted });
        let world = World::new(DnsCache { without: without(false), ..settings() });
        assert!(matches!(world.resolved("app.example").await, Found::No(_)));
        assert!(matches!(world.resolved("10.0.0.1").await, Found::No(_)), "not even where the caller says it himself");
        assert_eq!(world.resolved("other.example").await, at(2));
        let world = World::new(DnsCache { without: without(true), ..settings() });
        assert_eq!(world.resolved("app.example").await, at(1));
        assert!(matches!(world.resolved("other.example").await, Found::No(_)));
    });
}

#[test]
fn failures_are_forgotten_where_that_is_wanted() {
    run_paused(async {
        let world = World::new(DnsCache { forgets_failures: true, ..settings() });
        for looked in 1..=2 {
            assert!(matches!(world.resolved("missing.example").await, Found::No(_)));
            assert_eq!((world.stat("dns_query_attempt"), world.stat("num_hosts")), (looked, 1));
        }
        assert_eq!((world.stat("host_added"), world.stat("host_removed")), (2, 1), "as in Envoy another one each time");
        let Load::Coming(name) = world.cache.load("missing.example", 80) else { panic!("it failed before") };
        let failed = Arc::downgrade(&name);
        Arc::clone(&name).settles().await;
        drop(name);
        assert!(matches!(world.resolved("missing.example").await, Found::No(_)));
        assert!(
            failed.upgrade().is_none(),
            "nobody keeps those that failed before: strangers make as many as they like"
        );
        tokio::time::sleep(Duration::from_secs(900)).await;
        assert_eq!(world.stat("dns_query_attempt"), 4, "nobody asks");
        assert_eq!((world.stat("host_removed"), world.stat("num_hosts")), (4, 0), "and nothing is left of it");
    });
}

#[test]
fn names_may_be_known_beforehand() {
    run_paused(async {
        let world = World::new(DnsCache { beforehand: vec![("app.example".into(), 80)], ..settings() });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(world.endpoints(), ["app.example:80"]);
        assert!(matches!(world.cache.load("app.example", 80), Load::Known(_)));
    });
}

#[test]
fn nobody_waits_for_a_cache_that_is_gone() {
    run_paused(async {
        let cache = Cache::new(Arc::new(settings()), &Bench::new().stats);
        let Load::Coming(name) = cache.load("app.example", 80) else { panic!("nobody looks it up") };
        drop(cache);
        Arc::clone(&name).settles().await;
        assert_eq!(name.known(), Found::No("the cache is gone".into()));
    });
}

#[test]
fn hosts_and_their_ports() {
    let cases = [
        ("app.example", Some(("app.example", 80))),
        ("app.example:81", Some(("app.example", 81))),
        ("10.0.0.1:81", Some(("10.0.0.1", 81))),
        ("[::1]", Some(("[::1]", 80))),
        ("[::1]:81", Some(("[::1]", 81))),
        ("::1", Some(("::1", 80))),
        ("", None),
        (":81", None),
        ("app.example:", None),
        ("app.example:65536", None),
        ("app.example:x", None),
    ];
    for (authority, expected) in cases {
        assert_eq!(split(authority, 80), expected, "{authority}");
    }
}

#[test]
fn a_name_that_leads_back_is_known() {
    run_paused(async {
        let world = World::new(settings());
        let Load::Coming(name) = world.cache.load("app.example", 80) else { panic!("nobody has asked yet") };
        Arc::clone(&name).settles().await;
        let here = |text: &str| name.is_at(text.parse().expect("an address"));
        assert!(here("10.0.0.1:80") && here("[::ffff:10.0.0.1]:80"));
        assert!(!here("10.0.0.1:81") && !here("10.0.0.2:80"));
    });
}
