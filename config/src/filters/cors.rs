//! `envoy.extensions.filters.http.cors.v3.Cors` and the policies that routes give it. Called by the list of filters.

use std::sync::Arc;

use super::{ScopedConfig, ScopedFilter};
use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, Fraction, StringMatcher};
use crate::options::Options;
use crate::proto::route::v3::{self as route, cors_policy::EnabledSpecifier::FilterEnabled};
use crate::proto::{self, extensions::filters::http::cors::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// The filter has no settings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cors {}

/// `CorsPolicy`.
#[derive(Debug, Clone)]
pub struct CorsPolicy {
    /// `allow_origin_string_match`: any of.
    pub allow_origin: Vec<StringMatcher>,
    /// `allow_methods`; unset: the header is not sent.
    pub allow_methods: Option<Arc<str>>,
    /// `allow_headers`.
    pub allow_headers: Option<Arc<str>>,
    /// `expose_headers`.
    pub expose_headers: Option<Arc<str>>,
    /// `max_age`.
    pub max_age: Option<Arc<str>>,
    /// `allow_credentials`; unset says nothing, so that a less specific policy may.
    pub allow_credentials: Option<bool>,
    /// `filter_enabled`; unset is always.
    pub enabled: Option<Live<Fraction>>,
    /// `shadow_enabled`: origins are counted and nothing is enforced, where the filter is not enabled.
    pub shadow: Option<Live<Fraction>>,
    /// `allow_private_network_access`.
    pub allow_private_network: Option<bool>,
    /// `forward_not_matching_preflights`; default true.
    pub forward_not_matching_preflights: Option<bool>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Cors, Rejection> {
    let pb::Cors {} = extension.decode(at, options)?;
    Ok(Cors {})
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<CorsPolicy, Rejection> {
    policy(at, &extension.decode(at, options)?, options)
}

/// Under this name a level's own `cors` stands beside what it tells filters by theirs. No filter has it.
pub const OF_LEVEL: &str = "";

/// The `cors` of a route or host: heard by cors filters that no level tells anything by their names.
pub(crate) fn of_level(
    at: &At<'_>,
    proto: &Option<route::CorsPolicy>,
    options: &Options,
) -> Result<Option<(Arc<str>, ScopedFilter)>, Rejection> {
    let Some(proto) = proto.clone() else { return Ok(None) };
    let policy = policy(
        &at.field("cors"),
        &pb::CorsPolicy {
            allow_origin_string_match: proto.allow_origin_string_match,
            allow_methods: proto.allow_methods,
            allow_headers: proto.allow_headers,
            expose_headers: proto.expose_headers,
            max_age: proto.max_age,
            allow_credentials: proto.allow_credentials,
            filter_enabled: proto.enabled_specifier.map(|FilterEnabled(share)| share),
            shadow_enabled: proto.shadow_enabled,
            allow_private_network_access: proto.allow_private_network_access,
            forward_not_matching_preflights: proto.forward_not_matching_preflights,
        },
        options,
    )?;
    let config = Some(ScopedConfig::Cors(policy.into()));
    Ok(Some((Arc::from(OF_LEVEL), ScopedFilter { disabled: false, config })))
}

fn policy(at: &At<'_>, proto: &pb::CorsPolicy, options: &Options) -> Result<CorsPolicy, Rejection> {
    let value = |field: &str, text: &str| {
        field_rules::header_value(&at.field(field), text)?;
        Ok::<_, Rejection>(proto::text(text))
    };
    let fraction = |field: &str, value: &Option<_>| {
        value.as_ref().map(|one| matcher::decode::fraction_at(&at.field(field), one, options)).transpose()
    };
    let flag = |value: &Option<proto::wkt::BoolValue>| value.as_ref().map(|value| value.value);
    Ok(CorsPolicy {
        allow_origin: matcher::decode::strings(
            &at.field("allow_origin_string_match"),
            &proto.allow_origin_string_match,
        )?,
        allow_methods: value("allow_methods", &proto.allow_methods)?,
        allow_headers: value("allow_headers", &proto.allow_headers)?,
        expose_headers: value("expose_headers", &proto.expose_headers)?,
        max_age: value("max_age", &proto.max_age)?,
        allow_credentials: flag(&proto.allow_credentials),
        enabled: fraction("filter_enabled", &proto.filter_enabled)?,
        shadow: fraction("shadow_enabled", &proto.shadow_enabled)?,
        allow_private_network: flag(&proto.allow_private_network_access),
        forward_not_matching_preflights: flag(&proto.forward_not_matching_preflights),
    })
}
