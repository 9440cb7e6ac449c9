//! `envoy.extensions.filters.http.header_to_metadata.v3.Config`: headers and cookies become dynamic metadata, for later filters and logs.
//!
//! Fields honoured: all, also where routes say them. Values of 8 KiB and more are left out, as with Envoy. Pseudo headers are never
//! removed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use config::Rejection;
use config::filters::header_to_metadata::{From, HeaderToMetadata as Config, Kind, Pair, Rule as RuleConfig};
use config::matcher::octets;
use config::metadata::value_of;
use serde_json::{Map, Value};

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::cookie;
use crate::http::double;
use crate::http::rewrite::substitute;
use crate::policy::headers::Field;
use crate::stats::Counter;
use crate::telemetry::dynamic::DynamicMetadata;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::RequestHead;

/// Octets of a value that is taken, less one.
const TOO_LONG: usize = 8 * 1024;

/// The filter, or what a route has in its place.
#[derive(Debug)]
pub(crate) struct HeaderToMetadata {
    request: Box<[Rule]>,
    response: Box<[Rule]>,
    counts: Option<Counts>,
}

crate::stats::counters! {
    struct Counts {
        request_rules_processed response_rules_processed request_metadata_added response_metadata_added request_header_not_found
        response_header_not_found base64_decode_failed header_value_too_long regex_substitution_failed
    }
}

#[derive(Debug)]
struct Rule {
    from: Place,
    config: RuleConfig,
}

#[derive(Debug)]
enum Place {
    Header(Field),
    Cookie(Box<[u8]>),
}

/// What is written, by namespace.
type Written<'r> = BTreeMap<&'r str, Map<String, Value>>;

impl HttpFilter for HeaderToMetadata {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = HeaderToMetadata;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<HeaderToMetadata, Rejection> {
        let rule = |config: &RuleConfig| Rule {
            from: match &config.from {
                From::Header(name) => Place::Header(Field::compile(name)),
                From::Cookie(name) => Place::Cookie(name.as_bytes().into()),
            },
            config: config.clone(),
        };
        let prefix = config.stat_prefix.as_ref();
        Ok(HeaderToMetadata {
            request: config.request.iter().map(rule).collect(),
            response: config.response.iter().map(rule).collect(),
            counts: prefix.map(|prefix| Counts::new(deps.stats, &format!("http_filter_name.{prefix}."))),
        })
    }

    fn scope(config: &Config, deps: &FilterDeps<'_>) -> Result<HeaderToMetadata, Rejection> {
        HeaderToMetadata::compile(config, deps)
    }

    fn acts(&self, scope: Option<&HeaderToMetadata>) -> Hooks {
        let rules = scope.unwrap_or(self);
        let hook = |rules: &[Rule], hook| if rules.is_empty() { Hooks::NONE } else { hook };
        hook(&rules.request, Hooks::REQUEST).with(hook(&rules.response, Hooks::RESPONSE))
    }

    fn request(&self, turn: &mut Turn<'_, '_, HeaderToMetadata>) -> Step {
        let rules = turn.scope.unwrap_or(turn.filter);
        let (counts, request) = (rules.counts.as_ref(), &mut turn.stream.request);
        let mut written = Written::new();
        for rule in &rules.request {
            let value = rule.from.in_request(request);
            let not_found = counts.map(|counts| (counts.request_rules_processed, counts.request_header_not_found));
            let added = counts.map(|counts| counts.request_metadata_added);
            rule.apply(value.as_deref(), counts, not_found, added, &mut written);
            rule.remove(&mut request.headers);
        }
        write(written, &mut turn.stream.info.metadata);
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, HeaderToMetadata>) -> Step {
        let rules = turn.scope.unwrap_or(turn.filter);
        let Some(head) = &mut turn.stream.response else { return Step::Continue };
        let (counts, mut written) = (rules.counts.as_ref(), Written::new());
        for rule in &rules.response {
            let status;
            let value = match &rule.from {
                Place::Header(Field::Status) => {
                    status = head.status.to_string();
                    Some(Cow::Borrowed(status.as_bytes()))
                }
                Place::Header(Field::Header(name)) => joined(&head.headers, name),
                Place::Header(_) => None,
                Place::Cookie(name) => in_cookie(&head.headers, name),
            };
            let not_found = counts.map(|counts| (counts.response_rules_processed, counts.response_header_not_found));
            let added = counts.map(|counts| counts.response_metadata_added);
            rule.apply(value.as_deref(), counts, not_found, added, &mut written);
            rule.remove(&mut head.headers);
        }
        write(written, &mut turn.stream.info.metadata);
        Step::Continue
    }
}

impl Place {
    fn in_request<'a>(&'a self, request: &'a RequestHead) -> Option<Cow<'a, [u8]>> {
        match self {
            Place::Header(Field::Header(name)) => joined(&request.headers, name),
            Place::Header(field) => field.first(request).map(Cow::Borrowed),
            Place::Cookie(name) => in_cookie(&request.headers, name),
        }
    }
}

fn in_cookie<'a>(headers: &'a Headers, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    cookie::value(headers, name).filter(|value| !value.is_empty()).map(Cow::Borrowed)
}

fn joined<'a>(headers: &'a Headers, name: &'a Name) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).map(|value| &value[..]);
    let first = values.next()?;
    let rest: Vec<&[u8]> = values.collect();
    Some(match rest.is_empty() {
        true => Cow::Borrowed(first),
        false => Cow::Owned([&[first], &rest[..]].concat().join(&b',')),
    })
}

impl Rule {
    fn apply<'r>(
        &'r self,
        value: Option<&[u8]>,
        counts: Option<&Counts>,
        looked: Option<(Counter, Counter)>,
        added: Option<Counter>,
        written: &mut Written<'r>,
    ) {
        if let Some((processed, _)) = looked {
            processed.inc();
        }
        let pair = match (value, &self.config.present, &self.config.missing) {
            (Some(_), Some(present), _) => present,
            (None, _, Some(missing)) => {
                if let Some((_, not_found)) = looked {
                    not_found.inc();
                }
                missing
            }
            _ => return,
        };
        if let Some(made) = made(pair, value.unwrap_or_default(), counts) {
            written.entry(&pair.namespace).or_default().insert(pair.key.to_string(), made);
            if let Some(added) = added {
                added.inc();
            }
        }
    }

    fn remove(&self, headers: &mut Headers) {
        if let (true, Place::Header(Field::Header(name))) = (self.config.remove, &self.from) {
            headers.remove(name);
        }
    }
}

/// What becomes of a value; nothing where it is empty, too long or not what it should be.
fn made(pair: &Pair, value: &[u8], counts: Option<&Counts>) -> Option<Value> {
    let count = |of: fn(&Counts) -> Counter| {
        if let Some(counts) = counts {
            of(counts).inc();
        }
    };
    let value = match (&pair.value, &pair.rewrite) {
        (Some(given), _) => Cow::Borrowed(given.as_bytes()),
        (None, None) => Cow::Borrowed(value),
        (None, Some((pattern, substitution))) => {
            let rewritten = substitute(pattern, substitution, value);
            if !value.is_empty() && rewritten.is_empty() {
                count(|counts| counts.regex_substitution_failed);
            }
            Cow::Owned(rewritten.to_vec())
        }
    };
    if value.is_empty() {
        return None;
    }
    if value.len() >= TOO_LONG {
        count(|counts| counts.header_value_too_long);
        return None;
    }
    let value = match pair.base64 {
        false => value,
        true => {
            let bare = value.strip_suffix(b"=").unwrap_or(&value);
            let bare = bare.strip_suffix(b"=").unwrap_or(bare);
            match STANDARD_NO_PAD.decode(bare) {
                Ok(decoded) if !decoded.is_empty() => Cow::Owned(decoded),
                _ => {
                    count(|counts| counts.base64_decode_failed);
                    return None;
                }
            }
        }
    };
    match pair.kind {
        Kind::Text => Some(Value::from(octets::to_text(&value))),
        Kind::Number => Some(super::json_to_metadata::number(double::parse(&value)?)),
        Kind::Message => value_of(&value),
    }
}

fn write(written: Written<'_>, metadata: &mut DynamicMetadata) {
    for (namespace, object) in written {
        metadata.merge(namespace, &Value::Object(object));
    }
}

#[cfg(test)]
mod tests;
