//! `envoy.extensions.filters.http.decompressor.v3.Decompressor`. Called by the list of filters.

use super::compression::{self, Decompression};
use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{bool_or, extensions::filters::http::decompressor::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// The filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decompressor {
    /// `decompressor_library`.
    pub library: Decompression,
    /// `request_direction_config`.
    pub request: Direction,
    /// `request_direction_config.advertise_accept_encoding`; default true.
    pub advertise: bool,
    /// `response_direction_config`.
    pub response: Direction,
}

/// `CommonDirectionConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direction {
    /// `enabled`, default true.
    pub enabled: Live<bool>,
    /// `ignore_no_transform_header`: also bodies whose `cache-control` says no-transform.
    pub ignore_no_transform: bool,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Decompressor, Rejection> {
    let proto: pb::Decompressor = extension.decode(at, options)?;
    let at_library = at.field("decompressor_library");
    let library = field_rules::required(&at_library, &proto.decompressor_library)?;
    let request = proto.request_direction_config.as_ref();
    let response = proto.response_direction_config.as_ref();
    let common = |field: &str, one: Option<&pb::decompressor::CommonDirectionConfig>| {
        direction(&at.field(field).field("common_config"), one, options)
    };
    Ok(Decompressor {
        library: compression::decompressor(&at_library, library, options)?,
        request: common("request_direction_config", request.and_then(|one| one.common_config.as_ref()))?,
        advertise: request.is_none_or(|one| bool_or(&one.advertise_accept_encoding, true)),
        response: common("response_direction_config", response.and_then(|one| one.common_config.as_ref()))?,
    })
}

fn direction(
    at: &At<'_>,
    proto: Option<&pb::decompressor::CommonDirectionConfig>,
    options: &Options,
) -> Result<Direction, Rejection> {
    let Some(proto) = proto else { return Ok(Direction { enabled: true.into(), ignore_no_transform: false }) };
    Ok(Direction {
        enabled: field_rules::feature_flag(&at.field("enabled"), &proto.enabled, true, options)?,
        ignore_no_transform: proto.ignore_no_transform_header,
    })
}
