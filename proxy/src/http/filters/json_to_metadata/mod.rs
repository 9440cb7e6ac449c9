//! `envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata`: values of JSON bodies become dynamic metadata, for later filters and
//! logs.
//!
//! Fields honoured: all. Bodies are held up to the limits of connection and route: a longer request is answered with 413, a longer
//! response becomes 500.

mod body;

use std::collections::BTreeMap;

use config::Rejection;
use config::filters::json_to_metadata::{JsonToMetadata as Config, Kind, Pair, Rule, Rules};
use serde_json::{Map, Value};

use self::body::Node;
use super::buffer::{response_too_large, too_large};
use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::failure::ResponseFlags;
use crate::http::double;
use crate::http::stream::asks_for_tunnel;
use crate::stats::Counter;
use crate::telemetry::dynamic::DynamicMetadata;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::BodyLength;

/// Octets of a text that is taken.
const LONGEST: usize = 8 * 1024;

/// The filter.
#[derive(Debug)]
pub(crate) struct JsonToMetadata {
    config: Config,
    request: Counts,
    response: Counts,
}

#[derive(Debug)]
struct Counts {
    success: Counter,
    mismatched_content_type: Counter,
    no_body: Counter,
    invalid_json_body: Counter,
}

/// What is written, by namespace.
type Written<'r> = BTreeMap<&'r str, Map<String, Value>>;

impl HttpFilter for JsonToMetadata {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = Config;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<JsonToMetadata, Rejection> {
        let counts = |way: &str| {
            let counter = |end: &str| deps.stats.counter(&format!("json_to_metadata.{way}.{end}"));
            Counts {
                success: counter("success"),
                mismatched_content_type: counter("mismatched_content_type"),
                no_body: counter("no_body"),
                invalid_json_body: counter("invalid_json_body"),
            }
        };
        Ok(JsonToMetadata { config: config.clone(), request: counts("rq"), response: counts("resp") })
    }

    fn scope(config: &Config, _deps: &FilterDeps<'_>) -> Result<Config, Rejection> {
        Ok(config.clone())
    }

    fn acts(&self, scope: Option<&Config>) -> Hooks {
        let config = scope.unwrap_or(&self.config);
        let hook = |rules: &Option<Rules>, hook| if rules.is_none() { Hooks::NONE } else { hook };
        hook(&config.request, Hooks::REQUEST).with(hook(&config.response, Hooks::RESPONSE))
    }

    fn request(&self, turn: &mut Turn<'_, '_, JsonToMetadata>) -> Step {
        let Some(rules) = &turn.scope.unwrap_or(&turn.filter.config).request else { return Step::Continue };
        let request = &turn.stream.request;
        if asks_for_tunnel(request) {
            return Step::Continue;
        }
        let empty = request.body == BodyLength::Empty;
        let is_meant = is_meant(rules, &request.headers);
        let limit = turn.stream.may_hold(Way::Request);
        self.begin(rules, &self.request, (is_meant, empty, limit), &mut turn.stream.info.metadata)
    }

    fn response(&self, turn: &mut Turn<'_, '_, JsonToMetadata>) -> Step {
        let Some(rules) = &turn.scope.unwrap_or(&turn.filter.config).response else { return Step::Continue };
        let Some(head) = &turn.stream.response else { return Step::Continue };
        let empty = head.body == BodyLength::Empty;
        if head.body == BodyLength::UntilClose && asks_for_tunnel(&turn.stream.request) {
            return Step::Continue;
        }
        let is_meant = is_meant(rules, &head.headers);
        let limit = turn.stream.may_hold(Way::Response);
        self.begin(rules, &self.response, (is_meant, empty, limit), &mut turn.stream.info.metadata)
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, JsonToMetadata>, way: Way, waited: Waited, body: &mut Out<'_>) -> Step {
        let Waited::Collected { complete } = waited else {
            return Step::Abort(ResponseFlags::NONE, "filter_not_resumable");
        };
        let config = turn.scope.unwrap_or(&turn.filter.config);
        let (rules, counts) = match way {
            Way::Request if !complete => return too_large(turn.stream).into(),
            Way::Response if !complete => return response_too_large(turn.stream).into(),
            Way::Request => (&config.request, &self.request),
            Way::Response => (&config.response, &self.response),
        };
        if let Some(rules) = rules {
            judge(rules, counts, &body.data(), &mut turn.stream.info.metadata);
        }
        Step::Continue
    }
}

impl JsonToMetadata {
    fn begin(
        &self,
        rules: &Rules,
        counts: &Counts,
        (is_meant, empty, limit): (bool, bool, usize),
        metadata: &mut DynamicMetadata,
    ) -> Step {
        if !is_meant {
            counts.mismatched_content_type.inc();
            say_all(rules, |rule| rule.error.as_ref(), metadata);
            return Step::Continue;
        }
        if empty {
            nothing(rules, counts, metadata);
            return Step::Continue;
        }
        Step::Collect(Collect { limit })
    }
}

/// There is no body.
fn nothing(rules: &Rules, counts: &Counts, metadata: &mut DynamicMetadata) {
    counts.no_body.inc();
    say_all(rules, |rule| rule.missing.as_ref(), metadata);
}

fn is_meant(rules: &Rules, headers: &Headers) -> bool {
    match headers.get(&Name::CONTENT_TYPE).filter(|value| !value.is_empty()) {
        None => rules.empty_content_type,
        Some(value) => {
            rules.content_types.iter().any(|one| one.as_bytes() == &value[..])
                || rules.content_types_regex.as_ref().is_some_and(|regex| regex.matches(value))
        }
    }
}

fn judge(rules: &Rules, counts: &Counts, body: &[u8], metadata: &mut DynamicMetadata) {
    if body.is_empty() {
        return nothing(rules, counts, metadata);
    }
    let Some(whole) = Node::of(body) else {
        counts.invalid_json_body.inc();
        return say_all(rules, |rule| rule.error.as_ref(), metadata);
    };
    let mut written = Written::new();
    for rule in &rules.rules {
        let (last, before) = rule.path.split_last().map_or((None, &[][..]), |(last, before)| (Some(last), before));
        let holder = before.iter().try_fold(whole, |value, key| value.get(key).filter(|inner| inner.is_object()));
        let found = holder.and_then(|holder| of_object(holder, last?, rule));
        match found {
            Some(Some((pair, value))) => say(pair, value, metadata, &mut written),
            // Nothing is said of what is there.
            Some(None) => {}
            None => {
                if let Some(missing) = &rule.missing {
                    say(missing, missing.value.clone().unwrap_or_default(), metadata, &mut written);
                }
            }
        }
    }
    counts.success.inc();
    write(written, metadata);
}

/// What a rule says of an object: `None` where it misses something.
fn of_object<'r>(holder: Node<'_>, key: &str, rule: &'r Rule) -> Option<Option<(&'r Pair, Value)>> {
    let Some(present) = &rule.present else { return Some(None) };
    // A body that is neither has no keys to miss, and yet misses them.
    if !(holder.is_object() || holder.is_array()) {
        return None;
    }
    if let Some(given) = &present.value {
        return Some(Some((present, given.clone())));
    }
    let value = holder.get(key)?.scalar()?;
    let made = match (present.kind, value) {
        (_, Value::Null | Value::Array(_) | Value::Object(_)) => return None,
        (Kind::AsItIs, Value::String(text)) if text.len() > LONGEST => return None,
        (Kind::AsItIs | Kind::Number, Value::Number(value)) => number(value.as_f64()?),
        (Kind::AsItIs, value) => value,
        (Kind::Number, Value::Bool(value)) => Value::from(u8::from(value)),
        (Kind::Number, Value::String(text)) => number(double::parse(text.as_bytes())?),
        (Kind::Text, value) => {
            let text = match value {
                Value::Bool(value) => u8::from(value).to_string(),
                Value::Number(value) if value.is_f64() => format!("{:.6}", value.as_f64().unwrap_or_default()),
                Value::Number(value) => value.to_string(),
                Value::String(text) => text,
                _ => return None,
            };
            if text.len() > LONGEST {
                return None;
            }
            if text.is_empty() {
                return Some(None);
            }
            Value::from(text)
        }
    };
    Some(Some((present, made)))
}

/// A number as metadata has it: a whole one is written as such.
pub(super) fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT { Value::from(value as i64) } else { Value::from(value) }
}

fn say<'r>(pair: &'r Pair, value: Value, metadata: &DynamicMetadata, written: &mut Written<'r>) {
    let is_there = || metadata.get(&pair.namespace).is_some_and(|object| object.get(&*pair.key).is_some());
    if !(pair.preserve && is_there()) {
        written.entry(&pair.namespace).or_default().insert(pair.key.to_string(), value);
    }
}

fn say_all<'r>(rules: &'r Rules, which: impl Fn(&'r Rule) -> Option<&'r Pair>, metadata: &mut DynamicMetadata) {
    let mut written = Written::new();
    for pair in rules.rules.iter().filter_map(which) {
        say(pair, pair.value.clone().unwrap_or_default(), metadata, &mut written);
    }
    write(written, metadata);
}

fn write(written: Written<'_>, metadata: &mut DynamicMetadata) {
    for (namespace, object) in written {
        metadata.merge(namespace, &Value::Object(object));
    }
}

#[cfg(test)]
mod tests;
