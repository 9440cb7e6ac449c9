//! A log service of gRPC: one stream a worker, to which entries are written and from which nothing is expected. Handed over by `logs`.

use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use config::access_log::GrpcStream as Config;
use config::services::als;

use super::http::settled;
use super::{Entry, Exporter, LogExporters, Target};
use crate::call::{CallFailure, Calls, GrpcCall, GrpcStream, GrpcTarget};
use crate::outage::Outage;
use crate::stats::Stats;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

crate::stats::counters! {
    /// `access_logs.grpc_access_log.*`.
    struct OfEntries { logs_written logs_dropped }
}

/// Takes entries and sends them. Shared by all workers and logs that say the same of it.
#[derive(Debug, Clone)]
pub struct LogStream(Exporter<Service>);

impl LogStream {
    /// Of a log service; `http`: its entries tell of requests, and not of connections.
    pub fn compile(config: &Config, http: bool, known: &LogExporters, stats: &Arc<Stats>) -> LogStream {
        LogStream(known.streams.exporter((config.identity.clone(), http), || {
            let service = Service {
                target: Arc::new(GrpcTarget::new(&settled(&config.service))),
                node: config.node.clone(),
                name: config.name.clone(),
                http,
                stats: OfEntries::new(stats, "access_logs.grpc_access_log."),
                lost: Outage::default(),
            };
            Exporter::new(service, config.buffer.into())
        }))
    }

    /// Takes an entry. It is sent later, or dropped where too many wait. Needs the current `LocalSet`.
    pub fn send(&self, entry: Vec<u8>, calls: &Calls) {
        self.0.send(Entry(entry), calls);
    }
}

#[derive(Debug)]
pub(super) struct Service {
    target: Arc<GrpcTarget>,
    node: Bytes,
    name: Arc<str>,
    http: bool,
    stats: OfEntries,
    lost: Outage,
}

impl Target for Service {
    type Item = Entry;
    type Link = Option<Rc<GrpcStream>>;

    async fn send(&self, entries: Vec<Entry>, _by_time: bool, link: &mut Self::Link, calls: &Calls) {
        let is_new = link.is_none();
        let stream = link.get_or_insert_with(|| self.open(calls)).clone();
        let identity = is_new.then_some((&self.node[..], &*self.name));
        let entries = entries.into_iter().map(|Entry(octets)| octets).collect();
        // One that has ended meanwhile: as with Envoy these entries are lost, and the next ones have another stream.
        let _ = stream.send(Framed::new(|out| als::message(identity, self.http, entries, out)));
        // A service that does not keep up is not sent more. It is known to be away by the time that nothing moves, and what comes is dropped.
        poll_fn(|cx| match self.poll(&stream, cx) {
            Poll::Ready(()) => {
                *link = None;
                Poll::Ready(())
            }
            Poll::Pending if stream.has_room() => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
    }

    fn dropped(&self) {
        self.stats.logs_dropped.inc();
    }

    fn taken(&self) {
        self.stats.logs_written.inc();
    }

    async fn tend(&self, link: &mut Self::Link) -> Infallible {
        if let Some(stream) = link.clone() {
            poll_fn(|cx| self.poll(&stream, cx)).await;
            *link = None;
        }
        std::future::pending().await
    }

    async fn close(&self, link: &mut Self::Link) {
        if let Some(stream) = link.take() {
            stream.finish();
            poll_fn(|cx| self.poll(&stream, cx)).await;
        }
    }

    fn is_kept(link: &Self::Link) -> bool {
        link.is_some()
    }
}

impl Service {
    fn open(&self, calls: &Calls) -> Rc<GrpcStream> {
        calls.stream(GrpcCall::stream(&self.target, als::STREAM, Headers::new(), &mut |_, _| {}))
    }

    /// Ready once the stream has ended.
    fn poll(&self, stream: &GrpcStream, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match stream.poll_message(cx) {
                // There is nothing that it could say.
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(Ok(None)) => return Poll::Ready(()),
                Poll::Ready(Err(failure)) => {
                    self.tell(&failure);
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    if stream.metadata().is_some() && self.lost.is_ended() {
                        tracing::warn!(target: "misc", "the log service takes entries of {:?} again", &*self.name);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn tell(&self, failure: &CallFailure) {
        if self.lost.failed() {
            tracing::warn!(target: "misc", "entries of {:?} are lost, the log service does not take them: {failure}", &*self.name);
        }
    }
}
