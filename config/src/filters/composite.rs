//! `envoy.extensions.filters.http.composite.v3.Composite`: a filter that becomes another, request by request. Called by the list of
//! filters and by `match_delegate`.

use std::sync::Arc;

use super::HttpFilterConfig;
use super::discovery::{self, Discovery};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::match_tree::{self, Matcher, Place};
use crate::matcher::{self, Fraction};
use crate::options::Options;
use crate::proto::{core::v3 as core, extensions::filters::http::composite::v3 as pb};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

pub(super) const EXECUTE: &str = "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction";

/// The filter.
#[derive(Debug, Clone)]
pub struct Composite {
    /// `named_filter_chains`, sorted by name.
    pub chains: Vec<(Arc<str>, Vec<NamedFilter>)>,
    /// `matcher`; without it a `match_delegate` around the filter says what it becomes.
    pub matcher: Option<Matcher<Arc<ExecuteFilter>>>,
}

/// A filter with its name.
#[derive(Debug, Clone)]
pub struct NamedFilter {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub config: HttpFilterConfig,
}

/// `ExecuteFilterAction`.
#[derive(Debug, Clone)]
pub struct ExecuteFilter {
    /// What the filter becomes.
    pub what: Execute,
    /// `sample_percent`: of so many; `None`: of all.
    pub sample: Option<Live<Fraction>>,
}

/// What a composite filter becomes.
#[derive(Debug, Clone)]
pub enum Execute {
    /// `typed_config`.
    Filter(NamedFilter),
    /// `dynamic_config`: a filter that is discovered by this name.
    Discovered(Arc<str>, Discovery<HttpFilterConfig>),
    /// `filter_chain`: several, in order.
    Chain(Vec<NamedFilter>),
    /// `filter_chain_name`: one of [`Composite::chains`].
    NamedChain(Arc<str>),
}

/// `CompositePerRoute`.
#[derive(Debug, Clone)]
pub struct CompositePerRoute {
    /// `matcher`, in place of the filter's.
    pub matcher: Matcher<Arc<ExecuteFilter>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Composite, Rejection> {
    let proto: pb::Composite = extension.decode(at, options)?;
    let at_chains = at.field("named_filter_chains");
    let mut chains = Vec::with_capacity(proto.named_filter_chains.len());
    let mut named: Vec<_> = proto.named_filter_chains.iter().collect();
    named.sort_by_key(|(name, _)| *name);
    for (name, one) in named {
        chains.push((Arc::from(name.as_str()), chain(&at_chains.key(name), one, options)?));
    }
    let read = |at: &At<'_>, one: &core::TypedExtensionConfig| action(at, one, options);
    let matcher = proto.matcher.as_ref();
    Ok(Composite {
        chains,
        matcher: matcher
            .map(|tree| match_tree::xds(&at.field("matcher"), tree, Place::Http, options, &read))
            .transpose()?,
    })
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<CompositePerRoute, Rejection> {
    let proto: pb::CompositePerRoute = extension.decode(at, options)?;
    let read = |at: &At<'_>, one: &core::TypedExtensionConfig| action(at, one, options);
    let at = at.field("matcher");
    let tree = field_rules::required(&at, &proto.matcher)?;
    Ok(CompositePerRoute { matcher: match_tree::xds(&at, tree, Place::Http, options, &read)? })
}

fn action(at: &At<'_>, proto: &core::TypedExtensionConfig, options: &Options) -> Result<Arc<ExecuteFilter>, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    match &*extension.type_name {
        EXECUTE => Ok(Arc::new(execute(&at, &extension, options)?)),
        other => Err(registry::not_registered(&at, &proto.name, other)),
    }
}

/// An `ExecuteFilterAction`.
pub(super) fn execute(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ExecuteFilter, Rejection> {
    let proto: pb::ExecuteFilterAction = extension.decode(at, options)?;
    let mut found = Vec::new();
    if let Some(config) = &proto.typed_config {
        found.push(Execute::Filter(filter(&at.field("typed_config"), config, options)?));
    }
    if let Some(dynamic) = &proto.dynamic_config {
        found.push(discovered(&at.field("dynamic_config"), dynamic, options)?);
    }
    if let Some(one) = &proto.filter_chain {
        found.push(Execute::Chain(chain(&at.field("filter_chain"), one, options)?));
    }
    if !proto.filter_chain_name.is_empty() {
        found.push(Execute::NamedChain(Arc::from(proto.filter_chain_name.as_str())));
    }
    let sample = proto.sample_percent.as_ref();
    let sample =
        sample.map(|one| matcher::decode::fraction_at(&at.field("sample_percent"), one, options)).transpose()?;
    match (found.pop(), found.pop()) {
        (Some(what), None) => Ok(ExecuteFilter { what, sample }),
        _ => {
            Err(at.reject("must have exactly one of typed_config, dynamic_config, filter_chain and filter_chain_name"))
        }
    }
}

fn discovered(at: &At<'_>, proto: &pb::DynamicConfig, options: &Options) -> Result<Execute, Rejection> {
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let at = at.field("config_discovery");
    let source = field_rules::required(&at, &proto.config_discovery)?;
    let discovery = options.nested(&at, || discovery::of_http(&at, &name, source, options))?;
    Ok(Execute::Discovered(name, discovery))
}

fn chain(at: &At<'_>, proto: &pb::FilterChainConfiguration, options: &Options) -> Result<Vec<NamedFilter>, Rejection> {
    let at = at.field("typed_config");
    field_rules::at_least_one(&at, &proto.typed_config)?;
    proto.typed_config.iter().enumerate().map(|(index, one)| filter(&at.index(index), one, options)).collect()
}

fn filter(at: &At<'_>, proto: &core::TypedExtensionConfig, options: &Options) -> Result<NamedFilter, Rejection> {
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    let config = options.nested(&at, || super::typed::http(&at, &name, &extension, options))?;
    Ok(NamedFilter { name, config })
}
