//! `envoy.extensions.filters.http.grpc_web.v3.GrpcWeb`. Called by the list of filters.

use crate::extension::Extension;
use crate::options::Options;
use crate::proto::extensions::filters::http::grpc_web::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrpcWeb {}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<GrpcWeb, Rejection> {
    let pb::GrpcWeb {} = extension.decode(at, options)?;
    Ok(GrpcWeb {})
}
