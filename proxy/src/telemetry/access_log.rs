//! What an entry of an access log is made from. Made by `http`, `tcp` and `listener`; read by the writers of formats and by `logs`.

use config::metadata::Metadata;

use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Headers;
use crate::wire::message::{RequestHead, ResponseHead};

pub use config::access_log::EntryKind;

/// What a line is written from. Parts that do not exist (all of HTTP's, for TCP) are `None` and print `-`.
#[derive(Clone, Copy)]
pub struct LogEntry<'a> {
    /// What is known of the stream.
    pub info: &'a StreamInfo,
    /// The request, as it was sent upstream (Envoy logs after its own changes).
    pub request: Option<&'a RequestHead>,
    /// The response, as it was sent downstream.
    pub response: Option<&'a ResponseHead>,
    /// The response's trailers.
    pub trailers: Option<&'a Headers>,
    /// The rest.
    pub more: More<'a>,
}

impl<'a> LogEntry<'a> {
    /// Of a stream of which nothing is known but that: a connection, as a rule.
    pub fn of(info: &'a StreamInfo) -> LogEntry<'a> {
        LogEntry { info, request: None, response: None, trailers: None, more: More::default() }
    }
}

/// What few formats ask for.
#[derive(Debug, Clone, Copy, Default)]
pub struct More<'a> {
    /// The name of the route; empty prints `-`.
    pub route_name: Option<&'a str>,
    /// Metadata of the route.
    pub route: Option<&'a Metadata>,
    /// And of its virtual host.
    pub virtual_host: Option<&'a Metadata>,
    /// The name of the virtual cluster.
    pub virtual_cluster: Option<&'a str>,
    /// What is written.
    pub kind: EntryKind,
    /// The body of an answer of our own.
    pub reply: Option<&'a [u8]>,
    /// Somebody behind the edge forces its trace.
    pub forced: bool,
    /// Trace and span of the request, where it has one.
    pub span: Option<([u8; 16], [u8; 8])>,
}
