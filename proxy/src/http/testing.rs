//! The in-memory harness of this folder's unit tests: a scripted client, scripted servers behind the pools of a worker, routes in a line.
//! A test of the exchange is a dozen lines and needs no socket.

mod client;
mod configs;
pub mod fake;
pub mod kept;
mod world;

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use config::access_log::Format;
use config::hcm::*;
use config::listener::Direction;
use config::route::*;
use tokio::task::LocalSet;

pub use self::client::Client;
pub use self::configs::*;
use self::world::World;
use super::context::Context;
use super::exchange::exchange;
use super::fuzz::configs::manager;
use super::route::{RouteSlot, RouteSlots};
use super::upstreams::Upstreams;
use super::{ConnectionManager, OfListener};
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::drain::DrainWatch;
use crate::logs::{SinkSettings, Sinks, WorkerLogs};
use crate::stats::{Stats, StatsSettings};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::format;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::Secrets;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead};

/// One connection manager with its clusters, ready for requests.
pub struct Bench {
    pub config: HttpConnectionManager,
    pub table: RouteConfiguration,
    pub direction: Direction,
    /// The listener's.
    pub buffer_limit: u32,
    pub connection: ConnectionInfo,
    pub drain: DrainWatch,
    pub clusters: HashMap<String, Rc<fake::Cluster>>,
    pub slot: Option<Arc<RouteSlot>>,
    /// For filters that show credentials.
    pub secrets: Arc<Secrets>,
    /// For filters that are discovered.
    pub discoveries: Rc<Discoveries>,
    /// For filters that call services.
    pub calls: Option<crate::call::Calls>,
    /// Where logs go.
    pub sinks: Sinks,
    /// The worker of the last context.
    world: RefCell<Option<Rc<World>>>,
    local: LocalSet,
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
                host_header: None,
                internal_only_headers: Vec::new(),
                headers: HeaderChanges::default(),
                most_specific_headers_win: false,
                mirrors: Vec::new(),
                per_filter: Vec::new(),
                validate_clusters: None,
            },
            direction: Direction::Outbound,
            buffer_limit: 1 << 20,
            connection: connection(),
            drain: DrainWatch::never(),
            clusters: HashMap::new(),
            slot: None,
            secrets: Secrets::new(),
            discoveries: Rc::new(Discoveries::new(Stats::new(StatsSettings::default()))),
            calls: None,
            sinks: Sinks::new(SinkSettings::default()),
            world: RefCell::default(),
            local: LocalSet::new(),
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
        self.cluster("app").seen()
    }

    /// All routes of the only virtual host keep and hold at most this.
    pub fn limit(&mut self, octets: u64) {
        self.host(|host| {
            host.routes.iter_mut().for_each(|route| Arc::make_mut(route).buffer_limit = Some(octets));
        });
    }

    /// Changes the only virtual host.
    pub fn host(&mut self, change: impl FnOnce(&mut VirtualHost)) {
        let mut host = (*self.table.virtual_hosts[0]).clone();
        change(&mut host);
        self.table.virtual_hosts[0] = Arc::new(host);
    }

    pub fn context(&self) -> Context {
        let mut config = self.config.clone();
        config.access_log.push(kept::log());
        if self.slot.is_some() {
            config.routes = RouteSource::Rds { name: "test".into(), initial_fetch_timeout: None };
        } else {
            config.routes = RouteSource::Inline(Arc::new(self.table.clone()));
        }
        let slots = Slots(self.slot.clone().unwrap_or_default());
        let stats = Stats::new(StatsSettings::default());
        let deps = CompileDeps {
            secrets: &self.secrets,
            stats: &stats,
            log_sinks: &kept::Beside(&self.sinks),
            discoveries: &self.discoveries,
            drain: Default::default(),
        };
        let of_listener =
            OfListener { direction: self.direction, buffer_limit: self.buffer_limit, stats: "listener.test." };
        self.context_of(ConnectionManager::compile(&Arc::new(config), of_listener, &deps, &slots).unwrap())
    }

    /// A connection to a manager that is there.
    pub fn context_of(&self, manager: Arc<ConnectionManager>) -> Context {
        let upstreams = Upstreams::new(self.world(&manager.registry).worker.clone());
        Context::new(manager, Rc::new(self.connection.clone()), upstreams, WorkerLogs::new(0), self.drain.clone())
    }

    /// The worker for managers with these statistics.
    fn world(&self, stats: &Arc<Stats>) -> Rc<World> {
        let mut current = self.world.borrow_mut();
        match &*current {
            Some(world) if world.is_of(stats) => world.clone(),
            _ => {
                let world = Rc::new(World::new(&self.clusters, self.calls.as_ref(), stats, self.discoveries.clone()));
                current.insert(world).clone()
            }
        }
    }

    /// Trailers go upstream over HTTP/2.
    pub fn prepare(&self, client: &Client) {
        if client.has_trailers() {
            self.clusters.values().for_each(|cluster| cluster.protocol.set(Protocol::Http2));
        }
    }

    /// Runs what needs the worker, and then what is on its way to the servers.
    pub async fn run<T>(&self, context: &Context, work: impl Future<Output = T>) -> T {
        let world = self.world(&context.manager.registry);
        world.publish();
        let result = self.local.run_until(work).await;
        self.local.run_until(world.settle()).await;
        world.end();
        result
    }

    /// Sends one request without a body.
    pub async fn send(&mut self, request: RequestHead) -> Outcome {
        self.send_from(Client::default(), request).await
    }

    /// Sends one request from a scripted client.
    pub async fn send_from(&mut self, mut client: Client, request: RequestHead) -> Outcome {
        self.prepare(&client);
        let context = self.context();
        self.run(&context, exchange(&context, &mut client, request)).await;
        let info = kept::last();
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

    /// What a log of this format has of it, as far as that is no part of its heads.
    pub fn logged(&self, format: &Format) -> String {
        let mut out = Vec::new();
        format::write(format, &LogEntry::of(&self.info), &mut out);
        String::from_utf8(out).unwrap()
    }

    pub fn body(&self) -> String {
        String::from_utf8(self.client.body.concat()).unwrap()
    }

    pub fn flags(&self) -> String {
        self.info.flags.short()
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
        about_server: false,
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

pub fn connection() -> ConnectionInfo {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    ConnectionInfo::between(address("127.0.0.2:8080"), address("127.0.0.1:5555"))
}
