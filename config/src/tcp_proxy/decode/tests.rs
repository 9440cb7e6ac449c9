//! Tests of `tcp_proxy`.

use super::*;

fn decoded(base: i64, max: Option<i64>, percent: f64) -> Result<TcpProxy, String> {
    let seconds = |seconds| proto::wkt::Duration { seconds, nanos: 0 };
    let message = pb::TcpProxy {
        stat_prefix: "t".to_owned(),
        cluster_specifier: Some(pb::tcp_proxy::ClusterSpecifier::Cluster("c".to_owned())),
        backoff_options: Some(core::v3::BackoffStrategy {
            base_interval: Some(seconds(base)),
            max_interval: max.map(seconds),
        }),
        max_downstream_connection_duration_jitter_percentage: Some(types::v3::Percent { value: percent }),
        ..Default::default()
    };
    tcp_proxy(&At::root(), &message, &Options::default()).map_err(|rejection| rejection.to_string())
}

#[test]
fn waits_and_chance() {
    let config = decoded(1, None, 50.0).unwrap();
    assert_eq!(config.back_off, Some((Duration::from_secs(1), Duration::from_secs(10))));
    assert!((config.duration_jitter - 0.5).abs() < f64::EPSILON);
    assert_eq!(decoded(1, Some(3), 0.0).unwrap().back_off, Some((Duration::from_secs(1), Duration::from_secs(3))));
    for (base, max, percent, expected) in [
        (2, Some(1), 0.0, "backoff_options.max_interval: must be greater than or equal to the base_interval"),
        (
            1,
            None,
            101.0,
            "max_downstream_connection_duration_jitter_percentage.value: 101 is not a percentage; give 0 to 100",
        ),
    ] {
        assert_eq!(decoded(base, max, percent).unwrap_err(), expected);
    }
    assert!(decoded(0, None, 0.0).unwrap_err().starts_with("backoff_options.base_interval: "));
}
