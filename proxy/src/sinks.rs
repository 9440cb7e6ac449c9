//! Statistics on their way to those who are told without asking: statsd (UDP, TCP), DogStatsD, Envoy's metrics service. At each flush,
//! on the control thread; what a receiver does not take is lost and never waited for.

mod metrics;
mod readings;
mod statsd;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::bootstrap::{StatsSink, StatsdTarget};

use self::readings::Readings;
use crate::call::Calls;
use crate::cluster::Dialer;
use crate::stats::Stats;

/// All sinks of a process.
pub struct Sinks {
    stats: Arc<Stats>,
    readings: Readings,
    statsd: Vec<statsd::Sink>,
    metrics: Vec<metrics::Sink>,
    /// One of them tells tags.
    tags: bool,
}

/// What sinks are made of.
pub struct Parts<'a> {
    /// Statistics.
    pub stats: &'a Arc<Stats>,
    /// The encoded `core.v3.Node`.
    pub node: Bytes,
    /// Connects to a cluster of the bootstrap.
    pub dial: &'a dyn Fn(&str) -> Result<Dialer, String>,
    /// Calls services; made when there is one to call.
    pub calls: &'a dyn Fn() -> Calls,
}

impl Sinks {
    /// Those that the bootstrap names. `None` without any. Needs the current `LocalSet`.
    ///
    /// # Errors
    /// A cluster cannot be connected to, or there is no socket.
    pub fn new(configs: &[StatsSink], parts: &Parts<'_>) -> Result<Option<Sinks>, String> {
        let (mut of_statsd, mut of_metrics) = (Vec::new(), Vec::new());
        for (index, config) in configs.iter().enumerate() {
            let made = match config {
                StatsSink::Statsd(config) => match &config.target {
                    StatsdTarget::Udp(address) => {
                        statsd::Sink::udp(config, *address).map_err(|error| error.to_string())
                    }
                    StatsdTarget::Tcp(cluster) => (parts.dial)(cluster).map(|dialer| statsd::Sink::tcp(config, dialer)),
                }
                .map(|sink| of_statsd.push(sink)),
                StatsSink::Metrics(config) => {
                    of_metrics.push(metrics::Sink::new(config, parts.node.clone(), (parts.calls)()));
                    Ok(())
                }
            };
            made.map_err(|reason| format!("stats_sinks[{index}]: {reason}"))?;
        }
        if of_statsd.is_empty() && of_metrics.is_empty() {
            return Ok(None);
        }
        let stats = parts.stats.clone();
        let tags = configs.iter().any(|config| match config {
            StatsSink::Statsd(config) => config.tags,
            StatsSink::Metrics(config) => config.labels,
        });
        Ok(Some(Sinks { tags, stats, readings: Readings::default(), statsd: of_statsd, metrics: of_metrics }))
    }

    /// Tells all of them what there is now.
    pub fn flush(&mut self) {
        let readings = self.readings.take(&self.stats, self.tags);
        self.statsd.iter_mut().for_each(|sink| sink.flush(&readings));
        self.metrics.iter_mut().for_each(|sink| sink.flush(&readings));
    }
}

/// For a receiver that hangs.
const PATIENCE: Duration = Duration::from_secs(5);
