//! `FilterStateValue`s, compiled: objects of filter state that are made of what is known of a stream. Used by the filters
//! `set_filter_state` of connections and of requests.

use std::fmt;

use bytes::Bytes;
use config::access_log::{Format, LogFormat};
use config::filters::set_filter_state::{FilterStateValue, Object, SharedWithUpstream};
use config::{At, Rejection};

use super::access_log::LogEntry;
use super::dynamic::{Form, Shared, StateObject};
use super::format::{self, JsonLine};

/// Values in order.
#[derive(Debug, Default)]
pub struct StateValues(Box<[StateValue]>);

/// One value.
pub struct StateValue {
    config: FilterStateValue,
    text: Text,
}

enum Text {
    Plain(Format),
    Json(JsonLine),
}

impl StateValues {
    /// Compiles.
    pub fn compile(values: &[FilterStateValue]) -> StateValues {
        let one = |config: &FilterStateValue| {
            let text = match &config.value {
                LogFormat::Text(format) => {
                    let mut format = format.clone();
                    format::settle(&mut format);
                    Text::Plain(format)
                }
                LogFormat::Json(fields) => Text::Json(JsonLine::compile(fields)),
            };
            StateValue { config: config.clone(), text }
        };
        StateValues(values.iter().map(one).collect())
    }

    /// Compiles the values of a connection; `at` is their list.
    ///
    /// # Errors
    /// Names that an upstream must prove: nothing here would demand them.
    pub fn of_connection(values: &[FilterStateValue], at: &At<'_>) -> Result<StateValues, Rejection> {
        match values.iter().position(|value| value.object == Object::UpstreamSubjectAltNames) {
            None => Ok(StateValues::compile(values)),
            Some(index) => Err(at
                .index(index)
                .field("object_key")
                .unsupported("names demanded of upstreams of TCP are not verified yet")),
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order: a later one may be made of an earlier one.
    pub fn iter(&self) -> impl Iterator<Item = &StateValue> {
        self.0.iter()
    }
}

impl StateValue {
    /// The object; `None` where nothing is to be set.
    pub fn object(&self, entry: &LogEntry<'_>) -> Option<StateObject> {
        let mut text = Vec::new();
        match &self.text {
            Text::Plain(format) => format::write(format, entry, &mut text),
            Text::Json(line) => format::write_line(line, entry, &mut text),
        }
        let config = &self.config;
        if config.skip_if_empty && text.is_empty() {
            return None;
        }
        // As in Envoy text that is no number, or no address, makes no object.
        let read = || std::str::from_utf8(&text).ok();
        let form = match config.object {
            Object::Text | Object::HashableText => Form::Text,
            Object::IdleTimeout => read()?.trim().parse::<u64>().ok().map(|_| Form::Plain)?,
            Object::DisableTunneling => read().filter(|text| ["true", "false"].contains(text)).map(|_| Form::Plain)?,
            Object::Number => read()?.trim().parse::<u32>().ok().map(|_| Form::Plain)?,
            Object::UpstreamServerName | Object::TcpProxyCluster => Form::Plain,
            Object::UpstreamSubjectAltNames | Object::ApplicationProtocols => Form::Hidden,
            Object::Address => Form::Address(read()?.parse().ok()?),
        };
        Some(StateObject {
            key: config.key.clone(),
            value: match form {
                Form::Address(address) => Bytes::from(address.to_string()),
                _ => Bytes::from(text),
            },
            form,
            // Envoy replaces those as well that are read only.
            read_only: false,
            shared: match config.shared {
                SharedWithUpstream::No => Shared::None,
                SharedWithUpstream::Once => Shared::Once,
                SharedWithUpstream::Transitive => Shared::Transitive,
            },
        })
    }
}

impl fmt::Debug for StateValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(out)
    }
}
