//! Both sides of a request, step by step. A step that hears waits for it, so that nothing depends on time:
//!
//! - `client: octets TEXT` (over HTTP/1, whatever they mean), `client: head`, `client: piece` (the next of its body), `client: end` (with its trailers), `client: leaves` (closes its connection, or
//!   resets its stream);
//! - `app: 103` (or another informational head), `app: head`, `app: piece`, `app: end`, `app: leaves`;
//! - `client hears: 100`, and `client hears:` or `app hears:` `head`, `5` (so many octets of the body), `end`, `gone` (the other one left
//!   before the end).
//!
//! The client speaks the protocol of its request; the application, `$talker`, speaks HTTP/1, one request a connection, and `app` is always
//! the newest of them. Heads, pieces and trailers are those of the request and of its `answer`. What no step waits for may or may not have come when
//! the dialogue is over. Used by [`super::play`] alone; [`h1`] reads messages, [`client`] and [`talker`] are the two sides.

pub mod client;
pub mod h1;
pub mod talker;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::sync::Notify;

use super::Failure;
use super::scenario::{Message, Request};

/// How long a step may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(10);

/// What one side has heard of the other.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Informational heads before the last one.
    pub informational: Vec<u16>,
    /// The first line of the head, or its status.
    pub line: Option<String>,
    /// Headers.
    pub headers: HeaderMap,
    /// As much of the body as came.
    pub body: BytesMut,
    /// Trailers.
    pub trailers: Option<HeaderMap>,
    /// How it ended, well or not.
    pub end: Option<bool>,
}

/// A part of a message.
#[derive(Debug)]
pub enum Part {
    /// 1xx.
    Informational(u16),
    /// First line, or status, and headers.
    Head(String, HeaderMap),
    /// Of the body.
    Data(Bytes),
    /// After it.
    Trailers(HeaderMap),
    /// It ended, well or not.
    End(bool),
}

/// What is heard, for who waits.
#[derive(Debug, Clone, Default)]
pub struct Ear(Arc<(Mutex<Heard>, Notify)>);

impl Ear {
    /// Hears a part.
    pub fn hear(&self, part: Part) {
        let mut heard = self.0.0.lock().expect("nothing panics while it holds this");
        match part {
            Part::Informational(status) => heard.informational.push(status),
            Part::Head(line, headers) => (heard.line, heard.headers) = (Some(line), headers),
            Part::Data(data) => heard.body.extend_from_slice(&data),
            Part::Trailers(trailers) => heard.trailers = Some(trailers),
            Part::End(well) => heard.end = heard.end.or(Some(well)),
        }
        self.0.1.notify_waiters();
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.0.0.lock().expect("nothing panics while it holds this").clone()
    }

    async fn wait(&self, what: &str) -> Result<(), Failure> {
        let octets: Option<usize> = what.parse().ok();
        let is_there = |heard: &Heard| match (what, octets) {
            ("head", _) => heard.line.is_some(),
            ("end", _) => heard.end.is_some(),
            ("gone", _) => heard.end == Some(false),
            (_, Some(100..200)) => heard.informational.iter().any(|status| what == status.to_string()),
            (_, Some(octets)) => heard.body.len() >= octets,
            _ => false,
        };
        let waiting = async {
            loop {
                let told = self.0.1.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if is_there(&self.heard()) {
                    return;
                }
                told.await;
            }
        };
        let late = || format!("{what:?} is not heard, but {:?}", self.heard());
        tokio::time::timeout(DEADLINE, waiting).await.map_err(|_| late())?;
        Ok(())
    }
}

/// What is left to say of a message.
struct Script<'a> {
    message: &'a Message,
    next: usize,
}

impl Script<'_> {
    fn piece(&mut self) -> Result<Bytes, Failure> {
        self.next += 1;
        Ok(self.message.body.get(self.next - 1).ok_or("there is no piece left to send")?.clone())
    }
}

/// Plays one; gives what the client heard, and what each request of the proxy said to the application.
///
/// # Errors
/// The step that could not be done.
pub async fn play(
    talker: &talker::Talker,
    proxy: std::net::SocketAddr,
    request: &Request,
) -> Result<(Heard, Vec<Heard>), Failure> {
    talker.forget();
    let mut client = client::Client::connect(proxy, request).await?;
    let mut says = Script { message: &request.message, next: 0 };
    let mut answers = Script { message: &request.answer, next: 0 };
    for step in &request.dialogue {
        let told = |error: Failure| format!("{step:?}: {error}");
        let (who, what) = step.split_once(": ").ok_or_else(|| format!("{step:?} is no step"))?;
        match (who, what) {
            ("client hears", what) => client.ear.wait(what).await.map_err(told)?,
            ("app hears", "head") => talker.request().await.map_err(told)?.ear.wait("head").await.map_err(told)?,
            ("app hears", what) => talker.current().await.map_err(told)?.ear.wait(what).await.map_err(told)?,
            ("client", what) if what.starts_with("octets ") => client.octets(&what[7..]).await.map_err(told)?,
            ("client", "head") => client.head(request).await.map_err(told)?,
            ("client", "piece") => client.data(says.piece()?).await.map_err(told)?,
            ("client", "end") => client.end(&request.message.trailers).await.map_err(told)?,
            ("client", "leaves") => client.leave(),
            ("app", "head") => {
                answers.next = 0;
                talker.newest()?.head(request.status, &request.answer).await.map_err(told)?;
            }
            ("app", "piece") => talker.newest()?.data(&answers.piece()?).await.map_err(told)?,
            ("app", "end") => talker.newest()?.end(&request.answer.trailers).await.map_err(told)?,
            ("app", "leaves") => talker.newest()?.leave(),
            ("app", status) => talker.newest()?.informational(status).await.map_err(told)?,
            _ => return Err(format!("{step:?} is no step").into()),
        }
    }
    let heard = client.ear.heard();
    Ok((heard, talker.heard()))
}
