//! Filters whose config is discovered (`ExtensionConfigSource`, ECDS over ADS), and the resources that are discovered
//! (`TypedExtensionConfig`). Called by the translations of chains, and by the proxy for the resources.

use std::sync::Arc;
use std::time::Duration;

use super::{HttpFilterConfig, NetworkFilterConfig};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// Whether anything discovers: while it is false, a chain takes a filter that is to be discovered only if leaving it out changes nothing.
pub(crate) const ACTS: bool = false;

/// What a chain says of a filter that is discovered by its name.
#[derive(Debug, Clone)]
pub struct Discovery<C> {
    /// `type_urls` without their prefix: what it may turn out to be.
    pub type_names: Vec<Arc<str>>,
    /// `default_config`: what it is until it is discovered, and when it is removed. Without one there is no filter then, and requests
    /// are answered 500.
    pub default: Option<C>,
    /// `apply_default_config_without_warming`: nothing waits for the first answer.
    pub without_warming: bool,
    /// How long the chain waits for it; `None`: for ever.
    pub initial_fetch_timeout: Option<Duration>,
}

impl<C> Discovery<C> {
    /// Whether it may be of this type.
    pub fn allows(&self, type_name: &str) -> bool {
        self.type_names.iter().any(|allowed| **allowed == *type_name)
    }
}

/// A resource.
#[derive(Debug, Clone)]
pub struct Discovered<C> {
    /// `name`: of the resource, and of the filters that are waiting for it.
    pub name: Arc<str>,
    /// What it is; [`Discovery::allows`] says whether a chain may take it.
    pub type_name: Arc<str>,
    /// Its config.
    pub config: C,
}

/// A `TypedExtensionConfig` of an HTTP filter, as the bytes of its Any.
///
/// # Errors
/// The field that cannot be honoured; a filter that carries policy and is not enforced here withholds it.
pub fn http(bytes: &[u8], options: &Options) -> Result<Discovered<HttpFilterConfig>, Rejection> {
    resource(bytes, options, super::typed::http)
}

/// A `TypedExtensionConfig` of a network filter.
///
/// # Errors
/// As [`http`].
pub fn network(bytes: &[u8], options: &Options) -> Result<Discovered<NetworkFilterConfig>, Rejection> {
    resource(bytes, options, super::typed::network)
}

/// Reads the config of a filter of this name.
type Read<C> = fn(&At<'_>, &str, &Extension<'_>, &Options) -> Result<C, Rejection>;

fn resource<C>(bytes: &[u8], options: &Options, read: Read<C>) -> Result<Discovered<C>, Rejection> {
    let at = At::root();
    extension::check("envoy.config.core.v3.TypedExtensionConfig", bytes, &at, options)?;
    let proto: core::TypedExtensionConfig = proto::message(bytes, &at)?;
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    let config = read(&at, &name, &extension, options)?;
    Ok(Discovered { name, type_name: Arc::from(&*extension.type_name), config })
}

/// What an HTTP chain says.
pub(crate) fn of_http(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
) -> Result<Discovery<HttpFilterConfig>, Rejection> {
    source(at, name, proto, options, super::typed::http)
}

/// What a chain of network filters says.
pub(crate) fn of_network(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
) -> Result<Discovery<NetworkFilterConfig>, Rejection> {
    source(at, name, proto, options, super::typed::network)
}

fn source<C>(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
    read: Read<C>,
) -> Result<Discovery<C>, Rejection> {
    use core::config_source::ConfigSourceSpecifier as Source;
    let at_source = at.field("config_source");
    let config_source = field_rules::required(&at_source, &proto.config_source)?;
    if !matches!(config_source.config_source_specifier, Some(Source::Ads(_) | Source::Self_(_))) {
        return Err(at_source.reject("filters are discovered over ADS; set ads: {}"));
    }
    field_rules::at_least_one(&at.field("type_urls"), &proto.type_urls)?;
    let type_names: Vec<Arc<str>> = proto.type_urls.iter().map(|url| Arc::from(extension::message_name(url))).collect();
    let default = proto.default_config.as_ref();
    let default = default.map(|any| default_config(&at.field("default_config"), name, any, &type_names, options, read));
    if proto.apply_default_config_without_warming && default.is_none() {
        return Err(at.field("apply_default_config_without_warming").reject("needs a default_config; give one"));
    }
    Ok(Discovery {
        type_names,
        default: default.transpose()?,
        without_warming: proto.apply_default_config_without_warming,
        initial_fetch_timeout: crate::tls::decode::fetch_timeout(&at_source, config_source)?,
    })
}

fn default_config<C>(
    at: &At<'_>,
    name: &str,
    any: &wkt::Any,
    type_names: &[Arc<str>],
    options: &Options,
    read: Read<C>,
) -> Result<C, Rejection> {
    let extension = extension::open(at, any)?;
    if !type_names.iter().any(|allowed| **allowed == *extension.type_name) {
        return Err(at.reject(format!(
            "Error: cannot find filter factory {name} for default filter configuration with type URL {}; add it to type_urls",
            extension.type_name
        )));
    }
    read(at, name, &extension, options)
}

/// A chain's filter that is to be discovered, while nothing discovers: it may only be left out where every type it may have is harmless.
pub(crate) fn left_out(
    at: &At<'_>,
    kind: Kind,
    name: &str,
    type_names: &[Arc<str>],
    options: &Options,
) -> Result<Arc<str>, Rejection> {
    let Some(harmful) = type_names.iter().find(|name| !registry::is_harmless(kind, name)) else {
        options.note(at, format_args!("filter {name:?} is not discovered and not acting"));
        return Ok(type_names.first().cloned().unwrap_or_else(|| Arc::from("")));
    };
    Err(at
        .unsupported(format!(
            "filter {name:?} may turn out to be {harmful}, which is not supported yet and may hold policy"
        ))
        .withholding_policy())
}
