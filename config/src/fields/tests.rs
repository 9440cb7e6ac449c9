//! Rules in Envoy's words, by example; and that each of them is understood.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Class, Row};
use super::*;
use crate::registry::{self, Entry, State};

mod probe;

/// Fields that act where the probe cannot see it: by message (the end of its name) and field.
const UNSEEN: &[(&str, &str)] = &[
    // Acts for streams of configuration.
    ("core.v3.GrpcService.EnvoyGrpc", "retry_policy"),
    // Taken apart before the bootstrap is decoded, one resource at a time.
    ("bootstrap.v3.Bootstrap", "static_resources"),
    ("bootstrap.v3.Bootstrap.StaticResources", "*"),
    // Need a cluster that is named elsewhere, or a whole service.
    ("core.v3.ApiConfigSource", "*"),
    ("core.v3.RetryPolicy.RetryHostPredicate", "*"),
    ("core.v3.RetryPolicy.RetryPriority", "*"),
    // Acts where the caller does not say itself what is retried.
    ("core.v3.RetryPolicy", "retry_on"),
    ("core.v3.WatchedDirectory", "*"),
    // Chooses the transport socket of its endpoints.
    ("endpoint.v3.LocalityLbEndpoints", "metadata"),
    // Need a second element, or another field beside them.
    ("accesslog.v3.OrFilter", "filters"),
    ("listener.v3.ListenerFilterChainMatchPredicate.MatchSet", "rules"),
    ("listener.v3.AdditionalAddress", "*"),
    ("core.v3.Http2ProtocolOptions.SettingsParameter", "*"),
    ("route.v3.RouteAction", "max_internal_redirects"),
    ("tls.v3.SubjectAltNameMatcher", "oid"),
    // Counts beside the other one.
    ("core.v3.SocketOption.SocketType", "stream"),
    // Chosen by being there: what is inside is the default, or compared with metadata of a request.
    ("upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig", "http_protocol_options"),
    ("type.v3.HashPolicy.FilterState", "key"),
];

/// Messages that no sample holds, so that the probe does not come to them.
const UNREACHED: &[&str] = &[
    // Of the bootstrap, whose resources are taken apart.
    "envoy.config.trace.v3.Tracing.Http",
    // Behind messages that were looked at in other samples.
    "xds.type.matcher.v3.CelMatcher",
    "xds.type.v3.CelExpression",
    // Counts beside ADS, which needs a cluster that is named elsewhere.
    "istio.workload.BootstrapExtension",
    // Need certificates.
    "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
    "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.TrustDomain",
];

/// Fields that are decoded, or at least checked, and have no effect yet.
const READ_IN_VAIN: &[(&str, &str)] = &[
    // Must be readable, and is watched.
    ("tls.v3.GenericSecret", "secrets"),
    ("core.v3.Http1ProtocolOptions.HeaderKeyFormat", "proper_case_words"),
    ("listener.v3.Listener", "max_connections_to_accept_per_socket_event"),
    // Told apart from another one.
    ("core.v3.EnvoyInternalAddress", "endpoint_id"),
    // Chosen in the place of one that acts.
    ("matcher.v3.MatchPredicate", "*"),
    ("cluster.v3.Cluster.CommonLbConfig", "zone_aware_lb_config"),
    ("common.v1.AnyValue", "string_value_strindex"),
    ("common.v3.LocalityLbConfig", "zone_aware_lb_config"),
    ("core.v3.HealthCheck", "custom_health_check"),
    // Judged beside another.
    ("core.v3.PathConfigSource", "poll_interval"),
    // Endpoints name a proxy and TLVs there.
    ("core.v3.Metadata", "typed_filter_metadata"),
    // Refused where no name may be looked up.
    ("core.v3.SocketAddress", "resolver_name"),
    ("peer_metadata.Config.DiscoveryMethod", "upstream_filter_state"),
];

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

/// Messages that are decoded from bytes of their own: resources, and what an extension's Any may hold.
const ROOTS: [&str; 8] = [
    "envoy.config.bootstrap.v3.Bootstrap",
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.listener.v3.Listener",
    "envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
    "envoy.config.route.v3.FilterConfig",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.extensions.transport_sockets.tls.v3.Secret",
];

fn table() -> BTreeMap<&'static str, BTreeMap<&'static str, Row>> {
    let mut sections: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in table::TEXT.lines().filter(|line| !line.starts_with([' ', '#']) && !line.is_empty()) {
        assert!(sections.insert(line, BTreeMap::new()).is_none(), "{line} has two sections");
    }
    for row in table::rows() {
        let row = row.unwrap();
        let section = sections.get_mut(row.message).unwrap_or_else(|| panic!("{row:?} has no section"));
        assert!(section.insert(row.field, row).is_none(), "{row:?} stands twice");
    }
    sections
}

/// A new version of Envoy's files brings new fields: each needs its row, and what it does here is to be decided.
#[test]
fn every_field_of_every_message_has_its_row() {
    let table = table();
    let mut wanted: Vec<&str> = ROOTS.into_iter().collect();
    let decoded = |entry: &&Entry| entry.state == State::Works || table.contains_key(entry.type_name);
    wanted.extend(registry::extensions().filter(decoded).map(|entry| entry.type_name));
    let mut reached = BTreeSet::new();
    let mut faults = Vec::new();
    while let Some(name) = wanted.pop() {
        if !reached.insert(name) {
            continue;
        }
        let Some(section) = table.get(name) else {
            faults.push(format!("{name} is decoded and has no section"));
            continue;
        };
        let Some(message) = Message::named(name) else {
            faults.push(format!("there is no message {name}"));
            continue;
        };
        for field in message.fields() {
            match section.get(field.name()) {
                None => faults.push(format!("{name}.{} has no row", field.name())),
                Some(row) if row.class == Class::Acts => {
                    let of = if field.is_map() {
                        field.message().and_then(|entry| entry.field(2)).and_then(Field::message)
                    } else {
                        field.message()
                    };
                    wanted.extend(of.map(Message::name).filter(|name| !name.starts_with("google.protobuf.")));
                }
                Some(_) => {}
            }
        }
        for field in section.keys().filter(|field| message.fields().all(|known| known.name() != **field)) {
            faults.push(format!("{name} has no field {field}"));
        }
    }
    faults.extend(table.keys().filter(|name| !reached.contains(**name)).map(|name| format!("{name} is never decoded")));
    assert!(faults.is_empty(), "config/src/fields/table.txt: {faults:#?}");
}

/// `acts` is no claim: changing the field changes what the decoder gives. A decoder that forgets a field fails here, and so does
/// one that has learned a field which the table still calls inert.
#[test]
fn the_table_says_what_decoders_do() {
    let table = table();
    let rows = || table.values().flat_map(BTreeMap::values);
    let place = |row: &Row| (row.message.to_owned(), row.field.to_owned());
    let closed = rows().filter(|row| row.class != Class::Acts).map(place).collect();
    let found = probe::probe(&closed);
    let known = |list: &[(&str, &str)], row: &Row| {
        list.iter().any(|(message, field)| row.message.ends_with(message) && (*field == row.field || *field == "*"))
    };
    let mut faults = Vec::new();
    for (message, section) in &table {
        let claims = section.values().any(|row| row.class == Class::Acts && !known(UNSEEN, row));
        if claims && !found.reached.contains(*message) && !UNREACHED.contains(message) {
            faults.push(format!("no sample in testdata holds {message}"));
        }
    }
    for (message, field) in UNSEEN {
        let meant = |row: &&Row| row.message.ends_with(message) && (*field == row.field || *field == "*");
        if rows().filter(meant).filter(|row| row.class == Class::Acts).all(|row| found.read.contains(&place(row))) {
            faults.push(format!("{message}.{field} is seen after all: it needs no exception"));
        }
    }
    for row in rows().filter(|row| found.reached.contains(row.message)) {
        let read = found.read.contains(&place(row));
        match row.class {
            Class::Acts if !read && !known(UNSEEN, row) => {
                faults.push(format!("no decoder looks at {}.{}", row.message, row.field))
            }
            Class::Harmless | Class::Inert if read && !known(READ_IN_VAIN, row) => {
                faults.push(format!(
                    "a decoder looks at {}.{}, which the table calls {:?}",
                    row.message, row.field, row.class
                ));
            }
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
