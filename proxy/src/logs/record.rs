//! Records for collectors of OpenTelemetry (`OpenTelemetryAccessLogConfig`), filled from what is known of a stream.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use config::access_log::{OpenTelemetryLog, Operator, Record as Format, StateFormat};
use config::services::otlp::Value;
use config::services::otlp::logs::Record;
use config::services::sanitized;

use crate::export::{LogExporters, Records};
use crate::stats::Stats;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::format;
use crate::telemetry::trace::{CustomTags, written};

/// A log whose entries go to a collector.
pub(super) struct ToCollector {
    pub records: Records,
    body: Option<Format>,
    attributes: Vec<(Arc<str>, Format)>,
    filter_state: Vec<(Arc<str>, Operator)>,
    tags: CustomTags,
}

impl ToCollector {
    pub fn compile(config: &OpenTelemetryLog, known: &LogExporters, stats: &Arc<Stats>) -> ToCollector {
        let mut body = config.body.clone();
        body.iter_mut().for_each(settle);
        let mut attributes = config.attributes.clone();
        attributes.iter_mut().for_each(|(_, format)| settle(format));
        // As text of its message's JSON, as that is printed elsewhere.
        let state = |key: &Arc<str>| (key.clone(), Operator::FilterState(key.clone(), StateFormat::Typed));
        ToCollector {
            records: Records::compile(config, known, stats),
            body,
            attributes,
            filter_state: config.filter_state.iter().map(state).collect(),
            tags: CustomTags::compile(&config.custom_tags),
        }
    }

    /// The octets of a record.
    pub fn record(&self, of: &LogEntry<'_>) -> Vec<u8> {
        let start = of.info.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut attributes: Vec<(Arc<str>, Value)> =
            self.attributes.iter().map(|(key, format)| (key.clone(), value(format, of))).collect();
        for (key, operator) in &self.filter_state {
            if let Some(octets) = format::value(operator, of) {
                attributes.push((key.clone(), Value::Text(sanitized(&octets))));
            }
        }
        self.tags.each(None, of, |name, value| attributes.push((name.into(), Value::Text(value))));
        let record = Record {
            time: u64::try_from(start.as_nanos()).unwrap_or(u64::MAX),
            body: self.body.as_ref().map(|format| value(format, of)),
            attributes,
            span: of.more.span,
        };
        record.encode()
    }
}

/// Whether it tells of moments that are not kept otherwise.
pub(super) fn wants_times(config: &OpenTelemetryLog) -> bool {
    config.body.iter().any(tells_of_times)
        || config.attributes.iter().any(|(_, format)| tells_of_times(format))
        || CustomTags::compile(&config.custom_tags).wants_times()
}

fn tells_of_times(record: &Format) -> bool {
    match record {
        Format::Text(text) => format::wants_times(text),
        Format::Map(pairs) => pairs.iter().any(|(_, format)| tells_of_times(format)),
        Format::List(list) => list.iter().any(tells_of_times),
    }
}

fn settle(record: &mut Format) {
    match record {
        Format::Text(text) => format::settle(text),
        Format::Map(pairs) => pairs.iter_mut().for_each(|(_, format)| settle(format)),
        Format::List(list) => list.iter_mut().for_each(settle),
    }
}

fn value(record: &Format, of: &LogEntry<'_>) -> Value {
    match record {
        Format::Text(text) => Value::Text(written(text, of)),
        Format::Map(pairs) => Value::Map(pairs.iter().map(|(key, format)| (key.clone(), value(format, of))).collect()),
        Format::List(list) => Value::List(list.iter().map(|format| value(format, of)).collect()),
    }
}
