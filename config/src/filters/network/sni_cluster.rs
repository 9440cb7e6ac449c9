//! `envoy.extensions.filters.network.sni_cluster.v3.SniCluster`. Called by the list of network filters.

use crate::extension::Extension;
use crate::options::Options;
use crate::proto::extensions::filters::network::sni_cluster::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter has no settings: the server name is the cluster of the TCP proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SniCluster {}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<SniCluster, Rejection> {
    let pb::SniCluster {} = extension.decode(at, options)?;
    Ok(SniCluster {})
}
