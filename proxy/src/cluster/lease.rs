//! What a pool lends: one HTTP stream, or one TCP connection. Dropping a lease gives back what can be used again, and all counts.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Priority;
use super::host::Active;
use super::pool::{Counted, Http1Stream, Http2Stream, Lent};
use crate::telemetry::stream_info::{ConnectionInfo, UpstreamConnection};
use crate::tls::AlpnList;
use crate::transport::{ByteCounts, Stream};
use crate::wire::codec::{OnWire, ResetReason, StreamError, Upstream};
use crate::wire::h1;
use crate::wire::headers::{Headers, flaw_of_request};
use crate::wire::message::{Frame, Protocol, RequestHead, ResponseHead};

/// What one HTTP attempt asks of the pool. Everything that makes connections differ is in here.
#[derive(Debug, Clone, Copy)]
pub struct HttpWant<'a> {
    /// The downstream's protocol, for clusters with `use_downstream_protocol_config`.
    pub downstream: Protocol,
    /// ALPN offered instead of the cluster's own (`istio.alpn`).
    pub alpn: Option<&'a AlpnList>,
    /// Server name instead of the cluster's own (filter state). `auto_sni` needs nothing here.
    pub sni: Option<&'a str>,
    /// `:authority` of the request, for clusters with `auto_sni`.
    pub authority: &'a [u8],
    /// Source and destination of the downstream connection, for transports that begin with a PROXY protocol header.
    pub proxied: Option<(SocketAddr, SocketAddr)>,
    /// What else such a header may say.
    pub tlvs: Option<&'a Arc<[u8]>>,
    /// Which circuit breakers count it.
    pub priority: Priority,
    /// The client's connection, for clusters whose clients share none. Calls of our own have no client.
    pub client: Option<&'a Rc<ConnectionInfo>>,
}

/// What one TCP proxy session asks of the pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpWant<'a> {
    /// ALPN offered instead of the cluster's own.
    pub alpn: Option<&'a AlpnList>,
    /// Server name instead of the cluster's own.
    pub sni: Option<&'a str>,
    /// Source and destination of the downstream connection, for transports that begin with a PROXY protocol header.
    pub proxied: Option<(SocketAddr, SocketAddr)>,
    /// What else such a header may say.
    pub tlvs: Option<&'a Arc<[u8]>>,
    /// Which circuit breakers count it.
    pub priority: Priority,
}

/// One HTTP stream to a host.
pub struct HttpLease {
    /// The stream.
    pub stream: UpstreamStream,
    /// Protocol of the connection.
    pub protocol: Protocol,
    /// Facts of the connection.
    pub connection: Rc<UpstreamConnection>,
    pub(super) _active: Active,
}

/// One TCP connection to a host.
pub struct TcpLease {
    /// The connection. Whoever splices takes it out; the counts stay with the lease.
    pub stream: Option<Stream>,
    /// Facts of the connection.
    pub connection: Rc<UpstreamConnection>,
    pub(super) counted: Counted,
    /// Of the pool that it is from, if it is from one.
    pub(super) _lent: Option<Lent>,
    pub(super) _active: Active,
}

impl TcpLease {
    /// What counts the octets of the connection. Its stream does not: it may be spliced.
    pub fn bytes(&self) -> ByteCounts {
        self.counted.bytes()
    }

    /// Ends when its host is found ill, where the cluster wants its connections closed for it.
    pub fn is_to_close(&self) -> Option<Pin<Box<dyn Future<Output = ()> + '_>>> {
        self._active.is_to_close()
    }

    /// Says that the host closed the connection first (`upstream_cx_destroy_remote`).
    pub fn closed_by_peer(&mut self) {
        self.counted.closed_by_peer();
    }
}

/// A stream of whichever protocol.
pub enum UpstreamStream {
    /// HTTP/1: the whole connection, until the stream is dropped.
    Http1(Http1Stream),
    /// HTTP/2: one of many.
    Http2(Http2Stream),
    /// No HTTP: the octets of a tunnel that ends here.
    Raw(Box<RawStream>),
}

/// A connection to a host that speaks no HTTP.
pub struct RawStream {
    pub(super) codec: h1::client::Connection,
    pub(super) _counted: Counted,
    pub(super) _lent: Option<Lent>,
}

impl UpstreamStream {
    /// Whether the connection carried requests before this one. If it closes before any octet of the response, the host may only have
    /// closed an idle connection at the wrong moment.
    pub fn is_reused(&self) -> bool {
        match self {
            UpstreamStream::Http1(stream) => stream.is_reused(),
            UpstreamStream::Http2(_) | UpstreamStream::Raw(_) => false,
        }
    }
}

macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            UpstreamStream::Http1(stream) => {
                let $stream = stream.codec();
                $call
            }
            UpstreamStream::Http2($stream) => $call,
            UpstreamStream::Raw(stream) => {
                let $stream = &mut stream.codec;
                $call
            }
        }
    };
}

impl Upstream for UpstreamStream {
    fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
        // Every request to any host passes here, but for health checks, whose headers are the configuration's. A tunnel that ends here sends no
        // head.
        if !matches!(self, UpstreamStream::Raw(_))
            && let Some(flaw) = flaw_of_request(head)
        {
            return Err(StreamError::NoHeader(flaw.into()));
        }
        either!(self, stream => stream.send_head(head, end))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        either!(self, stream => stream.poll_ready(cx))
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        either!(self, stream => stream.send_data(data, end))
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        either!(self, stream => stream.send_trailers(trailers))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        either!(self, stream => stream.poll_head(cx))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        either!(self, stream => stream.poll_body(cx))
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        either!(self, stream => stream.poll_lost(cx))
    }

    fn is_over(&mut self) -> bool {
        either!(self, stream => stream.is_over())
    }

    fn reset(&mut self, reason: ResetReason) {
        either!(self, stream => stream.reset(reason))
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        either!(self, stream => stream.on_wire())
    }
}
