//! Tests of `grpc`.

use super::*;
use crate::stats::{Stats, StatsSettings};

fn method(path: &str) -> Method<'_> {
    Method::of(path.as_bytes()).expect("it is a method")
}

#[test]
fn a_method_has_names_of_its_own() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let counters = GrpcCounters::default();
    for (naming, prefix) in [
        (GrpcNaming::Grpc, "grpc.pkg.Svc.Call"),
        (GrpcNaming::WithoutDots, "grpc.pkg_Svc.Call"),
        (GrpcNaming::Web, "grpc-web.pkg.Svc.Call"),
    ] {
        let of = counters.of(naming, Some(&method("/pkg.Svc/Call?x")));
        of.status(&scope, b"0");
        of.status(&scope, b"14");
        of.status(&scope, b"99");
        of.requests(&scope, 3);
        of.responses(&scope, 4);
        assert!(Rc::ptr_eq(&of, &counters.of(naming, Some(&method("//pkg.Svc//Call/")))), "the same method");
        let value = |name: &str| stats.value(&format!("cluster.app.{prefix}.{name}"));
        assert_eq!((value("0"), value("14"), value("99"), value("1")), (Some(1), Some(1), Some(1), None));
        assert_eq!((value("success"), value("failure"), value("total")), (Some(1), Some(2), Some(3)));
        assert_eq!((value("request_message_count"), value("response_message_count")), (Some(3), Some(4)));
    }
}

#[test]
fn names_have_an_end() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let counters = GrpcCounters::default();
    for number in 0..METHODS + 5 {
        let path = format!("/svc/{number}");
        counters.of(GrpcNaming::Grpc, Some(&method(&path))).ended(&scope, true);
    }
    let long = format!("/svc/{}", "x".repeat(NAME));
    counters.of(GrpcNaming::Grpc, Some(&method(&long))).ended(&scope, true);
    assert_eq!(stats.value("cluster.app.grpc.total"), Some(6));
    assert_eq!(stats.value("cluster.app.grpc.svc.1023.total"), Some(1));
    assert_eq!(stats.value("cluster.app.grpc.svc.1024.total"), None);

    let one = counters.of(GrpcNaming::Web, None);
    for number in 100..200 {
        one.status(&scope, format!("{number}").as_bytes());
    }
    one.status(&scope, b"\xff");
    one.status(&scope, &[b'1'; 100]);
    assert_eq!((stats.value("cluster.app.grpc-web.115"), stats.value("cluster.app.grpc-web.116")), (Some(1), None));
    assert_eq!(stats.value("cluster.app.grpc-web.failure"), Some(102));
}
