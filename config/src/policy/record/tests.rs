//! What counts as another policy, and what is said of it.

use serde_json::json;

use super::*;

fn listener(policy: &str, port: u16, name: &str) -> Vec<u8> {
    let rbac = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
    let echo = json!({"name": "e", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}});
    let filter = json!({"name": "r", "typed_config": {"@type": rbac, "stat_prefix": policy}});
    let filters = if policy.is_empty() { json!([echo]) } else { json!([filter, echo]) };
    let text = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": filters}],
    });
    crate::dump::encode(&text).unwrap()
}

#[test]
fn only_what_policy_says_tells_records_apart() {
    let record = |policy: &str, port: u16, name: &str| Record::of(&listener(policy, port, name));
    assert!(record("", 1, "a").is_empty());
    let one = record("p", 1, "a");
    assert_eq!(one.to_string(), "filters.network.rbac.v3.RBAC x1");
    assert!(one.is_more_than_tls());
    assert_eq!(one, record("p", 2, "another name"), "the rest may change");
    assert_ne!(one, record("q", 1, "a"));
    assert_ne!(one, record("", 1, "a"));
}

#[test]
fn where_the_value_is_cut_off_everything_counts() {
    let name = DOWNSTREAM_TLS.as_bytes();
    let record = |tail: &[u8]| Record::of(&[name, tail].concat());
    assert_ne!(record(b"\x12\x7fx"), record(b"\x12\x7fy"));
    assert_ne!(record(b"\x22\x01x"), record(b"\x22\x01y"));
    assert!(record(b"Other").is_empty(), "a longer name");
    assert_eq!(record(b"\x12\x01ax"), record(b"\x12\x01ay"));
    assert!(!record(b"").is_more_than_tls());
}
