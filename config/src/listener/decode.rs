//! `Listener` to plain data. Called for LDS resources and static listeners.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use super::{AdditionalAddress, Direction, Listener, SocketOption, chain, listener_filter};
use crate::access_log;
use crate::address::{self, Address};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, bool_or, core::v3 as core, listener::v3 as pb, uint32};
use crate::rejection::{At, Rejection};

/// A `Listener` as the bytes of its Any.
pub fn decode(bytes: &[u8], options: &Options) -> Result<Listener, Rejection> {
    let at = At::root();
    options.reading("listener", bytes, || {
        extension::check("envoy.config.listener.v3.Listener", bytes, &at, options)?;
        from_proto(&proto::message(bytes, &at)?, options)
    })
}

/// A `Listener`.
pub fn from_proto(proto: &pb::Listener, options: &Options) -> Result<Listener, Rejection> {
    let at = At::root();
    refuse_other_kinds(&at, proto)?;
    let address = listening_address(&at, proto)?;
    abstract_without_mode(&at, proto)?;
    let filters = listener_filter::listener_filters(&at.field("listener_filters"), &proto.listener_filters, options)?;
    let (filter_chains, default_filter_chain) = match address {
        // Never bound, never reached: what it would do does not matter, and tunnelling is among it.
        None => (Vec::new(), None),
        Some(_) => chain::chains(&at, proto, options)?,
    };
    let timeout = proto::timeout(
        &at.field("listener_filters_timeout"),
        &proto.listener_filters_timeout,
        Some(Duration::from_secs(15)),
    )?;
    let deprecated_bind = proto.deprecated_v1.as_ref().and_then(|old| old.bind_to_port);
    let drain = proto::defined::<pb::listener::DrainType>(&at.field("drain_type"), proto.drain_type)?;
    Ok(Listener {
        name: name(proto, address.as_ref()),
        metadata: proto::metadata(&proto.metadata),
        additional_addresses: additional_addresses(&at.field("additional_addresses"), proto)?,
        bind_to_port: bool_or(&proto.bind_to_port.or(deprecated_bind), true),
        direction: direction(&at.field("traffic_direction"), proto.traffic_direction)?,
        filter_chains,
        default_filter_chain,
        listener_filters: filters,
        listener_filters_timeout: timeout,
        continue_on_listener_filters_timeout: proto.continue_on_listener_filters_timeout,
        buffer_limit: uint32(&proto.per_connection_buffer_limit_bytes).unwrap_or(1 << 20),
        access_log: access_log::decode::access_logs(&at.field("access_log"), &proto.access_log, options)?,
        reuse_port: bool_or(&proto.enable_reuse_port, true),
        backlog: uint32(&proto.tcp_backlog_size),
        socket_options: socket_options(&at.field("socket_options"), &proto.socket_options)?,
        pipe_mode: pipe_mode(&proto.address),
        ipv4_compat: ipv4_compat(&at.field("address"), proto.address.as_ref())?,
        freebind: bool_or(&proto.freebind, false),
        transparent: bool_or(&proto.transparent, false),
        tcp_keepalive: proto.tcp_keepalive.as_ref().map(address::decode::tcp_keepalive),
        ignore_global_connection_limit: proto.ignore_global_conn_limit,
        bypass_overload_manager: proto.bypass_overload_manager,
        max_accepts_per_event: max_accepts(&at, proto)?,
        stat_prefix: proto::text(&proto.stat_prefix),
        drain_modify_only: drain == pb::listener::DrainType::ModifyOnly,
        address,
    })
}

fn refuse_other_kinds(at: &At<'_>, proto: &pb::Listener) -> Result<(), Rejection> {
    let named =
        |text: &str| if proto.name.is_empty() { text.to_owned() } else { format!("listener {:?}: {text}", proto.name) };
    if proto.udp_listener_config.is_some() {
        return Err(at.field("udp_listener_config").unsupported(named("UDP and QUIC listeners are not supported yet")));
    }
    if proto.api_listener.is_some() {
        return Err(at.field("api_listener").only_envoys(named("API listeners are not supported; give address")));
    }
    if proto.filter_chain_matcher.is_some() {
        return Err(at
            .field("filter_chain_matcher")
            .only_envoys(named("is not supported; give filter_chain_match in each chain")));
    }
    if proto.fcds_config.is_some() {
        return Err(at
            .field("fcds_config")
            .reject(named("filter chains are not discovered; send them in the listener")));
    }
    if proto.enable_mptcp {
        return Err(at.field("enable_mptcp").unsupported(named("multipath TCP is not supported")));
    }
    Ok(())
}

/// `None` for internal listeners.
fn listening_address(at: &At<'_>, proto: &pb::Listener) -> Result<Option<Address>, Rejection> {
    if matches!(proto.listener_specifier, Some(pb::listener::ListenerSpecifier::InternalListener(_))) {
        return Ok(None);
    }
    let at = at.field("address");
    let address = field_rules::required(&at, &proto.address)?;
    let at_socket = at.field("socket_address");
    if let Some(core::address::Address::SocketAddress(socket)) = &address.address {
        use core::socket_address::Protocol;
        let at = at_socket.field("protocol");
        if proto::defined::<Protocol>(&at, socket.protocol)? == Protocol::Udp {
            return Err(
                at.unsupported(format!("listener {:?}: UDP and QUIC listeners are not supported yet", proto.name))
            );
        }
    }
    match address::decode::address(&at, address)? {
        Address::Name { host, .. } => Err(at
            .field("socket_address")
            .field("address")
            .reject(format!("{host:?} is not an IP address; a listener needs one"))),
        Address::Internal { .. } => Ok(None),
        address => Ok(Some(address)),
    }
}

fn abstract_without_mode(at: &At<'_>, proto: &pb::Listener) -> Result<(), Rejection> {
    let address = proto.address.as_ref().and_then(|address| address.address.as_ref());
    match address {
        Some(core::address::Address::Pipe(pipe)) if pipe.path.starts_with('@') && pipe.mode != 0 => {
            Err(at.field("address").field("pipe").field("mode").reject("Cannot set mode for Abstract AF_UNIX sockets"))
        }
        _ => Ok(()),
    }
}

/// Envoy gives a listener without a name a random one; ours is its address.
fn name(proto: &pb::Listener, address: Option<&Address>) -> Arc<str> {
    match (proto.name.as_str(), address) {
        ("", Some(Address::Socket(address))) => Arc::from(address.to_string()),
        ("", Some(Address::Pipe(path))) => Arc::from(path.to_string_lossy()),
        (name, _) => Arc::from(name),
    }
}

fn additional_addresses(at: &At<'_>, proto: &pb::Listener) -> Result<Vec<AdditionalAddress>, Rejection> {
    let one = |(index, more): (usize, &pb::AdditionalAddress)| {
        let at = at.index(index);
        let at_address = at.field("address");
        let address = match address::decode::address(&at_address, field_rules::required(&at_address, &more.address)?)? {
            Address::Socket(address) => address,
            _ => return Err(at_address.reject("an additional address is an IP address and port")),
        };
        let at_options = at.field("socket_options");
        let at_options = at_options.field("socket_options");
        let options = more.socket_options.as_ref().map(|own| socket_options(&at_options, &own.socket_options));
        Ok(AdditionalAddress {
            address,
            socket_options: options.transpose()?,
            tcp_keepalive: more.tcp_keepalive.as_ref().map(address::decode::tcp_keepalive),
            ipv4_compat: ipv4_compat(&at_address, more.address.as_ref())?,
        })
    };
    proto.additional_addresses.iter().enumerate().map(one).collect()
}

/// Only an IPv6 socket can take IPv4 too, and only if it is not for one address of its own.
fn ipv4_compat(at: &At<'_>, address: Option<&core::Address>) -> Result<bool, Rejection> {
    let Some(core::address::Address::SocketAddress(socket)) = address.and_then(|address| address.address.as_ref())
    else {
        return Ok(false);
    };
    let takes_both = |ip: Ipv6Addr| ip.is_unspecified() || ip.to_ipv4_mapped().is_some();
    if socket.ipv4_compat && !socket.address.parse().is_ok_and(takes_both) {
        return Err(at.field("socket_address").field("ipv4_compat").reject(format!(
            "only '::' or an IPv4-mapped IPv6 address can set it, and the address is {:?}; take it out",
            socket.address
        )));
    }
    Ok(socket.ipv4_compat)
}

pub(crate) fn socket_options(at: &At<'_>, list: &[core::SocketOption]) -> Result<Vec<SocketOption>, Rejection> {
    let options = list.iter().enumerate();
    options.filter_map(|(index, option)| address::decode::socket_option(&at.index(index), option).transpose()).collect()
}

/// The mode of a Unix socket's file.
pub(crate) fn pipe_mode(address: &Option<core::Address>) -> u32 {
    match address.as_ref().and_then(|address| address.address.as_ref()) {
        Some(core::address::Address::Pipe(pipe)) => pipe.mode,
        _ => 0,
    }
}

fn direction(at: &At<'_>, value: i32) -> Result<Direction, Rejection> {
    Ok(match proto::defined::<core::TrafficDirection>(at, value)? {
        core::TrafficDirection::Unspecified => Direction::Unspecified,
        core::TrafficDirection::Inbound => Direction::Inbound,
        core::TrafficDirection::Outbound => Direction::Outbound,
    })
}

fn max_accepts(at: &At<'_>, proto: &pb::Listener) -> Result<Option<u32>, Rejection> {
    match uint32(&proto.max_connections_to_accept_per_socket_event) {
        Some(0) => Err(at.field("max_connections_to_accept_per_socket_event").reject("must be at least 1")),
        other => Ok(other),
    }
}
