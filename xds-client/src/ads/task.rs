//! The loop that carries an ADS session over streams: connect, talk, fail, wait, again.
//!
//! Spawned by [`AdsClient::spawn`](crate::AdsClient::spawn). Must never drop a command: they are applied also while
//! there is no connection.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tonic::transport::Channel;

use super::session::Session;
use super::settings::AdsSettings;
use super::status::AdsStatus;
use super::wire::Response;
use super::{Command, Event, Route};
use crate::ConnectError;
use crate::backoff::Backoff;
use crate::endpoint::SharedChannel;
use crate::grpc::{self, Answers, CallEnd};

type Commands = mpsc::UnboundedReceiver<Command>;

struct Task {
    settings: AdsSettings,
    route: Route,
    session: Session,
    commands: Commands,
    events: mpsc::Sender<Event>,
    status: Arc<Mutex<AdsStatus>>,
    backoff: Backoff,
}

/// Why one stream is over.
enum End {
    /// Nobody is interested any more.
    Abandoned,
    Failed(String),
}

pub(crate) async fn run(
    settings: AdsSettings,
    route: Route,
    commands: Commands,
    events: mpsc::Sender<Event>,
    status: Arc<Mutex<AdsStatus>>,
) {
    let session = Session::new(&settings);
    let backoff = Backoff::new(settings.backoff);
    let mut task = Task { settings, route, session, commands, events, status, backoff };
    while let Some(()) = task.until_wanted().await {
        let End::Failed(reason) = task.stream().await else { return };
        if task.failed(reason).await.is_none() {
            return;
        }
    }
}

impl Task {
    async fn until_wanted(&mut self) -> Option<()> {
        while !self.session.wants_anything() {
            let command = self.commands.recv().await;
            self.apply(command)?;
        }
        Some(())
    }

    /// `None` if there is no handle left.
    fn apply(&mut self, command: Option<Command>) -> Option<()> {
        match command? {
            Command::Subscribe(type_url, wanted) => self.session.subscribe(&type_url, wanted),
            Command::Decide(id, verdict) => self.session.decide(&id, verdict),
        }
        self.publish_status();
        Some(())
    }

    fn publish_status(&self) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = self.session.status();
    }

    async fn emit(&self, event: Event) -> Option<()> {
        self.events.send(event).await.ok()
    }

    /// Reports a failure and waits, still taking commands.
    async fn failed(&mut self, reason: String) -> Option<()> {
        let retry_in = self.backoff.next_wait();
        // Who takes the event says it in the log. Errors of connecting name the endpoint themselves.
        let endpoint = self.settings.endpoint.to_string();
        let reason = if reason.contains(&endpoint) { reason } else { format!("{endpoint}: {reason}") };
        self.session.stream_closed(&reason);
        self.publish_status();
        self.emit(Event::Disconnected { reason, retry_in }).await?;
        let wait = tokio::time::sleep(retry_in);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => self.apply(command)?,
                () = &mut wait => return Some(()),
            }
        }
    }

    /// One stream from its connection to its end.
    async fn stream(&mut self) -> End {
        let connecting = connect(self.settings.clone(), self.route.channel.clone());
        tokio::pin!(connecting);
        let channel = loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => if self.apply(command).is_none() { return End::Abandoned },
                connected = &mut connecting => match connected {
                    Ok(channel) => break channel,
                    Err(error) => return End::Failed(error.to_string()),
                },
            }
        };
        let metadata = self.settings.metadata.as_ref().map(|provider| provider()).unwrap_or_default();
        let (sender, receiver) = mpsc::channel(REQUESTS_IN_FLIGHT);
        self.session.stream_opened();
        self.publish_status();
        if self.emit(Event::Connected).await.is_none() {
            return End::Abandoned;
        }
        let call = grpc::call(channel, self.route.method, &metadata, receiver, self.settings.largest_message);
        self.talk(call, sender).await
    }

    /// Until the stream fails. Commands come first, so that an acknowledgement and the change of names that follows it
    /// leave in the order in which the proxy gave them.
    async fn talk(
        &mut self,
        call: impl Future<Output = Result<Answers, CallEnd>>,
        requests: mpsc::Sender<bytes::Bytes>,
    ) -> End {
        tokio::pin!(call);
        let mut answers: Option<Answers> = None;
        loop {
            let sendable = self.session.has_requests() && !requests.is_closed();
            // A stream that takes no more requests is read to its end, which says why.
            let may_read = self.session.undecided() < MAX_UNDECIDED
                && (self.session.requests_waiting() < MAX_WAITING || requests.is_closed());
            tokio::select! {
                biased;
                command = self.commands.recv() => if self.apply(command).is_none() { return End::Abandoned },
                permit = requests.reserve(), if sendable => {
                    if let (Ok(permit), Some(request)) = (permit, self.session.next_request()) {
                        permit.send(request);
                    }
                }
                opened = &mut call, if answers.is_none() => match opened {
                    Ok(opened) => answers = Some(opened),
                    Err(end) => return End::Failed(end.to_string()),
                },
                message = next(&mut answers), if answers.is_some() && may_read => match message {
                    Ok(message) => if let Err(end) = self.receive(message).await { return end },
                    Err(end) => return End::Failed(end.to_string()),
                },
            }
        }
    }

    async fn receive(&mut self, message: bytes::Bytes) -> Result<(), End> {
        let response = Response::decode(message, self.settings.delta)
            .map_err(|error| End::Failed(format!("the server sent what is no discovery response: {error}")))?;
        self.backoff.reset();
        let update = self.session.receive(response);
        self.publish_status();
        match update {
            Some(update) => self.emit(Event::Update(update)).await.ok_or(End::Abandoned),
            None => Ok(()),
        }
    }
}

async fn connect(settings: AdsSettings, shared: Option<Arc<SharedChannel>>) -> Result<Channel, ConnectError> {
    match shared {
        Some(shared) => Ok(shared.get(&settings.endpoint, settings.connect_timeout)),
        None => settings.endpoint.connect(settings.connect_timeout).await,
    }
}

/// Pending without a stream; the guard of its branch keeps it from being polled then.
async fn next(answers: &mut Option<Answers>) -> Result<bytes::Bytes, CallEnd> {
    match answers {
        Some(answers) => answers.next().await,
        None => std::future::pending().await,
    }
}

/// Requests handed to HTTP/2 that the server has not made room for yet.
const REQUESTS_IN_FLIGHT: usize = 16;
/// Updates without a verdict, and requests not handed over, at which reading stops: a server that sends without end
/// meets flow control, not our memory.
const MAX_UNDECIDED: usize = 16;
const MAX_WAITING: usize = 64;
