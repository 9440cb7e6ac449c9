//! Tests of `validate`.

use serde_json::{Value, json};

use super::{Judged, judge, placed};
use crate::app::bootstrap::tests::{options, with};

mod secrets;

fn judged(document: &Value) -> Judged {
    judge(&options(&["--config-yaml", &document.to_string()]))
}

fn validated(document: &Value) -> Result<(), String> {
    let faults = judged(document).reasons();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

#[test]
fn validation_names_the_resource_that_serving_would_refuse() {
    let pem = json!({"inline_string": "this is no PEM"});
    let certificate = json!({"certificate_chain": pem, "private_key": pem});
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    for (list, resource) in [
        ("secrets", json!({"name": "the-bad-one", "tls_certificate": certificate})),
        ("clusters", json!({"name": "the-bad-one", "connect_timeout": "-1s"})),
        ("listeners", json!({"name": "the-bad-one", "address": address})),
    ] {
        let reason = validated(&with(list, resource)).unwrap_err();
        assert!(reason.contains(&format!("static_resources.{list}[\"the-bad-one\"]")), "{reason}");
    }
    let nowhere = json!({"filename": "/nowhere/cert.pem"});
    let certificate = json!({"certificate_chain": nowhere, "private_key": nowhere});
    let reason = validated(&with("secrets", json!({"name": "s", "tls_certificate": certificate}))).unwrap_err();
    assert!(reason.contains("static_resources.secrets[\"s\"]") && reason.contains("/nowhere/cert.pem"), "{reason}");
    assert!(reason.contains("; put the file there, or correct its path"), "{reason}");
    validated(&with("clusters", json!({"name": "good"}))).unwrap();
}

#[test]
fn what_cannot_be_read_hides_nothing_else() {
    let cluster = json!({"name": "c", "connect_timeout": "soon", "lb_policy": "NONE", "per_connection_buffer_limit_bytes": -1,
        "health_checks": [{"timeout": "1s", "interval": "1s"}]});
    let faults = judged(&with("clusters", cluster)).reasons();
    let places = ["connect_timeout", "lb_policy", "per_connection_buffer_limit_bytes", "health_checks[0]"];
    for place in places {
        let place = format!("static_resources.clusters[\"c\"].{place}");
        assert!(faults.iter().any(|fault| fault.contains(&place)), "{place}: {faults:#?}");
    }
    // Without its type the rest of it means something else.
    let cluster = json!({"name": "c", "type": "NOTHING", "eds_cluster_config": {}});
    assert_eq!(judged(&with("clusters", cluster)).reasons().len(), 1);
}

#[test]
fn other_sources_than_ads_are_envoys() {
    let api = |kind: &str, service: Value| {
        json!({ "resource_api_version": "V3", "api_config_source":
            { "api_type": kind, "transport_api_version": "V3", "grpc_services": service } })
    };
    let envoys = json!([{ "envoy_grpc": { "cluster_name": "c" } }]);
    let googles = json!([{ "google_grpc": { "target_uri": "a", "stat_prefix": "s" } }]);
    for (source, is_unsupported) in [
        (json!({ "path": "/nowhere/cds.yaml" }), true),
        (json!({ "path_config_source": { "path": "/nowhere/cds.yaml" } }), true),
        (json!({ "ads": {} }), true),
        (json!({ "self": {} }), true),
        (api("GRPC", envoys.clone()), true),
        (api("GRPC", googles), true),
        (api("GRPC", json!([])), false),
        (api("REST", json!([])), false),
        (json!({}), false),
    ] {
        let document = json!({ "node": { "id": "a", "cluster": "b" }, "dynamic_resources": { "cds_config": source } });
        let faults = judged(&document).faults;
        assert_eq!(faults.iter().map(|fault| fault.is_unsupported).collect::<Vec<_>>(), [is_unsupported], "{faults:?}");
        assert!(faults[0].path.starts_with("dynamic_resources.cds_config"), "{faults:?}");
    }
}

/// Routes that come in ways of Envoy's alone.
#[test]
fn scoped_routes_and_single_virtual_hosts_are_envoys() {
    let ads = json!({ "ads": {}, "resource_api_version": "V3" });
    let scopes = json!({ "name": "s", "rds_config_source": ads,
        "scope_key_builder": { "fragments": [{ "header_value_extractor": { "name": "h", "index": 0 } }] },
        "scoped_rds": { "scoped_rds_config_source": ads } });
    for (field, value, path) in [
        ("scoped_routes", scopes, "scoped_routes"),
        ("route_config", json!({ "name": "r", "vhds": { "config_source": ads } }), "route_config.vhds"),
    ] {
        let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
        let router = json!({ "name": "r", "typed_config": { "@type": kind("http.router.v3.Router") } });
        let mut manager = json!({ "stat_prefix": "m", "http_filters": [router],
            "@type": kind("network.http_connection_manager.v3.HttpConnectionManager") });
        manager[field] = value;
        let listener = json!({ "name": "l", "address": { "socket_address": { "address": "127.0.0.1", "port_value": 1 } },
            "filter_chains": [{ "filters": [{ "name": "m", "typed_config": manager }] }] });
        let faults = judged(&with("listeners", listener)).faults;
        assert!(faults.len() == 1 && faults[0].is_unsupported, "{faults:?}");
        assert!(faults[0].path.ends_with(path), "{faults:?}");
    }
}

#[test]
fn a_disk_layer_needs_the_folder_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let layers = |root: &std::path::Path| {
        let document = json!({ "layered_runtime": { "layers": [
            { "name": "s", "static_layer": {} }, { "name": "d", "disk_layer": { "symlink_root": root } }] } });
        judged(&document).reasons().join("")
    };
    assert_eq!(layers(&folder.path().join("later")), "");
    let reason = layers(&folder.path().join("none/later"));
    assert!(
        reason.contains("layered_runtime.layers[1].disk_layer.symlink_root: unable to add filesystem watch"),
        "{reason}"
    );
}

#[test]
fn a_log_service_that_is_not_there_is_noted() {
    let log = json!({ "name": "als", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
        "common_config": { "log_name": "l", "transport_api_version": "V3", "grpc_service": { "envoy_grpc": { "cluster_name": "nowhere" } } } } });
    let proxy = json!({ "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "a", "cluster": "a", "access_log": [log] } });
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 28_001 } });
    let listener = json!({ "name": "l", "address": address, "filter_chains": [{ "filters": [proxy] }] });
    let judged = judged(&with("listeners", listener));
    assert!(judged.faults.is_empty(), "{:?}", judged.reasons());
    assert!(
        judged.notes.iter().any(|note| note.contains("listener 'l'") && note.contains("'nowhere' is not there")),
        "{:?}",
        judged.notes
    );
}

#[test]
fn clusters_that_are_not_there_are_told_beside_what_else_is_wrong() {
    let manager = |cluster: &str| {
        json!({ "name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "", "route_config": { "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": cluster } }] }] } } })
    };
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 28_002 } });
    let listener = json!({ "name": "l", "address": address, "filter_chains": [{ "filters": [manager("nowhere")] }] });
    let reasons = judged(&with("listeners", listener)).reasons();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("stat_prefix") && reasons[1].contains("unknown cluster 'nowhere'"), "{reasons:?}");
}

#[test]
fn faults_have_lines() {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), "static_resources:\n  clusters:\n  - name: c\n    connect_timeout: soon\n").unwrap();
    let options = options(&["-c", file.path().to_str().unwrap()]);
    let told = judge(&options).placed(&options);
    let wanted = format!("{}:4: static_resources.clusters[\"c\"].connect_timeout: ", file.path().display());
    assert!(told.len() == 1 && told[0].starts_with(&wanted), "{told:?}");
    // What a start says has no more than the sentence.
    let said = |field: &str| placed(&options, &format!("{}: {field}: no", file.path().display()));
    assert_eq!(
        said("static_resources.clusters[\"c\"].connect_timeout"),
        format!("{}:4: static_resources.clusters[\"c\"].connect_timeout: no", file.path().display())
    );
    assert_eq!(said("elsewhere"), format!("{}: elsewhere: no", file.path().display()));
    assert_eq!(placed(&options, "no file: no"), "no file: no");
}

#[test]
fn validation_finds_a_control_plane_without_an_address() {
    let mut document = with("clusters", json!({"name": "xds-grpc"}));
    document["dynamic_resources"] = json!({
        "ads_config": {"api_type": "DELTA_GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]},
        "cds_config": {"ads": {}}
    });
    let reason = validated(&document).unwrap_err();
    assert!(reason.contains("ads_config") && reason.contains("'xds-grpc'"), "{reason}");
}

#[test]
fn validation_finds_two_listeners_with_one_address() {
    let listener = |name: &str| {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 28_000}});
        let proxy = json!({
            "name": "tcp",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "a", "cluster": "a",
            },
        });
        json!({"name": name, "address": address, "filter_chains": [{"filters": [proxy]}]})
    };
    let mut document = with("listeners", listener("one"));
    assert_eq!(validated(&document), Ok(()));
    document["static_resources"]["listeners"] = json!([listener("one"), listener("two")]);
    let reason = validated(&document).unwrap_err();
    assert!(
        reason.contains("listeners[\"two\"].address: listener 'two' has duplicate address '127.0.0.1:28000'"),
        "{reason}"
    );
}

#[test]
fn validation_finds_a_listener_where_the_admin_interface_is() {
    let echo = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"});
    let address = |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
    let mut document = with(
        "listeners",
        json!({
            "name": "one", "address": address("0.0.0.0", 28_000),
            "filter_chains": [{"filters": [{"name": "e", "typed_config": echo}]}]
        }),
    );
    for (admin, held) in
        [(address("127.0.0.1", 28_000), true), (address("127.0.0.1", 28_001), false), (address("127.0.0.1", 0), false)]
    {
        document["admin"] = json!({"address": admin});
        let reason = validated(&document).err().unwrap_or_default();
        let words = "listeners[\"one\"].address: listener 'one' cannot have '0.0.0.0:28000': the admin interface is at '127.0.0.1:28000'";
        assert_eq!((reason.contains(words), reason.is_empty()), (held, !held), "{reason}");
    }
}

#[test]
fn a_log_that_cannot_be_opened_is_told_and_none_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (there, file) = (folder.path().join("a.log"), |path: &std::path::Path| {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path
        })
    });
    let echo = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"});
    let logs = |path: &std::path::Path| json!([{"name": "f", "typed_config": file(path)}]);
    let noted = |path: &std::path::Path| {
        let Judged { notes, faults, .. } = judged(&with(
            "listeners",
            json!({
                "name": "one", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "access_log": logs(path), "filter_chains": [{"filters": [{"name": "e", "typed_config": echo}]}]
            }),
        ));
        assert!(faults.is_empty(), "{faults:?}");
        notes
    };
    assert!(noted(&there).is_empty() && !there.exists(), "it is made by who serves");
    for wrong in [&folder.path().join("none/a.log"), folder.path()] {
        let notes = noted(wrong);
        let words = format!("access log {}: cannot be opened: ", wrong.display());
        assert!(notes.len() == 1 && notes[0].starts_with(&words), "{notes:?}");
    }
}

#[test]
fn all_fields_of_a_resource_that_break_a_rule_are_told() {
    let document = json!({"static_resources": {"clusters": [
        {"name": "a", "connect_timeout": "0s", "outlier_detection": {"interval": "0s", "base_ejection_time": "0s"}},
        {"name": "b", "circuit_breakers": {"thresholds": [{"retry_budget": {"budget_percent": {"value": 200}}}]}},
    ]}});
    let faults = judged(&document).reasons();
    for place in [
        "[\"a\"].connect_timeout: ",
        "[\"a\"].outlier_detection.interval: ",
        "[\"a\"].outlier_detection.base_ejection_time: ",
        "[\"b\"].circuit_breakers.thresholds[0].retry_budget.budget_percent.value: ",
    ] {
        assert_eq!(faults.iter().filter(|fault| fault.contains(place)).count(), 1, "{place} in {faults:#?}");
    }
    assert_eq!(faults.len(), 4, "{faults:#?}");
}

#[test]
fn a_second_listener_of_a_name_is_told() {
    let echo = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"});
    let listener = |port: u16| {
        let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
        json!({"name": "one", "address": address, "filter_chains": [{"filters": [{"name": "e", "typed_config": echo}]}]})
    };
    let mut document = with("listeners", listener(28_000));
    assert!(judged(&document).notes.is_empty());
    document["static_resources"]["listeners"] = json!([listener(28_000), listener(28_001)]);
    let Judged { notes, faults, .. } = judged(&document);
    assert!(faults.is_empty() && notes.len() == 1, "{faults:?} {notes:?}");
    assert!(notes[0].starts_with("static_resources.listeners[\"one\"]: is the name of an earlier one"), "{notes:?}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let echo = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"});
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 28_000}});
    let chains = json!([{"filters": [{"name": "e", "typed_config": echo}]}]);
    let document = json!({
        "nodes": {},
        "admin": {"address": {"envoy_internal_address": {"server_listener_name": "a"}}},
        "stats_flush_interval": "0s",
        "static_resources": {
            "cluster": [],
            "secrets": [{"name": "s", "generic_secrets": {}}, {"name": "t", "tls_certificate": 1}],
            "clusters": [{"name": "a", "connect_timeout": "soon"}, {"name": "b", "connect_timeout": "0s"}, {"name": "c"}, {"name": "c"}],
            "listeners": [
                {"name": "one", "address": address, "filter_chains": chains},
                {"name": "two", "address": address, "filter_chains": chains},
                {"name": "three", "address": address},
                {"name": "four", "addresses": address}
            ]
        }
    });
    let faults = judged(&document).reasons();
    for place in [
        "nodes: ",
        "admin.address: ",
        "stats_flush_interval: ",
        "static_resources.cluster: ",
        "static_resources.secrets[\"s\"].generic_secrets: ",
        "static_resources.secrets[\"t\"].tls_certificate: ",
        "static_resources.clusters[\"a\"].connect_timeout: ",
        "static_resources.clusters[\"b\"].connect_timeout: ",
        "static_resources.clusters[3].name: ",
        "static_resources.listeners[\"two\"].address: ",
        "static_resources.listeners[\"three\"].filter_chains: ",
        "static_resources.listeners[\"four\"].addresses: ",
    ] {
        let found = faults.iter().filter(|fault| fault.starts_with(&format!("--config-yaml: {place}")));
        assert_eq!(found.count(), 1, "{place} in {faults:#?}");
    }
    assert_eq!(faults.len(), 12, "{faults:#?}");
}

#[test]
fn a_cluster_that_cannot_be_read_is_there_for_routes() {
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "a"}});
    let router = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s", "http_filters": [{"name": "r", "typed_config": router}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}
    });
    let mut document = with(
        "listeners",
        json!({
            "name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]
        }),
    );
    let faults = judged(&document).reasons();
    assert!(faults.len() == 1 && faults[0].contains("route: unknown cluster 'a'"), "{faults:?}");
    document["static_resources"]["clusters"] = json!([{"name": "a", "connect_timeout": "soon"}]);
    let faults = judged(&document).reasons();
    assert!(faults.len() == 1 && faults[0].contains("clusters[\"a\"].connect_timeout"), "{faults:?}");
    document["static_resources"]["clusters"] = json!([{"name": "a"}]);
    assert!(judged(&document).reasons().is_empty());
}
