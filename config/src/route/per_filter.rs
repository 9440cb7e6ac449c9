//! `typed_per_filter_config`: what a table, host, route or weighted cluster tells the filters of the chain. Called by this folder.
//! Settings that would enforce or relax a policy that does not act are refused, whether or not the chain holds their filter.

use std::collections::HashMap;
use std::sync::Arc;

use crate::extension::{self, Extension};
use crate::filters::{self, ScopedConfig, ScopedFilter};
use crate::options::Options;
use crate::proto::{route::v3 as pb, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

const WRAPPER: &str = "envoy.config.route.v3.FilterConfig";

/// The settings by filter name, sorted by it.
pub(super) fn per_filter(
    at: &At<'_>,
    configs: &HashMap<String, wkt::Any>,
    options: &Options,
) -> Result<Vec<(Arc<str>, ScopedFilter)>, Rejection> {
    let mut entries: Vec<_> = configs.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
        .into_iter()
        .map(|(name, any)| Ok((Arc::from(name.as_str()), one(&at.key(name), name, any, options)?)))
        .collect()
}

/// The same with a setting that stands beside them; its name comes before all others.
pub(super) fn with(
    beside: Option<(Arc<str>, ScopedFilter)>,
    settings: Vec<(Arc<str>, ScopedFilter)>,
) -> Vec<(Arc<str>, ScopedFilter)> {
    beside.into_iter().chain(settings).collect()
}

fn one(at: &At<'_>, name: &str, any: &wkt::Any, options: &Options) -> Result<ScopedFilter, Rejection> {
    let extension = extension::open(at, any)?;
    if extension.type_name != WRAPPER {
        return Ok(ScopedFilter { disabled: false, config: setting(at, name, &extension, false, options)? });
    }
    let wrapper: pb::FilterConfig = extension.decode(at, options)?;
    // As in Envoy, the settings of a filter that is off are not looked at.
    if wrapper.disabled {
        return Ok(ScopedFilter { disabled: true, config: None });
    }
    let at = at.field("config");
    let Some(config) = &wrapper.config else {
        return Err(at.reject(format!(
            "Empty route/virtual host per filter configuration for {name} filter; give an empty config to switch it on, or disabled: true"
        )));
    };
    // A config without a type only switches the filter on; of JSON's `{}` an empty message was made.
    if config.type_url.is_empty() || (extension::message_name(&config.type_url) == WRAPPER && config.value.is_empty()) {
        return Ok(ScopedFilter { disabled: false, config: None });
    }
    let config = setting(&at, name, &extension::open(&at, config)?, wrapper.is_optional, options)?;
    Ok(ScopedFilter { disabled: false, config })
}

fn setting(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    optional: bool,
    options: &Options,
) -> Result<Option<ScopedConfig>, Rejection> {
    if registry::find(Kind::PerRoute, &extension.type_name).is_some() {
        return filters::scoped(at, name, extension, options);
    }
    let for_chains_only = registry::find(Kind::HttpFilter, &extension.type_name);
    let ignored = match for_chains_only {
        Some(entry) => !entry.policy,
        None => !registry::configures_http_filter(&extension.type_name),
    };
    if optional && ignored {
        options.note(
            at,
            format_args!("{name:?} ({}) is optional and says nothing to routes; left out", extension.type_name),
        );
        return Ok(None);
    }
    Err(match for_chains_only {
        Some(entry) => registry::of(
            at.reject(format!(
                "The filter {name} doesn't support virtual host or route specific configurations of this type"
            )),
            entry,
        ),
        None => registry::not_registered(at, name, &extension.type_name),
    })
}

#[cfg(test)]
mod tests;
