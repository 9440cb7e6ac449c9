//! Listeners (`envoy.config.listener.v3.Listener`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::access_log::AccessLog;
use crate::address::Address;
use crate::cluster::TcpKeepalive;
use crate::filters::NetworkFilterConfig;
use crate::filters::discovery::Discovery;
use crate::filters::set_filter_state::FilterStateValue;
use crate::hcm::HttpConnectionManager;
use crate::metadata::Metadata;
use crate::tcp_proxy::TcpProxy;
use crate::tls::DownstreamTls;
use crate::tlvs::Passed;

mod chain;
mod chain_match;
pub(crate) mod decode;
mod kept;
pub(crate) mod listener_filter;

pub use decode::{decode, from_proto};
pub use kept::{KeptChains, kept_chains};

/// One of a listener's `additional_addresses`.
#[derive(Debug, Clone)]
pub struct AdditionalAddress {
    /// Where.
    pub address: SocketAddr,
    /// In place of the listener's, where they are set; an empty list is none at all.
    pub socket_options: Option<Vec<SocketOption>>,
    /// In place of the listener's.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `ipv4_compat` of its `socket_address`.
    pub ipv4_compat: bool,
}

impl From<SocketAddr> for AdditionalAddress {
    /// With the listener's own options.
    fn from(address: SocketAddr) -> AdditionalAddress {
        AdditionalAddress { address, socket_options: None, tcp_keepalive: None, ipv4_compat: false }
    }
}

/// A listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Name.
    pub name: Arc<str>,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
    /// `None`: an internal listener, accepted and never bound.
    pub address: Option<Address>,
    /// `additional_addresses`.
    pub additional_addresses: Vec<AdditionalAddress>,
    /// `address.pipe.mode`; 0 leaves the process's own.
    pub pipe_mode: u32,
    /// `address.socket_address.ipv4_compat`: the IPv6 socket takes IPv4 too.
    pub ipv4_compat: bool,
    /// `bind_to_port`; false is never bound.
    pub bind_to_port: bool,
    /// `traffic_direction`.
    pub direction: Direction,
    /// Chains in config order.
    pub filter_chains: Vec<Arc<FilterChain>>,
    /// Used when none matches.
    pub default_filter_chain: Option<Arc<FilterChain>>,
    /// In order.
    pub listener_filters: Vec<ListenerFilter>,
    /// `None` = never; Envoy's default is 15 s.
    pub listener_filters_timeout: Option<Duration>,
    /// Go on with what is known when the time is up.
    pub continue_on_listener_filters_timeout: bool,
    /// Octets; default 1 MiB.
    pub buffer_limit: u32,
    /// Logs of connections that no chain takes, and of all connections' ends.
    pub access_log: Vec<AccessLog>,
    /// `enable_reuse_port`, default true.
    pub reuse_port: bool,
    /// `tcp_backlog_size`.
    pub backlog: Option<u32>,
    /// `socket_options`, applied as given.
    pub socket_options: Vec<SocketOption>,
    /// IP_FREEBIND.
    pub freebind: bool,
    /// IP_TRANSPARENT.
    pub transparent: bool,
    /// `tcp_keepalive`.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `ignore_global_conn_limit`.
    pub ignore_global_connection_limit: bool,
    /// `bypass_overload_manager`: its connections are taken however little memory there is.
    pub bypass_overload_manager: bool,
    /// Connections taken from the socket per readiness event.
    pub max_accepts_per_event: Option<u32>,
    /// `stat_prefix`; the address otherwise.
    pub stat_prefix: Option<Arc<str>>,
    /// `drain_type: MODIFY_ONLY`: not drained by the admin's drain_listeners or health failures.
    pub drain_modify_only: bool,
}

/// `traffic_direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Unspecified.
    #[default]
    Unspecified,
    /// From the mesh to the app.
    Inbound,
    /// From the app to the mesh.
    Outbound,
}

/// `core.v3.SocketOption` for TCP listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOption {
    /// Level.
    pub level: i32,
    /// Name.
    pub name: i32,
    /// Value, as the C call takes it.
    pub value: Vec<u8>,
    /// `state`: when it is set.
    pub state: SocketState,
    /// `ip_version`: on sockets of IPv4 alone, or of IPv6; `None` = on each.
    pub four: Option<bool>,
}

impl SocketOption {
    /// Whether it is for a socket of this address in this state.
    pub fn is_for(&self, state: SocketState, four: Option<bool>) -> bool {
        self.state == state && (self.four.is_none() || self.four == four)
    }
}

/// `SocketOption.SocketState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SocketState {
    /// Before it is bound.
    #[default]
    Prebind,
    /// When it is bound.
    Bound,
    /// When it listens.
    Listening,
}

/// A listener filter.
#[derive(Debug, Clone)]
pub struct ListenerFilter {
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub kind: ListenerFilterKind,
    /// `filter_disabled`: true for a connection that this predicate matches.
    pub disabled: Option<ListenerPredicate>,
}

/// Kinds of listener filters.
#[derive(Debug, Clone)]
pub enum ListenerFilterKind {
    /// SNI, ALPN and transport protocol from the ClientHello.
    TlsInspector {
        /// `max_client_hello_size`: octets that a ClientHello may take.
        largest: u32,
        /// `close_connection_on_client_hello_parsing_errors`: what is no ClientHello is not taken for plain text.
        tls_alone: bool,
    },
    /// HTTP version from the first bytes; sets the application protocol.
    HttpInspector,
    /// Accepted; there is no redirect to undo here.
    OriginalDst,
    /// Objects of filter state, set when the connection is accepted.
    SetFilterState(Vec<FilterStateValue>),
    /// PROXY protocol v1 and v2.
    ProxyProtocol {
        /// `allow_requests_without_proxy_protocol`.
        optional: bool,
        /// `pass_through_tlvs`: what upstreams may be told of the header's.
        passes: Passed,
    },
    /// `config_discovery`.
    Discovered(Arc<Discovery<ListenerFilterKind>>),
}

/// `ListenerFilterChainMatchPredicate`.
#[derive(Debug, Clone)]
pub enum ListenerPredicate {
    /// Any of.
    Or(Vec<ListenerPredicate>),
    /// All of.
    And(Vec<ListenerPredicate>),
    /// Not.
    Not(Box<ListenerPredicate>),
    /// Always.
    Any,
    /// Destination port in `start..end`.
    DestinationPort {
        /// First.
        start: u16,
        /// One past the last.
        end: u32,
    },
}

/// A filter chain. Chains of one listener may share a name.
#[derive(Debug, Clone)]
pub struct FilterChain {
    /// Name.
    pub name: Arc<str>,
    /// When it is taken.
    pub matches: FilterChainMatch,
    /// TLS or plain.
    pub transport: DownstreamTransport,
    /// Time for the handshake; `None` (unset or zero) = no limit, as in Envoy.
    pub transport_connect_timeout: Option<Duration>,
    /// Network filters before the last, in order.
    pub filters: Vec<NetworkFilter>,
    /// The last one.
    pub terminal: TerminalFilter,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
}

/// `FilterChainMatch`. Empty parts match all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterChainMatch {
    /// Destination port.
    pub destination_port: Option<u16>,
    /// Destination address ranges.
    pub prefix_ranges: Vec<IpNet>,
    /// Server names, lower case; `*.` begins a suffix wildcard.
    pub server_names: Vec<Arc<str>>,
    /// `tls` or `raw_buffer`; empty matches all.
    pub transport_protocol: Arc<str>,
    /// Any of these.
    pub application_protocols: Vec<Arc<str>>,
    /// Ranges of the directly connected peer (PROXY protocol not counted).
    pub direct_source_prefix_ranges: Vec<IpNet>,
    /// Whose connection.
    pub source_type: SourceType,
    /// Source address ranges.
    pub source_prefix_ranges: Vec<IpNet>,
    /// Source ports.
    pub source_ports: Vec<u16>,
}

/// `FilterChainMatch.source_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SourceType {
    /// Any.
    #[default]
    Any,
    /// From this host.
    SameIpOrLoopback,
    /// From elsewhere.
    External,
}

/// Transport of the downstream side.
#[derive(Debug, Clone)]
pub enum DownstreamTransport {
    /// Plain.
    Raw,
    /// TLS.
    Tls(Arc<DownstreamTls>),
}

/// A network filter that is not the last one.
#[derive(Debug, Clone)]
pub struct NetworkFilter {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub config: NetworkFilterConfig,
}

/// The last network filter of a chain.
#[derive(Debug, Clone)]
pub enum TerminalFilter {
    /// HTTP.
    Http(Arc<HttpConnectionManager>),
    /// Bytes.
    Tcp(Arc<TcpProxy>),
    /// A filter that answers by itself.
    Answers(NetworkFilter),
    /// No filter at all: the connection is closed at once, as Envoy does.
    None,
}
