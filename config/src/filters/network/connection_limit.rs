//! `envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit`. Called by the list of network filters.

use std::sync::Arc;
use std::time::Duration;

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, extensions::filters::network::connection_limit::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
    /// `max_connections` of this chain at once.
    pub max_connections: u64,
    /// `delay` before one too many is closed; `None`: at once.
    pub delay: Option<Duration>,
    /// `runtime_enabled`, default true.
    pub enabled: Live<bool>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ConnectionLimit, Rejection> {
    let proto: pb::ConnectionLimit = extension.decode(at, options)?;
    let at_most = at.field("max_connections");
    let most = field_rules::required(&at_most, &proto.max_connections)?;
    Ok(ConnectionLimit {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        max_connections: most.value,
        delay: proto::timeout(&at.field("delay"), &proto.delay, None)?,
        enabled: field_rules::feature_flag(&at.field("runtime_enabled"), &proto.runtime_enabled, true, options)?,
    })
}
