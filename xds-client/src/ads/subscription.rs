//! One resource type of an ADS session: names wanted, names told to the server, resources held, updates undecided.
//!
//! Owned by the session. Must never remember a refused resource as held: the server would not send it again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::Subscription;
use super::status::TypeStatus;
use super::wire::{self, Received, Request, Response, Versions};
use crate::type_url::is_whole_state;
use crate::update::{Rejected, Resource, Update, UpdateId, Verdict, error_detail};

#[derive(Debug)]
pub(crate) struct TypeState {
    pub(crate) type_url: Arc<str>,
    pub(crate) status: TypeStatus,
    /// Shared with `told`: there may be thousands of names.
    wanted: Arc<Subscription>,
    /// What the server was told on this stream; `None` before the first request.
    told: Option<Arc<Subscription>>,
    /// Every resource given to the proxy and not removed since, with the version the proxy accepted last.
    known: HashMap<Arc<str>, Option<String>>,
    /// State of the world only: the newest nonce of this stream, and the version accepted last on any stream.
    newest_nonce: String,
    accepted_version: String,
    /// Oldest first. Their number is bounded: the task stops reading.
    undecided: VecDeque<Undecided>,
}

/// An update that waits for its verdict.
#[derive(Debug)]
struct Undecided {
    sequence: u64,
    stream: u64,
    nonce: String,
    version: String,
    resources: Vec<(Arc<str>, String)>,
    /// Refused here, before the proxy saw them.
    refused: Vec<Rejected>,
}

impl TypeState {
    pub(crate) fn new(type_url: Arc<str>) -> Self {
        Self {
            type_url,
            status: TypeStatus::default(),
            wanted: Arc::new(Subscription::Names(BTreeSet::new())),
            told: None,
            known: HashMap::new(),
            newest_nonce: String::new(),
            accepted_version: String::new(),
            undecided: VecDeque::new(),
        }
    }

    pub(crate) fn wants_anything(&self) -> bool {
        match &*self.wanted {
            Subscription::Wildcard => true,
            Subscription::Names(names) => !names.is_empty(),
        }
    }

    pub(crate) fn undecided(&self) -> usize {
        self.undecided.len()
    }

    pub(crate) fn want(&mut self, wanted: Subscription) {
        if let Subscription::Names(names) = &wanted {
            self.known.retain(|name, _| names.contains(&**name));
        }
        self.wanted = Arc::new(wanted);
    }

    pub(crate) fn stream_opened(&mut self) {
        self.told = None;
        self.newest_nonce.clear();
    }

    pub(crate) fn snapshot(&self) -> TypeStatus {
        TypeStatus {
            wanted: match &*self.wanted {
                Subscription::Wildcard => 0,
                Subscription::Names(names) => names.len(),
            },
            held: self.known.values().flatten().count(),
            ..self.status.clone()
        }
    }

    /// The request that tells the server what has changed since it was told last, if anything has.
    pub(crate) fn subscription_request(&mut self, delta: bool, stream: u64) -> Option<Request> {
        if self.told.as_ref() == Some(&self.wanted) || (self.told.is_none() && !self.wants_anything()) {
            return None;
        }
        let request = if delta { self.delta_change() } else { self.sotw_change(stream)? };
        self.told = Some(self.wanted.clone());
        self.status.update_attempt += 1;
        Some(request)
    }

    fn delta_change(&self) -> Request {
        let mut request = Request::delta(&self.type_url);
        match (self.told.as_deref(), &*self.wanted) {
            // An empty first request is a wildcard.
            (None, Subscription::Wildcard) => request.initial_resource_versions = self.held_versions(),
            (None, Subscription::Names(names)) => {
                request.resource_names_subscribe = names.iter().cloned().collect();
                request.initial_resource_versions = self.held_versions();
            }
            (Some(Subscription::Names(told)), Subscription::Names(names)) => {
                request.resource_names_subscribe = names.difference(told).cloned().collect();
                request.resource_names_unsubscribe = told.difference(names).cloned().collect();
            }
            (Some(Subscription::Wildcard), Subscription::Names(names)) => {
                request.resource_names_subscribe = names.iter().cloned().collect();
                request.resource_names_unsubscribe = vec![WILDCARD.to_owned()];
            }
            (Some(Subscription::Names(told)), Subscription::Wildcard) => {
                request.resource_names_subscribe = vec![WILDCARD.to_owned()];
                request.resource_names_unsubscribe = told.iter().cloned().collect();
            }
            (Some(Subscription::Wildcard), Subscription::Wildcard) => {}
        }
        Request::Delta(Box::new(request))
    }

    /// A change carries the newest nonce, which the server would take for its acknowledgement; so it waits for the
    /// verdict.
    fn sotw_change(&self, stream: u64) -> Option<Request> {
        if self.undecided.iter().any(|update| update.stream == stream) {
            return None;
        }
        let mut request = Request::sotw(&self.type_url);
        request.resource_names = match (&*self.wanted, self.told.as_deref()) {
            (Subscription::Wildcard, Some(Subscription::Names(_))) => vec![WILDCARD.to_owned()],
            (wanted, _) => wanted.names(),
        };
        request.version_info.clone_from(&self.accepted_version);
        request.response_nonce.clone_from(&self.newest_nonce);
        Some(Request::Sotw(Box::new(request)))
    }

    fn held_versions(&self) -> Versions {
        let held = |(name, version): (&Arc<str>, &Option<String>)| Some((name.to_string(), version.clone()?));
        self.known.iter().filter_map(held).collect()
    }

    /// Takes a response in: drops what nobody wants, refuses what cannot be right, works out removals.
    pub(crate) fn receive(&mut self, id: UpdateId, stream: u64, delta: bool, response: Response) -> Update {
        self.status.update_attempt += 1;
        self.newest_nonce.clone_from(&response.nonce);
        let (mut refused, mut shown, mut own_names) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let mut resources = Vec::with_capacity(response.resources.len());
        for received in response.resources {
            match self.check(&received, &seen) {
                Ok(true) => {
                    seen.insert(Arc::<str>::from(received.name.as_str()));
                    resources.push(received.into());
                }
                Ok(false) => {}
                Err(reason) => {
                    refused.push(Rejected { name: received.name.clone(), reason: reason.clone() });
                    own_names.extend(received.own_name.clone());
                    if *received.any_type_url == *self.type_url && !received.name.is_empty() {
                        shown.push((received.into(), reason));
                    }
                }
            }
        }
        let removed = if delta { response.removed } else { self.absent(&seen, &refused, &own_names) };
        for name in &removed {
            self.known.remove(name.as_str());
        }
        let noted = |resource: &Resource| {
            let name = seen.get(resource.name.as_str()).expect("every resource kept was just seen");
            (name.clone(), resource.version.clone())
        };
        let noted: Vec<_> = resources.iter().map(noted).collect();
        for (name, _) in &noted {
            self.known.entry(name.clone()).or_default();
        }
        self.undecided.push_back(Undecided {
            sequence: id.sequence,
            stream,
            nonce: response.nonce,
            version: response.version.clone(),
            resources: noted,
            refused,
        });
        Update {
            id,
            type_url: self.type_url.clone(),
            delta,
            version: response.version,
            resources,
            refused: shown,
            removed,
        }
    }

    /// `Ok(false)` for one that nobody wants any more.
    fn check(&self, received: &Received, seen: &HashSet<Arc<str>>) -> Result<bool, String> {
        if *received.any_type_url != *self.type_url {
            return Err(format!("is a {}, in a response of type {}", received.any_type_url, self.type_url));
        }
        match received.own_name.as_deref() {
            None if received.name.is_empty() => {
                return Err("does not parse; send a protobuf message of its type".into());
            }
            Some("") if received.name.is_empty() => return Err("has no name; give it one".into()),
            _ => {}
        }
        if seen.contains(received.name.as_str()) {
            return Err("is there twice in one response".into());
        }
        // What it would replace is looked up by the name on the wire, what it becomes is called as it says itself.
        if let Some(own) = received.own_name.as_ref().filter(|own| **own != received.name) {
            return Err(format!("says of itself that its name is {own:?}; send it under its own name"));
        }
        Ok(match &*self.wanted {
            Subscription::Wildcard => true,
            Subscription::Names(names) => names.contains(&received.name),
        })
    }

    /// What the server has no more. One that was refused is not gone, by neither of its names.
    fn absent(&self, seen: &HashSet<Arc<str>>, refused: &[Rejected], own_names: &[String]) -> Vec<String> {
        if !is_whole_state(&self.type_url) || *self.wanted != Subscription::Wildcard {
            return Vec::new();
        }
        // Bytes without a name may be any of those that are held.
        if refused.iter().any(|one| one.name.is_empty()) {
            return Vec::new();
        }
        let refused: HashSet<&str> = refused.iter().map(|one| &one.name).chain(own_names).map(String::as_str).collect();
        let gone = |name: &&Arc<str>| !seen.contains(&***name) && !refused.contains(&***name);
        self.known.keys().filter(gone).map(|name| name.to_string()).collect()
    }

    /// Records a verdict; gives the answer to send, if the update belongs to this stream.
    pub(crate) fn decide(&mut self, id: &UpdateId, verdict: Verdict, stream: u64, delta: bool) -> Option<Request> {
        let index = self.undecided.iter().position(|update| update.sequence == id.sequence)?;
        let update = self.undecided.remove(index)?;
        let mut refused = update.refused;
        refused.extend(verdict.err().unwrap_or_default());
        let refused_names: HashSet<&str> = refused.iter().map(|one| one.name.as_str()).collect();
        for (name, version) in update.resources {
            if refused_names.contains(&*name) {
                continue;
            }
            // Absent if it was removed, or is wanted no longer, since.
            if let Some(held) = self.known.get_mut(&name) {
                *held = Some(version);
            }
        }
        if refused.is_empty() {
            self.status.update_success += 1;
            self.status.version.clone_from(&update.version);
            self.status.last_success = Some(SystemTime::now());
            self.accepted_version = update.version;
        } else {
            self.status.update_rejected += 1;
        }
        let stale = update.stream != stream || (!delta && update.nonce != self.newest_nonce);
        if stale {
            return None;
        }
        let error_detail = (!refused.is_empty()).then(|| wire::nack(error_detail(&refused)));
        Some(if delta {
            let mut request = Request::delta(&self.type_url);
            request.response_nonce = update.nonce;
            request.error_detail = error_detail;
            Request::Delta(Box::new(request))
        } else {
            let mut request = Request::sotw(&self.type_url);
            request.version_info.clone_from(&self.accepted_version);
            request.response_nonce = update.nonce;
            // As told before: a change of names is a message of its own.
            request.resource_names = self.told.as_deref().map(Subscription::names).unwrap_or_default();
            request.error_detail = error_detail;
            Request::Sotw(Box::new(request))
        })
    }
}

/// The name that stands for everything.
const WILDCARD: &str = "*";
