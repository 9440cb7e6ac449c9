//! Whom the proxies speak to: a collector, over HTTP/1 or gRPC, and an application that answers as its path says. Used by [`super::play`].

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{DEADLINE, Failure, POLL, Span, otlp, zipkin};
use crate::serving::serve;

/// The collector and the application. Both end when dropped.
#[derive(Debug)]
pub(super) struct Others {
    pub collector: SocketAddr,
    pub app: SocketAddr,
    /// Takes connections, and says nothing.
    pub hole: std::net::TcpListener,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    spans: Mutex<Vec<Span>>,
    /// Calls of the collector: what they were, and who says it.
    reports: Mutex<Vec<String>>,
    requests: Mutex<Vec<String>>,
    /// Paths that were asked for.
    known: Mutex<BTreeSet<String>>,
    broken: Mutex<Option<String>>,
}

const POISON: &str = "nothing panics while it holds this";

impl Others {
    pub async fn start() -> Result<Others, Failure> {
        let state = Arc::new(State::default());
        let mut serving = JoinSet::new();
        let mut addresses = Vec::new();
        for is_app in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?);
            let state = state.clone();
            serve(&mut serving, listener, move |request| respond(state.clone(), request, is_app));
        }
        let hole = std::net::TcpListener::bind("127.0.0.1:0")?;
        Ok(Others { collector: addresses[0], app: addresses[1], hole, state, _serving: serving })
    }

    /// So many spans, in the order in which they began.
    pub async fn spans(&self, count: usize) -> Result<Vec<Span>, Failure> {
        let began = Instant::now();
        loop {
            if let Some(broken) = self.state.broken.lock().expect(POISON).take() {
                return Err(broken.into());
            }
            let here = self.state.spans.lock().expect(POISON).len();
            if here >= count {
                let mut spans = std::mem::take(&mut *self.state.spans.lock().expect(POISON));
                spans.sort_by_key(|span| span.start);
                return Ok(spans);
            }
            if began.elapsed() > DEADLINE {
                return Err(format!("{here} spans came of {count}").into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What the application was told of tracing since this was last asked.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.requests.lock().expect(POISON))
    }

    /// Waits until the application has been asked something since [`Others::requests`] was last read.
    pub async fn is_asked(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.state.requests.lock().expect(POISON).is_empty() {
            if began.elapsed() > DEADLINE {
                return Err("the application is not asked".into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub fn reports(&self) -> Vec<String> {
        self.state.reports.lock().expect(POISON).clone()
    }
}

type Body = UnsyncBoxBody<Bytes, Failure>;

async fn respond(state: Arc<State>, request: Request<Incoming>, is_app: bool) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    if is_app {
        return app(&state, &path, &head.headers).await;
    }
    if path.starts_with("/api/v2/spans") {
        match zipkin::read(&body) {
            Ok(spans) => state.spans.lock().expect(POISON).extend(spans),
            Err(error) => *state.broken.lock().expect(POISON) = Some(error.to_string()),
        }
        let line = format!("{} {path} {}", head.method, shown(&head.headers, &COLLECTORS));
        state.reports.lock().expect(POISON).push(line);
        return answer(202, &[], "");
    }
    let grpc = head.headers.get("content-type").is_some_and(|kind| kind == "application/grpc");
    let message = if grpc { body.slice(body.len().min(5)..) } else { body };
    match otlp::read(&message) {
        Ok((spans, origin)) => {
            state.spans.lock().expect(POISON).extend(spans);
            let line = format!("{} {path} {} from {origin}", head.method, shown(&head.headers, &COLLECTORS));
            state.reports.lock().expect(POISON).push(line);
        }
        Err(error) => *state.broken.lock().expect(POISON) = Some(error.to_string()),
    }
    if !grpc {
        return answer(200, &[], "");
    }
    let ended = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let frames: Vec<Result<Frame<Bytes>, Failure>> =
        vec![Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(ended))];
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(StreamBody::new(stream::iter(frames)).boxed_unsync())?)
}

/// Headers of a call that are compared.
const COLLECTORS: [&str; 4] = ["host", "content-type", "x-added", "x-envoy-internal"];
/// Headers that tell the application of tracing.
const TOLD: [&str; 14] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-request-id",
    "x-client-trace-id",
    "x-envoy-force-trace",
    "x-envoy-decorator-operation",
    "x-envoy-original-url",
];

fn shown(headers: &HeaderMap, names: &[&str]) -> String {
    let one = |name: &&str| headers.get(*name).map(|value| format!("{name}={}", value.as_bytes().escape_ascii()));
    names.iter().filter_map(one).collect::<Vec<_>>().join(" ")
}

/// `/503/…`: that status; `/once/…`: 503 the first time; `/grpc/13`: that status of gRPC; `/never`: no answer; `/away`: elsewhere.
async fn app(state: &State, path: &str, headers: &HeaderMap) -> Result<Response<Body>, Failure> {
    state.requests.lock().expect(POISON).push(format!("{path} {}", shown(headers, &TOLD)));
    let first = state.known.lock().expect(POISON).insert(path.to_owned());
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("once", _) if first => answer(503, &[], "not yet"),
        ("never", _) => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            answer(200, &[], "")
        }
        ("grpc", Some(status)) => {
            answer(200, &[("content-type", "application/grpc"), ("grpc-status", status), ("grpc-message", "why")], "")
        }
        ("away", _) => answer(302, &[("location", "http://svc.example/back")], ""),
        ("decorated", _) => answer(200, &[("x-envoy-decorator-operation", "of the app")], "ok"),
        (status, _) => answer(status.parse().unwrap_or(200), &[], "ok"),
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Result<Response<Body>, Failure> {
    let frames: Vec<Result<Frame<Bytes>, Failure>> = vec![Ok(Frame::data(Bytes::from_static(body.as_bytes())))];
    let mut built = Response::builder().status(status).header("content-length", body.len());
    for (name, value) in headers {
        built = built.header(*name, *value);
    }
    Ok(built.body(StreamBody::new(stream::iter(frames)).boxed_unsync())?)
}
