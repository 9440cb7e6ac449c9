//! `rate_limits` of routes, virtual hosts and filters, compiled: which descriptors a request makes. Called by `route` and by the filters
//! that limit. Pure; it must never know who limits, or whether anybody does.

mod action;
mod descriptor;

use config::rate_limit::{self as plain, Count};

use self::action::Action;
pub(in crate::http) use self::descriptor::{Descriptor, Hits};
use crate::http::double;
use crate::http::stream::Stream;
use crate::telemetry::format;

/// One limit.
#[derive(Debug)]
pub(in crate::http) struct RateLimit {
    actions: Box<[Action]>,
    /// A filter looks at those of one stage.
    pub stage: u32,
    /// Only for filters that ask a service, where it has a key by which an operator could switch it off.
    pub disabled: bool,
    /// It is counted when the request is over.
    pub on_stream_done: bool,
    hits: Option<plain::Hits>,
    headers: Option<bool>,
    limit: Option<plain::Override>,
}

impl RateLimit {
    /// Compiles a list.
    pub fn compile(list: &[plain::RateLimit]) -> Box<[RateLimit]> {
        let one = |limit: &plain::RateLimit| RateLimit {
            actions: limit.actions.iter().map(Action::compile).collect(),
            stage: limit.stage,
            disabled: limit.disabled,
            on_stream_done: limit.on_stream_done,
            hits: limit.hits.clone(),
            headers: limit.x_ratelimit_headers,
            limit: limit.limit.clone(),
        };
        list.iter().map(one).collect()
    }

    /// What the request makes of it; `None` where one of the actions has nothing to say.
    pub fn describe(&self, stream: &Stream<'_>) -> Option<Descriptor> {
        let mut descriptor = Descriptor::default();
        descriptor.headers = self.headers;
        self.actions.iter().all(|action| action.add(stream, &mut descriptor)).then_some(descriptor)
    }

    /// The same, counted as `hits_addend` says.
    pub fn describe_counted(&self, stream: &Stream<'_>) -> Option<Descriptor> {
        let mut descriptor = self.describe(stream)?;
        if let Some(hits) = &self.hits {
            let count = match &hits.count {
                Count::Number(count) => *count,
                Count::Format(format) => counted(format, stream)?,
            };
            descriptor.hits = if hits.negative { Hits::GivenBack(count) } else { Hits::Taken(count) };
            descriptor.counted = true;
        }
        Some(descriptor)
    }

    /// What a service is told in place of its own limit.
    pub fn limit(&self, stream: &Stream<'_>) -> Option<(u32, plain::Unit)> {
        match self.limit.as_ref()? {
            plain::Override::Fixed { requests, unit } => Some((*requests, *unit)),
            plain::Override::Metadata { filter, path } => {
                let found = stream.info.metadata.at(filter, path.iter().map(|key| &**key))?;
                let requests = found.get("requests_per_unit")?.as_f64()?;
                let unit = plain::Unit::named(found.get("unit")?.as_str()?)?;
                // A number that is none is cut to one that is.
                (requests >= 0.0).then_some((requests as u32, unit))
            }
        }
    }
}

/// A number that the request says.
fn counted(format: &config::access_log::Format, stream: &Stream<'_>) -> Option<u64> {
    let entry = stream.entry(stream.response.as_ref(), stream.trailers.as_ref());
    let mut text = Vec::new();
    format::write(format, &entry, &mut text);
    let count = double::parse(&text)?;
    // What is no whole number is cut, as in Envoy; NaN is in no range.
    (0.0..=plain::Hits::MOST as f64).contains(&count).then_some(count as u64)
}

#[cfg(test)]
mod tests;
