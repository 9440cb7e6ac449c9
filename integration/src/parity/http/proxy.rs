//! Starts Envoy or Outrigger with a listener and a cluster for each scenario, and asks it. Used by [`super::play`] alone.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::Failure;
use super::app::{answer_name, body, map};
use super::scenario::{Request, Scenario};
use super::told::Got;
use crate::embedded::ports;
use crate::parity::address;
use crate::parity::started::Started;

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);

/// What both proxies speak to.
#[derive(Debug)]
pub struct Others {
    /// The application.
    pub app: SocketAddr,
    /// The authorizer.
    pub authorizer: SocketAddr,
    /// The processor.
    pub processor: SocketAddr,
    /// The application of dialogues.
    pub talker: SocketAddr,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    process: Started,
    addresses: HashMap<String, SocketAddr>,
    admin: SocketAddr,
    app: SocketAddr,
    /// Lines of each log that were given.
    read: Mutex<HashMap<String, usize>>,
}

impl Proxy {
    /// Starts a program that understands Envoy's arguments.
    ///
    /// # Errors
    /// It does not start in time; its standard error is in the text.
    pub async fn start(program: &Path, scenarios: &[Scenario], others: &Others) -> Result<Proxy, Failure> {
        let folder = tempfile::tempdir()?;
        let local = || ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let addresses: HashMap<_, _> = scenarios.iter().map(|scenario| (scenario.name.clone(), local())).collect();
        let admin = local();
        let listeners = scenarios.iter().map(|one| listener(one, addresses[&one.name], &log(folder.path(), &one.name)));
        let listeners: Vec<_> = listeners.collect();
        let app = others.app;
        let more = [
            cluster("none", &json!({}), true, None),
            cluster("authorizer", &json!({}), true, Some(others.authorizer)),
            cluster("processor", &json!({}), true, Some(others.processor)),
            cluster("mirror", &json!({}), true, Some(app)),
            cluster("talker", &json!({}), false, Some(others.talker)),
        ];
        let of =
            |one: &Scenario| cluster(&one.name, &one.config["cluster"], one.config["upstream"] != "http1", Some(app));
        let clusters = scenarios.iter().map(of).chain(more);
        let secrets = scenarios.iter().flat_map(|one| one.config["secrets"].as_array().into_iter().flatten());
        let runtime = scenarios.iter().flat_map(|one| one.config["runtime"].as_object().into_iter().flatten());
        let runtime: serde_json::Map<_, _> = runtime.map(|(key, value)| (key.clone(), value.clone())).collect();
        let bootstrap = json!({
            "admin": { "address": address(admin) },
            "node": { "metadata": { "LABELS": { "zone": "a", "number": 1 } } },
            "layered_runtime": { "layers": [{ "name": "scenarios", "static_layer": runtime }] },
            "static_resources": { "listeners": listeners, "clusters": clusters.collect::<Vec<_>>(),
                "secrets": secrets.collect::<Vec<_>>() }
        });
        let mut process = Started::launch(program, folder, &bootstrap.to_string())?;
        while !process.works(admin)? {
            tokio::time::sleep(POLL).await;
        }
        Ok(Proxy { process, addresses, admin, app, read: Mutex::default() })
    }

    /// Sends a request on a connection of its own and reads what comes.
    ///
    /// # Errors
    /// The proxy takes no connection, or nothing comes in time.
    pub async fn send(&self, scenario: &Scenario, request: &Request) -> Result<Got, Failure> {
        let head = http::Request::builder().method(request.method.as_str());
        let uri = if request.http2 { format!("http://{}{}", request.host, request.path) } else { request.path.clone() };
        let mut built = head.uri(uri).body(body(&request.message, false)?)?;
        *built.headers_mut() = map(&request.message.headers)?;
        built.headers_mut().insert("x-answer", answer_name(scenario, request).try_into()?);
        let stream = TokioIo::new(TcpStream::connect(self.addresses[&scenario.name]).await?);
        in_time(async {
            let response = if request.http2 {
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                sender.send_request(built).await?
            } else {
                built.headers_mut().insert("host", request.host.as_str().try_into()?);
                let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
                tokio::spawn(connection);
                sender.send_request(built).await?
            };
            Ok(read(response).await)
        })
        .await
    }

    /// Where a scenario's listener is.
    pub fn address(&self, scenario: &Scenario) -> SocketAddr {
        self.addresses[&scenario.name]
    }

    /// The next line of a scenario's log.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn line(&self, scenario: &Scenario) -> Result<String, Failure> {
        let path = log(self.process.folder(), &scenario.name);
        let began = Instant::now();
        let given = self.read.lock().map_err(|_| "poisoned")?.get(&scenario.name).copied().unwrap_or(0);
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(line) = whole.lines().nth(given) {
                self.read.lock().map_err(|_| "poisoned")?.insert(scenario.name.clone(), given + 1);
                return Ok(line.to_owned());
            }
            if began.elapsed() > DEADLINE {
                return Err(format!("the log of {} has no line {}", scenario.name, given + 1).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The counters and gauges of a scenario that it compares: of its connection manager, its cluster, and a virtual host and a cache of its name.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub async fn statistics(&self, scenario: &Scenario) -> Result<Vec<String>, Failure> {
        let begins = ["http", "cluster", "vhost", "dns_cache"].map(|kind| format!("{kind}.{}.", scenario.name));
        // All of them are megabytes, written anew for each scenario.
        let text = self
            .admin(&format!("/stats?filter=%5E(http%7Ccluster%7Cvhost%7Cdns_cache)%5C.{}%5C.", scenario.name))
            .await?;
        let is_meant = |line: &&str| {
            let rest = begins.iter().find_map(|begin| line.strip_prefix(begin.as_str()));
            let Some((name, value)) = rest.and_then(|rest| rest.split_once(": ")) else { return false };
            value.parse::<u64>().is_ok_and(|value| value > 0)
                && scenario.statistics.iter().any(|word| name.contains(word.as_str()))
        };
        Ok(text.lines().filter(is_meant).map(str::to_owned).collect())
    }

    /// All endpoints of all scenarios, for [`Self::fared`].
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub async fn clusters(&self) -> Result<String, Failure> {
        self.admin("/clusters").await
    }

    /// How a scenario's endpoint fared.
    pub fn fared<'a>(&self, clusters: &'a str, scenario: &Scenario) -> impl Iterator<Item = String> + use<'a> {
        let endpoint = format!("{}::{}::", scenario.name, self.app);
        let hosts = clusters.lines().filter_map(move |line| line.strip_prefix(&endpoint));
        hosts.filter(|line| line.starts_with("rq_success") || line.starts_with("rq_error")).map(str::to_owned)
    }

    async fn admin(&self, path: &str) -> Result<String, Failure> {
        self.asked(http::Request::get(path)).await
    }

    /// Posts to a page of the admin interface, and waits until what it says about health checks is so.
    ///
    /// # Errors
    /// It does not answer, or never does so.
    pub async fn post(&self, path: &str) -> Result<(), Failure> {
        self.asked(http::Request::post(path)).await?;
        let wanted = match path {
            "/healthcheck/fail" => "DRAINING",
            "/healthcheck/ok" => "LIVE",
            _ => return Ok(()),
        };
        in_time(async {
            while !self.admin("/ready").await?.starts_with(wanted) {
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        })
        .await
    }

    async fn asked(&self, request: http::request::Builder) -> Result<String, Failure> {
        let stream = TokioIo::new(TcpStream::connect(self.admin).await?);
        in_time(async {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            tokio::spawn(connection);
            let request = request.header("host", "admin").body(Empty::<Bytes>::new())?;
            let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
            Ok(String::from_utf8_lossy(&body).into_owned())
        })
        .await
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(DEADLINE, work).await?
}

/// Waits for what does not announce itself.
pub(super) async fn until(is_so: impl Fn() -> bool) -> Result<(), Failure> {
    in_time(async {
        while !is_so() {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    })
    .await
}

async fn read(response: Response<Incoming>) -> Got {
    let (head, mut body) = response.into_parts();
    let mut got = Got {
        informational: Vec::new(),
        status: head.status.as_u16(),
        headers: head.headers,
        body: Bytes::new(),
        trailers: None,
        broken: false,
    };
    let mut data = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(piece)) => data.extend_from_slice(&piece),
            Ok(Err(other)) => got.trailers = other.into_trailers().ok(),
            Err(_) => {
                got.broken = true;
                break;
            }
        }
    }
    got.body = data.freeze();
    got
}

fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn typed(name: &str, fields: &Value) -> Value {
    let mut config = if fields.is_null() { json!({}) } else { fields.clone() };
    config["@type"] = json!(format!("type.googleapis.com/{name}"));
    config
}

/// A value with fields that a scenario has.
fn merged(mut value: Value, fields: &Value) -> Value {
    for (key, field) in fields.as_object().into_iter().flatten() {
        value[key] = field.clone();
    }
    value
}

fn listener(scenario: &Scenario, at: SocketAddr, log: &Path) -> Value {
    let (name, config) = (&scenario.name, &scenario.config);
    let mut filters = config["filters"].as_array().cloned().unwrap_or_default();
    filters.push(json!({ "name": "router",
        "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", &config["router"]) }));
    let format = "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %BYTES_SENT% %UPSTREAM_CLUSTER%";
    let text = |text: &str| json!({ "text_format_source": { "inline_string": text } });
    let mut format = match &config["log"] {
        Value::Object(_) => json!({ "json_format": config["log"] }),
        own => text(&format!("{}\n", own.as_str().unwrap_or(format))),
    };
    if format.to_string().contains("%REQ_WITHOUT_QUERY") {
        format["formatters"] = json!([{ "name": "formatter",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery" } }]);
    }
    let written = |format: Value| {
        json!({ "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log.display().to_string(), "log_format": format })
    };
    // What a filter takes has a word before its line.
    let filters_of_log = config["log_filters"].as_object().into_iter().flatten();
    let mut logs: Vec<_> = filters_of_log
        .map(|(word, filter)| json!({ "name": "log", "filter": filter, "typed_config": written(text(&format!("{word} "))) }))
        .collect();
    logs.push(json!({ "name": "log", "typed_config": written(format) }));
    let mut routes = config["routes"].as_array().cloned().unwrap_or_default();
    let usual = json!([
        { "match": { "prefix": "/none/" }, "route": { "cluster": "none" } },
        { "match": { "prefix": "/direct/" }, "direct_response": { "status": 403, "body": { "inline_string": "direct" } } },
        { "match": { "prefix": "/redirect/" }, "redirect": { "path_redirect": "/elsewhere" } },
        { "match": { "prefix": "/grpc-only/", "grpc": {} }, "route": { "cluster": name } },
        { "match": { "prefix": "/pkg.Svc/" }, "route": merged(json!({ "cluster": name }), &config["route"]) }
    ]);
    routes.extend(usual.as_array().cloned().unwrap_or_default());
    let host = merged(json!({ "name": "all", "domains": ["*"], "routes": routes }), &config["host"]);
    let mut hosts = vec![host];
    hosts.extend(config["hosts"].as_array().cloned().unwrap_or_default());
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "generate_request_id": false,
        "access_log": logs,
        "http_filters": filters,
        "route_config": merged(json!({ "virtual_hosts": hosts }), &config["table"])
    });
    let manager = merged(manager, &config["manager"]);
    let made = json!({ "name": name, "address": address(at), "listener_filters": config["listener_filters"],
        "filter_chains": [{ "filters": [{ "name": "manager", "typed_config": manager }] }] });
    merged(made, &config["listener"])
}

fn cluster(name: &str, fields: &Value, http2: bool, app: Option<SocketAddr>) -> Value {
    let endpoint = |app| json!({ "lb_endpoints": [{ "endpoint": { "address": address(app) } }] });
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    // The application of dialogues takes one request a connection.
    let protocol = if http2 {
        json!({ "explicit_http_config": { "http2_protocol_options": {} } })
    } else {
        json!({ "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
            "common_http_protocol_options": { "max_requests_per_connection": 1 } })
    };
    let made = json!({ "name": name, "connect_timeout": "5s",
        "typed_extension_protocol_options": { options: typed(options, &protocol) },
        "load_assignment": { "cluster_name": name, "endpoints": app.map(endpoint).into_iter().collect::<Vec<_>>() } });
    merged(made, fields)
}
