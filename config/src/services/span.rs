//! Spans, as plain data: what the proxy knows of a request that is traced. Made there; the files beside this one make messages of them.

use std::borrow::Cow;

/// A span that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Of all spans of one trace.
    pub trace: [u8; 16],
    /// Its own.
    pub id: [u8; 8],
    /// Of the span that it belongs to.
    pub parent: Option<[u8; 8]>,
    /// That is another process's.
    pub remote_parent: bool,
    /// `tracestate`.
    pub state: String,
    /// Its name.
    pub name: String,
    /// Whose side it tells.
    pub kind: Kind,
    /// Its id is its caller's, too.
    pub shared: bool,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended, likewise.
    pub end: u64,
    /// Names and values, each name once.
    pub tags: Vec<(Cow<'static, str>, String)>,
    /// Moments within it.
    pub events: Vec<(u64, &'static str)>,
}

/// Whose side of a request a span tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Of the one that was asked.
    #[default]
    Server,
    /// Of the one that asks.
    Client,
}

impl Span {
    /// Octets of all that is said in it.
    pub fn octets(&self) -> usize {
        let tags: usize = self.tags.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.state.len() + self.name.len() + tags
    }

    /// Sets a tag. One of that name gets the new value.
    pub fn tag(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.tags.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.tags.push((name, value)),
        }
    }
}

/// Names of tags, as Envoy has them.
#[allow(missing_docs)]
pub mod tags {
    pub const CANCELED: &str = "canceled";
    pub const COMPONENT: &str = "component";
    pub const DOWNSTREAM_CLUSTER: &str = "downstream_cluster";
    pub const ERROR: &str = "error";
    pub const ERROR_REASON: &str = "error.reason";
    pub const GRPC_AUTHORITY: &str = "grpc.authority";
    pub const GRPC_CONTENT_TYPE: &str = "grpc.content_type";
    pub const GRPC_MESSAGE: &str = "grpc.message";
    pub const GRPC_PATH: &str = "grpc.path";
    pub const GRPC_STATUS_CODE: &str = "grpc.status_code";
    pub const GRPC_TIMEOUT: &str = "grpc.timeout";
    pub const HTTP_METHOD: &str = "http.method";
    pub const HTTP_PROTOCOL: &str = "http.protocol";
    pub const HTTP_STATUS_CODE: &str = "http.status_code";
    pub const HTTP_URL: &str = "http.url";
    pub const NODE_ID: &str = "node_id";
    pub const PEER_ADDRESS: &str = "peer.address";
    pub const REQUEST_SIZE: &str = "request_size";
    pub const RESPONSE_FLAGS: &str = "response_flags";
    pub const RESPONSE_SIZE: &str = "response_size";
    pub const RETRY_COUNT: &str = "retry.count";
    pub const UPSTREAM_ADDRESS: &str = "upstream_address";
    pub const UPSTREAM_CLUSTER: &str = "upstream_cluster";
    pub const UPSTREAM_CLUSTER_NAME: &str = "upstream_cluster.name";
    pub const USER_AGENT: &str = "user_agent";
    pub const X_CLIENT_TRACE_ID: &str = "guid:x-client-trace-id";
    pub const X_REQUEST_ID: &str = "guid:x-request-id";
    pub const ZONE: &str = "zone";
}
