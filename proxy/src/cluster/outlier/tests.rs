//! Tests of `outlier`: whole clusters in paused time, told of outcomes as workers tell them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use config::cluster::{Cluster as Config, Consecutive, Discovery, FailurePercentage, OutlierDetection, SuccessRate};
use config::matcher::{HeaderMatcher, HeaderRule, ResponsePredicate, StringMatcher};
use tokio::time::{Instant, sleep};

use super::detector::Cause;
use super::events::{Event, line};
use super::rates::{Rated, threshold};
use super::*;
use crate::cluster::testing::*;
use crate::cluster::{Cluster, Host};
use crate::status::HealthFlags;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Protocol, ResponseHead};

fn settings() -> OutlierDetection {
    OutlierDetection {
        interval: Duration::from_secs(10),
        base_ejection_time: Duration::from_secs(30),
        max_ejection_time: Duration::from_secs(300),
        max_ejection_time_jitter: Duration::ZERO,
        max_ejection_percent: 100,
        always_eject_one_host: false,
        split_local_origin: false,
        consecutive_5xx: Consecutive { count: 3, enforcing: 100 },
        consecutive_gateway_failure: Consecutive { count: 2, enforcing: 0 },
        consecutive_local_origin_failure: Consecutive { count: 2, enforcing: 100 },
        success_rate: SuccessRate {
            minimum_hosts: 3,
            request_volume: 10,
            stdev_factor: 1000,
            enforcing: 0,
            enforcing_local_origin: 0,
        },
        failure_percentage: FailurePercentage {
            threshold: 50,
            minimum_hosts: 3,
            request_volume: 10,
            enforcing: 0,
            enforcing_local_origin: 0,
        },
        active_check_unejects: true,
        detect_degraded: false,
    }
}

struct World {
    bench: Rc<Bench>,
    cluster: Arc<Cluster>,
    hosts: Vec<Host>,
    _running: Ejections,
}

impl World {
    /// A cluster of so many hosts.
    fn new(count: u8, outliers: OutlierDetection) -> World {
        World::of(count, Config { outlier_detection: Some(outliers), ..config(hosts(count)) })
    }

    fn of(count: u8, config: Config) -> World {
        let bench = Bench::new();
        let cluster = bench.publish(config);
        let running = Ejections::follow(&cluster, None).expect("it asks for it");
        let worker = bench.worker(&cluster.config().name);
        let host = |_| worker.pick(&crate::cluster::Pick::default()).expect("a host");
        let mut hosts: Vec<Host> = (0..count).map(host).collect();
        hosts.sort_by_key(|host| host.address().to_owned());
        World { bench, cluster, hosts, _running: running }
    }

    fn put(&self, host: usize, outcomes: &[Outcome]) {
        outcomes.iter().for_each(|outcome| self.hosts[host].put(*outcome));
    }

    fn answers(&self, host: usize, statuses: &[u16]) {
        statuses.iter().for_each(|status| self.hosts[host].put(Outcome::Answered(*status)));
    }

    fn flags(&self, host: usize) -> HealthFlags {
        self.cluster.host_statuses()[host].flags
    }

    fn is_out(&self, host: usize) -> bool {
        self.flags(host).has(HealthFlags::FAILED_OUTLIER_CHECK)
    }

    fn stat(&self, name: &str) -> u64 {
        self.bench.stat(&format!("outlier_detection.{name}"))
    }
}

fn hosts(count: u8) -> Discovery {
    Discovery::Static(assignment((1..=count).map(|last| endpoint(address(last))).collect()))
}

/// Lets the control thread act.
async fn settle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn failures_in_a_row_leave_a_host_out() {
    run_paused(async {
        let world = World::new(2, settings());
        world.answers(0, &[500, 501, 404, 500, 500]);
        settle().await;
        assert!(!world.is_out(0), "an answer that is no error ends the row");
        world.answers(0, &[500]);
        settle().await;
        assert!(world.is_out(0) && !world.is_out(1));
        assert_eq!(world.bench.stat("membership_healthy"), 1);
        assert_eq!(world.bench.stat("membership_change"), 1, "nobody has left");
        for _ in 0..4 {
            let worker = world.bench.worker(&world.cluster.config().name);
            let host = worker.pick(&crate::cluster::Pick::default()).expect("one is well");
            assert_eq!(host.address(), world.hosts[1].address());
        }
        for name in ["active", "total", "consecutive_5xx", "detected_consecutive_5xx", "enforced_consecutive_5xx"] {
            assert_eq!(world.stat(&format!("ejections_{name}")), 1, "{name}");
        }
        assert_eq!(world.stat("ejections_enforced_total"), 1);
    });
}

/// Five seconds after a look the host fails. How many seconds it stays out: looks are every 10 s since the beginning.
async fn out_for(world: &World) -> u64 {
    sleep(Duration::from_secs(5)).await;
    world.answers(0, &[500; 3]);
    settle().await;
    assert!(world.is_out(0));
    let begun = Instant::now();
    until(|| !world.is_out(0)).await;
    begun.elapsed().as_secs()
}

#[test]
fn a_host_comes_back_at_the_end_of_an_interval_and_stays_out_longer_the_next_time() {
    run_paused(async {
        let world = World::new(2, settings());
        assert_eq!(out_for(&world).await, 35);
        assert_eq!(world.stat("ejections_active"), 0);
        assert_eq!(out_for(&world).await, 65);
        // Each interval in peace takes one step back.
        sleep(Duration::from_secs(30)).await;
        assert_eq!(out_for(&world).await, 35);
        assert_eq!(world.stat("ejections_total"), 3);
    });
}

#[test]
fn no_time_is_longer_than_the_longest() {
    run_paused(async {
        let most = Duration::from_secs(40);
        let world = World::new(2, OutlierDetection { max_ejection_time: most, ..settings() });
        for seconds in [35, 45, 45] {
            assert_eq!(out_for(&world).await, seconds);
        }
    });
}

#[test]
fn no_more_than_a_share_of_hosts_is_left_out() {
    for (percent, always, expected) in [(10, false, 0), (10, true, 1), (33, false, 0), (34, false, 1), (67, false, 2)] {
        run_paused(async {
            let outliers =
                OutlierDetection { max_ejection_percent: percent, always_eject_one_host: always, ..settings() };
            let world = World::new(3, outliers);
            for host in 0..3 {
                world.answers(host, &[500; 3]);
                settle().await;
            }
            assert_eq!(world.stat("ejections_active"), expected, "{percent} {always}");
            assert_eq!(world.stat("ejections_overflow"), 3 - expected);
            assert_eq!(world.stat("ejections_detected_consecutive_5xx"), 3);
        });
    }
}

#[test]
fn what_is_not_enforced_is_counted() {
    run_paused(async {
        let world = World::new(2, settings());
        world.answers(0, &[503, 503, 200, 500, 502, 504]);
        settle().await;
        // Two rows of two gateway failures, of which a 500 between ends none: it ends the row.
        assert_eq!(world.stat("ejections_detected_consecutive_gateway_failure"), 1);
        assert_eq!(world.stat("ejections_enforced_consecutive_gateway_failure"), 0);
    });
}

#[test]
fn connections_are_requests_unless_they_are_split() {
    run_paused(async {
        let world = World::new(2, settings());
        world.put(0, &[Outcome::Failed, Outcome::TimedOut(504), Outcome::Connected, Outcome::Failed]);
        settle().await;
        assert!(world.is_out(0), "a connection for a request is no answer");
        world.put(1, &[Outcome::Failed, Outcome::Failed, Outcome::ConnectedForGood, Outcome::Failed]);
        settle().await;
        assert!(!world.is_out(1), "one of TCP is");
    });
    run_paused(async {
        let world = World::new(2, OutlierDetection { split_local_origin: true, ..settings() });
        world.answers(0, &[500, 500]);
        world.put(0, &[Outcome::Failed, Outcome::Connected, Outcome::Failed]);
        settle().await;
        assert!(!world.is_out(0));
        world.put(0, &[Outcome::TimedOut(504)]);
        settle().await;
        assert!(world.is_out(0));
        assert_eq!(world.stat("ejections_enforced_consecutive_local_origin_failure"), 1);
        assert_eq!(world.stat("ejections_total"), 0, "an old name for others");
    });
}

/// Where nobody listens.
fn nobody() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound")
}

#[test]
fn connections_that_are_refused_count_and_our_own_limits_do_not() {
    for (limit, http, expected) in [(9, true, true), (9, false, true), (0, true, false), (0, false, false)] {
        run(async {
            let at_once = OutlierDetection { consecutive_5xx: Consecutive { count: 1, enforcing: 100 }, ..settings() };
            let discovery = Discovery::Static(assignment(vec![endpoint(nobody())]));
            let mut config = Config { outlier_detection: Some(at_once), ..config(discovery) };
            config.circuit_breaker.max_connections = limit;
            config.circuit_breaker.max_pending_requests = limit;
            let world = World::of(1, config);
            let worker = world.bench.worker(&world.cluster.config().name);
            let failed = match http {
                true => worker.http(&world.hosts[0], &want()).await.is_err(),
                false => worker.tcp(&world.hosts[0], &crate::cluster::TcpWant::default()).await.is_err(),
            };
            assert!(failed);
            settle().await;
            assert_eq!(world.is_out(0), expected, "{limit} {http}");
        });
    }
}

#[test]
fn hosts_are_compared_by_their_success() {
    run_paused(async {
        let success_rate = SuccessRate { enforcing: 100, ..settings().success_rate };
        let world = World::new(4, OutlierDetection { success_rate, ..settings() });
        for host in 0..3 {
            world.answers(host, &[200; 10]);
        }
        world.answers(3, &[[500, 200]; 10].concat());
        sleep(Duration::from_secs(11)).await;
        assert!(world.is_out(3));
        assert_eq!(world.stat("ejections_enforced_success_rate"), 1);
        assert_eq!(world.stat("ejections_success_rate"), 1);
        let rates = |host: usize| world.cluster.host_statuses()[host].success_rates;
        assert_eq!((rates(0), rates(3)), ([100.0, -1.0], [50.0, -1.0]));
        let [average, threshold, ..] = world.cluster.outliers().unwrap().averages();
        assert_eq!((average, threshold.round()), (87.5, 66.0));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(rates(0), [-1.0, -1.0], "an interval without requests says nothing");
    });
}

#[test]
fn hosts_fail_by_their_share_of_failures() {
    run_paused(async {
        let failure_percentage = FailurePercentage { enforcing: 100, ..settings().failure_percentage };
        let world = World::new(4, OutlierDetection { failure_percentage, ..settings() });
        for host in 0..2 {
            world.answers(host, &[200; 10]);
        }
        world.answers(2, &[[500, 200]; 4].concat());
        world.answers(3, &[[500, 200]; 5].concat());
        sleep(Duration::from_secs(11)).await;
        assert_eq!((world.is_out(2), world.is_out(3)), (false, true), "eight requests are too few");
        assert_eq!(world.stat("ejections_enforced_failure_percentage"), 1);
    });
}

#[test]
fn hosts_that_leave_take_their_ejection_with_them() {
    run_paused(async {
        let world = World::new(2, settings());
        world.answers(0, &[500; 3]);
        settle().await;
        assert_eq!(world.stat("ejections_active"), 1);
        world.cluster.assign(&assignment(vec![endpoint(address(2)), endpoint(address(3))]));
        settle().await;
        assert_eq!(world.stat("ejections_active"), 0);
        world.cluster.assign(&assignment(vec![endpoint(address(1)), endpoint(address(2))]));
        settle().await;
        assert!(!world.is_out(0), "it is another one now");
    });
}

#[test]
fn a_new_assignment_leaves_a_host_out_that_stays() {
    run_paused(async {
        let world = World::new(2, settings());
        world.answers(0, &[500; 3]);
        settle().await;
        world.cluster.assign(&assignment((1..=3).map(|last| endpoint(address(last))).collect()));
        settle().await;
        assert!(world.is_out(0));
        assert_eq!(world.bench.stat("membership_healthy"), 2);
    });
}

#[test]
fn nothing_wakes_the_thread_where_nobody_counts() {
    run_paused(async {
        let world = World::new(1, OutlierDetection { interval: Duration::from_millis(1), ..settings() });
        let rest = tokio::time::timeout(Duration::from_secs(3600), std::future::pending::<()>());
        // With a timer a millisecond this would take long.
        assert!(rest.await.is_err());
        world.answers(0, &[500; 3]);
        settle().await;
        assert!(world.is_out(0));
    });
}

#[test]
fn degraded_answers_degrade() {
    run_paused(async {
        let world = World::new(2, OutlierDetection { detect_degraded: true, ..settings() });
        let mut answer = head(200);
        answer.headers.append(Name::X_ENVOY_DEGRADED, Bytes::from_static(b"true"));
        for _ in 0..3 {
            world.hosts[0].put_answer(&answer, || None);
            settle().await;
        }
        assert!(world.flags(0).has(HealthFlags::DEGRADED_OUTLIER_DETECTION));
        assert_eq!(world.stat("ejections_detected_degradation"), 1);
        assert_eq!(world.bench.stat("membership_degraded"), 1);
        assert_eq!(world.stat("ejections_active"), 0);
        sleep(Duration::from_secs(31)).await;
        assert_eq!(world.flags(0), HealthFlags::NONE);
    });
}

#[test]
fn the_cluster_says_which_answers_are_errors() {
    let status = |value: &str| HeaderMatcher {
        name: ":status".into(),
        rule: HeaderRule::String(StringMatcher::Exact { value: value.into(), ignore_case: false }),
        invert: false,
        missing_is_empty: false,
    };
    run_paused(async {
        let mut config = Config { outlier_detection: Some(settings()), ..config(hosts(2)) };
        let either = ["418", "500"].map(|value| ResponsePredicate::Headers(vec![status(value)]));
        config.http.error_matcher = Some(Arc::new(ResponsePredicate::Any(either.into())));
        let world = World::of(2, config);
        for status in [418, 500, 418] {
            world.hosts[0].put_answer(&head(status), || None);
            world.hosts[1].put_answer(&head(503), || Some(503));
        }
        settle().await;
        assert_eq!((world.is_out(0), world.is_out(1)), (true, false));
        assert_eq!(world.stat("ejections_detected_consecutive_gateway_failure"), 0, "they are of no particular kind");
    });
}

#[test]
fn the_threshold_is_below_the_mean() {
    let rated = |host, rate| Rated { host, volume: 1, rate };
    let hosts: Vec<Rated> =
        [50.0, 100.0, 100.0, 100.0, 100.0].into_iter().enumerate().map(|(host, rate)| rated(host, rate)).collect();
    assert_eq!(threshold(&hosts, 1900), Some((90.0, 52.0)));
    assert_eq!(threshold(&[], 1900), None);
}

#[test]
fn lines_are_envoys() {
    let config = Config { outlier_detection: Some(settings()), ..config(hosts(1)) };
    let cluster = Bench::new().publish(config);
    let host = Arc::clone(&cluster.endpoints().iter().next().unwrap().identity);
    let event = |cause, since| Event {
        cluster: "c",
        host: &host,
        cause,
        ejections: 2,
        since,
        averages: [99.9, 80.2, -1.0, -1.0],
    };
    let at = UNIX_EPOCH + Duration::from_millis(1_795_803_704_685);
    assert_eq!(
        line(&event(Some((Cause::Consecutive5xx, true)), None), at),
        r#"{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-27T18:21:44.685Z","cluster_name":"c","upstream_url":"10.0.0.1:80","action":"EJECT","num_ejections":2,"enforced":true,"eject_consecutive_event":{}}"#
    );
    assert_eq!(
        line(&event(None, Some(Duration::from_secs(7))), UNIX_EPOCH),
        r#"{"type":"CONSECUTIVE_5XX","timestamp":"1970-01-01T00:00:00Z","secs_since_last_action":"7","cluster_name":"c","upstream_url":"10.0.0.1:80","action":"UNEJECT","num_ejections":2,"enforced":false}"#
    );
    let rate = line(&event(Some((Cause::SuccessRate { local: false }, false)), None), at);
    assert!(rate.ends_with(
        r#""enforced":false,"eject_success_rate_event":{"host_success_rate":0,"cluster_average_success_rate":99,"cluster_success_rate_ejection_threshold":80}}"#
    ), "{rate}");
}

fn head(status: u16) -> ResponseHead {
    ResponseHead {
        protocol: Protocol::Http11,
        status,
        reason: Bytes::new(),
        headers: Headers::new(),
        body: BodyLength::Empty,
        wire_size: 0,
    }
}
