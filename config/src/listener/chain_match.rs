//! `FilterChainMatch`. Called by [`super::chain`].

use std::sync::Arc;

use super::{FilterChainMatch, SourceType};
use crate::address;
use crate::field_rules;
use crate::proto::{self, listener::v3 as pb, uint32};
use crate::rejection::{At, Rejection};

/// When a chain is taken.
pub(super) fn chain_match(at: &At<'_>, proto: &pb::FilterChainMatch) -> Result<FilterChainMatch, Rejection> {
    if !proto.address_suffix.is_empty() || proto.suffix_len.is_some() {
        return Err(at.field("address_suffix").reject("is not implemented, in Envoy neither; use prefix_ranges"));
    }
    let at_port = at.field("destination_port");
    let destination_port = match uint32(&proto.destination_port) {
        None => None,
        Some(0) => return Err(at_port.reject("0 is not a port; give 1 to 65535")),
        Some(port) => Some(field_rules::port(&at_port, port)?),
    };
    let at_ports = at.field("source_ports");
    let source_ports = proto.source_ports.iter().enumerate().map(|(index, port)| match port {
        0 => Err(at_ports.index(index).reject("0 is not a port; give 1 to 65535")),
        port => field_rules::port(&at_ports.index(index), *port),
    });
    Ok(FilterChainMatch {
        destination_port,
        prefix_ranges: address::decode::cidrs(&at.field("prefix_ranges"), &proto.prefix_ranges)?,
        server_names: server_names(&at.field("server_names"), &proto.server_names)?,
        transport_protocol: Arc::from(proto.transport_protocol.as_str()),
        application_protocols: proto.application_protocols.iter().map(|name| Arc::from(name.as_str())).collect(),
        direct_source_prefix_ranges: address::decode::cidrs(
            &at.field("direct_source_prefix_ranges"),
            &proto.direct_source_prefix_ranges,
        )?,
        source_type: source_type(&at.field("source_type"), proto.source_type)?,
        source_prefix_ranges: address::decode::cidrs(&at.field("source_prefix_ranges"), &proto.source_prefix_ranges)?,
        source_ports: source_ports.collect::<Result<_, _>>()?,
    })
}

/// Names and `*.suffix` wildcards; a wildcard elsewhere is refused, as in Envoy.
fn server_names(at: &At<'_>, list: &[String]) -> Result<Vec<Arc<str>>, Rejection> {
    let one = |(index, name): (usize, &String)| {
        let plain = name.strip_prefix("*.").unwrap_or(name);
        // Envoy takes a lone "*" to mean any name.
        if plain.contains('*') && name != "*" {
            return Err(at
                .index(index)
                .unsupported(format!("{name:?}: partial wildcards are not supported in server_names")));
        }
        Ok(Arc::from(name.to_ascii_lowercase()))
    };
    list.iter().enumerate().map(one).collect()
}

fn source_type(at: &At<'_>, value: i32) -> Result<SourceType, Rejection> {
    use pb::filter_chain_match::ConnectionSourceType as Source;
    Ok(match proto::defined::<Source>(at, value)? {
        Source::Any => SourceType::Any,
        Source::SameIpOrLoopback => SourceType::SameIpOrLoopback,
        Source::External => SourceType::External,
    })
}
