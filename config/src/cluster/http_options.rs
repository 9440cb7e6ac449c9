//! HTTP settings towards the endpoints: `HttpProtocolOptions`, else the cluster's deprecated fields. Called by
//! [`super::decode`].

use std::sync::Arc;

use super::{UpstreamHttp, UpstreamProtocol, http2};
use crate::extension;
use crate::field_rules;
use crate::hcm::{HeaderCase, upstream as upstream_filters};
use crate::matcher::{ResponsePredicate, predicate};
use crate::options::Options;
use crate::proto::extensions::http::header_formatters::preserve_case::v3::{
    PreserveCaseFormatterConfig, preserve_case_formatter_config,
};
use crate::proto::{self, cluster::v3 as pb, core::v3 as core, extensions::upstreams::http::v3 as upstream, uint32};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::route::{hash, mirror, retry};

/// What a cluster says about HTTP.
pub(super) struct Http {
    pub settings: UpstreamHttp,
    pub max_requests_per_connection: Option<u32>,
}

/// Reads both sources; the typed one wins.
pub(super) fn http(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Http, Rejection> {
    let at_options = at.field("typed_extension_protocol_options");
    let mut found = None;
    // Sorted, so that the same rejection is told each time.
    let mut entries: Vec<_> = proto.typed_extension_protocol_options.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    for (name, any) in entries {
        let at = at_options.key(name);
        let extension = extension::open(&at, any)?;
        match &*extension.type_name {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" => {
                found = Some(typed(&at, &extension.decode(&at, options)?, options)?);
            }
            other => return Err(registry::not_registered(&at, name, other)),
        }
    }
    match found {
        Some(found) => Ok(Http {
            max_requests_per_connection: found
                .max_requests_per_connection
                .or(uint32(&proto.max_requests_per_connection)),
            ..found
        }),
        None => deprecated(at, proto, options),
    }
}

fn typed(at: &At<'_>, proto: &upstream::HttpProtocolOptions, options: &Options) -> Result<Http, Rejection> {
    use upstream::http_protocol_options::UpstreamProtocolOptions as Choice;
    use upstream::http_protocol_options::explicit_http_config::ProtocolConfig;
    let (protocol, http1, http2) = match &proto.upstream_protocol_options {
        None => return Err(at.field("upstream_protocol_options").reject("is required; give explicit_http_config")),
        Some(Choice::ExplicitHttpConfig(explicit)) => match &explicit.protocol_config {
            None => {
                return Err(at
                    .field("explicit_http_config")
                    .reject("must give http_protocol_options or http2_protocol_options"));
            }
            Some(ProtocolConfig::HttpProtocolOptions(http1)) => (UpstreamProtocol::Http1, Some(http1), None),
            Some(ProtocolConfig::Http2ProtocolOptions(http2)) => (UpstreamProtocol::Http2, None, Some(http2)),
            Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                return Err(at
                    .field("explicit_http_config")
                    .field("http3_protocol_options")
                    .unsupported("HTTP/3 upstreams are not supported"));
            }
        },
        Some(Choice::UseDownstreamProtocolConfig(both)) => {
            (UpstreamProtocol::Downstream, both.http_protocol_options.as_ref(), both.http2_protocol_options.as_ref())
        }
        Some(Choice::AutoConfig(both)) => {
            (UpstreamProtocol::Auto, both.http_protocol_options.as_ref(), both.http2_protocol_options.as_ref())
        }
    };
    let common = proto.common_http_protocol_options.as_ref();
    let mut http = base(at, "common_http_protocol_options", common)?;
    http.settings.protocol = protocol;
    http.settings.http2 = http2.map(|http2| http2::settings(at, http2)).transpose()?.unwrap_or_default();
    http.settings.take_http1(&at.field("http_protocol_options"), http1, options)?;
    automatic_names(
        &at.field("upstream_http_protocol_options"),
        proto.upstream_http_protocol_options.as_ref(),
        &mut http.settings,
    )?;
    http.settings.filters = upstream_filters::chain(&at.field("http_filters"), &proto.http_filters, options)?;
    http.settings.mirrors =
        mirror::policies(&at.field("request_mirror_policies"), &proto.request_mirror_policies, options)?;
    http.settings.hash = hash::policies(&at.field("hash_policy"), &proto.hash_policy, options)?;
    let policy = proto.retry_policy.as_ref();
    let policy = policy.map(|policy| retry::policy(&at.field("retry_policy"), policy, options)).transpose()?;
    http.settings.retry = policy.map(Arc::new);
    http.settings.error_matcher = error_matcher(&at.field("outlier_detection"), proto)?;
    Ok(http)
}

/// Which answers outlier detection takes for errors.
fn error_matcher(
    at: &At<'_>,
    proto: &upstream::HttpProtocolOptions,
) -> Result<Option<Arc<ResponsePredicate>>, Rejection> {
    let Some(outlier) = &proto.outlier_detection else { return Ok(None) };
    let at = at.field("error_matcher");
    let matcher = field_rules::required(&at, &outlier.error_matcher)?;
    Ok(Some(Arc::new(predicate::decode(&at, matcher)?)))
}

fn deprecated(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<Http, Rejection> {
    use pb::cluster::ClusterProtocolSelection::{self, UseDownstreamProtocol};
    let mut http = base(at, "common_http_protocol_options", proto.common_http_protocol_options.as_ref())?;
    let selection: ClusterProtocolSelection =
        proto::defined(&at.field("protocol_selection"), proto.protocol_selection)?;
    if let Some(http2) = &proto.http2_protocol_options {
        http.settings.protocol = UpstreamProtocol::Http2;
        http.settings.http2 = http2::settings(&at.field("http2_protocol_options"), http2)?;
    }
    if selection == UseDownstreamProtocol {
        http.settings.protocol = UpstreamProtocol::Downstream;
    }
    http.settings.take_http1(&at.field("http_protocol_options"), proto.http_protocol_options.as_ref(), options)?;
    automatic_names(
        &at.field("upstream_http_protocol_options"),
        proto.upstream_http_protocol_options.as_ref(),
        &mut http.settings,
    )?;
    http.max_requests_per_connection = http.max_requests_per_connection.or(uint32(&proto.max_requests_per_connection));
    Ok(http)
}

/// `auto_sni` and `auto_san_validation`: which name a request's host demands.
fn automatic_names(
    at: &At<'_>,
    proto: Option<&core::UpstreamHttpProtocolOptions>,
    settings: &mut UpstreamHttp,
) -> Result<(), Rejection> {
    let Some(proto) = proto else { return Ok(()) };
    if !proto.override_auto_sni_header.is_empty() {
        return Err(at
            .field("override_auto_sni_header")
            .unsupported("is not supported; another name than asked would be sent and verified"));
    }
    settings.auto_sni = proto.auto_sni;
    settings.auto_san_validation = proto.auto_san_validation;
    Ok(())
}

fn base(at: &At<'_>, field: &str, common: Option<&core::HttpProtocolOptions>) -> Result<Http, Rejection> {
    let at = at.field(field);
    let unset = core::HttpProtocolOptions::default();
    let common = common.unwrap_or(&unset);
    let usual = UpstreamHttp::default();
    Ok(Http {
        settings: UpstreamHttp {
            idle_timeout: proto::timeout(&at.field("idle_timeout"), &common.idle_timeout, usual.idle_timeout)?,
            max_stream_duration: proto::timeout(&at.field("max_stream_duration"), &common.max_stream_duration, None)?,
            max_connection_duration: proto::timeout(
                &at.field("max_connection_duration"),
                &common.max_connection_duration,
                None,
            )?,
            max_headers_count: header_count(&at.field("max_headers_count"), &common.max_headers_count)?,
            max_response_headers: uint32(&common.max_response_headers_kb)
                .map(|kib| kibibytes(&at.field("max_response_headers_kb"), kib))
                .transpose()?,
            ..usual
        },
        max_requests_per_connection: uint32(&common.max_requests_per_connection).filter(|most| *most > 0),
    })
}

/// How many header lines a message may have; 100 when nothing is said.
pub(crate) fn header_count(at: &At<'_>, value: &Option<proto::wkt::UInt32Value>) -> Result<u32, Rejection> {
    let count = uint32(value).unwrap_or(100);
    if count == 0 { Err(at.reject("must be at least 1")) } else { Ok(count) }
}

/// The size of a message's headers in octets.
pub(crate) fn kibibytes(at: &At<'_>, kib: u32) -> Result<u32, Rejection> {
    field_rules::within(at, u64::from(kib), 1, 8192)?;
    Ok(kib * 1024)
}

impl UpstreamHttp {
    /// What is told of HTTP/1.
    fn take_http1(
        &mut self,
        at: &At<'_>,
        proto: Option<&core::Http1ProtocolOptions>,
        options: &Options,
    ) -> Result<(), Rejection> {
        let Some(http1) = proto else { return Ok(()) };
        self.header_case = header_case(at, http1, options)?;
        self.trailers = http1.enable_trailers;
        self.full_url = http1.send_fully_qualified_url;
        Ok(())
    }
}

/// How header names are spelt.
pub(crate) fn header_case(
    at: &At<'_>,
    proto: &core::Http1ProtocolOptions,
    options: &Options,
) -> Result<HeaderCase, Rejection> {
    use core::http1_protocol_options::header_key_format::HeaderFormat;
    use preserve_case_formatter_config::FormatterTypeOnEnvoyHeaders as OnOwn;
    let Some(format) = &proto.header_key_format else { return Ok(HeaderCase::Lower) };
    let at = at.field("header_key_format");
    match &format.header_format {
        None => Ok(HeaderCase::Lower),
        Some(HeaderFormat::ProperCaseWords(_)) => Ok(HeaderCase::Proper),
        Some(HeaderFormat::StatefulFormatter(formatter)) => {
            let at = at.field("stateful_formatter");
            let at = at.field("typed_config");
            let extension = extension::open_required(&at, &formatter.typed_config)?;
            if extension.type_name != registry::PRESERVE_CASE {
                return Err(registry::not_registered(&at, &formatter.name, &extension.type_name));
            }
            let config: PreserveCaseFormatterConfig = extension.decode(&at, options)?;
            let own = proto::defined::<OnOwn>(
                &at.field("formatter_type_on_envoy_headers"),
                config.formatter_type_on_envoy_headers,
            )?;
            Ok(HeaderCase::Preserve { reason: config.forward_reason_phrase, own_proper: own == OnOwn::ProperCase })
        }
    }
}
