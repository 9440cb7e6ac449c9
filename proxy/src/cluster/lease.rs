//! What a pool lends: one HTTP stream, or one TCP connection. Dropping a lease gives back what can be used again, and all counts.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Priority;
use crate::http::codec::{ResetReason, StreamError, Upstream};
use crate::http::headers::Headers;
use crate::http::message::{Frame, Protocol, RequestHead, ResponseHead};
use crate::tls::AlpnList;
use crate::tls::info::TlsInfo;
use crate::transport::Stream;

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
    /// Which circuit breakers count it.
    pub priority: Priority,
}

/// What one TCP proxy session asks of the pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpWant<'a> {
    /// ALPN offered instead of the cluster's own.
    pub alpn: Option<&'a AlpnList>,
    /// Server name instead of the cluster's own.
    pub sni: Option<&'a str>,
    /// Which circuit breakers count it.
    pub priority: Priority,
}

/// One HTTP stream to a host.
pub struct HttpLease {
    /// The stream.
    pub stream: UpstreamStream,
    /// Address of the host, printed.
    pub host: Arc<str>,
    /// Our address of the connection.
    pub local: Option<SocketAddr>,
    /// Protocol of the connection.
    pub protocol: Protocol,
    /// TLS facts of the connection.
    pub tls: Option<Rc<TlsInfo>>,
}

/// One TCP connection to a host.
pub struct TcpLease {
    /// The connection. `listener`'s splice takes it apart; the counts stay with the lease.
    pub stream: Option<Stream>,
    /// Address of the host, printed.
    pub host: Arc<str>,
    /// Our address of the connection.
    pub local: Option<SocketAddr>,
    /// TLS facts of the connection.
    pub tls: Option<Rc<TlsInfo>>,
}

/// A stream of whichever protocol.
pub enum UpstreamStream {}

impl Upstream for UpstreamStream {
    fn send_head(&mut self, _head: &RequestHead, _end: bool) -> Result<(), StreamError> {
        match *self {}
    }

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match *self {}
    }

    fn send_data(&mut self, _data: Bytes, _end: bool) -> Result<(), StreamError> {
        match *self {}
    }

    fn send_trailers(&mut self, _trailers: &Headers) -> Result<(), StreamError> {
        match *self {}
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match *self {}
    }

    fn poll_head(&mut self, _cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        match *self {}
    }

    fn poll_body(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        match *self {}
    }

    fn reset(&mut self, _reason: ResetReason) {
        match *self {}
    }
}
