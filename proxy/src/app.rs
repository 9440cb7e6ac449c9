//! Starting, running and ending the process: bootstrap, workers, control loop, admin, signals. `main` calls [`run`].
//!
//! Order matters here and is written top to bottom. It exits only for a bootstrap that cannot be used, or when asked to: never
//! because the control plane is away.

mod admin;
mod bootstrap;
mod control_plane;
mod node;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::At;
use config::address::Address;
use config::bootstrap::{Bootstrap, StaticConfig};
use config::tls::SecretId;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use xds_client::AdsClient;

use self::admin::Runtime;
use self::control_plane::GrpcServers;
use crate::admin::Admin;
use crate::cli::process::{self, Request as Signal, Signals};
use crate::cli::{DrainStrategy, Invocation, Mode, Options};
use crate::cluster::dns::Resolver;
use crate::cluster::published::Published;
use crate::drain::{self, ServerDrain};
use crate::stats::{ServerState, ServerStats, Stats, StatsSettings};
use crate::status::Status;
use crate::store::Stored;
use crate::telemetry::access_log::{SinkSettings, Sinks};
use crate::telemetry::process_log::{self, ProcessLog};
use crate::tls::Secrets;
use crate::workers::{Shared, Workers};
use crate::xds::clusters::{self, Clusters};
use crate::xds::control::{Ads, Control, Start};
use crate::xds::held::Held;
use crate::xds::listeners::{self, Listeners};
use crate::xds::routes::Routes;
use crate::xds::secrets::SecretWatches;
use crate::xds::tell_notes;

/// Runs the process to its end.
pub fn run(invocation: &Invocation) -> ExitCode {
    let options = &invocation.options;
    let log = match start_log(options) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("error: the process's own log cannot be written: {error}; see --log-path");
            return ExitCode::FAILURE;
        }
    };
    for warning in &invocation.warnings {
        tracing::warn!(target: "main", "{warning}");
    }
    let outcome = bootstrap::load(options).and_then(|bootstrap| match options.mode {
        Mode::Serve => serve(options, &bootstrap, &log, false),
        Mode::InitOnly => serve(options, &bootstrap, &log, true),
        Mode::Validate => bootstrap::validate(options, &bootstrap),
    });
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Whoever asks whether a file is good wants the answer once.
            let logged = options.mode != Mode::Validate || options.log_path.is_some();
            if logged {
                tracing::error!(target: "main", "error initializing configuration: {reason}");
                process_log::flush(FLUSH);
            }
            if !logged || options.log_path.is_some() {
                eprintln!("error: {reason}");
            }
            ExitCode::FAILURE
        }
    };
    process_log::flush(FLUSH);
    code
}

fn start_log(options: &Options) -> std::io::Result<ProcessLog> {
    process_log::start(&process_log::Settings {
        level: options.log_level,
        component_levels: &options.component_log_level,
        pattern: &options.log_format,
        escaped: options.log_format_escaped,
        path: options.log_path.as_deref(),
    })
}

fn serve(options: &Options, bootstrap: &Bootstrap, log: &ProcessLog, init_only: bool) -> Result<(), String> {
    if bootstrap.log_json {
        log.set_pattern(process_log::JSON_PATTERN);
    } else if let Some(pattern) = &bootstrap.log_format {
        log.set_pattern(pattern);
    }
    if !bootstrap.ignored.is_empty() {
        tracing::warn!(target: "config", "set in the bootstrap and without effect here: {}", bootstrap.ignored.join(", "));
    }
    process::raise_file_limit();
    if options.enable_core_dump {
        process::enable_core_dump();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the control thread's runtime cannot start: {error}"))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, control_thread(options, bootstrap, log, init_only))
}

async fn control_thread(
    options: &Options,
    bootstrap: &Bootstrap,
    log: &ProcessLog,
    init_only: bool,
) -> Result<(), String> {
    // First of all: as process 1, a signal without a handler is lost.
    let signals = Signals::install().map_err(|error| format!("signal handlers cannot be installed: {error}"))?;
    let workers_wanted =
        options.concurrency.filter(|count| *count > 0).map_or_else(process::default_concurrency, |n| n as usize);
    let stats = Stats::new(StatsSettings::of(bootstrap));
    stats.register_shard();
    let server_stats = ServerStats::new(&stats);
    server_stats.concurrency.set(workers_wanted as u64);
    server_stats.workers_started.set(0);
    server_stats.set_state(ServerState::PreInitializing);
    let sinks = Arc::new(Sinks::new(SinkSettings {
        workers: workers_wanted,
        flush_interval: options.flush_interval(),
        flush_size: options.flush_size(),
    }));
    let drain_settings = drain::Settings { time: options.drain_time(), strategy: strategy_of(options) };
    let server_drain = ServerDrain::new(drain_settings);
    let published = Arc::new(Published::default());
    if let Some(limit) = bootstrap.max_downstream_connections {
        crate::listener::limit::set_max(limit);
    }
    let shared = Shared {
        published: published.clone(),
        drain: server_drain.clone(),
        stats: stats.clone(),
        sinks: sinks.clone(),
        address: process::local_address(options.local_address_ip_version),
    };
    let workers = Workers::start(workers_wanted, &shared).map_err(|error| format!("workers cannot start: {error}"))?;

    let static_options = bootstrap::static_options(bootstrap);
    let dynamic_options = Rc::new(bootstrap::dynamic_options(options, bootstrap));
    let secrets = Secrets::new();
    let resolver = Resolver::system();
    let servers = GrpcServers::new(bootstrap, &static_options, &secrets, &resolver)?;
    let status = Status::new();
    let quit = Arc::new(Notify::new());
    let read_at = std::time::SystemTime::now();
    let routes = Arc::new(Routes::default());
    let (arrival_sender, arrivals) = mpsc::channel(ARRIVALS_WAITING);
    let (request_sender, requests) = mpsc::unbounded_channel();
    let sds_servers = servers.clone();
    let mut watches = SecretWatches::new(
        secrets.clone(),
        dynamic_options.clone(),
        Box::new(move |server| sds_servers.settings(server)),
        arrival_sender,
    );
    let mut clusters = Clusters::new(
        clusters::Parts {
            secrets: secrets.clone(),
            stats: stats.clone(),
            published: published.clone(),
            server: server_stats,
            resolver,
        },
        dynamic_options.clone(),
    );
    let mut listeners = Listeners::new(
        listeners::Parts {
            secrets: secrets.clone(),
            stats: stats.clone(),
            sinks: sinks.clone(),
            routes: routes.clone(),
            workers: workers.clone(),
            drain: drain_settings,
            server: server_stats,
        },
        dynamic_options.clone(),
    );
    add_static(bootstrap, &static_options, &mut watches, &mut clusters, &mut listeners)?;

    let ads = match &bootstrap.ads {
        Some(ads) if bootstrap.cds.is_some() || bootstrap.lds.is_some() => {
            let settings = servers.settings(ads).map_err(|reason| format!("dynamic_resources.ads_config: {reason}"))?;
            let (handle, events) = AdsClient::spawn(settings);
            Some(Ads { handle, events })
        }
        _ => None,
    };
    let control = Control {
        clusters,
        listeners,
        routes,
        secrets: watches,
        tables: Held::default(),
        options: dynamic_options,
        drain: server_drain,
        stats: server_stats,
        registry: stats.clone(),
        cds: bootstrap.cds,
        lds: bootstrap.lds,
        status: status.clone(),
        quit: quit.clone(),
        start: Start::default(),
        healthy: true,
        dirty: true,
        trim_at: None,
    };
    let runtime = Runtime {
        published,
        secrets,
        status,
        server: server_stats,
        bootstrap: bootstrap.body.clone(),
        read_at,
        requests: request_sender,
    };
    let admin = Admin {
        source: Arc::new(runtime),
        stats,
        sinks: (*sinks).clone(),
        log: log.clone(),
        options: options.clone(),
        concurrency: workers_wanted,
        node: servers.node_bytes(),
        runtime: bootstrap.runtime.clone(),
        started: std::time::Instant::now(),
    };
    tokio::task::spawn_local(flush_stats(admin.stats.clone(), bootstrap.stats_flush_interval));
    start_admin(options, bootstrap, admin).await?;
    let control = tokio::task::spawn_local(control.run(ads, arrivals, requests));
    if init_only {
        return Ok(());
    }
    tokio::select! {
        ended = wait_for_end(signals, &workers, &sinks, &quit) => ended,
        // Without it the configuration would stay as it is for ever: better that the agent starts us anew.
        broken = control => Err(format!("the control loop ended: {broken:?}; please report this with the log above")),
    }
}

fn strategy_of(options: &Options) -> drain::Strategy {
    match options.drain_strategy {
        DrainStrategy::Gradual => drain::Strategy::Gradual,
        DrainStrategy::Immediate => drain::Strategy::Immediate,
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
            StaticConfig::Listener(listener) => listeners.add_static(listener, stored),
        }
    });
    tell_notes("bootstrap", options);
    added.map_err(|error| error.to_string())
}

/// Binds the admin's address and serves it beside everything else.
async fn start_admin(options: &Options, bootstrap: &Bootstrap, admin: Admin) -> Result<(), String> {
    let address = match &bootstrap.admin {
        None => return Ok(()),
        Some(Address::Socket(address)) => *address,
        Some(other) => return Err(format!("admin.address: {other:?} is not an IP address and port")),
    };
    let socket = TcpListener::bind(address).await.map_err(|error| {
        format!(
            "admin.address: cannot bind {address}: {error}; another process holds it, or the address is not this host's"
        )
    })?;
    if let Some(path) = &options.admin_address_path {
        let bound = socket.local_addr().map_err(|error| format!("admin.address: {error}"))?;
        std::fs::write(path, bound.to_string())
            .map_err(|error| format!("--admin-address-path {}: {error}", path.display()))?;
    }
    tokio::task::spawn_local(async move {
        if let Err(error) = crate::admin::serve(socket, Arc::new(admin)).await {
            tracing::error!(target: "admin", "the admin interface ended: {error}");
        }
    });
    Ok(())
}

/// Ends the interval of histograms again and again, so that `/stats` can tell what came in the last one.
async fn flush_stats(stats: Arc<Stats>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        stats.flush();
    }
}

/// Serves until a signal ends the process.
async fn wait_for_end(mut signals: Signals, workers: &Workers, sinks: &Sinks, quit: &Notify) -> Result<(), String> {
    loop {
        let why = tokio::select! {
            () = quit.notified() => "quitquitquit",
            signal = signals.next() => match signal {
                Signal::Stop(name) => name,
                Signal::ReopenLogs => {
                    sinks.reopen();
                    continue;
                }
            },
        };
        tracing::info!(target: "main", "{why}: shutting down");
        // What they still log, when they end, is flushed with the rest.
        workers.end(FLUSH);
        sinks.flush(FLUSH);
        return Ok(());
    }
}

/// Secrets that may wait for the control loop before their streams stop reading.
const ARRIVALS_WAITING: usize = 16;

/// How long the end of the process may wait for its workers, and then for a log file that nobody reads.
const FLUSH: Duration = Duration::from_millis(500);
