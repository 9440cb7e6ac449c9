//! `envoy.extensions.filters.http.rbac.v3.RBAC` and what routes set of it. Called by the list of filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::match_tree::Place;
use crate::options::Options;
use crate::proto::extensions::filters::http::rbac::v3 as pb;
use crate::rbac::{self, engine};
use crate::rejection::{At, Rejection};

pub use rbac::Rbac;

/// `RBACPerRoute`.
#[derive(Debug, Clone)]
pub struct RbacPerRoute {
    /// `rbac`, in place of the filter's; without it nothing is judged.
    pub rbac: Rbac,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Rbac, Rejection> {
    read(at, &extension.decode(at, options)?, options)
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<RbacPerRoute, Rejection> {
    let proto: pb::RbacPerRoute = extension.decode(at, options)?;
    let Some(rbac) = &proto.rbac else { return Ok(RbacPerRoute { rbac: Rbac::default() }) };
    let at = at.field("rbac");
    Ok(RbacPerRoute { rbac: read(&at, rbac, options)? })
}

fn read(at: &At<'_>, proto: &pb::Rbac, options: &Options) -> Result<Rbac, Rejection> {
    let (rules, tree) = (at.field("rules"), at.field("matcher"));
    let (shadow_rules, shadow_tree) = (at.field("shadow_rules"), at.field("shadow_matcher"));
    Ok(Rbac {
        rules: engine((&rules, &proto.rules), (&tree, &proto.matcher), Place::Rbac, options)?,
        rules_stat_prefix: Arc::from(proto.rules_stat_prefix.as_str()),
        shadow: engine(
            (&shadow_rules, &proto.shadow_rules),
            (&shadow_tree, &proto.shadow_matcher),
            Place::Rbac,
            options,
        )?,
        shadow_stat_prefix: Arc::from(proto.shadow_rules_stat_prefix.as_str()),
        track_per_rule_stats: proto.track_per_rule_stats,
    })
}
