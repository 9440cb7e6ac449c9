//! `envoy.extensions.filters.http.set_metadata.v3.Config`: writes dynamic metadata for later filters and logs.
//!
//! Fields honoured: all. A value is merged into what stands there: objects by key, lists end to end. What the most specific level
//! says comes after the filter's own, and is counted without the manager's prefix.

use config::Rejection;
use config::filters::set_metadata::{SetMetadata as Config, Value};
use serde_json::Value as Json;

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::stats::Counter;
use crate::telemetry::dynamic::{DynamicMetadata, TypedValue};

/// The filter, and what a level adds to it.
#[derive(Debug)]
pub(crate) struct SetMetadata {
    config: Config,
    overwrite_denied: Counter,
}

impl HttpFilter for SetMetadata {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = SetMetadata;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<SetMetadata, Rejection> {
        let overwrite_denied = deps.stats.counter(&format!("{}set_metadata.overwrite_denied", deps.scope));
        Ok(SetMetadata { config: config.clone(), overwrite_denied })
    }

    fn scope(config: &Config, deps: &FilterDeps<'_>) -> Result<SetMetadata, Rejection> {
        SetMetadata::compile(config, deps)
    }

    fn acts(&self, scope: Option<&SetMetadata>) -> Hooks {
        let acts = [Some(self), scope].into_iter().flatten().any(|level| !level.config.entries.is_empty());
        if acts { Hooks::REQUEST } else { Hooks::NONE }
    }

    fn request(&self, turn: &mut Turn<'_, '_, SetMetadata>) -> Step {
        for level in [Some(self), turn.scope].into_iter().flatten() {
            level.set(&mut turn.stream.info.metadata);
        }
        Step::Continue
    }
}

impl SetMetadata {
    fn set(&self, metadata: &mut DynamicMetadata) {
        for entry in &self.config.entries {
            match &entry.value {
                Value::Struct(value) => self.merge(metadata, &entry.namespace, entry.allow_overwrite, value),
                Value::Typed { type_url, bytes } => {
                    if metadata.typed(&entry.namespace).is_some() && !entry.allow_overwrite {
                        self.overwrite_denied.inc();
                        continue;
                    }
                    let value = TypedValue { type_url: type_url.clone(), bytes: bytes.clone() };
                    metadata.set_typed(&entry.namespace, value);
                }
            }
        }
    }

    fn merge(&self, metadata: &mut DynamicMetadata, namespace: &str, overwrite: bool, value: &Json) {
        match metadata.get(namespace) {
            None => metadata.set(namespace, value.clone()),
            Some(old) if overwrite => {
                let mut merged = old.clone();
                update(&mut merged, value);
                metadata.set(namespace, merged);
            }
            Some(_) => self.overwrite_denied.inc(),
        }
    }
}

/// Merges as Envoy does: objects by key, lists end to end, anything else is replaced.
fn update(old: &mut Json, new: &Json) {
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => {
            for (key, value) in new {
                match old.get_mut(key) {
                    Some(old) => update(old, value),
                    None => drop(old.insert(key.clone(), value.clone())),
                }
            }
        }
        (Json::Array(old), Json::Array(new)) => old.extend(new.iter().cloned()),
        (old, new) => *old = new.clone(),
    }
}

#[cfg(test)]
mod tests;
