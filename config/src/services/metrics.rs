//! Messages of Envoy's metrics service (`envoy.service.metrics.v3`). The proxy calls it with plain data, off the path of requests.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use envoy_types::pb::envoy::service::metrics::v3::{StreamMetricsMessage, stream_metrics_message::Identifier};
use envoy_types::pb::io::prometheus::client as pb;
use prost::Message;

use crate::proto::core::v3::Node;

/// The method.
pub const STREAM: &str = "/envoy.service.metrics.v3.MetricsService/StreamMetrics";

/// A metric with one value.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Labels, where they are told.
    pub labels: Vec<(String, String)>,
    /// Value.
    pub value: Value,
}

/// What is told of it.
#[derive(Debug, Clone)]
pub enum Value {
    /// Grows only, or what came since it was last told.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// Count, sum, and value at each quantile (0 to 1).
    Summary(u64, f64, Vec<(f64, f64)>),
    /// Count, sum, and how many are at most so large.
    Histogram(u64, f64, Vec<(f64, u64)>),
}

/// A message. The node stands in the first one of a stream.
pub fn message(node: Option<&Bytes>, metrics: &[Metric], now: SystemTime, out: &mut Vec<u8>) {
    let millis = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    // It was encoded here.
    let node = node.and_then(|node| Node::decode(node.clone()).ok());
    let message = StreamMetricsMessage {
        identifier: node.map(|node| Identifier { node: Some(node) }),
        envoy_metrics: metrics.iter().map(|metric| family(metric, millis)).collect(),
    };
    // A vector takes all that is written to it.
    let _ = message.encode(out);
}

fn family(metric: &Metric, millis: i64) -> pb::MetricFamily {
    let label =
        |(name, value): &(String, String)| pb::LabelPair { name: Some(name.clone()), value: Some(value.clone()) };
    let mut one = pb::Metric {
        label: metric.labels.iter().map(label).collect(),
        timestamp_ms: Some(millis),
        ..pb::Metric::default()
    };
    let kind = match &metric.value {
        Value::Counter(value) => {
            one.counter = Some(pb::Counter { value: Some(*value as f64), ..pb::Counter::default() });
            pb::MetricType::Counter
        }
        Value::Gauge(value) => {
            one.gauge = Some(pb::Gauge { value: Some(*value as f64) });
            pb::MetricType::Gauge
        }
        Value::Summary(count, sum, quantiles) => {
            let quantile = |(at, value): &(f64, f64)| pb::Quantile { quantile: Some(*at), value: Some(*value) };
            one.summary = Some(pb::Summary {
                sample_count: Some(*count),
                sample_sum: Some(*sum),
                quantile: quantiles.iter().map(quantile).collect(),
                ..pb::Summary::default()
            });
            pb::MetricType::Summary
        }
        Value::Histogram(count, sum, buckets) => {
            let bucket = |(bound, below): &(f64, u64)| pb::Bucket {
                cumulative_count: Some(*below),
                upper_bound: Some(*bound),
                ..pb::Bucket::default()
            };
            one.histogram = Some(pb::Histogram {
                sample_count: Some(*count),
                sample_sum: Some(*sum),
                bucket: buckets.iter().map(bucket).collect(),
                ..pb::Histogram::default()
            });
            pb::MetricType::Histogram
        }
    };
    pb::MetricFamily {
        name: Some(metric.name.clone()),
        r#type: Some(kind.into()),
        metric: vec![one],
        ..pb::MetricFamily::default()
    }
}
