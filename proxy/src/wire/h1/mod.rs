//! HTTP/1 as Envoy speaks it: a server ([`server::Connection`]) and a client ([`client::Connection`]) over a [`Stream`].
//!
//! The core ([`decode`]) has no I/O: it is fed bytes and yields events; `server` and `client` are thin shells around it that read,
//! write and keep the rules of connection reuse. Heads are cut out of one read buffer without copying values. It never looks at
//! routes, filters or configuration beyond [`Settings`], and it never trusts a byte that it reads.
//!
//! What is accepted and refused, with which status and response-code detail, follows Envoy 1.40 with its default parser; the table
//! `integration/parity/h1_requests.txt` holds the measured answers and `integration/parity/known.md` the few differences.
//!
//! [`Stream`]: crate::transport::Stream

pub mod client;
pub mod decode;
pub mod server;

mod body;
pub(super) mod buffers;
mod cased;
mod encode;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod head;
mod lenient;
mod meter;
mod reason;
mod request;
mod response;
mod sending;
mod target;
#[cfg(test)]
mod tests;

pub use reason::phrase;

use std::sync::Arc;

use config::cluster::UpstreamHttp;
use config::hcm::{Http1Settings, HttpConnectionManager, Underscores};
use config::matcher::StringMatcher;

/// What one side of a connection needs to know. Copied into each connection; what is shared is nothing where nothing is said.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `Http1ProtocolOptions`.
    pub http1: Http1Settings,
    /// Header lines (or trailer lines) a message may have.
    pub max_headers_count: u32,
    /// Octets a head (or the trailers) may have on the wire.
    pub max_headers: u32,
    /// What becomes of header names with `_`.
    pub underscores: Underscores,
    /// Upgrades that are passed by: who asks for one has not.
    pub ignored_upgrades: Option<Arc<[StringMatcher]>>,
    /// Requests name scheme and host in their first line.
    pub full_url: bool,
    /// Octets that may wait to be written before [`poll_ready`](super::codec::Downstream::poll_ready) holds the sender back.
    pub buffer_limit: usize,
}

impl Settings {
    /// For connections from clients, whose listener has this limit.
    pub fn downstream(manager: &HttpConnectionManager, limit: usize) -> Settings {
        Settings {
            http1: manager.http1,
            max_headers_count: manager.max_headers_count,
            max_headers: manager.max_request_headers,
            underscores: manager.underscores,
            ignored_upgrades: manager.ignored_upgrades.clone(),
            full_url: false,
            buffer_limit: limit.min(BUFFER_LIMIT),
        }
    }

    /// For connections to upstream hosts, whose cluster has this limit; 0 is none.
    pub fn upstream(http: &UpstreamHttp, limit: u32) -> Settings {
        Settings {
            http1: Http1Settings { header_case: http.header_case, trailers: http.trailers, ..Http1Settings::default() },
            full_url: http.full_url,
            max_headers: http.max_response_headers.unwrap_or(80 * 1024),
            max_headers_count: http.max_headers_count,
            buffer_limit: if limit == 0 { BUFFER_LIMIT } else { BUFFER_LIMIT.min(limit as usize) },
            ..Settings::default()
        }
    }
}

impl Default for Settings {
    /// Envoy's defaults for requests.
    fn default() -> Settings {
        Settings {
            http1: Http1Settings::default(),
            max_headers_count: 100,
            max_headers: 60 * 1024,
            underscores: Underscores::Allow,
            ignored_upgrades: None,
            full_url: false,
            buffer_limit: BUFFER_LIMIT,
        }
    }
}

/// A message that breaks the protocol: what Envoy answers and what it writes as `%RESPONSE_CODE_DETAILS%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ParseError {
    /// Status of the answer when a request was at fault.
    pub status: u16,
    /// Envoy's response-code detail.
    pub detail: &'static str,
}

impl ParseError {
    pub(super) const CODEC: ParseError = ParseError { status: 400, detail: "http1.codec_error" };
    pub(super) const CHARACTERS: ParseError = ParseError { status: 400, detail: "http1.invalid_characters" };
    pub(super) const URL: ParseError = ParseError { status: 400, detail: "http1.invalid_url" };
    pub(super) const SCHEME: ParseError = ParseError { status: 400, detail: "http1.invalid_scheme" };
    pub(super) const AUTHORITY: ParseError = ParseError { status: 400, detail: "http.invalid_authority" };
    pub(super) const BODY_DISALLOWED: ParseError = ParseError { status: 400, detail: "http1.body_disallowed" };
    pub(super) const BOTH_LENGTHS: ParseError =
        ParseError { status: 400, detail: "http1.content_length_and_chunked_not_allowed" };
    pub(super) const LENGTH_NOT_ALLOWED: ParseError =
        ParseError { status: 400, detail: "http1.content_length_not_allowed" };
    pub(super) const ENCODING_NOT_ALLOWED: ParseError =
        ParseError { status: 400, detail: "http1.transfer_encoding_not_allowed" };
    pub(super) const TRANSFER_ENCODING: ParseError =
        ParseError { status: 501, detail: "http1.invalid_transfer_encoding" };
    pub(super) const UNDERSCORE: ParseError = ParseError { status: 400, detail: "http1.unexpected_underscore" };
    pub(super) const CONNECTION_HEADER: ParseError =
        ParseError { status: 400, detail: "http1.connection_header_rejected" };
    pub(super) const LOW_VERSION: ParseError = ParseError { status: 426, detail: "low_version" };
    pub(super) const TOO_LARGE: ParseError = ParseError { status: 431, detail: "http1.headers_too_large" };
    pub(super) const TOO_MANY: ParseError = ParseError { status: 431, detail: "http1.too_many_headers" };
    pub(super) const TRAILERS_TOO_LARGE: ParseError = ParseError { status: 431, detail: "http1.trailers_too_large" };
    pub(super) const TOO_MANY_TRAILERS: ParseError = ParseError { status: 431, detail: "http1.too_many_trailers" };
}

impl From<ParseError> for super::codec::StreamError {
    fn from(error: ParseError) -> Self {
        super::codec::StreamError::Protocol { detail: error.detail, status: error.status }
    }
}

/// For fuzzing: where the strict head parser takes a head, the lenient one cuts it the same way.
#[cfg(any(test, fuzzing))]
pub fn check_parsers_agree(bytes: &[u8]) {
    head::check_parsers_agree(head::Kind::Request, bytes);
    head::check_parsers_agree(head::Kind::Response, bytes);
}

/// Octets queued for writing above which a sender must wait.
const BUFFER_LIMIT: usize = 64 * 1024;
