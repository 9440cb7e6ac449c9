//! The format of scenarios, JSON. Read by [`super::play`] and the tests.
//!
//! A scenario has `endpoints`: each with a `name`, and perhaps a `zone`, a `weight`, a `priority`, a `health` (Envoy's word) and `labels`
//! (its metadata below `envoy.lb`). It may have `cluster` (fields of theirs), `policy` (of the assignment), `weights` (of localities, by zone),
//! `local` (how many members the local cluster has, by zone; the proxy is in zone `a`), `route` (fields of the one route's action), `routes` (in
//! its place), `statistics` (names that are compared) and `cases`: each with a `case` (its name), and perhaps a `path`, `headers` (`{n}` in a
//! value is the request's number) and a `count` (6000).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Failure, hosts};
use crate::parity::scenarios::{self, known};
use crate::parity::{address, merge};

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// The file's.
    pub name: String,
    /// What is asked.
    pub cases: Vec<Case>,
    /// Which statistics are compared.
    pub statistics: Vec<String>,
    names: Vec<String>,
    config: Value,
}

/// Requests that are alike.
#[derive(Debug)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// Where they go.
    pub path: String,
    /// What they bring.
    pub headers: Vec<(String, String)>,
    /// How many there are.
    pub count: u64,
}

/// Where the scenarios are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/balance")
}

/// All scenarios: see [`scenarios::all`].
///
/// # Errors
/// The file that is none.
pub fn all() -> Result<Vec<Scenario>, Failure> {
    scenarios::all(&folder(), |name, text| Scenario::read(name, serde_json::from_str(text)?))
}

/// Keys of a scenario, of a case and of an endpoint. What is misspelt would go unnoticed.
const KEYS: &[&str] = &["endpoints", "cluster", "policy", "weights", "local", "route", "routes", "statistics", "cases"];
const OF_CASE: &[&str] = &["case", "path", "headers", "count"];
const OF_ENDPOINT: &[&str] = &["name", "zone", "weight", "priority", "health", "labels"];

impl Scenario {
    fn read(name: &str, config: Value) -> Result<Scenario, Failure> {
        known(&config, KEYS)?;
        let list = |key: &str| config[key].as_array().cloned().unwrap_or_default();
        let mut names = Vec::new();
        for endpoint in list("endpoints") {
            known(&endpoint, OF_ENDPOINT)?;
            names.push(text(&endpoint, "name", ""));
        }
        let mut cases = Vec::new();
        for case in list("cases") {
            known(&case, OF_CASE)?;
            let headers = case["headers"].as_object().into_iter().flatten();
            cases.push(Case {
                name: text(&case, "case", ""),
                path: text(&case, "path", "/"),
                headers: headers
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().into()))
                    .collect(),
                count: case["count"].as_u64().unwrap_or(6000),
            });
        }
        let statistics = list("statistics").iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        Ok(Scenario { name: name.to_owned(), cases, statistics, names, config })
    }

    /// The name of the endpoint of a number.
    pub fn name_of(&self, number: u8) -> &str {
        self.names.get(usize::from(number).wrapping_sub(1)).map_or("nobody", String::as_str)
    }

    /// What the proxy is started with.
    pub fn bootstrap(&self, listener: SocketAddr, admin: SocketAddr, port: u16) -> Value {
        let mut clusters = vec![self.cluster(port)];
        if self.config["local"].is_object() {
            clusters.push(self.local(port));
        }
        let mut bootstrap = json!({
            "node": { "id": "n", "cluster": "c", "locality": { "zone": "a" } },
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": [self.listener(listener)], "clusters": clusters },
        });
        if self.config["local"].is_object() {
            bootstrap["cluster_manager"] = json!({ "local_cluster_name": "local" });
        }
        bootstrap
    }

    fn listener(&self, at: SocketAddr) -> Value {
        let mut action = json!({ "cluster": "app" });
        merge(&mut action, &self.config["route"]);
        let routes = match &self.config["routes"] {
            Value::Null => json!([{ "match": { "prefix": "/" }, "route": action }]),
            routes => routes.clone(),
        };
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "h",
            "route_config": { "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": routes }] },
            "http_filters": [{ "name": "router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        });
        let filters = json!([{ "name": "http", "typed_config": manager }]);
        json!({ "name": "l", "address": address(at), "filter_chains": [{ "filters": filters }] })
    }

    fn cluster(&self, port: u16) -> Value {
        // By priority and zone, in the order in which they first come.
        let mut groups: Vec<((u64, String), Vec<Value>)> = Vec::new();
        for (number, endpoint) in (1..).zip(self.config["endpoints"].as_array().into_iter().flatten()) {
            let place = (endpoint["priority"].as_u64().unwrap_or(0), text(endpoint, "zone", "a"));
            let mut one = json!({ "endpoint": { "address": address(hosts::address(number, port)) } });
            for (from, to) in [("weight", "load_balancing_weight"), ("health", "health_status")] {
                if !endpoint[from].is_null() {
                    one[to] = endpoint[from].clone();
                }
            }
            if endpoint["labels"].is_object() {
                one["metadata"] = json!({ "filter_metadata": { "envoy.lb": endpoint["labels"] } });
            }
            match groups.iter_mut().find(|(known, _)| *known == place) {
                Some((_, group)) => group.push(one),
                None => groups.push((place, vec![one])),
            }
        }
        let groups = groups.into_iter().map(|((priority, zone), endpoints)| {
            let mut group = json!({ "locality": { "zone": zone }, "priority": priority, "lb_endpoints": endpoints });
            if let Some(weight) = self.config["weights"].get(&zone) {
                group["load_balancing_weight"] = weight.clone();
            }
            group
        });
        let mut assignment = json!({ "cluster_name": "app", "endpoints": groups.collect::<Vec<_>>() });
        if self.config["policy"].is_object() {
            assignment["policy"] = self.config["policy"].clone();
        }
        let mut cluster = json!({ "name": "app", "type": "STATIC", "load_assignment": assignment });
        merge(&mut cluster, &self.config["cluster"]);
        cluster
    }

    /// Members of the local cluster: nobody connects to them.
    fn local(&self, port: u16) -> Value {
        let zones: BTreeMap<&String, u64> = self.config["local"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(zone, count)| (zone, count.as_u64().unwrap_or(0)))
            .collect();
        let mut number = 200;
        let groups = zones.into_iter().map(|(zone, count)| {
            let mut endpoint = || {
                number += 1;
                json!({ "endpoint": { "address": address(hosts::address(number, port)) } })
            };
            let endpoints: Vec<Value> = (0..count).map(|_| endpoint()).collect();
            json!({ "locality": { "zone": zone }, "lb_endpoints": endpoints })
        });
        let groups: Vec<Value> = groups.collect();
        json!({ "name": "local", "type": "STATIC", "load_assignment": { "cluster_name": "local", "endpoints": groups } })
    }
}

fn text(value: &Value, key: &str, default: &str) -> String {
    value[key].as_str().unwrap_or(default).to_owned()
}
