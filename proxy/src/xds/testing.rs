//! Fixtures for the tests of this folder, and resources for others: a control loop whose events a test makes up, without a stream and without workers.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use xds_client::{Resource, Update, UpdateId, Verdict, type_url};

use super::asked::Asked;
use super::clusters::{self, Clusters};
use super::control::{Control, Start};
use super::extensions::Extensions;
use super::held::Held;
use super::listeners::{self, Listeners};
use super::routes::Routes;
use super::runtimes::Runtimes;
use super::secrets::SecretWatches;
use super::workloads::Workloads;
use crate::cluster::published::Published;
use crate::cluster::{Cluster, dns};
use crate::discoveries::Discoveries;
use crate::drain::ServerDrain;
use crate::layers::Layers;
use crate::logs::{SinkSettings, Sinks};
use crate::stats::{ServerStats, Stats, StatsSettings};
use crate::status::Status;
use crate::store::{Entry, Kind};
use crate::threads::{Command, Workers};
use crate::tls::Secrets;

/// A control loop and what its workers are told.
pub struct World {
    pub control: Control,
    pub stats: Arc<Stats>,
    pub published: Arc<Published>,
    commands: mpsc::UnboundedReceiver<Command>,
    updates: u64,
}

/// What a worker is told, without the listener that is in it.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Listen(u64),
    Replace(u64),
    Hold(u64),
    Stop(u64),
}

impl World {
    /// With nothing in it. Needs a `LocalSet`.
    pub fn new() -> World {
        World::with(config::Options::default())
    }

    /// With these options for what comes from the control plane.
    pub fn with(options: config::Options) -> World {
        World::made(options, dns::Resolver::system())
    }

    /// With a resolver of the test's own.
    pub fn with_resolver(resolver: Arc<dns::Resolver>) -> World {
        World::made(config::Options::default(), resolver)
    }

    fn made(options: config::Options, resolver: Arc<dns::Resolver>) -> World {
        let options = Rc::new(options);
        let stats = Stats::new(StatsSettings::default());
        let server = ServerStats::new(&stats);
        let (published, routes) = (Arc::new(Published::default()), Arc::new(Routes::default()));
        let secrets = Secrets::new();
        let (workers, commands) = Workers::recorded();
        let (arrivals, _) = mpsc::channel(1);
        let no_server = Box::new(|server: &config::xds_server::XdsServer| Err(format!("no server {}", server.cluster)));
        let discoveries = Rc::new(Discoveries::new(stats.clone()));
        let parts = clusters::Parts {
            secrets: secrets.clone(),
            stats: stats.clone(),
            published: published.clone(),
            server,
            resolver,
            discoveries: discoveries.clone(),
            outlier_log: None,
            sinks: Arc::new(Sinks::new(SinkSettings::default())),
        };
        let clusters = Clusters::new(parts, options.clone());
        let extensions = Extensions::new(discoveries.clone(), options.clone(), stats.clone());
        let parts = listeners::Parts {
            discoveries,
            secrets: secrets.clone(),
            stats: stats.clone(),
            sinks: Arc::new(Sinks::new(SinkSettings::default())),
            routes: routes.clone(),
            workers,
            drain: Default::default(),
            server,
        };
        let layers = Layers::new(&[], &"".into(), &options.runtime, &stats, |_| ());
        let control = Control {
            clusters,
            listeners: Listeners::new(parts, options.clone()),
            routes,
            extensions,
            runtimes: Runtimes::new(layers, &stats, |_| Err("none".into())).expect("no layer"),
            secrets: SecretWatches::new(secrets, options.clone(), no_server, arrivals, &stats),
            workloads: Some(Workloads::new(&stats)),
            tables: Held::default(),
            asked_tables: Asked::new(&stats),
            options,
            heeds_unknown_fields: true,
            drain: ServerDrain::new(Default::default()),
            stats: server,
            registry: stats.clone(),
            status: Status::new(),
            quit: Arc::new(Notify::new()),
            cds: Some(config::bootstrap::DynamicSource { initial_fetch_timeout: None }),
            lds: Some(config::bootstrap::DynamicSource { initial_fetch_timeout: None }),
            start: Start::default(),
            healthy: true,
            dirty: true,
            trim_at: None,
            cache: None,
        };
        World { control, stats, published, commands, updates: 0 }
    }

    /// A response with these resources, applied as the loop does it.
    pub fn push(&mut self, resources: &[Value]) -> Verdict {
        let url = resources[0]["@type"].as_str().expect("a type").to_owned();
        self.respond(&url, resources.iter().map(resource).collect(), &[])
    }

    /// A response that takes names away.
    pub fn take_away(&mut self, type_url: &str, names: &[&str]) -> Verdict {
        self.respond(type_url, Vec::new(), names)
    }

    /// A response that brings resources and takes names away.
    pub fn change(&mut self, resources: &[Value], removed: &[&str]) -> Verdict {
        let url = resources[0]["@type"].as_str().expect("a type").to_owned();
        self.respond(&url, resources.iter().map(resource).collect(), removed)
    }

    /// A response with one resource whose bytes are the test's own.
    pub fn respond_raw(&mut self, type_url: &str, resource: Resource) -> Verdict {
        self.respond(type_url, vec![resource], &[])
    }

    /// A response with resources of which the second was refused before anybody saw it.
    pub fn respond_refusing(&mut self, taken: &Value, refused: &Value, reason: &str) -> Verdict {
        let url = taken["@type"].as_str().expect("a type").to_owned();
        let refused = vec![(resource(refused), reason.to_owned())];
        self.judge(&url, vec![resource(taken)], refused, &[])
    }

    fn respond(&mut self, type_url: &str, resources: Vec<Resource>, removed: &[&str]) -> Verdict {
        self.judge(type_url, resources, Vec::new(), removed)
    }

    fn judge(
        &mut self,
        type_url: &str,
        resources: Vec<Resource>,
        refused: Vec<(Resource, String)>,
        removed: &[&str],
    ) -> Verdict {
        self.updates += 1;
        let type_url: Arc<str> = type_url.into();
        let update = Update {
            id: UpdateId::new(type_url.clone(), self.updates),
            type_url,
            delta: true,
            version: self.updates.to_string(),
            resources,
            refused,
            removed: removed.iter().map(|name| (*name).to_owned()).collect(),
        };
        let verdict = self.control.judge(&update);
        self.control.settle(None);
        verdict
    }

    /// The names that a verdict refuses, with their reasons.
    pub fn refused(&mut self, resources: &[Value]) -> Vec<(String, String)> {
        let rejected = self.push(resources).expect_err("something is refused");
        rejected.into_iter().map(|one| (one.name, one.reason)).collect()
    }

    /// Forgets what the worker was told, but leaves it as if the worker had not come to it yet.
    pub fn slow_worker(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).collect()
    }

    /// What the worker was told since this was asked last.
    pub fn told(&mut self) -> Vec<Told> {
        let told = |command| match command {
            Command::Listen { id, .. } => Some(Told::Listen(id)),
            Command::Replace { id, .. } => Some(Told::Replace(id)),
            Command::Hold { id } => Some(Told::Hold(id)),
            Command::Stop { id } => Some(Told::Stop(id)),
            Command::LetGo => None,
            Command::End => unreachable!("no test ends the process"),
        };
        std::iter::from_fn(|| self.commands.try_recv().ok()).filter_map(told).collect()
    }

    /// A cluster that requests may use.
    pub fn cluster(&self, name: &str) -> Option<Arc<Cluster>> {
        self.published.clusters.load().get(name).cloned()
    }

    /// The ports of a cluster's endpoints.
    pub fn ports(&self, name: &str) -> Vec<String> {
        let cluster = self.cluster(name).expect("it is in use");
        cluster.host_statuses().into_iter().map(|host| host.address.to_string()).collect()
    }

    /// The bytes in use, as `config_dump` shows them.
    pub fn active(&self, kind: Kind, name: &str) -> Option<Bytes> {
        let shown = self.control.show().resources;
        shown.find(kind, name)?.active.as_ref().map(|stored| stored.body.clone())
    }

    /// Why the last version of a name was refused, as `config_dump` shows it.
    pub fn shown_refusal(&self, kind: Kind, name: &str) -> Option<Arc<str>> {
        let shown = self.control.show().resources;
        shown.find(kind, name)?.refused.as_ref().map(|refused| refused.reason.clone())
    }

    /// All of a kind, as `config_dump` shows it.
    pub fn shown(&self, kind: Kind) -> Vec<Entry> {
        self.control.show().resources.resources(kind).to_vec()
    }

    pub fn value(&self, name: &str) -> u64 {
        self.stats.value(name).unwrap_or_else(|| panic!("no statistic {name}"))
    }
}

/// A resource as it arrives. Its name is that of the message.
pub fn resource(resource: &Value) -> Resource {
    let name = resource.get("name").or(resource.get("cluster_name")).and_then(Value::as_str).expect("a name");
    Resource { name: name.to_owned(), version: String::new(), body: bytes(resource) }
}

/// A resource's bytes.
pub fn bytes(resource: &Value) -> Bytes {
    config::dump::encode(resource).unwrap_or_else(|rejection| panic!("{rejection}")).into()
}

/// A cluster that asks EDS about a service and waits for ever.
pub fn eds_cluster(name: &str, service: &str) -> Value {
    json!({
        "@type": type_url::CLUSTER, "name": name, "type": "EDS", "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": {"ads": {}, "initial_fetch_timeout": "0s"}, "service_name": service}
    })
}

/// A cluster of one endpoint.
pub fn static_cluster(name: &str, port: u16) -> Value {
    json!({
        "@type": type_url::CLUSTER, "name": name, "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint(port)]}]}
    })
}

/// A cluster that decode refuses for its connect timeout.
pub fn bad_cluster(name: &str) -> Value {
    let mut cluster = static_cluster(name, 1);
    cluster["connect_timeout"] = json!("-1s");
    cluster
}

/// Endpoints of a service.
pub fn endpoints(service: &str, ports: &[u16]) -> Value {
    let endpoints: Vec<Value> = ports.iter().map(|port| endpoint(*port)).collect();
    json!({"@type": type_url::ENDPOINT, "cluster_name": service, "endpoints": [{"lb_endpoints": endpoints}]})
}

fn endpoint(port: u16) -> Value {
    json!({"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": port}}}})
}

/// A listener on a port of the system's choice that passes bytes on to a cluster.
pub fn tcp_listener(name: &str, cluster: &str) -> Value {
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "s", "cluster": cluster
    });
    listener(name, proxy)
}

/// A listener of these chains, each named, for a port, and with a proxy to a cluster.
pub fn chained_listener(name: &str, chains: &[(&str, u16, &str)]) -> Value {
    let mut listener = tcp_listener(name, "");
    let one = |(chain, port, cluster): &(&str, u16, &str)| {
        let mut made = tcp_listener(name, cluster)["filter_chains"][0].take();
        made["name"] = json!(chain);
        made["filter_chain_match"] = json!({"destination_port": port});
        made
    };
    listener["filter_chains"] = chains.iter().map(one).collect();
    listener
}

/// A listener whose routes come over RDS; it waits for ever.
pub fn http_listener(name: &str, table: &str) -> Value {
    let router = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s", "http_filters": [{"name": "router", "typed_config": router}],
        "rds": {"route_config_name": table, "config_source": {"ads": {}, "initial_fetch_timeout": "0s"}}
    });
    listener(name, manager)
}

/// A listener that answers everything with a status.
pub fn answering_listener(name: &str, status: u16) -> Value {
    let mut listener = http_listener(name, "t");
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    let mut table = route_table("t", status);
    table.as_object_mut().expect("an object").remove("@type");
    manager.as_object_mut().expect("an object").remove("rds");
    manager["route_config"] = table;
    listener
}

fn listener(name: &str, terminal: Value) -> Value {
    json!({
        "@type": type_url::LISTENER, "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "terminal", "typed_config": terminal}]}]
    })
}

/// The same listener with an HTTP filter of this type before the others.
pub fn with_http_filter(mut listener: Value, type_name: &str) -> Value {
    let filters = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let config = json!({"@type": format!("type.googleapis.com/{type_name}")});
    filters.as_array_mut().expect("filters").insert(0, json!({"name": "first", "typed_config": config}));
    listener
}

/// A route table that answers everything with a status.
pub fn route_table(name: &str, status: u16) -> Value {
    let route = json!({"match": {"prefix": "/"}, "direct_response": {"status": status}});
    json!({
        "@type": type_url::ROUTE, "name": name,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]
    })
}
