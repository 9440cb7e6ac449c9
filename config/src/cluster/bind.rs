//! `BindConfig`: where connections to endpoints leave from, and what their sockets are told. Called by [`super::decode`] and for the bootstrap's
//! cluster manager.

use std::net::SocketAddr;

use crate::address;
use crate::listener::SocketOption;
use crate::listener::decode::socket_options;
use crate::proto::{bool_or, core::v3 as core};
use crate::rejection::{At, Rejection};

/// Where connections leave from.
#[derive(Debug, Clone, Default)]
pub struct Bind {
    /// `source_address`, and another one of the other family.
    pub sources: Vec<Source>,
    /// `freebind`: the address need not be there.
    pub freebind: bool,
    /// `socket_options`, where no source has its own.
    pub options: Vec<SocketOption>,
}

/// One address.
#[derive(Debug, Clone)]
pub struct Source {
    /// The address; port 0 is any.
    pub address: SocketAddr,
    /// Its own options.
    pub options: Option<Vec<SocketOption>>,
}

impl Bind {
    /// The address for a connection to that one, if there is one of its family, and what its socket is told.
    pub fn towards(&self, to: SocketAddr) -> (Option<SocketAddr>, &[SocketOption]) {
        let source = self.sources.iter().find(|source| source.address.is_ipv4() == to.is_ipv4());
        let options = source.and_then(|source| source.options.as_deref()).unwrap_or(&self.options);
        (source.map(|source| source.address), options)
    }
}

/// A `BindConfig`. `whose` names it in messages, as Envoy does.
pub(crate) fn decode(at: &At<'_>, proto: &core::BindConfig, whose: &str) -> Result<Bind, Rejection> {
    #[allow(deprecated)]
    let (old, new) = (&proto.additional_source_addresses, &proto.extra_source_addresses);
    let (at_old, at_new) = (at.field("additional_source_addresses"), at.field("extra_source_addresses"));
    let mut sources = Vec::new();
    if let Some(source) = &proto.source_address {
        sources
            .push(Source { address: address::decode::ip_address(&at.field("source_address"), source)?, options: None });
    }
    if let Some(selector) = &proto.local_address_selector
        && !selector.typed_config.as_ref().is_none_or(|any| any.type_url.ends_with(DEFAULT_SELECTOR))
    {
        return Err(at.field("local_address_selector").only_envoys("is not supported; take it out"));
    }
    let (at_more, count) = if new.is_empty() { (&at_old, old.len()) } else { (&at_new, new.len()) };
    if !new.is_empty() && !old.is_empty() {
        return Err(at_old
            .reject("Can't specify both `extra_source_addresses` and `additional_source_addresses`; take one out"));
    }
    if count > 1 {
        return Err(at_more.reject(format!(
            "{whose}'s upstream binding config has more than one extra/additional source addresses. Only one extra/additional \
             source can be supported in BindConfig's extra_source_addresses/additional_source_addresses field; leave one"
        )));
    }
    if count == 1 && sources.is_empty() {
        return Err(at.field("source_address").reject(format!(
            "{whose}'s upstream binding config has extra/additional source addresses but no source_address. Extra/additional \
             addresses cannot be specified if source_address is not set; set it"
        )));
    }
    for (index, one) in new.iter().enumerate() {
        let at = at_new.index(index);
        let address = crate::field_rules::required(&at.field("address"), &one.address)?;
        let own = one.socket_options.as_ref();
        let at_override = at.field("socket_options");
        let at_own = at_override.field("socket_options");
        let options = own.map(|own| socket_options(&at_own, &own.socket_options)).transpose()?;
        sources.push(Source { address: address::decode::ip_address(&at.field("address"), address)?, options });
    }
    for (index, one) in old.iter().enumerate() {
        sources.push(Source { address: address::decode::ip_address(&at_old.index(index), one)?, options: None });
    }
    if let [first, second] = &*sources
        && first.address.is_ipv4() == second.address.is_ipv4()
    {
        return Err(at_more.index(0).reject(format!(
            "{whose}'s upstream binding config has two same IP version source addresses. Only two different IP version source \
             addresses can be supported in BindConfig's source_address and extra_source_addresses/additional_source_addresses fields"
        )));
    }
    let freebind = bool_or(&proto.freebind, false);
    Ok(Bind { sources, freebind, options: socket_options(&at.field("socket_options"), &proto.socket_options)? })
}

const DEFAULT_SELECTOR: &str = "envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector";

#[cfg(test)]
mod tests;
