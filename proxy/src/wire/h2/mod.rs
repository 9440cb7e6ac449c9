//! HTTP/2: a server ([`server::Connection`]) and a client ([`client::connect`]).
//!
//! The heart is a connection without a socket ([`connection`]): frames in, heads and bodies out, and back, by RFC 9113, 7541 and 8441.
//! Header blocks become our own header lists without anything between them ([`hpack`], [`lines`], [`head`], [`write`]). [`link`] gives it a
//! socket: the connection's task reads, then writes out all that was said meanwhile, once a poll. Woken tasks run in order, so that task
//! comes behind the streams that were woken with it, and what they wrote leaves together.

pub mod client;
pub mod server;

mod connection;
mod flow;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod head;
mod hpack;
mod keepalive;
mod limits;
mod lines;
mod link;
mod outbox;
mod stats;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::time::Duration;

use config::cluster::{Http2Further, Http2Settings, UpstreamHttp};
use config::hcm::{HttpConnectionManager, Underscores};

use super::codec::{ResetReason, StreamError};
use frame::Reason;
pub use limits::Floods;
pub use stats::CodecStats;

/// What one side of a connection needs to know.
#[derive(Debug, Clone)]
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
    /// Octets of a single name or value, as it is encoded.
    pub max_header_field: u32,
    /// What becomes of header names with `_`.
    pub underscores: Underscores,
    /// Values with octets above 0x7f are malformed.
    pub disallow_obs_text: bool,
    /// Octets of the compression's tables, of either side.
    pub hpack_table_size: u32,
    /// Whether header text is Huffman coded where that is shorter; `None`: what repeats is.
    pub huffman: Option<bool>,
    /// Extended CONNECT is offered.
    pub allow_connect: bool,
    /// A malformed message ends the connection, and not its stream alone.
    pub violations_end_connection: bool,
    /// Further settings that the peer is told.
    pub custom: Arc<[(u16, u32)]>,
    /// What the peer may do too much of.
    pub floods: Floods,
    /// A PING is sent so often.
    pub keepalive_interval: Option<Duration>,
    /// Percent of the interval that chance may add.
    pub keepalive_jitter: f64,
    /// A PING is sent ahead of a request when nothing has come for so long.
    pub idle_interval: Option<Duration>,
    /// The connection ends when a PING is unanswered, and nothing else comes, for so long.
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
        let settings = Settings {
            max_concurrent_streams: http2.max_concurrent_streams.unwrap_or(1024),
            initial_stream_window: http2.initial_stream_window.unwrap_or(16 * MIB).min(frame::MAX_WINDOW),
            initial_connection_window: http2.initial_connection_window.unwrap_or(24 * MIB).min(frame::MAX_WINDOW),
            max_headers: 60 * 1024,
            max_headers_count: 100,
            max_header_field: 64 * 1024,
            underscores: Underscores::Allow,
            disallow_obs_text: false,
            hpack_table_size: hpack::DEFAULT_TABLE,
            huffman: None,
            allow_connect: http2.allow_connect,
            violations_end_connection: false,
            custom: Arc::default(),
            floods: Floods::default(),
            keepalive_interval: http2.keepalive_interval,
            keepalive_jitter: 15.0,
            idle_interval: None,
            keepalive_timeout: http2.keepalive_timeout.unwrap_or(Duration::from_secs(20)),
            flush_timeout: None,
        };
        match &http2.further {
            Some(further) => settings.with(further),
            None => settings,
        }
    }

    fn with(self, further: &Http2Further) -> Settings {
        let floods = self.floods;
        Settings {
            max_header_field: further.max_header_field.unwrap_or(self.max_header_field),
            disallow_obs_text: further.disallow_obs_text,
            hpack_table_size: further.hpack_table_size.unwrap_or(self.hpack_table_size),
            huffman: further.huffman,
            violations_end_connection: further.stream_errors == Some(false),
            custom: further.custom_settings.as_slice().into(),
            floods: Floods {
                outbound_frames: further.max_outbound_frames.unwrap_or(floods.outbound_frames),
                outbound_control_frames: further.max_outbound_control_frames.unwrap_or(floods.outbound_control_frames),
                empty_frames: further.max_empty_frames.unwrap_or(floods.empty_frames),
                priority_frames: further.max_priority_frames.unwrap_or(floods.priority_frames),
                window_updates: further.max_window_updates.unwrap_or(floods.window_updates),
                reset_burst: further.stream_reset_burst.unwrap_or(floods.reset_burst),
                reset_rate: further.stream_reset_rate.unwrap_or(floods.reset_rate),
            },
            keepalive_jitter: further.keepalive_jitter.unwrap_or(self.keepalive_jitter),
            idle_interval: further.keepalive_idle_interval,
            ..self
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

impl From<std::io::Error> for ConnectionError {
    fn from(error: std::io::Error) -> ConnectionError {
        ConnectionError::Io(error.to_string().into())
    }
}

/// A client's request that the codec has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    /// Envoy's response-code detail.
    pub detail: &'static str,
    /// Our limits, or the configuration, forbid it; otherwise it breaks the protocol.
    pub unwanted: bool,
}

/// Envoy's detail of requests whose connection is no HTTP/2.
pub const GARBLED: &str = "codec_error:The_user_callback_function_failed";
const VIOLATION: StreamError = StreamError::Protocol { detail: "http2.violation.of.messaging.rule", status: 400 };

fn reason(reason: ResetReason) -> Reason {
    match reason {
        ResetReason::Cancel => Reason::CANCEL,
        ResetReason::ProtocolError => Reason::PROTOCOL_ERROR,
        ResetReason::InternalError => Reason::INTERNAL_ERROR,
        ResetReason::Refused => Reason::REFUSED_STREAM,
    }
}
