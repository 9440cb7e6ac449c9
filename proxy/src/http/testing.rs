//! The in-memory harness of this folder's unit tests: a scripted client, scripted upstreams, routes in a line. A test of the exchange is
//! a dozen lines and needs no socket.

mod client;
mod configs;
pub mod fake;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use config::hcm::*;
use config::listener::Direction;
use config::route::*;

pub use self::client::Client;
pub use self::configs::*;
use super::ConnectionManager;
use super::context::Context;
use super::exchange::exchange;
use super::route::{RouteSlot, RouteSlots};
use super::upstreams::Upstreams;
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::drain::DrainWatch;
use crate::stats::{Stats, StatsSettings};
use crate::telemetry::access_log::{SinkSettings, Sinks, WorkerLogs};
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::Secrets;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead};

/// One connection manager with its clusters, ready for requests.
pub struct Bench {
    pub config: HttpConnectionManager,
    pub table: RouteConfiguration,
    pub direction: Direction,
    pub connection: ConnectionInfo,
    pub drain: DrainWatch,
    pub clusters: HashMap<String, Rc<fake::Cluster>>,
    pub slot: Option<Arc<RouteSlot>>,
    /// For filters that are discovered.
    pub discoveries: Rc<Discoveries>,
    /// For filters that call services.
    pub calls: Option<crate::call::Calls>,
    /// Mirrors that were sent.
    pub told: Rc<std::cell::RefCell<Vec<fake::Mirrored>>>,
}

/// What a request led to.
pub struct Outcome {
    pub client: Client,
    pub info: StreamInfo,
}

impl Bench {
    /// One virtual host `*` with these routes, and a cluster `app`.
    pub fn new(routes: Vec<Route>) -> Bench {
        let mut bench = Bench {
            config: manager(),
            table: RouteConfiguration {
                name: "test".into(),
                virtual_hosts: vec![Arc::new(virtual_host("all", &["*"], routes))],
                ignore_port_in_host: true,
                internal_only_headers: Vec::new(),
                headers: HeaderChanges::default(),
                most_specific_headers_win: false,
                mirrors: Vec::new(),
                per_filter: Vec::new(),
            },
            direction: Direction::Outbound,
            connection: connection(),
            drain: DrainWatch::never(),
            clusters: HashMap::new(),
            slot: None,
            discoveries: Rc::new(Discoveries::new(Stats::new(StatsSettings::default()))),
            calls: None,
            told: Rc::default(),
        };
        bench.cluster("app");
        bench
    }

    /// Adds a cluster, or gives the one of that name.
    pub fn cluster(&mut self, name: &str) -> Rc<fake::Cluster> {
        self.clusters.entry(name.to_owned()).or_insert_with(|| Rc::new(fake::Cluster::new(name))).clone()
    }

    /// Queues an attempt's script for `app`.
    pub fn upstream(&mut self, script: fake::Script) -> &mut Bench {
        self.cluster("app").scripts.borrow_mut().push_back(script);
        self
    }

    /// The requests that `app` saw.
    pub fn seen(&mut self) -> Vec<fake::Seen> {
        std::mem::take(&mut self.cluster("app").seen.borrow_mut())
    }

    /// Changes the only virtual host.
    pub fn host(&mut self, change: impl FnOnce(&mut VirtualHost)) {
        let mut host = (*self.table.virtual_hosts[0]).clone();
        change(&mut host);
        self.table.virtual_hosts[0] = Arc::new(host);
    }

    pub fn context(&self) -> Context {
        let mut config = self.config.clone();
        if self.slot.is_some() {
            config.routes = RouteSource::Rds { name: "test".into(), initial_fetch_timeout: None };
        } else {
            config.routes = RouteSource::Inline(Arc::new(self.table.clone()));
        }
        let slots = Slots(self.slot.clone().unwrap_or_default());
        let stats = Stats::new(StatsSettings::default());
        for (name, cluster) in &self.clusters {
            cluster.scope.get_or_init(|| stats.scope(&format!("cluster.{name}.")));
        }
        let deps = CompileDeps {
            secrets: &Secrets::new(),
            stats: &stats,
            log_sinks: &Sinks::new(SinkSettings::default()),
            discoveries: &self.discoveries,
            drain: Default::default(),
        };
        self.context_of(ConnectionManager::compile(&Arc::new(config), self.direction, &deps, &slots).unwrap())
    }

    /// A connection to a manager that is there.
    pub fn context_of(&self, manager: Arc<ConnectionManager>) -> Context {
        let upstreams = Upstreams::Fake(Rc::new(fake::Upstreams {
            clusters: self.clusters.clone(),
            calls: self.calls.clone(),
            told: self.told.clone(),
        }));
        Context::new(manager, Rc::new(self.connection.clone()), upstreams, WorkerLogs::new(0), self.drain.clone())
    }

    /// Sends one request without a body.
    pub async fn send(&mut self, request: RequestHead) -> Outcome {
        self.send_from(Client::default(), request).await
    }

    /// Sends one request from a scripted client.
    pub async fn send_from(&mut self, mut client: Client, request: RequestHead) -> Outcome {
        let context = self.context();
        exchange(&context, &mut client, request).await;
        let info = context.done.borrow_mut().pop().expect("every request is logged");
        Outcome { client, info }
    }
}

struct Slots(Arc<RouteSlot>);

impl RouteSlots for Slots {
    fn slot(&self, _name: &Arc<str>) -> Arc<RouteSlot> {
        self.0.clone()
    }
}

impl Outcome {
    pub fn status(&self) -> u16 {
        self.client.head.as_ref().map_or(0, |head| head.status)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.client.head.as_ref()?;
        head.headers.get_str(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    pub fn body(&self) -> String {
        String::from_utf8(self.client.body.concat()).unwrap()
    }

    pub fn flags(&self) -> String {
        let mut out = Vec::new();
        self.info.flags.write_short(&mut out);
        String::from_utf8(out).unwrap()
    }

    pub fn details(&self) -> &str {
        self.info.response_code_details.as_deref().unwrap_or("")
    }
}

/// `GET` of a target, host `svc`.
pub fn get(target: &str) -> RequestHead {
    RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: Bytes::copy_from_slice(target.as_bytes()),
        authority: Bytes::from_static(b"svc"),
        scheme: Bytes::new(),
        headers: Headers::new(),
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    }
}

/// `POST` with a body.
pub fn post(target: &str) -> RequestHead {
    RequestHead { method: Method::Post, body: BodyLength::Unknown, ..get(target) }
}

/// With headers.
pub fn with(mut request: RequestHead, headers: &[(&str, &'static str)]) -> RequestHead {
    for (name, value) in headers {
        request.headers.append(Name::new(name), *value);
    }
    request
}

fn connection() -> ConnectionInfo {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    ConnectionInfo {
        id: 1,
        local: address("127.0.0.2:8080"),
        direct_local: address("127.0.0.2:8080"),
        remote: address("127.0.0.1:5555"),
        direct_remote: address("127.0.0.1:5555"),
        handshake: None,
        labels: [None, None],
        tls: None,
        requested_server_name: None,
        filter_chain: "".into(),
        metadata: Default::default(),
        filter_state: Default::default(),
        denied: Default::default(),
    }
}
