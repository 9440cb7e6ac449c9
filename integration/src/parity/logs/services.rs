//! Who takes entries (a log service, a collector of OpenTelemetry over gRPC and over HTTP), an application that answers as its path says,
//! and one that says what it hears. Used by [`super::play`].

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::told::{self, Entry};
use super::{DEADLINE, Failure, POLL};
use crate::serving::serve;

/// All of them. They end when dropped.
#[derive(Debug)]
pub(super) struct Services {
    pub collector: SocketAddr,
    pub app: SocketAddr,
    pub echo: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    entries: Mutex<Vec<Entry>>,
    /// Heads of calls, each once.
    calls: Mutex<BTreeSet<String>>,
    /// Paths that were asked for.
    known: Mutex<BTreeSet<String>>,
    broken: Mutex<Option<String>>,
}

const POISON: &str = "nothing panics while it holds this";

impl Services {
    pub async fn start() -> Result<Services, Failure> {
        let state = Arc::new(State::default());
        let mut serving = JoinSet::new();
        let mut addresses = Vec::new();
        for is_app in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?);
            let state = state.clone();
            serve(&mut serving, listener, move |request| respond(state.clone(), request, is_app));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let echo = listener.local_addr()?;
        serving.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut heard = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut heard).await {
                    if stream.write_all(&heard[..count]).await.is_err() || heard[..count].ends_with(b"bye\n") {
                        break;
                    }
                }
            }
        });
        Ok(Services { collector: addresses[0], app: addresses[1], echo, state, _serving: serving })
    }

    /// So many entries, by log and kind.
    pub async fn entries(&self, count: usize) -> Result<Vec<Entry>, Failure> {
        let began = Instant::now();
        loop {
            if let Some(broken) = self.state.broken.lock().expect(POISON).take() {
                return Err(broken.into());
            }
            let here = self.state.entries.lock().expect(POISON).len();
            if here >= count {
                // One too many would come now.
                tokio::time::sleep(if count == 0 { 10 * POLL } else { 4 * POLL }).await;
                let mut entries = std::mem::take(&mut *self.state.entries.lock().expect(POISON));
                entries.sort_by_key(Entry::order);
                return Ok(entries);
            }
            if began.elapsed() > DEADLINE {
                let logs: Vec<_> = self.state.entries.lock().expect(POISON).iter().map(Entry::order).collect();
                return Err(format!("{here} entries came of {count}: {logs:?}").into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub fn calls(&self) -> BTreeSet<String> {
        self.state.calls.lock().expect(POISON).clone()
    }
}

type Body = UnsyncBoxBody<Bytes, Failure>;

async fn respond(state: Arc<State>, request: Request<Incoming>, is_app: bool) -> Result<Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    if is_app {
        return app(&state, &path, request).await;
    }
    let head = shown(&path, request.headers());
    let result = if path.ends_with("StreamAccessLogs") {
        stream_of(&state, request, head).await
    } else {
        collect(&state, request, head).await
    };
    result.inspect_err(|error| *state.broken.lock().expect(POISON) = Some(error.to_string()))
}

/// Takes entries until the stream ends.
async fn stream_of(state: &Arc<State>, request: Request<Incoming>, head: String) -> Result<Response<Body>, Failure> {
    let (mut body, mut octets) = (request.into_body(), BytesMut::new());
    let (mut log, state) = (None, state.clone());
    let mut first = true;
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            octets.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while octets.len() >= 5 {
                let length = u32::from_be_bytes([octets[1], octets[2], octets[3], octets[4]]) as usize;
                if octets.len() < 5 + length {
                    break;
                }
                octets.advance(5);
                let message = octets.split_to(length);
                match told::stream(&message, &mut log) {
                    Ok((entries, said)) => {
                        if std::mem::take(&mut first) {
                            state.calls.lock().expect(POISON).insert(format!("{head} {said}"));
                        }
                        state.entries.lock().expect(POISON).extend(entries);
                    }
                    Err(error) => *state.broken.lock().expect(POISON) = Some(error.to_string()),
                }
            }
        }
    });
    // An answer that has begun and does not end.
    let frames = stream::pending::<Result<Frame<Bytes>, Failure>>();
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(StreamBody::new(frames).boxed_unsync())?)
}

/// Takes records of one call.
async fn collect(state: &State, request: Request<Incoming>, head: String) -> Result<Response<Body>, Failure> {
    let grpc = request.headers().get("content-type").is_some_and(|kind| kind == "application/grpc");
    let body = request.into_body().collect().await?.to_bytes();
    let message = if grpc { body.slice(body.len().min(5)..) } else { body };
    let (entries, said) = told::records(&message)?;
    state.calls.lock().expect(POISON).insert(format!("{head} {said}"));
    state.entries.lock().expect(POISON).extend(entries);
    if !grpc {
        return answer(200, &[], "");
    }
    let ended = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let frames: Vec<Result<Frame<Bytes>, Failure>> =
        vec![Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(ended))];
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(StreamBody::new(stream::iter(frames)).boxed_unsync())?)
}

fn shown(path: &str, headers: &HeaderMap) -> String {
    let names = ["content-type", "x-added", "x-envoy-internal", "te"];
    let one = |name: &&str| headers.get(*name).map(|value| format!("{name}={}", value.as_bytes().escape_ascii()));
    format!("{path} {}", names.iter().filter_map(one).collect::<Vec<_>>().join(" "))
}

/// `/503/…`: that status; `/once/…`: 503 the first time; `/grpc/13`: that status of gRPC, in trailers; `/never`: no answer; `/up`: a tunnel.
async fn app(state: &State, path: &str, mut request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let first = state.known.lock().expect(POISON).insert(path.to_owned());
    let mut parts = path.trim_start_matches('/').split('/');
    if parts.clone().next() == Some("up") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let mut upgraded = TokioIo::new(upgraded);
            let mut heard = [0; 64];
            let _ = upgraded.write_all(b"hello\n").await;
            while let Ok(1..) = upgraded.read(&mut heard).await {}
        });
        return answer(101, &[("connection", "upgrade"), ("upgrade", "websocket")], "");
    }
    let _ = request.into_body().collect().await;
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("once", _) if first => answer(503, &[], "not yet"),
        ("never", _) => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            answer(200, &[], "")
        }
        ("grpc", Some(status)) => {
            let mut ended = HeaderMap::new();
            ended.insert("grpc-status", status.parse()?);
            ended.insert("x-trailer", HeaderValue::from_static("T"));
            let frames: Vec<Result<Frame<Bytes>, Failure>> =
                vec![Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(ended))];
            let response = Response::builder().header("content-type", "application/grpc").header("te", "trailers");
            Ok(response.header("trailer", "grpc-status").body(StreamBody::new(stream::iter(frames)).boxed_unsync())?)
        }
        (status, _) => answer(status.parse().unwrap_or(200), &[("x-resp", "1"), ("x-resp", "2")], "ok"),
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Result<Response<Body>, Failure> {
    let frames: Vec<Result<Frame<Bytes>, Failure>> = vec![Ok(Frame::data(Bytes::from_static(body.as_bytes())))];
    let mut built = Response::builder().status(status);
    if status != 101 {
        built = built.header("content-length", body.len());
    }
    for (name, value) in headers {
        built = built.header(*name, *value);
    }
    Ok(built.body(StreamBody::new(stream::iter(frames)).boxed_unsync())?)
}
