//! `envoy.tcp.metadataexchange.config.MetadataExchange`, Istio's. Called by the list of network filters, and by the translation of
//! clusters, which may have it, too.

use std::sync::Arc;

use bytes::Bytes;

use crate::extension::Extension;
use crate::istio;
use crate::options::Options;
use crate::rejection::{At, Rejection};
use crate::workload;

/// The filter. What it sends is made here, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataExchange {
    /// The ALPN at which both ends send a frame.
    pub protocol: Arc<str>,
    /// `additional_labels` that are told and kept.
    pub labels: Arc<[Arc<str>]>,
    /// The frame that tells this workload.
    pub frame: Bytes,
    /// `enable_discovery`: a peer that sends none is looked up by its address, as the control plane tells of workloads.
    pub discovers: bool,
}

pub(crate) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<MetadataExchange, Rejection> {
    let proto: istio::MetadataExchange = extension.decode(at, options)?;
    let labels: Arc<[Arc<str>]> = proto.additional_labels.into_iter().map(Arc::from).collect();
    let frame = workload::frame_of(&options.workload(&labels), &options.node_id);
    let discovers = proto.enable_discovery;
    Ok(MetadataExchange { protocol: Arc::from(proto.protocol), frame: frame.into(), labels, discovers })
}
