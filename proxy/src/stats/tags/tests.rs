//! Tests of `tags`.

use std::sync::Arc;

use super::*;
use crate::stats::Tag;

/// The tags of the bootstrap that Istio's agent writes.
const ISTIOS: &[(&str, &str)] = &[
    ("cluster_name", r"^cluster(\.(.+);)"),
    ("http_conn_manager_prefix", r"^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)"),
    ("thread_name", r"^server(\.(.+))\.watchdog"),
    ("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq(_(\dxx))$"),
    (
        "http_conn_manager_listener_prefix",
        r"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)",
    ),
    ("listener_address", r"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"),
    ("mongo_prefix", r"^mongo\.(.+?)\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$"),
    ("cache", r"(cache\.(.+?)\.)"),
    ("component", r"(component\.(.+?)\.)"),
    ("tag", r"(tag\.(.+?);\.)"),
    ("authz_enforce_result", r"rbac(\.(allowed|denied))"),
    ("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)"),
    ("authz_dry_run_result", r"(\.shadow_(allowed|denied))"),
];

fn extract(extraction: &Extraction, name: &str) -> (String, String) {
    let tagged = extraction.extract(name);
    let tags: Vec<String> = tagged.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    (tagged.name, tags.join(" "))
}

#[test]
fn istios_tags_all_compile_and_extract() {
    let tags: Vec<Tag> = ISTIOS.iter().map(|(tag, regex)| (Arc::from(*tag), Arc::from(*regex))).collect();
    let extraction = Extraction::compile(&StatsSettings { tags, default_tags: false, ..StatsSettings::default() });
    assert_eq!(extraction.extractors.len(), ISTIOS.len());
    for (name, want, tags) in [
        (
            "cluster.outbound|9080||details.bookinfo.svc.cluster.local;.upstream_rq_200",
            "cluster.upstream_rq",
            "cluster_name=outbound|9080||details.bookinfo.svc.cluster.local response_code=200",
        ),
        ("cluster.xds-grpc;.upstream_rq_2xx", "cluster.upstream_rq", "cluster_name=xds-grpc response_code_class=2xx"),
        (
            "http.outbound_0.0.0.0_80;.downstream_cx_total",
            "http.downstream_cx_total",
            "http_conn_manager_prefix=outbound_0.0.0.0_80",
        ),
        (
            "listener.10.1.2.3_8080.downstream_cx_active",
            "listener.downstream_cx_active",
            "listener_address=10.1.2.3_8080",
        ),
        (
            "listener.0.0.0.0_15021.http.1234.downstream_rq_2xx",
            "listener.http.downstream_rq",
            "response_code_class=2xx http_conn_manager_listener_prefix=1234 listener_address=0.0.0.0_15021",
        ),
        ("server.worker_1.watchdog_miss", "server.watchdog_miss", "thread_name=worker_1"),
        ("http.in;.rbac.allowed", "http.rbac", "authz_enforce_result=allowed http_conn_manager_prefix=in"),
        ("http.in.rbac.istio_dry_run_allow_shadow_allowed", "http.in.rbacshadow_allowed", "authz_dry_run_action=allow"),
        ("server.live", "server.live", ""),
    ] {
        assert_eq!(extract(&extraction, name), (want.to_owned(), tags.to_owned()), "{name}");
    }
}

#[test]
fn envoys_own_tags() {
    let extraction = Extraction::compile(&StatsSettings::default());
    assert_eq!(extraction.extractors.len(), DEFAULTS.len());
    for (name, want, tags) in [
        ("cluster.up.upstream_rq_503", "cluster.upstream_rq", "envoy.response_code=503 envoy.cluster_name=up"),
        ("cluster.up.upstream_rq_5xx", "cluster.upstream_rq_xx", "envoy.response_code_class=5 envoy.cluster_name=up"),
        ("http.ing.downstream_rq_time", "http.downstream_rq_time", "envoy.http_conn_manager_prefix=ing"),
        (
            "listener.127.0.0.1_0.downstream_cx_total",
            "listener.downstream_cx_total",
            "envoy.listener_address=127.0.0.1_0",
        ),
        ("listener.[__1]_80.downstream_cx_total", "listener.downstream_cx_total", "envoy.listener_address=[__1]_80"),
        (
            "listener.127.0.0.1_0.worker_0.downstream_cx_total",
            "listener.worker_downstream_cx_total",
            "envoy.worker_id=0 envoy.listener_address=127.0.0.1_0",
        ),
        ("listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total", ""),
        ("tcp.x.downstream_cx_total", "tcp.downstream_cx_total", "envoy.tcp_prefix=x"),
        ("vhost.v.route.r.upstream_rq_total", "vhost.route.upstream_rq_total", "envoy.route=r envoy.virtual_host=v"),
    ] {
        let (name_of, tags_of) = extract(&extraction, name);
        assert_eq!((name_of.as_str(), tags_of.as_str()), (want, tags), "{name}");
    }
}

#[test]
fn expressions_beyond_the_engine_are_left_out() {
    let tags: Vec<Tag> = [("a", r"^a(?=b|c)(.*)"), ("b", "(["), ("c", r"^x\.(?!y)"), ("d", r"^d\.((.*?)\.)")]
        .iter()
        .map(|(tag, regex)| (Arc::from(*tag), Arc::from(*regex)))
        .collect();
    let extraction = Extraction::compile(&StatsSettings { tags, default_tags: false, ..StatsSettings::default() });
    assert_eq!(extraction.extractors.iter().map(|extractor| extractor.tag.as_str()).collect::<Vec<_>>(), ["d"]);
}

#[test]
fn ranges_may_overlap() {
    assert_eq!(without("abcdef", vec![1..3, 2..4]), "aef");
    assert_eq!(without("abcdef", vec![4..6, 0..1]), "bcd");
    assert_eq!(without("abc", vec![0..3, 1..2]), "");
}

#[test]
fn names_that_are_not_ascii_are_safe() {
    let tags: Vec<Tag> = vec![("x".into(), r"^a(.)(.)".into())];
    let extraction = Extraction::compile(&StatsSettings { tags, default_tags: false, ..StatsSettings::default() });
    assert_eq!(extraction.extract("aé.b").name, "aé.b");
}

#[test]
fn tags_may_be_fixed_or_envoys_own_by_name() {
    let settings = StatsSettings {
        fixed: vec![("zone".into(), "a".into())],
        named: vec!["envoy.cluster_name".into()],
        default_tags: false,
        ..StatsSettings::default()
    };
    let extraction = Extraction::compile(&settings);
    let told = extract(&extraction, "cluster.back.upstream_rq_200");
    assert_eq!(told, ("cluster.upstream_rq_200".into(), "zone=a envoy.cluster_name=back".into()));
    let made = Tagged { name: "n".into(), tags: vec![("own".into(), "1".into())] };
    assert_eq!(extraction.completed(&made).tags.len(), 2);
}
