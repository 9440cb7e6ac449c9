//! What filters write about a request or a connection: dynamic metadata and filter state. Nothing is allocated before the first write.
//! Written by filters of `http` and `tcp`, read by other filters and by logs.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

/// Dynamic metadata: an object a namespace.
#[derive(Debug, Clone, Default)]
pub struct DynamicMetadata(Option<Box<Namespaces>>);

#[derive(Debug, Clone, Default)]
struct Namespaces {
    plain: Map<String, Value>,
    typed: Vec<(Arc<str>, TypedValue)>,
}

/// A message that a filter has put under a namespace (`typed_filter_metadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedValue {
    /// Its type URL.
    pub type_url: Arc<str>,
    /// Its bytes.
    pub bytes: Bytes,
}

impl DynamicMetadata {
    /// The object of a namespace.
    pub fn get(&self, namespace: &str) -> Option<&Value> {
        self.0.as_ref()?.plain.get(namespace)
    }

    /// What stands at the end of a path of keys below a namespace.
    pub fn at<'v>(&'v self, namespace: &str, path: impl IntoIterator<Item = &'v str>) -> Option<&'v Value> {
        path.into_iter().try_fold(self.get(namespace)?, |value, key| value.get(key))
    }

    /// The message of a namespace.
    pub fn typed(&self, namespace: &str) -> Option<&TypedValue> {
        self.0.as_ref()?.typed.iter().find(|(name, _)| **name == *namespace).map(|(_, value)| value)
    }

    /// Adds an object to a namespace, as protobuf merges a `Struct`'s map: keys of the new one win.
    pub fn merge(&mut self, namespace: &str, value: &Value) {
        if let Value::Object(new) = value {
            self.merge_owned(namespace, new.clone());
        }
    }

    /// The same of what was made for it.
    pub fn merge_owned(&mut self, namespace: &str, new: Map<String, Value>) {
        let all = &mut self.0.get_or_insert_default().plain;
        match all.get_mut(namespace) {
            Some(Value::Object(old)) => old.extend(new),
            _ => drop(all.insert(namespace.to_owned(), Value::Object(new))),
        }
    }

    /// Puts an object in the place of a namespace's.
    pub fn set(&mut self, namespace: &str, value: Value) {
        self.0.get_or_insert_default().plain.insert(namespace.to_owned(), value);
    }

    /// Puts a message in the place of a namespace's.
    pub fn set_typed(&mut self, namespace: &Arc<str>, value: TypedValue) {
        let typed = &mut self.0.get_or_insert_default().typed;
        match typed.iter_mut().find(|(name, _)| name == namespace) {
            Some((_, old)) => *old = value,
            None => typed.push((namespace.clone(), value)),
        }
    }

    /// All namespaces that have an object.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().flat_map(|all| &all.plain).map(|(name, value)| (name.as_str(), value))
    }

    /// All namespaces that have a message.
    pub fn typed_namespaces(&self) -> impl Iterator<Item = (&Arc<str>, &TypedValue)> {
        self.0.iter().flat_map(|all| &all.typed).map(|(name, value)| (name, value))
    }
}

/// Filter state: objects by key.
#[derive(Debug, Clone, Default)]
pub struct FilterState(Option<Box<Objects>>);

#[derive(Debug, Clone, Default)]
struct Objects(Vec<StateObject>);

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateObject {
    /// Its key.
    pub key: Arc<str>,
    /// As it is matched.
    pub value: Bytes,
    /// As what it is printed.
    pub form: Form,
    /// It is not replaced any more.
    pub read_only: bool,
    /// Whether upstream connections see it.
    pub shared: Shared,
}

/// As what an object is printed, by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As text, and as the string that it is.
    Text,
    /// As text alone.
    Plain,
    /// As the JSON that it is, and not as text.
    Json,
    /// Not at all.
    Hidden,
}

/// `shared_with_upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// No.
    None,
    /// The next one.
    Once,
    /// And those behind it.
    Transitive,
}

impl FilterState {
    /// The object of a key.
    pub fn get(&self, key: &str) -> Option<&StateObject> {
        self.objects().find(|object| *object.key == *key)
    }

    /// Sets an object. False if there is one that is read only: it stays.
    pub fn set(&mut self, object: StateObject) -> bool {
        let objects = &mut self.0.get_or_insert_default().0;
        match objects.iter_mut().find(|old| old.key == object.key) {
            Some(old) if old.read_only => return false,
            Some(old) => *old = object,
            None => objects.push(object),
        }
        true
    }

    /// Nothing was ever set.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All objects, in the order in which they were first set.
    pub fn objects(&self) -> impl Iterator<Item = &StateObject> {
        self.0.iter().flat_map(|objects| &objects.0)
    }
}

#[cfg(test)]
mod tests;
