//! Which labels each metric has, as a configuration changes them. Made with the filter.

use std::sync::Arc;

use config::filters::istio_stats::{
    Change, Definition, HTTP, IstioStats, Kind as Defined, LABELS, MESSAGES, Metric, TCP, is_label,
};

use crate::stats::{Bundle, Kind, Stats};

/// The metrics of a configuration.
pub struct Shape {
    pub(super) http: Box<[Group]>,
    pub(super) messages: Box<[Group]>,
    pub(super) tcp: Box<[Group]>,
    /// One metric each.
    pub(super) own: Box<[Own]>,
}

/// A metric of the operator's own.
pub(super) struct Own {
    pub group: Group,
    /// The expression that says how much.
    pub value: usize,
    pub kind: Kind,
}

/// Metrics that have their labels in common.
pub(super) struct Group {
    pub bundle: Arc<Bundle>,
    /// Those of the bundle that are written. Others of it have other labels, or are dropped.
    pub metrics: Box<[usize]>,
    pub names: Arc<[Arc<str>]>,
    /// Where the values come from.
    pub from: Box<[From]>,
}

/// Where a label's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// It is one of Istio's own.
    Label(usize),
    /// An expression says it.
    Said(usize),
}

/// A metric with its labels.
type Labelled = (usize, Vec<(Arc<str>, From)>);

impl Shape {
    /// Of a configuration.
    pub fn compile(config: &IstioStats, stats: &Stats) -> Shape {
        let groups = |metrics: &[Metric]| {
            let kept = metrics.iter().enumerate().filter(|(_, metric)| !is_dropped(&config.changes, **metric));
            let labelled = kept.map(|(index, metric)| (index, labels(&config.changes, *metric))).collect();
            grouped(labelled, &bundle(metrics, stats), stats)
        };
        let own = config.definitions.iter().map(|definition| own(&config.changes, definition, stats));
        Shape { http: groups(&HTTP), messages: groups(&MESSAGES), tcp: groups(&TCP), own: own.collect() }
    }
}

fn bundle(metrics: &[Metric], stats: &Stats) -> Arc<Bundle> {
    let kind = |metric: &Metric| if metric.is_histogram() { Kind::Histogram } else { Kind::Counter };
    let named: Vec<(String, Kind)> =
        metrics.iter().map(|metric| (format!("istio_{}", metric.name()), kind(metric))).collect();
    let named: Vec<(&str, Kind)> = named.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    stats.bundle(&named)
}

fn is_about(change: &Change, metric: Metric) -> bool {
    change.metric.as_ref().is_none_or(|name| **name == *metric.name())
}

fn is_dropped(changes: &[Change], metric: Metric) -> bool {
    changes.iter().any(|change| change.drop && change.metric.as_ref().is_some_and(|name| **name == *metric.name()))
}

fn labels(changes: &[Change], metric: Metric) -> Vec<(Arc<str>, From)> {
    let own = (0..LABELS.len()).filter(|label| metric.has_label(*label));
    let mut all: Vec<(Arc<str>, Option<From>)> =
        own.map(|label| (Arc::from(LABELS[label]), Some(From::Label(label)))).collect();
    let standard = all.len();
    for change in changes.iter().filter(|change| !change.drop && is_about(change, metric)) {
        for (name, from) in all.iter_mut() {
            if change.remove.contains(name) {
                *from = None;
            }
        }
        for (label, said) in &change.labels {
            // What is no expression takes a label away, as in Istio's proxy, and makes no new one.
            match all[..standard].iter_mut().find(|(name, _)| name == label) {
                Some((_, from)) => *from = said.map(From::Said),
                None if is_label(label) => {}
                None => all.extend(said.map(|said| (label.clone(), Some(From::Said(said))))),
            }
        }
    }
    all.into_iter().filter_map(|(name, from)| Some((name, from?))).collect()
}

/// A metric of the operator's own has the labels that it is given, and no others.
fn own(changes: &[Change], definition: &Definition, stats: &Stats) -> Own {
    let kind = match definition.kind {
        Defined::Counter => Kind::Counter,
        Defined::Gauge => Kind::Gauge,
        Defined::Histogram => Kind::Histogram,
    };
    let about = changes.iter().filter(|change| !change.drop);
    let about = about.filter(|change| change.metric.as_ref().is_none_or(|name| *name == definition.name));
    let labels = about.flat_map(|change| &change.labels);
    let (names, from): (Vec<Arc<str>>, Vec<From>) =
        labels.filter_map(|(label, said)| Some((label.clone(), From::Said((*said)?)))).unzip();
    Own {
        group: Group {
            bundle: stats.bundle(&[(format!("istio_{}", definition.name).as_str(), kind)]),
            metrics: Box::new([0]),
            names: stats.label_names(&names),
            from: from.into(),
        },
        value: definition.value,
        kind,
    }
}

fn grouped(labelled: Vec<Labelled>, bundle: &Arc<Bundle>, stats: &Stats) -> Box<[Group]> {
    type Labels = Vec<(Arc<str>, From)>;
    let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
    for (metric, labels) in labelled {
        match groups.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, metrics)) => metrics.push(metric),
            None => groups.push((labels, vec![metric])),
        }
    }
    let made = groups.into_iter().map(|(labels, metrics)| {
        let (names, from): (Vec<Arc<str>>, Vec<From>) = labels.into_iter().unzip();
        Group { bundle: bundle.clone(), metrics: metrics.into(), names: stats.label_names(&names), from: from.into() }
    });
    made.collect()
}
