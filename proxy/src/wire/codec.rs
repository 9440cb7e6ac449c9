//! The pair of traits behind which HTTP/1 and HTTP/2 look alike to the exchange. `h1` and `h2` implement them; fakes in tests do too.
//!
//! All methods belong to one request on one worker thread. `send_*` never block: they buffer, and `poll_ready` says when to stop.
//! What is buffered leaves when `poll_flush` is called: call it before waiting for anything else, so that a head and a small body
//! that are there together leave in one write, and nothing stays behind.
//! Dropping a stream before both directions ended aborts it (HTTP/1: the connection is not reused; HTTP/2: RST_STREAM CANCEL).

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::headers::Headers;
use super::message::{Frame, RequestHead, ResponseHead};

/// One request as the server side of a codec presents it: read the request, write the response.
pub trait Downstream {
    /// Next piece of the request body; back-pressure is not to poll.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>>;
    /// Sends an informational head (100, 103). Not for 101.
    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError>;
    /// Sends the head. With `end` there is no body. A 101, or a 2xx to CONNECT, turns both directions into raw bytes. An upgrade is accepted
    /// with 101 whatever the protocol: HTTP/2 says it with 200.
    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError>;
    /// Ready when more body may be sent (below the buffer limit). Drives writing.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>>;
    /// Sends a piece of the body; with `end` it is the last.
    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError>;
    /// Sends trailers, which end the response.
    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError>;
    /// Ready when all that was sent has been handed to the system (HTTP/2: before the end of the response, to the connection's task; after
    /// it also when the client has not taken it in time, and the stream was reset for that).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>>;
    /// Gives up on a client that does not take the end of the response in that time, in place of the connection's own limit. HTTP/1 has
    /// none.
    fn flush_within(&mut self, _limit: Option<Duration>) {}
    /// Ready when the peer is gone or has reset the stream, without consuming body bytes. Polled while the upstream is awaited.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError>;
    /// Aborts the stream: HTTP/2 RST_STREAM, HTTP/1 closes the connection.
    fn reset(&mut self, reason: ResetReason);
    /// A tunnel that was asked for ends, or never begins, because what it was to lead to is lost. HTTP/2 says so where the client goes on.
    fn leads_nowhere(&mut self) {}
    /// The connection will take no further request after this one (HTTP/1: `connection: close`; HTTP/2: GOAWAY).
    fn close_after(&mut self);
    /// Octets that came behind the head of a request for a tunnel, and that nobody can read before it is granted. HTTP/2 has none: there
    /// they are the request's body.
    fn untaken(&self) -> u64 {
        0
    }
    /// What the request and its response have been on the wire so far; `None` where nobody can tell.
    fn on_wire(&mut self) -> Option<OnWire> {
        None
    }
}

/// One request as the client side of a codec presents it: write the request, read the response.
pub trait Upstream {
    /// Sends the head. With `end` there is no body.
    fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError>;
    /// Ready when more body may be sent. Drives writing.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>>;
    /// Sends a piece of the body; with `end` it is the last.
    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError>;
    /// Sends trailers, which end the request.
    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError>;
    /// Ready when all that was sent has been handed to the system (HTTP/2: to the connection's task).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>>;
    /// The next head: informational ones (1xx but 101) first, then the final one. An upgrade that was accepted is a 101.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>>;
    /// Next piece of the response body, after the final head; back-pressure is not to poll.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>>;
    /// Ready when the stream was lost before its response was complete, without taking anything of the body. Polled after the final head
    /// by who cannot ask for the body now. HTTP/1 never tells: what came before the end of the connection may be all of the response, and
    /// only who reads it knows (as Envoy, whose upstream connections do not look for an early close).
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<StreamError>;
    /// Whether nothing of the response is left but its end, which is here. HTTP/2 alone can tell.
    fn is_over(&mut self) -> bool {
        false
    }
    /// Aborts the stream.
    fn reset(&mut self, reason: ResetReason);
    /// What the request and its response have been on the wire so far; `None` where nobody can tell.
    fn on_wire(&mut self) -> Option<OnWire> {
        None
    }
}

/// Octets of a request and its response. Heads are counted as Envoy does: their lines, without the first one and the empty one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnWire {
    /// All that came.
    pub received: u64,
    /// All that is sent, or waits for it.
    pub sent: u64,
    /// Heads that came.
    pub received_heads: u64,
    /// Heads that were sent.
    pub sent_heads: u64,
}

impl std::ops::AddAssign for OnWire {
    fn add_assign(&mut self, other: OnWire) {
        self.received += other.received;
        self.sent += other.sent;
        self.received_heads += other.received_heads;
        self.sent_heads += other.sent_heads;
    }
}

/// Why a stream is aborted by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// No longer wanted.
    Cancel,
    /// The other side broke the protocol.
    ProtocolError,
    /// Our own or the upstream's failure.
    InternalError,
    /// Refused before it was processed.
    Refused,
}

/// Why a stream ended before its time. Whose fault it is and whether a retry is safe follow from it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// The peer closed or reset the connection.
    #[error("connection closed by the peer: {0}")]
    Closed(std::sync::Arc<str>),
    /// The peer reset this stream (HTTP/2), with its error code.
    #[error("stream reset by the peer, HTTP/2 error code {0}")]
    Reset(u32),
    /// The peer refused the stream before processing (REFUSED_STREAM, or above GOAWAY's last stream): always safe to retry.
    #[error("stream refused by the peer")]
    Refused,
    /// The peer broke the protocol. The text is Envoy's response-code detail, e.g. `http1.codec_error`.
    #[error("protocol error: {detail}")]
    Protocol {
        /// Envoy's detail.
        detail: &'static str,
        /// For requests: the status that answers it (400, 413, 426, 431, 501).
        status: u16,
    },
    /// Nothing was sent: of what was put into the request's head, something is no header. In Envoy's words, e.g. `invalid header value for:
    /// x-role`.
    #[error("{0}")]
    NoHeader(std::sync::Arc<str>),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(std::sync::Arc<str>),
}
