//! `stats.PluginConfig` as a filter of connections: the same as that of HTTP. Called by the list of network filters.

use crate::extension::Extension;
use crate::options::Options;
use crate::rejection::{At, Rejection};

pub use crate::filters::istio_stats::IstioStats;

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<IstioStats, Rejection> {
    crate::filters::istio_stats::decode(at, extension, options)
}
