//! How strictly a resource is read, and what was noticed while reading it. Made by the proxy once for each source of
//! resources (static, dynamic) and passed to every `decode`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::cluster::{Bind, DnsResolver};
use crate::endpoint::Locality;
use crate::filters::network::metadata_exchange::MetadataExchange;
use crate::rejection::{At, Rejection};
use crate::runtime::Runtime;
use crate::secret::DataSource;
use crate::workload::Workload;

/// Settings of a translation, from the command line and the bootstrap's runtime.
#[derive(Debug)]
pub struct Options {
    /// What happens to fields that this build does not know.
    pub unknown_fields: UnknownFields,
    /// What a `TypedStruct` holds is refused for fields that its message has not; else they are told.
    pub strict_structs: bool,
    /// Runtime key `envoy.reloadable_features.http_reject_path_with_fragment`: true answers 400 to a path with `#`, false strips it.
    pub reject_fragment: bool,
    /// `node.cluster`, or `--service-cluster`.
    pub service_cluster: Arc<str>,
    /// `cluster_manager.local_cluster_name`: the cluster of which this proxy is a member.
    pub local_cluster: Option<Arc<str>>,
    /// `cluster_manager.upstream_bind_config`, for clusters without one.
    pub upstream_bind: Option<Arc<Bind>>,
    /// The bootstrap's resolver, for clusters without one.
    pub dns_resolver: DnsResolver,
    /// `node.metadata`, an object; null where there is none.
    pub node_metadata: Arc<serde_json::Value>,
    /// The node, completed, as control planes are told it.
    pub node: Bytes,
    /// `node.id`, or `--service-node`.
    pub node_id: Arc<str>,
    /// Where the node is.
    pub node_locality: Locality,
    /// What clusters have for a filter, by its octets: all of them have the same, and reading it takes long.
    pub(crate) exchanges: RefCell<Vec<(Vec<u8>, Arc<MetadataExchange>)>>,
    /// Reads what a `DataSource` names beyond the configuration itself: this crate reads no files.
    pub read_source: ReadSource,
    /// `tracing.http` of the bootstrap, for connection managers without a provider.
    pub(crate) tracer: Option<Arc<crate::proto::trace::v3::tracing::Http>>,
    /// What fields that name a runtime key are in truth.
    pub runtime: Arc<Runtime>,
    /// Whoever reads wants to know all that is wrong with the fields of a message, and not the first of it alone.
    pub tells_all: bool,
    faults: RefCell<Vec<Rejection>>,
    /// What every message is held to before it is decoded.
    pub(crate) checks: Checks,
    notes: RefCell<BTreeMap<String, Note>>,
    /// Fields that nobody here knows, and how many of them were not told yet.
    unknown: RefCell<(BTreeSet<String>, Vec<String>)>,
    /// The resource that is being read, for notes.
    subject: RefCell<String>,
    /// Configs that hold the config that is being read.
    nesting: Cell<u8>,
    /// What was told before: an operator who reads it at every push reads it no more.
    told: RefCell<BTreeSet<String>>,
}

/// Reads a file or an environment variable; what went wrong, and what to do, otherwise.
pub type ReadSource = fn(&DataSource) -> Result<Bytes, String>;

/// A check of a message: its type's name, its octets, where it stands.
pub(crate) type Checks = fn(&str, &[u8], &At<'_>, &Options) -> Result<(), Rejection>;

/// Where something was first noted, and how often it was noted again.
#[derive(Debug)]
struct Note {
    first: String,
    again: usize,
}

/// `--allow-unknown-static-fields`, `--reject-unknown-dynamic-fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    /// Skipped, as xDS resources are by default.
    #[default]
    Ignore,
    /// The resource is rejected with the field's path.
    Reject,
}

impl Default for Options {
    /// As Envoy treats xDS resources when nothing says otherwise.
    fn default() -> Self {
        Self::new(UnknownFields::Ignore, true)
    }
}

impl Options {
    /// Settings for one source of resources.
    pub fn new(unknown_fields: UnknownFields, reject_fragment: bool) -> Self {
        Self {
            unknown_fields,
            strict_structs: unknown_fields == UnknownFields::Reject,
            reject_fragment,
            service_cluster: Arc::default(),
            local_cluster: None,
            upstream_bind: None,
            dns_resolver: DnsResolver::default(),
            node_metadata: Arc::default(),
            node: Bytes::new(),
            node_id: Arc::default(),
            node_locality: Default::default(),
            exchanges: RefCell::default(),
            read_source: |_| Err(String::from("is not read here; give inline_string or inline_bytes")),
            tracer: None,
            runtime: Arc::default(),
            tells_all: false,
            faults: RefCell::default(),
            checks: crate::fields::check,
            notes: RefCell::default(),
            unknown: RefCell::default(),
            subject: RefCell::default(),
            nesting: Cell::default(),
            told: RefCell::default(),
        }
    }

    /// Whether messages are held to anything: a test of decoders alone says no.
    pub(crate) fn is_checking(&self) -> bool {
        std::ptr::fn_addr_eq(self.checks, crate::fields::check as Checks)
    }

    /// The labels that stand under a key of the node's metadata; what is no text is an empty one, as with Envoy.
    pub(crate) fn labels(&self, key: &str) -> Vec<(Arc<str>, Arc<str>)> {
        let labels = self.node_metadata.get(key).and_then(serde_json::Value::as_object);
        let text = |value: &serde_json::Value| Arc::from(value.as_str().unwrap_or_default());
        labels.into_iter().flatten().map(|(name, value)| (Arc::from(name.as_str()), text(value))).collect()
    }

    /// What the platform says of itself in the node's metadata, by the names that resources of OpenTelemetry have for it.
    pub(crate) fn platform(&self) -> Vec<(Arc<str>, Arc<str>)> {
        const NAMES: [(&str, &str); 4] = [
            ("aws_region", "cloud.region"),
            ("aws_availability_zone", "cloud.availability_zone"),
            ("aws_instance_id", "host.id"),
            ("aws_ecs_task_arn", "aws.ecs.task.arn"),
        ];
        let labels = self.labels("PLATFORM_METADATA");
        let named = |(key, value): &(Arc<str>, Arc<str>)| {
            let (_, name) = NAMES.iter().find(|(known, _)| *known == &**key)?;
            Some((Arc::from(*name), value.clone()))
        };
        let mut all: Vec<_> = labels.iter().filter_map(named).collect();
        if !all.is_empty() {
            all.push((Arc::from("cloud.provider"), Arc::from("aws")));
        }
        all
    }

    /// The workload that this node stands for. `labels` are those that peers are told beside the usual ones.
    pub(crate) fn workload(&self, labels: &[Arc<str>]) -> Workload {
        let Locality { region, zone, .. } = &self.node_locality;
        Workload::of_node(&self.node_metadata, &[region.clone(), zone.clone()], labels)
    }

    /// What the resources read so far ask for and do not get, for the log: one line for each kind, with the path of the first
    /// field, and once. At most [`Options::MOST_NOTES`] are kept between two calls.
    pub fn take_notes(&self) -> Vec<String> {
        let mut told = self.told.borrow_mut();
        let mut lines = Vec::new();
        for (text, note) in self.notes.take() {
            if told.contains(&text) {
                continue;
            }
            lines.push(match note.again {
                0 => format!("{}: {text}", note.first),
                again => format!("{}: {text} (and {again} more)", note.first),
            });
            if told.len() < Self::MOST_TOLD {
                told.insert(text);
            }
        }
        lines
    }

    /// A bound on memory: a control plane may repeat one unsupported field in thousands of resources.
    pub const MOST_NOTES: usize = 256;
    /// Another one: texts may hold names that a control plane makes up. What is beyond is told again.
    const MOST_TOLD: usize = 4096;

    /// Reads a config that stands inside another. Each is bytes of its own, so that nothing else bounds how deep they go.
    pub(crate) fn nested<T>(&self, at: &At<'_>, read: impl FnOnce() -> Result<T, Rejection>) -> Result<T, Rejection> {
        const DEEPEST: u8 = 8;
        let depth = self.nesting.get();
        if depth == DEEPEST {
            return Err(at.reject(format!("stands inside {DEEPEST} others; that is too deep")));
        }
        self.nesting.set(depth + 1);
        let found = read();
        self.nesting.set(depth);
        found
    }

    pub(crate) fn note(&self, at: &At<'_>, text: impl std::fmt::Display) {
        let mut notes = self.notes.borrow_mut();
        let text = text.to_string();
        if self.told.borrow().contains(&text) {
            return;
        }
        if let Some(note) = notes.get_mut(&text) {
            note.again += 1;
        } else if notes.len() < Self::MOST_NOTES {
            let subject = self.subject.borrow();
            let between = if subject.is_empty() || at.is_root() { "" } else { ": " };
            notes.insert(text, Note { first: format!("{subject}{between}{at}"), again: 0 });
        }
    }

    /// What is wrong beside what a message is refused for.
    pub fn add_faults(&self, faults: impl Iterator<Item = Rejection>) {
        if self.tells_all {
            self.faults.borrow_mut().extend(faults);
        }
    }

    /// All of that since the last call.
    pub(crate) fn take_faults(&self) -> Vec<Rejection> {
        self.faults.take()
    }

    /// A field's number that its message has not.
    pub(crate) fn unknown_field(&self, at: &At<'_>, message: &str, number: u32) {
        self.add_unknown(at, format!("{message} has no field {number}"));
    }

    /// A field of a message that is given as JSON.
    pub(crate) fn unknown_name(&self, at: &At<'_>, message: &str, path: &str) {
        self.add_unknown(at, format!("{message} has no field of the name in {path}"));
    }

    fn add_unknown(&self, at: &At<'_>, what: String) {
        let (known, news) = &mut *self.unknown.borrow_mut();
        // Once a kind, and a bound on memory as for notes.
        if known.len() < Self::MOST_TOLD && known.insert(what.clone()) {
            let subject = self.subject.borrow();
            news.push(format!("Unknown field in {subject} {at}: {what} that this build knows, and it is left out"));
        }
    }

    /// The unknown fields of resources that were read since the last call, once for each kind of message and field.
    pub fn take_unknown(&self) -> Vec<String> {
        std::mem::take(&mut self.unknown.borrow_mut().1)
    }

    /// Reads a resource: notes name it.
    pub(crate) fn reading<T>(&self, kind: &str, bytes: &[u8], read: impl FnOnce() -> T) -> T {
        self.reading_named(kind, &crate::resource_name(bytes), read)
    }

    /// The same of one whose name is known.
    pub(crate) fn reading_named<T>(&self, kind: &str, name: &str, read: impl FnOnce() -> T) -> T {
        *self.subject.borrow_mut() = format!("{kind} '{}'", crate::discreet::shown(name));
        let made = read();
        self.subject.borrow_mut().clear();
        made
    }
}
