//! Secrets, and contexts, that are read from files: whether their files have changed, and reading them again. The control thread calls it
//! again and again. What is no good leaves the former in use.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use config::secret::SecretKind;
use config::tls::{SdsName, SdsSource, SecretId};

use super::{Held, SecretUser, Secrets, parse};
use crate::tls::certificate::Material;
use crate::tls::files::{self, File, Files, View};

/// A secret that names files.
pub(super) struct FromFiles {
    pub secret: SecretKind,
    pub files: files::Held,
}

/// Whose files have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The secret of this name.
    Secret(Arc<str>),
    /// A context of this listener or cluster.
    Context(Arc<str>),
}

impl Secrets {
    /// Secrets that come from files have them, as with Envoy, where configuration names them; those that are held already may be without.
    ///
    /// # Errors
    /// The file, or the directory to be watched, that is not there.
    pub fn refuse_missing_files(&self, names: &[SdsName]) -> Result<(), String> {
        names.iter().filter(|name| !self.has(&name.id())).try_for_each(has_file)
    }

    /// Whether anything in use was read from files, so that [`Secrets::look_at_files`] is worth calling.
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Looks whether files have changed, and has those who use them read them again: a certificate with its key, or neither. What is no
    /// good leaves the former in use, and is told once. The control thread calls it again and again. Gives what has changed: secrets, and
    /// contexts that read files themselves.
    pub fn look_at_files(&self) -> Vec<(Renewed, Material)> {
        let changed = self.files.look();
        if changed.is_empty() {
            return Vec::new();
        }
        let mut pass = Pass { changed: &changed, good: Vec::new(), bad: Vec::new(), reasons: BTreeSet::new() };
        let mut renewed = Vec::new();
        let secrets = self.read_secrets_again(&mut pass);
        let readers: Vec<_> = self.lock().readers.iter().filter_map(Weak::upgrade).collect();
        for reader in readers {
            if pass.concerns(reader.files()) {
                let read = reader.read_again(self, &|files| pass.concerns(files));
                if read.iter().any(|(_, result)| result.is_ok()) {
                    let (scope, material) = reader.own_material();
                    renewed.push((Renewed::Context(scope), material));
                }
                read.into_iter().for_each(|(files, result)| pass.note(&files, result));
            }
        }
        pass.settle();
        for id in secrets {
            tracing::info!(target: "secret", "secret '{}' was read again from its files", id.name);
            self.rebuild_users(&id);
            let material = self.material(&id);
            renewed.push((Renewed::Secret(id.name), material));
        }
        renewed
    }

    /// Secrets whose files have changed since the last call and are no good, and why.
    pub fn take_spoiled(&self) -> Vec<(SecretId, String)> {
        std::mem::take(&mut self.lock().spoiled)
    }

    /// Whether what stands in its files is what is in use.
    pub fn is_as_its_files(&self, id: &SecretId) -> bool {
        let from = self.lock().held.get(id).and_then(|held| held.from.clone());
        from.is_none_or(|from| from.files.iter().all(|file| !file.is_unsettled()))
    }

    fn read_secrets_again(&self, pass: &mut Pass<'_>) -> Vec<SecretId> {
        let held = self.lock().held.clone();
        let mut read = Vec::new();
        for (id, held) in held {
            let Some(from) = held.from.filter(|from| pass.concerns(&from.files)) else { continue };
            let parsed = parse(&id.name, &from.secret, self.reader(View::Newest));
            let parsed = parsed.map_err(|reason| format!("secret {}: {reason}", id.name));
            let result = parsed.map(|new| {
                self.lock().held.insert(id.clone(), Held { from: Some(from.clone()), ..new });
                read.push(id.clone());
            });
            if let Err(reason) = &result {
                self.lock().spoiled.push((id, reason.clone()));
            }
            pass.note(&from.files, result);
        }
        read
    }

    /// From now on `user` is told when its own files have changed.
    pub(in crate::tls) fn watch_files(&self, user: Weak<dyn SecretUser>) {
        let mut state = self.lock();
        if state.readers.len() == state.readers.capacity() {
            state.readers.retain(|user| user.strong_count() > 0);
        }
        state.readers.push(user);
    }
}

/// One time through everything that files were changed of.
struct Pass<'a> {
    changed: &'a files::Held,
    good: Vec<Arc<File>>,
    bad: Vec<Arc<File>>,
    reasons: BTreeSet<String>,
}

impl Pass<'_> {
    fn concerns(&self, files: &files::Held) -> bool {
        files.iter().any(|file| holds(self.changed, file))
    }

    fn note(&mut self, files: &files::Held, result: Result<(), String>) {
        match result {
            Ok(()) => self.good.extend(files.iter().cloned()),
            Err(reason) => {
                self.bad.extend(files.iter().cloned());
                self.reasons.insert(reason);
            }
        }
    }

    /// What somebody has made something good of is in use from now on, and what nobody has looked at.
    fn settle(self) {
        for file in self.changed.iter().filter(|file| holds(&self.good, file) || !holds(&self.bad, file)) {
            Files::settle(file);
        }
        for reason in self.reasons {
            tracing::warn!(target: "secret", "a file has changed and is no good, the former stays in use: {reason}");
        }
    }
}

fn has_file(name: &SdsName) -> Result<(), String> {
    match &name.source {
        SdsSource::File(file) => {
            files::is_there(file).map_err(|reason| format!("secret {}: {reason}", config::discreet::shown(&name.name)))
        }
        SdsSource::Server(_) | SdsSource::Ads | SdsSource::Static => Ok(()),
    }
}

fn holds(files: &[Arc<File>], file: &Arc<File>) -> bool {
    files.iter().any(|held| Arc::ptr_eq(held, file))
}
