//! Tests of `health`: whole clusters in paused time, whose endpoints answer from memory as a script says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use config::cluster::{
    Asks, Cluster as Config, Consecutive, Discovery, FailurePercentage, HealthCheck, HttpCheck, Intervals,
    OutlierDetection, SuccessRate, TcpCheck,
};
use config::endpoint::{Endpoint as ConfigEndpoint, EndpointCheck, HealthStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::events::{Log, What};
use super::run::next_check;
use super::state::{Change, Failure, Found, Kind};
use super::*;
use crate::cluster::endpoints::Endpoint;
use crate::cluster::outlier::{Ejections, Outcome};
use crate::cluster::pool::{Connected, Key};
use crate::cluster::testing::*;
use crate::cluster::{Cluster, ConnectFailure, ConnectFailureKind, Connecting, Connector, Pick};
use crate::status::HealthFlags;
use crate::telemetry::stream_info::UpstreamConnection;
use crate::transport::{Io, Stream};

const SECOND: Duration = Duration::from_secs(1);

fn check(asks: Asks) -> HealthCheck {
    HealthCheck {
        timeout: SECOND,
        initial_jitter: Duration::ZERO,
        intervals: Intervals {
            interval: 10 * SECOND,
            unhealthy: 20 * SECOND,
            unhealthy_edge: 3 * SECOND,
            healthy_edge: 4 * SECOND,
            no_traffic: 60 * SECOND,
            no_traffic_healthy: 120 * SECOND,
            jitter: Duration::ZERO,
            jitter_percent: 0,
            limits: (Duration::ZERO, Duration::MAX),
        },
        unhealthy_threshold: 2,
        healthy_threshold: 2,
        reuse_connection: true,
        event_logs: Vec::new(),
        logs_failures: false,
        logs_successes: false,
        alpn: Vec::new(),
        socket_match: None,
        asks,
    }
}

fn http() -> HttpCheck {
    HttpCheck {
        host: None,
        path: "/healthy".into(),
        method: "GET".into(),
        send: Bytes::new(),
        receive: Vec::new(),
        buffer: 1024,
        add: Vec::new(),
        remove: Vec::new(),
        expected: std::iter::once(200..201).collect(),
        retriable: std::iter::once(503..504).collect(),
        http2: false,
        service_name: None,
    }
}

/// What the endpoints say, one after the other; the last goes on.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Says>>,
    asked: RefCell<Vec<(String, String)>>,
    connections: RefCell<u32>,
}

#[derive(Clone)]
enum Says {
    /// A status, and headers.
    Status(u16, &'static str),
    /// Nothing.
    Nothing,
    /// It refuses the connection.
    Refuses,
}

struct Fake(Rc<Script>);

impl Script {
    fn says(&self, answers: impl IntoIterator<Item = Says>) {
        *self.answers.borrow_mut() = answers.into_iter().collect();
    }

    fn next(&self) -> Says {
        let mut answers = self.answers.borrow_mut();
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap_or(Says::Nothing)
    }
}

impl Connector for Fake {
    fn connect<'a>(&'a self, _cluster: &'a Cluster, endpoint: &'a Endpoint, _key: &'a Key) -> Connecting<'a> {
        let script = Rc::clone(&self.0);
        let to = crate::cluster::identity::print(&endpoint.address).to_string();
        Box::pin(async move {
            if matches!(script.answers.borrow().front(), Some(Says::Refuses)) {
                script.next();
                return Err(ConnectFailure::new(ConnectFailureKind::Remote));
            }
            *script.connections.borrow_mut() += 1;
            let (near, far) = tokio::io::duplex(4096);
            tokio::task::spawn_local(serve(script, far, to));
            let now = Instant::now().into_std();
            let facts = UpstreamConnection {
                id: 1,
                peer: "".into(),
                local: None,
                secured: None,
                tls: None,
                begun: now,
                connected: now,
                peer_says: None,
            };
            Ok(Connected { stream: Stream::new(Io::Memory(near)), facts: Rc::new(facts) })
        })
    }
}

async fn serve(script: Rc<Script>, mut far: tokio::io::DuplexStream, to: String) {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let count = far.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        read.extend_from_slice(&buffer[..count]);
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        read.drain(..end + 4);
        script.asked.borrow_mut().push((to.clone(), head));
        let Says::Status(status, headers) = script.next() else { continue };
        let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 5\r\n\r\nhello");
        if far.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

struct World {
    bench: Rc<Bench>,
    cluster: Arc<Cluster>,
    script: Rc<Script>,
    checks: Checks,
}

impl World {
    fn new(count: u8, check: HealthCheck, change: impl FnOnce(&mut Config)) -> World {
        let discovery = Discovery::Static(assignment((1..=count).map(|last| endpoint(address(last))).collect()));
        World::of(discovery, check, change, [Says::Status(200, "")])
    }

    fn of(
        discovery: Discovery,
        check: HealthCheck,
        change: impl FnOnce(&mut Config),
        says: impl IntoIterator<Item = Says>,
    ) -> World {
        let bench = Bench::new();
        let mut config = Config { health_check: Some(Arc::new(check)), keeps_healthy: true, ..config(discovery) };
        change(&mut config);
        let cluster = bench.publish(config);
        let script = Rc::new(Script::default());
        script.says(says);
        let fake = Rc::new(Fake(Rc::clone(&script)));
        let news = Rc::new(Notify::new());
        let checks = Checks::over(&cluster, fake, |_| unreachable!("no log is configured"), news);
        let checks = checks.expect("it has a check");
        World { bench, cluster, script, checks }
    }

    fn flags(&self) -> HealthFlags {
        self.cluster.host_statuses()[0].flags
    }

    fn stat(&self, name: &str) -> u64 {
        self.bench.stat(&format!("health_check.{name}"))
    }

    /// Somebody uses the cluster.
    fn use_it(&self) {
        let worker = self.bench.worker(&self.cluster.config().name);
        let _ = worker.pick(&Pick::default());
    }
}

async fn settle() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_endpoint_is_ill_until_its_first_check() {
    run_paused(async {
        let world = World::new(1, check(Asks::Http(Box::new(http()))), |_| {});
        assert_eq!((world.flags(), world.checks.are_done()), (HealthFlags::FAILED_ACTIVE_HC, false));
        assert_eq!(world.bench.stat("membership_healthy"), 0);
        settle().await;
        assert_eq!((world.flags(), world.checks.are_done()), (HealthFlags::NONE, true));
        assert_eq!(world.bench.stat("membership_healthy"), 1);
        assert_eq!((world.stat("attempt"), world.stat("success"), world.stat("healthy")), (1, 1, 1));
        let (_, head) = world.script.asked.borrow()[0].clone();
        assert!(head.starts_with("GET /healthy HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: outbound|80||app") && head.contains("user-agent: Envoy/HC"), "{head}");
    });
}

#[test]
fn checks_are_seldom_until_the_cluster_is_used() {
    run_paused(async {
        let world = World::new(1, check(Asks::Http(Box::new(http()))), |_| {});
        sleep(119 * SECOND).await;
        assert_eq!(world.stat("attempt"), 1);
        sleep(2 * SECOND).await;
        assert_eq!(world.stat("attempt"), 2);
        world.use_it();
        sleep(120 * SECOND).await;
        assert_eq!(world.stat("attempt"), 3);
        sleep(10 * SECOND).await;
        assert_eq!(world.stat("attempt"), 4);
        assert_eq!(*world.script.connections.borrow(), 1, "the connection is kept");
    });
}

#[test]
fn thresholds_and_edges() {
    run_paused(async {
        let world = World::new(1, check(Asks::Http(Box::new(http()))), |_| {});
        world.use_it();
        settle().await;
        // Retriable failures count one by one.
        world.script.says([Says::Status(503, ""), Says::Status(503, ""), Says::Status(200, "")]);
        sleep(10 * SECOND + SECOND / 2).await;
        assert_eq!((world.flags(), world.stat("failure")), (HealthFlags::NONE, 1));
        sleep(3 * SECOND).await;
        assert_eq!((world.flags(), world.stat("failure")), (HealthFlags::FAILED_ACTIVE_HC, 2));
        sleep(20 * SECOND).await;
        assert_eq!((world.flags(), world.stat("success")), (HealthFlags::FAILED_ACTIVE_HC, 2));
        sleep(4 * SECOND).await;
        assert_eq!((world.flags(), world.stat("success")), (HealthFlags::NONE, 3));
        // Others count at once.
        world.script.says([Says::Status(500, "")]);
        sleep(10 * SECOND).await;
        assert_eq!(world.flags(), HealthFlags::FAILED_ACTIVE_HC);
        assert_eq!((world.stat("healthy"), world.stat("network_failure")), (0, 0));
    });
}

#[test]
fn what_does_not_answer_is_ill() {
    run_paused(async {
        let world = World::new(1, check(Asks::Http(Box::new(http()))), |_| {});
        world.use_it();
        settle().await;
        world.script.says([Says::Nothing]);
        sleep(12 * SECOND).await;
        assert_eq!((world.flags(), world.stat("network_failure")), (HealthFlags::NONE, 1), "one is not enough");
        sleep(4 * SECOND).await;
        let late = HealthFlags::FAILED_ACTIVE_HC.with(HealthFlags::ACTIVE_HC_TIMEOUT);
        assert_eq!((world.flags(), world.stat("network_failure")), (late, 2));
        world.script.says([Says::Refuses]);
        sleep(21 * SECOND).await;
        assert_eq!(world.flags(), HealthFlags::FAILED_ACTIVE_HC, "it is no timeout now");
    });
}

#[test]
fn answers_say_more_than_their_status() {
    let degraded = HealthFlags::DEGRADED_ACTIVE_HC;
    let failed = HealthFlags::FAILED_ACTIVE_HC;
    let excluded = failed.with(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL);
    let receive = |text: &'static str| HttpCheck { receive: vec![Bytes::from_static(text.as_bytes())], ..http() };
    let named = |name: &str| {
        let value = config::matcher::StringMatcher::Exact { value: name.into(), ignore_case: false };
        HttpCheck { service_name: Some(value), ..http() }
    };
    for (asks, says, expected) in [
        (http(), Says::Status(200, "x-envoy-degraded: \r\n"), degraded),
        (http(), Says::Status(204, ""), failed),
        (http(), Says::Status(503, "x-envoy-immediate-health-check-fail: 1\r\n"), excluded),
        (http(), Says::Status(200, "x-envoy-immediate-health-check-fail: 1\r\n"), HealthFlags::NONE),
        (receive("ell"), Says::Status(200, ""), HealthFlags::NONE),
        (receive("world"), Says::Status(200, ""), failed),
        (named("app"), Says::Status(200, "x-envoy-upstream-healthchecked-cluster: app\r\n"), HealthFlags::NONE),
        (named("app"), Says::Status(200, ""), failed),
    ] {
        run_paused(async {
            let discovery = Discovery::Static(assignment(vec![endpoint(address(1))]));
            let world = World::of(discovery, check(Asks::Http(Box::new(asks))), |_| {}, [says]);
            settle().await;
            assert_eq!(world.flags(), expected);
            assert!(world.checks.are_done());
        });
    }
}

#[test]
fn an_answer_to_a_request_takes_an_endpoint_out() {
    run_paused(async {
        let world = World::new(2, check(Asks::Http(Box::new(http()))), |_| {});
        settle().await;
        let worker = world.bench.worker(&world.cluster.config().name);
        let host = worker.pick(&Pick::default()).expect("a host");
        let mut head = crate::wire::message::ResponseHead {
            protocol: crate::wire::message::Protocol::Http11,
            status: 200,
            reason: Bytes::new(),
            headers: Default::default(),
            body: crate::wire::message::BodyLength::Empty,
            wire_size: 0,
        };
        host.put_answer(&head, || None);
        settle().await;
        assert_eq!(world.stat("passive_failure"), 0);
        head.headers.append(crate::wire::headers::Name::X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, Bytes::from_static(b"1"));
        host.put_answer(&head, || None);
        settle().await;
        assert_eq!((world.stat("passive_failure"), world.bench.stat("membership_excluded")), (1, 1));
        for _ in 0..4 {
            assert_ne!(worker.pick(&Pick::default()).expect("the other").address(), host.address());
        }
    });
}

#[test]
fn endpoints_say_how_they_are_checked() {
    run_paused(async {
        let of = |check: EndpointCheck| ConfigEndpoint { check: Some(Arc::new(check)), ..endpoint(address(1)) };
        let elsewhere = EndpointCheck {
            address: Some(config::address::Address::Socket(address(9))),
            port: Some(81),
            hostname: Some("other".into()),
            disabled: false,
        };
        let discovery = Discovery::Static(assignment(vec![of(elsewhere)]));
        let world = World::of(discovery, check(Asks::Http(Box::new(http()))), |_| {}, [Says::Status(200, "")]);
        settle().await;
        let (to, head) = world.script.asked.borrow()[0].clone();
        assert_eq!(to, "10.0.0.9:81");
        assert!(head.contains("host: other"), "{head}");
        let off = EndpointCheck { disabled: true, ..EndpointCheck::default() };
        let discovery = Discovery::Static(assignment(vec![of(off)]));
        let world = World::of(discovery, check(Asks::Http(Box::new(http()))), |_| {}, [Says::Status(500, "")]);
        assert_eq!((world.flags(), world.checks.are_done()), (HealthFlags::NONE, true));
        settle().await;
        assert_eq!(world.stat("attempt"), 0);
    });
}

#[test]
fn one_that_is_taken_away_stays_while_it_is_well() {
    for keeps in [true, false] {
        run_paused(async {
            let world = World::of(
                eds(),
                check(Asks::Http(Box::new(http()))),
                |config| config.keeps_healthy = keeps,
                [Says::Status(200, "")],
            );
            world.cluster.assign(&assignment(vec![endpoint(address(1))]));
            settle().await;
            world.use_it();
            world.cluster.assign(&assignment(Vec::new()));
            settle().await;
            assert_eq!(world.cluster.host_statuses().len(), usize::from(keeps));
            if keeps {
                assert_eq!(world.flags(), HealthFlags::PENDING_DYNAMIC_REMOVAL);
                world.cluster.assign(&assignment(vec![endpoint(address(1))]));
                assert_eq!(world.flags(), HealthFlags::NONE);
                world.cluster.assign(&assignment(Vec::new()));
                world.script.says([Says::Status(500, "")]);
                sleep(121 * SECOND).await;
                assert!(world.cluster.host_statuses().is_empty());
                assert_eq!(world.stat("healthy"), 0);
            }
        });
    }
}

#[test]
fn new_endpoints_may_count_for_nothing_before_their_first_check() {
    run_paused(async {
        let world = World::of(
            eds(),
            check(Asks::Http(Box::new(http()))),
            |config| config.ignores_unchecked = true,
            [Says::Nothing],
        );
        world.cluster.assign(&assignment(vec![endpoint(address(1))]));
        assert!(world.flags().has(HealthFlags::PENDING_ACTIVE_HC));
        assert_eq!(world.bench.stat("membership_excluded"), 1);
        sleep(2 * SECOND).await;
        assert!(!world.flags().has(HealthFlags::PENDING_ACTIVE_HC));
        assert_eq!(world.bench.stat("membership_excluded"), 0);
    });
}

#[test]
fn a_connection_alone_is_enough_where_nothing_is_said() {
    run_paused(async {
        let quiet = TcpCheck { send: Bytes::new(), receive: Vec::new(), proxy_protocol: None };
        let world = World::new(1, check(Asks::Tcp(quiet)), |_| {});
        settle().await;
        assert_eq!(world.flags(), HealthFlags::NONE);
        let talks = TcpCheck {
            send: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
            receive: vec![Bytes::from_static(b"200"), Bytes::from_static(b"hello")],
            proxy_protocol: None,
        };
        let world = World::new(1, check(Asks::Tcp(talks.clone())), |_| {});
        settle().await;
        assert_eq!(world.flags(), HealthFlags::NONE);
        let discovery = Discovery::Static(assignment(vec![endpoint(address(1))]));
        let world = World::of(discovery, check(Asks::Tcp(talks)), |_| {}, [Says::Nothing]);
        sleep(2 * SECOND).await;
        assert_eq!(world.flags(), HealthFlags::FAILED_ACTIVE_HC.with(HealthFlags::ACTIVE_HC_TIMEOUT));
    });
}

#[test]
fn a_check_that_succeeds_ends_an_ejection() {
    for unejects in [true, false] {
        run_paused(async {
            let row = |count| Consecutive { count, enforcing: 100 };
            let outliers = OutlierDetection {
                interval: 1000 * SECOND,
                base_ejection_time: 1000 * SECOND,
                max_ejection_time: 1000 * SECOND,
                max_ejection_time_jitter: Duration::ZERO,
                max_ejection_percent: 100,
                always_eject_one_host: false,
                split_local_origin: false,
                consecutive_5xx: row(1),
                consecutive_gateway_failure: row(9),
                consecutive_local_origin_failure: row(9),
                success_rate: SuccessRate {
                    minimum_hosts: 9,
                    request_volume: 9,
                    stdev_factor: 1900,
                    enforcing: 0,
                    enforcing_local_origin: 0,
                },
                failure_percentage: FailurePercentage {
                    threshold: 100,
                    minimum_hosts: 9,
                    request_volume: 9,
                    enforcing: 0,
                    enforcing_local_origin: 0,
                },
                active_check_unejects: unejects,
                detect_degraded: false,
            };
            let world = World::new(1, check(Asks::Http(Box::new(http()))), |config| {
                config.outlier_detection = Some(outliers);
            });
            let _running = Ejections::follow(&world.cluster, None).expect("it asks for it");
            settle().await;
            let worker = world.bench.worker(&world.cluster.config().name);
            worker.pick(&Pick::default()).expect("a host").put(Outcome::Answered(500));
            settle().await;
            assert_eq!(world.flags(), HealthFlags::FAILED_OUTLIER_CHECK);
            sleep(130 * SECOND).await;
            assert_eq!(world.flags().has(HealthFlags::FAILED_OUTLIER_CHECK), !unejects);
        });
    }
}

#[test]
fn the_next_check_comes_by_what_this_one_found() {
    let intervals = check(Asks::Http(Box::new(http()))).intervals;
    let (well, ill) = (Found::Well { degraded: false }, Found::Ill(Failure::of(Kind::Active)));
    for (found, change, used, seconds) in [
        (well, Change::None, true, 10),
        (well, Change::Changed, true, 10),
        (well, Change::Pending, true, 4),
        (ill, Change::Pending, true, 3),
        (ill, Change::Changed, true, 20),
        (ill, Change::None, true, 20),
        (well, Change::None, false, 120),
        (well, Change::Pending, false, 60),
        (ill, Change::None, false, 60),
    ] {
        assert_eq!(next_check(&intervals, found, change, used).as_secs(), seconds, "{found:?} {change:?} {used}");
    }
}

#[test]
fn lines_are_envoys() {
    let log = Log { files: Vec::new(), cluster: "c".into(), kind: "HTTP" };
    let world = Bench::new().publish(config(Discovery::Static(assignment(vec![ConfigEndpoint {
        health: HealthStatus::Healthy,
        ..endpoint(address(1))
    }]))));
    let endpoint = Arc::clone(world.endpoints().iter().next().unwrap());
    let at = UNIX_EPOCH + Duration::from_millis(1_795_805_603_358);
    let host = r#""host":{"socket_address":{"protocol":"TCP","address":"10.0.0.1","port_value":80,"resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}},"cluster_name":"c""#;
    let end = r#""locality":{"region":"","zone":"","sub_zone":""}"#;
    let time = r#""timestamp":"2026-11-27T18:53:23.358Z""#;
    assert_eq!(
        log.line(&endpoint, What::Healthy { first: true }, at),
        format!(r#"{{"health_checker_type":"HTTP",{host},"add_healthy_event":{{"first_check":true}},{time},{end}}}"#)
    );
    let failure = Failure { status: 503, ..Failure::of(Kind::Active) };
    assert_eq!(
        log.line(&endpoint, What::Failure { failure, first: true }, at),
        format!(
            r#"{{"health_checker_type":"HTTP",{host},{time},"health_check_failure_event":{{"failure_type":"ACTIVE","first_check":true,"http_status_code":503}},{end}}}"#
        )
    );
}
