//! `envoy.extensions.filters.network.direct_response.v3.Config`. Called by the list of network filters.

use bytes::Bytes;

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::filters::network::direct_response::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectResponse {
    /// `response`: sent to each connection, which is then closed.
    pub response: Bytes,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<DirectResponse, Rejection> {
    let proto: pb::Config = extension.decode(at, options)?;
    let response = proto.response.as_ref().map(|source| field_rules::content(&at.field("response"), source, options));
    Ok(DirectResponse { response: response.transpose()?.unwrap_or_default() })
}
