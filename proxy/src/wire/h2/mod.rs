//! HTTP/2 on the `h2` crate: a server ([`server::Connection`]) and a client ([`client::connect`]).
//!
//! `h2` flushes its I/O for every DATA frame it holds, which would make each response its own TLS record and system call. So it is
//! given a [`shared_io::SharedIo`] that only collects what is written, and the connection's task flushes for real once per poll,
//! after `h2` has done all it can. Woken tasks run in order, so that task comes behind the streams that were woken with it, and what
//! they wrote leaves together.
//!
//! The same adapter reads frame headers in passing: it ends connections that flood us, by Envoy's limits ([`flood`]), and it knows what
//! of each stream has been written and arrived ([`progress`]), which `h2` does not tell. It never looks into payloads; messages are
//! judged by `h2` and by [`convert`]. Bodies that come in small pieces and wait for their readers are taken out of `h2` meanwhile
//! ([`incoming`]).

pub mod client;
pub mod server;

mod convert;
mod flood;
mod incoming;
mod keepalive;
mod outgoing;
mod progress;
mod shared_io;
mod stats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use config::cluster::{Http2Settings, UpstreamHttp};
use config::hcm::{HttpConnectionManager, Underscores};
use h2::Reason;

use super::codec::{ResetReason, StreamError};
pub use flood::Counters;
pub use stats::CodecStats;

/// What one side of a connection needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Streams the peer may have open at once.
    pub max_concurrent_streams: u32,
    /// Octets a stream may receive before its reader has taken any.
    pub initial_stream_window: u32,
    /// Octets all streams together may receive before their readers have taken any.
    pub initial_connection_window: u32,
    /// Octets of a header list.
    pub max_headers: u32,
    /// Header lines (or trailer lines) a message may have.
    pub max_headers_count: u32,
    /// What becomes of header names with `_`.
    pub underscores: Underscores,
    /// Extended CONNECT is offered.
    pub allow_connect: bool,
    /// A PING is sent so often.
    pub keepalive_interval: Option<Duration>,
    /// The connection ends when a PING is unanswered for so long.
    pub keepalive_timeout: Duration,
    /// A complete response is given up when the client has not taken it for so long.
    pub flush_timeout: Option<Duration>,
}

impl Settings {
    /// For connections from clients.
    pub fn downstream(manager: &HttpConnectionManager) -> Settings {
        Settings {
            max_headers: manager.max_request_headers,
            max_headers_count: manager.max_headers_count,
            underscores: manager.underscores,
            flush_timeout: manager.stream_flush_timeout,
            ..Settings::of(&manager.http2)
        }
    }

    /// For connections to upstream hosts.
    pub fn upstream(http: &UpstreamHttp) -> Settings {
        let of = Settings::of(&http.http2);
        Settings {
            max_headers: http.max_response_headers.unwrap_or(of.max_headers),
            max_headers_count: http.max_headers_count,
            ..of
        }
    }

    /// With Envoy's defaults for what the message does not say.
    fn of(http2: &Http2Settings) -> Settings {
        Settings {
            max_concurrent_streams: http2.max_concurrent_streams.unwrap_or(1024),
            initial_stream_window: http2.initial_stream_window.unwrap_or(16 * MIB).min(MAX_WINDOW),
            initial_connection_window: http2.initial_connection_window.unwrap_or(24 * MIB).min(MAX_WINDOW),
            max_headers: 60 * 1024,
            max_headers_count: 100,
            underscores: Underscores::Allow,
            allow_connect: http2.allow_connect,
            keepalive_interval: http2.keepalive_interval,
            keepalive_timeout: http2.keepalive_timeout.unwrap_or(Duration::from_secs(20)),
            flush_timeout: None,
        }
    }

    /// `SETTINGS_MAX_HEADER_LIST_SIZE` counts 32 octets for each line on top of its text.
    fn header_list_size(&self) -> u32 {
        self.max_headers.saturating_add(self.max_headers_count.saturating_mul(32))
    }
}

impl Default for Settings {
    /// Envoy's defaults.
    fn default() -> Settings {
        Settings::of(&Http2Settings::default())
    }
}

const MIB: u32 = 1024 * 1024;
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// The limit of `h2` on small DATA frames that nobody has read: none. It ends the connection, with all streams, for one that is read slowly;
/// here small pieces are taken out as they come (`incoming`).
const DATA_FRAME_BUDGET: usize = usize::MAX;

/// Why a connection ended before its time.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectionError {
    /// Reading or writing failed, or the peer went away.
    #[error("{0}")]
    Io(Arc<str>),
    /// The peer broke the protocol; it was told so in a GOAWAY.
    #[error("HTTP/2 protocol error: {0}")]
    Protocol(Arc<str>),
    /// The peer sent more of some frames than Envoy's limits allow. The text is Envoy's detail.
    #[error("{0}")]
    Flood(&'static str),
    /// A PING was not answered in time.
    #[error("http2.ping_timeout")]
    PingTimeout,
}

impl From<&h2::Error> for ConnectionError {
    fn from(error: &h2::Error) -> ConnectionError {
        match error.get_io() {
            Some(io) => ConnectionError::Io(io.to_string().into()),
            // The library has its own limit on streams that are reset before they are taken, and says so in its GOAWAY alone.
            None if error.is_library() && error.to_string().contains("too_many_resets") => {
                ConnectionError::Flood(server::PREMATURE_RESETS)
            }
            None => ConnectionError::Protocol(error.to_string().into()),
        }
    }
}

/// What an error of `h2` means for one stream.
fn stream_error(error: &h2::Error) -> StreamError {
    if let Some(io) = error.get_io() {
        return StreamError::Closed(io.to_string().into());
    }
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if error.is_remote() => StreamError::Refused,
        // Streams above GOAWAY's last one, which the peer promises not to have touched, whatever its reason to go.
        Some(_) if error.is_go_away() && error.is_remote() => StreamError::Refused,
        Some(reason) if error.is_reset() && error.is_remote() => StreamError::Reset(reason.into()),
        Some(_) if error.is_reset() => VIOLATION,
        _ => StreamError::Closed(error.to_string().into()),
    }
}

const VIOLATION: StreamError = StreamError::Protocol { detail: "http2.violation.of.messaging.rule", status: 400 };

fn reason(reason: ResetReason) -> Reason {
    match reason {
        ResetReason::Cancel => Reason::CANCEL,
        ResetReason::ProtocolError => Reason::PROTOCOL_ERROR,
        ResetReason::InternalError => Reason::INTERNAL_ERROR,
        ResetReason::Refused => Reason::REFUSED_STREAM,
    }
}
