//! Holds how much memory label sets take: those of Istio's metrics, with what a worker remembers of them.

#![allow(clippy::unwrap_used, reason = "helpers of a test: what they cannot do fails it")]

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::filters::istio_stats::{IstioStats, Reporter as Configured};
use config::workload::Workload;
use proxy::failure::ResponseFlags;
use proxy::stats::{Stats, StatsSettings};
use proxy::telemetry::mesh::{Amounts, Goes, Outcome, Parties, Protocol, Reporter, Role, service_of};
use proxy::telemetry::peer::Peer;
use proxy::telemetry::stream_info::ConnectionInfo;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SETS: usize = 10_000;
const MOST: usize = 14_000_000;

#[test]
fn ten_thousand_label_sets_take_fourteen_megabytes() {
    let stats = Stats::new(StatsSettings::default());
    let config = IstioStats {
        reporter: Configured::ByDirection,
        host_names_service: true,
        interval: Duration::from_secs(5),
        own: Arc::new(Workload { name: "ratings".into(), namespace: "bookinfo".into(), ..Workload::default() }),
        version: "1.31".into(),
        changes: Vec::new(),
        definitions: Vec::new(),
        expressions: Vec::new(),
    };
    let reporter = Reporter::new(&config, &stats);
    let address = "127.0.0.1:1".parse().unwrap();
    let connection = ConnectionInfo::between(address, address);
    let report = |number: usize| {
        let peer = Peer::new(Workload {
            name: format!("workload-{number}").into(),
            namespace: format!("namespace-{}", number / 1000).into(),
            service: "details".into(),
            ..Workload::default()
        });
        let parties = Parties {
            role: Role::Destination,
            peer: Some(&peer),
            behind: None,
            service: &service_of(None, Goes::Nowhere),
            host: b"",
            peer_principal: "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-details",
            own_principal: "spiffe://cluster.local/ns/bookinfo/sa/bookinfo-ratings",
        };
        let outcome = Outcome { protocol: Protocol::Http, status: 200, grpc_status: None, flags: ResponseFlags::NONE };
        reporter.request(&connection, parties, outcome, Amounts { milliseconds: 3, received: 500, sent: 1000 });
    };
    let region = Region::new(ALLOCATOR);
    (0..SETS).for_each(report);
    let change = region.change();
    let taken = change.bytes_allocated - change.bytes_deallocated;
    println!("{} octets a label set", taken / SETS);
    assert_eq!(stats.label_set_count(), SETS);
    assert!(taken <= MOST, "{taken} octets");

    let begun = Instant::now();
    let counters: usize =
        stats.label_sets().prometheus(|_, kind| kind == proxy::stats::Kind::Counter).map(|text| text.len()).sum();
    println!("counters: {counters} octets in {:?}", begun.elapsed());
    let longest = stats.label_sets().prometheus(|_, _| true).take(100).map(|text| text.len()).max().unwrap();
    assert!(longest < 128 * 1024, "a piece of {longest} octets");
}
