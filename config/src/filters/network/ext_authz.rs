//! `envoy.extensions.filters.network.ext_authz.v3.ExtAuthz`. Called by the list of network filters. The messages of its service are in
//! [`crate::services::ext_authz`].

use std::sync::Arc;

use crate::extension::Extension;
use crate::field_rules;
use crate::filters::ext_authz;
use crate::matcher::{self, MetadataMatcher};
use crate::options::Options;
use crate::proto::{self, core::v3::ApiVersion, extensions::filters::network::ext_authz::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::services::GrpcService;

/// The filter.
#[derive(Debug, Clone)]
pub struct ExtAuthz {
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
    /// `grpc_service`; its timeout is 200 ms unless it says another.
    pub service: Arc<GrpcService>,
    /// `failure_mode_allow`: where it cannot be asked, the connection goes on.
    pub failure_mode_allow: bool,
    /// `shadow_mode`: what is decided is told, and not obeyed.
    pub shadow: bool,
    /// `include_peer_certificate`.
    pub include_peer_certificate: bool,
    /// `filter_enabled_metadata`: only then.
    pub enabled_metadata: Option<MetadataMatcher>,
    /// `bootstrap_metadata_labels_key`: labels of this node that are told.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// `include_tls_session`.
    pub include_tls_session: bool,
    /// `metadata_context_namespaces`.
    pub metadata: Vec<Arc<str>>,
    /// `typed_metadata_context_namespaces`.
    pub typed_metadata: Vec<Arc<str>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ExtAuthz, Rejection> {
    let proto: pb::ExtAuthz = extension.decode(at, options)?;
    let at_version = at.field("transport_api_version");
    if proto::defined::<ApiVersion>(&at_version, proto.transport_api_version)? == ApiVersion::V2 {
        return Err(at_version.reject("the v2 API is gone; give V3"));
    }
    let at_service = at.field("grpc_service");
    let service = field_rules::required(&at_service, &proto.grpc_service)?;
    let enabled = proto.filter_enabled_metadata.as_ref();
    Ok(ExtAuthz {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        service: Arc::new(ext_authz::grpc_service(&at_service, service, options)?),
        failure_mode_allow: proto.failure_mode_allow,
        shadow: proto.shadow_mode,
        include_peer_certificate: proto.include_peer_certificate,
        enabled_metadata: enabled
            .map(|one| matcher::value::metadata(&at.field("filter_enabled_metadata"), one))
            .transpose()?,
        labels: options.labels(&proto.bootstrap_metadata_labels_key),
        include_tls_session: proto.include_tls_session,
        metadata: ext_authz::names(&proto.metadata_context_namespaces),
        typed_metadata: ext_authz::names(&proto.typed_metadata_context_namespaces),
    })
}
