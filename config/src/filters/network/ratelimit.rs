//! `envoy.extensions.filters.network.ratelimit.v3.RateLimit`. Called by the list of network filters.

use std::sync::Arc;

use crate::access_log::{self, Format};
use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{extensions::common::ratelimit::v3 as common, extensions::filters::network::ratelimit::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::services::{GrpcService, ratelimit as service};

/// The filter.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
    /// `domain`.
    pub domain: Arc<str>,
    /// `descriptors`.
    pub descriptors: Vec<Descriptor>,
    /// `failure_mode_deny`: connections are closed where there is no answer.
    pub deny_on_failure: bool,
    /// `rate_limit_service`, with `timeout` (default 20 ms).
    pub service: Arc<GrpcService>,
}

/// `RateLimitDescriptor`. As with Envoy the service hears of nothing else in it.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// Keys, and what their values are made of.
    pub entries: Vec<(Arc<str>, Format)>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<RateLimit, Rejection> {
    let proto: pb::RateLimit = extension.decode(at, options)?;
    let timeout = service::timeout(&at.field("timeout"), &proto.timeout)?;
    let at_descriptors = at.field("descriptors");
    field_rules::at_least_one(&at_descriptors, &proto.descriptors)?;
    let descriptors = proto.descriptors.iter().enumerate();
    Ok(RateLimit {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        domain: field_rules::not_empty(&at.field("domain"), &proto.domain)?,
        descriptors: descriptors
            .map(|(index, one)| descriptor(&at_descriptors.index(index), one))
            .collect::<Result<_, _>>()?,
        deny_on_failure: proto.failure_mode_deny,
        service: Arc::new(service::service(
            &at.field("rate_limit_service"),
            &proto.rate_limit_service,
            timeout,
            options,
        )?),
    })
}

fn descriptor(at: &At<'_>, proto: &common::RateLimitDescriptor) -> Result<Descriptor, Rejection> {
    let at_entries = at.field("entries");
    field_rules::at_least_one(&at_entries, &proto.entries)?;
    let entry = |(index, one): (usize, &common::rate_limit_descriptor::Entry)| {
        let at = at_entries.index(index);
        let value = access_log::decode::text_format(&at.field("value"), &one.value)?;
        Ok::<_, Rejection>((field_rules::not_empty(&at.field("key"), &one.key)?, value))
    };
    Ok(Descriptor { entries: proto.entries.iter().enumerate().map(entry).collect::<Result<_, _>>()? })
}
