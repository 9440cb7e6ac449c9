//! Where an attempt goes and how it gets its stream: a name is resolved, a host picked, a connection borrowed. Called by [`super::one`], and
//! by `race` for the attempts beside a late one; it sends nothing.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;

use super::failure::Failure;
use super::one::Attempt;
use crate::cluster::{ConnectFailure, Destination, HttpWant, TcpWant};
use crate::http::exchange::Exchange;
use crate::http::hash;
use crate::http::plan::{self, UpstreamNames};
use crate::http::retry::Retry;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::http::upgrade;
use crate::http::upstreams::{Lease, Target};
use crate::telemetry::stream_info::ConnectionInfo;
use crate::tls::AlpnList;
use crate::wire::codec::Downstream;
use crate::wire::message::Protocol;

/// Waits for a stream, no longer than the client and the timeouts do.
async fn wait(
    exchange: &mut Exchange<'_>,
    downstream: &mut dyn Downstream,
    mut connecting: Pin<&mut (impl Future<Output = Result<Lease, ConnectFailure>> + ?Sized)>,
) -> Result<Result<Lease, ConnectFailure>, Stop> {
    poll_fn(|cx| {
        if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
            return Poll::Ready(Ok(result));
        }
        exchange.poll_over(downstream, cx)
    })
    .await
}

/// What a stream is asked for with. Its own, so that the request can be served meanwhile.
pub(super) struct Asks<'s> {
    downstream: Protocol,
    authority: Bytes,
    alpn: Option<&'s AlpnList>,
    named: Option<Box<UpstreamNames>>,
    proxied: (SocketAddr, SocketAddr),
    tells_connection: bool,
    client: &'s Rc<ConnectionInfo>,
}

impl Attempt<'_> {
    /// A dynamic forward proxy has the host resolved itself where no filter has. Whether it leads anywhere but back here.
    pub(super) async fn resolve(
        &self,
        cache: &str,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
    ) -> Result<bool, Stop> {
        let stream = &exchange.stream;
        let names = stream.context.upstreams.names(cache);
        let Some((names, Destination::Name(name))) = names.zip(self.cluster.destination(stream)) else {
            return Ok(true);
        };
        let mut settled = pin!(names.settled(&name));
        let name = poll_fn(|cx| match settled.as_mut().poll(cx) {
            Poll::Ready(name) => Poll::Ready(Ok(name)),
            Poll::Pending => exchange.poll_over(downstream, cx),
        });
        let name = name.await?;
        Ok(name.is_none_or(|name| !name.leads_back(&exchange.stream.info.connection)))
    }

    /// Chooses the host of the attempt of that number.
    pub fn pick(&self, stream: &Stream<'_>, number: u32, retry: Option<&Retry<'_>>) -> Result<Target, Failure> {
        let hash = stream.route.and_then(|chosen| hash::of_request(&self.cluster.config().http.hash, chosen, stream));
        let metadata = if self.cluster.has_subsets() { stream.asked_of_hosts() } else { None };
        let destination = self.cluster.destination(stream);
        let picked =
            self.cluster.pick(stream.plan.host(number), hash, retry, metadata.as_deref(), destination.as_ref());
        picked.map_err(Failure::Pick)
    }

    /// What a stream is asked for with.
    pub fn asks<'s>(&self, stream: &Stream<'s>) -> Asks<'s> {
        let connection = &stream.context.connection;
        Asks {
            downstream: stream.request.protocol,
            authority: stream.request.authority.clone(),
            alpn: stream.plan.alpn.and_then(|alpn| alpn.choose(self.cluster.config(), stream.request.protocol)),
            named: plan::upstream_names(stream),
            proxied: (connection.remote, connection.local),
            client: connection,
            // A connection that came with a PROXY header is told of anyway, as in Envoy.
            tells_connection: stream.context.manager.config.tells_connection || connection.proxy_tlvs.is_some(),
        }
    }

    /// That, for a host: its own name may stand in for the request's.
    pub fn want<'t>(&self, asks: &'t Asks<'_>, target: &'t Target) -> HttpWant<'t> {
        let named = asks.named.as_deref();
        HttpWant {
            downstream: asks.downstream,
            alpn: named.and_then(|named| named.alpn.as_ref()).or(asks.alpn),
            sni: named.and_then(|named| named.sni.as_deref()),
            authority: self.new_host(target).map_or(&asks.authority[..], str::as_bytes),
            proxied: asks.tells_connection.then_some(asks.proxied),
            tlvs: asks.client.proxy_tlvs.as_ref(),
            priority: self.priority,
            client: Some(asks.client),
        }
    }

    /// Waits for a stream.
    pub(super) async fn connect(
        &self,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        target: &Target,
    ) -> Result<Result<Lease, ConnectFailure>, Stop> {
        let asks = self.asks(&exchange.stream);
        let want = self.want(&asks, target);
        if let Some(connect) = upgrade::terminated(&exchange.stream) {
            let want = TcpWant {
                sni: want.sni,
                proxied: Some(asks.proxied),
                priority: want.priority,
                alpn: None,
                tlvs: want.tlvs,
            };
            let mut connecting = Box::pin(self.cluster.raw(target, &want, connect.proxy_protocol));
            return wait(exchange, downstream, connecting.as_mut()).await;
        }
        wait(exchange, downstream, pin!(self.cluster.http(target, &want))).await
    }
}

/// There is no stream to that host; logs tell why.
pub(super) fn connect_failed(stream: &mut Stream<'_>, failure: &ConnectFailure, target: &Target) {
    if failure.names_host {
        stream.info.upstream_host = Some(target.address());
    }
    stream.info.upstream_transport_failure.clone_from(&failure.transport_reason);
}
