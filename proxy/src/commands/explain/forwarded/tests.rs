//! Tests of `forwarded`.

use serde_json::json;

use super::*;

const CLUSTER_TYPE: &str = "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";
const FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig";

fn told(authority: &str, filters: &Value, hosts: Value) -> (bool, String) {
    let body = json!({ "name": "d", "cluster_type": { "typed_config": { "@type": CLUSTER_TYPE } } });
    assert!(is_dynamic(&body));
    let dump =
        Dump { clusters: json!({ "cluster_statuses": [{ "name": "d", "host_statuses": hosts }] }), ..Dump::default() };
    let element = json!({ "cluster": body });
    let cluster = Held {
        name: "d",
        state: crate::commands::dump::State::Active,
        body: &element["cluster"],
        refused: None,
        element: &element,
    };
    let wanted = Wanted { authority: authority.to_owned(), filters, address: "127.0.0.1:9080".parse().unwrap() };
    let mut steps = Steps::default();
    (tell(&cluster, &wanted, &dump, &mut steps), steps.text(false))
}

fn host(name: &str, ip: &str, port: u16) -> Value {
    json!({ "hostname": name, "address": { "socket_address": { "address": ip, "port_value": port } },
        "health_status": { "eds_health_status": "HEALTHY" } })
}

#[test]
fn the_name_of_the_request_says_where_it_ends() {
    let filters = json!([{ "typed_config": { "@type": FILTER } }]);
    let other = host("other:80", "192.0.2.9", 80);
    for (authority, hosts, arrives, words) in [
        ("known", json!([other, host("known:80", "192.0.2.1", 80)]), true, "known:80 is 192.0.2.1, healthy"),
        ("127.0.0.3:81", json!([other]), true, "127.0.0.3:81 is 127.0.0.3 on this machine"),
        ("127.0.0.1:9080", json!([]), false, "127.0.0.1:9080 leads back to 127.0.0.1:9080"),
        ("back", json!([host("back:80", "127.0.0.1", 80)]), true, "back:80 is 127.0.0.1"),
        ("nothing:x", json!([other]), false, "503 (DF)"),
        ("nothing.invalid", json!([other]), false, "nothing.invalid does not resolve"),
        ("", json!([other]), false, "is no host with a port"),
    ] {
        let (found, text) = told(authority, &filters, hosts);
        assert!(found == arrives && text.contains(words), "{authority}: {text}");
    }
}

#[test]
fn a_missing_filter_is_said() {
    let (arrives, text) = told("127.0.0.3", &json!([]), json!([]));
    assert!(arrives && text.contains("no filter dynamic_forward_proxy"), "{text}");
}

#[test]
fn routes_may_name_another_host() {
    const OF_ROUTE: &str = "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig";
    let headers = [("x-host".to_owned(), "named".to_owned())];
    let request = Request { authority: "own".into(), path: "/", method: "GET", scheme: "http", headers: &headers };
    let level = |mut config: Value| {
        config["@type"] = OF_ROUTE.into();
        json!({ "typed_per_filter_config": { "dfp": config } })
    };
    let (none, literal) = (json!({}), level(json!({ "host_rewrite_literal": "literal" })));
    let by_header = level(json!({ "host_rewrite_header": "X-Host" }));
    let missing = level(json!({ "host_rewrite_header": "x-other" }));
    assert_eq!(host_of_request(&request, [&none, &none, &none]), "own");
    assert_eq!(host_of_request(&request, [&none, &literal, &by_header]), "literal");
    assert_eq!(host_of_request(&request, [&by_header, &literal, &none]), "named");
    assert_eq!(host_of_request(&request, [&missing, &literal, &none]), "own");
}
