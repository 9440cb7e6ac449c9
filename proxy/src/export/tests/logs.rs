//! Tests of entries and records on their way to services.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use config::access_log::{GrpcStream, OpenTelemetryLog, Resource};
use config::services::{HttpService, HttpUri};
use config::tracing::Collector;
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use prost::Message as _;

use super::super::*;
use crate::call::tests::{Asked, CLUSTER, OK, World, hung, serve, service};
use crate::cluster::testing::run;
use crate::stats::{Stats, StatsSettings};

fn buffer(octets: usize) -> Buffer {
    Buffer { interval: Duration::from_millis(20), octets }
}

fn stream(octets: usize) -> GrpcStream {
    GrpcStream {
        identity: Identity(Bytes::from_static(b"one")),
        name: "the-log".into(),
        service: service(),
        buffer: buffer(octets),
        node: Bytes::new(),
    }
}

fn otlp(collector: Collector, stat_prefix: &str) -> OpenTelemetryLog {
    OpenTelemetryLog {
        identity: Identity(Bytes::from_static(b"two")),
        collector,
        resource: Resource::default(),
        body: None,
        attributes: Vec::new(),
        filter_state: Vec::new(),
        custom_tags: Vec::new(),
        buffer: buffer(1),
        stat_prefix: stat_prefix.into(),
    }
}

/// Messages of streams: which stream, whether it says who speaks, how many entries.
type Heard = Rc<RefCell<Vec<(usize, bool, usize)>>>;

/// A log service that ends each stream after so many messages.
async fn log_service(heard: Heard, most: usize) -> std::net::SocketAddr {
    let streams = Rc::new(std::cell::Cell::new(0));
    serve(move |mut one: Asked| {
        let heard = heard.clone();
        let number = streams.replace(streams.get() + 1);
        Box::pin(async move {
            let mut octets = Vec::new();
            for _ in 0..most {
                while octets.len() < 5 || octets.len() < 5 + length(&octets) {
                    let Some(data) = one.request.body_mut().data().await else { return };
                    let Ok(data) = data else { return };
                    octets.extend_from_slice(&data);
                    let _ = one.request.body_mut().flow_control().release_capacity(data.len());
                }
                let message: Vec<u8> = octets.drain(..5 + length(&octets)).collect();
                let message = StreamAccessLogsMessage::decode(&message[5..]).unwrap();
                let count = match &message.log_entries {
                    Some(LogEntries::HttpLogs(logs)) => logs.log_entry.len(),
                    _ => 0,
                };
                heard.borrow_mut().push((number, message.identifier.is_some(), count));
            }
            one.answer(&[], OK);
        })
    })
    .await
}

fn length(octets: &[u8]) -> usize {
    u32::from_be_bytes(octets[1..5].try_into().unwrap()) as usize
}

async fn until(heard: &Heard, count: usize) {
    while heard.borrow().len() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn entries_go_over_one_stream_that_says_once_who_speaks() {
    run(async {
        let heard = Heard::default();
        let world = World::http2(log_service(heard.clone(), usize::MAX).await);
        let (stats, known) = (Stats::new(StatsSettings::default()), LogExporters::default());
        let log = LogStream::compile(&stream(1 << 20), true, &known, &stats);
        // Another log that says the same of its service shares the stream.
        let other = LogStream::compile(&stream(1 << 20), true, &known, &stats);
        log.send(Vec::new(), &world.calls);
        other.send(Vec::new(), &world.calls);
        until(&heard, 1).await;
        log.send(Vec::new(), &world.calls);
        until(&heard, 2).await;
        assert_eq!(*heard.borrow(), [(0, true, 2), (0, false, 1)]);
        let count = |name: &str| stats.value(&format!("access_logs.grpc_access_log.{name}")).unwrap_or_default();
        assert_eq!((count("logs_written"), count("logs_dropped")), (3, 0));
    });
}

#[test]
fn a_stream_that_has_ended_is_followed_by_another() {
    run(async {
        let heard = Heard::default();
        let world = World::http2(log_service(heard.clone(), 1).await);
        let stats = Stats::new(StatsSettings::default());
        let log = LogStream::compile(&stream(0), true, &LogExporters::default(), &stats);
        log.send(Vec::new(), &world.calls);
        until(&heard, 1).await;
        while heard.borrow().len() < 2 {
            log.send(Vec::new(), &world.calls);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(heard.borrow()[1].0, 1);
        assert!(heard.borrow()[1].1);
    });
}

#[test]
fn entries_that_wait_at_the_end_are_sent() {
    let worker = std::thread::spawn(|| {
        run(async {
            let heard = Heard::default();
            let world = World::http2(log_service(heard.clone(), usize::MAX).await);
            let mut config = stream(1 << 20);
            config.buffer.interval = Duration::from_secs(3600);
            let stats = Stats::new(StatsSettings::default());
            let log = LogStream::compile(&config, true, &LogExporters::default(), &stats);
            log.send(Vec::new(), &world.calls);
            hold();
            log.send(Vec::new(), &world.calls);
            send_rest(&world.calls, Duration::from_secs(30)).await;
            assert_eq!(*heard.borrow(), [(0, true, 2)]);
        });
    });
    worker.join().unwrap();
}

#[test]
fn a_log_service_that_hangs_costs_a_counter() {
    run(async {
        let world = World::http2(hung().await);
        let stats = Stats::new(StatsSettings::default());
        let log = LogStream::compile(&stream(0), true, &LogExporters::default(), &stats);
        let count = |name: &str| stats.value(&format!("access_logs.grpc_access_log.{name}")).unwrap_or_default();
        while count("logs_dropped") == 0 {
            for _ in 0..64 {
                log.send(vec![0; 16 << 10], &world.calls);
            }
            tokio::task::yield_now().await;
        }
        // What is kept: a few messages in the stream, and two megabytes.
        assert!(count("logs_written") < 1024, "{}", count("logs_written"));
    });
}

#[test]
fn nothing_is_left_of_a_log_that_is_gone() {
    run(async {
        let heard = Heard::default();
        let world = World::http2(log_service(heard.clone(), usize::MAX).await);
        let (stats, known) = (Stats::new(StatsSettings::default()), LogExporters::default());
        let log = LogStream::compile(&stream(0), true, &known, &stats);
        log.send(Vec::new(), &world.calls);
        until(&heard, 1).await;
        assert_eq!(ENTRIES.with_borrow(Vec::len), 1);
        drop(log);
        while ENTRIES.with_borrow(|all| !all.is_empty()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let again = LogStream::compile(&stream(0), true, &known, &stats);
        again.send(Vec::new(), &world.calls);
        until(&heard, 2).await;
        assert_eq!(heard.borrow()[1].0, 1);
    });
}

#[test]
fn records_count_once_the_collector_has_them() {
    run(async {
        let address = serve(|mut one: Asked| {
            Box::pin(async move {
                one.body().await;
                // Of two records one is not taken.
                one.answer(&[&[0, 0, 0, 0, 4, 0x0a, 2, 8, 1]], OK);
            })
        })
        .await;
        let world = World::http2(address);
        let stats = Stats::new(StatsSettings::default());
        let log = Records::compile(&otlp(Collector::Grpc(service()), "mine"), &LogExporters::default(), &stats);
        log.send(vec![0x49, 0, 0, 0, 0, 0, 0, 0, 0], &world.calls);
        log.send(vec![0x49, 0, 0, 0, 0, 0, 0, 0, 0], &world.calls);
        let count =
            |name: &str| stats.value(&format!("access_logs.open_telemetry_access_log.mine.{name}")).unwrap_or_default();
        while count("logs_written") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!((count("logs_written"), count("logs_dropped")), (1, 1));
    });
}

#[test]
fn records_that_a_collector_refuses_are_dropped() {
    run(async {
        let address = serve(|mut one: Asked| {
            Box::pin(async move {
                one.body().await;
                assert_eq!(one.request.headers()["content-type"], "application/x-protobuf");
                one.only_head(202, &[]);
            })
        })
        .await;
        let world = World::http2(address);
        let stats = Stats::new(StatsSettings::default());
        let uri = HttpUri {
            cluster: CLUSTER.into(),
            uri: "http://x/v1/logs".into(),
            host: "x".into(),
            path: "/v1/logs".into(),
            timeout: None,
        };
        let collector = Collector::Http(HttpService { uri, headers: Vec::new() });
        let log = Records::compile(&otlp(collector, ""), &LogExporters::default(), &stats);
        log.send(Vec::new(), &world.calls);
        let count =
            |name: &str| stats.value(&format!("access_logs.open_telemetry_access_log.{name}")).unwrap_or_default();
        while count("logs_dropped") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!((count("logs_written"), count("logs_dropped")), (0, 1));
    });
}
