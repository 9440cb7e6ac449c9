//! What counts as another policy, and what is said of it.

use serde_json::{Value, json};

use super::*;

const LISTENER: &str = "envoy.config.listener.v3.Listener";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const PER_ROUTE: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute";

fn encoded(type_name: &str, mut resource: Value) -> Vec<u8> {
    resource["@type"] = json!(format!("type.googleapis.com/{type_name}"));
    crate::dump::encode(&resource).unwrap()
}

fn listener(policy: &str, port: u16, name: &str) -> Vec<u8> {
    let rbac = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
    let echo = json!({"name": "e", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}});
    let filter = json!({"name": "r", "typed_config": {"@type": rbac, "stat_prefix": policy, "rules": {}}});
    let filters = if policy.is_empty() { json!([echo]) } else { json!([filter, echo]) };
    encoded(
        LISTENER,
        json!({
            "name": name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": filters}],
        }),
    )
}

#[test]
fn only_what_policy_says_tells_records_apart() {
    let record = |policy: &str, port: u16, name: &str| Record::of(LISTENER, &listener(policy, port, name));
    assert!(record("", 1, "a").is_empty());
    let one = record("p", 1, "a");
    assert_eq!(one.to_string(), "filters.network.rbac.v3.RBAC 'r' x1");
    assert!(one.is_more_than_tls());
    assert_eq!(one, record("p", 2, "another name"), "the rest may change");
    assert_ne!(one, record("q", 1, "a"));
    assert_ne!(one, record("", 1, "a"));
}

/// A listener with these HTTP filters and, in its table, these settings.
fn managed(filters: Value, settings: Value) -> String {
    let manager = json!({
        "@type": format!("type.googleapis.com/{HTTP_CONNECTION_MANAGER}"), "stat_prefix": "s", "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "typed_per_filter_config": settings}]}
    });
    let chains = json!([{"filters": [{"name": "hcm", "typed_config": manager}]}]);
    Record::of(LISTENER, &encoded(LISTENER, json!({"name": "l", "filter_chains": chains}))).to_string()
}

#[test]
fn what_does_not_act_is_not_in_force() {
    let filter = |name: &str, config: Value| json!([{"name": name, "typed_config": config}]);
    let rules = |action: &str| json!({"@type": RBAC, "rules": {"action": action}});
    assert_eq!(managed(filter("a", rules("ALLOW")), json!({})), "filters.http.rbac.v3.RBAC 'a' x1");
    assert_eq!(managed(filter("a", rules("DENY")), json!({})), "", "nobody is denied");
    assert_eq!(managed(filter("a", json!({"@type": RBAC})), json!({})), "");
    let shadow = json!({"@type": RBAC, "shadow_rules": {}});
    assert_eq!(managed(filter("a", shadow), json!({})), "filters.http.rbac.v3.RBAC 'a' (shadow rules alone) x1");
    let wasm = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": {"fail_open": true}
    });
    assert_eq!(managed(filter("w", wasm), json!({})), "", "plugins are passed by");
    let wrapped = json!({
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", "value": {}
    });
    assert_eq!(managed(filter("j", wrapped), json!({})), "filters.http.jwt_authn.v3.JwtAuthentication 'j' x1");
}

#[test]
fn settings_of_routes_count_where_a_filter_hears_them() {
    let filters = || {
        json!([
            {"name": "rbac", "typed_config": {"@type": RBAC}},
            {"name": "cors", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}}
        ])
    };
    let settings = |name: &str, config: Value| {
        let mut all = json!({});
        all[name] = config;
        all
    };
    let per_route = || json!({"@type": PER_ROUTE, "rbac": {"rules": {}}});
    let said = "filters.http.rbac.v3.RBACPerRoute for 'rbac' x1";
    assert_eq!(managed(filters(), settings("rbac", per_route())), said);
    assert_eq!(managed(filters(), settings("nobody", per_route())), "");
    assert_eq!(managed(filters(), settings("cors", per_route())), "");
    let wrapped = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": per_route()});
    assert_eq!(managed(filters(), settings("rbac", wrapped)), said);
    let off = json!({"@type": PER_ROUTE});
    let said = "filters.http.rbac.v3.RBACPerRoute for 'rbac' (without rules) x1";
    assert_eq!(managed(filters(), settings("rbac", off)), said);
    // A table over RDS is for chains that are not known here.
    let table = encoded(ROUTES, json!({"name": "t", "typed_per_filter_config": settings("any", per_route())}));
    assert_eq!(Record::of(ROUTES, &table).to_string(), "filters.http.rbac.v3.RBACPerRoute for 'any' x1");
}

#[test]
fn bytes_that_are_no_resource_say_nothing() {
    for bytes in [&b"\xff\xff\xff"[..], b"\x1a\x7fx", DOWNSTREAM_TLS.as_bytes()] {
        assert!(Record::of(LISTENER, bytes).is_empty());
    }
    assert!(Record::of("nothing", b"").is_empty());
}

/// Their filters are in the place of those of all requests, so that less in them is another policy, too.
#[test]
fn filters_of_upgrades_are_told() {
    let of = |filters: Value, upgrade: Value| {
        let manager = json!({
            "@type": format!("type.googleapis.com/{HTTP_CONNECTION_MANAGER}"), "stat_prefix": "s", "http_filters": filters,
            "upgrade_configs": [{"upgrade_type": "WebSocket", "filters": upgrade}],
        });
        let chains = json!([{"filters": [{"name": "hcm", "typed_config": manager}]}]);
        Record::of(LISTENER, &encoded(LISTENER, json!({"name": "l", "filter_chains": chains})))
    };
    let rbac = json!([{"name": "a", "typed_config": {"@type": RBAC, "rules": {}}}]);
    let other = json!([{"name": "z", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor"}}]);
    let (plain, inherits) = ("filters.http.rbac.v3.RBAC 'a' x1", of(rbac.clone(), json!([])));
    let upgrade = "filters.http.rbac.v3.RBAC 'a' of upgrades to 'websocket' x1";
    assert_eq!(inherits.to_string(), plain);
    assert_eq!(of(other.clone(), rbac.clone()).to_string(), upgrade);
    assert_eq!(of(rbac.clone(), rbac.clone()).to_string(), format!("{plain}, {upgrade}"));
    let without = of(rbac, other);
    assert_eq!(without.to_string(), plain);
    assert_ne!(without, inherits);
}
