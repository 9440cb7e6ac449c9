//! The layers of the runtime (`layered_runtime`): the bootstrap's, files, what an operator says over admin, and what control planes send.
//! Later ones win. The control thread changes them; whoever serves traffic sees [`config::runtime::Live`] values and never this.
//!
//! Each change reads all layers anew, files too, as Envoy does.

mod disk;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::bootstrap::{DiskLayer, Layer, LayerSource, RtdsLayer};
use config::runtime::{Entries, Runtime};
use config::{At, Rejection};

use crate::stats::{Counter, Gauge, Stats};

/// All layers, and what they are together.
pub struct Layers {
    layers: Vec<Layer>,
    cluster: Arc<str>,
    runtime: Arc<Runtime>,
    changed: Box<dyn Fn(&Runtime) + Send + Sync>,
    counts: Counts,
    said: Mutex<Said>,
}

/// What was said since the start.
#[derive(Default)]
struct Said {
    by_admin: Entries,
    /// By name of the layer.
    by_control_planes: BTreeMap<Arc<str>, Entries>,
    shown: Shown,
}

/// The layers that there are at a moment, with their names, in order.
pub type Shown = Vec<(Arc<str>, Entries)>;

impl Layers {
    /// Reads the layers. Whenever they have changed, here too, `changed` is called.
    pub fn new(
        layers: &[Layer],
        cluster: &Arc<str>,
        runtime: &Arc<Runtime>,
        stats: &Arc<Stats>,
        changed: impl Fn(&Runtime) + Send + Sync + 'static,
    ) -> Arc<Layers> {
        let made = Layers {
            layers: layers.to_vec(),
            cluster: cluster.clone(),
            runtime: runtime.clone(),
            changed: Box::new(changed),
            counts: Counts::new(stats),
            said: Mutex::default(),
        };
        // As Envoy, which reads them once more when it knows its clusters.
        made.reload();
        made.reload();
        Arc::new(made)
    }

    /// Whether disk layers can be watched: as for Envoy the folder that holds a root must be there, and the root may come later.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn can_watch(layers: &[Layer]) -> Result<(), Rejection> {
        for (index, layer) in layers.iter().enumerate() {
            let LayerSource::Disk(disk) = &layer.source else { continue };
            let folder = match disk.root.rsplit_once('/') {
                Some(("", _)) => "/",
                Some((folder, _)) => folder,
                None => ".",
            };
            if let Err(error) = std::fs::metadata(folder) {
                return Err(unwatched(index, &disk.root, &format!("{error}; make the folder {folder}")));
            }
        }
        Ok(())
    }

    /// All of them as they are.
    pub fn shown(&self) -> Shown {
        self.said().shown.clone()
    }

    /// Takes an operator's words; an empty value takes a key back.
    ///
    /// # Errors
    /// Why not, in Envoy's words where it has some.
    pub fn modify<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
        if !self.layers.iter().any(|layer| layer.source == LayerSource::Admin) {
            return Err("No admin layer specified".to_owned());
        }
        // All or nothing.
        let mut read = Vec::new();
        for (key, value) in pairs {
            let text = config::runtime::of_text(value).map_err(|reason| format!("'{key}' is no YAML: {reason}"))?;
            read.push((Arc::from(key), text));
        }
        let mut said = self.said();
        let new = |key: &Arc<str>, said: &Said| !said.by_admin.contains_key(key);
        if said.by_admin.len() + read.iter().filter(|(key, _)| new(key, &said)).count() > MOST_OVERRIDES {
            return Err(format!("there are {MOST_OVERRIDES} overrides at most; take some back with empty values"));
        }
        for (key, text) in read {
            match text.is_empty() {
                true => drop(said.by_admin.remove(&key)),
                false => drop(said.by_admin.insert(key, text)),
            }
        }
        self.counts.admin_overrides_active.set((!said.by_admin.is_empty()).into());
        self.load(&mut said);
        Ok(())
    }

    /// The layers that control planes send.
    pub fn discovered(&self) -> impl Iterator<Item = (&Arc<str>, &RtdsLayer)> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            LayerSource::Rtds(rtds) => Some((&layer.name, rtds)),
            _ => None,
        })
    }

    /// Takes what a control plane says of a layer.
    pub fn discover(&self, layer: &Arc<str>, entries: Entries) {
        let mut said = self.said();
        said.by_control_planes.insert(layer.clone(), entries);
        self.load(&mut said);
    }

    fn reload(&self) {
        self.load(&mut self.said());
    }

    /// Reads all of them again whenever something else is moved to the root of a disk layer. Never ends.
    pub async fn watch(self: Arc<Self>) {
        let look = || self.disks().map(|disk| disk::identity(&disk.root)).collect::<Vec<_>>();
        let mut seen = look();
        while !seen.is_empty() {
            tokio::time::sleep(LOOK).await;
            let now = look();
            // As in Envoy once for each layer.
            let changed = seen.iter().zip(&now).filter(|(before, after)| before != after).count();
            (0..changed).for_each(|_| self.reload());
            seen = now;
        }
    }

    fn disks(&self) -> impl Iterator<Item = &DiskLayer> {
        self.layers.iter().filter_map(|layer| match &layer.source {
            LayerSource::Disk(disk) => Some(disk),
            _ => None,
        })
    }

    fn load(&self, said: &mut Said) {
        let (mut shown, mut disks, mut errors) = (Shown::new(), 0, 0);
        for layer in &self.layers {
            let entries = match &layer.source {
                LayerSource::Static(entries) => entries.clone(),
                LayerSource::Admin => said.by_admin.clone(),
                LayerSource::Rtds(_) => said.by_control_planes.get(&layer.name).cloned().unwrap_or_default(),
                LayerSource::Disk(disk) => match disk::read(disk, &self.cluster) {
                    Ok(Some(entries)) => {
                        disks += 1;
                        entries
                    }
                    Ok(None) => continue,
                    Err(reason) => {
                        errors += 1;
                        tracing::warn!(target: "runtime", "layer '{}' of the runtime is left out: {reason}", layer.name);
                        continue;
                    }
                },
            };
            shown.push((layer.name.clone(), entries));
        }
        let together: Entries = shown.iter().flat_map(|(_, entries)| entries.clone()).collect();
        self.counts.loaded(shown.len(), together.len(), disks, errors);
        said.shown = shown;
        self.runtime.set(together);
        (self.changed)(&self.runtime);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two looks at files.
const LOOK: Duration = Duration::from_secs(1);

/// Keys that an operator may have given.
const MOST_OVERRIDES: usize = 10_000;

/// `runtime.*`, which Envoy shows whether or not there are layers.
struct Counts {
    admin_overrides_active: Gauge,
    num_keys: Gauge,
    num_layers: Gauge,
    load_success: Counter,
    load_error: Counter,
    override_dir_exists: Counter,
    override_dir_not_exists: Counter,
}

impl Counts {
    fn new(stats: &Arc<Stats>) -> Counts {
        let (gauge, counter) = (|name: &str| stats.gauge(name), |name: &str| stats.counter(name));
        Counts {
            admin_overrides_active: gauge("runtime.admin_overrides_active"),
            num_keys: gauge("runtime.num_keys"),
            num_layers: gauge("runtime.num_layers"),
            load_success: counter("runtime.load_success"),
            load_error: counter("runtime.load_error"),
            override_dir_exists: counter("runtime.override_dir_exists"),
            override_dir_not_exists: counter("runtime.override_dir_not_exists"),
        }
    }

    fn loaded(&self, layers: usize, keys: usize, disks: usize, errors: usize) {
        self.num_layers.set(layers as u64);
        self.num_keys.set(keys as u64);
        if errors == 0 {
            self.load_success.inc()
        } else {
            self.load_error.inc()
        }
        // One alone is none: that is how Envoy counts.
        if disks > 1 { self.override_dir_exists.inc() } else { self.override_dir_not_exists.inc() }
    }
}

fn unwatched(index: usize, root: &str, why: &str) -> Rejection {
    let at = At::root();
    let at = at.field("layered_runtime");
    let at = at.field("layers");
    let at = at.index(index);
    let at = at.field("disk_layer");
    at.field("symlink_root")
        .reject(format!("unable to add filesystem watch for file {root}: {why}, or correct the path"))
}

#[cfg(test)]
mod tests;
