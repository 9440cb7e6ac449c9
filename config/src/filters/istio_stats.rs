//! `stats.PluginConfig`, Istio's own statistics, as a filter of HTTP and as one of connections. Called by both lists of filters.
//!
//! As in Istio's proxy a mistake in it costs no traffic: what is no expression leaves its label away, what is no metric is passed by.
//! Each is named to the operator.

use std::sync::Arc;
use std::time::Duration;

use crate::cel::{self, Expr};
use crate::extension::Extension;
use crate::istio;
use crate::options::Options;
use crate::proto;
use crate::rejection::{At, Rejection};
use crate::workload::Workload;

mod names;

pub use names::{HTTP, LABELS, MESSAGES, Metric, TCP, is_label};

/// The filter.
#[derive(Debug, Clone)]
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
    /// Metrics of the operator's own.
    pub definitions: Vec<Definition>,
    /// What the two above evaluate, each once.
    pub expressions: Vec<Expr>,
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
    /// Values of labels, by name: of those that are there already, and of new ones. Each is one of the expressions; `None`: what was
    /// written is none.
    pub labels: Vec<(Arc<str>, Option<usize>)>,
}

/// `MetricDefinition`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name, without `istio_`.
    pub name: Arc<str>,
    /// How much is added, recorded or set: one of the expressions.
    pub value: usize,
    /// What it is.
    pub kind: Kind,
}

/// A kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
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
    let mut expressions = Expressions { all: Vec::new(), texts: Vec::new(), options };
    let definitions = definitions(&at.field("definitions"), &proto.definitions, &mut expressions);
    let changes = changes(&at.field("metrics"), &proto.metrics, &definitions, &mut expressions);
    Ok(IstioStats {
        reporter: match proto.reporter {
            1 => Reporter::Gateway,
            _ => Reporter::ByDirection,
        },
        host_names_service: !proto.disable_host_header_fallback,
        interval: interval.unwrap_or(Duration::from_secs(5)),
        own: Arc::new(options.workload(&[])),
        version: text("ISTIO_VERSION"),
        changes,
        definitions,
        expressions: expressions.all,
    })
}

/// The expressions of a filter, while it is read.
struct Expressions<'o> {
    all: Vec<Expr>,
    /// As they were written, with what became of them.
    texts: Vec<(String, Option<usize>)>,
    options: &'o Options,
}

impl Expressions<'_> {
    /// Its number; `None`: it is none, and the operator is told.
    fn read(&mut self, at: &At<'_>, text: &str) -> Option<usize> {
        if let Some((_, known)) = self.texts.iter().find(|(known, _)| known == text) {
            return *known;
        }
        let found = match cel::value_of_text(text, self.options) {
            Ok((expr, unknown)) => {
                if let Some(reason) = unknown {
                    self.options.note(at, format_args!("the expression {text:?} has no value, {reason}"));
                }
                self.all.push(expr);
                Some(self.all.len() - 1)
            }
            Err(reason) => {
                self.options.note(at, format_args!("{text:?} is no expression, {reason}; nothing is made of it"));
                None
            }
        };
        self.texts.push((text.to_owned(), found));
        found
    }
}

fn definitions(at: &At<'_>, list: &[istio::MetricDefinition], expressions: &mut Expressions<'_>) -> Vec<Definition> {
    let mut made: Vec<Definition> = Vec::new();
    for (index, one) in list.iter().enumerate() {
        let at = at.index(index);
        if Metric::named(&one.name).is_some() {
            let text = format_args!("metric {:?} is there already and is not defined anew", one.name);
            expressions.options.note(&at.field("name"), text);
            continue;
        }
        let Some(value) = expressions.read(&at.field("value"), &one.value) else { continue };
        let kind = match one.r#type {
            1 => Kind::Gauge,
            2 => Kind::Histogram,
            _ => Kind::Counter,
        };
        if !made.iter().any(|known| *known.name == *one.name) {
            made.push(Definition { name: one.name.as_str().into(), value, kind });
        }
    }
    made
}

fn changes(
    at: &At<'_>,
    list: &[istio::MetricConfig],
    own: &[Definition],
    expressions: &mut Expressions<'_>,
) -> Vec<Change> {
    let mut one = |(index, proto): (usize, &istio::MetricConfig)| {
        let options = expressions.options;
        let at = at.index(index);
        let metric = (!proto.name.is_empty()).then(|| Arc::from(proto.name.as_str()));
        if let Some(metric) = &metric
            && Metric::named(metric).is_none()
            && !own.iter().any(|known| known.name == *metric)
        {
            options.note(&at.field("name"), format_args!("there is no metric {metric:?}"));
        }
        let at_remove = at.field("tags_to_remove");
        for (index, label) in proto.tags_to_remove.iter().enumerate().filter(|(_, label)| !is_label(label)) {
            options.note(&at_remove.index(index), format_args!("there is no label {label:?} to remove"));
        }
        let at = at.field("dimensions");
        let labels = proto.dimensions.iter();
        let labels =
            labels.map(|(label, text)| (Arc::from(label.as_str()), expressions.read(&at.key(label), text))).collect();
        Change {
            metric,
            labels,
            drop: proto.drop,
            remove: proto.tags_to_remove.iter().map(|label| Arc::from(label.as_str())).collect(),
        }
    };
    list.iter().enumerate().map(&mut one).collect()
}
