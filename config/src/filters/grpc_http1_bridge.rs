//! `envoy.extensions.filters.http.grpc_http1_bridge.v3.Config`. Called by the list of filters.

use crate::extension::Extension;
use crate::options::Options;
use crate::proto::extensions::filters::http::grpc_http1_bridge::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrpcHttp1Bridge {
    /// `upgrade_protobuf_to_grpc`: `application/x-protobuf` is framed as gRPC and back.
    pub upgrade_protobuf: bool,
    /// `ignore_query_parameters`: what stands behind `?` is taken off.
    pub ignore_query: bool,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<GrpcHttp1Bridge, Rejection> {
    let proto: pb::Config = extension.decode(at, options)?;
    Ok(GrpcHttp1Bridge {
        upgrade_protobuf: proto.upgrade_protobuf_to_grpc,
        ignore_query: proto.ignore_query_parameters,
    })
}
