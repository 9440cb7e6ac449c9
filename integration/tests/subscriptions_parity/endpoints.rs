//! Endpoints over ADS: what clusters count of each answer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::address;
use outrigger_integration::parity::started::{Failure, Started};
use serde_json::{Value, json};

use super::ads::Ads;
use super::{DEADLINE, POLL, counters, http2};

const ASSIGNMENT: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";
/// What is counted, in this order.
const COUNTED: [&str; 9] = [
    "update_attempt",
    "update_success",
    "update_failure",
    "update_rejected",
    "update_empty",
    "update_no_rebuild",
    "init_fetch_timeout",
    "assignment_timeout_received",
    "assignment_stale",
];

/// One of two clusters with the same service, and one with another.
const CLUSTERS: [(&str, &str); 3] = [("one", "service"), ("two", "service"), ("other", "another")];

fn bootstrap(admin: SocketAddr, ads: SocketAddr) -> Value {
    let discovered = |(name, service): (&str, &str)| {
        json!({ "name": name, "type": "EDS", "connect_timeout": "1s", "eds_cluster_config": {
            "service_name": service,
            "eds_config": { "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0.3s" } } })
    };
    let mut clusters: Vec<Value> = CLUSTERS.map(discovered).into();
    let mut of_servers = json!({ "name": "ads", "connect_timeout": "1s", "load_assignment": { "cluster_name": "ads",
        "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(ads) } }] }] } });
    of_servers["typed_extension_protocol_options"] = http2();
    clusters.push(of_servers);
    json!({
        "node": { "id": "n", "cluster": "c" },
        "admin": { "address": address(admin) },
        "dynamic_resources": { "ads_config": { "api_type": "GRPC", "transport_api_version": "V3",
            "grpc_services": [{ "envoy_grpc": { "cluster_name": "ads" } }] } },
        "static_resources": { "clusters": clusters }
    })
}

/// Endpoints of a service at these ports.
fn endpoints(service: &str, ports: &[u16]) -> Value {
    let at = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
    let one = |port: &u16| json!({ "endpoint": { "address": address(at(port)) } });
    json!({ "cluster_name": service,
        "endpoints": [{ "lb_endpoints": ports.iter().map(one).collect::<Vec<_>>() }] })
}

/// The counts of each cluster after each step.
type Table = Vec<(&'static str, bool, [[u64; COUNTED.len()]; CLUSTERS.len()])>;

pub fn play(program: &Path) -> Result<Table, Failure> {
    let ads = Ads::start();
    let admin = ports::free(Ipv4Addr::LOCALHOST.into());
    let _process = Started::working(program, tempfile::tempdir()?, &bootstrap(admin, ads.at), admin)?;
    // `another` is never told.
    wait(admin, |counters| count(counters, "other")[6] > 0)?;
    let mut broken = endpoints("service", &[]);
    broken["endpoints"][0]["priority"] = json!(200);
    let mut short = endpoints("service", &[3]);
    short["policy"] = json!({ "endpoint_stale_after": "0.2s" });
    let steps = [
        ("the first", vec![endpoints("service", &[1])]),
        ("the same", vec![endpoints("service", &[1])]),
        ("another", vec![endpoints("service", &[1, 2])]),
        ("none", vec![endpoints("service", &[])]),
        ("nothing", vec![]),
        ("of nobody", vec![endpoints("nobody", &[1])]),
        ("wrong", vec![broken]),
        ("for a while", vec![short]),
    ];
    let mut table = Table::new();
    for (version, (what, resources)) in (1..).zip(steps) {
        let wrong = ads.push(ASSIGNMENT, version, &resources);
        if what == "for a while" {
            wait(admin, |counters| count(counters, "one")[8] > 0)?;
        }
        let counters = counters(admin)?;
        table.push((what, wrong.is_some(), CLUSTERS.map(|(name, _)| count(&counters, name))));
    }
    Ok(table)
}

fn count(counters: &BTreeMap<String, u64>, cluster: &str) -> [u64; COUNTED.len()] {
    COUNTED.map(|what| counters.get(&format!("cluster.{cluster}.{what}")).copied().unwrap_or_default())
}

fn wait(admin: SocketAddr, until: impl Fn(&BTreeMap<String, u64>) -> bool) -> Result<(), Failure> {
    let began = Instant::now();
    while !until(&counters(admin)?) {
        if began.elapsed() > DEADLINE {
            return Err("what was waited for has not come".into());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// The numbers are those of the real Envoy, which refuses a response whole: then every cluster counts that (`is_whole`).
pub fn judge(table: &Table, is_whole: bool) {
    let late = [2, 0, 0, 0, 0, 0, 1, 0, 0];
    let refused = if is_whole { [3, 0, 0, 1, 0, 0, 1, 0, 0] } else { late };
    let expected = [
        ("the first", false, [3, 1, 0, 0, 0, 0, 1, 0, 0], late),
        ("the same", false, [4, 2, 0, 0, 0, 1, 1, 0, 0], late),
        ("another", false, [5, 3, 0, 0, 0, 1, 1, 0, 0], late),
        ("none", false, [6, 4, 0, 0, 0, 1, 1, 0, 0], late),
        ("nothing", false, [6, 4, 0, 0, 0, 1, 1, 0, 0], late),
        ("of nobody", false, [6, 4, 0, 0, 0, 1, 1, 0, 0], late),
        ("wrong", true, [7, 4, 0, 1, 0, 1, 1, 0, 0], refused),
        ("for a while", false, [8, 5, 0, 1, 0, 1, 1, 1, 1], refused),
    ];
    let expected = expected.map(|(what, wrong, of_service, other)| (what, wrong, [of_service, of_service, other]));
    assert_eq!(table[..], expected);
}
