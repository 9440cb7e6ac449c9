//! The bootstrap (`envoy.config.bootstrap.v3.Bootstrap`): what a process is started with.

mod layers;
mod lines;
mod members;
mod overload;
mod read;
mod sinks;
mod statics;
mod together;
mod translate;
mod yaml;

pub use layers::{DiskLayer, Layer, LayerSource, RtdsLayer};
pub use lines::line_of;
pub use overload::{
    Least, LoadShedPoint, Monitor, Overload, OverloadAction, Remedy, ScaledTimer, ShedAt, Timer, Trigger, Watched,
};
pub use read::{Examined, Source, examine, load};
pub use sinks::{MetricsService, StatsSink, Statsd, StatsdTarget};
pub use statics::StaticConfig;
pub(crate) use yaml::to_json as yaml_to_json;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access_log::AccessLog;
use crate::address::Address;
use crate::cluster::{Bind, DnsResolver};
use crate::endpoint::{self, Locality};
use crate::listener::SocketOption;
use crate::matcher::StringMatcher;
use crate::options::{Options, UnknownFields};
use crate::rejection::Rejection;
use crate::runtime::{REJECT_FRAGMENT, Runtime};
use crate::xds_server::XdsServer;

/// Where the admin interface listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminListener {
    /// An IP address and port, or a path.
    pub address: Address,
    /// `address.pipe.mode`; 0 leaves the process's own.
    pub pipe_mode: u32,
    /// `socket_options`.
    pub socket_options: Vec<SocketOption>,
}

/// A checked bootstrap. Static resources stay bytes: they take the road of xDS resources, one by one.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The encoded `Bootstrap` as it was merged, static resources left out; for dumps.
    pub body: Bytes,
    /// The encoded `core.v3.Node`, user agent fields filled by the proxy.
    pub node: Bytes,
    /// `node.id`.
    pub node_id: Arc<str>,
    /// `node.cluster`.
    pub node_cluster: Arc<str>,
    /// `node.metadata`.
    pub node_metadata: Arc<serde_json::Value>,
    /// `cluster_manager.local_cluster_name`.
    pub local_cluster: Option<Arc<str>>,
    /// `cluster_manager.upstream_bind_config`.
    pub upstream_bind: Option<Arc<Bind>>,
    /// `typed_dns_resolver_config`, or `dns_resolution_config`.
    pub dns_resolver: DnsResolver,
    /// `cluster_manager.outlier_detection.event_log_path`: where ejections are written down.
    pub outlier_log: Option<Arc<str>>,
    /// Admin listener; `None` = no admin.
    pub admin: Option<AdminListener>,
    /// `admin.access_log`, and `admin.access_log_path`: who is told of requests to it.
    pub admin_logs: Vec<AccessLog>,
    /// `admin.allow_paths`: none allows all.
    pub admin_paths: Vec<StringMatcher>,
    /// ADS, when there is any.
    pub ads: Option<XdsServer>,
    /// `dynamic_resources.lds_config` is over ADS.
    pub lds: Option<DynamicSource>,
    /// `dynamic_resources.cds_config` is over ADS.
    pub cds: Option<DynamicSource>,
    /// `istio.workload.BootstrapExtension`: workloads are asked for over ADS.
    pub workloads: bool,
    /// Static clusters, listeners and secrets, encoded.
    pub static_clusters: Vec<StaticResource>,
    /// Static listeners.
    pub static_listeners: Vec<StaticResource>,
    /// Static secrets.
    pub static_secrets: Vec<StaticResource>,
    /// `stats_config.stats_matcher`.
    pub stats_matcher: StatsMatcher,
    /// `stats_config.stats_tags`: name and regex (RE2/ECMAScript text); a regex that this process cannot compile is a warning.
    pub stats_tags: Vec<(Arc<str>, Arc<str>)>,
    /// Those with a `fixed_value`, which all statistics have.
    pub fixed_tags: Vec<(Arc<str>, Arc<str>)>,
    /// Those with neither, which are among Envoy's own.
    pub named_tags: Vec<Arc<str>>,
    /// `stats_config.use_all_default_tags`, default true.
    pub default_tags: bool,
    /// `stats_config.histogram_bucket_settings`: bounds of the histograms whose names match; the first match wins.
    pub histogram_buckets: Vec<(StringMatcher, Vec<f64>)>,
    /// `max_active_downstream_connections` of a monitor; without one a key of the runtime counts.
    pub max_downstream_connections: Option<u64>,
    /// `layered_runtime`.
    pub layers: Vec<Layer>,
    /// What its static layers say, until somebody knows what all of them do.
    pub runtime: Arc<Runtime>,
    /// `tracing.http`.
    pub(crate) tracer: Option<Arc<crate::proto::trace::v3::tracing::Http>>,
    /// `application_log_config.log_format`: `text_format`, or `json_format` as text.
    pub log_format: Option<Arc<str>>,
    /// `stats_flush_interval`; default 5 s.
    pub stats_flush_interval: Duration,
    /// `stats_flush_on_admin`: sinks are told when somebody asks for statistics, and not otherwise.
    pub stats_flush_on_admin: bool,
    /// `stats_server_version_override`.
    pub server_version: Option<u64>,
    /// `overload_manager`, but for the limit on connections.
    pub overload: Overload,
    /// `stats_sinks`, those that act.
    pub stats_sinks: Vec<StatsSink>,
    /// `stats_eviction_interval`: label sets that nobody has written for so long, or somewhat longer, go. `None` = never.
    pub stats_eviction_interval: Option<Duration>,
    /// Fields that are set and not acting: named once in the log.
    pub ignored: Vec<String>,
    /// Fields that there are not and that were left out, a sentence each; none unless that was asked for.
    pub unknown: Vec<String>,
}

impl Bootstrap {
    /// Where the node is, as it was completed.
    pub fn node_locality(&self) -> Locality {
        let node = <crate::proto::core::v3::Node as prost::Message>::decode(self.node.clone()).unwrap_or_default();
        endpoint::decode::locality(&node.locality.unwrap_or_default())
    }

    /// The settings for reading resources under this bootstrap.
    pub fn options(&self, unknown_fields: UnknownFields) -> Options {
        let mut options = Options::new(unknown_fields, self.runtime.get(REJECT_FRAGMENT).unwrap_or(true));
        options.service_cluster = self.node_cluster.clone();
        options.local_cluster = self.local_cluster.clone();
        options.upstream_bind = self.upstream_bind.clone();
        options.dns_resolver = self.dns_resolver.clone();
        options.node_metadata = self.node_metadata.clone();
        options.node = self.node.clone();
        options.node_id = self.node_id.clone();
        options.node_locality = self.node_locality();
        options.tracer = self.tracer.clone();
        options.runtime = self.runtime.clone();
        options
    }
}

/// A static resource: encoded message, its name, and whether it could be read at all.
#[derive(Debug, Clone)]
pub struct StaticResource {
    /// Name.
    pub name: Arc<str>,
    /// Encoded message of the list's type.
    pub body: Bytes,
    /// The file it came from.
    pub file: Arc<str>,
}

/// `lds_config` / `cds_config`, over ADS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DynamicSource {
    /// `None` waits for ever.
    pub initial_fetch_timeout: Option<Duration>,
}

/// `stats_matcher`.
#[derive(Debug, Clone, Default)]
pub enum StatsMatcher {
    /// All are made.
    #[default]
    All,
    /// None are made.
    None,
    /// Only these.
    Inclusion(Vec<StringMatcher>),
    /// All but these.
    Exclusion(Vec<StringMatcher>),
}

/// Why a bootstrap cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Not JSON or YAML.
    #[error("{file}: not valid {format}: {reason}")]
    Syntax {
        /// File.
        file: String,
        /// `JSON` or `YAML`.
        format: &'static str,
        /// Parser's message with line and column, and what to do.
        reason: String,
    },
    /// A field is unknown or has a wrong value.
    #[error("{file}: {rejection}")]
    Field {
        /// File; the names of all texts when it shows only in what they are together.
        file: String,
        /// Where and why.
        rejection: Rejection,
    },
    /// More than one thing is wrong: a line for each.
    #[error("{}", lines(.0))]
    Several(Vec<BootstrapError>),
}

fn lines(errors: &[BootstrapError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
pub(crate) mod tests;
