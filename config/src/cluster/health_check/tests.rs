//! Tests of `health_check`.

use super::*;

fn check(health_checker: pb::health_check::HealthChecker) -> pb::HealthCheck {
    let seconds = |seconds| Some(wkt::Duration { seconds, nanos: 0 });
    pb::HealthCheck {
        timeout: seconds(1),
        interval: seconds(5),
        unhealthy_threshold: Some(wkt::UInt32Value { value: 3 }),
        healthy_threshold: Some(wkt::UInt32Value { value: 2 }),
        health_checker: Some(health_checker),
        ..pb::HealthCheck::default()
    }
}

fn read(proto: pb::HealthCheck) -> Result<Option<Arc<HealthCheck>>, Rejection> {
    decode(&At::root(), &[proto], ("c", true), &Options::default())
}

fn http() -> pb::health_check::HttpHealthCheck {
    pb::health_check::HttpHealthCheck { path: "/healthy".into(), ..Default::default() }
}

#[test]
fn what_is_not_said_is_envoys_default() {
    let read = read(check(pb::health_check::HealthChecker::HttpHealthCheck(http()))).unwrap().unwrap();
    let five = Duration::from_secs(5);
    let intervals = &read.intervals;
    assert_eq!((intervals.unhealthy, intervals.unhealthy_edge, intervals.healthy_edge), (five, five, five));
    assert_eq!((intervals.no_traffic, intervals.no_traffic_healthy), (DEFAULT_NO_TRAFFIC, DEFAULT_NO_TRAFFIC));
    assert!(read.reuse_connection);
    let Asks::Http(http) = &read.asks else { panic!("{read:?}") };
    assert_eq!((&*http.method, &http.expected[..]), ("GET", &[Range { start: 200, end: 201 }][..]));
}

#[test]
fn edges_follow_the_interval_of_their_side() {
    let mut proto = check(pb::health_check::HealthChecker::TcpHealthCheck(Default::default()));
    proto.unhealthy_interval = Some(wkt::Duration { seconds: 9, nanos: 0 });
    proto.no_traffic_interval = Some(wkt::Duration { seconds: 7, nanos: 0 });
    let intervals = read(proto).unwrap().unwrap().intervals.clone();
    assert_eq!((intervals.unhealthy_edge.as_secs(), intervals.healthy_edge.as_secs()), (9, 5));
    assert_eq!(intervals.no_traffic_healthy.as_secs(), 7);
}

#[test]
fn a_payload_is_octets() {
    use pb::health_check::payload::Payload;
    let of = |payload| super::payload(&At::root(), &pb::health_check::Payload { payload: Some(payload) });
    assert_eq!(of(Payload::Text("68Ff".into())).unwrap(), &b"h\xff"[..]);
    assert_eq!(of(Payload::Binary(vec![0, 1])).unwrap(), &[0, 1][..]);
    for wrong in ["6", "zz", "é"] {
        assert!(of(Payload::Text(wrong.into())).is_err(), "{wrong}");
    }
}

#[test]
fn what_envoy_refuses_is_refused() {
    use pb::health_check::payload::Payload;
    let text = |text: &str| pb::health_check::Payload { payload: Some(Payload::Text(text.into())) };
    let said = |http| {
        let read = read(check(pb::health_check::HealthChecker::HttpHealthCheck(http)));
        read.unwrap_err().to_string()
    };
    let sent = pb::health_check::HttpHealthCheck { send: Some(text("00")), ..http() };
    assert!(said(sent).starts_with("[0].http_health_check.send: HTTP health check cannot specify a request payload"));
    let longer = pb::health_check::HttpHealthCheck {
        receive: vec![text("0000")],
        response_buffer_size: Some(wkt::UInt64Value { value: 1 }),
        ..http()
    };
    assert!(said(longer).contains("expected response length '2' is over"));
    let grpc = check(pb::health_check::HealthChecker::GrpcHealthCheck(Default::default()));
    let refused = decode(&At::root(), &[grpc], ("c", false), &Options::default()).unwrap_err().to_string();
    assert!(refused.contains("must support HTTP/2 for gRPC healthchecking"), "{refused}");
    let two = [(); 2].map(|()| check(pb::health_check::HealthChecker::TcpHealthCheck(Default::default())));
    assert!(decode(&At::root(), &two, ("c", true), &Options::default()).is_err());
}
