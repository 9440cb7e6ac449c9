//! `envoy.extensions.filters.http.set_filter_state.v3.Config`, and the values that it, the network filter and the listener filter of that
//! name set. Called by the lists of filters.

use std::sync::Arc;

use crate::access_log::{LogFormat, decode::substitution};
use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{
    self, extensions::filters::common::set_filter_state::v3 as values,
    extensions::filters::http::set_filter_state::v3 as pb,
};
use crate::rejection::{At, Rejection};

/// The filter, and its settings for a route, which come after its own.
#[derive(Debug, Clone)]
pub struct SetFilterState {
    /// `on_request_headers`, in order.
    pub on_request_headers: Vec<FilterStateValue>,
    /// `clear_route_cache`: the route is chosen again afterwards.
    pub clear_route_cache: bool,
}

/// `FilterStateValue`.
#[derive(Debug, Clone)]
pub struct FilterStateValue {
    /// `object_key`.
    pub key: Arc<str>,
    /// What is made of the text.
    pub object: Object,
    /// `format_string`.
    pub value: LogFormat,
    /// `read_only`: it cannot be set again.
    pub read_only: bool,
    /// `shared_with_upstream`.
    pub shared: SharedWithUpstream,
    /// `skip_if_empty`: an empty text sets nothing.
    pub skip_if_empty: bool,
}

/// What the factory of an object makes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// `envoy.string`: the text, for logs and matchers.
    Text,
    /// `envoy.hashable_string`: the text, which also keeps upstream connections apart where it is shared.
    HashableText,
    /// `envoy.network.upstream_server_name`: SNI upstream.
    UpstreamServerName,
    /// `envoy.network.upstream_subject_alt_names`: names demanded upstream, separated by commas.
    UpstreamSubjectAltNames,
    /// `envoy.network.application_protocols`: ALPN upstream, separated by commas.
    ApplicationProtocols,
    /// `envoy.tcp_proxy.cluster`: the cluster of a TCP proxy.
    TcpProxyCluster,
    /// `envoy.tcp_proxy.disable_tunneling`: a TCP proxy opens no tunnel; `true` or `false`, anything else sets nothing.
    DisableTunneling,
    /// `envoy.tcp_proxy.per_connection_idle_timeout_ms`: in place of a TCP proxy's `idle_timeout`.
    IdleTimeout,
    /// `envoy.ratelimit.hits_addend`: how many hits a rate limit service is told; `envoy.upstream.dynamic_port`.
    Number,
    /// An address with its port, for logs and matchers; what is none sets nothing.
    Address,
}

/// `shared_with_upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedWithUpstream {
    /// Not.
    No,
    /// With the upstream connection.
    Once,
    /// And with internal connections behind it.
    Transitive,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<SetFilterState, Rejection> {
    let proto: pb::Config = extension.decode(at, options)?;
    Ok(SetFilterState {
        on_request_headers: values(&at.field("on_request_headers"), &proto.on_request_headers, options)?,
        clear_route_cache: proto.clear_route_cache,
    })
}

pub(super) use decode as scoped;

/// Values in order.
pub(crate) fn values(
    at: &At<'_>,
    list: &[values::FilterStateValue],
    options: &Options,
) -> Result<Vec<FilterStateValue>, Rejection> {
    list.iter().enumerate().map(|(index, one)| value(&at.index(index), one, options)).collect()
}

fn value(at: &At<'_>, proto: &values::FilterStateValue, options: &Options) -> Result<FilterStateValue, Rejection> {
    use values::filter_state_value::{Key, SharedWithUpstream as Shared, Value};
    let Some(Key::ObjectKey(key)) = &proto.key else {
        return Err(at.field("object_key").reject("is required and not set; set it"));
    };
    let key = field_rules::not_empty(&at.field("object_key"), key)?;
    let (field, factory) = match proto.factory_key.as_str() {
        "" => ("object_key", &*key),
        factory => ("factory_key", factory),
    };
    let Some(Value::FormatString(format)) = &proto.value else {
        return Err(at.field("format_string").reject("is required and not set; set it"));
    };
    let shared = proto::defined::<Shared>(&at.field("shared_with_upstream"), proto.shared_with_upstream)?;
    Ok(FilterStateValue {
        object: object(&at.field(field), factory)?,
        key,
        value: substitution(&at.field("format_string"), format, options)?,
        read_only: proto.read_only,
        shared: match shared {
            Shared::None => SharedWithUpstream::No,
            Shared::Once => SharedWithUpstream::Once,
            Shared::Transitive => SharedWithUpstream::Transitive,
        },
        skip_if_empty: proto.skip_if_empty,
    })
}

/// Factories of Envoy's whose objects nothing here reads.
const UNREAD: [&str; 7] = [
    "envoy.ai.llm_protocol.request",
    "envoy.ai.model.request",
    "envoy.bool",
    "envoy.network.ip",
    "envoy.network.network_namespace",
    "envoy.network.transport_socket.http_11_proxy.info",
    "envoy.router.debug_config",
];

/// Objects that something here reads. Others would be set and change nothing.
fn object(at: &At<'_>, factory: &str) -> Result<Object, Rejection> {
    Ok(match factory {
        "envoy.string" | "envoy.upstream.dynamic_host" => Object::Text,
        "envoy.hashable_string" => Object::HashableText,
        "envoy.network.upstream_server_name" => Object::UpstreamServerName,
        "envoy.network.upstream_subject_alt_names" => Object::UpstreamSubjectAltNames,
        "envoy.network.application_protocols" => Object::ApplicationProtocols,
        "envoy.tcp_proxy.cluster" => Object::TcpProxyCluster,
        "envoy.tcp_proxy.disable_tunneling" => Object::DisableTunneling,
        "envoy.tcp_proxy.per_connection_idle_timeout_ms" => Object::IdleTimeout,
        "envoy.ratelimit.hits_addend" | "envoy.upstream.dynamic_port" => Object::Number,
        "envoy.network.transport_socket.original_dst_address"
        | "envoy.filters.listener.original_dst.local_ip"
        | "envoy.filters.listener.original_dst.remote_ip" => Object::Address,
        other if UNREAD.contains(&other) => {
            return Err(at.unsupported(format!("is not supported yet: nothing here reads objects of '{other}'")));
        }
        other => return Err(at.unsupported(format!("'{other}' does not have an object factory"))),
    })
}
