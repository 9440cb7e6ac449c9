//! Statistics as text: Envoy's own lines, its JSON, and Prometheus' text format 0.0.4. Called by admin, on the control thread.

mod quantiles;

use std::collections::BTreeMap;
use std::fmt::Write;

use self::quantiles::{QUANTILES, of_one};
pub use self::quantiles::{quantiles, sum_of};
use super::{HistogramSample, Kind, Sample, Stats, Tagged};

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
    /// Each bucket that got something with its lower bound and width, and the quantiles below.
    Detailed,
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
        let values = histogram_text(histogram, buckets);
        // What goes on in lines below has no blank before them, as with Envoy.
        let blank = if values.starts_with('\n') { "" } else { " " };
        let _ = writeln!(out, "{}:{blank}{values}", one_line(&sample.name));
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
                let of = |counted: quantiles::Counted<'_>| number(counted.quantile(quantile));
                parts.push(format!("P{quantile}({},{})", of(histogram.last()), of(histogram.all())));
            }
        }
        Buckets::Detailed => {
            let summary = histogram_text(histogram, Buckets::Quantiles);
            let list = |counts: &[u64]| {
                let one = |(low, width, count): (f64, f64, u64)| format!("{},{}:{count}", short(low), short(width));
                filled(histogram, counts).map(one).collect::<Vec<_>>().join(", ")
            };
            let (totals, intervals) = (list(&histogram.counts), list(&histogram.interval));
            return format!("\n  totals={totals}\n  intervals={intervals}\n  summary={summary}");
        }
        Buckets::Cumulative | Buckets::Disjoint => {
            for (bound, interval, all) in counted(histogram, buckets) {
                parts.push(format!("B{}({interval},{all})", short(bound)));
            }
        }
    }
    parts.join(" ")
}

/// Buckets that got something: lower bound, width and count. What was larger than all bounds has no width.
fn filled<'a>(histogram: &'a HistogramSample, counts: &'a [u64]) -> impl Iterator<Item = (f64, f64, u64)> + 'a {
    let each = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    each.map(|(index, count)| {
        let low = index.checked_sub(1).map_or(0.0, |before| histogram.bounds[before]);
        let high = histogram.bounds.get(index).copied().unwrap_or(low);
        (low, high - low, *count)
    })
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
            Buckets::Detailed => write!(histograms, "{comma}{{\"name\":{name},{}}}", details_json(histogram)),
            Buckets::Cumulative | Buckets::Disjoint => {
                let counts = buckets_json(histogram, buckets);
                write!(histograms, "{comma}{{\"name\":{name},\"buckets\":[{counts}]}}")
            }
        };
    }
    if !histograms.is_empty() && buckets == Buckets::Detailed {
        let percentiles = QUANTILES.map(|quantile| quantile.to_string()).join(",");
        let _ = write!(
            out,
            "{separator}{{\"histograms\":{{\"supported_percentiles\":[{percentiles}],\"details\":[{histograms}]}}}}"
        );
    } else if !histograms.is_empty() && buckets != Buckets::Quantiles {
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

fn details_json(histogram: &HistogramSample) -> String {
    let list = |counts: &[u64]| {
        let one = |(low, width, count): (f64, f64, u64)| {
            format!("{{\"lower_bound\":{low},\"width\":{width},\"count\":{count}}}")
        };
        filled(histogram, counts).map(one).collect::<Vec<_>>().join(",")
    };
    let (totals, intervals) = (list(&histogram.counts), list(&histogram.interval));
    format!("\"totals\":[{totals}],\"intervals\":[{intervals}],\"percentiles\":[{}]", quantiles_json(histogram))
}

fn quantiles_json(histogram: &HistogramSample) -> String {
    let value = |counted: quantiles::Counted<'_>, quantile| {
        let value = counted.quantile(quantile);
        if value.is_nan() { "null".to_owned() } else { value.to_string() }
    };
    let one = |quantile| {
        let all = value(histogram.all(), quantile);
        format!("{{\"cumulative\":{all},\"interval\":{}}}", value(histogram.last(), quantile))
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
        let value = number(histogram.last().quantile(quantile));
        let _ = writeln!(out, "{name}{{{labels}{comma}quantile=\"{}\"}} {value}", of_one(quantile));
    }
    let total: u64 = histogram.interval.iter().sum();
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {total}", sum_of(histogram));
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
