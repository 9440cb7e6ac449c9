//! Files that TLS material is read from: certificates, keys, roots, revocation lists. The control thread reads a file when something
//! that names it arrives, looks at it once a second, and reads it again when it has changed. Workers see what was read.
//!
//! Looking is by `stat`, not by inotify: it follows whichever link of a path was swapped, works on every file system, needs no
//! descriptor, and a few microseconds a second are all it costs. Another file in the place of one (a rename, a swapped link) counts at the
//! first look that finds it; what is written in place is let be until it stands, or for a few looks. It must never lose what was read
//! before: new octets count once a user has made something good of them ([`Files::settle`]).

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use config::secret::{DataSource, FileSource, Sourced};

use super::made::Made;
use crate::sources;

/// All files in use, each held by those who use it.
#[derive(Default)]
pub(super) struct Files {
    held: Mutex<HashMap<FileSource, Weak<File>>>,
}

/// A file in use.
pub(super) struct File {
    source: FileSource,
    state: Mutex<State>,
}

struct State {
    watch: Watch,
    /// What is in use.
    current: Bytes,
    /// What was read since and is not in use (yet).
    newest: Option<Bytes>,
    /// It was read because something new names it, and was like this then; whoever else uses it has not heard of it.
    untold: Option<Option<Inode>>,
}

/// Tells when a file is to be read again.
pub struct Watch {
    /// As it was when it was read.
    seen: Stamp,
    /// As it was at the last look, when that differs, and how many looks have found it so.
    unsettled: Option<(Stamp, u8)>,
}

/// The files that one user holds.
pub(super) type Held = Vec<Arc<File>>;

/// What tells two states of a file apart: of the file, of the directory that is watched, or of both. `None` for what is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    directory: Option<Inode>,
    file: Option<Inode>,
}

/// Device, number, size, last modification, last change.
type Inode = (u64, u64, u64, (i64, i64), (i64, i64));

/// Those that are among these sources.
pub(super) fn among<'s>(held: &Held, all: impl IntoIterator<Item = Sourced<'s>>) -> Held {
    let named = all.into_iter().filter_map(|(_, source)| source.file());
    named.filter_map(|file| held.iter().find(|held| held.source == *file).cloned()).collect()
}

/// Which octets are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Those in use.
    Current,
    /// The newest ones, to see whether they are good.
    Newest,
}

/// Reads the sources of a configuration.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub files: &'a Files,
    /// What was made of octets before.
    pub made: &'a Made,
    pub view: View,
}

impl Reader<'_> {
    /// The octets of a source.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn read(&self, source: &DataSource) -> Result<Bytes, String> {
        match source.file() {
            Some(file) => Ok(self.files.open(file)?.octets(self.view)),
            None => sources::read(source),
        }
    }
}

impl Files {
    /// Reads those of the sources of something that has just arrived which are files, held before or not, and whether or not their
    /// directory has moved. They are held as long as what this gives is. What was held and cannot be read now stays as it was.
    ///
    /// # Errors
    /// The field whose file or variable cannot be read.
    pub fn hold<'s>(&self, all: impl IntoIterator<Item = Sourced<'s>>) -> Result<Held, String> {
        let mut held = Held::new();
        for (field, source) in all {
            let refused = |reason| format!("{field}.{}: {reason}", source.specifier());
            match source.file() {
                Some(file) => held.push(self.open_anew(file).map_err(refused)?),
                None => drop(sources::read(source).map_err(refused)?),
            }
        }
        Ok(held)
    }

    fn open_anew(&self, source: &FileSource) -> Result<Arc<File>, String> {
        let known = lock(&self.held).get(source).and_then(Weak::upgrade);
        match known {
            Some(file) => {
                file.read_again();
                Ok(file)
            }
            None => self.open(source),
        }
    }

    fn open(&self, source: &FileSource) -> Result<Arc<File>, String> {
        let mut held = lock(&self.held);
        if let Some(file) = held.get(source).and_then(Weak::upgrade) {
            return Ok(file);
        }
        // Looked at before it is read: a change between the two is found at the next look.
        let watch = Watch::new(source);
        watch.has_directory(source)?;
        let current = sources::file(source)?;
        let state = Mutex::new(State { watch, current, newest: None, untold: None });
        let file = Arc::new(File { source: source.clone(), state });
        held.insert(source.clone(), Arc::downgrade(&file));
        Ok(file)
    }

    /// Whether there is any file to look at.
    pub fn is_empty(&self) -> bool {
        lock(&self.held).is_empty()
    }

    /// Looks at every file. One that took another's place is read at once; a change within one that has stood since the last look, so that
    /// what is still being written is let be. Gives the files with octets that are not in use, if there is news of any.
    pub fn look(&self) -> Held {
        let all: Held = {
            let mut held = lock(&self.held);
            held.retain(|_, file| file.strong_count() > 0);
            held.values().filter_map(Weak::upgrade).collect()
        };
        let mut is_news = false;
        for file in &all {
            is_news |= file.look();
        }
        match is_news {
            true => all.into_iter().filter(|file| lock(&file.state).newest.is_some()).collect(),
            false => Vec::new(),
        }
    }

    /// The newest octets of a file are good: from now on they are in use.
    pub fn settle(file: &File) {
        let mut state = lock(&file.state);
        if let Some(newest) = state.newest.take() {
            state.current = newest;
        }
    }

    /// Makes something of the newest octets; where they are no good, it is as if they had not been read, and the former ones count.
    ///
    /// # Errors
    /// Of neither anything can be made: what is wrong with the former.
    pub fn newest_or_current<T>(files: &Held, make: impl Fn(View) -> Result<T, String>) -> Result<T, String> {
        make(View::Newest).or_else(|_| {
            Files::forget(files);
            make(View::Current)
        })
    }

    fn forget(files: &Held) {
        for mut state in files.iter().map(|file| lock(&file.state)) {
            if state.untold.take().is_some() {
                state.newest = None;
            }
        }
    }
}

impl File {
    fn octets(&self, view: View) -> Bytes {
        let state = lock(&self.state);
        match (&state.newest, view) {
            (Some(newest), View::Newest) => newest.clone(),
            _ => state.current.clone(),
        }
    }

    /// What was read last is not in use.
    pub fn is_unsettled(&self) -> bool {
        lock(&self.state).newest.is_some()
    }

    /// For something new that names it. Whoever else uses it hears of it at the next look.
    fn read_again(&self) {
        let seen = inode(&self.source.path);
        let Ok(octets) = sources::file(&self.source) else { return };
        let mut state = lock(&self.state);
        let known = state.newest.as_ref().unwrap_or(&state.current);
        if *known != octets || state.untold.is_some() {
            (state.newest, state.untold) = (Some(octets), Some(seen));
        }
    }

    /// Tells whether something new was read.
    fn look(&self) -> bool {
        let mut state = lock(&self.state);
        if let Some(seen) = state.untold {
            if inode(&self.source.path) == seen {
                state.untold = None;
                return true;
            }
            // It is still being written.
            drop(state);
            self.read_again();
            return false;
        }
        if !state.watch.has_moved(&self.source) {
            return false;
        }
        match sources::file(&self.source) {
            Ok(read) => {
                let before = state.newest.replace(read);
                if state.newest.as_ref() == Some(&state.current) {
                    state.newest = None;
                }
                state.newest.is_some() && state.newest != before
            }
            Err(reason) => {
                tracing::warn!(target: "secret", "{reason}; what was read before stays in use");
                false
            }
        }
    }
}

/// A file that changes for so many looks is read as it is.
const MOST_LOOKS: u8 = 3;

impl Watch {
    /// As it is now, before it is read.
    pub fn new(source: &FileSource) -> Watch {
        Watch { seen: Stamp::of(source), unsettled: None }
    }

    /// Whether it has changed and is to be read. One that took another's place is at once, what is written in place once it stands.
    pub fn has_moved(&mut self, source: &FileSource) -> bool {
        let now = Stamp::of(source);
        if now == self.seen {
            self.unsettled = None;
            return false;
        }
        let (before, looks) = self.unsettled.map_or((None, 0), |(before, looks)| (Some(before), looks));
        // Whoever writes it again and again keeps nobody from the newest.
        if !now.took_the_place_of(self.seen) && before != Some(now) && looks + 1 < MOST_LOOKS {
            self.unsettled = Some((now, looks + 1));
            return false;
        }
        self.seen = now;
        self.unsettled = None;
        true
    }

    fn has_directory(&self, source: &FileSource) -> Result<(), String> {
        match (&source.watched, self.seen.directory) {
            (Some(watched), None) => {
                Err(format!("watched_directory {} is not there; make it, or correct its path", watched.shown()))
            }
            _ => Ok(()),
        }
    }
}

/// Who names a file that secrets come from finds one.
///
/// # Errors
/// It is not there, or the directory that is to be watched is not.
pub(super) fn is_there(source: &FileSource) -> Result<(), String> {
    if inode(&source.path).is_none() {
        let path = source.shown();
        return Err(format!(
            "paths must refer to an existing path in the system: '{path}' does not exist; put the file there, or correct its path"
        ));
    }
    Watch::new(source).has_directory(source)
}

impl Stamp {
    /// Something was put where the other one was: what was moved there was whole when it came, and what is still being written will change.
    fn took_the_place_of(self, other: Stamp) -> bool {
        let which = |inode: Option<Inode>| inode.map(|(device, number, ..)| (device, number));
        self.directory != other.directory || (self.file.is_some() && which(self.file) != which(other.file))
    }

    fn of(source: &FileSource) -> Stamp {
        let directory = source.watched.as_ref().and_then(|watched| inode(&watched.path));
        let file = match &source.watched {
            Some(watched) if !watched.modify => None,
            _ => inode(&source.path),
        };
        Stamp { directory, file }
    }
}

fn inode(path: &Path) -> Option<Inode> {
    let found = std::fs::metadata(path).ok()?;
    let (modified, changed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
    Some((found.dev(), found.ino(), found.size(), modified, changed))
}

/// A panic while it was held leaves a state that is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
