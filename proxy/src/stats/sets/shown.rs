//! Label sets as they are shown: readings by raw names, and Prometheus' text in pieces, for many label sets are more text than should be
//! in memory at once. Called by the registry and by `expose`, on the control thread; no lock is held while anything is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{LabelSet, LabelSets, Metric};
use crate::stats::expose;
use crate::stats::registry::lock;
use crate::stats::sample::{HistogramSample, Kind, Sample, Tagged};

/// The namespace of such metrics, which Prometheus does not see.
const NAMESPACE: &str = "istiocustom.";

/// The raw name: the metric's, then names and values of the labels.
pub(super) fn raw_name<'a>(metric: &Metric, labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut name = String::from(NAMESPACE);
    name.push_str(metric.name());
    for (label, value) in labels {
        name.extend([".", label, ".", value]);
    }
    name
}

/// What there was at one moment. Counts go on.
pub struct Snapshot {
    sets: Vec<Arc<LabelSet>>,
    words: Vec<Arc<str>>,
}

impl LabelSets {
    /// All that have been written, in order of their labels.
    pub fn snapshot(&self) -> Snapshot {
        let (mut sets, words) = {
            let inner = lock(&self.inner);
            if inner.count == 0 {
                return Snapshot { sets: Vec::new(), words: Vec::new() };
            }
            (inner.sets.values().flatten().cloned().collect::<Vec<_>>(), inner.words.texts())
        };
        sets.retain(|set| set.shown.load(Relaxed) != 0);
        sets.sort_by(|one, other| {
            let text = |set: &LabelSet, index: usize| words[set.values[index] as usize].clone();
            let length = one.values.len().min(other.values.len());
            let differs = (0..length).find(|index| one.values[*index] != other.values[*index]);
            match differs {
                Some(index) => text(one, index).cmp(&text(other, index)),
                None => one.values.len().cmp(&other.values.len()),
            }
        });
        Snapshot { sets, words }
    }
}

impl Snapshot {
    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Readings of those that `wanted` takes by their raw names; with `tags` they know their labels.
    pub fn samples(&self, tags: bool, wanted: &mut dyn FnMut(&str, Kind) -> bool) -> Vec<Sample> {
        let mut samples = Vec::new();
        for set in &self.sets {
            for (index, metric) in shown(set) {
                let name = self.name(set, metric);
                if wanted(&name, metric.kind()) {
                    let tagged = tags.then(|| Arc::new(self.tagged(set, metric)));
                    samples.push(Sample { tagged, ..sample(set, index, Arc::from(name)) });
                }
            }
        }
        samples
    }

    /// Prometheus' text of those that `wanted` takes, piece by piece.
    pub fn prometheus(self, wanted: impl Fn(&str, Kind) -> bool) -> impl Iterator<Item = String> {
        // The places of a metric's series: which set, and which metric of it.
        type Places = Vec<(usize, usize)>;
        let mut metrics: BTreeMap<(Arc<str>, Kind), Places> = BTreeMap::new();
        for (place, set) in self.sets.iter().enumerate() {
            for (index, metric) in shown(set) {
                if wanted(&self.name(set, metric), metric.kind()) {
                    metrics.entry((metric.name().clone(), metric.kind())).or_default().push((place, index));
                }
            }
        }
        let series = metrics.into_iter().flat_map(|((name, kind), series)| {
            series.into_iter().enumerate().map(move |(number, place)| (number == 0, name.clone(), kind, place))
        });
        Pieces { snapshot: self, series }
    }

    fn name(&self, set: &LabelSet, metric: &Metric) -> String {
        raw_name(metric, self.labels(set))
    }

    fn tagged(&self, set: &LabelSet, metric: &Metric) -> Tagged {
        let tags = self.labels(set).map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
        Tagged { name: format!("{NAMESPACE}{}", metric.name()), tags }
    }

    fn labels<'a>(&'a self, set: &'a LabelSet) -> impl Iterator<Item = (&'a str, &'a str)> {
        let values = set.values.iter().map(|word| &*self.words[*word as usize]);
        set.names.iter().map(|name| &**name).zip(values)
    }
}

/// Octets of a piece, more or less.
const PIECE: usize = 32 * 1024;

struct Pieces<I> {
    snapshot: Snapshot,
    series: I,
}

impl<I: Iterator<Item = (bool, Arc<str>, Kind, (usize, usize))>> Iterator for Pieces<I> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut out = String::new();
        while out.len() < PIECE {
            let Some((first, name, kind, (place, index))) = self.series.next() else { break };
            let set = &self.snapshot.sets[place];
            if first {
                expose::write_type(&mut out, &name, kind);
            }
            let mut labels = String::new();
            self.snapshot.labels(set).for_each(|(label, value)| expose::write_label(&mut labels, label, value));
            expose::write_series(&mut out, &name, &sample(set, index, name.clone()), &labels);
        }
        (!out.is_empty()).then_some(out)
    }
}

/// The metrics of a set that were written.
fn shown(set: &LabelSet) -> impl Iterator<Item = (usize, &Metric)> {
    let shown = set.shown.load(Relaxed);
    set.bundle.metrics().iter().enumerate().filter(move |(index, _)| shown >> index & 1 == 1)
}

fn sample(set: &LabelSet, index: usize, name: Arc<str>) -> Sample {
    let metric = &set.bundle.metrics()[index];
    let value = match metric.kind() {
        Kind::Gauge => set.gauges[metric.cell()].load(Relaxed),
        _ => set.sum(metric.cell()),
    };
    let histogram = (metric.kind() == Kind::Histogram).then(|| {
        let counts = (0..=metric.bounds().len()).map(|bucket| set.sum(metric.cell() + 1 + bucket)).collect();
        Box::new(HistogramSample { bounds: metric.bounds(), counts, interval: Vec::new(), sum: value, interval_sum: 0 })
    });
    Sample { name, kind: metric.kind(), value, used: true, histogram, text: None, tagged: None }
}
