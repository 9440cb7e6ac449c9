//! The control loop with everything that it holds and hears, static resources in it, not yet running; and the admin interface beside
//! it. Made by `app` once the [`Ground`] is there.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use config::At;
use config::bootstrap::{Bootstrap, BootstrapError, StaticConfig};
use config::tls::SecretId;
use tokio::sync::{Notify, mpsc};
use xds_client::AdsClient;

use super::admin::Runtime;
use super::bootstrap;
use super::control_plane::GrpcServers;
use super::ground::Ground;
use crate::admin::Admin;
use crate::call::Calls;
use crate::cli::Options;
use crate::cluster::dns::Resolver;
use crate::discoveries::Discoveries;
use crate::listener::bind::AdminPlace;
use crate::logs::AdminLog;
use crate::sinks::{self, Sinks as StatsSinks};
use crate::status::{Ask, Status};
use crate::store::Stored;
use crate::telemetry::process_log::ProcessLog;
use crate::xds::asked::Asked;
use crate::xds::cache::Cache;
use crate::xds::clusters::{self, Clusters};
use crate::xds::control::{Ads, Control, Start};
use crate::xds::extensions::Extensions;
use crate::xds::held::Held;
use crate::xds::listeners::{self, Listeners};
use crate::xds::routes::Routes;
use crate::xds::runtimes::Runtimes;
use crate::xds::secrets::{Arrival, SecretWatches};
use crate::xds::workloads::Workloads;
use crate::xds::{tell, tell_notes};

/// Secrets that may wait for the control loop before their streams stop reading.
const ARRIVALS_WAITING: usize = 16;

/// The control loop and its ears.
pub struct Wired {
    /// The loop.
    pub control: Control,
    ads: Option<Ads>,
    arrivals: mpsc::Receiver<Arrival>,
    asked: mpsc::UnboundedReceiver<Ask>,
    ask: mpsc::UnboundedSender<Ask>,
    servers: GrpcServers,
    read_at: SystemTime,
    /// Somebody asks admin for statistics.
    pub asked_for_stats: Arc<Notify>,
}

impl Wired {
    /// Wires it, adds what the bootstrap names, and opens the stream to the control plane.
    ///
    /// # Errors
    /// What of the bootstrap cannot be used, and why.
    pub fn new(ground: &Ground, options: &Options, bootstrap: &Bootstrap) -> Result<Wired, String> {
        let static_options = bootstrap::static_options(options, bootstrap);
        let dynamic_options = Rc::new(bootstrap::dynamic_options(options, bootstrap));
        let resolver = Resolver::system();
        let servers = GrpcServers::new(bootstrap, &ground.secrets, &resolver)?;
        let read_at = SystemTime::now();
        let routes = Arc::new(Routes::default());
        let (arrival, arrivals) = mpsc::channel(ARRIVALS_WAITING);
        let (ask, asked) = mpsc::unbounded_channel();
        let mut watches = watches(ground, &dynamic_options, &servers, arrival);
        let discoveries = Rc::new(Discoveries::new(ground.stats.clone()));
        let cluster_parts = cluster_parts(ground, bootstrap, resolver, discoveries.clone());
        let mut clusters = Clusters::new(cluster_parts, dynamic_options.clone());
        fetch_for(ground, &discoveries);
        let extensions = Extensions::new(discoveries.clone(), dynamic_options.clone(), ground.stats.clone());
        let mut listeners = Listeners::new(listener_parts(ground, &routes, discoveries), dynamic_options.clone());
        bootstrap.admin.iter().map(AdminPlace::of).for_each(|place| listeners.keep_for_admin(place));
        add_static(bootstrap, &static_options, &mut watches, &mut clusters, &mut listeners)?;
        let unknown = static_options.take_unknown();
        ground.server.static_unknown_fields.add(unknown.len() as u64);
        unknown.iter().for_each(|field| tracing::warn!(target: "config", "{field}"));
        let runtimes = Runtimes::new(ground.layers.clone(), &ground.stats, |server| servers.settings(server))?;
        let ads = open_ads(bootstrap, &servers)?;
        let control = Control {
            clusters,
            listeners,
            routes,
            extensions,
            runtimes,
            secrets: watches,
            workloads: bootstrap.workloads.then(|| Workloads::new(&ground.stats)),
            tables: Held::default(),
            asked_tables: Asked::new(&ground.stats),
            options: dynamic_options,
            heeds_unknown_fields: !options.ignore_unknown_dynamic_fields,
            drain: ground.drain.clone(),
            stats: ground.server,
            registry: ground.stats.clone(),
            cds: bootstrap.cds,
            lds: bootstrap.lds,
            status: Status::new(),
            quit: Arc::new(Notify::new()),
            start: Start::default(),
            healthy: true,
            dirty: true,
            trim_at: None,
            cache: cache(ground, options, bootstrap),
        };
        Ok(Wired { control, ads, arrivals, asked, ask, servers, read_at, asked_for_stats: Arc::default() })
    }

    /// The admin interface, which sees the rest through plain data.
    pub fn admin(&self, ground: &Ground, options: &Options, bootstrap: &Bootstrap, log: &ProcessLog) -> Admin {
        let runtime = Runtime {
            published: ground.published.clone(),
            secrets: ground.secrets.clone(),
            status: self.control.status.clone(),
            server: ground.server,
            bootstrap: bootstrap.body.clone(),
            read_at: self.read_at,
            requests: self.ask.clone(),
            asked_for_stats: self.asked_for_stats.clone(),
        };
        Admin {
            source: Arc::new(runtime),
            stats: ground.stats.clone(),
            sinks: (*ground.sinks).clone(),
            log: log.clone(),
            options: options.clone(),
            concurrency: ground.workers.count(),
            node: self.servers.node_bytes(),
            layers: ground.layers.clone(),
            allowed: bootstrap.admin_paths.clone(),
            started: Instant::now(),
        }
    }

    /// What is told of requests to the admin interface; `None`: nobody wants to know.
    pub fn admin_log(&self, ground: &Ground, bootstrap: &Bootstrap) -> Option<Rc<AdminLog>> {
        if bootstrap.admin_logs.is_empty() {
            return None;
        }
        let index = ground.workers.count() + 2;
        let calls = Calls::of_control_thread(index, &ground.published, &ground.stats, ground.address);
        Some(AdminLog::new(&bootstrap.admin_logs, &*ground.sinks, &ground.stats, calls, ground.address))
    }

    /// Who is told of statistics.
    ///
    /// # Errors
    /// A sink cannot be made.
    pub fn sinks(&self, ground: &Ground, bootstrap: &Bootstrap) -> Result<Option<StatsSinks>, String> {
        // Clusters of their own, of which neither a worker nor what filters have fetched has the number.
        let calls =
            || Calls::of_control_thread(ground.workers.count() + 1, &ground.published, &ground.stats, ground.address);
        let dial = |name: &str| self.servers.dial(name);
        let parts = sinks::Parts { stats: &ground.stats, node: self.servers.node_bytes(), dial: &dial, calls: &calls };
        StatsSinks::new(&bootstrap.stats_sinks, &parts)
    }

    /// Runs the loop until the process ends.
    pub async fn run(self) {
        // The sender stays: a loop that nobody can ask is no reason to end.
        let Wired { control, ads, arrivals, asked, ask: _ask, .. } = self;
        control.run(ads, arrivals, asked).await;
    }
}

/// Without a control plane there is nothing to be kept.
fn cache(ground: &Ground, options: &Options, bootstrap: &Bootstrap) -> Option<Cache> {
    let folder = options.config_cache.as_ref().filter(|_| bootstrap.ads.is_some())?;
    Some(Cache::new(folder, options.config_cache_secrets, ground.stats.gauge("server.config_cache_stale")))
}

fn watches(
    ground: &Ground,
    options: &Rc<config::Options>,
    servers: &GrpcServers,
    arrivals: mpsc::Sender<Arrival>,
) -> SecretWatches {
    let servers = servers.clone();
    let resolve = Box::new(move |server: &_| servers.settings(server));
    SecretWatches::new(ground.secrets.clone(), options.clone(), resolve, arrivals, &ground.stats)
}

fn cluster_parts(
    ground: &Ground,
    bootstrap: &Bootstrap,
    resolver: Arc<Resolver>,
    discoveries: Rc<Discoveries>,
) -> clusters::Parts {
    clusters::Parts {
        secrets: ground.secrets.clone(),
        stats: ground.stats.clone(),
        published: ground.published.clone(),
        server: ground.server,
        resolver,
        discoveries,
        sinks: ground.sinks.clone(),
        outlier_log: bootstrap.outlier_log.as_deref().map(|path| ground.sinks.events(path)),
    }
}

fn listener_parts(ground: &Ground, routes: &Arc<Routes>, discoveries: Rc<Discoveries>) -> listeners::Parts {
    listeners::Parts {
        secrets: ground.secrets.clone(),
        stats: ground.stats.clone(),
        sinks: ground.sinks.clone(),
        discoveries,
        routes: routes.clone(),
        workers: ground.workers.clone(),
        drain: ground.drain_settings,
        server: ground.server,
    }
}

/// What filters have fetched goes over clusters of the control thread, whose number no worker has.
fn fetch_for(ground: &Ground, discoveries: &Discoveries) {
    let (index, published, stats) = (ground.workers.count(), ground.published.clone(), ground.stats.clone());
    let address = ground.address;
    discoveries.fetches().prepare(move || Calls::of_control_thread(index, &published, &stats, address));
}

fn open_ads(bootstrap: &Bootstrap, servers: &GrpcServers) -> Result<Option<Ads>, String> {
    match &bootstrap.ads {
        // As Envoy: also where nothing is asked for yet, for what is static may name what comes over it.
        Some(ads) => {
            let settings = servers.settings(ads).map_err(|reason| format!("dynamic_resources.ads_config: {reason}"))?;
            let (handle, events) = AdsClient::spawn(settings);
            Ok(Some(Ads { handle, events }))
        }
        None => Ok(None),
    }
}

/// Static resources take the road of dynamic ones; a refusal is the bootstrap's.
fn add_static(
    bootstrap: &Bootstrap,
    options: &config::Options,
    secrets: &mut SecretWatches,
    clusters: &mut Clusters,
    listeners: &mut Listeners,
) -> Result<(), String> {
    let no_version: Arc<str> = Arc::from("");
    let added = bootstrap.each_static(options, |resource, config| {
        let stored = Stored::now(resource.body.clone(), &no_version);
        match config {
            StaticConfig::Secret(secret) => {
                let id = SecretId::of_bootstrap(&resource.name);
                secrets.put(&id, secret.kind, stored).map_err(|reason| At::root().reject(reason))
            }
            StaticConfig::Cluster(cluster) => clusters.add_static(cluster, stored),
            StaticConfig::Listener(listener) => {
                // One that was refused is told of itself; it is meant to be there all the same.
                let is_there = |name: &str| bootstrap.static_clusters.iter().any(|cluster| *cluster.name == *name);
                if bootstrap.cds.is_none() {
                    tell("bootstrap", &listener.logs_to_nowhere(&is_there));
                }
                listeners.add_static(listener, stored, &is_there)
            }
        }
    });
    tell_notes("bootstrap", options);
    added.map_err(|faults| BootstrapError::Several(faults).to_string())
}
