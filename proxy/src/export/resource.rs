//! What is said of this proxy beside what it sends: the attributes of a resource of OpenTelemetry, each once, the last to say it wins.

use std::sync::Arc;

use config::services::otlp::Value;
use config::tracing::Detector;

/// Attributes in the order in which they were first said.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(Arc<str>, Value)>);

impl Attributes {
    pub fn say(&mut self, key: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| **known == *key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.into(), value)),
        }
    }

    pub fn say_text(&mut self, key: &str, text: &str) {
        self.say(key, Value::Text(text.to_owned()));
    }

    /// What detectors find.
    pub fn detect(&mut self, detectors: &[Detector]) {
        for detector in detectors {
            match detector {
                Detector::Environment => {
                    let list = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
                    attributes(&list).for_each(|(key, value)| self.say_text(key, value));
                }
                Detector::Static(list) => list.iter().for_each(|(key, value)| self.say_text(key, value)),
            }
        }
    }

    pub fn into_list(self) -> Vec<(Arc<str>, Value)> {
        self.0
    }
}

/// `key=value` and so on; what is no such pair is left out, and spaces belong to them, as with Envoy.
pub(super) fn attributes(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split(',').filter_map(|pair| {
        let mut parts = pair.split('=').filter(|part| !part.is_empty());
        let (key, value) = (parts.next()?, parts.next()?);
        parts.next().is_none().then_some((key, value))
    })
}
