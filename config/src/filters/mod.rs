//! HTTP filters as plain data: one line a filter in the list below, one file a filter beside it. Called by the translations of
//! chains (`hcm/filters.rs`) and of `typed_per_filter_config` (`route/per_filter.rs`).
//!
//! A line makes the filter's variant of [`HttpFilterConfig`], that of [`ScopedConfig`] where routes may set something, and its rows
//! in the registry, against which `config/EXTENSIONS.md` is checked. Filters that are known and not read yet have rows in
//! `registry/table.rs`. What a file holds: the plain data, `decode`, and `scoped` for the settings of routes. It reads every
//! field: what cannot act is refused or noted, never dropped.

use std::sync::Arc;

use crate::extension::Extension;
use crate::options::Options;
use crate::registry::{self, Entry, Kind, State, policy};
use crate::rejection::{At, Rejection};

pub mod alpn;
pub mod cors;
pub mod header_mutation;

/// The settings of a filter at one level: a table, a virtual host, a route or a weighted cluster.
///
/// The type of the message says what they are; the name says which filter of the chain they are for, and a filter of another type
/// by that name does not use them.
#[derive(Debug, Clone)]
pub struct ScopedFilter {
    /// The filter is switched off here. Where it is false the filter is switched on, also one that the chain has as disabled.
    pub disabled: bool,
    /// What it is told here; `None` where it is only switched, or its settings do not act.
    pub config: Option<ScopedConfig>,
}

/// One line a filter: variant, module, state, `Policy` where it carries any, type, what it does to traffic; and with `routes` the same of its settings.
macro_rules! http_filters {
    ($(
        $variant:ident $module:ident $state:ident $($policy:ident)? $type_name:literal $traffic:literal
        $(routes $scoped:ident $scoped_state:ident $($scoped_policy:ident)? $scoped_type:literal $scoped_traffic:literal)?;
    )*) => {
        /// HTTP filters that are known. What each does to traffic today stands in `config/EXTENSIONS.md`.
        #[derive(Debug, Clone)]
        pub enum HttpFilterConfig {
            $(#[doc = concat!("`", $type_name, "`.")] $variant(Arc<$module::$variant>),)*
            /// A filter that is parsed and does not act yet, by type; it is none that carries policy.
            Inert(Arc<str>),
        }

        /// What `typed_per_filter_config` tells a filter.
        #[derive(Debug, Clone)]
        pub enum ScopedConfig {
            $($(#[doc = concat!("`", $scoped_type, "`.")] $variant(Arc<$module::$scoped>),)?)*
        }

        /// The rows of the registry.
        pub(crate) static ENTRIES: &[Entry] = &[
            $(Entry::new(Kind::HttpFilter, $type_name, State::$state, policy!($($policy)?), $traffic),)*
            $($(Entry::new(Kind::PerRoute, $scoped_type, State::$scoped_state, policy!($($scoped_policy)?), $scoped_traffic),)?)*
        ];

        /// The config of a filter that has a line, whatever its state.
        fn read(
            at: &At<'_>,
            extension: &Extension<'_>,
            options: &Options,
        ) -> Option<Result<HttpFilterConfig, Rejection>> {
            Some(match &*extension.type_name {
                $($type_name => $module::decode(at, extension, options)
                    .map(|config| HttpFilterConfig::$variant(Arc::new(config))),)*
                _ => return None,
            })
        }

        /// The settings that a filter with a line has for routes, whatever their state.
        fn read_scoped(
            at: &At<'_>,
            extension: &Extension<'_>,
            options: &Options,
        ) -> Option<Result<ScopedConfig, Rejection>> {
            Some(match &*extension.type_name {
                $($($scoped_type => $module::scoped(at, extension, options)
                    .map(|config| ScopedConfig::$variant(Arc::new(config))),)?)*
                _ => return None,
            })
        }
    };
}

http_filters! {
    Alpn alpn Works "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig" "the upstream ALPN follows the upstream protocol";
    Cors cors Inert "envoy.extensions.filters.http.cors.v3.Cors" "inert by itself: see CorsPolicy"
        routes CorsPolicy Inert "envoy.extensions.filters.http.cors.v3.CorsPolicy" "preflights reach the application and no CORS header is added, so browsers refuse what the policy would allow";
    HeaderMutation header_mutation Refused "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation" "headers that it removes would reach the application"
        routes HeaderMutationPerRoute Refused "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute" "headers that it removes would reach the application";
}

/// A filter of a chain that is known. One that acts has been read; one that does not is checked and named to the operator.
pub(crate) fn http(
    at: &At<'_>,
    name: &str,
    entry: &Entry,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<HttpFilterConfig, Rejection> {
    match acting(at, name, entry, || read(at, extension, options))? {
        Some(config) => Ok(config),
        None => {
            registry::inert(at, Kind::HttpFilter, name, extension, options)?;
            Ok(HttpFilterConfig::Inert(Arc::from(&*extension.type_name)))
        }
    }
}

/// Settings of a filter for a route that are known; `None` where they do not act.
pub(crate) fn scoped(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<Option<ScopedConfig>, Rejection> {
    let Some(entry) = registry::find(Kind::PerRoute, &extension.type_name) else {
        return Err(registry::not_registered(at, name, &extension.type_name));
    };
    let config = acting(at, name, entry, || read_scoped(at, extension, options))?;
    if config.is_none() {
        registry::inert(at, Kind::PerRoute, name, extension, options)?;
    }
    Ok(config)
}

/// What was read, if it acts. What does not act is read too, so that a wrong value is rejected all the same.
fn acting<T>(
    at: &At<'_>,
    name: &str,
    entry: &Entry,
    read: impl FnOnce() -> Option<Result<T, Rejection>>,
) -> Result<Option<T>, Rejection> {
    if entry.state == State::Refused {
        return Err(registry::refused(at, name, entry));
    }
    let Some(config) = read() else { return Ok(None) };
    let config = config.map_err(|rejection| registry::of(rejection, entry))?;
    Ok((entry.state == State::Works).then_some(config))
}

#[cfg(test)]
mod tests;
