//! Calls over real pools and codecs: a service on loopback does what a test says.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use config::cluster::{Discovery, UpstreamProtocol};
use config::route::{AppendAction, HeaderAdd, RetryOn, RetryPolicy};
use config::services::{GrpcService, HttpUri};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::net::TcpListener;

use super::*;
use crate::cluster::testing::{self as cluster, Bench, Http1Server, run, run_paused};
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Name;

mod http_calls;
mod streams;
mod told;
mod unary_calls;

pub(crate) const CLUSTER: &str = "outbound|80||app";

/// A thread that makes calls, and the one cluster that they go to.
pub(crate) struct World {
    pub bench: Rc<Bench>,
    pub calls: Calls,
}

impl World {
    fn new(endpoints: &[SocketAddr], protocol: UpstreamProtocol) -> World {
        let endpoints = endpoints.iter().map(|address| cluster::endpoint(*address)).collect();
        let mut config = cluster::config(Discovery::Static(cluster::assignment(endpoints)));
        config.http.protocol = protocol;
        let bench = Bench::new();
        bench.publish(config);
        let address = Some([192, 0, 2, 7].into());
        let calls = Calls::new(bench.workers.clone(), bench.published.clone(), &bench.stats, address);
        World { bench, calls }
    }

    pub fn http2(endpoint: SocketAddr) -> World {
        World::new(&[endpoint], UpstreamProtocol::Http2)
    }

    pub fn stat(&self, name: &str) -> u64 {
        self.bench.stat(name)
    }

    /// Asks `ping` of a service.
    async fn ask(&self, service: &GrpcService) -> Result<GrpcReply, CallFailure> {
        match self.calls.grpc(ping(service)).await? {
            Reply::Grpc(reply) => Ok(reply),
            Reply::Http(_) => unreachable!("gRPC was asked"),
        }
    }
}

fn ping(service: &GrpcService) -> GrpcCall {
    let target = Arc::new(GrpcTarget::new(service));
    GrpcCall::unary(&target, "/test.Service/Ask", Framed::of(b"ping"), Headers::new(), &mut |_, _| {})
}

/// A service without a timeout.
pub(crate) fn service() -> GrpcService {
    GrpcService {
        cluster: CLUSTER.into(),
        authority: "app.example".into(),
        timeout: None,
        initial_metadata: Vec::new(),
        retry: None,
        max_receive_message_length: None,
        skip_envoy_headers: false,
    }
}

fn retrying(on: u32, retries: u32) -> Option<Arc<RetryPolicy>> {
    Some(Arc::new(RetryPolicy {
        on: RetryOn(on),
        num_retries: retries,
        per_try_timeout: Some(Duration::from_millis(200)),
        per_try_idle_timeout: None,
        status_codes: Vec::new(),
        base_interval: Duration::from_millis(20),
        max_interval: Duration::from_millis(200),
        headers: Vec::new(),
        request_headers: Vec::new(),
        rate_limited: None,
        predicates: Vec::new(),
        host_selection_attempts: 1,
        previous_priorities: None,
    }))
}

/// A request that came to a service, and what answers it.
pub(crate) struct Asked {
    pub request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    /// 0 is the first.
    number: usize,
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = ()>>>;

/// An HTTP/2 service that does what `answer` does, for each request in a task of its own.
pub(crate) async fn serve(answer: impl Fn(Asked) -> Answering + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Rc::new(answer);
    let count = Rc::new(Cell::new(0));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, count) = (answer.clone(), count.clone());
            tokio::task::spawn_local(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let number = count.replace(count.get() + 1);
                    tokio::task::spawn_local(answer(Asked { request, respond, number }));
                }
            });
        }
    });
    address
}

/// A service that takes every call and answers none.
pub(crate) async fn hung() -> SocketAddr {
    serve(|one| {
        Box::pin(async move {
            let _held = one;
            std::future::pending::<()>().await;
        })
    })
    .await
}

impl Asked {
    /// Reads the whole request body.
    pub async fn body(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(data) = self.request.body_mut().data().await {
            let data = data.unwrap();
            all.extend_from_slice(&data);
            let _ = self.request.body_mut().flow_control().release_capacity(data.len());
        }
        all
    }

    /// Sends a head of gRPC; the body follows.
    pub fn begin(&mut self) -> SendStream<Bytes> {
        let head = Response::builder().status(200).header("content-type", "application/grpc");
        self.respond.send_response(head.body(()).unwrap(), false).unwrap()
    }

    /// Sends these octets and trailers.
    pub fn answer(&mut self, pieces: &[&[u8]], trailers: &[(&'static str, &str)]) {
        let mut stream = self.begin();
        for piece in pieces {
            stream.send_data(Bytes::copy_from_slice(piece), false).unwrap();
        }
        stream.send_trailers(fields(trailers)).unwrap();
    }

    /// An answer of HTTP.
    pub fn says(&mut self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let mut head = Response::builder().status(status).body(()).unwrap();
        *head.headers_mut() = fields(headers);
        let mut stream = self.respond.send_response(head, body.is_empty()).unwrap();
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
        }
    }

    /// A head that is all of the answer.
    pub fn only_head(&mut self, status: u16, headers: &[(&'static str, &str)]) {
        let mut head = Response::builder().status(status).body(()).unwrap();
        *head.headers_mut() = fields(headers);
        self.respond.send_response(head, true).unwrap();
    }
}

pub(crate) fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// A message with its prefix.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    Framed::of(message).into_bytes()
}

pub(crate) const OK: &[(&str, &str)] = &[("grpc-status", "0")];
