//! What everything else stands on: statistics, log files, drains, what workers and the control thread share, and the workers. Made
//! first, by `app`; nothing here knows of a resource.

use std::net::IpAddr;
use std::sync::Arc;

use config::bootstrap::Bootstrap;
use config::runtime::{LIMIT, Runtime};

use crate::cli::process;
use crate::cli::{DrainStrategy, Options};
use crate::cluster::published::Published;
use crate::drain::{self, ServerDrain};
use crate::layers::Layers;
use crate::logs::{SinkSettings, Sinks};
use crate::stats::{ServerState, ServerStats, Stats, StatsSettings};
use crate::threads::{Shared, Workers};
use crate::tls::Secrets;

/// Handles to all of it.
pub struct Ground {
    /// Statistics.
    pub stats: Arc<Stats>,
    /// Those of the server.
    pub server: ServerStats,
    /// The runtime's layers.
    pub layers: Arc<Layers>,
    /// Access log files.
    pub sinks: Arc<Sinks>,
    /// How the process drains.
    pub drain_settings: drain::Settings,
    /// Drains of the process.
    pub drain: Arc<ServerDrain>,
    /// Clusters that workers see.
    pub published: Arc<Published>,
    /// Secrets in use.
    pub secrets: Arc<Secrets>,
    /// The threads.
    pub workers: Arc<Workers>,
    /// This host's address, which called services are told.
    pub address: Option<IpAddr>,
}

impl Ground {
    /// Makes it, and starts the workers, which have nothing to do yet.
    ///
    /// # Errors
    /// A thread cannot start.
    pub fn start(options: &Options, bootstrap: &Bootstrap) -> Result<Ground, String> {
        let count =
            options.concurrency.filter(|count| *count > 0).map_or_else(process::default_concurrency, |n| n as usize);
        let mut settings = StatsSettings::of(bootstrap);
        settings.fixed.extend(options.stats_tags().map(|(tag, value)| (tag.into(), value.into())));
        let stats = Stats::new(settings);
        stats.register_shard();
        let server = ServerStats::new(&stats);
        server.concurrency.set(count as u64);
        server.workers_started.set(0);
        server.set_state(ServerState::PreInitializing);
        let sinks = Arc::new(Sinks::new(SinkSettings {
            workers: count,
            flush_interval: options.flush_interval(),
            flush_size: options.flush_size(),
            opens: true,
            dropped: server.dropped_log_lines,
        }));
        let drain_settings = drain::Settings { time: options.drain_time(), strategy: strategy_of(options) };
        let drain = ServerDrain::new(drain_settings);
        let published = Arc::new(Published::of(&bootstrap.node_locality().zone));
        if let Some(version) = bootstrap.server_version {
            stats.gauge("server.version").set(version);
        }
        let of_monitor = bootstrap.max_downstream_connections;
        let limit = move |runtime: &Runtime| {
            let most = of_monitor.or_else(|| runtime.get(LIMIT));
            crate::listener::limit::set_max(most.unwrap_or(u64::MAX));
        };
        Layers::can_watch(&bootstrap.layers).map_err(|reason| reason.to_string())?;
        let layers = Layers::new(&bootstrap.layers, &bootstrap.node_cluster, &bootstrap.runtime, &stats, limit);
        let address = process::local_address(options.local_address_ip_version);
        let shared = Shared {
            published: published.clone(),
            drain: drain.clone(),
            stats: stats.clone(),
            sinks: sinks.clone(),
            address,
        };
        let workers = Workers::start(count, &shared).map_err(|error| format!("workers cannot start: {error}"))?;
        let secrets = Secrets::new();
        Ok(Ground { stats, server, layers, sinks, drain_settings, drain, published, secrets, workers, address })
    }
}

fn strategy_of(options: &Options) -> drain::Strategy {
    match options.drain_strategy {
        DrainStrategy::Gradual => drain::Strategy::Gradual,
        DrainStrategy::Immediate => drain::Strategy::Immediate,
    }
}
