//! Records of access logs for collectors of OpenTelemetry, over gRPC or HTTP. Handed over by `logs`.

use std::sync::Arc;

use config::access_log::{OpenTelemetryLog, Resource};
use config::services::otlp::logs;
use config::tracing::Collector;

use super::http::{Http, settled};
use super::resource::Attributes;
use super::spans::refusal;
use super::{Entry, Exporter, LogExporters, TIMEOUT, Target};
use crate::call::{Calls, GrpcCall, GrpcTarget, Reply};
use crate::outage::Outage;
use crate::stats::Stats;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

crate::stats::counters! {
    /// `access_logs.open_telemetry_access_log.*`.
    struct OfRecords { logs_written logs_dropped }
}

/// Takes records and sends them. Shared by all workers and logs that say the same of it.
#[derive(Debug, Clone)]
pub struct Records(Exporter<ToCollector>);

impl Records {
    /// Of a collector.
    pub fn compile(config: &OpenTelemetryLog, known: &LogExporters, stats: &Arc<Stats>) -> Records {
        Records(known.records.exporter((config.identity.clone(), true), || {
            let target = ToCollector {
                to: To::of(&config.collector),
                resource: resource(&config.resource),
                stats: OfRecords::new(stats, &prefix(&config.stat_prefix)),
                lost: Outage::default(),
            };
            Exporter::new(target, config.buffer.into())
        }))
    }

    /// Takes a record. It is sent later, or dropped where too many wait. Needs the current `LocalSet`.
    pub fn send(&self, record: Vec<u8>, calls: &Calls) {
        self.0.send(Entry(record), calls);
    }
}

/// What its statistics begin with.
fn prefix(own: &str) -> String {
    const PREFIX: &str = "access_logs.open_telemetry_access_log.";
    match own.trim_end_matches('.') {
        "" => PREFIX.to_owned(),
        own => format!("{PREFIX}{own}."),
    }
}

fn resource(config: &Resource) -> Vec<u8> {
    let mut said = Attributes::default();
    config.labels.iter().for_each(|(key, value)| said.say_text(key, value));
    said.detect(&config.detectors);
    config.attributes.iter().for_each(|(key, value)| said.say(key, value.clone()));
    logs::resource(said.into_list())
}

#[derive(Debug)]
pub(super) struct ToCollector {
    to: To,
    /// As octets of its message.
    resource: Vec<u8>,
    stats: OfRecords,
    lost: Outage,
}

#[derive(Debug)]
enum To {
    Grpc(Arc<GrpcTarget>),
    Http(Http),
}

impl To {
    fn of(collector: &Collector) -> To {
        match collector {
            Collector::Grpc(service) => {
                let timeout = service.timeout.or(Some(TIMEOUT));
                To::Grpc(Arc::new(GrpcTarget::new(&settled(service)).with_timeout(timeout)))
            }
            Collector::Http(service) => To::Http(Http::otlp(service)),
        }
    }
}

impl Target for ToCollector {
    type Item = Entry;
    type Link = ();

    async fn send(&self, entries: Vec<Entry>, _by_time: bool, _link: &mut (), calls: &Calls) {
        let count = entries.len() as u64;
        let records = entries.into_iter().map(|Entry(octets)| octets).collect();
        let result = match &self.to {
            To::Grpc(target) => {
                let message = Framed::new(|out| logs::message(&self.resource, records, out));
                let call = GrpcCall::unary(target, logs::EXPORT, message, Headers::new(), &mut |_, _| {});
                calls.grpc(call).await
            }
            To::Http(http) => {
                let mut body = Vec::new();
                logs::message(&self.resource, records, &mut body);
                calls.http(http.call(body)).await
            }
        };
        let why = refusal(&result);
        let lost = match &result {
            Ok(Reply::Grpc(reply)) => logs::rejected(&reply.message).min(count),
            // As with Envoy, any other success is none.
            Ok(Reply::Http(reply)) if reply.head.status == 200 => 0,
            Ok(Reply::Http(_)) | Err(_) => count,
        };
        self.stats.logs_written.add(count - lost);
        self.stats.logs_dropped.add(lost);
        match why {
            Some(why) if self.lost.failed() => {
                tracing::warn!(target: "misc", "records of access logs are lost, the collector does not take them: {why}")
            }
            None if self.lost.is_ended() => {
                tracing::warn!(target: "misc", "the collector takes records of access logs again")
            }
            _ => {}
        }
    }

    fn dropped(&self) {
        self.stats.logs_dropped.inc();
    }
}
