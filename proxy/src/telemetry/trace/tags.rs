//! Custom tags: what configuration has spans say, of a connection manager and of a route.

use config::access_log::Format;
use config::services::span::Span;
use config::tracing::{CustomTag, TagValue};

use crate::telemetry::access_log::LogEntry;
use crate::telemetry::format;

/// Custom tags of one level.
#[derive(Debug, Default)]
pub struct CustomTags(Box<[(Box<str>, Value)]>);

#[derive(Debug)]
enum Value {
    /// Known when the configuration came.
    Fixed(Box<str>),
    /// By a format; what stands in for what is not there.
    Written(Format, Box<str>),
}

impl CustomTags {
    /// Makes them ready.
    pub fn compile(tags: &[CustomTag]) -> CustomTags {
        let one = |tag: &CustomTag| {
            let value = match &tag.value {
                TagValue::Literal(text) => Value::Fixed((**text).into()),
                TagValue::Environment(name, default) => {
                    Value::Fixed(std::env::var(&**name).map_or_else(|_| (**default).into(), String::into_boxed_str))
                }
                TagValue::Written(format, default) => {
                    let mut format = format.clone();
                    format::settle(&mut format);
                    Value::Written(format, (**default).into())
                }
            };
            ((*tag.name).into(), value)
        };
        CustomTags(tags.iter().map(one).collect())
    }

    /// Whether one of them tells of moments that are not kept otherwise.
    pub fn wants_times(&self) -> bool {
        self.0.iter().any(|(_, value)| matches!(value, Value::Written(format, _) if format::wants_times(format)))
    }

    /// Sets them but for those that `instead` has, too. Empty ones are left out.
    pub fn apply(&self, instead: Option<&CustomTags>, entry: &LogEntry<'_>, span: &mut Span) {
        self.each(instead, entry, |name, text| span.tag(name.to_string(), text));
    }

    /// The same for whoever wants them.
    pub fn each(&self, instead: Option<&CustomTags>, entry: &LogEntry<'_>, mut see: impl FnMut(&str, String)) {
        let has = |tags: &CustomTags, name: &str| tags.0.iter().any(|(known, _)| &**known == name);
        for (name, value) in self.0.iter().filter(|(name, _)| !instead.is_some_and(|tags| has(tags, name))) {
            let text = match value {
                Value::Fixed(text) => text.to_string(),
                Value::Written(format, default) => {
                    Some(written(format, entry)).filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_string())
                }
            };
            if !text.is_empty() {
                see(name, text);
            }
        }
    }
}

/// A format as text: what is no UTF-8 is told as `!`, as wherever protobuf carries it.
pub fn written(format: &Format, entry: &LogEntry<'_>) -> String {
    let mut out = Vec::new();
    format::write(format, entry, &mut out);
    String::from_utf8(out).unwrap_or_else(|error| config::services::sanitized(error.as_bytes()))
}
