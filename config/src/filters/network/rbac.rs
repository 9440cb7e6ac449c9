//! `envoy.extensions.filters.network.rbac.v3.RBAC`. Called by the list of network filters.

use std::sync::Arc;
use std::time::Duration;

use crate::extension::Extension;
use crate::field_rules;
use crate::match_tree::Place;
use crate::options::Options;
use crate::proto::{self, extensions::filters::network::rbac::v3 as pb};
use crate::rbac::{self, engine};
use crate::rejection::{At, Rejection};

/// The filter.
#[derive(Debug, Clone)]
pub struct Rbac {
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
    /// What decides.
    pub rbac: rbac::Rbac,
    /// `delay_deny`: before a connection that is denied is closed; `None`: at once.
    pub delay_deny: Option<Duration>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Rbac, Rejection> {
    let proto: pb::Rbac = extension.decode(at, options)?;
    proto::defined::<pb::rbac::EnforcementType>(&at.field("enforcement_type"), proto.enforcement_type)?;
    let (rules, tree) = (at.field("rules"), at.field("matcher"));
    let (shadow_rules, shadow_tree) = (at.field("shadow_rules"), at.field("shadow_matcher"));
    let place = Place::Network;
    Ok(Rbac {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        rbac: rbac::Rbac {
            rules: engine((&rules, &proto.rules), (&tree, &proto.matcher), place, options)?,
            rules_stat_prefix: Arc::from(""),
            shadow: engine(
                (&shadow_rules, &proto.shadow_rules),
                (&shadow_tree, &proto.shadow_matcher),
                place,
                options,
            )?,
            shadow_stat_prefix: Arc::from(proto.shadow_rules_stat_prefix.as_str()),
            track_per_rule_stats: false,
        },
        delay_deny: proto::timeout(&at.field("delay_deny"), &proto.delay_deny, None)?,
    })
}
