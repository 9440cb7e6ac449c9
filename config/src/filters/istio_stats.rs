//! `stats.PluginConfig`, Istio's own statistics, as a filter of HTTP and as one of connections. Called by both lists of filters.
//!
//! As in Istio's proxy a mistake in it costs no traffic: what is no expression leaves its label away, what is no metric is passed by.
//! Each is named to the operator.

use std::sync::Arc;
use std::time::Duration;

use crate::extension::Extension;
use crate::istio;
use crate::options::Options;
use crate::proto;
use crate::rejection::{At, Rejection};
use crate::workload::Workload;

mod names;

pub use names::{HTTP, LABELS, MESSAGES, Metric, TCP, is_label};

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IstioStats {
    /// Who reports.
    pub reporter: Reporter,
    /// The host of a request names the service where its cluster does not.
    pub host_names_service: bool,
    /// How often what goes on is reported; zero never before its end.
    pub interval: Duration,
    /// This workload.
    pub own: Arc<Workload>,
    /// `ISTIO_VERSION` of the node.
    pub version: Arc<str>,
    /// What is reported otherwise, in this order.
    pub changes: Vec<Change>,
}

/// `reporter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    /// By the direction of the listener: the destination inbound, else the source.
    ByDirection,
    /// A gateway for a set of workloads.
    Gateway,
}

/// `MetricConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The metric, without `istio_`; `None` = all.
    pub metric: Option<Arc<str>>,
    /// It is not reported.
    pub drop: bool,
    /// Labels that it does not have.
    pub remove: Vec<Arc<str>>,
}

pub(in crate::filters) fn decode(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<IstioStats, Rejection> {
    let proto: istio::StatsPlugin = extension.decode(at, options)?;
    let text =
        |key: &str| Arc::from(options.node_metadata.get(key).and_then(|value| value.as_str()).unwrap_or_default());
    let interval = proto::duration(&at.field("tcp_reporting_duration"), &proto.tcp_reporting_duration)?;
    Ok(IstioStats {
        reporter: match proto.reporter {
            1 => Reporter::Gateway,
            _ => Reporter::ByDirection,
        },
        host_names_service: !proto.disable_host_header_fallback,
        interval: interval.unwrap_or(Duration::from_secs(5)),
        own: Arc::new(options.workload(&[])),
        version: text("ISTIO_VERSION"),
        changes: changes(&at.field("metrics"), &proto.metrics, options),
    })
}

fn changes(at: &At<'_>, list: &[istio::MetricConfig], options: &Options) -> Vec<Change> {
    let one = |(index, proto): (usize, &istio::MetricConfig)| {
        let at = at.index(index);
        let metric = (!proto.name.is_empty()).then(|| Arc::from(proto.name.as_str()));
        if let Some(metric) = &metric
            && Metric::named(metric).is_none()
        {
            options.note(&at.field("name"), format_args!("there is no metric {metric:?}"));
        }
        let at_remove = at.field("tags_to_remove");
        for (index, label) in proto.tags_to_remove.iter().enumerate().filter(|(_, label)| !is_label(label)) {
            options.note(&at_remove.index(index), format_args!("there is no label {label:?} to remove"));
        }
        Change {
            metric,
            drop: proto.drop,
            remove: proto.tags_to_remove.iter().map(|label| Arc::from(label.as_str())).collect(),
        }
    };
    list.iter().enumerate().map(one).collect()
}
