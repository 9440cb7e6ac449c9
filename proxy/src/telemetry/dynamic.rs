//! What filters write about a request or a connection: dynamic metadata and filter state. Nothing is allocated before the first write.
//! Written by filters of `http` and `tcp`, read by other filters and by logs.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::peer::{Peer, Side};

/// Dynamic metadata: an object a namespace.
#[derive(Debug, Clone, Default)]
pub struct DynamicMetadata {
    all: Option<Box<Namespaces>>,
    /// What was said since, in order; it is merged when somebody reads it. Istio has three filters that say two things each.
    said: [Option<Rc<Said>>; 6],
    /// All objects with what was said, once somebody has read it.
    merged: OnceCell<Box<Map<String, Value>>>,
}

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

/// An object that is merged into a namespace again and again: made when configuration arrives, so that a request that says it allocates
/// nothing. Each worker has copies of its own, for a count that all workers change would cost more than the copy.
#[derive(Debug)]
pub struct Saying {
    /// Of this one alone, in the process.
    number: u64,
    said: Said,
}

#[derive(Debug, Clone)]
struct Said {
    namespace: &'static str,
    value: Value,
}

/// By number, each in the place that its number has.
type Copies = Vec<Option<(u64, Rc<Said>)>>;

/// Copies that a worker keeps. More of them than this take each other's places.
const COPIES: usize = 1024;

thread_local! {
    static SAID: RefCell<Copies> = const { RefCell::new(Vec::new()) };
}

impl Saying {
    /// Of an object.
    pub fn new(namespace: &'static str, value: Value) -> Saying {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Saying { number: NEXT.fetch_add(1, Ordering::Relaxed), said: Said { namespace, value } }
    }

    fn copy(&self) -> Rc<Said> {
        SAID.with_borrow_mut(|copies| {
            if copies.is_empty() {
                copies.resize(COPIES, None);
            }
            let copy = &mut copies[self.number as usize % COPIES];
            match copy {
                Some((number, said)) if *number == self.number => said.clone(),
                _ => copy.insert((self.number, Rc::new(self.said.clone()))).1.clone(),
            }
        })
    }
}

impl DynamicMetadata {
    /// The object of a namespace.
    pub fn get(&self, namespace: &str) -> Option<&Value> {
        if self.said.iter().flatten().any(|said| said.namespace == namespace) {
            return self.merged().get(namespace);
        }
        self.all.as_ref()?.plain.get(namespace)
    }

    /// What stands at the end of a path of keys below a namespace.
    pub fn at<'v>(&'v self, namespace: &str, path: impl IntoIterator<Item = &'v str>) -> Option<&'v Value> {
        path.into_iter().try_fold(self.get(namespace)?, |value, key| value.get(key))
    }

    /// The message of a namespace.
    pub fn typed(&self, namespace: &str) -> Option<&TypedValue> {
        self.all.as_ref()?.typed.iter().find(|(name, _)| **name == *namespace).map(|(_, value)| value)
    }

    /// Adds an object to a namespace, as protobuf merges a `Struct`'s map: keys of the new one win.
    pub fn merge(&mut self, namespace: &str, value: &Value) {
        merge(self.plain(), namespace, value);
    }

    /// The same of an object that is often said.
    pub fn say(&mut self, saying: &Saying) {
        self.merged.take();
        let copy = saying.copy();
        match self.said.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(copy),
            // More is said than there are places: what was said before is merged now.
            None => merge(self.plain(), copy.namespace, &copy.value),
        }
    }

    /// Adds one key to a namespace, in place of one that is there.
    pub fn add(&mut self, namespace: &str, key: &str, value: Value) {
        let all = self.plain();
        match all.get_mut(namespace) {
            Some(Value::Object(object)) => drop(object.insert(key.to_owned(), value)),
            _ => {
                let object = Map::from_iter([(key.to_owned(), value)]);
                all.insert(namespace.to_owned(), Value::Object(object));
            }
        }
    }

    /// Puts an object in the place of a namespace's.
    pub fn set(&mut self, namespace: &str, value: Value) {
        self.plain().insert(namespace.to_owned(), value);
    }

    /// Puts a message in the place of a namespace's.
    pub fn set_typed(&mut self, namespace: &Arc<str>, value: TypedValue) {
        let typed = &mut self.all.get_or_insert_default().typed;
        match typed.iter_mut().find(|(name, _)| name == namespace) {
            Some((_, old)) => *old = value,
            None => typed.push((namespace.clone(), value)),
        }
    }

    /// All namespaces that have an object.
    pub fn namespaces(&self) -> impl Iterator<Item = (&str, &Value)> {
        let plain = match self.said.iter().all(Option::is_none) {
            true => self.all.as_ref().map(|all| &all.plain),
            false => Some(self.merged()),
        };
        plain.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// All namespaces that have a message.
    pub fn typed_namespaces(&self) -> impl Iterator<Item = (&Arc<str>, &TypedValue)> {
        self.all.iter().flat_map(|all| &all.typed).map(|(name, value)| (name, value))
    }

    fn merged(&self) -> &Map<String, Value> {
        self.merged.get_or_init(|| {
            let mut plain = self.all.as_ref().map(|all| all.plain.clone()).unwrap_or_default();
            self.said.iter().flatten().for_each(|said| merge(&mut plain, said.namespace, &said.value));
            Box::new(plain)
        })
    }

    /// The objects to change, with what was said before.
    fn plain(&mut self) -> &mut Map<String, Value> {
        self.merged.take();
        let plain = &mut self.all.get_or_insert_default().plain;
        self.said.iter_mut().filter_map(Option::take).for_each(|said| merge(plain, said.namespace, &said.value));
        plain
    }
}

fn merge(all: &mut Map<String, Value>, namespace: &str, value: &Value) {
    let Value::Object(new) = value else { return };
    match all.get_mut(namespace) {
        Some(Value::Object(old)) => old.extend(new.iter().map(|(key, value)| (key.clone(), value.clone()))),
        _ => drop(all.insert(namespace.to_owned(), value.clone())),
    }
}

/// Filter state: objects by key, and the peers, whose objects are made when somebody looks at them.
#[derive(Debug, Clone, Default)]
pub struct FilterState {
    objects: Option<Box<Objects>>,
    peers: [Option<Rc<Peer>>; 2],
}

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// As text, and as the string that it is.
    Text,
    /// As text alone.
    Plain,
    /// As the JSON that it is, and not as text.
    Json,
    /// The same, where it is any; its fields are these numbers.
    Measured(Rc<[(&'static str, u64)]>),
    /// A message that is a `Struct`, inside an `Any`.
    Message(Rc<Value>),
    /// The same by itself, whose fields can be asked for.
    Fields(Rc<Value>),
    /// As the text that it is, whose fields can be asked for, and as this JSON.
    Decision(Rc<str>),
    /// As the text that it is, the number of messages each way of a gRPC request, and as JSON that names them.
    Messages,
    /// As the text that it is; its fields are `ip` and `port`.
    Address(SocketAddr),
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

impl StateObject {
    /// What expressions find in it, where it is more than a text.
    pub fn structure(&self) -> Option<&Value> {
        match &self.form {
            Form::Message(value) | Form::Fields(value) => Some(value),
            Form::Text
            | Form::Plain
            | Form::Json
            | Form::Measured(_)
            | Form::Decision(_)
            | Form::Messages
            | Form::Address(_)
            | Form::Hidden => None,
        }
    }

    /// The address that it is.
    pub fn address(&self) -> Option<SocketAddr> {
        if let Form::Address(address) = self.form { Some(address) } else { None }
    }
}

impl FilterState {
    /// The object of a key.
    pub fn get(&self, key: &str) -> Option<&StateObject> {
        let set = self.objects().find(|object| *object.key == *key);
        set.or_else(|| Side::ALL.iter().find_map(|side| self.peer(*side)?.object(*side, key)))
    }

    /// The object of a key, as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(&self.get(key)?.value).ok()
    }

    /// Sets an object. False if there is one that is read only: it stays.
    pub fn set(&mut self, object: StateObject) -> bool {
        let objects = &mut self.objects.get_or_insert_default().0;
        match objects.iter_mut().find(|old| old.key == object.key) {
            Some(old) if old.read_only => return false,
            Some(old) => *old = object,
            None => objects.push(object),
        }
        true
    }

    /// The peer of a side.
    pub fn peer(&self, side: Side) -> Option<&Rc<Peer>> {
        self.peers[side as usize].as_ref().filter(|peer| peer.is_known())
    }

    /// Whether it is known who the peer of a side is, or that it does not say.
    pub fn is_settled(&self, side: Side) -> bool {
        self.peers[side as usize].as_ref().is_some_and(|peer| peer.is_settled())
    }

    /// Sets the peer of a side. One that is known stays.
    pub fn set_peer(&mut self, side: Side, peer: Rc<Peer>) {
        if self.peer(side).is_none() {
            self.peers[side as usize] = Some(peer);
        }
    }

    /// No object was ever set. Peers are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_none()
    }

    /// All objects that were set, in the order in which they first were.
    pub fn objects(&self) -> impl Iterator<Item = &StateObject> {
        self.objects.iter().flat_map(|objects| &objects.0)
    }
}

#[cfg(test)]
mod tests;
