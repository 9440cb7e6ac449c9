//! `envoy.extensions.filters.http.csrf.v3.CsrfPolicy`, which a chain and its routes hold alike. Called by the list of filters.

use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, Fraction, StringMatcher};
use crate::options::Options;
use crate::proto::extensions::filters::http::csrf::v3 as pb;
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// `CsrfPolicy`.
#[derive(Debug, Clone)]
pub struct Csrf {
    /// `filter_enabled`.
    pub enabled: Live<Fraction>,
    /// `shadow_enabled`: requests are judged and counted, and pass, where the filter is not enabled.
    pub shadow: Option<Live<Fraction>>,
    /// `additional_origins`: any of, beside the destination's own.
    pub additional_origins: Vec<StringMatcher>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Csrf, Rejection> {
    let proto: pb::CsrfPolicy = extension.decode(at, options)?;
    let at_enabled = at.field("filter_enabled");
    let enabled = field_rules::required(&at_enabled, &proto.filter_enabled)?;
    let shadow = proto.shadow_enabled.as_ref();
    Ok(Csrf {
        enabled: matcher::decode::fraction_at(&at_enabled, enabled, options)?,
        shadow: shadow
            .map(|one| matcher::decode::fraction_at(&at.field("shadow_enabled"), one, options))
            .transpose()?,
        additional_origins: matcher::decode::strings(&at.field("additional_origins"), &proto.additional_origins)?,
    })
}

pub(super) use decode as scoped;
