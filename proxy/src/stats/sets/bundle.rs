//! Metrics that have their labels in common, and where each has its cells.

use std::sync::Arc;

use crate::stats::Kind;

/// A bundle. Its metrics are known by their places in it.
#[derive(Debug, PartialEq)]
pub struct Bundle {
    metrics: Box<[Metric]>,
    cells: usize,
}

/// A metric of a bundle.
#[derive(Debug, PartialEq)]
pub struct Metric {
    name: Arc<str>,
    kind: Kind,
    bounds: &'static [f64],
    /// Of a counter its cell; of a histogram that of the sum, followed by the buckets; of a gauge its place among the gauges.
    cell: usize,
}

impl Bundle {
    /// Of these metrics; `bounds` gives those of a histogram. At most 32.
    pub(in crate::stats) fn new(metrics: &[(&str, Kind)], bounds: impl Fn(&str) -> &'static [f64]) -> Bundle {
        let (mut cells, mut gauges) = (0, 0);
        let mut made = Vec::with_capacity(metrics.len());
        for (name, kind) in metrics.iter().take(32) {
            let bounds = if *kind == Kind::Histogram { bounds(name) } else { &[] };
            let next = match kind {
                Kind::Gauge => &mut gauges,
                _ => &mut cells,
            };
            made.push(Metric { name: (*name).into(), kind: *kind, bounds, cell: *next });
            *next += match kind {
                Kind::Histogram => 2 + bounds.len(),
                _ => 1,
            };
        }
        Bundle { metrics: made.into(), cells }
    }

    /// In their order.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    pub(super) fn gauges(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.iter().filter(|metric| metric.kind == Kind::Gauge)
    }
}

impl Metric {
    /// Its name, as it is shown.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_counter(&self) -> bool {
        self.kind == Kind::Counter
    }

    pub(super) fn bounds(&self) -> &'static [f64] {
        self.bounds
    }

    pub(super) fn cell(&self) -> usize {
        self.cell
    }
}
