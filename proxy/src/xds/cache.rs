//! The last configuration that was accepted, on disk (`--config-cache`): a proxy that starts while its control plane is away serves it.
//! The control loop asks it what to begin with, and tells it what is in use.
//!
//! Bytes are kept as they came. What holds a secret is left out unless that was asked for. What it serves is marked stale until the control
//! plane has said what there is; then what is gone goes.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use config::descriptors::Descriptors;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource as Kept};
use envoy_types::pb::google::protobuf::Any;
use prost::Message as _;
use xds_client::{Resource, Update, UpdateId, type_url};

use crate::stats::Gauge;
use crate::store::{Kind, Snapshot};

/// For the control plane to say something before the cache is used.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same once the stream has ended: whoever starts beside its agent is a moment early.
const SOON: Duration = Duration::from_secs(1);
/// From an update to the moment when it is kept: updates come in bursts.
const AFTER: Duration = Duration::from_secs(2);
/// Octets of a file that is read.
const LONGEST: u64 = 1 << 30;

/// In the order in which they are applied: what is referred to comes first, as over ADS.
const KINDS: [(Kind, &str); 5] = [
    (Kind::Cluster, type_url::CLUSTER),
    (Kind::Endpoints, type_url::ENDPOINT),
    (Kind::Extension, type_url::EXTENSION_CONFIG),
    (Kind::Listener, type_url::LISTENER),
    (Kind::Route, type_url::ROUTE),
];

/// The cache of a process.
pub struct Cache {
    file: PathBuf,
    keeps_secrets: bool,
    /// When it is used; none once it is too late, or done.
    use_at: Option<Instant>,
    save_at: Option<Instant>,
    /// A thread writes.
    is_writing: Arc<AtomicBool>,
    /// Names that are served out of it and that the control plane has not spoken of, by type.
    stale: HashMap<&'static str, BTreeSet<String>>,
    /// When that was kept.
    since: Option<SystemTime>,
    gauge: Gauge,
}

impl Cache {
    /// In this folder.
    pub fn new(folder: &Path, keeps_secrets: bool, gauge: Gauge) -> Cache {
        gauge.set(0);
        Cache {
            file: folder.join("resources"),
            keeps_secrets,
            use_at: Some(Instant::now() + PATIENCE),
            save_at: None,
            is_writing: Arc::default(),
            stale: HashMap::new(),
            since: None,
            gauge,
        }
    }

    /// Since when what it serves is as it is; `None` once the control plane has spoken.
    pub fn stale_since(&self) -> Option<SystemTime> {
        self.since
    }

    /// The stream to the control plane ended: there is nothing to wait for.
    pub fn control_plane_is_away(&mut self) {
        if let Some(at) = &mut self.use_at {
            *at = (*at).min(Instant::now() + SOON);
        }
    }

    /// How long until something is due.
    pub fn next_timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let busy = self.is_writing.load(Ordering::Relaxed);
        // What is stale is not kept again, and what is being written has a moment.
        let save = self.save_at.filter(|_| self.since.is_none()).map(|at| if busy { at.max(now + AFTER) } else { at });
        self.use_at.into_iter().chain(save).min().map(|at| at.saturating_duration_since(now))
    }

    /// What to begin with, where the control plane has said nothing in time.
    pub fn begin_with(&mut self) -> Vec<Update> {
        if self.use_at.is_none_or(|at| at > Instant::now()) {
            return Vec::new();
        }
        self.use_at = None;
        match read(&self.file) {
            Ok((updates, since)) => {
                for update in &updates {
                    let kind = KINDS.iter().find(|(_, url)| *url == &*update.type_url);
                    let names = update.resources.iter().map(|resource| resource.name.clone()).collect();
                    self.stale.extend(kind.map(|(_, url)| (*url, names)));
                }
                let count: usize = updates.iter().map(|update| update.resources.len()).sum();
                tracing::warn!(
                    target: "config",
                    "the control plane is away: {count} resources that were accepted before, of {}, are served; they are stale until it comes",
                    self.file.display()
                );
                self.since = Some(since);
                self.gauge.set(1);
                updates
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(target: "config", "{} cannot be used: {error}; the proxy waits for its control plane", self.file.display());
                Vec::new()
            }
        }
    }

    /// The control plane has said something: of what it has not, it says nothing, so that goes here.
    pub fn heard(&mut self, update: &mut Update) {
        self.use_at = None;
        self.save_at.get_or_insert_with(|| Instant::now() + AFTER);
        let Some(mut names) = self.stale.remove(&*update.type_url) else { return };
        // Endpoints and routes are asked for by name: they go with what names them.
        if [type_url::CLUSTER, type_url::LISTENER].contains(&&*update.type_url) {
            let spoken_of = update.resources.iter().chain(update.refused.iter().map(|(resource, _)| resource));
            spoken_of.for_each(|resource| {
                names.remove(&resource.name);
            });
            update.removed.extend(names);
        }
        if ![type_url::CLUSTER, type_url::LISTENER].iter().any(|url| self.stale.contains_key(url))
            && self.since.is_some()
        {
            self.stale.clear();
            self.since = None;
            self.gauge.set(0);
            tracing::info!(target: "config", "the control plane is back: its configuration takes the place of the one that was kept");
        }
    }

    /// Keeps what is in use, if it is time. Another thread writes.
    pub fn save_if_due(&mut self, in_use: impl FnOnce() -> Snapshot) {
        let is_due = self.save_at.is_some_and(|at| at <= Instant::now());
        if !is_due || self.since.is_some() || self.is_writing.swap(true, Ordering::Relaxed) {
            return;
        }
        self.save_at = None;
        let (snapshot, file, keeps_secrets) = (in_use(), self.file.clone(), self.keeps_secrets);
        let is_writing = self.is_writing.clone();
        let write = move || {
            if let Err(error) = write(&file, &snapshot, keeps_secrets) {
                tracing::warn!(target: "config", "{} cannot be written: {error}; a start without the control plane will not have this configuration", file.display());
            }
            is_writing.store(false, Ordering::Relaxed);
        };
        if let Err(error) = std::thread::Builder::new().name("config-cache".into()).spawn(write) {
            tracing::warn!(target: "config", "the configuration is not kept: {error}");
            self.is_writing.store(false, Ordering::Relaxed);
        }
    }
}

fn write(file: &Path, snapshot: &Snapshot, keeps_secrets: bool) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let beside = file.with_extension("new");
    // What an interrupted write left.
    let _none = fs::remove_file(&beside);
    let mut written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let (mut left_out, mut descriptors) = (0, Descriptors::new());
    for (kind, url) in KINDS {
        let mut response = DeltaDiscoveryResponse {
            type_url: url.to_owned(),
            system_version_info: snapshot.version(kind).to_string(),
            ..DeltaDiscoveryResponse::default()
        };
        for entry in snapshot.resources(kind).iter().filter(|entry| !entry.is_static) {
            let Some(active) = &entry.active else { continue };
            if !keeps_secrets && config::dump::hides(&mut descriptors, url, &active.body) {
                left_out += 1;
                continue;
            }
            response.resources.push(Kept {
                name: config::resource_name(&active.body),
                version: active.version.to_string(),
                resource: Some(Any { type_url: url.to_owned(), value: active.body.to_vec() }),
                ..Kept::default()
            });
        }
        written.write_all(&response.encode_length_delimited_to_vec())?;
    }
    drop(descriptors);
    written.sync_all()?;
    fs::rename(&beside, file)?;
    if left_out > 0 {
        tracing::warn!(target: "config", "{left_out} resources hold secrets and are not kept (--config-cache-secrets keeps them)");
    }
    crate::sys::trim_memory();
    Ok(())
}

fn read(file: &Path) -> io::Result<(Vec<Update>, SystemTime)> {
    let facts = fs::metadata(file)?;
    if facts.len() > LONGEST {
        return Err(io::Error::other("it is too long"));
    }
    let content = fs::read(file)?;
    let mut rest = &content[..];
    let mut updates = Vec::new();
    while !rest.is_empty() {
        let response = DeltaDiscoveryResponse::decode_length_delimited(&mut rest).map_err(io::Error::other)?;
        let type_url: Arc<str> = response.type_url.into();
        let resources = response.resources.into_iter().map(|kept| Resource {
            name: kept.name,
            version: kept.version,
            body: kept.resource.unwrap_or_default().value.into(),
        });
        updates.push(Update {
            id: UpdateId::new(type_url.clone(), 0),
            type_url,
            delta: true,
            version: response.system_version_info,
            resources: resources.collect(),
            refused: Vec::new(),
            removed: Vec::new(),
        });
    }
    Ok((updates, facts.modified()?))
}

#[cfg(test)]
mod tests;
