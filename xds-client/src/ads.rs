//! The ADS client: its handle, its events, and the task between them.
//!
//! Spawned by the proxy's control thread. Must never decide what to subscribe to.

pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod status;
mod subscription;
mod task;
pub(crate) mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use self::settings::AdsSettings;
use self::status::AdsStatus;
use crate::endpoint::SharedChannel;
use crate::update::{Update, UpdateId, Verdict};

/// What is wanted of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// Everything the control plane has for this node.
    Wildcard,
    /// These resources. An empty set means that the type is not wanted (any longer).
    Names(BTreeSet<String>),
}

impl Subscription {
    /// As a state-of-the-world request names it: a wildcard is the empty list.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Wildcard => Vec::new(),
            Self::Names(names) => names.iter().cloned().collect(),
        }
    }
}

/// What happens on the stream, in order.
#[derive(Debug)]
pub enum Event {
    /// A connection is up and the subscriptions are on their way.
    Connected,
    /// Resources came; a verdict is due. The client stops reading while many updates wait for theirs.
    Update(Update),
    /// The stream or an attempt failed. What is held stays valid.
    Disconnected {
        /// What happened, for the log.
        reason: String,
        /// When the next attempt starts.
        retry_in: Duration,
    },
}

/// Makes ADS clients.
#[derive(Debug)]
pub struct AdsClient;

impl AdsClient {
    /// Starts a client on the current tokio runtime. It connects once something is subscribed to, and ends when every
    /// handle, or the event stream, is dropped.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn spawn(settings: AdsSettings) -> (AdsHandle, AdsEvents) {
        let method = if settings.delta { DELTA } else { STATE_OF_THE_WORLD };
        spawn(settings, Route { method, channel: None })
    }
}

impl AdsClient {
    /// The same for a server that has layers of the runtime alone.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn spawn_runtime(settings: AdsSettings) -> (AdsHandle, AdsEvents) {
        let method = if settings.delta { DELTA_RUNTIME } else { RUNTIME };
        spawn(settings, Route { method, channel: None })
    }
}

/// A client for one secret's stream, over a connection that it shares. An SDS stream is an ADS stream with one type.
pub(crate) fn spawn_secret_stream(settings: AdsSettings, channel: Arc<SharedChannel>) -> (AdsHandle, AdsEvents) {
    let method = if settings.delta { DELTA_SECRETS } else { SECRETS };
    spawn(settings, Route { method, channel: Some(channel) })
}

fn spawn(settings: AdsSettings, route: Route) -> (AdsHandle, AdsEvents) {
    let (commands, command_receiver) = mpsc::unbounded_channel();
    let (event_sender, events) = mpsc::channel(EVENTS_WAITING);
    let status = Arc::new(Mutex::new(AdsStatus::default()));
    tokio::spawn(task::run(settings, route, command_receiver, event_sender, status.clone()));
    (AdsHandle { commands, status }, AdsEvents { events })
}

/// How a stream is opened.
#[derive(Debug)]
struct Route {
    /// The gRPC method's path.
    method: &'static str,
    /// A connection shared with other streams; otherwise each stream has a new one.
    channel: Option<Arc<SharedChannel>>,
}

/// Tells a running client what is wanted and what was accepted. Nothing here waits.
#[derive(Debug, Clone)]
pub struct AdsHandle {
    commands: mpsc::UnboundedSender<Command>,
    status: Arc<Mutex<AdsStatus>>,
}

impl AdsHandle {
    /// Sets what is wanted of a type; the client tells the server what has changed. Gives the moment, from which an
    /// initial fetch timeout counts.
    pub fn subscribe(&self, type_url: &str, wanted: Subscription) -> Instant {
        // The client is gone only if the proxy dropped its events: then nobody waits for an answer.
        let _ = self.commands.send(Command::Subscribe(type_url.into(), wanted));
        Instant::now()
    }

    /// Acknowledges an update, or names the resources in it that are refused. A second verdict on an update, or one for
    /// a stream that is gone, is not sent.
    pub fn verdict(&self, id: UpdateId, verdict: Verdict) {
        let _ = self.commands.send(Command::Decide(id, verdict));
    }

    pub(crate) fn downgrade(&self) -> mpsc::WeakUnboundedSender<Command> {
        self.commands.downgrade()
    }

    /// Counters of this moment.
    pub fn status(&self) -> AdsStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The client's events.
#[derive(Debug)]
pub struct AdsEvents {
    events: mpsc::Receiver<Event>,
}

impl AdsEvents {
    /// The next event; `None` when the client has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

#[derive(Debug)]
pub(crate) enum Command {
    Subscribe(Arc<str>, Subscription),
    Decide(UpdateId, Verdict),
}

const DELTA: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const STATE_OF_THE_WORLD: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const DELTA_RUNTIME: &str = "/envoy.service.runtime.v3.RuntimeDiscoveryService/DeltaRuntime";
const RUNTIME: &str = "/envoy.service.runtime.v3.RuntimeDiscoveryService/StreamRuntime";
const DELTA_SECRETS: &str = "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";
const SECRETS: &str = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";

/// Events that may wait for the proxy before the client stops reading from the server.
const EVENTS_WAITING: usize = 16;

#[cfg(test)]
mod tests;
