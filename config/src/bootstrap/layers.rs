//! `Bootstrap.layered_runtime`: the layers of the runtime, in their order. Called by [`super::translate`]; what Envoy demands of all of
//! them together, [`super::together`] has looked at.

use std::sync::Arc;
use std::time::Duration;

use crate::field_rules;
use crate::options::Options;
use crate::proto::{bootstrap::v3 as pb, core::v3 as core};
use crate::rejection::{At, Rejection};
use crate::runtime::{Entries, of_struct};
use crate::tls;
use crate::xds_server::{self, XdsServer};

/// A layer. Later ones win.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its name, which the admin interface shows.
    pub name: Arc<str>,
    /// Where its values come from.
    pub source: LayerSource,
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerSource {
    /// The bootstrap.
    Static(Entries),
    /// Files.
    Disk(DiskLayer),
    /// `/runtime_modify`.
    Admin,
    /// A control plane.
    Rtds(RtdsLayer),
}

/// `disk_layer`: a file for each key, in folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLayer {
    /// `symlink_root`: all is read again when something else is moved there.
    pub root: Arc<str>,
    /// `subdirectory` of it.
    pub subdirectory: Arc<str>,
    /// `append_service_cluster`: and in that the folder that has the name of the node's cluster.
    pub of_cluster: bool,
}

/// `rtds_layer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtdsLayer {
    /// The resource's name.
    pub name: Arc<str>,
    /// Who has it; `None`: the control plane of everything else (ADS).
    pub server: Option<Arc<XdsServer>>,
    /// How long the start waits for it; `None`: for ever.
    pub initial_fetch_timeout: Option<Duration>,
}

/// All of them.
pub(super) fn decode(
    at: &At<'_>,
    proto: &pb::Bootstrap,
    has_ads: bool,
    options: &Options,
) -> Result<Vec<Layer>, Rejection> {
    let mut layers = Vec::new();
    for (index, layer) in proto.layered_runtime.iter().flat_map(|runtime| &runtime.layers).enumerate() {
        let at = at.index(index);
        layers.push(Layer { name: Arc::from(layer.name.as_str()), source: source(&at, layer, has_ads, options)? });
    }
    Ok(layers)
}

fn source(at: &At<'_>, layer: &pb::RuntimeLayer, has_ads: bool, options: &Options) -> Result<LayerSource, Rejection> {
    use pb::runtime_layer::LayerSpecifier as Kind;
    Ok(match field_rules::required(&at.field("layer_specifier"), &layer.layer_specifier)? {
        Kind::StaticLayer(layer) => LayerSource::Static(of_struct(layer)),
        Kind::DiskLayer(disk) => LayerSource::Disk(DiskLayer {
            root: Arc::from(disk.symlink_root.as_str()),
            subdirectory: Arc::from(disk.subdirectory.as_str()),
            of_cluster: disk.append_service_cluster,
        }),
        Kind::AdminLayer(_) => LayerSource::Admin,
        Kind::RtdsLayer(layer) => match rtds(&at.field("rtds_layer"), layer, has_ads, options)? {
            Some(layer) => LayerSource::Rtds(layer),
            None => LayerSource::Static(Entries::new()),
        },
    })
}

fn rtds(
    at: &At<'_>,
    layer: &pb::runtime_layer::RtdsLayer,
    has_ads: bool,
    options: &Options,
) -> Result<Option<RtdsLayer>, Rejection> {
    use core::config_source::ConfigSourceSpecifier as Source;
    let at = at.field("rtds_config");
    let config = field_rules::required(&at, &layer.rtds_config)?;
    let server = match &config.config_source_specifier {
        Some(Source::Ads(_)) if has_ads => None,
        // As in Envoy that is no mistake.
        Some(Source::Ads(_)) => {
            options.note(
                &at,
                "asks for ADS, but dynamic_resources.ads_config is not set, so this layer stays empty; set it",
            );
            return Ok(None);
        }
        Some(Source::ApiConfigSource(api)) => {
            Some(Arc::new(xds_server::decode(&at.field("api_config_source"), api, options)?))
        }
        _ => {
            options.note(&at, "is read over gRPC alone (ads, api_config_source), so this layer stays empty; give files as a disk_layer");
            return Ok(None);
        }
    };
    Ok(Some(RtdsLayer {
        name: Arc::from(layer.name.as_str()),
        server,
        initial_fetch_timeout: tls::decode::fetch_timeout(&at, config)?,
    }))
}
