//! `envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit`. Called by the list of network filters.

use std::sync::Arc;

use crate::extension::Extension;
use crate::field_rules;
use crate::filters::token_bucket::{TokenBucket, token_bucket};
use crate::options::Options;
use crate::proto::{self, extensions::filters::network::local_ratelimit::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRateLimit {
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
    /// `token_bucket`: a token a connection.
    pub bucket: TokenBucket,
    /// `runtime_enabled`, default true.
    pub enabled: Live<bool>,
    /// `share_key`: filters with the same one share a bucket.
    pub share_key: Option<Arc<str>>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<LocalRateLimit, Rejection> {
    let proto: pb::LocalRateLimit = extension.decode(at, options)?;
    let at_bucket = at.field("token_bucket");
    Ok(LocalRateLimit {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        bucket: token_bucket(&at_bucket, field_rules::required(&at_bucket, &proto.token_bucket)?)?,
        enabled: field_rules::feature_flag(&at.field("runtime_enabled"), &proto.runtime_enabled, true, options)?,
        share_key: proto::text(&proto.share_key),
    })
}
