//! When a connection is reported, and what is.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;

use config::workload::Workload;

use super::*;
use crate::stats::StatsSettings;
use crate::telemetry::peer::Heard;
use crate::telemetry::stream_info::ConnectionInfo;

struct Bench {
    stats: Arc<Stats>,
    reporters: Reporters,
    info: StreamInfo,
}

fn config(interval: Duration) -> IstioStats {
    IstioStats {
        reporter: Configured::ByDirection,
        host_names_service: true,
        interval,
        own: Arc::new(Workload { name: "own".into(), service: "own".into(), ..Workload::default() }),
        version: "".into(),
        changes: Vec::new(),
        definitions: Vec::new(),
        expressions: Vec::new(),
    }
}

fn bench(interval: Duration) -> Bench {
    let stats = Stats::new(StatsSettings::default());
    let filter = NetworkFilter {
        name: "istio.stats".into(),
        config: NetworkFilterConfig::IstioStats(Arc::new(config(interval))),
    };
    let reporters = Reporters::compile(&[filter], Direction::Inbound, &stats);
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let connection = ConnectionInfo::between(address, address);
    Bench { stats, reporters, info: StreamInfo::begin(Rc::new(connection), None) }
}

impl Bench {
    fn exchange(&self) -> Heard {
        let (peer, heard) = Peer::begin();
        self.info.connection.filter_state.borrow_mut().set_peer(Side::Downstream, peer);
        heard
    }

    /// Opened, closed, sent, received; and the labels.
    fn seen(&self) -> (Vec<u64>, String) {
        let text: String = self.stats.label_sets().prometheus(|_, _| true).collect();
        let mut labels = String::new();
        let mut value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
            let Some((of, value)) = line.and_then(|line| line.rsplit_once("} ")) else { return 0 };
            labels = of.to_owned();
            value.parse().unwrap()
        };
        let names = ["connections_opened", "connections_closed", "sent_bytes", "received_bytes"];
        let values = names.iter().map(|name| value(&format!("istio_tcp_{name}_total"))).collect();
        (values, labels)
    }
}

/// Lets time pass, and the reports have their turn.
async fn pass(reports: &mut Reports<'_>, info: &StreamInfo, moved: Moved, time: Duration) {
    tokio::time::advance(time).await;
    poll_fn(|cx| {
        reports.poll(cx, info, moved);
        Poll::Ready(())
    })
    .await;
}

fn moved(sent: u64, received: u64) -> Moved {
    Moved { sent, received }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_reported_by_intervals_and_at_its_end() {
    let bench = bench(Duration::from_secs(5));
    let heard = bench.exchange();
    heard.peer(Workload { name: "peer".into(), ..Workload::default() });
    let mut reports = bench.reporters.begin().unwrap();
    pass(&mut reports, &bench.info, moved(1, 2), Duration::from_secs(4)).await;
    assert_eq!(bench.seen().0, [0, 0, 0, 0]);
    pass(&mut reports, &bench.info, moved(10, 20), Duration::from_secs(1)).await;
    let (counts, labels) = bench.seen();
    assert_eq!(counts, [1, 0, 10, 20]);
    assert!(labels.starts_with("reporter=\"destination\",source_workload=\"peer\","), "{labels}");
    assert!(labels.ends_with("request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"none\""));
    assert!(!labels.contains("response_code") && !labels.contains("grpc_response_status"), "{labels}");
    pass(&mut reports, &bench.info, moved(15, 20), Duration::from_secs(5)).await;
    assert_eq!(bench.seen().0, [1, 0, 15, 20]);
    reports.end(&bench.info, moved(16, 21));
    assert_eq!(bench.seen().0, [1, 1, 16, 21]);
}

#[tokio::test(start_paused = true)]
async fn who_the_peer_is_is_waited_for() {
    let bench = bench(Duration::from_secs(5));
    let heard = bench.exchange();
    let mut reports = bench.reporters.begin().unwrap();
    pass(&mut reports, &bench.info, moved(1, 1), Duration::from_secs(50)).await;
    assert_eq!(bench.seen().0, [0, 0, 0, 0]);
    heard.nobody();
    pass(&mut reports, &bench.info, moved(1, 1), Duration::from_secs(5)).await;
    let (counts, labels) = bench.seen();
    assert_eq!(counts, [1, 0, 1, 1]);
    assert!(labels.contains("source_workload=\"unknown\""), "{labels}");
    // Without an exchange nobody ever says, and the end tells.
    let bench = self::bench(Duration::from_secs(5));
    let mut reports = bench.reporters.begin().unwrap();
    pass(&mut reports, &bench.info, moved(1, 1), Duration::from_secs(50)).await;
    assert_eq!(bench.seen().0, [0, 0, 0, 0]);
    reports.end(&bench.info, moved(2, 3));
    assert_eq!(bench.seen().0, [1, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_the_end_tells_all() {
    let bench = bench(Duration::ZERO);
    bench.exchange().nobody();
    let mut reports = bench.reporters.begin().unwrap();
    pass(&mut reports, &bench.info, moved(1, 1), Duration::from_secs(50)).await;
    assert_eq!(bench.seen().0, [0, 0, 0, 0]);
    reports.end(&bench.info, moved(5, 6));
    assert_eq!(bench.seen().0, [1, 1, 5, 6]);
}
