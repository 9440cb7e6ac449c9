//! Secrets that come from files which hold what a server would answer (`path_config_source`). The loop looks at them as at the files
//! that secrets name. What cannot be read, or is refused, leaves the secret before in use; until there is one, nothing is served with it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::secret::{FileSource, response};
use config::tls::{SdsSource, SecretId};

use super::{SecretWatches, key};
use crate::sources;
use crate::store::Stored;
use crate::tls::Watch;

/// A file that is looked at.
pub(super) struct FromFile {
    source: Arc<FileSource>,
    watch: Watch,
}

impl SecretWatches {
    /// Reads exactly these. Tells whether one of them is new.
    pub(super) fn want_files(&mut self, ids: &HashSet<SecretId>) -> bool {
        self.from_files.retain(|id, _| ids.contains(id));
        let mut is_news = false;
        for id in ids {
            let SdsSource::File(source) = &id.source else { continue };
            if self.from_files.contains_key(id) {
                continue;
            }
            // Looked at before it is read: a change between the two is found at the next look.
            let watch = Watch::new(source);
            self.from_files.insert(id.clone(), FromFile { source: source.clone(), watch });
            self.read(id, source);
            is_news = true;
        }
        is_news
    }

    /// Reads those that have changed.
    pub(super) fn look_at_responses(&mut self) {
        let changed = self.from_files.iter_mut().filter_map(|(id, FromFile { source, watch })| {
            watch.has_moved(source).then(|| (id.clone(), source.clone()))
        });
        for (id, source) in changed.collect::<Vec<_>>() {
            // As with Envoy, what is taken away is no update; the directory may tell of one.
            if source.watched.is_none() && !source.path.exists() {
                let (file, name) = (source.shown(), &id.name);
                tracing::warn!(target: "secret", "file {file} of secret '{name}' is gone; what was read before stays in use");
                continue;
            }
            self.read(&id, &source);
        }
    }

    /// Whether its file was read, whatever stood there.
    pub(super) fn was_read(&self, id: &SecretId) -> bool {
        self.from_files.contains_key(id)
    }

    fn read(&mut self, id: &SecretId, source: &FileSource) {
        let content = sources::file(source);
        let named = |reason| format!("file {}: {reason}", source.shown());
        let response = content.and_then(|content| response::read(&source.path, &content, &self.options).map_err(named));
        let response = match response {
            Ok(response) => response,
            Err(reason) => {
                let failed = key(id);
                self.asked.failed(|key| *key == *failed);
                tracing::error!(target: "secret", "secret '{}' is not read, {}: {reason}", id.name, self.before(id));
                self.held.refuse(&failed, Stored::now(Bytes::new(), &Arc::from("")), &reason);
                self.show(id);
                return;
            }
        };
        let version: Arc<str> = response.version.as_str().into();
        // What is refused is told there.
        let _ = match response.only(&id.name).map_err(named) {
            Ok(octets) => self.apply(id, Stored::now(octets, &version)),
            Err(reason) => {
                self.asked.came(&key(id), &version, false, Duration::ZERO);
                Err(self.refuse(id, Stored::now(Bytes::new(), &version), reason))
            }
        };
    }
}

#[cfg(test)]
mod tests;
