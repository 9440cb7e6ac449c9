//! `envoy.extensions.common.matching.v3.ExtensionWithMatcher`: a filter that a tree of conditions skips, or tells what to do. Called by
//! the list of filters.

use std::sync::Arc;

use super::HttpFilterConfig;
use super::composite::{self, ExecuteFilter};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::match_tree::{self, Matcher, Place};
use crate::options::Options;
use crate::proto::{core::v3 as core, extensions::common::matching::v3 as pb};
use crate::registry;
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone)]
pub struct MatchDelegate {
    /// `extension_config.name`.
    pub name: Arc<str>,
    /// `extension_config`.
    pub filter: HttpFilterConfig,
    /// `xds_matcher`, or the deprecated `matcher`; `None`: the filter is skipped, unless a route has a tree.
    pub matcher: Option<Matcher<DelegateAction>>,
    /// It was `matcher`.
    pub deprecated: bool,
}

/// What a tree says of the filter.
#[derive(Debug, Clone)]
pub enum DelegateAction {
    /// It does not see the request.
    Skip,
    /// A composite filter becomes this.
    Execute(Arc<ExecuteFilter>),
}

/// `ExtensionWithMatcherPerRoute`.
#[derive(Debug, Clone)]
pub struct MatchDelegatePerRoute {
    /// `xds_matcher`, in place of the filter's; `None`: the filter is not skipped.
    pub matcher: Option<Matcher<DelegateAction>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<MatchDelegate, Rejection> {
    let proto: pb::ExtensionWithMatcher = extension.decode(at, options)?;
    let read = |at: &At<'_>, one: &core::TypedExtensionConfig| action(at, one, options);
    let matcher = match (&proto.xds_matcher, &proto.matcher) {
        (Some(_), Some(_)) => {
            return Err(at.field("matcher").reject("may not stand beside xds_matcher; take it out"));
        }
        (Some(tree), None) => Some(match_tree::xds(&at.field("xds_matcher"), tree, Place::Http, options, &read)?),
        (None, Some(tree)) => Some(match_tree::matcher(&at.field("matcher"), tree, Place::Http, options, &read)?),
        (None, None) => None,
    };
    let at = at.field("extension_config");
    let config = field_rules::required(&at, &proto.extension_config)?;
    let name = field_rules::not_empty(&at.field("name"), &config.name)?;
    let at = at.field("typed_config");
    let inner = extension::open_required(&at, &config.typed_config)?;
    let filter = options.nested(&at, || super::typed::http(&at, &name, &inner, options))?;
    Ok(MatchDelegate { name, filter, matcher, deprecated: proto.matcher.is_some() })
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<MatchDelegatePerRoute, Rejection> {
    let proto: pb::ExtensionWithMatcherPerRoute = extension.decode(at, options)?;
    let read = |at: &At<'_>, one: &core::TypedExtensionConfig| action(at, one, options);
    let matcher = proto.xds_matcher.as_ref();
    Ok(MatchDelegatePerRoute {
        matcher: matcher
            .map(|tree| match_tree::xds(&at.field("xds_matcher"), tree, Place::Http, options, &read))
            .transpose()?,
    })
}

fn action(at: &At<'_>, proto: &core::TypedExtensionConfig, options: &Options) -> Result<DelegateAction, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    match &*extension.type_name {
        "envoy.extensions.filters.common.matcher.action.v3.SkipFilter" => Ok(DelegateAction::Skip),
        composite::EXECUTE => Ok(DelegateAction::Execute(Arc::new(composite::execute(&at, &extension, options)?))),
        other => Err(registry::not_registered(&at, &proto.name, other)),
    }
}
