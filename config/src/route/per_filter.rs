//! `typed_per_filter_config`: settings of HTTP filters for a table, host, route or weighted cluster. Called by this folder.
//! Settings that would enforce or relax a policy are refused, whether or not the chain holds their filter.

use std::collections::HashMap;
use std::sync::Arc;

use crate::descriptors::Descriptors;
use crate::extension;
use crate::options::Options;
use crate::proto::{route::v3 as pb, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// Filter names with the types of their settings.
pub(super) type NamesAndTypes = Vec<(Arc<str>, Arc<str>)>;

const WRAPPER: &str = "envoy.config.route.v3.FilterConfig";

/// Filter names with the types of their settings, sorted by name.
pub(super) fn per_filter(
    at: &At<'_>,
    configs: &HashMap<String, wkt::Any>,
    options: &Options,
) -> Result<NamesAndTypes, Rejection> {
    let mut entries: Vec<_> = configs.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    let mut kept = Vec::with_capacity(entries.len());
    for (name, any) in entries {
        if let Some(type_name) = one(&at.key(name), name, any, options)? {
            kept.push((Arc::from(name.as_str()), type_name));
        }
    }
    Ok(kept)
}

fn one(at: &At<'_>, name: &str, any: &wkt::Any, options: &Options) -> Result<Option<Arc<str>>, Rejection> {
    let extension = extension::open(at, any)?;
    if extension.type_name != WRAPPER {
        return setting(at, name, &extension, false, options);
    }
    let wrapper: pb::FilterConfig = extension.decode(at, options)?;
    match &wrapper.config {
        Some(config) => {
            let at = at.field("config");
            setting(&at, name, &extension::open(&at, config)?, wrapper.is_optional, options)
        }
        // Switches the filter on or off here. Filters that carry policy are refused in the chain, so none is switched.
        None => Ok(Some(Arc::from(WRAPPER))),
    }
}

fn setting(
    at: &At<'_>,
    name: &str,
    extension: &extension::Extension<'_>,
    optional: bool,
    options: &Options,
) -> Result<Option<Arc<str>>, Rejection> {
    let known =
        registry::find(Kind::PerRoute, &extension.type_name).is_some() || Descriptors::knows(&extension.type_name);
    if optional && !known {
        options.note(at, format_args!("{name:?} ({}) is optional and not known; left out", extension.type_name));
        return Ok(None);
    }
    registry::inert(at, Kind::PerRoute, name, extension, options)?;
    Ok(Some(Arc::from(&*extension.type_name)))
}
