//! Access logs of the admin interface (`Admin.access_log`), on the control thread: admin's server says what was asked and answered, and an entry is
//! made of it as of any other request. Never on a worker.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::access_log::AccessLog;
use http::HeaderMap;

use super::{AccessLogs, Destinations, WorkerLogs};
use crate::call::Calls;
use crate::export;
use crate::failure::ResponseFlags;
use crate::stats::Stats;
use crate::telemetry::access_log::{EntryKind, LogEntry, More};
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

/// The logs, compiled.
pub struct AdminLog {
    logs: AccessLogs,
    writer: WorkerLogs,
    calls: Calls,
    /// This host's, as callees see it.
    address: Option<IpAddr>,
    connections: Cell<u64>,
}

impl AdminLog {
    /// Of the bootstrap; `calls` are the control thread's.
    pub fn new(
        config: &[AccessLog],
        sinks: &dyn Destinations,
        stats: &Arc<Stats>,
        calls: Calls,
        address: Option<IpAddr>,
    ) -> Rc<AdminLog> {
        let logs = AccessLogs::compile(config, sinks, stats);
        let writer = WorkerLogs::new(0).over(calls.clone());
        Rc::new(AdminLog { logs, writer, calls, address, connections: Cell::default() })
    }

    /// A connection from there; of Unix sockets there are no addresses.
    pub fn connection(&self, ends: Option<(SocketAddr, SocketAddr)>) -> Rc<ConnectionInfo> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let (local, remote) = ends.unwrap_or((nowhere, nowhere));
        let id = self.connections.replace(self.connections.get() + 1);
        Rc::new(ConnectionInfo { id, ..ConnectionInfo::between(local, remote) })
    }

    /// A request has come.
    pub fn asked(self: &Rc<Self>, connection: &Rc<ConnectionInfo>, head: &http::request::Parts) -> Asked {
        let protocol = if head.version == http::Version::HTTP_10 { Protocol::Http10 } else { Protocol::Http11 };
        let mut info = StreamInfo::begin(connection.clone(), Some(protocol));
        info.request_complete = Some(info.start);
        let mut request = RequestHead {
            method: method(&head.method),
            path: Bytes::copy_from_slice(head.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes()),
            authority: head.headers.get("host").map(octets).unwrap_or_default(),
            scheme: Bytes::from_static(b"http"),
            headers: headers(&head.headers, Some("host")),
            body: BodyLength::Empty,
            ..RequestHead::unread(protocol)
        };
        self.forwarded(connection.remote.ip(), &mut request.headers);
        Asked { log: self.clone(), info, request, response: None, is_whole: false }
    }

    /// As in Envoy, which treats whoever asks here as a client at the edge: this host's own are told by its address.
    fn forwarded(&self, client: IpAddr, headers: &mut Headers) {
        let client = if client.is_loopback() { self.address.unwrap_or(client) } else { client };
        headers.append_list(Name::X_FORWARDED_FOR, &client.to_string(), b",");
        headers.set(Name::X_FORWARDED_PROTO, "http");
    }

    /// The process ends: what waits for services is sent, within that time.
    pub async fn end(&self, limit: Duration) {
        export::send_rest(&self.calls, limit).await;
    }
}

/// A request of which the log is told when this is dropped.
pub struct Asked {
    log: Rc<AdminLog>,
    info: StreamInfo,
    request: RequestHead,
    response: Option<ResponseHead>,
    is_whole: bool,
}

impl Asked {
    /// What is answered. `all`: octets of the body, where they are known; an answer to HEAD is whole with that.
    pub fn answered(&mut self, head: &http::response::Parts, received: u64, all: Option<u64>) {
        self.info.bytes_received = received;
        self.info.response_code = head.status.as_u16();
        self.info.response_code_details = Some("admin_filter_response".into());
        let is_head = self.request.method == Method::Head;
        if is_head {
            self.info.bytes_sent = all.unwrap_or_default();
        }
        self.is_whole = is_head || all == Some(0);
        self.response = Some(ResponseHead {
            protocol: Protocol::Http11,
            status: head.status.as_u16(),
            reason: Bytes::new(),
            headers: headers(&head.headers, None),
            body: BodyLength::Unknown,
            wire_size: 0,
        });
    }

    /// Octets of the body went out; `last`: there are no more.
    pub fn sent(&mut self, octets: usize, last: bool) {
        self.info.bytes_sent += octets as u64;
        self.is_whole |= last;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.info.end = Some(Instant::now());
        if !self.is_whole {
            self.info.flags.set(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION);
        }
        let entry = LogEntry {
            request: Some(&self.request),
            response: self.response.as_ref(),
            more: More { kind: EntryKind::DownstreamEnd, ..More::default() },
            ..LogEntry::of(&self.info)
        };
        self.log.logs.log(&self.log.writer, &entry);
    }
}

fn octets(value: &http::HeaderValue) -> Bytes {
    Bytes::copy_from_slice(value.as_bytes())
}

fn method(method: &http::Method) -> Method {
    let token = method.as_str().as_bytes();
    Method::from_token(token, || Bytes::copy_from_slice(token))
}

fn headers(map: &HeaderMap, but: Option<&str>) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map.iter().filter(|(name, _)| Some(name.as_str()) != but) {
        headers.append(Name::new(name.as_str()), octets(value));
    }
    headers
}

#[cfg(test)]
mod tests;
