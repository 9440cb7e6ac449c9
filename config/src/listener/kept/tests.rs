//! Tests of `kept`.

use serde_json::{Value, json};

use super::*;

fn bytes(listener: Value) -> Vec<u8> {
    let mut listener = listener;
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    crate::dump::encode(&listener).unwrap()
}

fn chain(name: &str, port: u16) -> Value {
    json!({
        "name": name, "filter_chain_match": {"destination_port": port},
        "metadata": {"filter_metadata": {"a": {"x": 1, "y": 2, "z": 3}, "b": {"k": "v"}, "c": {}}}
    })
}

#[test]
fn chains_are_found_by_what_is_in_them() {
    let before = bytes(json!({"name": "l", "filter_chains": [chain("a", 1), chain("b", 2), chain("c", 3)]}));
    let after =
        bytes(json!({"name": "l", "filter_chains": [chain("c", 3), chain("a", 4), chain("b", 2), chain("d", 5)]}));
    let kept = kept_chains(&before, &after).unwrap();
    assert_eq!(kept, KeptChains { chains: vec![Some(2), None, Some(1), None], default: false });
}

#[test]
fn the_default_chain_is_compared_too() {
    let with =
        |default: Value| bytes(json!({"name": "l", "filter_chains": [chain("a", 1)], "default_filter_chain": default}));
    let without = bytes(json!({"name": "l", "filter_chains": [chain("a", 1)]}));
    let kept = |before: &[u8], after: &[u8]| kept_chains(before, after).unwrap().default;
    assert!(kept(&with(chain("d", 0)), &with(chain("d", 0))));
    assert!(!kept(&with(chain("d", 0)), &with(chain("e", 0))));
    assert!(
        !kept(&with(chain("d", 0)), &without) && !kept(&without, &with(chain("d", 0))) && !kept(&without, &without)
    );
}

#[test]
fn whatever_else_differs_makes_it_another_listener() {
    let before = json!({"name": "l", "filter_chains": [chain("a", 1)]});
    let changes = [
        ("listener_filters_timeout", json!("3s")),
        ("traffic_direction", json!("INBOUND")),
        ("listener_filters", json!([{"name": "x"}])),
        ("address", json!({"socket_address": {"address": "127.0.0.1", "port_value": 1}})),
        ("filter_chains", json!([])),
    ];
    for (field, value) in changes {
        let mut after = before.clone();
        after[field] = value;
        assert_eq!(kept_chains(&bytes(before.clone()), &bytes(after)), None, "{field}");
    }
    assert_eq!(kept_chains(b"\xff", &bytes(before)), None);
}
