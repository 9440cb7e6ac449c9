//! Tests of `outlier`.

use std::sync::Arc;

use super::*;
use crate::runtime::Runtime;

fn read(proto: &pb::OutlierDetection, runtime: &[(&str, &str)]) -> OutlierDetection {
    let mut options = Options::default();
    let values = runtime.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value)));
    options.runtime = Arc::new(Runtime::new(values));
    decode(&At::root(), proto, &options).unwrap()
}

#[test]
fn what_is_not_said_is_envoys_default() {
    let read = read(&pb::OutlierDetection::default(), &[]);
    assert_eq!(read.interval, Duration::from_secs(10));
    assert_eq!((read.base_ejection_time, read.max_ejection_time), (Duration::from_secs(30), Duration::from_secs(300)));
    assert_eq!((read.max_ejection_percent, read.always_eject_one_host), (10, false));
    assert_eq!(read.consecutive_5xx, Consecutive { count: 5, enforcing: 100 });
    assert_eq!(read.consecutive_gateway_failure, Consecutive { count: 5, enforcing: 0 });
    assert_eq!(read.consecutive_local_origin_failure, Consecutive { count: 5, enforcing: 100 });
    assert_eq!(read.success_rate.stdev_factor, 1900);
    assert_eq!((read.failure_percentage.threshold, read.failure_percentage.enforcing), (85, 0));
}

#[test]
fn the_longest_ejection_is_not_shorter_than_the_first() {
    let proto = pb::OutlierDetection {
        base_ejection_time: Some(wkt::Duration { seconds: 600, nanos: 0 }),
        ..pb::OutlierDetection::default()
    };
    assert_eq!(read(&proto, &[]).max_ejection_time, Duration::from_secs(600));
}

#[test]
fn the_runtime_counts_in_the_place_of_fields() {
    let runtime = [
        ("outlier_detection.consecutive_5xx", "2"),
        ("outlier_detection.interval_ms", "1500"),
        ("outlier_detection.enforcing_consecutive_5xx", "1000"),
        ("outlier_detection.max_ejection_percent", "50"),
    ];
    let read = read(&pb::OutlierDetection::default(), &runtime);
    assert_eq!(read.consecutive_5xx, Consecutive { count: 2, enforcing: 100 });
    assert_eq!((read.interval, read.max_ejection_percent), (Duration::from_millis(1500), 50));
}
