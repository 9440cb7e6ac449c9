//! `Bootstrap.stats_sinks`: who is told of statistics without asking. Called by [`super::translate`]; whether
//! the clusters are there, [`super::together`] has looked.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::address::{self, Address};
use crate::extension::{self, Extension};
use crate::options::Options;
use crate::proto::{self, bool_or, core::v3 as core, metrics::v3 as pb};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::services::{self, GrpcService};

/// A sink.
#[derive(Debug, Clone)]
pub enum StatsSink {
    /// `StatsdSink` and `DogStatsdSink`.
    Statsd(Statsd),
    /// `MetricsServiceConfig`.
    Metrics(Box<MetricsService>),
}

/// Lines of statsd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statsd {
    /// What stands before each name.
    pub prefix: Arc<str>,
    /// Where they go.
    pub target: StatsdTarget,
    /// Tags are told as such (DogStatsD), and are no part of the name.
    pub tags: bool,
    /// Octets of a datagram that holds more than one line; each has its own where this is 0.
    pub datagram: usize,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsdTarget {
    /// Datagrams.
    Udp(SocketAddr),
    /// A connection to a cluster of the bootstrap.
    Tcp(Arc<str>),
}

/// A service that is told over gRPC.
#[derive(Debug, Clone)]
pub struct MetricsService {
    /// The service.
    pub service: GrpcService,
    /// Counters are told as what came since they were last told.
    pub deltas: bool,
    /// Tags are labels, and no part of the name.
    pub labels: bool,
    /// Histograms are told as quantiles.
    pub summaries: bool,
    /// Histograms are told as buckets.
    pub buckets: bool,
    /// Metrics in a message; 0 is all.
    pub batch: usize,
}

/// All that act.
pub(super) fn decode(at: &At<'_>, sinks: &[pb::StatsSink], options: &Options) -> Result<Vec<StatsSink>, Rejection> {
    let mut decoded = Vec::new();
    for (index, sink) in sinks.iter().enumerate() {
        decoded.extend(one(&at.index(index), sink, options)?);
    }
    Ok(decoded)
}

fn one(at: &At<'_>, sink: &pb::StatsSink, options: &Options) -> Result<Option<StatsSink>, Rejection> {
    let at = at.field("typed_config");
    let Some(pb::stats_sink::ConfigType::TypedConfig(any)) = &sink.config_type else {
        return Err(registry::not_registered(&at, &sink.name, ""));
    };
    let extension = extension::open(&at, any)?;
    match &*extension.type_name {
        "envoy.config.metrics.v3.StatsdSink" => statsd(&at, &extension, options).map(Some),
        "envoy.config.metrics.v3.DogStatsdSink" => dog_statsd(&at, &extension, options).map(Some),
        "envoy.config.metrics.v3.MetricsServiceConfig" => metrics(&at, &extension, options).map(Some),
        _ => registry::inert(&at, Kind::StatsSink, &sink.name, &extension, options).map(|()| None),
    }
}

fn statsd(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<StatsSink, Rejection> {
    use pb::statsd_sink::StatsdSpecifier;
    let proto: pb::StatsdSink = extension.decode(at, options)?;
    let target = match &proto.statsd_specifier {
        Some(StatsdSpecifier::TcpClusterName(name)) => StatsdTarget::Tcp(Arc::from(name.as_str())),
        Some(StatsdSpecifier::Address(address)) => StatsdTarget::Udp(udp(&at.field("address"), address)?),
        None => return Err(at.reject("needs an address or a tcp_cluster_name; give one")),
    };
    Ok(StatsSink::Statsd(Statsd { prefix: prefix(&proto.prefix), target, tags: false, datagram: 0 }))
}

fn dog_statsd(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<StatsSink, Rejection> {
    use pb::dog_statsd_sink::DogStatsdSpecifier;
    let proto: pb::DogStatsdSink = extension.decode(at, options)?;
    let target = match &proto.dog_statsd_specifier {
        Some(DogStatsdSpecifier::Address(address)) => StatsdTarget::Udp(udp(&at.field("address"), address)?),
        None => return Err(at.field("address").reject("is required and not set; set it")),
    };
    let datagram = proto.max_bytes_per_datagram.as_ref().map_or(0, |most| most.value as usize);
    Ok(StatsSink::Statsd(Statsd { prefix: prefix(&proto.prefix), target, tags: true, datagram }))
}

/// Envoy's, where none is given.
fn prefix(given: &str) -> Arc<str> {
    proto::text(given).unwrap_or_else(|| "envoy".into())
}

fn udp(at: &At<'_>, proto: &core::Address) -> Result<SocketAddr, Rejection> {
    match address::decode::address(at, proto)? {
        Address::Socket(address) => Ok(address),
        _ => Err(at.only_envoys("only an IP address and port is supported; give a socket_address")),
    }
}

fn metrics(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<StatsSink, Rejection> {
    let proto: pb::MetricsServiceConfig = extension.decode(at, options)?;
    let at_service = at.field("grpc_service");
    let service = crate::field_rules::required(&at_service, &proto.grpc_service)?;
    let mode = proto::defined::<pb::HistogramEmitMode>(&at.field("histogram_emit_mode"), proto.histogram_emit_mode)?;
    Ok(StatsSink::Metrics(Box::new(MetricsService {
        service: services::grpc_service(&at_service, service, options)?,
        deltas: bool_or(&proto.report_counters_as_deltas, false),
        labels: proto.emit_tags_as_labels,
        summaries: mode != pb::HistogramEmitMode::Histogram,
        buckets: mode != pb::HistogramEmitMode::Summary,
        batch: proto.batch_size as usize,
    })))
}
