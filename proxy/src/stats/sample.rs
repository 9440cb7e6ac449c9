//! Readings of statistics: plain data, taken by the registry and shown by `expose`.

use std::sync::Arc;

/// Kind of a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Grows only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution.
    Histogram,
    /// Words.
    Text,
}

/// A name without its tags, and the tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tagged {
    /// Raw name without tags.
    pub name: String,
    /// Tags in the order in which they are shown.
    pub tags: Vec<(String, String)>,
}

/// A reading of one statistic.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Raw name.
    pub name: Arc<str>,
    /// Kind.
    pub kind: Kind,
    /// Value of a counter or gauge; sum of a histogram.
    pub value: u64,
    /// It was ever written.
    pub used: bool,
    /// Counts of a histogram.
    pub histogram: Option<Box<HistogramSample>>,
    /// What a text says.
    pub text: Option<Arc<str>>,
    /// Tags that its maker gave.
    pub tagged: Option<Arc<Tagged>>,
}

/// A reading of a histogram. `counts` has one more element than `bounds`: what was larger than all of them.
#[derive(Debug, Clone)]
pub struct HistogramSample {
    /// Upper bounds.
    pub bounds: &'static [f64],
    /// Values in each bucket since the start.
    pub counts: Vec<u64>,
    /// Values in each bucket between the last two flushes; empty before the first.
    pub interval: Vec<u64>,
    /// Sum of the values since the start.
    pub sum: u64,
    /// Sum of the values between the last two flushes.
    pub interval_sum: u64,
}
