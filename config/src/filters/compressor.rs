//! `envoy.extensions.filters.http.compressor.v3.Compressor`. Called by the list of filters.

use super::compression::{self, Compression};
use crate::extension::Extension;
use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::options::Options;
use crate::proto::{extensions::filters::http::compressor::v3 as pb, uint32};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// The filter.
#[derive(Debug, Clone)]
pub struct Compressor {
    /// `compressor_library`.
    pub library: Compression,
    /// `choose_first`: this one where a client likes several of the chain alike.
    pub choose_first: bool,
    /// `request_direction_config`; `None`: requests are not compressed.
    pub request: Option<Direction>,
    /// `response_direction_config`, else the deprecated fields.
    pub response: Response,
}

/// `CommonDirectionConfig`.
#[derive(Debug, Clone)]
pub struct Direction {
    /// `enabled`.
    pub enabled: Live<bool>,
    /// `min_content_length`; 30 where it is not set, or 0.
    pub min_content_length: u32,
    /// `content_type_matcher`, else `content_type`, else Envoy's own list: any of.
    pub content_types: Vec<StringMatcher>,
}

/// `ResponseDirectionConfig`.
#[derive(Debug, Clone)]
pub struct Response {
    /// `common_config`.
    pub common: Direction,
    /// The statistics stand below `response.`.
    pub own_statistics: bool,
    /// `disable_on_etag_header`.
    pub disable_on_etag: bool,
    /// `weaken_etag_on_compress`.
    pub weaken_etag: bool,
    /// `remove_accept_encoding_header`.
    pub remove_accept_encoding: bool,
    /// `uncompressible_response_codes`.
    pub uncompressible_statuses: Vec<u16>,
    /// `status_header_enabled`: `x-envoy-compression-status` says what was done.
    pub status_header: bool,
}

/// `CompressorPerRoute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompressorPerRoute {
    /// `disabled`: responses are not compressed.
    Disabled,
    /// `overrides`.
    Overrides {
        /// `response_direction_config` is given: responses are compressed here, whatever the filter says.
        response: bool,
        /// `response_direction_config.remove_accept_encoding_header`.
        remove_accept_encoding: Option<bool>,
        /// `compressor_library`.
        library: Option<Compression>,
    },
}

/// What Envoy compresses when no type is named.
const CONTENT_TYPES: [&str; 9] = [
    "application/javascript",
    "application/json",
    "application/xhtml+xml",
    "application/xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/plain",
    "text/xml",
];

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Compressor, Rejection> {
    let proto: pb::Compressor = extension.decode(at, options)?;
    let at_library = at.field("compressor_library");
    let library = field_rules::required(&at_library, &proto.compressor_library)?;
    let at_request = at.field("request_direction_config");
    let request = proto.request_direction_config.as_ref();
    Ok(Compressor {
        library: compression::compressor(&at_library, library, options)?,
        choose_first: proto.choose_first,
        request: request
            .map(|one| {
                let unset = pb::compressor::CommonDirectionConfig::default();
                let common = one.common_config.as_ref().unwrap_or(&unset);
                direction(&at_request.field("common_config"), common, options)
            })
            .transpose()?,
        response: match &proto.response_direction_config {
            Some(one) => {
                note_overridden(at, &proto, options);
                response(&at.field("response_direction_config"), one, options)?
            }
            None => deprecated(at, &proto, options)?,
        },
    })
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<CompressorPerRoute, Rejection> {
    use pb::compressor_per_route::Override;
    let proto: pb::CompressorPerRoute = extension.decode(at, options)?;
    match &proto.r#override {
        None => Err(at.reject("says nothing; give disabled or overrides")),
        Some(Override::Disabled(disabled)) => {
            field_rules::only_true(&at.field("disabled"), *disabled)?;
            Ok(CompressorPerRoute::Disabled)
        }
        Some(Override::Overrides(overrides)) => {
            let at = at.field("overrides");
            let response = overrides.response_direction_config.as_ref();
            let remove = response.and_then(|one| one.remove_accept_encoding_header.as_ref());
            let library = overrides.compressor_library.as_ref();
            Ok(CompressorPerRoute::Overrides {
                response: response.is_some(),
                remove_accept_encoding: remove.map(|value| value.value),
                library: library
                    .map(|one| compression::compressor(&at.field("compressor_library"), one, options))
                    .transpose()?,
            })
        }
    }
}

fn direction(
    at: &At<'_>,
    proto: &pb::compressor::CommonDirectionConfig,
    options: &Options,
) -> Result<Direction, Rejection> {
    let matchers = matcher::decode::strings(&at.field("content_type_matcher"), &proto.content_type_matcher)?;
    // As in Envoy: matchers stand for any list, and a list for Envoy's own.
    let content_types = match &proto.content_type[..] {
        _ if !matchers.is_empty() => matchers,
        [] => CONTENT_TYPES.into_iter().map(exactly).collect(),
        named => named.iter().map(|name| exactly(name)).collect(),
    };
    Ok(Direction {
        enabled: field_rules::feature_flag(&at.field("enabled"), &proto.enabled, true, options)?,
        min_content_length: uint32(&proto.min_content_length).filter(|least| *least > 0).unwrap_or(30),
        content_types,
    })
}

fn exactly(content_type: &str) -> StringMatcher {
    StringMatcher::Exact { value: content_type.to_ascii_lowercase().into(), ignore_case: true }
}

fn response(
    at: &At<'_>,
    proto: &pb::compressor::ResponseDirectionConfig,
    options: &Options,
) -> Result<Response, Rejection> {
    let unset = pb::compressor::CommonDirectionConfig::default();
    let common = proto.common_config.as_ref().unwrap_or(&unset);
    let at_statuses = at.field("uncompressible_response_codes");
    let mut statuses = Vec::with_capacity(proto.uncompressible_response_codes.len());
    for (index, status) in proto.uncompressible_response_codes.iter().enumerate() {
        let at = at_statuses.index(index);
        field_rules::within(&at, u64::from(*status), 200, 599)?;
        // Within 200 to 599 by the test above.
        let status = *status as u16;
        if statuses.contains(&status) {
            return Err(at.reject(format!("{status} stands there twice; take one out")));
        }
        statuses.push(status);
    }
    Ok(Response {
        common: direction(&at.field("common_config"), common, options)?,
        own_statistics: true,
        disable_on_etag: proto.disable_on_etag_header,
        weaken_etag: proto.weaken_etag_on_compress,
        remove_accept_encoding: proto.remove_accept_encoding_header,
        uncompressible_statuses: statuses,
        status_header: proto.status_header_enabled,
    })
}

/// The fields from before there were directions.
fn deprecated(at: &At<'_>, proto: &pb::Compressor, options: &Options) -> Result<Response, Rejection> {
    let common = pb::compressor::CommonDirectionConfig {
        // Read below, where it stands.
        enabled: None,
        min_content_length: proto.content_length,
        content_type: proto.content_type.clone(),
        content_type_matcher: Vec::new(),
    };
    let mut common = direction(at, &common, options)?;
    common.enabled = field_rules::feature_flag(&at.field("runtime_enabled"), &proto.runtime_enabled, true, options)?;
    Ok(Response {
        common,
        own_statistics: false,
        disable_on_etag: proto.disable_on_etag_header,
        weaken_etag: false,
        remove_accept_encoding: proto.remove_accept_encoding_header,
        uncompressible_statuses: Vec::new(),
        status_header: false,
    })
}

fn note_overridden(at: &At<'_>, proto: &pb::Compressor, options: &Options) {
    for (field, set) in [
        ("content_length", proto.content_length.is_some()),
        ("content_type", !proto.content_type.is_empty()),
        ("disable_on_etag_header", proto.disable_on_etag_header),
        ("remove_accept_encoding_header", proto.remove_accept_encoding_header),
        ("runtime_enabled", proto.runtime_enabled.is_some()),
    ] {
        if set {
            options.note(&at.field(field), "says nothing beside response_direction_config");
        }
    }
}
