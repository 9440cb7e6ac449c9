//! Envoy's metrics service: one stream of messages, opened when there is something to tell, and again when it has ended.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use bytes::Bytes;
use config::bootstrap::MetricsService;
use config::services::metrics::{self, Metric};

use super::readings::{Reading, Value};
use crate::call::{Calls, GrpcCall, GrpcStream, GrpcTarget};
use crate::outage::Outage;
use crate::stats::expose;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

/// A sink.
pub struct Sink {
    config: MetricsService,
    target: Arc<GrpcTarget>,
    node: Bytes,
    calls: Calls,
    stream: Option<Rc<GrpcStream>>,
    lost: Rc<Lost>,
}

/// That statistics are lost is told when it begins and once a minute while it lasts.
#[derive(Default)]
struct Lost(Outage);

impl Lost {
    fn told(&self, why: impl std::fmt::Display) {
        if self.0.failed() {
            tracing::warn!(target: "main", "statistics are lost, the metrics service does not take them: {why}");
        }
    }
}

impl Sink {
    /// Of a service.
    pub fn new(config: &MetricsService, node: Bytes, calls: Calls) -> Sink {
        let target = Arc::new(GrpcTarget::new(&config.service));
        Sink { config: config.clone(), target, node, calls, stream: None, lost: Rc::default() }
    }

    /// Tells all of it. Needs the current `LocalSet`.
    pub fn flush(&mut self, readings: &[Reading]) {
        let metrics: Vec<Metric> = readings.iter().flat_map(|reading| of(&self.config, reading)).collect();
        let batch = if self.config.batch == 0 { metrics.len().max(1) } else { self.config.batch };
        let now = SystemTime::now();
        // A flush is taken whole: what is asked is whether the one before has left.
        if self.stream.as_ref().is_some_and(|stream| !stream.has_room()) {
            self.lost.told("it does not take them");
            return;
        }
        for metrics in metrics.chunks(batch) {
            let is_first = self.stream.is_none();
            let node = is_first.then_some(&self.node);
            let message = Framed::new(|out| metrics::message(node, metrics, now, out));
            let stream = self.stream.get_or_insert_with(|| open(&self.calls, &self.target, &self.lost));
            if stream.send(message).is_err() {
                // It has ended: the next flush opens another one, and begins with the node.
                self.stream = None;
                return;
            }
        }
    }
}

fn open(calls: &Calls, target: &Arc<GrpcTarget>, lost: &Rc<Lost>) -> Rc<GrpcStream> {
    let stream = calls.stream(GrpcCall::stream(target, metrics::STREAM, Headers::new(), &mut |_, _| {}));
    let (polled, lost) = (stream.clone(), lost.clone());
    tokio::task::spawn_local(async move {
        let ended = std::future::poll_fn(|cx| {
            loop {
                match polled.poll_message(cx) {
                    // Nothing is said there; what is said all the same is heard.
                    Poll::Ready(Ok(Some(_))) => {}
                    Poll::Ready(Ok(None)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        if let Err(failure) = ended.await {
            lost.told(failure);
        }
        polled.cancel();
    });
    stream
}

fn of(config: &MetricsService, reading: &Reading) -> Vec<Metric> {
    let (name, labels) = match config.labels {
        true => (reading.tagged.name.clone(), reading.tagged.tags.clone()),
        false => (reading.name.to_string(), Vec::new()),
    };
    let metric = |value| Metric { name: name.clone(), labels: labels.clone(), value };
    match &reading.value {
        Value::Counter(all, new) => vec![metric(metrics::Value::Counter(if config.deltas { *new } else { *all }))],
        Value::Gauge(value) => vec![metric(metrics::Value::Gauge(*value))],
        Value::Histogram(histogram) => {
            let mut both = Vec::new();
            let (count, sum) = (histogram.interval.iter().sum(), expose::sum_of(histogram));
            if config.summaries {
                both.push(metric(metrics::Value::Summary(count, sum, expose::quantiles(histogram))));
            }
            if config.buckets {
                let mut below = 0;
                let bucket = |(bound, count): (&f64, &u64)| {
                    below += count;
                    (*bound, below)
                };
                let buckets = histogram.bounds.iter().zip(&histogram.interval).map(bucket).collect();
                both.push(metric(metrics::Value::Histogram(count, sum, buckets)));
            }
            both
        }
    }
}
