//! Filters whose config is discovered (`ExtensionConfigSource`, ECDS over ADS), and the resources that are discovered
//! (`TypedExtensionConfig`). Called by the translations of chains, and by the proxy for the resources.

use std::sync::Arc;
use std::time::Duration;

use super::composite::{Execute, ExecuteFilter};
use super::match_delegate::DelegateAction;
use super::{HttpFilterConfig, NetworkFilterConfig};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::hcm::upstream;
use crate::listener::{ListenerFilterKind, listener_filter};
use crate::options::Options;
use crate::policy::Policy;
use crate::proto::{self, core::v3 as core, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// What a chain says of a filter that is discovered by its name.
#[derive(Debug, Clone)]
pub struct Discovery<C> {
    /// `type_urls` without their prefix: what it may turn out to be.
    pub type_names: Vec<Arc<str>>,
    /// `default_config`: what it is until it is discovered, and when it is removed. Without one there is no filter then, and requests
    /// are answered 500.
    pub default: Option<Typed<C>>,
    /// `apply_default_config_without_warming`: nothing waits for the first answer.
    pub without_warming: bool,
    /// How long the chain waits for it; `None`: for ever.
    pub initial_fetch_timeout: Option<Duration>,
}

/// A filter's config.
#[derive(Debug, Clone)]
pub struct Typed<C> {
    /// What it is.
    pub type_name: Arc<str>,
    /// Its config.
    pub config: C,
    /// The policy that it carries.
    pub policy: Arc<Policy>,
}

impl<C> Discovery<C> {
    /// Whether it may be of this type.
    pub fn allows(&self, type_name: &str) -> bool {
        self.type_names.iter().any(|allowed| **allowed == *type_name)
    }
}

/// Refuses a resource of another type than these, in Envoy's words.
///
/// # Errors
/// It is of another type.
pub fn check_type(type_names: &[Arc<str>], type_name: &str) -> Result<(), Rejection> {
    if type_names.iter().any(|allowed| **allowed == *type_name) {
        return Ok(());
    }
    let reason = format!(
        "Error: filter config has type URL {type_name} but expect {}; send one of these, or name this one in type_urls",
        type_names.join(", ")
    );
    Err(At::root().field("typed_config").reject(reason))
}

/// A resource: a `TypedExtensionConfig`, opened. Each kind of filter reads its own config out of it.
#[derive(Debug)]
pub struct Resource {
    name: String,
    config: wkt::Any,
    type_name: Arc<str>,
}

impl Resource {
    /// Opens it.
    ///
    /// # Errors
    /// The field without which it is none.
    pub fn open(bytes: &[u8], options: &Options) -> Result<Resource, Rejection> {
        let at = At::root();
        extension::check("envoy.config.core.v3.TypedExtensionConfig", bytes, &at, options)?;
        let proto: core::TypedExtensionConfig = proto::message(bytes, &at)?;
        let at = at.field("typed_config");
        let type_name = Arc::from(&*extension::open_required(&at, &proto.typed_config)?.type_name);
        let config = field_rules::required(&at, &proto.typed_config)?.clone();
        Ok(Resource { name: proto.name, config, type_name })
    }

    /// What it is.
    pub fn type_name(&self) -> &Arc<str> {
        &self.type_name
    }

    /// As the config of an HTTP filter.
    ///
    /// # Errors
    /// The field that cannot be honoured; a filter that carries policy and is not enforced here withholds it.
    pub fn http(&self, options: &Options) -> Result<Typed<HttpFilterConfig>, Rejection> {
        self.read(options, super::typed::http)
    }

    /// As the config of an HTTP filter behind the router.
    ///
    /// # Errors
    /// As [`http`](Resource::http); a filter that may not stand there.
    pub fn upstream_http(&self, options: &Options) -> Result<Typed<HttpFilterConfig>, Rejection> {
        self.read(options, upstream::typed)
    }

    /// As the config of a listener filter.
    ///
    /// # Errors
    /// The field that cannot be honoured.
    pub fn listener(&self, options: &Options) -> Result<Typed<ListenerFilterKind>, Rejection> {
        self.read(options, listener_filter::kind)
    }

    /// As the config of a network filter.
    ///
    /// # Errors
    /// As [`http`](Resource::http).
    pub fn network(&self, options: &Options) -> Result<Typed<NetworkFilterConfig>, Rejection> {
        self.read(options, not_last)
    }

    fn read<C>(&self, options: &Options, read: Read<C>) -> Result<Typed<C>, Rejection> {
        let root = At::root();
        let name = field_rules::not_empty(&root.field("name"), &self.name)?;
        let at = root.field("typed_config");
        let config = options.reading_named("extension config", &name, || {
            read(&at, &name, &extension::open(&at, &self.config)?, options)
        })?;
        Ok(Typed { type_name: self.type_name.clone(), config, policy: Arc::new(Policy::of_config(&self.config)) })
    }
}

/// A network filter that is not the last of its chain: what ends a chain is configured in it.
fn not_last(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<NetworkFilterConfig, Rejection> {
    let config = super::typed::network(at, name, extension, options)?;
    if config.is_terminal() {
        return Err(
            at.reject(format!("terminal filter named {name} must be the last filter in a network filter chain."))
        );
    }
    Ok(config)
}

/// Reads the config of a filter of this name.
type Read<C> = fn(&At<'_>, &str, &Extension<'_>, &Options) -> Result<C, Rejection>;

/// What an HTTP chain says.
pub(crate) fn of_http(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
) -> Result<Discovery<HttpFilterConfig>, Rejection> {
    source(at, |type_name| is_known(Kind::HttpFilter, type_name), name, proto, options, super::typed::http)
}

/// What an HTTP chain behind the router says.
pub(crate) fn of_upstream_http(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
) -> Result<Discovery<HttpFilterConfig>, Rejection> {
    source(at, upstream::is_known, name, proto, options, upstream::typed)
}

/// What a listener says of a filter of its own.
pub(crate) fn of_listener(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
) -> Result<Discovery<ListenerFilterKind>, Rejection> {
    source(at, |type_name| is_known(Kind::ListenerFilter, type_name), name, proto, options, listener_filter::kind)
}

/// What a chain of network filters says.
pub(crate) fn of_network(
    at: &At<'_>,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
) -> Result<Discovery<NetworkFilterConfig>, Rejection> {
    source(at, |type_name| is_known(Kind::NetworkFilter, type_name), name, proto, options, not_last)
}

fn is_known(kind: Kind, type_name: &str) -> bool {
    registry::find(kind, type_name).is_some()
}

fn source<C>(
    at: &At<'_>,
    is_known: fn(&str) -> bool,
    name: &str,
    proto: &core::ExtensionConfigSource,
    options: &Options,
    read: Read<C>,
) -> Result<Discovery<C>, Rejection> {
    let at_source = at.field("config_source");
    let config_source = field_rules::required(&at_source, &proto.config_source)?;
    let initial_fetch_timeout =
        crate::tls::decode::over_ads(&at_source, config_source, "filters are discovered over ADS; set ads: {}")?;
    let at_types = at.field("type_urls");
    field_rules::at_least_one(&at_types, &proto.type_urls)?;
    let type_names: Vec<Arc<str>> = proto.type_urls.iter().map(|url| Arc::from(extension::message_name(url))).collect();
    for (index, type_name) in type_names.iter().enumerate() {
        if !is_known(type_name) {
            let reason = format!("Error: no factory found for a required type URL {type_name}");
            return Err(at_types.index(index).unsupported(reason));
        }
    }
    let default = proto.default_config.as_ref();
    let default = default.map(|any| default_config(&at.field("default_config"), name, any, &type_names, options, read));
    if proto.apply_default_config_without_warming && default.is_none() {
        return Err(at.field("apply_default_config_without_warming").reject("needs a default_config; give one"));
    }
    Ok(Discovery {
        type_names,
        default: default.transpose()?,
        without_warming: proto.apply_default_config_without_warming,
        initial_fetch_timeout,
    })
}

fn default_config<C>(
    at: &At<'_>,
    name: &str,
    any: &wkt::Any,
    type_names: &[Arc<str>],
    options: &Options,
    read: Read<C>,
) -> Result<Typed<C>, Rejection> {
    let extension = extension::open(at, any)?;
    if !type_names.iter().any(|allowed| **allowed == *extension.type_name) {
        return Err(at.reject(format!(
            "Error: cannot find filter factory {name} for default filter configuration with type URL {}; add it to type_urls",
            extension.type_name
        )));
    }
    let config = read(at, name, &extension, options)?;
    Ok(Typed { type_name: Arc::from(&*extension.type_name), config, policy: Arc::new(Policy::of_config(any)) })
}

impl HttpFilterConfig {
    /// Whether anything of the filter of this name is to be discovered.
    pub fn discovers(&self, name: &Arc<str>) -> bool {
        let mut discovers = false;
        self.each_discovery(name, &mut |_, _| discovers = true);
        discovers
    }

    /// Hands over what is to be discovered: the filter of this name itself, and those inside it.
    pub fn each_discovery(&self, name: &Arc<str>, found: &mut dyn FnMut(&Arc<str>, &Discovery<HttpFilterConfig>)) {
        match self {
            HttpFilterConfig::Discovered(discovery) => found(name, discovery),
            HttpFilterConfig::MatchDelegate(delegate) => {
                delegate.filter.each_discovery(&delegate.name, found);
                let actions = delegate.matcher.iter();
                actions.for_each(|tree| {
                    tree.each_action(&mut |action| {
                        if let DelegateAction::Execute(execute) = action {
                            of_action(execute, found);
                        }
                    });
                });
            }
            HttpFilterConfig::Composite(composite) => {
                for filter in composite.chains.iter().flat_map(|(_, chain)| chain) {
                    filter.config.each_discovery(&filter.name, found);
                }
                composite.matcher.iter().for_each(|tree| tree.each_action(&mut |action| of_action(action, found)));
            }
            _ => {}
        }
    }
}

fn of_action(action: &ExecuteFilter, found: &mut dyn FnMut(&Arc<str>, &Discovery<HttpFilterConfig>)) {
    match &action.what {
        Execute::Filter(filter) => filter.config.each_discovery(&filter.name, found),
        Execute::Chain(chain) => chain.iter().for_each(|filter| filter.config.each_discovery(&filter.name, found)),
        Execute::Discovered(name, discovery) => found(name, discovery),
        Execute::NamedChain(_) => {}
    }
}
