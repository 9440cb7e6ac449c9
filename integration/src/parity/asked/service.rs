//! Who is asked: answers every request as it was told to, in HTTP or in gRPC, and remembers what came. The application is one, too. Used by
//! [`super::play`] alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{DEADLINE, Failure, POLL};
use crate::serving::serve;

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Of HTTP: status, headers and body.
    Http(u16, &'static [(&'static str, &'static str)], &'static str),
    /// A message of gRPC.
    Message(Bytes),
    /// A status of gRPC that is none of success.
    Status(u16),
}

/// A running service. Ends when dropped.
#[derive(Debug)]
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    answer: Mutex<Answer>,
    seen: Mutex<Vec<String>>,
}

impl Service {
    /// Starts one that answers 200.
    ///
    /// # Errors
    /// There is no loopback port.
    pub async fn start() -> Result<Service, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answer = Mutex::new(Answer::Http(200, &[("x-app", "1")], "fine"));
        let state = Arc::new(State { answer, seen: Mutex::default() });
        let (shared, mut serving) = (state.clone(), JoinSet::new());
        serve(&mut serving, listener, move |request| respond(shared.clone(), request));
        Ok(Service { address, state, _serving: serving })
    }

    /// What it answers from now on.
    pub fn answers(&self, answer: Answer) {
        *self.state.answer.lock().expect("nothing panics while it holds the answer") = answer;
    }

    /// What came since this was last asked, once it is so much.
    pub async fn take(&self, least: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            if let Some(seen) = self.state.take(least, began.elapsed() > DEADLINE) {
                return seen;
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl State {
    /// What was seen, where it is so much or `late`.
    fn take(&self, least: usize, late: bool) -> Option<Vec<String>> {
        let mut seen = self.seen.lock().expect("nothing panics while it holds the list");
        (late || seen.len() >= least).then(|| std::mem::take(&mut *seen))
    }
}

async fn respond(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Failure>>, Failure> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let line = match path.as_str() {
        "/envoy.service.auth.v3.Authorization/Check" => check(&CheckRequest::decode(message(&body))?),
        "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit" => {
            limits(&RateLimitRequest::decode(message(&body))?)
        }
        _ => format!("{} {path} {} body {:?}", head.method, headers(&head.headers), body.escape_ascii().to_string()),
    };
    state.seen.lock().expect("nothing panics while it holds the list").push(line);
    let answer = state.answer.lock().expect("nothing panics while it holds the answer").clone();
    let (status, fields, frames) = match answer {
        Answer::Http(status, fields, body) => {
            (status, map(fields)?, vec![Ok(Frame::data(Bytes::from_static(body.as_bytes())))])
        }
        Answer::Message(message) => {
            let mut framed = BytesMut::with_capacity(5 + message.len());
            framed.put_u8(0);
            framed.put_u32(u32::try_from(message.len())?);
            framed.put(message);
            let ended = map(&[("grpc-status", "0")])?;
            (200, map(GRPC)?, vec![Ok(Frame::data(framed.freeze())), Ok(Frame::trailers(ended))])
        }
        Answer::Status(status) => {
            let mut ended = map(GRPC)?;
            ended.insert("grpc-status", HeaderValue::from(status));
            (200, ended, Vec::new())
        }
    };
    let frames: Vec<Result<Frame<Bytes>, Failure>> = frames;
    let mut response = Response::builder().status(status).body(StreamBody::new(stream::iter(frames)).boxed_unsync())?;
    *response.headers_mut() = fields;
    Ok(response)
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];

fn map(list: &[(&str, &str)]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        map.append(HeaderName::try_from(*name)?, HeaderValue::from_str(value)?);
    }
    Ok(map)
}

/// The message behind its prefix.
fn message(body: &Bytes) -> Bytes {
    body.slice(body.len().min(5)..)
}

/// Headers, sorted; without those that say how long a caller waits, and where.
fn headers(headers: &HeaderMap) -> String {
    const LEFT_OUT: [&str; 3] = ["x-envoy-expected-rq-timeout-ms", "x-envoy-upstream-service-time", "host"];
    let shown = headers.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    let mut lines: Vec<_> = shown.map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii())).collect();
    lines.sort();
    lines.join(" ")
}

fn check(question: &CheckRequest) -> String {
    let attributes = question.attributes.clone().unwrap_or_default();
    let (source, destination) = (attributes.source.unwrap_or_default(), attributes.destination.unwrap_or_default());
    let mut labels: Vec<_> = destination.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort();
    let http = attributes.request.and_then(|request| request.http);
    let told = attributes.metadata_context.unwrap_or_default();
    let plain = told.filter_metadata.iter().flat_map(|(name, value)| {
        value.fields.iter().map(move |(key, value)| format!("{name}:{key}={:?}", value.kind))
    });
    let mut told: Vec<_> = plain
        .chain(told.typed_filter_metadata.iter().map(|(name, value)| format!("{name}:{}", value.type_url)))
        .collect();
    told.sort();
    let told = if told.is_empty() { String::new() } else { format!(" metadata={told:?}") };
    format!(
        "check service={:?} principal={:?} to={:?} labels={labels:?} http={} tls={:?}{told}",
        source.service,
        source.principal,
        destination.service,
        http.is_some(),
        attributes.tls_session.map(|session| session.sni),
    )
}

fn limits(question: &RateLimitRequest) -> String {
    let descriptor = |one: &envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor| {
        let entries: Vec<_> = one.entries.iter().map(|entry| format!("{}={}", entry.key, entry.value)).collect();
        let limit = one.limit.as_ref().map(|limit| format!(" limit {}/{}", limit.requests_per_unit, limit.unit));
        let hits = one.hits_addend.as_ref().map(|hits| format!(" hits {}", hits.value));
        let given_back = if one.is_negative_hits { " given back" } else { "" };
        format!("[{}{}{}{given_back}]", entries.join(","), limit.unwrap_or_default(), hits.unwrap_or_default())
    };
    let descriptors: Vec<_> = question.descriptors.iter().map(descriptor).collect();
    format!("limit {} hits {} {}", question.domain, question.hits_addend, descriptors.join(" "))
}
