//! Listener filters. Called by [`super::decode`], and by what is discovered of them.

use std::sync::Arc;

use super::{ListenerFilter, ListenerFilterKind, ListenerPredicate};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::filters::discovery;
use crate::filters::set_filter_state::values;
use crate::options::Options;
use crate::proto::{extensions::filters::listener as filters, listener::v3 as pb, uint32};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::tlvs;

/// `listener_filters`.
pub(super) fn listener_filters(
    at: &At<'_>,
    list: &[pb::ListenerFilter],
    options: &Options,
) -> Result<Vec<ListenerFilter>, Rejection> {
    list.iter().enumerate().map(|(index, one)| listener_filter(&at.index(index), one, options)).collect()
}

fn listener_filter(at: &At<'_>, proto: &pb::ListenerFilter, options: &Options) -> Result<ListenerFilter, Rejection> {
    use pb::listener_filter::ConfigType;
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let disabled =
        proto.filter_disabled.as_ref().map(|one| predicate(&at.field("filter_disabled"), one, 0)).transpose()?;
    let kind = match &proto.config_type {
        Some(ConfigType::TypedConfig(any)) => {
            let at = at.field("typed_config");
            kind(&at, &name, &extension::open(&at, any)?, options)?
        }
        Some(ConfigType::ConfigDiscovery(source)) => {
            let discovery = discovery::of_listener(&at.field("config_discovery"), &name, source, options)?;
            ListenerFilterKind::Discovered(Arc::new(discovery))
        }
        None => return Err(at.field("typed_config").reject(format!("listener filter {name:?} has no config"))),
    };
    Ok(ListenerFilter { name, kind, disabled })
}

/// The config of a listener filter.
pub(crate) fn kind(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<ListenerFilterKind, Rejection> {
    registry::inert(at, Kind::ListenerFilter, name, extension, options)?;
    Ok(match extension.type_name.rsplit('.').next().unwrap_or_default() {
        "TlsInspector" => tls_inspector(&extension.decode(at, options)?),
        "HttpInspector" => ListenerFilterKind::HttpInspector,
        "OriginalDst" => ListenerFilterKind::OriginalDst,
        "Config" => {
            let proto: filters::set_filter_state::v3::Config = extension.decode(at, options)?;
            ListenerFilterKind::SetFilterState(values(&at.field("on_accept"), &proto.on_accept, options)?)
        }
        "ProxyProtocol" => proxy_protocol(at, &extension.decode(at, options)?)?,
        _ => return Err(registry::not_registered(at, name, &extension.type_name)),
    })
}

fn tls_inspector(proto: &filters::tls_inspector::v3::TlsInspector) -> ListenerFilterKind {
    // Which is the most, too: Envoy's rule on the field.
    let largest = uint32(&proto.max_client_hello_size).unwrap_or(16 * 1024);
    let tls_alone = proto.close_connection_on_client_hello_parsing_errors;
    ListenerFilterKind::TlsInspector { largest, tls_alone }
}

fn proxy_protocol(
    at: &At<'_>,
    proto: &filters::proxy_protocol::v3::ProxyProtocol,
) -> Result<ListenerFilterKind, Rejection> {
    if !proto.rules.is_empty() {
        return Err(at.field("rules").reject("TLVs are not read; leave the rules out"));
    }
    if !proto.disallowed_versions.is_empty() {
        return Err(at.field("disallowed_versions").unsupported("is not supported; both versions would be taken"));
    }
    let passes = tlvs::passed(&at.field("pass_through_tlvs"), &proto.pass_through_tlvs)?;
    Ok(ListenerFilterKind::ProxyProtocol { optional: proto.allow_requests_without_proxy_protocol, passes })
}

fn predicate(
    at: &At<'_>,
    proto: &pb::ListenerFilterChainMatchPredicate,
    depth: usize,
) -> Result<ListenerPredicate, Rejection> {
    use pb::listener_filter_chain_match_predicate::{MatchSet, Rule};
    if depth > 16 {
        return Err(at.reject("is nested too deeply"));
    }
    let all = |field: &str, set: &MatchSet| {
        let at = at.field(field);
        let at = at.field("rules");
        if set.rules.len() < 2 {
            return Err(at.reject("must have at least two rules"));
        }
        set.rules
            .iter()
            .enumerate()
            .map(|(index, one)| predicate(&at.index(index), one, depth + 1))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match &proto.rule {
        None => return Err(at.reject("is empty; give a rule")),
        Some(Rule::OrMatch(set)) => ListenerPredicate::Or(all("or_match", set)?),
        Some(Rule::AndMatch(set)) => ListenerPredicate::And(all("and_match", set)?),
        Some(Rule::NotMatch(inner)) => {
            ListenerPredicate::Not(Box::new(predicate(&at.field("not_match"), inner, depth + 1)?))
        }
        Some(Rule::AnyMatch(_)) => ListenerPredicate::Any,
        Some(Rule::DestinationPortRange(range)) => {
            let at = at.field("destination_port_range");
            let wrong = || at.reject(format!("{}..{} is not a range of ports", range.start, range.end));
            let start = u16::try_from(range.start).map_err(|_| wrong())?;
            let end = u32::try_from(range.end).ok().filter(|end| *end <= 65_536).ok_or_else(wrong)?;
            ListenerPredicate::DestinationPort { start, end }
        }
    })
}
