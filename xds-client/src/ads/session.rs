//! The ADS protocol as a state machine without I/O: what is wanted, what the server was told, what is held.
//!
//! Owned by the ADS task, which carries requests out and responses in. Must never wait, and never look into a
//! resource.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use envoy_types::pb::envoy::config::core::v3::Node;

use super::status::AdsStatus;
use super::subscription::TypeState;
use super::wire::{Request, Response};
use super::{AdsSettings, Subscription};
use crate::type_url::rank;
use crate::update::{Update, UpdateId, Verdict};

#[derive(Debug)]
pub(crate) struct Session {
    delta: bool,
    node: Node,
    node_on_first_only: bool,
    node_sent: bool,
    /// Which stream we are on; 0 before the first. Verdicts of an older one are recorded but not sent.
    stream: u64,
    open: bool,
    next_sequence: u64,
    /// In the order of [`rank`], then of first subscription.
    types: Vec<TypeState>,
    outbox: VecDeque<Request>,
    status: AdsStatus,
}

impl Session {
    pub(crate) fn new(settings: &AdsSettings) -> Self {
        Self {
            delta: settings.delta,
            node: settings.node.clone(),
            node_on_first_only: settings.set_node_on_first_message_only,
            node_sent: false,
            stream: 0,
            open: false,
            next_sequence: 0,
            types: Vec::new(),
            outbox: VecDeque::new(),
            status: AdsStatus::default(),
        }
    }

    /// Whether anything is asked for; without that there is no point in a stream.
    pub(crate) fn wants_anything(&self) -> bool {
        self.types.iter().any(TypeState::wants_anything)
    }

    /// Updates without a verdict, also those of earlier streams.
    pub(crate) fn undecided(&self) -> usize {
        self.types.iter().map(TypeState::undecided).sum()
    }

    pub(crate) fn subscribe(&mut self, type_url: &Arc<str>, wanted: Subscription) {
        let index = self.types.iter().position(|state| state.type_url == *type_url).unwrap_or_else(|| {
            let place = self.types.partition_point(|state| rank(&state.type_url) <= rank(type_url));
            self.types.insert(place, TypeState::new(type_url.clone()));
            place
        });
        self.types[index].want(wanted);
        self.sync(index);
    }

    /// A new stream starts with everything that is wanted, in the order that control planes expect.
    pub(crate) fn stream_opened(&mut self) {
        self.stream += 1;
        self.open = true;
        self.node_sent = false;
        self.outbox.clear();
        self.status.connected = true;
        self.status.streams += 1;
        for index in 0..self.types.len() {
            self.types[index].stream_opened();
            self.sync(index);
        }
    }

    /// The stream, or the attempt at one, failed.
    pub(crate) fn stream_closed(&mut self, reason: &str) {
        self.open = false;
        self.outbox.clear();
        self.status.connected = false;
        self.status.failures += 1;
        self.status.last_error = Some(reason.to_owned());
        for state in &mut self.types {
            if state.wants_anything() {
                state.status.update_failure += 1;
            }
        }
    }

    /// Takes a response in. `None` if nobody asked for its type.
    pub(crate) fn receive(&mut self, response: Response) -> Option<Update> {
        self.status.last_update = Some(SystemTime::now());
        if let Some(identifier) = &response.control_plane {
            self.status.control_plane.clone_from(identifier);
        }
        let Some(state) = self.types.iter_mut().find(|state| *state.type_url == *response.type_url) else {
            tracing::warn!("the control plane sent {}, which nobody asked for; ignored", response.type_url);
            return None;
        };
        self.next_sequence += 1;
        let id = UpdateId { type_url: state.type_url.clone(), sequence: self.next_sequence };
        Some(state.receive(id, self.stream, self.delta, response))
    }

    /// The proxy's verdict on an update. Unknown and repeated ones are ignored.
    pub(crate) fn decide(&mut self, id: &UpdateId, verdict: Verdict) {
        let Some(index) = self.types.iter().position(|state| state.type_url == id.type_url) else { return };
        let answer = self.types[index].decide(id, verdict, self.stream, self.delta);
        if self.open {
            self.outbox.extend(answer);
            // Two messages: the acknowledgement above, then what has changed meanwhile.
            self.sync(index);
        }
    }

    /// The next message to send.
    pub(crate) fn next_request(&mut self) -> Option<bytes::Bytes> {
        let request = self.outbox.pop_front()?;
        let with_node = !self.node_sent || !self.node_on_first_only;
        self.node_sent = true;
        Some(request.encode(with_node.then_some(&self.node)))
    }

    pub(crate) fn has_requests(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(crate) fn requests_waiting(&self) -> usize {
        self.outbox.len()
    }

    pub(crate) fn status(&self) -> AdsStatus {
        let mut status = self.status.clone();
        status.types = self.types.iter().map(|state| (state.type_url.clone(), state.snapshot())).collect();
        status
    }

    fn sync(&mut self, index: usize) {
        if self.open {
            let stream = self.stream;
            self.outbox.extend(self.types[index].subscription_request(self.delta, stream));
        }
    }
}

#[cfg(test)]
mod tests;
