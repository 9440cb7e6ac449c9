//! What the next hop learns of a client's certificate: `forward_client_cert_details` and its kin. Called by [`decode`](super::decode).

use std::sync::Arc;

use super::{ClientCertDetails, ForwardClientCert};
use crate::extension;
use crate::match_tree::{self, Matcher, Place};
use crate::options::Options;
use crate::proto::extensions::filters::network::http_connection_manager::v3::http_connection_manager as pb;
use crate::proto::{self, bool_or, core::v3 as core};
use crate::registry;
use crate::rejection::{At, Rejection};

/// What is done with the header, and what is written into it.
type Rule = (ForwardClientCert, ClientCertDetails);

pub(super) fn mode(at: &At<'_>, value: i32) -> Result<ForwardClientCert, Rejection> {
    use pb::ForwardClientCertDetails as Details;
    Ok(match proto::defined::<Details>(at, value)? {
        Details::Sanitize => ForwardClientCert::Sanitize,
        Details::ForwardOnly => ForwardClientCert::ForwardOnly,
        Details::AppendForward => ForwardClientCert::AppendForward,
        Details::SanitizeSet => ForwardClientCert::SanitizeSet,
        Details::AlwaysForwardOnly => ForwardClientCert::AlwaysForwardOnly,
    })
}

pub(super) fn details(
    at: &At<'_>,
    proto: Option<&pb::SetCurrentClientCertDetails>,
) -> Result<ClientCertDetails, Rejection> {
    use pb::ForwardClientCertFormat as Format;
    let Some(details) = proto else { return Ok(ClientCertDetails::default()) };
    Ok(ClientCertDetails {
        subject: bool_or(&details.subject, false),
        cert: details.cert,
        chain: details.chain,
        dns: details.dns,
        uri: details.uri,
        issuer: details.issuer,
        json: proto::defined::<Format>(&at.field("format"), details.format)? == Format::Json,
    })
}

pub(super) fn matcher(
    at: &At<'_>,
    tree: Option<&envoy_types::pb::xds::r#type::matcher::v3::Matcher>,
    options: &Options,
) -> Result<Option<Arc<Matcher<Rule>>>, Rejection> {
    let Some(tree) = tree else { return Ok(None) };
    let read = |at: &At<'_>, action: &core::TypedExtensionConfig| rule(at, action, options);
    // Who judges has the request's head, and nothing of what comes later.
    match_tree::xds(&at.field("forward_client_cert_matcher"), tree, Place::Rbac, options, &read)
        .map(|tree| Some(Arc::new(tree)))
}

fn rule(at: &At<'_>, action: &core::TypedExtensionConfig, options: &Options) -> Result<Rule, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &action.typed_config)?;
    if extension.type_name != registry::FORWARD_CLIENT_CERT {
        return Err(registry::not_registered(&at, &action.name, &extension.type_name));
    }
    let config: pb::ForwardClientCertConfig = extension.decode(&at, options)?;
    Ok((
        mode(&at.field("forward_client_cert_details"), config.forward_client_cert_details)?,
        details(&at.field("set_current_client_cert_details"), config.set_current_client_cert_details.as_ref())?,
    ))
}
