//! Rules in Envoy's words, by example; and that each of them is understood.

use super::*;

#[test]
fn every_pattern_of_envoys_files_compiles() {
    use envoy_types::pb::validate::{FieldRules, field_rules::Type};
    use prost::Message as _;
    let mut seen = 0;
    for field in Message::all().flat_map(Message::fields) {
        let rules = FieldRules::decode(field.rules()).unwrap();
        if let Some(Type::String(rules)) = rules.r#type
            && let Some(pattern) = rules.pattern
        {
            assert!(patterns::compile(&pattern).is_some(), "{}: {pattern}", field.name());
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
    for pattern in [patterns::HEADER_NAME, patterns::HEADER_VALUE, patterns::HEADER_LENIENT] {
        assert!(patterns::compile(pattern).is_some(), "{pattern}");
    }
}

/// What is wrong with a message that is given as JSON.
fn judged(type_name: &str, mut message: serde_json::Value) -> String {
    message["@type"] = format!("type.googleapis.com/{type_name}").into();
    let bytes = crate::dump::encode(&message).unwrap_or_else(|rejection| panic!("{rejection}"));
    match check(type_name, &bytes, &At::root(), &Options::default()) {
        Ok(()) => "fine".to_owned(),
        Err(rejection) => rejection.to_string(),
    }
}

#[test]
fn rules_have_envoys_words() {
    use serde_json::json;
    let cluster = "envoy.config.cluster.v3.Cluster";
    let outlier = |field: &str, value: serde_json::Value| json!({ "name": "c", "outlier_detection": { field: value } });
    let address = |port: u32| json!({ "address": { "socket_address": { "address": "1.2.3.4", "port_value": port } } });
    let policy = "envoy.config.route.v3.RetryPolicy";
    let header = "envoy.config.core.v3.HeaderValue";
    let cases = [
        (cluster, json!({}), "name: value length must be at least 1 characters"),
        (cluster, json!({ "name": "c" }), "fine"),
        (
            cluster,
            json!({ "name": "c", "connect_timeout": "0s" }),
            "connect_timeout: value must be greater than 0s; it is 0s",
        ),
        (cluster, json!({ "name": "c", "connect_timeout": "0.25s" }), "fine"),
        (
            cluster,
            json!({ "name": "c", "lb_policy": 77 }),
            "lb_policy: value must be one of the defined enum values; 77 is none, the sender is newer",
        ),
        (
            cluster,
            outlier("max_ejection_percent", json!(101)),
            "outlier_detection.max_ejection_percent: value must be less than or equal to 100; it is 101",
        ),
        (cluster, outlier("max_ejection_percent", json!(0)), "fine"),
        (
            cluster,
            outlier("interval", json!("-1.5s")),
            "outlier_detection.interval: value must be greater than 0s; it is -1.5s",
        ),
        (
            cluster,
            json!({ "name": "c", "transport_socket": {} }),
            "transport_socket.name: value length must be at least 1 characters",
        ),
        (
            cluster,
            json!({ "name": "c", "ring_hash_lb_config": { "maximum_ring_size": "8388609" } }),
            "ring_hash_lb_config.maximum_ring_size: value must be less than or equal to 8388608; it is 8388609",
        ),
        (
            cluster,
            json!({ "name": "c", "load_assignment": { "cluster_name": "c", "endpoints": [{ "lb_endpoints": [{ "endpoint": address(65536) }] }] } }),
            "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: value must be less than or equal to 65535; it is 65536",
        ),
        (policy, json!({ "retry_back_off": {} }), "retry_back_off.base_interval: value is required; set it"),
        (
            policy,
            json!({ "retry_host_predicate": [{ "name": "" }] }),
            "retry_host_predicate[0].name: value length must be at least 1 characters",
        ),
        (
            "envoy.config.route.v3.RouteMatch",
            json!({}),
            "path_specifier: is required; set one of prefix, path, safe_regex, connect_matcher, path_separated_prefix, path_match_policy",
        ),
        ("envoy.config.route.v3.VirtualHost", json!({ "name": "v" }), "domains: value must contain at least 1 item(s)"),
        (
            "envoy.config.route.v3.DirectResponseAction",
            json!({ "status": 700 }),
            "status: value must be inside range [200, 600); it is 700",
        ),
        (header, json!({ "key": "a\nb" }), "key: value does not match regex pattern \"^[^\\0\\n\\r]*$\""),
        (header, json!({ "key": "x".repeat(16385) }), "key: value length must be at most 16384 bytes"),
        ("envoy.config.route.v3.WeightedCluster", json!({ "clusters": [{ "name": "a" }] }), "fine"),
        ("envoy.config.accesslog.v3.ResponseFlagFilter", json!({ "flags": ["ZZ"] }), "flags[0]: value must be in list"),
    ];
    for (type_name, message, expected) in cases {
        let said = judged(type_name, message.clone());
        assert!(said == expected || said.starts_with(&format!("{expected} [")), "{message}: {said}");
    }
}

#[test]
fn ranges_lengths_and_counts_have_both_ends() {
    let range = |lt, lte, gt, gte| rules::Range { constant: None, lt, lte, gt, gte };
    let cases = [
        (range(Some(5), None, Some(1), None), 1, Some("value must be inside range (1, 5)")),
        (range(None, Some(5), Some(1), None), 6, Some("value must be inside range (1, 5]")),
        (range(Some(5), None, None, Some(1)), 5, Some("value must be inside range [1, 5)")),
        (range(None, Some(5), None, Some(1)), 5, None),
        (range(Some(1), None, Some(5), None), 3, Some("value must be outside range [1, 5]")),
        (range(None, Some(1), None, Some(5)), 3, Some("value must be outside range (1, 5)")),
        (range(None, Some(1), None, Some(5)), 1, None),
        (range(Some(5), None, None, None), 5, Some("value must be less than 5")),
        (range(None, None, None, Some(5)), 4, Some("value must be greater than or equal to 5")),
        (range(None, None, Some(5), None), 6, None),
    ];
    for (range, value, expected) in cases {
        assert_eq!(range.broken(&value).as_deref(), expected, "{value}");
    }
}

#[test]
fn bytes_that_are_no_message_are_left_to_decoding() {
    for bytes in [
        &b"\xff"[..],
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0b\x0b\x0c",
        b"\x0a\x01c\x07",
        b"\x0a\x01c\x00",
    ] {
        let _ = check("envoy.config.cluster.v3.Cluster", bytes, &At::root(), &Options::default());
    }
    let mut deep = b"\x0a\x01c".to_vec();
    for _ in 0..2000 {
        deep = [&[0x0a], varint(deep.len()).as_slice(), &deep].concat();
    }
    let _ = check("envoy.config.accesslog.v3.AndFilter", &deep, &At::root(), &Options::default());
}

fn varint(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(length as u64, &mut bytes);
    bytes
}

/// A message may come in two pieces, which decoding merges: rules hold for the whole.
#[test]
fn pieces_of_a_message_are_judged_together() {
    // name "c", then transport_socket {} and transport_socket { name: "t" }.
    let bytes = b"\x0a\x01c\xc2\x01\x00\xc2\x01\x03\x0a\x01t";
    assert!(check("envoy.config.cluster.v3.Cluster", bytes, &At::root(), &Options::default()).is_ok());
}
