//! Filter chains and their network filters. Called by [`super::decode`]. A filter that carries policy and does not act yet is
//! refused by name, so that no connection passes it unjudged.

use std::sync::Arc;
use std::time::Duration;

use super::{DownstreamTransport, FilterChain, NetworkFilter, TerminalFilter, chain_match};
use crate::extension;
use crate::filters::{self, NetworkFilterConfig, discovery};
use crate::hcm;
use crate::options::Options;
use crate::proto::{self, bool_or, core::v3 as core, extensions as ext, listener::v3 as pb};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::{tcp_proxy, tls};

type Chains = (Vec<Arc<FilterChain>>, Option<Arc<FilterChain>>);

/// All chains of a listener, and the default one.
pub(super) fn chains(at: &At<'_>, proto: &pb::Listener, options: &Options) -> Result<Chains, Rejection> {
    let at_chains = at.field("filter_chains");
    let mut chains: Vec<Arc<FilterChain>> = Vec::with_capacity(proto.filter_chains.len());
    for (index, one) in proto.filter_chains.iter().enumerate() {
        let at = at_chains.index(index);
        let chain = chain(&at, one, options)?;
        if let Some(twin) = chains.iter().position(|earlier| earlier.matches == chain.matches) {
            let reason =
                format!("has the same matching rules as filter_chains[{twin}]; one of them could never be taken");
            return Err(at.field("filter_chain_match").reject(reason));
        }
        chains.push(Arc::new(chain));
    }
    let default = proto.default_filter_chain.as_ref();
    let default = default.map(|one| chain(&at.field("default_filter_chain"), one, options)).transpose()?;
    if chains.is_empty() && default.is_none() {
        return Err(at_chains.reject("a listener needs at least one filter chain"));
    }
    Ok((chains, default.map(Arc::new)))
}

fn chain(at: &At<'_>, proto: &pb::FilterChain, options: &Options) -> Result<FilterChain, Rejection> {
    const DEFAULT_CONNECT: Option<Duration> = None;
    if bool_or(&proto.use_proxy_proto, false) {
        return Err(at
            .field("use_proxy_proto")
            .only_envoys("is deprecated and not supported; use the proxy_protocol listener filter"));
    }
    let matches = proto.filter_chain_match.as_ref();
    let matches = matches.map(|one| chain_match::chain_match(&at.field("filter_chain_match"), one)).transpose()?;
    let timeout = proto::timeout(
        &at.field("transport_socket_connect_timeout"),
        &proto.transport_socket_connect_timeout,
        DEFAULT_CONNECT,
    )?;
    let (filters, terminal) = network_filters(&at.field("filters"), &proto.filters, options)?;
    Ok(FilterChain {
        name: Arc::from(proto.name.as_str()),
        matches: matches.unwrap_or_default(),
        transport: transport(&at.field("transport_socket"), &proto.transport_socket, options)?,
        transport_connect_timeout: timeout,
        filters,
        terminal,
        metadata: proto::metadata(&proto.metadata),
    })
}

fn transport(
    at: &At<'_>,
    proto: &Option<core::TransportSocket>,
    options: &Options,
) -> Result<DownstreamTransport, Rejection> {
    use core::transport_socket::ConfigType;
    let Some(socket) = proto else { return Ok(DownstreamTransport::Raw) };
    let Some(ConfigType::TypedConfig(any)) = &socket.config_type else {
        return registry::untyped_raw_buffer(at, &socket.name).map(|()| DownstreamTransport::Raw);
    };
    let at = at.field("typed_config");
    let extension = extension::open(&at, any)?;
    match &*extension.type_name {
        registry::RAW_BUFFER => Ok(DownstreamTransport::Raw),
        registry::DOWNSTREAM_TLS => {
            let context: ext::transport_sockets::tls::v3::DownstreamTlsContext = extension.decode(&at, options)?;
            Ok(DownstreamTransport::Tls(Arc::new(tls::decode::downstream(&at, &context, options)?)))
        }
        registry::QUIC_DOWNSTREAM => {
            Err(at.unsupported(format!("transport socket {:?}: QUIC listeners are not supported yet", socket.name)))
        }
        other => Err(registry::not_registered(&at, &socket.name, other)),
    }
}

enum Read {
    Filter(NetworkFilter),
    Terminal(TerminalFilter),
}

fn network_filters(
    at: &At<'_>,
    list: &[pb::Filter],
    options: &Options,
) -> Result<(Vec<NetworkFilter>, TerminalFilter), Rejection> {
    let mut filters = Vec::with_capacity(list.len());
    let last = list.len().checked_sub(1);
    for (index, proto) in list.iter().enumerate() {
        let at = at.index(index);
        match filter(&at, proto, options)? {
            Read::Filter(filter) => filters.push(filter),
            Read::Terminal(terminal) if Some(index) == last => return Ok((filters, terminal)),
            Read::Terminal(_) => {
                return Err(at.reject(format!(
                    "terminal filter named {} must be the last filter in a network filter chain.",
                    proto.name
                )));
            }
        }
    }
    match list.last() {
        // Connections of a chain without filters are closed at once, as by Envoy.
        None => Ok((filters, TerminalFilter::None)),
        Some(last) => Err(
            at.reject(format!("non-terminal filter named {} is the last filter in a network filter chain.", last.name))
        ),
    }
}

fn filter(at: &At<'_>, proto: &pb::Filter, options: &Options) -> Result<Read, Rejection> {
    use pb::filter::ConfigType;
    let name = crate::field_rules::not_empty(&at.field("name"), &proto.name)?;
    let any = match &proto.config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(source)) => {
            let discovery = discovery::of_network(&at.field("config_discovery"), &name, source, options)?;
            let config = NetworkFilterConfig::Discovered(Arc::new(discovery));
            return Ok(Read::Filter(NetworkFilter { name, config }));
        }
        None => {
            return Err(at.field("typed_config").reject(format!("filter {name:?} has no config; give typed_config")));
        }
    };
    let at = at.field("typed_config");
    let extension = extension::open(&at, any)?;
    Ok(match &*extension.type_name {
        registry::HTTP_CONNECTION_MANAGER => {
            let manager = hcm::decode::http_connection_manager(&at, &extension.decode(&at, options)?, options)?;
            Read::Terminal(TerminalFilter::Http(Arc::new(manager)))
        }
        registry::TCP_PROXY => {
            let proxy = tcp_proxy::decode::tcp_proxy(&at, &extension.decode(&at, options)?, options)?;
            Read::Terminal(TerminalFilter::Tcp(Arc::new(proxy)))
        }
        _ => {
            let config = filters::typed::network(&at, &name, &extension, options)?;
            let is_terminal = config.is_terminal();
            let filter = NetworkFilter { name, config };
            if is_terminal { Read::Terminal(TerminalFilter::Answers(filter)) } else { Read::Filter(filter) }
        }
    })
}
