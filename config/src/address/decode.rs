//! `core.v3.Address`, `CidrRange`, `SocketOption` and `TcpKeepalive` to plain data. Called for listeners, endpoints and binds.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::Address;
use crate::cluster::TcpKeepalive;
use crate::field_rules;
use crate::listener::{SocketOption, SocketState};
use crate::proto::{self, core::v3 as core, uint32};
use crate::rejection::{At, Rejection};

/// Any address.
pub(crate) fn address(at: &At<'_>, proto: &core::Address) -> Result<Address, Rejection> {
    use core::address::Address as Kind;
    match &proto.address {
        None => Err(at.reject("is required and not set; give socket_address or pipe")),
        Some(Kind::SocketAddress(socket)) => socket_address(&at.field("socket_address"), socket),
        Some(Kind::Pipe(pipe)) => {
            let at = at.field("pipe");
            let path = field_rules::not_empty(&at.field("path"), &pipe.path)?;
            // sun_path holds 108 octets with its end mark.
            if path.len() > 107 {
                return Err(at
                    .field("path")
                    .reject("is longer than the 107 octets that a Unix socket's path may have"));
            }
            Ok(Address::Pipe(PathBuf::from(&*path)))
        }
        Some(Kind::EnvoyInternalAddress(internal)) => {
            use core::envoy_internal_address::AddressNameSpecifier::ServerListenerName;
            let listener = match &internal.address_name_specifier {
                Some(ServerListenerName(name)) => Arc::from(name.as_str()),
                None => {
                    return Err(at
                        .field("envoy_internal_address")
                        .field("server_listener_name")
                        .reject("is required and not set; set it"));
                }
            };
            Ok(Address::Internal { listener, endpoint_id: Arc::from(internal.endpoint_id.as_str()) })
        }
    }
}

/// An address that is an IP address with a port.
pub(crate) fn ip_and_port(at: &At<'_>, proto: &core::Address) -> Result<SocketAddr, Rejection> {
    match address(at, proto)? {
        Address::Socket(address) => Ok(address),
        Address::Name { host, .. } => {
            Err(at.reject(format!("malformed IP address: {host}; give an address, not a name")))
        }
        Address::Pipe(_) | Address::Internal { .. } => {
            Err(at.reject("is no IP address with a port; give socket_address"))
        }
    }
}

/// An IP address and port, or a name and port.
pub(crate) fn socket_address(at: &At<'_>, proto: &core::SocketAddress) -> Result<Address, Rejection> {
    use core::socket_address::PortSpecifier;
    if !proto.network_namespace_filepath.is_empty() {
        return Err(at
            .field("network_namespace_filepath")
            .only_envoys("is not supported; start the proxy in that network namespace"));
    }
    let host = field_rules::not_empty(&at.field("address"), &proto.address)?;
    let port = match &proto.port_specifier {
        Some(PortSpecifier::PortValue(port)) => field_rules::port(&at.field("port_value"), *port)?,
        Some(PortSpecifier::NamedPort(_)) => {
            return Err(at.field("named_port").only_envoys("is not supported; give port_value"));
        }
        None => return Err(at.field("port_value").reject("is required and not set; set it")),
    };
    Ok(match host.parse::<IpAddr>() {
        Ok(ip) => Address::Socket(SocketAddr::new(ip, port)),
        Err(_) => Address::Name { host, port },
    })
}

/// An address that must be an IP address.
pub(crate) fn ip_address(at: &At<'_>, proto: &core::SocketAddress) -> Result<SocketAddr, Rejection> {
    match socket_address(at, proto)? {
        Address::Socket(address) => Ok(address),
        _ => Err(at.field("address").reject(format!("{:?} is not an IP address", proto.address))),
    }
}

/// `CidrRange`. Host bits are cut off, as Envoy does.
pub(crate) fn cidr(at: &At<'_>, proto: &core::CidrRange) -> Result<IpNet, Rejection> {
    let ip: IpAddr = proto
        .address_prefix
        .parse()
        .map_err(|_| at.field("address_prefix").reject(format!("{:?} is not an IP address", proto.address_prefix)))?;
    // An unset length is 0, as Envoy reads it.
    let length = uint32(&proto.prefix_len).unwrap_or(0);
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    let length = u8::try_from(length).ok().filter(|length| *length <= whole).ok_or_else(|| {
        at.field("prefix_len").reject(format!("{length} is too long; an address of this family has {whole} bits"))
    })?;
    IpNet::new(ip, length).map(|net| net.trunc()).map_err(|error| at.reject(error.to_string()))
}

/// Several ranges.
pub(crate) fn cidrs(at: &At<'_>, list: &[core::CidrRange]) -> Result<Vec<IpNet>, Rejection> {
    list.iter().enumerate().map(|(index, range)| cidr(&at.index(index), range)).collect()
}

/// Several of the xDS API's own.
pub(crate) fn xds_cidrs(
    at: &At<'_>,
    list: &[envoy_types::pb::xds::core::v3::CidrRange],
) -> Result<Vec<IpNet>, Rejection> {
    let same = |range: &envoy_types::pb::xds::core::v3::CidrRange| core::CidrRange {
        address_prefix: range.address_prefix.clone(),
        prefix_len: range.prefix_len,
    };
    list.iter().enumerate().map(|(index, range)| cidr(&at.index(index), &same(range))).collect()
}

/// `TcpKeepalive`, seconds.
pub(crate) fn tcp_keepalive(proto: &core::TcpKeepalive) -> TcpKeepalive {
    let seconds = |value: &Option<_>| uint32(value).map(|seconds| Duration::from_secs(u64::from(seconds)));
    TcpKeepalive {
        probes: uint32(&proto.keepalive_probes),
        time: seconds(&proto.keepalive_time),
        interval: seconds(&proto.keepalive_interval),
    }
}

/// `SocketOption`; `None` for those of sockets that take datagrams.
pub(crate) fn socket_option(at: &At<'_>, proto: &core::SocketOption) -> Result<Option<SocketOption>, Rejection> {
    use core::socket_option::{SocketIpVersion, SocketState as State, Value};
    let state = match proto::defined::<State>(&at.field("state"), proto.state)? {
        State::StatePrebind => SocketState::Prebind,
        State::StateBound => SocketState::Bound,
        State::StateListening => SocketState::Listening,
    };
    let four = match proto::defined::<SocketIpVersion>(&at.field("ip_version"), proto.ip_version)? {
        SocketIpVersion::Unspecified => None,
        SocketIpVersion::Ipv4 => Some(true),
        SocketIpVersion::Ipv6 => Some(false),
    };
    let value = match &proto.value {
        None => return Err(at.reject("has neither int_value nor buf_value")),
        Some(Value::IntValue(value)) => i32::try_from(*value)
            .map_err(|_| at.field("int_value").reject(format!("{value} does not fit a C int")))?
            .to_ne_bytes()
            .to_vec(),
        Some(Value::BufValue(bytes)) => bytes.clone(),
    };
    let number = |name, value: i64| {
        i32::try_from(value).map_err(|_| at.field(name).reject(format!("{value} does not fit a C int")))
    };
    let (level, name) = (number("level", proto.level)?, number("name", proto.name)?);
    let is_for_streams = proto.r#type.is_none_or(|kind| kind.stream.is_some() || kind.datagram.is_none());
    Ok(is_for_streams.then_some(SocketOption { level, name, value, state, four }))
}
