//! Spans: collectors of OpenTelemetry and of Zipkin. Handed over by `http`'s tracing.

use std::sync::Arc;
use std::thread::LocalKey;

use config::services::otlp::{self, Origin};
use config::services::span::Span;
use config::services::zipkin::{self, Local};
use config::tracing::{Batch as Configured, OpenTelemetry, Provider, Zipkin as OfTracer};

use super::collector::{Otlp, refusal};
use super::http::{Http, PROTOBUF};
use super::queue::{Item, Queues};
use super::resource::Attributes;
use super::{Batch, Exporter, Target, VERSION};
use crate::call::{CallFailure, Calls, Reply, Why};
use crate::outage::Outage;
use crate::stats::Stats;

crate::stats::counters! {
    /// `tracing.<tracer>.*`.
    struct OfSpans { spans_sent spans_dropped timer_flushed }
}

crate::stats::counters! {
    /// Beside that, of Zipkin.
    struct OfZipkin { reports_sent reports_dropped reports_failed reports_skipped_no_cluster }
}

/// Takes spans and sends them. Shared by all workers; each of them has a queue of its own.
#[derive(Debug, Clone)]
pub struct Spans(Exporter<ToCollector>);

impl Spans {
    /// Of a tracer.
    pub fn compile(provider: &Provider, stats: &Arc<Stats>) -> Spans {
        const ZIPKIN: &str = "tracing.zipkin.";
        let (to, batch, keys) = match provider {
            Provider::OpenTelemetry(config) => (To::otlp(config), config.batch, "tracing.opentelemetry."),
            Provider::Zipkin(config) => (To::zipkin(config, OfZipkin::new(stats, ZIPKIN)), config.batch, ZIPKIN),
        };
        let target = ToCollector { to, stats: OfSpans::new(stats, keys), lost: Outage::default() };
        Spans(Exporter::new(target, batch.into()))
    }

    /// Takes a span. It is sent later, or dropped where too many wait. Needs the current `LocalSet`.
    pub fn send(&self, span: Span, calls: &Calls) {
        self.0.send(span, calls);
    }
}

impl From<Configured> for Batch {
    fn from(batch: Configured) -> Batch {
        Batch { enough: batch.enough, enough_octets: usize::MAX, interval: batch.interval, most: batch.most }
    }
}

thread_local! {
    static QUEUES: Queues<Span> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Item for Span {
    fn octets(&self) -> usize {
        Span::octets(self)
    }

    fn queues() -> &'static LocalKey<Queues<Span>> {
        &QUEUES
    }
}

/// A collector with what is counted of it.
#[derive(Debug)]
struct ToCollector {
    to: To,
    stats: OfSpans,
    lost: Outage,
}

/// Who is told of spans, and in which form.
#[derive(Debug)]
enum To {
    OpenTelemetry(Origin, Otlp),
    Zipkin(OfZipkin, Zipkin),
}

#[derive(Debug)]
struct Zipkin {
    http: Http,
    service: Arc<str>,
    protobuf: bool,
}

impl To {
    fn otlp(config: &OpenTelemetry) -> To {
        To::OpenTelemetry(origin(config), Otlp::of(&config.collector))
    }

    fn zipkin(config: &OfTracer, stats: OfZipkin) -> To {
        let collector = &config.collector;
        let kind = if config.protobuf { PROTOBUF } else { b"application/json" };
        let http = Http::new(collector.uri.clone(), kind, &collector.headers);
        To::Zipkin(stats, Zipkin { http, service: config.service.clone(), protobuf: config.protobuf })
    }

    async fn send(&self, spans: Vec<Span>, calls: &Calls) -> Result<Reply, CallFailure> {
        match self {
            To::OpenTelemetry(origin, collector) => {
                collector.send(otlp::EXPORT, |out| otlp::encode(origin, spans, out), calls).await
            }
            To::Zipkin(stats, Zipkin { http, service, protobuf }) => {
                let local = Local { service: service.clone(), address: calls.address() };
                let body = if *protobuf { zipkin::protobuf(&local, &spans) } else { zipkin::json(&local, &spans) };
                let result = calls.http(http.call(body)).await;
                match &result {
                    Ok(Reply::Http(reply)) if reply.head.status == 202 => stats.reports_sent,
                    Ok(_) => stats.reports_dropped,
                    Err(CallFailure { why: Why::NoCluster, .. }) => stats.reports_skipped_no_cluster,
                    Err(_) => stats.reports_failed,
                }
                .inc();
                result
            }
        }
    }
}

impl Target for ToCollector {
    type Item = Span;
    type Link = ();

    async fn send(&self, spans: Vec<Span>, by_time: bool, _link: &mut (), calls: &Calls) {
        if by_time {
            self.stats.timer_flushed.inc();
        }
        self.stats.spans_sent.add(spans.len() as u64);
        match refusal(&self.to.send(spans, calls).await) {
            Some(why) if self.lost.failed() => {
                tracing::warn!(target: "tracing", "spans are lost, the collector does not take them: {why}")
            }
            None if self.lost.is_ended() => tracing::warn!(target: "tracing", "the collector takes spans again"),
            _ => {}
        }
    }

    fn dropped(&self) {
        self.stats.spans_dropped.inc();
    }
}

/// What is said of this proxy beside its spans.
pub(super) fn origin(config: &OpenTelemetry) -> Origin {
    let mut said = Attributes::default();
    if config.says_sdk {
        said.say_text("telemetry.sdk.language", "rust");
        said.say_text("telemetry.sdk.name", "outrigger");
        said.say_text("telemetry.sdk.version", VERSION);
    }
    if let Some(name) = &config.service_name {
        said.say_text("service.name", name);
    }
    said.detect(&config.detectors);
    Origin { resource: said.into_list(), scope: config.says_scope.then(|| ("envoy".into(), VERSION.into())) }
}
