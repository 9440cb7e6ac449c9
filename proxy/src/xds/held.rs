//! One kind of resources as the control thread holds them: of each name what is in use, what waits and what was refused last, the bytes
//! together with what was made of them. There is no second record: what admin shows is a copy of this one.
//!
//! `clusters`, `listeners`, `routes` and `secrets` have one each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Entry, Refused, Resources, Stored};

/// `A` is made of what is in use, `W` of what waits.
#[derive(Debug)]
pub struct Held<A, W> {
    names: BTreeMap<Arc<str>, Name<A, W>>,
    version: Arc<str>,
}

#[derive(Debug)]
struct Name<A, W> {
    /// As it is shown: keys may say more.
    shown: Option<Arc<str>>,
    is_static: bool,
    active: Option<(Stored, A)>,
    warming: Option<(Stored, W)>,
    refused: Option<Refused>,
}

/// What bytes that arrive are to what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The name is the bootstrap's, which nothing changes from outside.
    Static,
    /// These bytes wait already. A refusal between is over.
    Waits,
    /// These bytes are in use: what came between, waiting or refused, is over. What waits is still held, for its owner to take.
    InUse,
    /// Something new.
    New,
}

/// What was taken out, with what there is to know of it.
#[derive(Debug)]
pub struct Taken<T> {
    /// The bytes.
    pub stored: Stored,
    /// What was made of them.
    pub made: T,
    is_static: bool,
}

impl<A, W> Default for Held<A, W> {
    fn default() -> Self {
        Held { names: BTreeMap::new(), version: Arc::default() }
    }
}

impl<A, W> Default for Name<A, W> {
    fn default() -> Self {
        Name { shown: None, is_static: false, active: None, warming: None, refused: None }
    }
}

impl<A, W> Held<A, W> {
    /// Notes the version of a response.
    pub fn set_version(&mut self, version: &str) {
        self.version = version.into();
    }

    /// Looks at bytes that arrived.
    pub fn look(&mut self, name: &str, body: &Bytes) -> Seen {
        let Some(known) = self.names.get_mut(name) else { return Seen::New };
        if known.is_static {
            return Seen::Static;
        }
        let seen = match (&known.warming, &known.active) {
            (Some((stored, _)), _) if stored.body == *body => Seen::Waits,
            (_, Some((stored, _))) if stored.body == *body => Seen::InUse,
            _ => return Seen::New,
        };
        known.refused = None;
        seen
    }

    /// Something is checked and waits. Gives what waited before.
    pub fn warm(&mut self, name: &Arc<str>, stored: Stored, is_static: bool, made: W) -> Option<W> {
        let known = self.names.entry(name.clone()).or_default();
        known.is_static = is_static;
        known.refused = None;
        known.warming.replace((stored, made)).map(|(_, made)| made)
    }

    /// Takes what waits: to be put in use, or given up.
    pub fn take_warming(&mut self, name: &str) -> Option<Taken<W>> {
        let known = self.names.get_mut(name)?;
        let (stored, made) = known.warming.take()?;
        let is_static = known.is_static;
        self.tidy(name);
        Some(Taken { stored, made, is_static })
    }

    /// Puts in use what waited. Gives what was in use before.
    pub fn activate<T>(&mut self, name: &Arc<str>, taken: Taken<T>, made: A) -> Option<A> {
        let known = self.names.entry(name.clone()).or_default();
        known.is_static = taken.is_static;
        known.active.replace((taken.stored, made)).map(|(_, made)| made)
    }

    /// Puts something in use at once.
    pub fn put(&mut self, name: &Arc<str>, stored: Stored, made: A) -> Option<A> {
        let known = self.names.entry(name.clone()).or_default();
        known.refused = None;
        known.active.replace((stored, made)).map(|(_, made)| made)
    }

    /// Something is refused; what is held stays.
    pub fn refuse(&mut self, name: &Arc<str>, resource: Stored, reason: &str) {
        self.names.entry(name.clone()).or_default().refused = Some(Refused { resource, reason: reason.into() });
    }

    /// What was refused is over.
    pub fn accept(&mut self, name: &str) {
        if let Some(known) = self.names.get_mut(name) {
            known.refused = None;
        }
    }

    /// What a key is shown as, and whether it is the bootstrap's.
    pub fn show_as(&mut self, name: &Arc<str>, shown: &Arc<str>, is_static: bool) {
        let known = self.names.entry(name.clone()).or_default();
        (known.shown, known.is_static) = (Some(shown.clone()), is_static);
    }

    /// Takes those versions down whose bytes are `unjudged`: a refused one wants policy that they lack.
    pub fn take_down(&mut self, name: &str, unjudged: impl Fn(&[u8]) -> bool) -> (Option<A>, Option<W>) {
        let Some(known) = self.names.get_mut(name) else { return (None, None) };
        let active = known.active.take_if(|(stored, _)| unjudged(&stored.body));
        let warming = known.warming.take_if(|(stored, _)| unjudged(&stored.body));
        self.tidy(name);
        (active.map(|(_, made)| made), warming.map(|(_, made)| made))
    }

    /// Forgets a name, and gives what was made of it.
    pub fn remove(&mut self, name: &str) -> (Option<A>, Option<W>) {
        let known = self.names.remove(name).unwrap_or_default();
        (known.active.map(|(_, made)| made), known.warming.map(|(_, made)| made))
    }

    /// A name that holds nothing is forgotten.
    fn tidy(&mut self, name: &str) {
        let is_empty =
            |known: &Name<A, W>| known.active.is_none() && known.warming.is_none() && known.refused.is_none();
        if self.names.get(name).is_some_and(is_empty) {
            self.names.remove(name);
        }
    }

    /// Whether a name is the bootstrap's.
    pub fn is_static(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|known| known.is_static)
    }

    /// The bytes in use.
    pub fn active_body(&self, name: &str) -> Option<&Bytes> {
        self.names.get(name)?.active.as_ref().map(|(stored, _)| &stored.body)
    }

    /// The bytes of all that is in use or waits.
    pub fn bodies(&self) -> impl Iterator<Item = &Bytes> {
        self.names.values().flat_map(|known| {
            let active = known.active.iter().map(|(stored, _)| &stored.body);
            active.chain(known.warming.iter().map(|(stored, _)| &stored.body))
        })
    }

    /// What is in use.
    pub fn active(&self, name: &str) -> Option<&A> {
        self.names.get(name)?.active.as_ref().map(|(_, made)| made)
    }

    /// What waits.
    pub fn warming(&self, name: &str) -> Option<&W> {
        self.names.get(name)?.warming.as_ref().map(|(_, made)| made)
    }

    /// All that is in use, by name.
    pub fn all_active(&self) -> impl Iterator<Item = (&Arc<str>, &A)> {
        self.names.iter().filter_map(|(name, known)| Some((name, &known.active.as_ref()?.1)))
    }

    /// The same, to be changed.
    pub fn all_active_mut(&mut self) -> impl Iterator<Item = &mut A> {
        self.names.values_mut().filter_map(|known| Some(&mut known.active.as_mut()?.1))
    }

    /// All that waits, by name.
    pub fn all_warming(&self) -> impl Iterator<Item = (&Arc<str>, &W)> {
        self.names.iter().filter_map(|(name, known)| Some((name, &known.warming.as_ref()?.1)))
    }

    /// A copy of what is known, without what was made of it.
    pub fn snapshot(&self) -> Resources {
        let entry = |(name, known): (&Arc<str>, &Name<A, W>)| Entry {
            name: known.shown.as_ref().unwrap_or(name).clone(),
            is_static: known.is_static,
            active: known.active.as_ref().map(|(stored, _)| stored.clone()),
            warming: known.warming.as_ref().map(|(stored, _)| stored.clone()),
            refused: known.refused.clone(),
        };
        Resources { version: self.version.clone(), entries: self.names.iter().map(entry).collect() }
    }
}

#[cfg(test)]
mod tests;
