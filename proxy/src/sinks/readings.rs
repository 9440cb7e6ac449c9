//! What sinks are told: readings of everything that was ever written, counters with what came since they were told last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::stats::{HistogramSample, Kind, Sample, Stats, Tagged};

/// Remembers what counters were.
#[derive(Default)]
pub struct Readings {
    before: HashMap<Arc<str>, u64>,
    /// What histograms of label sets were: nobody else ends their intervals.
    buckets: HashMap<Arc<str>, Vec<u64>>,
}

/// One of them.
pub struct Reading {
    /// Whole name.
    pub name: Arc<str>,
    /// Name without tags, and the tags, where somebody wants them.
    pub tagged: Tagged,
    /// Value.
    pub value: Value,
}

/// Its value.
pub enum Value {
    /// At all, and since the last time.
    Counter(u64, u64),
    /// Now.
    Gauge(u64),
    /// Counts of the last interval and at all.
    Histogram(Box<HistogramSample>),
}

impl Readings {
    /// Reads all; `tags`: somebody wants to know names without tags, and tags.
    pub fn take(&mut self, stats: &Arc<Stats>, tags: bool) -> Vec<Reading> {
        let mut samples = stats.samples(|_, kind| kind != Kind::Text);
        let mut of_sets = stats.label_sets().samples(tags, &mut |_, kind| kind != Kind::Text);
        self.end_intervals(&mut of_sets);
        samples.extend(of_sets);
        samples.retain(|sample| sample.used);
        // What is gone is forgotten, so that it begins anew if it comes again.
        let before = std::mem::take(&mut self.before);
        samples.into_iter().filter_map(|sample| self.reading(sample, &before, tags.then_some(stats))).collect()
    }

    /// What came since the last time; what is gone is forgotten.
    fn end_intervals(&mut self, samples: &mut [Sample]) {
        let before = std::mem::take(&mut self.buckets);
        for sample in samples {
            let Some(histogram) = &mut sample.histogram else { continue };
            let then = before.get(&sample.name);
            let since = |(index, now): (usize, &u64)| {
                now.saturating_sub(then.and_then(|then| then.get(index)).copied().unwrap_or(0))
            };
            histogram.interval = histogram.counts.iter().enumerate().map(since).collect();
            self.buckets.insert(sample.name.clone(), histogram.counts.clone());
        }
    }

    fn reading(
        &mut self,
        sample: Sample,
        before: &HashMap<Arc<str>, u64>,
        stats: Option<&Arc<Stats>>,
    ) -> Option<Reading> {
        let tagged = stats.map(|stats| stats.tagged(&sample)).unwrap_or_default();
        let value = match sample.kind {
            Kind::Counter => {
                let before = before.get(&sample.name).copied().unwrap_or(0);
                self.before.insert(sample.name.clone(), sample.value);
                // After a reset all is new.
                Value::Counter(sample.value, sample.value.checked_sub(before).unwrap_or(sample.value))
            }
            Kind::Gauge => Value::Gauge(sample.value),
            Kind::Histogram => Value::Histogram(sample.histogram?),
            Kind::Text => return None,
        };
        Some(Reading { name: sample.name, tagged, value })
    }
}
