//! What a connection manager writes into heads beside what every proxy does: `proxy_status_config`, `add_user_agent`, the scheme, the
//! names of ports; and early changes of requests. Called by [`decode`](super::decode).

use std::sync::Arc;

use crate::extension;
use crate::field_rules;
use crate::header_mutation::{self, HeaderMutation};
use crate::options::Options;
use crate::proto::core::v3 as core;
use crate::proto::extensions::filters::network::http_connection_manager::v3 as pb;
use crate::proto::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation as Early;
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// `proxy_status_config`.
#[derive(Debug, Clone)]
pub struct ProxyStatus {
    /// Who says it.
    pub name: Arc<str>,
    /// Response code details are told, and perhaps more.
    pub details: bool,
    /// So is how the connection ended.
    pub termination: bool,
    /// So are response flags.
    pub flags: bool,
    /// `set_recommended_response_code`.
    pub sets_status: bool,
}

/// `scheme_header_transformation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SchemeHeader {
    /// As it came, or was found out.
    #[default]
    Keep,
    /// `scheme_to_overwrite`.
    Overwrite(&'static str),
    /// `match_upstream`: as the endpoint is spoken to.
    MatchUpstream,
}

/// `add_user_agent`: for whom the requests are made.
#[derive(Debug, Clone)]
pub struct UserAgent {
    /// The cluster of this node.
    pub cluster: Arc<str>,
    /// Its id.
    pub node: Arc<str>,
}

/// `forward_proto_config`: what the port says that a PROXY protocol has told.
#[derive(Debug, Clone, Default)]
pub struct ForwardProto {
    /// `https_destination_ports`.
    pub https: Vec<u32>,
    /// `http_destination_ports`.
    pub http: Vec<u32>,
}

pub(super) fn proxy_status(
    at: &At<'_>,
    proto: &pb::HttpConnectionManager,
    options: &Options,
) -> Result<Option<ProxyStatus>, Rejection> {
    use pb::http_connection_manager::proxy_status_config::ProxyName;
    let Some(config) = &proto.proxy_status_config else { return Ok(None) };
    let server = if proto.server_name.is_empty() { "envoy" } else { &proto.server_name };
    let name = match &config.proxy_name {
        Some(ProxyName::LiteralProxyName(name)) => {
            field_rules::header_value(&at.field("literal_proxy_name"), name)?;
            name
        }
        Some(ProxyName::UseNodeId(_)) => &*options.node_id,
        None => server,
    };
    Ok(Some(ProxyStatus {
        name: Arc::from(name),
        details: !config.remove_details,
        termination: !config.remove_connection_termination_details,
        flags: !config.remove_response_flags,
        sets_status: config.set_recommended_response_code,
    }))
}

pub(super) fn scheme(at: &At<'_>, proto: Option<&core::SchemeHeaderTransformation>) -> Result<SchemeHeader, Rejection> {
    use core::scheme_header_transformation::Transformation::SchemeToOverwrite;
    Ok(match proto {
        None => SchemeHeader::Keep,
        Some(one) => match &one.transformation {
            Some(SchemeToOverwrite(scheme)) => SchemeHeader::Overwrite(match scheme.as_str() {
                "http" => "http",
                "https" => "https",
                _ => return Err(at.field("scheme_to_overwrite").reject("must be http or https")),
            }),
            None if one.match_upstream => SchemeHeader::MatchUpstream,
            None => SchemeHeader::Keep,
        },
    })
}

pub(super) fn user_agent(proto: &pb::HttpConnectionManager, options: &Options) -> Option<UserAgent> {
    let adds = proto.add_user_agent.as_ref().is_some_and(|adds| adds.value);
    adds.then(|| UserAgent { cluster: options.service_cluster.clone(), node: options.node_id.clone() })
}

pub(super) fn forward_proto(proto: Option<&pb::ForwardProtoConfig>) -> Option<ForwardProto> {
    let ports = proto?;
    Some(ForwardProto { https: ports.https_destination_ports.clone(), http: ports.http_destination_ports.clone() })
}

/// `early_header_mutation_extensions`, one after the other.
pub(super) fn early(
    at: &At<'_>,
    list: &[core::TypedExtensionConfig],
    options: &Options,
) -> Result<Vec<HeaderMutation>, Rejection> {
    let mut all = Vec::new();
    for (index, one) in list.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &one.typed_config)?;
        if extension.type_name != registry::EARLY_HEADER_MUTATION {
            return Err(registry::unknown(&at, Kind::EarlyHeaders, &one.name, &extension.type_name));
        }
        let config: Early = extension.decode(&at, options)?;
        let at_list = at.field("mutations");
        field_rules::at_least_one(&at_list, &config.mutations)?;
        all.extend(header_mutation::decode(&at_list, &config.mutations)?);
    }
    Ok(all)
}
