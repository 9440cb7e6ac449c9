//! What is known of a request or a TCP connection when it ends. Filled by `http` and `tcp`, written out by access logs. Plain data.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use crate::failure::ResponseFlags;
use crate::telemetry::dynamic::{DynamicMetadata, FilterState, StateObject};
use crate::telemetry::peer::Peer;
use crate::telemetry::{uuid, wall};
use crate::tls::info::{PeerName, TlsInfo};
use crate::wire::codec::OnWire;
use crate::wire::message::Protocol;
use config::metadata::Metadata;

/// Facts of the downstream connection, shared by its requests.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// Unique in the process.
    pub id: u64,
    /// Local address: where the client connected to.
    pub local: SocketAddr,
    /// The same, whatever PROXY protocol said.
    pub direct_local: SocketAddr,
    /// The client, after PROXY protocol.
    pub remote: SocketAddr,
    /// The directly connected peer.
    pub direct_remote: SocketAddr,
    /// What its PROXY header says besides, and upstreams may be told; `None` where there was no header.
    pub proxy_tlvs: Option<Arc<[u8]>>,
    /// TLS facts; `None` on plaintext.
    pub tls: Option<Rc<TlsInfo>>,
    /// SNI seen by the TLS inspector even when TLS is not terminated here.
    pub requested_server_name: Option<PeerName>,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Name of the filter chain.
    pub filter_chain: Arc<str>,
    /// From the beginning of the connection to the end of its TLS handshake.
    pub handshake: Option<Duration>,
    /// Metadata of the listener and of the filter chain.
    pub labels: [Option<Arc<Metadata>>; 2],
    /// What filters have written about the connection.
    pub metadata: RefCell<DynamicMetadata>,
    /// And set on it.
    pub filter_state: RefCell<FilterState>,
    /// Why a filter closed it, where nothing else ended it before.
    pub denied: RefCell<Option<Denial>>,
    /// What names it in logs, once that was asked for.
    pub stream_id: OnceCell<[u8; uuid::LENGTH]>,
    /// What the listener's log tells of it, where there is one.
    pub told: Option<Rc<Told>>,
}

/// What becomes of a connection, for its listener's log.
#[derive(Debug, Default)]
pub struct Told {
    /// Octets that were read and written, where the connection is one of requests.
    pub octets: Option<Arc<[AtomicU64; 2]>>,
    /// What requests are spoken in.
    pub protocol: Cell<Option<Protocol>>,
    /// What went wrong with the connection itself.
    pub flags: Cell<ResponseFlags>,
    /// What its last filter knew of it in the end. To be taken out: it holds the connection.
    pub ended: RefCell<Option<Box<StreamInfo>>>,
}

impl Told {
    /// Of a connection that has requests, or has not.
    pub fn new(has_requests: bool) -> Rc<Told> {
        Rc::new(Told { octets: has_requests.then(Arc::default), ..Told::default() })
    }

    /// Something goes wrong.
    pub fn set(&self, flag: ResponseFlags) {
        let mut flags = self.flags.get();
        flags.set(flag);
        self.flags.set(flags);
    }

    /// The connection breaks the protocol, before its first request or behind it.
    pub fn broken(&self, at_once: bool) {
        self.set(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR);
        if at_once {
            self.protocol.set(None);
        }
    }

    /// Adds what is known here.
    pub fn complete(&self, info: &mut StreamInfo) {
        info.flags.set(self.flags.get());
        if let Some([read, written]) = self.octets.as_deref() {
            (info.bytes_received, info.bytes_sent) = (read.load(Relaxed), written.load(Relaxed));
            // Who has said nothing speaks nothing yet.
            info.protocol = self.protocol.get().filter(|_| info.bytes_received > 0);
        }
    }
}

impl ConnectionInfo {
    /// A plain connection of which nothing else is known; its number is 1.
    pub fn between(local: SocketAddr, remote: SocketAddr) -> ConnectionInfo {
        ConnectionInfo {
            id: 1,
            local,
            direct_local: local,
            remote,
            direct_remote: remote,
            proxy_tlvs: None,
            tls: None,
            requested_server_name: None,
            listener: Arc::default(),
            filter_chain: Arc::default(),
            handshake: None,
            labels: [None, None],
            metadata: RefCell::default(),
            filter_state: RefCell::default(),
            denied: RefCell::default(),
            stream_id: OnceCell::new(),
            told: None,
        }
    }

    /// A name of its own, the same in all its entries.
    pub fn stream_id(&self) -> &[u8] {
        self.stream_id.get_or_init(uuid::random)
    }
}

/// Why a filter closed a connection, and which details say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// `%CONNECTION_TERMINATION_DETAILS%`.
    Termination(Box<str>),
    /// `%RESPONSE_CODE_DETAILS%`.
    Response(&'static str),
}

/// Facts of one request, or of one TCP connection.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// The downstream connection.
    pub connection: Rc<ConnectionInfo>,
    /// When it began, wall clock.
    pub start_time: SystemTime,
    /// When it began.
    pub start: Instant,
    /// When the last byte of the request was read.
    pub request_complete: Option<Instant>,
    /// When the first byte of the upstream's response arrived.
    pub response_first_byte: Option<Instant>,
    /// When the last byte was sent; set when logged otherwise.
    pub end: Option<Instant>,
    /// `None` for TCP.
    pub protocol: Option<Protocol>,
    /// Status; 0 when none was sent.
    pub response_code: u16,
    /// Envoy's response code details, e.g. `via_upstream`.
    pub response_code_details: Option<std::borrow::Cow<'static, str>>,
    /// Envoy's connection termination details.
    pub connection_termination_details: Option<std::borrow::Cow<'static, str>>,
    /// Flags.
    pub flags: ResponseFlags,
    /// Body octets received from downstream.
    pub bytes_received: u64,
    /// Body octets sent downstream.
    pub bytes_sent: u64,
    /// Octets of the request's head as it came; see [`RequestHead::wire_size`](crate::wire::message::RequestHead::wire_size).
    pub request_head: u32,
    /// Those of the upstream's response.
    pub upstream_head: u32,
    /// How often its route was looked up.
    pub route_resolutions: u32,
    /// Remote address for logs when it differs from the connection's (XFF).
    pub downstream_remote: Option<SocketAddr>,
    /// Endpoint of the last attempt, as printed.
    pub upstream_host: Option<Arc<str>>,
    /// Cluster name as routes spell it; the worker's own copy, as the next.
    pub upstream_cluster: Option<Rc<str>>,
    /// The cluster's `alt_stat_name`, when it has one: what Envoy calls its observability name.
    pub upstream_cluster_observed: Option<Rc<str>>,
    /// The upstream connection.
    pub upstream_connection: Option<Rc<UpstreamConnection>>,
    /// What is spoken on it.
    pub upstream_protocol: Option<Protocol>,
    /// What cluster and endpoint of the last attempt say of themselves.
    pub upstream_labels: [Option<Rc<dyn Labels>>; 2],
    /// Further moments, where somebody wants to know them.
    pub times: Option<Box<Times>>,
    /// Why the upstream's transport failed.
    pub upstream_transport_failure: Option<Arc<str>>,
    /// Why the downstream's transport failed.
    pub downstream_transport_failure: Option<Arc<str>>,
    /// Attempts made.
    pub attempts: u32,
    /// The response has left to its end.
    pub is_sent: bool,
    /// It is a health check: logs may leave it out, statistics of responses do.
    pub health_check: bool,
    /// Messages of gRPC so far, of the request and of its response, where a filter counts them for others.
    pub grpc_messages: [u32; 2],
    /// What filters have written about the request.
    pub metadata: DynamicMetadata,
    /// And set on it.
    pub filter_state: FilterState,
}

impl StreamInfo {
    /// A stream that begins now.
    pub fn begin(connection: Rc<ConnectionInfo>, protocol: Option<Protocol>) -> StreamInfo {
        StreamInfo::begun(connection, protocol, Instant::now())
    }

    /// A stream that began then.
    pub fn begun(connection: Rc<ConnectionInfo>, protocol: Option<Protocol>, start: Instant) -> StreamInfo {
        StreamInfo {
            connection,
            start_time: wall::at(start),
            start,
            request_complete: None,
            response_first_byte: None,
            end: None,
            protocol,
            response_code: 0,
            response_code_details: None,
            connection_termination_details: None,
            flags: ResponseFlags::NONE,
            bytes_received: 0,
            bytes_sent: 0,
            request_head: 0,
            upstream_head: 0,
            route_resolutions: 0,
            downstream_remote: None,
            upstream_host: None,
            upstream_cluster: None,
            upstream_cluster_observed: None,
            upstream_connection: None,
            upstream_protocol: None,
            upstream_labels: [None, None],
            times: None,
            upstream_transport_failure: None,
            downstream_transport_failure: None,
            attempts: 0,
            is_sent: false,
            health_check: false,
            grpc_messages: [0; 2],
            metadata: DynamicMetadata::default(),
            filter_state: FilterState::default(),
        }
    }
}

impl StreamInfo {
    /// What the cluster is called where it is observed.
    pub fn observed_cluster(&self) -> Option<&Rc<str>> {
        self.upstream_cluster_observed.as_ref().or(self.upstream_cluster.as_ref())
    }

    /// The client, by what proxies before us have said where they are believed.
    pub fn remote(&self) -> SocketAddr {
        self.downstream_remote.unwrap_or(self.connection.remote)
    }

    /// It passed the client's connection like this: kept where somebody wants to know.
    pub fn client_wire(&mut self, octets: impl FnOnce() -> Option<OnWire>) {
        if let Some(times) = &mut self.times {
            times.with_client = octets();
        }
    }

    /// An attempt passed its connection like this: kept where somebody wants to know.
    pub fn host_wire(&mut self, octets: impl FnOnce() -> Option<OnWire>) {
        if let Some(times) = &mut self.times {
            times.with_hosts += octets().unwrap_or_default();
        }
    }

    /// When the last octet of a response was sent; none where it was cut off, be it by who asked.
    pub fn sent_at(&self) -> Option<Instant> {
        self.end.filter(|_| self.is_sent || self.protocol.is_none())
    }

    /// There is a stream to the host that was written down, or it could not be reached: kept where somebody wants to know.
    pub fn attempted(&mut self) {
        let (Some(times), Some(host)) = (&mut self.times, &self.upstream_host) else { return };
        let connection = self.upstream_connection.as_ref().map(|connection| connection.id);
        let name = self.upstream_labels[1].as_ref().map_or("", |labels| labels.hostname());
        let known = times.attempted.iter().any(|(other, _, id)| other == host && *id == connection);
        if !known {
            times.attempted.push((host.clone(), name.into(), connection));
        }
    }

    /// Sets an object of the request's filter state. False if it stays out: one of the connection is not replaced by one of a request, nor
    /// one that is read only by any.
    pub fn set_state(&mut self, object: StateObject) -> bool {
        self.connection.filter_state.borrow().get(&object.key).is_none() && self.filter_state.set(object)
    }

    /// Something happens now: kept where somebody wants to know.
    pub fn mark(&mut self, time: impl FnOnce(&mut Times) -> &mut Option<Instant>) {
        if let Some(times) = &mut self.times {
            *time(times) = Some(Instant::now());
        }
    }
}

/// What an upstream connection is, shared by its requests.
#[derive(Debug, Clone)]
pub struct UpstreamConnection {
    /// Unique in the process.
    pub id: u64,
    /// The address that answered, printed.
    pub peer: Arc<str>,
    /// Our address.
    pub local: Option<SocketAddr>,
    /// TLS facts.
    pub tls: Option<Rc<TlsInfo>>,
    /// Connecting began.
    pub begun: Instant,
    /// The socket stood.
    pub connected: Instant,
    /// TLS did.
    pub secured: Option<Instant>,
    /// What the server says of itself at its beginning, where its cluster exchanges metadata.
    pub peer_says: Option<Rc<Peer>>,
}

/// What logs may print of a cluster or an endpoint.
pub trait Labels: std::fmt::Debug {
    /// Its metadata.
    fn metadata(&self) -> &Arc<Metadata>;
    /// Its host name, if it has one.
    fn hostname(&self) -> &str {
        ""
    }
}

/// What few logs ask for: moments of a request, and what it was on the wire.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// A connection was asked for.
    pub pool_asked: Option<Instant>,
    /// And was there.
    pub pool_ready: Option<Instant>,
    /// The request's head was sent.
    pub upload_begins: Option<Instant>,
    /// Its last octet was.
    pub upload_ends: Option<Instant>,
    /// The first octet of the response's body came.
    pub body_begins: Option<Instant>,
    /// The last octet of the response came.
    pub response_ends: Option<Instant>,
    /// The response's head was sent.
    pub download_begins: Option<Instant>,
    /// What passed the client's connection; `None` where nobody can tell.
    pub with_client: Option<OnWire>,
    /// What passed connections to hosts, of all attempts.
    pub with_hosts: OnWire,
    /// The hosts that were connected to, in order, each once: address, name, connection.
    pub attempted: Vec<(Arc<str>, Box<str>, Option<u64>)>,
}
