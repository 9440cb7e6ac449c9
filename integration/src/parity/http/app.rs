//! The application: answers each request as its scenario says, in HTTP/1 or HTTP/2, and remembers what came. A request names its answer in the
//! header `x-answer`. Used by [`super::play`] alone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Failure;
use super::scenario::{Message, Request, Scenario};
use crate::serving;

/// A body that is sent in pieces, and may break off.
pub(super) type Body = UnsyncBoxBody<Bytes, Failure>;

/// What came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method and path.
    pub line: String,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Trailers.
    pub trailers: Option<HeaderMap>,
    /// It was sent to a `-shadow` of its host.
    pub mirrored: bool,
}

/// A running application. Ends when dropped.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _serving: JoinSet<()>,
}

/// The name of a request's answer.
pub(super) fn answer_name(scenario: &Scenario, request: &Request) -> String {
    format!("{}/{}", scenario.name, request.case)
}

impl App {
    /// Starts one that knows all answers.
    ///
    /// # Errors
    /// There is no loopback port.
    pub async fn start(scenarios: &[Scenario]) -> Result<App, Failure> {
        let named = |scenario: &Scenario, request: &Request| (answer_name(scenario, request), request.clone());
        let answers = scenarios.iter().flat_map(|one| one.requests.iter().map(move |request| named(one, request)));
        let answers: Arc<HashMap<String, Request>> = Arc::new(answers.collect());
        let path = |scenario: &Scenario, served: &str| format!("/served/{}/{served}", scenario.name);
        let served = scenarios.iter().flat_map(|one| {
            one.serves.iter().map(move |(served, status, body)| (path(one, served), (*status, body.clone())))
        });
        let served: Arc<HashMap<String, (u16, String)>> = Arc::new(served.collect());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let record = seen.clone();
        let mut tasks = JoinSet::new();
        serving::serve(&mut tasks, listener, move |request| {
            answer(answers.clone(), served.clone(), record.clone(), request)
        });
        Ok(App { address, seen, _serving: tasks })
    }

    /// How many came since that was last asked.
    pub fn count(&self) -> usize {
        self.seen.lock().expect("nothing panics while it holds the list").len()
    }

    /// What came since this was last asked.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("nothing panics while it holds the list"))
    }
}

/// What is not the scenario's: it is not recorded.
fn serve(status: u16, body: &str) -> Result<http::Response<Body>, Failure> {
    let body = http_body_util::Full::new(Bytes::copy_from_slice(body.as_bytes())).map_err(|never| match never {});
    Ok(http::Response::builder().status(status).body(body.boxed_unsync())?)
}

async fn answer(
    answers: Arc<HashMap<String, Request>>,
    served: Arc<HashMap<String, (u16, String)>>,
    record: Arc<Mutex<Vec<Seen>>>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Failure> {
    if let Some((status, body)) = served.get(request.uri().path()) {
        return serve(*status, body);
    }
    let (mut head, body) = request.into_parts();
    let name = head.headers.remove("x-answer").ok_or("the request names no answer")?;
    let wanted = name.to_str().ok().and_then(|name| answers.get(name)).ok_or("there is no such answer")?;
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    let host = head.uri.authority().map(ToString::to_string);
    let host = host.or_else(|| Some(head.headers.get("host")?.to_str().ok()?.to_owned())).unwrap_or_default();
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    record.lock().expect("nothing panics while it holds the list").push(Seen {
        line: format!("{} {target}", head.method),
        headers: head.headers,
        body: body.to_bytes(),
        trailers,
        mirrored: host.ends_with("-shadow"),
    });
    if wanted.silent {
        std::future::pending::<()>().await;
    }
    let mut response =
        http::Response::builder().status(wanted.status).body(self::body(&wanted.answer, wanted.reset)?)?;
    *response.headers_mut() = map(&wanted.answer.headers)?;
    Ok(response)
}

/// A message's body with its trailers; `reset` breaks it off.
pub(super) fn body(message: &Message, reset: bool) -> Result<Body, Failure> {
    let mut frames: Vec<Result<Frame<Bytes>, Failure>> =
        message.body.iter().map(|piece| Ok(Frame::data(piece.clone()))).collect();
    if !message.trailers.is_empty() {
        frames.push(Ok(Frame::trailers(map(&message.trailers)?)));
    }
    if reset {
        frames.push(Err("it is to break off".into()));
    }
    if frames.is_empty() {
        let nothing = http_body_util::Empty::new().map_err(|never| match never {});
        return Ok(nothing.boxed_unsync());
    }
    Ok(StreamBody::new(stream::iter(frames)).boxed_unsync())
}

/// Headers as hyper has them.
pub(super) fn map(lines: &[(String, String)]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::try_from(name.as_str())?, HeaderValue::from_str(value)?);
    }
    Ok(map)
}
