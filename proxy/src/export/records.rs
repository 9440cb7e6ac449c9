//! Records of access logs for collectors of OpenTelemetry, over gRPC or HTTP. Handed over by `logs`.

use std::sync::Arc;

use config::access_log::{OpenTelemetryLog, Resource};
use config::services::otlp::logs;

use super::collector::{Otlp, refusal};
use super::resource::Attributes;
use super::{Entry, Exporter, LogExporters, Target};
use crate::call::{Calls, Reply};
use crate::outage::Outage;
use crate::stats::Stats;

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
                to: Otlp::of(&config.collector),
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
    to: Otlp,
    /// As octets of its message.
    resource: Vec<u8>,
    stats: OfRecords,
    lost: Outage,
}

impl Target for ToCollector {
    type Item = Entry;
    type Link = ();

    async fn send(&self, entries: Vec<Entry>, _by_time: bool, _link: &mut (), calls: &Calls) {
        let count = entries.len() as u64;
        let records = entries.into_iter().map(|Entry(octets)| octets).collect();
        let encode = |out: &mut Vec<u8>| logs::message(&self.resource, records, out);
        let result = self.to.send(logs::EXPORT, encode, calls).await;
        let why = match &result {
            // As with Envoy, any other success is none.
            Ok(Reply::Http(reply)) => {
                Some(reply.head.status).filter(|status| *status != 200).map(|status| format!("it answers {status}"))
            }
            result => refusal(result),
        };
        let lost = match &result {
            Ok(Reply::Grpc(reply)) => logs::rejected(&reply.message).min(count),
            _ if why.is_some() => count,
            _ => 0,
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
