//! Both directions, leniency, and the blame for what fails.

use serde_json::json;

use super::*;

fn encoded(type_name: &str, value: &Value) -> Result<Vec<u8>, Fault> {
    encode(&mut Descriptors::new(), type_name, value, true)
}

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";

#[test]
fn both_spellings_and_lenient_values() {
    let value = json!({
        "name": "a", "connectTimeout": "1.5s", "lb_policy": "LEAST_REQUEST", "perConnectionBufferLimitBytes": "32768",
        "ring_hash_lb_config": {"minimum_ring_size": "1024"}, "alt_stat_name": null,
    });
    let bytes = encoded(CLUSTER, &value).unwrap();
    let dump = AnyJson::new(&mut Descriptors::new(), "type.googleapis.com/envoy.config.cluster.v3.Cluster", &bytes);
    let printed = serde_json::to_value(&dump).unwrap();
    assert_eq!(
        printed,
        json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": "a", "connect_timeout": "1.500s", "lb_policy": "LEAST_REQUEST", "per_connection_buffer_limit_bytes": 32768,
            "ring_hash_lb_config": {"minimum_ring_size": "1024"},
        })
    );
}

#[test]
fn a_fault_names_its_path() {
    let path = |value: Value| encoded(CLUSTER, &value).unwrap_err().path;
    assert_eq!(path(json!({"nmae": "a"})), "nmae");
    assert_eq!(
        path(json!({"circuit_breakers": {"thresholds": [{}, {"max_requests": -1}]}})),
        "circuit_breakers.thresholds[1].max_requests"
    );
    assert_eq!(path(json!({"connect_timeout": "soon"})), "connect_timeout");
    assert_eq!(path(json!({"lb_policy": "BEST"})), "lb_policy");
    assert_eq!(path(json!({"metadata": {"filter_metadata": {"istio": 3}}})), "metadata.filter_metadata[\"istio\"]");
    let any = |config: Value| json!({"transport_socket": {"name": "x", "typed_config": config}});
    assert_eq!(path(any(json!({"a": 1}))), "transport_socket.typed_config");
    assert_eq!(path(any(json!({"@type": "type.googleapis.com/no.Such"}))), "transport_socket.typed_config.@type");
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    assert_eq!(path(any(json!({"@type": tls, "snii": "a"}))), "transport_socket.typed_config.snii");
    assert_eq!(
        path(any(json!({"common_tls_context": {"tls_params": 1}, "@type": tls}))),
        "transport_socket.typed_config.common_tls_context.tls_params"
    );
    let fault = encoded(CLUSTER, &json!({"nmae": "a"})).unwrap_err();
    assert_eq!(
        fault.reason,
        "is not a field of envoy.config.cluster.v3.Cluster; check its spelling (--allow-unknown-static-fields would leave it out, whatever it is to do)"
    );
}

#[test]
fn unknown_fields_are_skipped_when_allowed() {
    let value = json!({"name": "a", "fluxCapacitor": {"x": [1]}, "load_assignment": {"later": 1}});
    encode(&mut Descriptors::new(), CLUSTER, &value, false).unwrap();
}

#[test]
fn a_foreign_extension_is_printed_in_base64() {
    use prost::Message as _;
    let cluster = crate::proto::cluster::v3::Cluster {
        name: "a".into(),
        transport_socket: Some(crate::proto::core::v3::TransportSocket {
            name: "x".into(),
            config_type: Some(crate::proto::core::v3::transport_socket::ConfigType::TypedConfig(
                crate::proto::wkt::Any { type_url: "type.googleapis.com/no.Such".into(), value: vec![1, 2, 3] },
            )),
        }),
        ..Default::default()
    };
    let dump = AnyJson::new(
        &mut Descriptors::new(),
        "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        &cluster.encode_to_vec(),
    );
    let printed = serde_json::to_value(&dump).unwrap();
    assert_eq!(
        printed["transport_socket"]["typed_config"],
        json!({"@type": "type.googleapis.com/no.Such", "value": "AQID"})
    );
    let garbage = AnyJson::new(&mut Descriptors::new(), "type.googleapis.com/envoy.config.cluster.v3.Cluster", &[0xff]);
    assert_eq!(serde_json::to_value(&garbage).unwrap()["value"], json!("W3JlZGFjdGVkXQ=="), "may hold a key");
}

#[test]
fn trailing_commas_become_spaces() {
    let strict = |text: &str| lenient::without_trailing_commas(text).into_owned();
    assert_eq!(strict(r#"{"a": [1, 2, ] , }"#), r#"{"a": [1, 2  ]   }"#);
    assert_eq!(strict(r#"{"a": ",]\",}"}"#), r#"{"a": ",]\",}"}"#);
    assert_eq!(strict(r#"["x\\",]"#), r#"["x\\" ]"#);
    strict(r#"{"a": "unfinished \"#);
    assert_eq!(strict("[[1,],[],]"), "[[1 ],[] ]");
    for refused in ["[,]", "{,}", r#"{"a": ,}"#, "[1,,]", "[[,],]", "[,1]"] {
        serde_json::from_str::<Value>(&strict(refused)).expect_err(refused);
    }
}

/// A cluster as Envoy 1.40 prints it in its config dump.
const ENVOYS_DUMP: &str = include_str!("../../testdata/envoy_config_dump.json");

#[test]
fn a_cluster_prints_as_envoy_prints_it() {
    let value: Value = serde_json::from_str(ENVOYS_DUMP).unwrap();
    let bytes = crate::dump::encode(&value).unwrap();
    let dump = AnyJson::new(&mut Descriptors::new(), value["@type"].as_str().unwrap(), &bytes);
    let mut text = Vec::new();
    let one_space = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(&dump, &mut serde_json::Serializer::with_formatter(&mut text, one_space)).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), ENVOYS_DUMP.trim_end());
}

/// Measured with the real binary: what it takes of a cluster, and what it does not.
#[test]
fn protobufs_own_parser_takes_more_than_the_strict_form() {
    let encoded = |fields: serde_json::Value| {
        let mut cluster = serde_json::json!({ "name": "c" });
        cluster.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        encode(&mut Descriptors::new(), "envoy.config.cluster.v3.Cluster", &cluster, true)
    };
    let same = [
        (
            json!({ "type": "strict_dns", "lb_policy": "Ring_Hash" }),
            json!({ "type": "STRICT_DNS", "lb_policy": "RING_HASH" }),
        ),
        (json!({ "lb_policy": "1" }), json!({ "lb_policy": "LEAST_REQUEST" })),
        (json!({ "lb_policy": 1.0 }), json!({ "lb_policy": "LEAST_REQUEST" })),
        (json!({ "respect_dns_ttl": "true" }), json!({ "respect_dns_ttl": true })),
        (json!({ "respect_dns_ttl": "Yes" }), json!({ "respect_dns_ttl": true })),
        (json!({ "connect_timeout": { "seconds": "1", "nanos": 5 } }), json!({ "connect_timeout": "1.000000005s" })),
        (json!({ "connect_timeout": { "nanos": -5e8 } }), json!({ "connect_timeout": "-0.5s" })),
        (json!({ "per_connection_buffer_limit_bytes": "5" }), json!({ "per_connection_buffer_limit_bytes": 5 })),
        (json!({ "per_connection_buffer_limit_bytes": "5e2" }), json!({ "per_connection_buffer_limit_bytes": 500 })),
        (
            json!({ "per_connection_buffer_limit_bytes": { "value": 5.0 } }),
            json!({ "per_connection_buffer_limit_bytes": 5 }),
        ),
        (json!({ "track_cluster_stats": { "timeout_budgets": "n" } }), json!({ "track_cluster_stats": {} })),
        (
            json!({ "common_lb_config": { "healthy_panic_threshold": { "value": "5.5" } } }),
            json!({ "common_lb_config": { "healthy_panic_threshold": { "value": 5.5 } } }),
        ),
        (
            json!({ "dns_resolvers": { "pipe": { "path": "p", "mode": "7" } } }),
            json!({ "dns_resolvers": [{ "pipe": { "path": "p", "mode": 7 } }] }),
        ),
        (
            json!({ "transport_socket": { "name": "t", "typed_config": { "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "type": "eds" } } }),
            json!({ "transport_socket": { "name": "t", "typed_config": { "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "type": "EDS" } } }),
        ),
    ];
    for (lenient, strict) in same {
        assert_eq!(encoded(lenient.clone()).unwrap(), encoded(strict).unwrap(), "{lenient}");
    }
    for wrong in [
        json!({ "respect_dns_ttl": 1 }),
        json!({ "connect_timeout": 1 }),
        json!({ "connect_timeout": "1" }),
        json!({ "lb_policy": "LEAST-REQUEST" }),
        json!({ "alt_stat_name": 5 }),
        json!({ "per_connection_buffer_limit_bytes": "5.5" }),
        json!({ "per_connection_buffer_limit_bytes": "many" }),
        json!({ "outlier_detection": [] }),
        json!({ "connect_timeout": { "nanos": 2_000_000_000_u64 } }),
    ] {
        assert!(encoded(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn a_well_known_type_may_say_nothing_but_what_it_is() {
    for name in ["Empty", "Struct", "ListValue", "Duration", "Timestamp", "StringValue", "BoolValue", "UInt64Value"] {
        let url = format!("type.googleapis.com/google.protobuf.{name}");
        let of = |any: serde_json::Value| {
            encoded(CLUSTER, &json!({ "metadata": { "typed_filter_metadata": { "a": any } } })).map(|bytes| bytes.len())
        };
        let bare = of(json!({ "@type": url })).unwrap_or_else(|fault| panic!("{name}: {}", fault.reason));
        assert!(bare > url.len(), "{name}");
        assert!(of(json!({ "@type": url, "x": 1 })).is_err(), "{name}");
    }
}

#[test]
fn an_empty_config_of_a_route_has_no_type() {
    let bytes = encoded("envoy.config.route.v3.FilterConfig", &json!({ "config": {} })).unwrap();
    let wrapper = <crate::proto::route::v3::FilterConfig as prost::Message>::decode(&bytes[..]).unwrap();
    assert_eq!(wrapper.config.map(|any| any.value), Some(Vec::new()));
    let fault = encoded(CLUSTER, &json!({ "metadata": { "typed_filter_metadata": { "a": {} } } })).unwrap_err();
    assert_eq!(fault.reason, "has no @type; give the type URL of the message", "elsewhere it is forgotten");
}

/// Each by itself is good, so that only the two together can be named.
#[test]
fn two_fields_that_do_not_go_together_are_both_named() {
    let table = "envoy.config.route.v3.RouteConfiguration";
    let matched = |both: Value| {
        let routes = json!([{"match": {"prefix": "/"}}, {"match": both}]);
        json!({"virtual_hosts": [{"name": "v", "routes": routes}]})
    };
    let place = "virtual_hosts[0].routes[1].match";
    let fault = encoded(table, &matched(json!({"path": "/a", "prefix": "/"}))).unwrap_err();
    let reason = "cannot stand beside path: path_specifier is one of them and not both; take one out";
    assert_eq!((fault.path, fault.reason.as_str()), (format!("{place}.prefix"), reason));
    // What is null is not there.
    assert!(encoded(table, &matched(json!({"path": null, "prefix": "/"}))).is_ok());
    let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let mut inner = json!({"route_config": matched(json!({"prefix": "/", "safe_regex": {"regex": "a"}}))});
    inner["@type"] = format!("type.googleapis.com/{manager}").into();
    let listener = json!({"filter_chains": [{"filters": [{"name": "h", "typed_config": inner}]}]});
    let fault = encoded("envoy.config.listener.v3.Listener", &listener).unwrap_err();
    assert_eq!(fault.path, format!("filter_chains[0].filters[0].typed_config.route_config.{place}.safe_regex"));
    assert!(fault.reason.starts_with("cannot stand beside prefix: "), "{}", fault.reason);
}
