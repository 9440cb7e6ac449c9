//! Tests of `statsd`.

use config::bootstrap::StatsdTarget;

use super::*;
use crate::stats::Tagged;

fn config(tags: bool, datagram: usize) -> Statsd {
    Statsd { prefix: "pre".into(), target: StatsdTarget::Tcp("x".into()), tags, datagram }
}

fn reading(value: Value) -> Reading {
    let tagged = Tagged { name: "cluster.time".into(), tags: vec![("a".into(), "b".into()), ("c".into(), "d".into())] };
    Reading { name: "cluster.b.time".into(), tagged, value }
}

/// As the real Envoy writes them, but for histograms.
#[test]
fn lines_are_envoys() {
    let counter = reading(Value::Counter(9, 2));
    assert_eq!(lines(&config(false, 0), &counter), ["pre.cluster.b.time:2|c"]);
    assert_eq!(lines(&config(true, 0), &counter), ["pre.cluster.time:2|c|#a:b,c:d"]);
    assert_eq!(lines(&config(false, 0), &reading(Value::Gauge(7))), ["pre.cluster.b.time:7|g"]);
    let histogram = HistogramSample {
        bounds: &[1.0, 5.0],
        counts: vec![3, 4, 1],
        interval: vec![1, 4, 0],
        sum: 0,
        interval_sum: 0,
    };
    assert_eq!(
        lines(&config(true, 0), &reading(Value::Histogram(Box::new(histogram)))),
        ["pre.cluster.time:0.5|ms|#a:b,c:d", "pre.cluster.time:3|ms|@0.25|#a:b,c:d"]
    );
}

#[test]
fn datagrams_are_filled_and_no_line_is_cut() {
    let lines = || ["aaaa", "bbbb", "cccccccccccc", "d"].map(str::to_owned).into_iter();
    assert_eq!(datagrams(lines(), 0), ["aaaa", "bbbb", "cccccccccccc", "d"]);
    assert_eq!(datagrams(lines(), 9), ["aaaa\nbbbb", "cccccccccccc", "d"]);
    assert_eq!(datagrams(lines(), 100), ["aaaa\nbbbb\ncccccccccccc\nd"]);
}

#[test]
fn datagrams_arrive() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sink = Sink::udp(&config(false, 0), receiver.local_addr().unwrap()).unwrap();
    sink.flush(&[reading(Value::Gauge(1)), reading(Value::Counter(2, 1))]);
    let mut buffer = [0; 100];
    let mut heard = || {
        let read = receiver.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    assert_eq!((heard(), heard()), ("pre.cluster.b.time:1|g".into(), "pre.cluster.b.time:1|c".into()));
}
