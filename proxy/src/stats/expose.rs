//! Statistics as text: Envoy's own lines, its JSON, and Prometheus' text format 0.0.4. Called by admin, on the control thread.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{HistogramSample, Kind, Sample, Stats, Tagged};

/// Quantiles that Envoy shows, in percent.
const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

/// How histograms are shown (`histogram_buckets`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Buckets {
    /// `P0(interval,all) …`
    #[default]
    Quantiles,
    /// `B0.5(interval,all) …`, each bucket with all below it.
    Cumulative,
    /// `B0.5(interval,all) …`, each bucket alone.
    Disjoint,
}

/// `name: value` lines: texts, then counters and gauges by name, then histograms. One `: ` a line but for texts, for readers split
/// there.
pub fn text(samples: &[Sample], buckets: Buckets) -> String {
    let mut out = String::with_capacity(samples.len() * 64);
    for (name, text) in texts(samples) {
        let _ = writeln!(out, "{}: \"{}\"", one_line(name), text.replace('\n', " "));
    }
    for sample in numbers(samples) {
        // A string takes all that is written to it.
        let _ = writeln!(out, "{}: {}", one_line(&sample.name), sample.value);
    }
    for sample in samples {
        let Some(histogram) = &sample.histogram else { continue };
        let _ = writeln!(out, "{}: {}", one_line(&sample.name), histogram_text(histogram, buckets));
    }
    out
}

fn texts(samples: &[Sample]) -> impl Iterator<Item = (&str, &str)> {
    samples.iter().filter_map(|sample| Some((&*sample.name, sample.text.as_deref()?)))
}

fn numbers(samples: &[Sample]) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(|sample| matches!(sample.kind, Kind::Counter | Kind::Gauge))
}

/// A colon would make the line unreadable for parsers that split at it; makers of names write `_` already.
fn one_line(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains([':', '\n']) { name.replace([':', '\n'], "_").into() } else { name.into() }
}

fn histogram_text(histogram: &HistogramSample, buckets: Buckets) -> String {
    if histogram.counts.iter().all(|count| *count == 0) {
        return "No recorded values".into();
    }
    let mut parts = Vec::new();
    match buckets {
        Buckets::Quantiles => {
            for quantile in QUANTILES {
                let interval = number(quantile_of(histogram, &histogram.interval, quantile));
                parts.push(format!(
                    "P{quantile}({interval},{})",
                    number(quantile_of(histogram, &histogram.counts, quantile))
                ));
            }
        }
        Buckets::Cumulative | Buckets::Disjoint => {
            for (bound, interval, all) in counted(histogram, buckets) {
                parts.push(format!("B{}({interval},{all})", short(bound)));
            }
        }
    }
    parts.join(" ")
}

/// Each upper bound with what was counted in the last interval and at all: up to it, or since the bound before.
fn counted(histogram: &HistogramSample, buckets: Buckets) -> impl Iterator<Item = (f64, u64, u64)> {
    let cumulative = buckets == Buckets::Cumulative;
    histogram.bounds.iter().enumerate().scan((0, 0), move |(interval, all), (index, bound)| {
        let between = |counts: &[u64]| counts.get(index).copied().unwrap_or(0);
        *interval = between(&histogram.interval) + if cumulative { *interval } else { 0 };
        *all = between(&histogram.counts) + if cumulative { *all } else { 0 };
        Some((*bound, *interval, *all))
    })
}

fn buckets_json(histogram: &HistogramSample, buckets: Buckets) -> String {
    let one = |(bound, interval, all): (f64, u64, u64)| {
        format!("{{\"upper_bound\":{bound},\"interval\":{interval},\"cumulative\":{all}}}")
    };
    counted(histogram, buckets).map(one).collect::<Vec<_>>().join(",")
}

/// The value below which so many percent lie, as far as the buckets tell; NaN when there are none.
fn quantile_of(histogram: &HistogramSample, counts: &[u64], percent: f64) -> f64 {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return f64::NAN;
    }
    let wanted = percent / 100.0 * total as f64;
    let mut below = 0.0;
    for (index, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = *count as f64;
        if below + count >= wanted {
            let low = if index == 0 { 0.0 } else { histogram.bounds[index - 1] };
            let high = histogram.bounds.get(index).copied().unwrap_or(low);
            return low + (high - low) * ((wanted - below) / count).clamp(0.0, 1.0);
        }
        below += count;
    }
    histogram.bounds.last().copied().unwrap_or(0.0)
}

fn number(value: f64) -> String {
    if value.is_nan() { "nan".into() } else { value.to_string() }
}

/// As C++ prints it with six digits: 1.8e+06.
fn short(value: f64) -> String {
    if value < 1e6 {
        return value.to_string();
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{mantissa}e+{exponent:0>2}")
}

/// Envoy's JSON: `{"stats":[{"name":…,"value":…},…,{"histograms":…}]}`.
pub fn json(samples: &[Sample], buckets: Buckets) -> String {
    let mut out = String::from("{\"stats\":[");
    let mut separator = "";
    for (name, text) in texts(samples) {
        let (name, text) = (serde_json::Value::from(name), serde_json::Value::from(text));
        let _ = write!(out, "{separator}{{\"name\":{name},\"value\":{text}}}");
        separator = ",";
    }
    for sample in numbers(samples) {
        let name = serde_json::Value::from(&*sample.name);
        let _ = write!(out, "{separator}{{\"name\":{name},\"value\":{}}}", sample.value);
        separator = ",";
    }
    let mut histograms = String::new();
    for sample in samples {
        let Some(histogram) = &sample.histogram else { continue };
        let comma = if histograms.is_empty() { "" } else { "," };
        let name = serde_json::Value::from(&*sample.name);
        let _ = match buckets {
            Buckets::Quantiles => {
                write!(histograms, "{comma}{{\"name\":{name},\"values\":[{}]}}", quantiles_json(histogram))
            }
            Buckets::Cumulative | Buckets::Disjoint => {
                let counts = buckets_json(histogram, buckets);
                write!(histograms, "{comma}{{\"name\":{name},\"buckets\":[{counts}]}}")
            }
        };
    }
    if !histograms.is_empty() && buckets != Buckets::Quantiles {
        let _ = write!(out, "{separator}{{\"histograms\":[{histograms}]}}");
    } else if !histograms.is_empty() {
        let quantiles = QUANTILES.map(|quantile| quantile.to_string()).join(",");
        let _ = write!(
            out,
            "{separator}{{\"histograms\":{{\"supported_quantiles\":[{quantiles}],\"computed_quantiles\":[{histograms}]}}}}"
        );
    }
    out.push_str("]}");
    out
}

fn quantiles_json(histogram: &HistogramSample) -> String {
    let value = |counts: &[u64], quantile| {
        let value = quantile_of(histogram, counts, quantile);
        if value.is_nan() { "null".to_owned() } else { value.to_string() }
    };
    let one = |quantile| {
        let all = value(&histogram.counts, quantile);
        format!("{{\"cumulative\":{all},\"interval\":{}}}", value(&histogram.interval, quantile))
    };
    QUANTILES.map(one).join(",")
}

/// What Prometheus gets beside numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exposition {
    /// Histograms as quantiles of the last interval, and not as buckets.
    pub summaries: bool,
    /// Texts, as gauges of value 0 with a label.
    pub texts: bool,
}

/// Prometheus' text format: a `# TYPE` line for each metric, its series below; no `# HELP`, no `# EOF`.
pub fn prometheus(stats: &Stats, samples: &[Sample], shape: Exposition) -> String {
    let mut out = String::with_capacity(samples.len() * 96);
    for kind in [Kind::Counter, Kind::Gauge, Kind::Text, Kind::Histogram] {
        // Sorted by the name without tags, then by the raw name, which is the order that the samples have.
        let mut metrics: BTreeMap<String, Vec<(&Sample, Tagged)>> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| sample.kind == kind && (shape.texts || kind != Kind::Text)) {
            let mut tagged = stats.tagged(sample);
            metrics.entry(std::mem::take(&mut tagged.name)).or_default().push((sample, tagged));
        }
        for (name, series) in metrics {
            let Some(name) = metric_name(&name) else { continue };
            if kind == Kind::Histogram && shape.summaries {
                let _ = writeln!(out, "# TYPE {name} summary");
                series.iter().for_each(|(sample, tagged)| write_summary(&mut out, &name, sample, &labels(tagged)));
                continue;
            }
            write_type(&mut out, &name, kind);
            for (sample, mut tagged) in series {
                if let Some(text) = &sample.text {
                    tagged.tags.push(("text_value".to_owned(), text.to_string()));
                }
                write_series(&mut out, &name, sample, &labels(&tagged));
            }
        }
    }
    out
}

fn write_summary(out: &mut String, name: &str, sample: &Sample, labels: &str) {
    let Some(histogram) = &sample.histogram else { return };
    let comma = if labels.is_empty() { "" } else { "," };
    for quantile in QUANTILES {
        let value = number(quantile_of(histogram, &histogram.interval, quantile));
        let _ = writeln!(out, "{name}{{{labels}{comma}quantile=\"{}\"}} {value}", quantile / 100.0);
    }
    let total: u64 = histogram.interval.iter().sum();
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {total}", sum_of(histogram));
}

/// Envoy's quantiles (0 to 1) of the last interval; none where nothing came in it.
pub fn quantiles(histogram: &HistogramSample) -> Vec<(f64, f64)> {
    let value = |quantile: f64| (quantile / 100.0, quantile_of(histogram, &histogram.interval, quantile));
    QUANTILES.map(value).into_iter().filter(|(_, value)| !value.is_nan()).collect()
}

/// The sum of the last interval, as far as the buckets tell.
pub fn sum_of(histogram: &HistogramSample) -> f64 {
    let middle = |index: usize| {
        let low = index.checked_sub(1).map_or(0.0, |before| histogram.bounds[before]);
        (low + histogram.bounds.get(index).copied().unwrap_or(low)) / 2.0
    };
    histogram.interval.iter().enumerate().map(|(index, count)| middle(index) * *count as f64).sum()
}

/// The line above the series of a metric.
pub(super) fn write_type(out: &mut String, name: &str, kind: Kind) {
    let word = match kind {
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
        Kind::Gauge | Kind::Text => "gauge",
    };
    let _ = writeln!(out, "# TYPE {name} {word}");
}

/// A metric with its labels.
pub(super) fn write_series(out: &mut String, name: &str, sample: &Sample, labels: &str) {
    let Some(histogram) = &sample.histogram else {
        let _ = writeln!(out, "{name}{{{labels}}} {}", sample.value);
        return;
    };
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
        below += count;
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
    }
    let total: u64 = histogram.counts.iter().sum();
    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}");
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", sample.value);
    let _ = writeln!(out, "{name}_count{{{labels}}} {total}");
}

/// `envoy_` and the name with `_` for what Prometheus does not take. Names of a custom namespace have that cut off instead; one that then
/// begins with a digit is no metric.
fn metric_name(name: &str) -> Option<String> {
    match name.strip_prefix("istiocustom.") {
        Some(rest) => {
            let name = sanitize(rest);
            (!name.starts_with(|first: char| first.is_ascii_digit())).then_some(name)
        }
        None => Some(format!("envoy_{}", sanitize(name))),
    }
}

fn sanitize(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' }).collect()
}

fn labels(tagged: &Tagged) -> String {
    let mut out = String::new();
    tagged.tags.iter().for_each(|(tag, value)| write_label(&mut out, tag, value));
    out
}

/// One more label.
pub(super) fn write_label(out: &mut String, tag: &str, value: &str) {
    let comma = if out.is_empty() { "" } else { "," };
    let _ = write!(out, "{comma}{}=\"", sanitize(tag));
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
