//! What Istio's proxies tell each other about the workload that they stand for: read from a node's metadata, from a peer's header or
//! frame, from an endpoint's label and from baggage, and written as header, frame, baggage and filter state. Called by the
//! translations of Istio's filters for this node's own, and by the proxy for each peer that it has not seen before.
//!
//! What peers send is a stranger's: it is bounded, cut where it is too long, and never more than text.

use std::sync::Arc;

mod baggage;
mod discovered;
mod message;
mod told;

use self::message::Fields;

pub use discovered::{Discovered, of_xds};
pub use message::frame_of;
pub use told::{FRAME_HEAD, Frame, LONGEST_FRAME, NotTold, Told, frame_head, of_frame, of_header};

/// Name and value of the header, and of the frame's entry, that hold a workload.
pub const METADATA: &str = "x-envoy-peer-metadata";
/// And of those that hold the node's id.
pub const METADATA_ID: &str = "x-envoy-peer-metadata-id";

/// Octets of a text that are kept of what a peer says. Names of Kubernetes have at most 253.
const LONGEST: usize = 256;
/// Of an identity: a SPIFFE id may have 2048.
const LONGEST_IDENTITY: usize = 2048;

/// A workload. What is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// The instance: a pod's or a machine's name.
    pub instance: Arc<str>,
    /// The Kubernetes cluster.
    pub cluster: Arc<str>,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The workload's own name.
    pub name: Arc<str>,
    /// The canonical service.
    pub service: Arc<str>,
    /// Its revision.
    pub revision: Arc<str>,
    /// The label `app`.
    pub app: Arc<str>,
    /// The label `version`.
    pub version: Arc<str>,
    /// What kind of workload it is.
    pub kind: Kind,
    /// Its identity, where it says one.
    pub identity: Arc<str>,
    /// The region.
    pub region: Arc<str>,
    /// The zone.
    pub zone: Arc<str>,
    /// Labels that configuration asks for, by name.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
}

/// A kind of workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    #[default]
    Unknown,
    Pod,
    Deployment,
    Job,
    CronJob,
}

const KINDS: [(Kind, &str); 4] =
    [(Kind::Pod, "pod"), (Kind::Deployment, "deployment"), (Kind::Job, "job"), (Kind::CronJob, "cronjob")];

impl Kind {
    /// As it is written; `None` for what is not known.
    pub fn as_str(self) -> Option<&'static str> {
        KINDS.iter().find(|(kind, _)| *kind == self).map(|(_, text)| *text)
    }

    fn of(text: &str) -> Kind {
        KINDS.iter().find(|(_, known)| *known == text).map_or(Kind::Unknown, |(kind, _)| *kind)
    }

    /// Out of `kubernetes://apis/apps/v1/namespaces/NAMESPACE/deployments/NAME`.
    fn of_owner(owner: &str, name: &str) -> Kind {
        // The letter of the plural, and the slash before the name.
        let end = owner.len().checked_sub(name.len() + 2).filter(|end| *end > 0);
        let kind = end.and_then(|end| owner.get(..end)).and_then(|rest| rest.rsplit_once('/'));
        kind.map_or(Kind::Unknown, |(_, kind)| Kind::of(kind))
    }
}

impl Workload {
    /// Of a node: its metadata, and where it stands. `labels` are those that are told beside the usual ones.
    pub fn of_node(metadata: &serde_json::Value, locality: &[Arc<str>; 2], labels: &[Arc<str>]) -> Workload {
        let mut workload = Workload::of_fields(&Fields::of_json(metadata), labels, &mut |text, _| Arc::from(text));
        let [region, zone] = locality;
        for (own, given) in [(&mut workload.region, region), (&mut workload.zone, zone)] {
            if own.is_empty() {
                own.clone_from(given);
            }
        }
        workload
    }

    /// Of the label of an endpoint, `name;namespace;service;revision;cluster`.
    pub fn of_endpoint(text: &str) -> Option<Workload> {
        let mut parts = text.split(';').map(Arc::from);
        let mut next = || parts.next();
        let (name, namespace, service, revision, cluster) = (next()?, next()?, next()?, next()?, next()?);
        Some(Workload { name, namespace, service, revision, cluster, ..Workload::default() })
    }

    /// `cut` keeps of a text what may be kept, given how long it may be.
    fn of_fields(fields: &Fields, wanted: &[Arc<str>], cut: &mut dyn FnMut(&str, usize) -> Arc<str>) -> Workload {
        let labels = fields.fields_of("LABELS");
        let label = |name: &str| labels.map_or("", |labels| labels.text(name));
        let either = |qualified: &str, plain: &str| match label(qualified) {
            "" => label(plain).to_owned(),
            value => value.to_owned(),
        };
        let name = fields.text("WORKLOAD_NAME");
        let mut kept = Vec::new();
        for wanted in wanted.iter().filter(|wanted| !NAMED.contains(&&***wanted)) {
            if let Some(value) = labels.and_then(|labels| labels.get(wanted)) {
                kept.push((wanted.clone(), cut(value, LONGEST)));
            }
        }
        let mut text = |value: &str| cut(value, LONGEST);
        Workload {
            instance: text(fields.text("NAME")),
            cluster: text(fields.text("CLUSTER_ID")),
            namespace: text(fields.text("NAMESPACE")),
            name: text(name),
            service: text(label(CANONICAL_NAME)),
            revision: text(label(CANONICAL_REVISION)),
            app: text(&either("app.kubernetes.io/name", "app")),
            version: text(&either("app.kubernetes.io/version", "version")),
            kind: Kind::of_owner(fields.text("OWNER"), name),
            region: text(fields.text("REGION")),
            zone: text(fields.text("AVAILABILITY_ZONE")),
            identity: cut(fields.text("IDENTITY"), LONGEST_IDENTITY),
            labels: kept,
        }
    }

    /// Where it is managed.
    fn owner(&self) -> Option<String> {
        let kind = self.kind.as_str()?;
        Some(format!("kubernetes://apis/apps/v1/namespaces/{}/{kind}s/{}", self.namespace, self.name))
    }

    /// What it is, by the names that expressions and logs have for it.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [
            ("type", self.kind.as_str().unwrap_or_default()),
            ("workload", &self.name),
            ("name", &self.instance),
            ("cluster", &self.cluster),
            ("namespace", &self.namespace),
            ("service", &self.service),
            ("revision", &self.revision),
            ("app", &self.app),
            ("version", &self.version),
            ("identity", &self.identity),
            ("region", &self.region),
            ("availability_zone", &self.zone),
        ];
        texts.into_iter().filter(|(_, text)| !text.is_empty())
    }

    /// As a JSON object: what stands in filter state.
    pub fn json(&self) -> serde_json::Value {
        let text = |text: &str| serde_json::Value::from(text);
        let mut all: serde_json::Map<_, _> = self.facts().map(|(name, value)| (name.to_owned(), text(value))).collect();
        if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|(name, value)| (name.to_string(), text(value)));
            all.insert("labels".to_owned(), serde_json::Value::Object(labels.collect()));
        }
        serde_json::Value::Object(all)
    }

    /// As `name=value,…`.
    pub fn text(&self) -> String {
        let facts = self.facts().filter(|(name, _)| *name != "identity");
        let facts = facts.map(|(name, value)| format!("{name}={value}"));
        let labels = self.labels.iter().map(|(name, value)| format!("labels[]{name}={value}"));
        facts.chain(labels).collect::<Vec<_>>().join(",")
    }
}

const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";

/// Labels that have places of their own.
const NAMED: [&str; 6] =
    [CANONICAL_NAME, CANONICAL_REVISION, "app.kubernetes.io/name", "app", "app.kubernetes.io/version", "version"];

#[cfg(test)]
mod tests;
