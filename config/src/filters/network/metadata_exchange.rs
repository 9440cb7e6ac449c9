//! `envoy.tcp.metadataexchange.config.MetadataExchange`, Istio's. Called by the list of network filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::istio;
use crate::options::Options;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataExchange {
    /// The ALPN at which both ends send a frame.
    pub protocol: Arc<str>,
    /// `enable_discovery`: what peers do not tell is asked of the control plane.
    pub discovery: bool,
    /// `additional_labels` that are told.
    pub labels: Vec<Arc<str>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<MetadataExchange, Rejection> {
    let proto: istio::MetadataExchange = extension.decode(at, options)?;
    Ok(MetadataExchange {
        protocol: Arc::from(proto.protocol),
        discovery: proto.enable_discovery,
        labels: proto.additional_labels.into_iter().map(Arc::from).collect(),
    })
}
