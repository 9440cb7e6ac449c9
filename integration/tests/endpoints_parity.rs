//! Endpoints as `/config_dump?include_eds` shows them, beside the real Envoy: what names have resolved to, weights, localities, and health
//! that is found out. `UPDATE_GOLDENS=1` writes what Envoy shows (`integration/parity/endpoints.txt`).

use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::golden;
use outrigger_integration::parity::started::{Failure, Started, page};
use serde_json::{Value, json};

const PAGE: &str = "/config_dump?include_eds&resource=static_endpoint_configs";
/// Nobody listens there: who asks is refused.
const NOBODY: u16 = 1;
/// How long an ill endpoint may take to be found out.
const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

fn endpoint(address: &str, port: u16) -> Value {
    json!({ "endpoint": { "address": { "socket_address": { "address": address, "port_value": port } } } })
}

/// A cluster whose assignment goes by another name.
fn cluster(name: &str, kind: &str, localities: Value, more: Value) -> Value {
    let mut cluster = json!({
        "name": name, "type": kind, "dns_lookup_family": "V4_ONLY", "connect_timeout": "1s",
        "load_assignment": { "cluster_name": "another", "endpoints": localities },
    });
    if let (Some(cluster), Value::Object(more)) = (cluster.as_object_mut(), more) {
        cluster.extend(more);
    }
    cluster
}

fn clusters() -> Value {
    let here = "127.0.0.1";
    let nobody = json!([{ "lb_endpoints": [endpoint(here, NOBODY)] }]);
    let mut heavy = endpoint(here, 2);
    heavy["load_balancing_weight"] = 3.into();
    heavy["metadata"] = json!({
        "filter_metadata": { "envoy.lb": { "a": 1 } },
        "typed_filter_metadata": { "x": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "q" } },
    });
    let named = |port: u16| endpoint("localhost", port);
    let mut own = named(81);
    own["endpoint"]["hostname"] = "own".into();
    let mut checked = endpoint(here, 6);
    checked["endpoint"]["health_check_config"] = json!({ "port_value": 77, "hostname": "check" });
    let mut further = endpoint(here, 7);
    further["endpoint"]["additional_addresses"] = json!([{ "address": endpoint("::1", 8)["endpoint"]["address"] }]);
    json!([
        cluster("fixed", "STATIC", json!([
            { "lb_endpoints": [endpoint(here, NOBODY), heavy] },
            { "priority": 1, "locality": { "region": "q" }, "lb_endpoints": [endpoint(here, 3)] },
        ]), json!({})),
        cluster("checked", "STATIC", nobody.clone(), json!({ "health_checks": [{
            "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {},
        }] })),
        cluster("ejected", "STATIC", nobody, json!({ "outlier_detection": {
            "consecutive_5xx": 1, "interval": "1s", "base_ejection_time": "100s", "max_ejection_percent": 100,
        } })),
        cluster("names", "STRICT_DNS", json!([{ "lb_endpoints": [named(80), own] }]), json!({})),
        cluster("name", "LOGICAL_DNS", json!([{ "lb_endpoints": [named(80)] }]), json!({})),
        cluster("places", "STATIC", json!([
            { "locality": { "region": "a" }, "load_balancing_weight": 7, "lb_endpoints": [endpoint(here, 4)] },
            { "locality": { "region": "here" }, "load_balancing_weight": 9, "lb_endpoints": [endpoint(here, 5)] },
            { "locality": { "region": "b" }, "lb_endpoints": [checked, further] },
        ]), json!({ "common_lb_config": { "locality_weighted_lb_config": {} } })),
        { "name": "empty", "type": "STATIC" },
    ])
}

/// The dump, once what fails has been found out.
async fn played(program: &Path) -> Result<String, Failure> {
    let (admin, listener) = (ports::free(ports::loopback()), ports::free(ports::loopback()));
    let address = |at: std::net::SocketAddr| json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": "ejected" } },
        ] }] },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        } }],
    });
    let bootstrap = json!({
        "admin": { "address": address(admin) },
        "node": { "id": "node", "cluster": "cluster", "locality": { "region": "here" } },
        "static_resources": {
            "listeners": [{
                "name": "in", "address": address(listener),
                "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
            }],
            "clusters": clusters(),
        },
    });
    let _proxy = Started::working(program, tempfile::tempdir()?, &bootstrap, admin)?;
    let until = Instant::now() + DEADLINE;
    loop {
        // Answered 503: that is what ejects the endpoint.
        let _ = page(listener, "/");
        let text = page(admin, PAGE)?;
        let dump: Value = serde_json::from_str(&text)?;
        let found = ["checked", "ejected"].iter().all(|name| health(&dump, name) == Some("UNHEALTHY"));
        if found {
            return Ok(format!("{}\n", text.trim_end()));
        }
        if Instant::now() > until {
            return Err(format!("what fails is not found out: {text}").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Of the first endpoint of a cluster.
fn health<'a>(dump: &'a Value, cluster: &str) -> Option<&'a str> {
    let configs = dump["configs"].as_array()?.iter().map(|config| &config["endpoint_config"]);
    let found = configs.into_iter().find(|config| config["cluster_name"] == cluster)?;
    found["endpoints"][0]["lb_endpoints"][0]["health_status"].as_str()
}

#[tokio::test]
async fn envoy_shows_what_is_recorded() {
    golden::of_envoy("endpoints.txt", played).await;
}

#[tokio::test]
async fn the_same_is_shown_here() {
    golden::of_outrigger("endpoints.txt", played).await;
}
