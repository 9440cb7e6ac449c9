//! The SDS client: one stream for each secret, all over one connection.
//!
//! Spawned by the proxy's control thread, once for each config source. A stream of its own for each name, because
//! Istio's agent keeps one set of names for a stream and answers an addition with the new name alone. A secret that the
//! server cannot make ends its stream with an error; it is asked for again, for ever.
//!
//! Must never look into a secret, nor let its bytes into a log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::ads::settings::AdsSettings;
use crate::ads::{self, AdsEvents, AdsHandle, Command, Event, Subscription};
use crate::endpoint::SharedChannel;
use crate::type_url;
use crate::update::{Rejected, UpdateId};

/// What happens to the secrets that are watched.
pub enum SdsEvent {
    /// A secret came, for the first time or anew. A verdict is due; until then the one before it is in use.
    Secret {
        /// Its name.
        name: Arc<str>,
        /// To be given back with the verdict.
        id: UpdateId,
        /// The server's version.
        version: String,
        /// `envoy.extensions.transport_sockets.tls.v3.Secret`, encoded.
        body: Bytes,
    },
    /// Its stream, or an attempt at one, failed. A secret that came earlier stays valid.
    Failed {
        /// The secret's name.
        name: Arc<str>,
        /// What happened, for the log.
        reason: String,
        /// When the next attempt starts.
        retry_in: Duration,
    },
}

impl std::fmt::Debug for SdsEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret { name, version, .. } => write!(f, "Secret({name}, version {version})"),
            Self::Failed { name, reason, .. } => write!(f, "Failed({name}: {reason})"),
        }
    }
}

/// Makes SDS clients.
#[derive(Debug)]
pub struct SdsClient;

impl SdsClient {
    /// Starts a client on the current tokio runtime. Nothing connects before the first secret is watched.
    pub fn spawn(settings: AdsSettings) -> (SdsHandle, SdsEvents) {
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let channel = Arc::new(SharedChannel::default());
        (SdsHandle { settings, channel, sender, watches: HashMap::new() }, SdsEvents { events })
    }
}

/// Says which secrets are wanted and what was thought of them. Nothing here waits. Dropping it ends every stream.
#[derive(Debug)]
pub struct SdsHandle {
    settings: AdsSettings,
    channel: Arc<SharedChannel>,
    sender: mpsc::Sender<SdsEvent>,
    watches: HashMap<Arc<str>, AdsHandle>,
}

impl SdsHandle {
    /// Asks for a secret, now and whenever it changes. Watching it twice changes nothing.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn watch(&mut self, name: &str) {
        if self.watches.contains_key(name) {
            return;
        }
        let name: Arc<str> = name.into();
        let (handle, events) = ads::spawn_secret_stream(self.settings.clone(), self.channel.clone());
        handle.subscribe(type_url::SECRET, Subscription::Names([name.to_string()].into()));
        tokio::spawn(forward(name.clone(), handle.downgrade(), events, self.sender.clone()));
        self.watches.insert(name, handle);
    }

    /// Ends a secret's stream.
    pub fn unwatch(&mut self, name: &str) {
        self.watches.remove(name);
    }

    /// The names watched, in no order.
    pub fn watched(&self) -> impl Iterator<Item = &str> {
        self.watches.keys().map(|name| &**name)
    }

    /// Accepts a secret, or refuses it with a reason; a refused one is not held, and the one before it stays in use.
    pub fn verdict(&self, name: &str, id: UpdateId, verdict: Result<(), String>) {
        if let Some(handle) = self.watches.get(name) {
            handle.verdict(id, verdict.map_err(|reason| vec![Rejected { name: name.to_owned(), reason }]));
        }
    }
}

/// The client's events.
#[derive(Debug)]
pub struct SdsEvents {
    events: mpsc::Receiver<SdsEvent>,
}

impl SdsEvents {
    /// The next event; `None` when the handle is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<SdsEvent> {
        self.events.recv().await
    }
}

/// Carries one stream's events into the common queue, and acknowledges responses that hold no secret. Holds its handle
/// weakly, so that `unwatch` ends the stream.
async fn forward(
    name: Arc<str>,
    commands: mpsc::WeakUnboundedSender<Command>,
    mut events: AdsEvents,
    sender: mpsc::Sender<SdsEvent>,
) {
    while let Some(event) = events.next().await {
        let event = match event {
            Event::Connected => continue,
            Event::Disconnected { reason, retry_in } => SdsEvent::Failed { name: name.clone(), reason, retry_in },
            Event::Update(mut update) => match update.resources.pop() {
                Some(secret) => {
                    let version = update.version;
                    SdsEvent::Secret { name: name.clone(), id: update.id, version, body: secret.body }
                }
                None => {
                    let Some(commands) = commands.upgrade() else { return };
                    let _ = commands.send(Command::Decide(update.id, Ok(())));
                    continue;
                }
            },
        };
        if sender.send(event).await.is_err() {
            return;
        }
    }
}

/// Events that may wait for the proxy before reading stops.
const EVENTS_WAITING: usize = 16;

#[cfg(test)]
mod tests;
