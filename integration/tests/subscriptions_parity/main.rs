//! What is counted of subscriptions, in the real Envoy and here: of those whose server is never reached, over ADS that carries nothing but
//! what static resources name, and over a stream of its own; of endpoints that come over ADS; and of secrets that come from files.

mod ads;
mod endpoints;
mod files;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_integration::embedded::{binary, ports};
use outrigger_integration::parity::started::{Failure, Started, page};
use outrigger_integration::parity::{address, envoy};
use outrigger_integration::skip::or_skip;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// What is asked for: a layer of the runtime, a filter and a route table over ADS, a secret over a stream of its own.
const ASKED: [&str; 4] = ["runtime", "extension_config_discovery.http_filter.later", "http.h.rds.table", "sds.ROOT"];

fn typed(kind: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("type.googleapis.com/envoy.{kind}"));
    fields
}

/// Options of a cluster whose endpoints speak it.
fn http2() -> Value {
    let options = json!({ "explicit_http_config": { "http2_protocol_options": {} } });
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
        typed("extensions.upstreams.http.v3.HttpProtocolOptions", options) })
}

fn bootstrap(admin: SocketAddr, nobody: SocketAddr, listener: SocketAddr) -> Value {
    let server = json!({ "api_type": "GRPC", "transport_api_version": "V3",
        "grpc_services": [{ "envoy_grpc": { "cluster_name": "nobody" } }] });
    let source = |from: Value| {
        let mut source = json!({ "resource_api_version": "V3", "initial_fetch_timeout": "0.3s" });
        source.as_object_mut().expect("an object").extend(from.as_object().expect("an object").clone());
        source
    };
    let over_ads = source(json!({ "ads": {} }));
    let by_itself = source(json!({ "api_config_source": server }));
    let later = json!({ "name": "later", "config_discovery": { "config_source": over_ads,
        "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer"] } });
    let router =
        json!({ "name": "router", "typed_config": typed("extensions.filters.http.router.v3.Router", json!({})) });
    let manager = json!({ "stat_prefix": "h", "http_filters": [later, router],
        "rds": { "route_config_name": "table", "config_source": over_ads } });
    let manager = typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager);
    let cluster = |name: &str, at: SocketAddr| {
        json!({ "name": name, "connect_timeout": "1s", "load_assignment": { "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }] } })
    };
    let mut of_servers = cluster("nobody", nobody);
    of_servers["typed_extension_protocol_options"] = http2();
    let mut secured = cluster("secured", nobody);
    secured["transport_socket"] = json!({ "name": "tls", "typed_config":
        typed("extensions.transport_sockets.tls.v3.UpstreamTlsContext", json!({ "common_tls_context": {
            "validation_context_sds_secret_config": { "name": "ROOT", "sds_config": by_itself } } })) });
    json!({
        "node": { "id": "n", "cluster": "c" },
        "admin": { "address": address(admin) },
        "layered_runtime": { "layers": [{ "name": "sent", "rtds_layer": { "name": "sent", "rtds_config": over_ads } }] },
        "dynamic_resources": { "ads_config": server },
        "static_resources": {
            "clusters": [of_servers, secured],
            "listeners": [{ "name": "l", "address": address(listener),
                "filter_chains": [{ "filters": [{ "name": "h", "typed_config": manager }] }] }]
        }
    })
}

fn counters(admin: SocketAddr) -> Result<BTreeMap<String, u64>, Failure> {
    let text = page(admin, "/stats?type=Counters")?;
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    Ok(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
}

/// The counters once each subscription has failed twice.
fn play(program: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let [admin, nobody, listener] = std::array::from_fn(|_| ports::free(Ipv4Addr::LOCALHOST.into()));
    let _process = Started::working(program, tempfile::tempdir()?, &bootstrap(admin, nobody, listener), admin)?;
    let began = Instant::now();
    loop {
        let counters = counters(admin)?;
        let failed = |name: &&str| counters.get(&format!("{name}.update_failure")).is_some_and(|count| *count > 1);
        if ASKED.iter().all(failed) {
            return Ok(counters);
        }
        if began.elapsed() > DEADLINE {
            let told: Vec<_> = counters.iter().filter(|(name, _)| name.contains("update_")).collect();
            return Err(format!("not all have failed: {told:?}").into());
        }
        std::thread::sleep(POLL);
    }
}

fn judge(counters: &BTreeMap<String, u64>) {
    for name in ASKED {
        let count = |what: &str| counters.get(&format!("{name}.{what}")).copied();
        assert_eq!(count("init_fetch_timeout"), Some(1), "{name}");
        assert_eq!((count("update_success"), count("update_rejected")), (Some(0), Some(0)), "{name}");
        // The first, and one for each thing that has come of one.
        assert_eq!(count("update_attempt"), count("update_failure").map(|failed| 1 + failed + 1), "{name}");
    }
    let filter = |what: &str| counters.get(&format!("{}.{what}", ASKED[1])).copied();
    assert_eq!((filter("config_fail"), filter("config_reload")), (Some(1), Some(0)));
    // Nobody has asked for these.
    for name in ["cluster_manager.cds.update_attempt", "listener_manager.lds.update_attempt"] {
        assert_eq!(counters.get(name).copied().unwrap_or_default(), 0, "{name}");
    }
}

#[test]
fn envoy_counts_attempts_by_what_comes_of_them() {
    let Some(envoy) = or_skip("envoy_counts_attempts_by_what_comes_of_them", envoy()) else { return };
    judge(&play(&envoy).expect("it is played"));
}

#[test]
fn outrigger_counts_the_same() {
    judge(&play(&binary::build().expect("the binary builds")).expect("it is played"));
}

#[test]
fn envoy_counts_each_file_that_is_moved_there() {
    let Some(envoy) = or_skip("envoy_counts_each_file_that_is_moved_there", envoy()) else { return };
    files::judge(&files::play(&envoy, false, "json").expect("it is played"));
}

#[test]
fn outrigger_counts_each_file_that_is_moved_there() {
    let outrigger = binary::build().expect("the binary builds");
    for (is_old, ending) in [(false, "json"), (true, "yaml")] {
        files::judge(&files::play(&outrigger, is_old, ending).expect("it is played"));
    }
}

#[test]
fn envoy_counts_each_answer_with_endpoints() {
    let Some(envoy) = or_skip("envoy_counts_each_answer_with_endpoints", envoy()) else { return };
    endpoints::judge(&endpoints::play(&envoy).expect("it is played"), true);
}

#[test]
fn outrigger_counts_each_answer_with_endpoints() {
    endpoints::judge(&endpoints::play(&binary::build().expect("the binary builds")).expect("it is played"), false);
}
