//! Starts Envoy or Outrigger with a listener for each scenario of network filters. Used by [`super::play`] alone.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::DEADLINE;
use super::doors::{self, Scripted};
use super::scenario::Scenario;
use crate::embedded::ports;
use crate::parity::http::Failure;
use crate::parity::started::{Started, page};
use crate::parity::{address, merge};

/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    process: Started,
    addresses: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
    /// Connections to it are never accepted, which they do not notice.
    _hole: TcpListener,
    _scripted: Scripted,
}

impl Proxy {
    /// Starts a program that understands Envoy's arguments.
    ///
    /// # Errors
    /// It does not start in time; its standard error is in the text.
    pub fn start(program: &Path, scenarios: &[Scenario]) -> Result<Proxy, Failure> {
        let folder = tempfile::tempdir()?;
        let local = || ports::free(Ipv4Addr::LOCALHOST.into());
        let names = scenarios.iter().map(|one| one.name.clone()).chain(["up", "other", "talk"].map(str::to_owned));
        let doors = scenarios.iter().filter(|one| doors::is_wanted(one));
        let names = names.chain(doors.clone().map(|one| doors::name(&one.name)));
        let mut addresses: BTreeMap<String, SocketAddr> = names.map(|name| (name, local())).collect();
        let up = addresses["up"].port();
        let scripted = Scripted::start()?;
        addresses.insert("scripted".to_owned(), scripted.address);
        addresses.insert("closing".to_owned(), doors::closing()?);
        // Nobody listens there.
        addresses.insert("refuses".to_owned(), local());
        let mut listeners: Vec<_> =
            scenarios.iter().map(|one| listener(one, addresses[&one.name], up, folder.path())).collect();
        listeners.extend(doors.clone().map(|one| {
            let name = doors::name(&one.name);
            doors::listener(&name, addresses[&name], &log_path(folder.path(), &one.name))
        }));
        for (name, filter) in [("up", says("up")), ("other", says("other")), ("talk", typed("echo.v3.Echo", json!({})))]
        {
            listeners.push(json!({ "name": format!("service_{name}"), "address": address(addresses[name]),
                "filter_chains": [{ "filters": [filter] }] }));
        }
        let cluster = |name: &str, at: Option<&str>| {
            let endpoint =
                at.map(|at| json!({ "lb_endpoints": [{ "endpoint": { "address": address(addresses[at]) } }] }));
            json!({ "name": name, "connect_timeout": "5s",
                "metadata": { "filter_metadata": { "labels": { "cluster": name } } },
                "load_assignment": { "cluster_name": name, "endpoints": endpoint.into_iter().collect::<Vec<_>>() } })
        };
        let hole = TcpListener::bind("127.0.0.1:0")?;
        let mut silent = cluster("hole", None);
        silent["load_assignment"]["endpoints"] =
            json!([{ "lb_endpoints": [{ "endpoint": { "address": address(hole.local_addr()?) } }] }]);
        silent = doors::speaks_http2(silent);
        let mut announced = cluster("announced", Some("scripted"));
        announced["transport_socket"] = doors::announces();
        let entry = |kind: u8, value: &str| json!({ "type": kind, "value": value });
        // Values are base64: h, c, d.
        let told = doors::told(
            cluster("told", Some("talk")),
            json!([entry(5, "Yw=="), entry(6, "Yw=="), entry(6, "ZA==")]),
            json!({ "match_type": "INCLUDE_ALL" }),
        );
        let told = doors::with_own(told, json!([entry(5, "aA=="), entry(5, "aA==")]));
        let some = json!({ "match_type": "INCLUDE", "tlv_type": [1, 7] });
        let told_some = doors::told(cluster("told_some", Some("talk")), json!([]), some);
        let doors = doors.map(|one| {
            let name = doors::name(&one.name);
            doors::speaks_http2(cluster(&name, Some(&name)))
        });
        let clusters = [
            silent,
            announced,
            told,
            told_some,
            doors::ahead(cluster("ahead", Some("talk"))),
            doors::by_proxy("by_proxy", addresses["scripted"], false),
            doors::by_proxy("by_proxy_tls", addresses["scripted"], true),
            cluster("scripted", Some("scripted")),
            cluster("up", Some("up")),
            cluster("other", Some("other")),
            cluster("talk", Some("talk")),
            cluster("a.example", Some("other")),
            cluster("none", None),
            cluster("nobody", None),
            cluster("refuses", Some("refuses")),
            cluster("closing", Some("closing")),
            doors::speaks_http2(cluster("closing_http2", Some("closing"))),
            forward(),
        ];
        let clusters: Vec<_> = clusters.into_iter().chain(doors).collect();
        let admin = local();
        let bootstrap = json!({ "admin": { "address": address(admin) },
            "static_resources": { "listeners": listeners, "clusters": clusters } });
        let process = Started::working(program, folder, &bootstrap, admin)?;
        Ok(Proxy { process, addresses, admin, _hole: hole, _scripted: scripted })
    }

    /// Where a scenario's listener is.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    fn stats(&self) -> Result<String, Failure> {
        page(self.admin, "/stats")
    }

    /// Waits until a statistic has its value, written as `/stats` writes it.
    ///
    /// # Errors
    /// It has not in time.
    pub fn wait(&self, line: &str) -> Result<(), Failure> {
        let began = Instant::now();
        while !self.stats()?.lines().any(|one| one.trim_end() == line) {
            if began.elapsed() > DEADLINE {
                return Err(format!("there is no {line:?}").into());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Counters and gauges that are not 0, whose names begin so.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub fn statistics(&self, beginnings: &[String]) -> Result<Vec<String>, Failure> {
        let text = self.stats()?;
        let is_meant = |line: &&str| {
            let Some((name, value)) = line.split_once(": ") else { return false };
            value.trim().parse::<u64>().is_ok_and(|value| value > 0)
                && beginnings.iter().any(|beginning| name.starts_with(beginning.as_str()))
        };
        let mut lines: Vec<_> = text.lines().filter(is_meant).map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        Ok(lines)
    }

    /// The lines of a scenario's log, sorted, once there are so many.
    ///
    /// # Errors
    /// There are not in time.
    pub fn lines(&self, name: &str, count: usize) -> Result<Vec<String>, Failure> {
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(log_path(self.process.folder(), name)).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let mut lines: Vec<_> = whole.lines().map(str::to_owned).collect();
            lines.sort();
            if lines.len() >= count {
                return Ok(lines);
            }
            if began.elapsed() > DEADLINE {
                return Err(format!("the log of {name} has only {lines:?}").into());
            }
            std::thread::sleep(POLL);
        }
    }
}

fn log_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

pub(super) fn typed(name: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.network.{name}"));
    json!({ "name": name, "typed_config": fields })
}

fn says(text: &str) -> Value {
    typed("direct_response.v3.Config", json!({ "response": { "inline_string": text } }))
}

pub(super) fn log(path: &Path, format: &str) -> Value {
    json!([{ "name": "log", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path.display().to_string(),
        "log_format": { "text_format_source": { "inline_string": format!("{format}\n") } }
    } }])
}

/// A connection manager with its log.
fn manager(name: &str, log: Value, fields: &Value) -> Value {
    let router = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" });
    let mut manager = json!({ "stat_prefix": name, "access_log": log,
        "http_filters": [{ "name": "router", "typed_config": router }] });
    merge(&mut manager, fields);
    typed("http_connection_manager.v3.HttpConnectionManager", manager)
}

/// A cluster that goes to the host that is asked for.
fn forward() -> Value {
    json!({ "name": "forward", "connect_timeout": "5s", "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": { "name": "envoy.clusters.dynamic_forward_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
            "dns_cache_config": { "name": "names", "dns_lookup_family": "V4_ONLY" } } } })
}

/// A scenario's listener: its own log, and that of its TCP proxy or connection manager.
fn listener(scenario: &Scenario, at: SocketAddr, up: u16, folder: &Path) -> Value {
    let (name, path) = (&scenario.name, log_path(folder, &scenario.name));
    let format = "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER% %BYTES_RECEIVED% %BYTES_SENT%";
    let format = scenario.config["log"].as_str().unwrap_or(format);
    let text = scenario.config["filters"].to_string().replace("\"{up}\"", &up.to_string());
    let filters: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut filters = filters.as_array().cloned().unwrap_or_default();
    for filter in &mut filters {
        if let Some(fields) = filter.get("$manager") {
            *filter = manager(name, log(&path, &format!("http {format}")), fields);
            continue;
        }
        let fields = if *filter == "$tcp" { Some(json!({})) } else { filter.get("$tcp").cloned() };
        let Some(Value::Object(fields)) = fields else { continue };
        let told = log(&path, &format!("tcp {format}"));
        let mut proxy = json!({ "stat_prefix": name, "cluster": "up", "access_log": told });
        for (key, value) in fields {
            proxy[key] = if value == "$door" { json!(doors::name(name)) } else { value };
        }
        *filter = typed("tcp_proxy.v3.TcpProxy", proxy);
    }
    json!({
        "name": name,
        "stat_prefix": name,
        "address": address(at),
        "metadata": scenario.config["metadata"],
        "listener_filters": scenario.config["listener_filters"],
        "filter_chains": [{ "filters": filters }],
        "access_log": log(&path, format)
    })
}
