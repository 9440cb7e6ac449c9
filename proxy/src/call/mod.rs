//! Calls to services over the mesh's own clusters: a filter's question (authorization, rate limits), a key set
//! that the control thread fetches. mTLS, balancing, circuit breakers and the clusters' statistics apply as to any request.
//!
//! Called by `http`, `tcp` and the control thread. A call belongs to one thread and runs in the task that polls it: nothing
//! is spawned for it (but for what is only told: mirrors and reports), and dropping it resets its stream. It speaks octets: what a message means is `config::services`' matter, and a
//! filter's. It must never know a route, a filter or a downstream connection.

mod attempt;
mod failure;
mod http;
mod incoming;
mod request;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod unary;
pub(crate) mod wait;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::cluster::published::Published;
use crate::cluster::{NameCache, WorkerCluster, WorkerClusters};
use crate::stats::{Counter, Stats};
use crate::wire::codec::OnWire;
use crate::wire::headers::Headers;
use crate::wire::message::ResponseHead;

pub use failure::{CallFailure, Why};
pub use http::HttpCall;
pub use request::{GrpcCall, GrpcTarget, Render};
pub use stream::GrpcStream;
pub use told::Told;

/// What makes calls on one thread. Clones are the same.
#[derive(Clone)]
pub struct Calls(Rc<Inner>);

struct Inner {
    clusters: Rc<WorkerClusters>,
    published: Arc<Published>,
    /// What `x-forwarded-for` says of us.
    address: Option<Bytes>,
    rq_total: Counter,
}

impl Calls {
    /// Over the clusters of a thread. `address` is this host's, which called services see in `x-forwarded-for`.
    pub fn new(
        clusters: Rc<WorkerClusters>,
        published: Arc<Published>,
        stats: &Arc<Stats>,
        address: Option<IpAddr>,
    ) -> Calls {
        Calls(Rc::new(Inner {
            clusters,
            published,
            address: address.map(|address| Bytes::from(address.to_string())),
            rq_total: stats.counter("http.async-client.rq_total"),
        }))
    }

    /// Over clusters of the control thread's own, `index` being a number that no worker has: the pools of workers are theirs alone. Their
    /// caretaker runs on the current `LocalSet`.
    pub fn of_control_thread(
        index: usize,
        published: &Arc<Published>,
        stats: &Arc<Stats>,
        address: Option<IpAddr>,
    ) -> Calls {
        let clusters = Rc::new(WorkerClusters::new(index));
        let (caretaker, table) = (clusters.clone(), published.clone());
        tokio::task::spawn_local(async move { caretaker.maintain(&table).await });
        Calls::new(clusters, published.clone(), stats, address)
    }

    /// Asks an HTTP service. Nothing happens before the first poll.
    pub fn http(&self, call: HttpCall) -> Pending {
        let calls = self.clone();
        Pending(Box::pin(async move { http::run(calls, call).await.map(Reply::Http) }))
    }

    /// Tells an HTTP service something, and reads its answer for nobody. With a body it is pushed into what is given back. Needs the
    /// current `LocalSet`.
    pub fn tell(&self, call: HttpCall, has_body: bool) -> Option<Told> {
        told::begin(self, call, has_body)
    }

    /// Asks a gRPC service for one message. Nothing happens before the first poll.
    pub fn grpc(&self, call: GrpcCall) -> Pending {
        let calls = self.clone();
        Pending(Box::pin(async move { unary::run(calls, call).await.map(Reply::Grpc) }))
    }

    /// Tells a gRPC service something; its answer is read for nobody. A task of its own, for it outlives who makes it; the cluster's limits
    /// and the service's timeout bound it. Needs the current `LocalSet`.
    pub fn report(&self, call: GrpcCall) {
        let calls = self.clone();
        tokio::task::spawn_local(async move {
            if let Err(failure) = unary::run(calls, call).await {
                tracing::debug!(target: "http", "a report is lost: {failure}");
            }
        });
    }

    /// Opens a stream of messages both ways. Nothing happens before it is first polled; messages may be sent at once. The service's
    /// timeout is not for streams, as in Envoy: whoever waits for a message knows how long.
    pub fn stream(&self, call: GrpcCall) -> Rc<GrpcStream> {
        Rc::new(GrpcStream::new(self.clone(), call))
    }

    /// The cache of that name, which dynamic forward proxies resolve hosts with.
    pub fn names(&self, name: &str) -> Option<Arc<NameCache>> {
        self.0.published.names.load().get(name).cloned()
    }

    /// This host's address, where it is known.
    pub fn address(&self) -> Option<IpAddr> {
        std::str::from_utf8(self.0.address.as_ref()?).ok()?.parse().ok()
    }

    fn cluster(&self, name: &Arc<str>) -> Result<Rc<WorkerCluster>, CallFailure> {
        let cluster = self.0.clusters.get(&self.0.published, name);
        cluster.ok_or_else(|| CallFailure::new(name, Why::NoCluster))
    }
}

/// A call under way. Dropping it resets the stream.
pub struct Pending(Pin<Box<dyn Future<Output = Result<Reply, CallFailure>>>>);

impl Pending {
    /// Ready when there is an answer, or none will come. Not to be polled again then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, CallFailure>> {
        self.0.as_mut().poll(cx)
    }
}

impl Future for Pending {
    type Output = Result<Reply, CallFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pending::poll(&mut self, cx)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pending")
    }
}

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// Of an HTTP service.
    Http(HttpReply),
    /// Of a gRPC service.
    Grpc(GrpcReply),
}

/// An HTTP service's answer, whatever its status.
#[derive(Debug)]
pub struct HttpReply {
    /// Status and headers.
    pub head: ResponseHead,
    /// Who gave it, as printed.
    pub host: Arc<str>,
    /// The whole body.
    pub body: Bytes,
}

/// A gRPC service's answer of status OK.
#[derive(Debug)]
pub struct GrpcReply {
    /// The message, still encoded.
    pub message: Bytes,
    /// Headers before it.
    pub metadata: Headers,
    /// Headers after it.
    pub trailers: Headers,
    /// What went over the wire for it, where that is counted.
    pub wire: Option<OnWire>,
}
