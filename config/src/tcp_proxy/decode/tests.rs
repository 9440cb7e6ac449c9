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

fn tunnel(
    tunneling: pb::tcp_proxy::TunnelingConfig,
    change: impl FnOnce(&mut pb::TcpProxy),
) -> Result<TcpProxy, String> {
    let mut message = pb::TcpProxy {
        stat_prefix: "t".to_owned(),
        cluster_specifier: Some(pb::tcp_proxy::ClusterSpecifier::Cluster("c".to_owned())),
        tunneling_config: Some(pb::tcp_proxy::TunnelingConfig { hostname: "a:1".to_owned(), ..tunneling }),
        ..Default::default()
    };
    change(&mut message);
    tcp_proxy(&At::root(), &message, &Options::default()).map_err(|rejection| rejection.to_string())
}

#[test]
fn tunnels() {
    let post = |path: &str, use_post| pb::tcp_proxy::TunnelingConfig {
        use_post,
        post_path: path.to_owned(),
        ..Default::default()
    };
    let path = |config: TcpProxy| config.tunneling.unwrap().post_path;
    assert_eq!(path(tunnel(post("", false), |_| ()).unwrap()), None);
    assert_eq!(path(tunnel(post("", true), |_| ()).unwrap()).as_deref(), Some("/"));
    assert_eq!(path(tunnel(post("/p", true), |_| ()).unwrap()).as_deref(), Some("/p"));
    assert!(tunnel(post("/p", false), |_| ()).unwrap_err().starts_with("tunneling_config.post_path: "));
    assert!(tunnel(post("/p\r\n", true), |_| ()).unwrap_err().starts_with("tunneling_config.post_path: "));
    let hostname = |one: &mut pb::TcpProxy| one.tunneling_config.as_mut().unwrap().hostname = "%NONSENSE%".to_owned();
    assert!(tunnel(post("", false), hostname).unwrap_err().starts_with("tunneling_config.hostname: "));
}

#[test]
fn when_it_connects() {
    let mode = |mode: pb::UpstreamConnectMode, most: Option<u32>| {
        let decoded = tunnel(Default::default(), |one| {
            one.upstream_connect_mode = mode.into();
            one.max_early_data_bytes = most.map(|value| proto::wkt::UInt32Value { value });
        });
        decoded.map(|config| config.awaits_data)
    };
    use pb::UpstreamConnectMode::*;
    assert_eq!(mode(Immediate, None), Ok(None));
    assert_eq!(mode(Immediate, Some(7)), Ok(None));
    assert_eq!(mode(OnDownstreamData, Some(0)), Ok(Some(0)));
    assert_eq!(mode(OnDownstreamTlsHandshake, Some(0)), Ok(None));
    assert!(mode(OnDownstreamData, None).unwrap_err().starts_with("max_early_data_bytes: must be set"));
    assert!(mode(Immediate, Some((1 << 20) + 1)).unwrap_err().starts_with("max_early_data_bytes: "));
}
