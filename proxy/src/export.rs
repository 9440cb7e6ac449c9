//! Spans on their way to a collector: gathered by each worker, sent over the mesh's own clusters, off the path of requests. `http` hands
//! them over and never waits: what a slow collector leaves no room for is dropped, and counted.

mod queue;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use config::services::otlp::Origin;
use config::services::span::Span;
use config::tracing::{Batch, Detector, OpenTelemetry, Provider};

use crate::call::Calls;
use crate::outage::Outage;
use crate::stats::Stats;

use target::Target;

crate::stats::counters! {
    /// `tracing.<tracer>.*`.
    struct OfSpans { spans_sent spans_dropped timer_flushed }
}

crate::stats::counters! {
    /// Beside that, of Zipkin.
    struct OfZipkin { reports_sent reports_dropped reports_failed reports_skipped_no_cluster }
}

const ZIPKIN: &str = "tracing.zipkin.";

/// Takes spans and sends them. Shared by all workers; each of them has a queue of its own.
#[derive(Debug, Clone)]
pub struct Exporter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Names it among the queues of a worker.
    id: u64,
    target: Target,
    batch: Batch,
    stats: OfSpans,
    lost: Outage,
}

/// For a collector that is given no time of its own: one that hangs must not hold what comes after it for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Exporter {
    /// Of a tracer.
    pub fn compile(provider: &Provider, stats: &Arc<Stats>) -> Exporter {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let (target, batch, keys) = match provider {
            Provider::OpenTelemetry(config) => {
                (Target::otlp(&config.collector, origin(config)), config.batch, "tracing.opentelemetry.")
            }
            Provider::Zipkin(config) => (Target::zipkin(config, OfZipkin::new(stats, ZIPKIN)), config.batch, ZIPKIN),
        };
        let id = IDS.fetch_add(1, Relaxed);
        Exporter(Arc::new(Inner { id, target, batch, stats: OfSpans::new(stats, keys), lost: Outage::default() }))
    }

    /// Takes a span. It is sent later, or dropped where too many wait. Needs the current `LocalSet`.
    pub fn send(&self, span: Span, calls: &Calls) {
        let inner = &self.0;
        let queue = queue::of(inner.id, |queue| {
            tokio::task::spawn_local(queue::drain(inner.clone(), queue, calls.clone()));
        });
        if !queue.push(span, &inner.batch) {
            inner.stats.spans_dropped.inc();
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is said of this proxy beside its spans: each attribute once, the last detector wins.
fn origin(config: &OpenTelemetry) -> Origin {
    let mut resource: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    let mut say = |key: &str, value: &str| match resource.iter_mut().find(|(known, _)| **known == *key) {
        Some((_, old)) => *old = value.into(),
        None => resource.push((key.into(), value.into())),
    };
    if config.says_sdk {
        say("telemetry.sdk.language", "rust");
        say("telemetry.sdk.name", "outrigger");
        say("telemetry.sdk.version", VERSION);
    }
    if let Some(name) = &config.service_name {
        say("service.name", name);
    }
    for detector in &config.detectors {
        match detector {
            Detector::Environment => {
                let list = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
                attributes(&list).for_each(|(key, value)| say(key, value));
            }
            Detector::Static(list) => list.iter().for_each(|(key, value)| say(key, value)),
        }
    }
    Origin { resource, scope: config.says_scope.then(|| ("envoy".into(), VERSION.into())) }
}

/// `key=value` and so on; what is no such pair is left out, and spaces belong to them, as with Envoy.
fn attributes(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split(',').filter_map(|pair| {
        let mut parts = pair.split('=').filter(|part| !part.is_empty());
        let (key, value) = (parts.next()?, parts.next()?);
        parts.next().is_none().then_some((key, value))
    })
}

#[cfg(test)]
mod tests;
