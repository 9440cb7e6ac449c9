//! Tests of the exporter: over real pools to a service on loopback.

use std::cell::RefCell;
use std::rc::Rc;

use config::services::otlp;
use config::services::span::Span;
use config::tracing::{self, Collector, Detector, OpenTelemetry, Provider};

use super::resource::attributes;
use super::spans::origin;
use super::*;
use crate::call::tests::{Asked, OK, World, hung, serve, service};
use crate::cluster::testing::run;
use crate::stats::{Stats, StatsSettings};

fn config(change: impl FnOnce(&mut OpenTelemetry)) -> Provider {
    let mut config = OpenTelemetry {
        collector: Collector::Grpc(service()),
        service_name: Some("svc".into()),
        detectors: vec![Detector::Environment, Detector::Static(vec![("telemetry.sdk.name".into(), "mine".into())])],
        sampler: None,
        says_sdk: true,
        says_scope: true,
        batch: tracing::Batch { enough: 3, interval: Duration::from_millis(20), most: 4 },
    };
    change(&mut config);
    Provider::OpenTelemetry(config)
}

fn span(name: &str) -> Span {
    Span { name: name.into(), ..Span::default() }
}

#[test]
fn attributes_of_the_environment_are_read_as_envoy_reads_them() {
    let read = |list| attributes(list).collect::<Vec<_>>();
    assert_eq!(read("k1=v1, k2 = v2 ,bad,k3=a%20b,k4=,=v,a=b=c"), [("k1", "v1"), (" k2 ", " v2 "), ("k3", "a%20b")]);
    assert!(read("").is_empty());
}

#[test]
fn each_attribute_is_said_once_and_the_last_detector_wins() {
    let Provider::OpenTelemetry(config) = config(|_| {}) else { panic!("it is one of OpenTelemetry") };
    let origin = origin(&config);
    let text = |value: &otlp::Value| match value {
        otlp::Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let said: Vec<_> = origin.resource.iter().map(|(key, value)| (&**key, text(value))).collect();
    let said: Vec<_> = said.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let [("telemetry.sdk.language", "rust"), ("telemetry.sdk.name", "mine"), ("telemetry.sdk.version", _), rest @ ..] =
        &said[..]
    else {
        panic!("{said:?}");
    };
    assert!(rest.contains(&("service.name", "svc")));
    assert_eq!(origin.scope.map(|(name, _)| name.to_string()).as_deref(), Some("envoy"));
}

#[test]
fn spans_go_when_there_are_enough_and_when_it_is_time() {
    run(async {
        let got: Rc<RefCell<Vec<Vec<String>>>> = Rc::default();
        let kept = got.clone();
        let address = serve(move |mut one: Asked| {
            let kept = kept.clone();
            Box::pin(async move {
                let body = one.body().await;
                let mut all = otlp::decode(&body[5..]).unwrap();
                let (origin, spans) = all.remove(0);
                assert!(origin.resource.contains(&("service.name".into(), "svc".into())));
                kept.borrow_mut().push(spans.into_iter().map(|span| span.name).collect());
                one.answer(&[&[0, 0, 0, 0, 0]], OK);
            })
        })
        .await;
        let world = World::http2(address);
        let stats = Stats::new(StatsSettings::default());
        let exporter = Spans::compile(&config(|_| {}), &stats);
        for name in ["a", "b", "c", "d", "e"] {
            exporter.send(span(name), &world.calls);
        }
        while got.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        exporter.send(span("f"), &world.calls);
        while got.borrow().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(*got.borrow(), [vec!["a", "b", "c", "d"], vec!["f"]]);
        let count = |name: &str| stats.value(&format!("tracing.opentelemetry.{name}")).unwrap_or_default();
        assert_eq!((count("spans_sent"), count("spans_dropped"), count("timer_flushed")), (5, 1, 1));
    });
}

#[test]
fn a_collector_that_hangs_costs_a_counter() {
    run(async {
        let world = World::http2(hung().await);
        let stats = Stats::new(StatsSettings::default());
        let exporter = Spans::compile(
            &config(|config| {
                config.batch.enough = 1;
                config.collector = Collector::Grpc(config::services::GrpcService {
                    timeout: Some(Duration::from_millis(50)),
                    ..service()
                });
            }),
            &stats,
        );
        let count = |name: &str| stats.value(&format!("tracing.opentelemetry.{name}")).unwrap_or_default();
        exporter.send(span("first"), &world.calls);
        while count("spans_sent") == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            exporter.send(span("more"), &world.calls);
        }
        assert_eq!((count("spans_sent"), count("spans_dropped")), (1, 6));
        // Once its time is up, those that wait go, and there is room again.
        while count("spans_sent") < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        exporter.send(span("again"), &world.calls);
        assert_eq!(count("spans_dropped"), 6);
    });
}

#[test]
fn what_waits_when_a_worker_ends_is_sent() {
    // A thread of its own: one that holds back does so to its end.
    let worker = std::thread::spawn(|| {
        run(async {
            let got: Rc<RefCell<Vec<String>>> = Rc::default();
            let kept = got.clone();
            let address = serve(move |mut one: Asked| {
                let kept = kept.clone();
                Box::pin(async move {
                    let body = one.body().await;
                    let (_, spans) = otlp::decode(&body[5..]).unwrap().remove(0);
                    kept.borrow_mut().extend(spans.into_iter().map(|span| span.name));
                    one.answer(&[&[0, 0, 0, 0, 0]], OK);
                })
            })
            .await;
            let world = World::http2(address);
            let late = || {
                config(|config| {
                    config.batch = tracing::Batch { enough: 9, most: 9, interval: Duration::from_secs(3600) }
                })
            };
            let stats = Stats::new(StatsSettings::default());
            let (one, other) = (Spans::compile(&late(), &stats), Spans::compile(&late(), &stats));
            one.send(span("a"), &world.calls);
            hold();
            one.send(span("b"), &world.calls);
            other.send(span("c"), &world.calls);
            send_rest(&world.calls, Duration::from_secs(30)).await;
            let mut got = got.take();
            got.sort();
            assert_eq!(got, ["a", "b", "c"]);
        });
        // A service that hangs holds nobody up for longer than that.
        run(async {
            let world = World::http2(hung().await);
            let exporter =
                Spans::compile(&config(|config| config.batch.enough = 9), &Stats::new(StatsSettings::default()));
            exporter.send(span("lost"), &world.calls);
            send_rest(&world.calls, Duration::from_millis(20)).await;
        });
    });
    worker.join().unwrap();
}

#[test]
fn what_waits_is_bounded_in_octets() {
    let queue = queue::Queue::default();
    let batch = Batch { enough: 99, enough_octets: usize::MAX, interval: Duration::from_secs(1), most: 99 };
    let long = || {
        let mut long = span("a");
        long.tag("user_agent", "x".repeat(1 << 20));
        long
    };
    assert!(queue.push(long(), &batch));
    assert!(!queue.push(long(), &batch), "strangers would fill the memory");
    assert!(queue.push(span("b"), &batch));
}

mod logs;
