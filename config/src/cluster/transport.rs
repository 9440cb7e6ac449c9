//! Upstream transport sockets. Called by [`super::decode`].

use std::sync::Arc;

use super::{TransportMatch, UpstreamTransport};
use crate::address;
use crate::extension;
use crate::field_rules;
use crate::metadata::Criteria;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, core::v3 as core, extensions::transport_sockets as sockets};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::{tls, tlvs};

/// The cluster's own socket; plain when unset.
pub(super) fn transport(
    at: &At<'_>,
    proto: &Option<core::TransportSocket>,
    options: &Options,
) -> Result<UpstreamTransport, Rejection> {
    match proto {
        None => Ok(UpstreamTransport::Raw),
        Some(socket) => one(at, socket, options, 0),
    }
}

/// `transport_socket_matches`, of which endpoint and locality metadata choose.
pub(super) fn matches(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Vec<TransportMatch>, Rejection> {
    if proto.transport_socket_matcher.is_some() {
        return Err(at.field("transport_socket_matcher").unsupported(
            "is not supported: endpoints would be reached by another transport socket than the one it chooses",
        ));
    }
    let at = at.field("transport_socket_matches");
    let entry = |(index, entry): (usize, &pb::cluster::TransportSocketMatch)| {
        let at = at.index(index);
        let criteria = entry.r#match.as_ref().map(|criteria| Criteria::of(&proto::struct_to_json(criteria)));
        let at_socket = at.field("transport_socket");
        // Unlike the cluster's own, which is plain when unset: whoever matches endpoints chooses how they are reached.
        let socket = field_rules::required(&at_socket, &entry.transport_socket)?;
        Ok(TransportMatch {
            name: field_rules::not_empty(&at.field("name"), &entry.name)?,
            criteria: criteria.unwrap_or_default(),
            transport: one(&at_socket, socket, options, 0)?,
        })
    };
    proto::all(proto.transport_socket_matches.iter().enumerate().map(entry))
}

fn one(
    at: &At<'_>,
    socket: &core::TransportSocket,
    options: &Options,
    depth: usize,
) -> Result<UpstreamTransport, Rejection> {
    use core::transport_socket::ConfigType;
    let Some(ConfigType::TypedConfig(any)) = &socket.config_type else {
        return registry::untyped_raw_buffer(at, &socket.name).map(|()| UpstreamTransport::Raw);
    };
    let at = at.field("typed_config");
    let extension = extension::open(&at, any)?;
    Ok(match &*extension.type_name {
        registry::UPSTREAM_TLS => {
            let context: sockets::tls::v3::UpstreamTlsContext = extension.decode(&at, options)?;
            UpstreamTransport::Tls(Arc::new(tls::decode::upstream(&at, &context, options)?))
        }
        registry::RAW_BUFFER => UpstreamTransport::Raw,
        registry::INTERNAL_UPSTREAM => UpstreamTransport::Internal,
        registry::UPSTREAM_PROXY_PROTOCOL if depth < 4 => {
            let wrapper: sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport =
                extension.decode(&at, options)?;
            proxy_protocol(&at, &wrapper, options, depth)?
        }
        registry::UPSTREAM_HTTP_PROXY if depth < 4 => {
            let wrapper: sockets::http_11_proxy::v3::Http11ProxyUpstreamTransport = extension.decode(&at, options)?;
            http_proxy(&at, &wrapper, options, depth)?
        }
        other => return Err(registry::not_registered(&at, &socket.name, other)),
    })
}

fn http_proxy(
    at: &At<'_>,
    proto: &sockets::http_11_proxy::v3::Http11ProxyUpstreamTransport,
    options: &Options,
    depth: usize,
) -> Result<UpstreamTransport, Rejection> {
    let inner = match &proto.transport_socket {
        None => UpstreamTransport::Raw,
        Some(inner) => one(&at.field("transport_socket"), inner, options, depth + 1)?,
    };
    let at_default = at.field("default_proxy_address");
    let default =
        proto.default_proxy_address.as_ref().map(|default| address::decode::ip_and_port(&at_default, default));
    Ok(UpstreamTransport::HttpProxy { default: default.transpose()?, inner: Box::new(inner) })
}

fn proxy_protocol(
    at: &At<'_>,
    proto: &sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport,
    options: &Options,
    depth: usize,
) -> Result<UpstreamTransport, Rejection> {
    use core::proxy_protocol_config::Version;
    let at_inner = at.field("transport_socket");
    let inner = field_rules::required(&at_inner, &proto.transport_socket)?;
    let inner = Box::new(one(&at_inner, inner, options, depth + 1)?);
    let config = proto.config.clone().unwrap_or_default();
    let version = match proto::defined::<Version>(&at.field("config").field("version"), config.version)? {
        Version::V1 => 1,
        Version::V2 => 2,
    };
    let at = at.field("config");
    let added = tlvs::fixed(&at.field("added_tlvs"), &config.added_tlvs)?;
    let passes = tlvs::passed(&at.field("pass_through_tlvs"), &config.pass_through_tlvs)?;
    Ok(UpstreamTransport::ProxyProtocol { version, added, passes, inner })
}
