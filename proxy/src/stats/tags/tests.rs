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
        ("listener.edge.downstream_cx_total", "listener.downstream_cx_total", "envoy.listener_address=edge"),
        ("server.worker_1.watchdog_miss", "server.worker_watchdog_miss", "envoy.worker_id=1"),
        (
            "listener.10.1.2.3_80.http.ing.downstream_rq_2xx",
            "listener.http.downstream_rq_xx",
            "envoy.response_code_class=2 envoy.http_conn_manager_prefix=ing envoy.listener_address=10.1.2.3_80",
        ),
        (
            "http.ing.rbac.istio_dry_run_allow_.shadow_allowed",
            "http.rbac.shadow_allowed",
            "envoy.rbac_http_prefix=istio_dry_run_allow_ envoy.http_conn_manager_prefix=ing",
        ),
        (
            "http.ing.rbac.policy.ns[a]-policy[b]-rule[0].denied",
            "http.rbac.policy.denied",
            "envoy.rbac_policy_name=ns[a]-policy[b]-rule[0] envoy.http_conn_manager_prefix=ing",
        ),
        (
            "http.ing.rbac.pre.policy.p1.shadow_allowed",
            "http.rbac.policy.shadow_allowed",
            "envoy.rbac_policy_name=p1 envoy.rbac_http_prefix=pre envoy.http_conn_manager_prefix=ing",
        ),
        ("edge.rbac.allowed", "rbac.allowed", "envoy.rbac_prefix=edge"),
        (
            "cluster.up.ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256",
            "cluster.ssl.ciphers",
            "cipher_suite=ECDHE-RSA-AES128-GCM-SHA256 envoy.cluster_name=up",
        ),
        (
            "listener.127.0.0.1_2.ssl.ciphers.TLS_AES_128_GCM_SHA256",
            "listener.ssl.ciphers",
            "envoy.ssl_cipher=TLS_AES_128_GCM_SHA256 envoy.listener_address=127.0.0.1_2",
        ),
        (
            "listener.127.0.0.1_2.ssl.versions.TLSv1.2",
            "listener.ssl.versions",
            "envoy.ssl_version=TLSv1.2 envoy.listener_address=127.0.0.1_2",
        ),
        ("cluster.up.ssl.curves.X25519", "cluster.ssl.curves", "envoy.ssl_curve=X25519 envoy.cluster_name=up"),
        (
            "cluster.up.ssl.certificate.own.expiration_unix_time_seconds",
            "cluster.ssl.certificate.expiration_unix_time_seconds",
            "envoy.tls_certificate=own envoy.cluster_name=up",
        ),
        ("cluster.up.ext_authz.eap.ok", "cluster.ext_authz.ok", "envoy.cluster_name=up envoy.ext_authz_prefix=eap"),
        (
            "http.ing.ext_authz.eap.ok",
            "http.ext_authz.ok",
            "envoy.ext_authz_prefix=eap envoy.http_conn_manager_prefix=ing",
        ),
        (
            "cluster.up.grpc.pkg.Svc.Meth.success",
            "cluster.grpc.Meth.success",
            "envoy.grpc_bridge_method=Svc envoy.grpc_bridge_service=pkg envoy.cluster_name=up",
        ),
        (
            "cluster.up.health_check.name.hc.failure",
            "cluster.health_check.failure",
            "envoy.health_check_name=hc envoy.cluster_name=up",
        ),
        ("cluster.up.health_check.failure", "cluster.health_check.failure", "envoy.cluster_name=up"),
        ("sds.default.key_rotation_failed", "sds.key_rotation_failed", "envoy.xds_resource_name=default"),
        (
            "proxy_proto.ppx.versions.v1.found",
            "proxy_proto.found",
            "envoy.proxy_protocol_prefix=ppx envoy.proxy_protocol_version=1",
        ),
        ("proxy_proto.versions.v2.found", "proxy_proto.found", "envoy.proxy_protocol_version=2"),
        ("ratelimit.nrl.ok", "ratelimit.ok", "envoy.ratelimit_prefix=nrl"),
        ("connection_limit.clp.limited", "connection_limit.limited", "envoy.connection_limit_prefix=clp"),
        ("local_rate_limit.n.rate_limited", "local_rate_limit.rate_limited", "envoy.local_network_ratelimit_prefix=n"),
        ("h.http_local_rate_limit.enabled", "http_local_rate_limit.enabled", "envoy.local_http_ratelimit_prefix=h"),
        ("ext_authz.nea.ok", "ext_authz.nea.ok", ""),
        (
            "mongo.m.collection.c.callsite.s.query.total",
            "mongo.collection.callsite.query.total",
            "envoy.mongo_callsite=s envoy.mongo_collection=c envoy.mongo_prefix=m",
        ),
        ("tcp.x.downstream_cx_total", "tcp.downstream_cx_total", "envoy.tcp_prefix=x"),
        ("vhost.v.route.r.upstream_rq_total", "vhost.route.upstream_rq_total", "envoy.virtual_host=v envoy.route=r"),
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
