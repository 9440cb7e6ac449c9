//! What a tree may look at. Called by this folder.

use std::sync::Arc;

use super::Place;
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{
    core::v3 as core, extensions::matching::common_inputs::environment_variable::v3 as environment,
    extensions::matching::common_inputs::network::v3 as network, types::matcher::v3 as http,
};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// An input. One that is not there is none; header names are lower case, pseudo headers among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `HttpRequestHeaderMatchInput`.
    RequestHeader(Arc<str>),
    /// `HttpRequestTrailerMatchInput`.
    RequestTrailer(Arc<str>),
    /// `HttpResponseHeaderMatchInput`.
    ResponseHeader(Arc<str>),
    /// `HttpResponseTrailerMatchInput`.
    ResponseTrailer(Arc<str>),
    /// `HttpRequestQueryParamMatchInput`.
    QueryParameter(Arc<str>),
    /// `HttpResponseStatusCodeMatchInput`.
    StatusCode,
    /// `HttpResponseStatusCodeClassMatchInput`: `2xx` and the like.
    StatusCodeClass,
    /// `HttpResponseLocalReplyMatchInput`: `true` or `false`.
    IsLocalReply,
    /// `common_inputs.environment_variable.v3.Config`.
    Environment(Arc<str>),
    /// `DestinationIPInput`.
    DestinationIp,
    /// `DestinationPortInput`.
    DestinationPort,
    /// `SourceIPInput`.
    SourceIp,
    /// `SourcePortInput`.
    SourcePort,
    /// `DirectSourceIPInput`.
    DirectSourceIp,
    /// `SourceTypeInput`: `local`, or none.
    SourceType,
    /// `ServerNameInput`.
    ServerName,
    /// `NetworkNamespaceInput`: none, for no address here is in another.
    NetworkNamespace,
    /// `FilterStateInput`.
    FilterState(Arc<str>),
    /// `DynamicMetadataInput`: filter and path.
    DynamicMetadata(Arc<str>, Vec<Arc<str>>),
    /// `UriSanInput`: of the peer's certificate.
    UriSan,
    /// `DnsSanInput`.
    DnsSan,
    /// `SubjectInput`.
    Subject,
}

/// What network filters may look at, as with Envoy.
const NETWORK: [&str; 12] = [
    "environment_variable.v3.Config",
    "network.v3.DestinationIPInput",
    "network.v3.DestinationPortInput",
    "network.v3.SourceIPInput",
    "network.v3.SourcePortInput",
    "network.v3.DirectSourceIPInput",
    "network.v3.ServerNameInput",
    "network.v3.NetworkNamespaceInput",
    "network.v3.FilterStateInput",
    "ssl.v3.UriSanInput",
    "ssl.v3.DnsSanInput",
    "ssl.v3.SubjectInput",
];

/// What the RBAC filter of HTTP may look at beside these and the request's headers, as with Envoy.
const RBAC: [&str; 1] = ["network.v3.DynamicMetadataInput"];

/// What expressions look at.
pub(super) const ATTRIBUTES: &str = "xds.type.matcher.v3.HttpAttributesCelMatchInput";

/// Whether it is [`ATTRIBUTES`]: no value, so that no other condition and no map takes it.
pub(super) fn is_attributes(at: &At<'_>, proto: &core::TypedExtensionConfig, place: Place) -> Result<bool, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    if extension.type_name != ATTRIBUTES {
        return Ok(false);
    }
    if place == Place::Network { Err(unknown_here(&at, place, ATTRIBUTES)) } else { Ok(true) }
}

fn unknown_here(at: &At<'_>, place: Place, type_name: &str) -> Rejection {
    let filter = if place == Place::Network { "a network filter" } else { "the RBAC filter" };
    at.reject(format!("{filter} cannot match {type_name}; take it out"))
}

/// An input by its type.
pub(super) fn input(
    at: &At<'_>,
    proto: &core::TypedExtensionConfig,
    place: Place,
    options: &Options,
) -> Result<Input, Rejection> {
    const HTTP: &str = "envoy.type.matcher.v3.";
    const COMMON: &str = "envoy.extensions.matching.common_inputs.";
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    let unknown = || registry::unknown(&at, Kind::MatchTree, &proto.name, &extension.type_name);
    let unknown_here = || unknown_here(&at, place, &extension.type_name);
    if extension.type_name == ATTRIBUTES {
        return Err(at.reject("is for expressions alone; give an input that is a text"));
    }
    let header = |name: &str| field_rules::header_name(&at.field("header_name"), name);
    if let Some(name) = extension.type_name.strip_prefix(HTTP) {
        let known = match place {
            Place::Http => true,
            Place::Rbac => name == "HttpRequestHeaderMatchInput",
            Place::Network => false,
        };
        if !known {
            return Err(unknown_here());
        }
        return Ok(match name {
            "HttpRequestHeaderMatchInput" => Input::RequestHeader(header(
                &extension.decode::<http::HttpRequestHeaderMatchInput>(&at, options)?.header_name,
            )?),
            "HttpRequestTrailerMatchInput" => Input::RequestTrailer(header(
                &extension.decode::<http::HttpRequestTrailerMatchInput>(&at, options)?.header_name,
            )?),
            "HttpResponseHeaderMatchInput" => Input::ResponseHeader(header(
                &extension.decode::<http::HttpResponseHeaderMatchInput>(&at, options)?.header_name,
            )?),
            "HttpResponseTrailerMatchInput" => Input::ResponseTrailer(header(
                &extension.decode::<http::HttpResponseTrailerMatchInput>(&at, options)?.header_name,
            )?),
            "HttpRequestQueryParamMatchInput" => {
                let query: http::HttpRequestQueryParamMatchInput = extension.decode(&at, options)?;
                Input::QueryParameter(field_rules::not_empty(&at.field("query_param"), &query.query_param)?)
            }
            "HttpResponseStatusCodeMatchInput" => Input::StatusCode,
            "HttpResponseStatusCodeClassMatchInput" => Input::StatusCodeClass,
            "HttpResponseLocalReplyMatchInput" => Input::IsLocalReply,
            _ => return Err(unknown()),
        });
    }
    let Some(name) = extension.type_name.strip_prefix(COMMON) else { return Err(unknown()) };
    let known = match place {
        Place::Http => true,
        Place::Rbac => NETWORK.contains(&name) || RBAC.contains(&name),
        Place::Network => NETWORK.contains(&name),
    };
    if !known {
        return Err(unknown_here());
    }
    Ok(match name {
        "environment_variable.v3.Config" => {
            let variable: environment::Config = extension.decode(&at, options)?;
            Input::Environment(field_rules::not_empty(&at.field("name"), &variable.name)?)
        }
        "network.v3.DestinationIPInput" => Input::DestinationIp,
        "network.v3.DestinationPortInput" => Input::DestinationPort,
        "network.v3.SourceIPInput" => Input::SourceIp,
        "network.v3.SourcePortInput" => Input::SourcePort,
        "network.v3.DirectSourceIPInput" => Input::DirectSourceIp,
        "network.v3.SourceTypeInput" => Input::SourceType,
        "network.v3.ServerNameInput" => Input::ServerName,
        "network.v3.NetworkNamespaceInput" => Input::NetworkNamespace,
        "network.v3.FilterStateInput" => {
            let state: network::FilterStateInput = extension.decode(&at, options)?;
            if !state.field.is_empty() {
                return Err(at.field("field").unsupported("fields of objects are not looked into"));
            }
            Input::FilterState(field_rules::not_empty(&at.field("key"), &state.key)?)
        }
        "network.v3.DynamicMetadataInput" => metadata(&at, &extension.decode(&at, options)?)?,
        "ssl.v3.UriSanInput" => Input::UriSan,
        "ssl.v3.DnsSanInput" => Input::DnsSan,
        "ssl.v3.SubjectInput" => Input::Subject,
        _ => return Err(unknown()),
    })
}

fn metadata(at: &At<'_>, proto: &network::DynamicMetadataInput) -> Result<Input, Rejection> {
    use network::dynamic_metadata_input::path_segment::Segment;
    let at_path = at.field("path");
    field_rules::at_least_one(&at_path, &proto.path)?;
    let segment = |(index, one): (usize, &network::dynamic_metadata_input::PathSegment)| match &one.segment {
        Some(Segment::Key(key)) => field_rules::not_empty(&at_path.index(index).field("key"), key),
        None => Err(at_path.index(index).reject("is empty; give key")),
    };
    let path = proto.path.iter().enumerate().map(segment).collect::<Result<_, _>>()?;
    Ok(Input::DynamicMetadata(field_rules::not_empty(&at.field("filter"), &proto.filter)?, path))
}
