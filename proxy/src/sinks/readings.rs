//! What sinks are told: readings of everything that was ever written, counters with what came since they were told last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::stats::{HistogramSample, Kind, Sample, Stats, Tagged};

/// Remembers what counters were.
#[derive(Default)]
pub struct Readings {
    before: HashMap<Arc<str>, u64>,
}

/// One of them.
pub struct Reading {
    /// Whole name.
    pub name: Arc<str>,
    /// Name without tags, and the tags.
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
    /// Reads all.
    pub fn take(&mut self, stats: &Arc<Stats>) -> Vec<Reading> {
        let mut samples = stats.samples(|_, kind| kind != Kind::Text);
        samples.extend(stats.label_sets().samples(&mut |_, kind| kind != Kind::Text));
        samples.retain(|sample| sample.used);
        // What is gone is forgotten, so that it begins anew if it comes again.
        let before = std::mem::take(&mut self.before);
        samples.into_iter().filter_map(|sample| self.reading(sample, &before, stats)).collect()
    }

    fn reading(&mut self, sample: Sample, before: &HashMap<Arc<str>, u64>, stats: &Stats) -> Option<Reading> {
        let tagged = stats.tagged(&sample);
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
