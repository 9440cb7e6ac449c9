//! `HttpConnectionManager` to plain data. Called for the last filter of a chain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{
    CodecType, EscapedSlashes, Http1Settings, HttpConnectionManager, RouteSource, ServerHeader, StripHostPort,
    Underscores, client_cert, filters, heads, local_reply, original_ip,
};
use crate::access_log::{self, Early};
use crate::address;
use crate::cluster::{http_options, http2};
use crate::extension;
use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::options::Options;
use crate::proto::{
    self, bool_or, core::v3 as core, extensions::filters::network::http_connection_manager::v3 as pb,
    extensions::request_id::uuid::v3::UuidRequestIdConfig, uint32,
};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::route::{self, Upgrade};
use crate::runtime::REJECT_FRAGMENT;
use crate::tracing;

const HOUR: Duration = Duration::from_secs(3600);

/// A connection manager.
pub(crate) fn http_connection_manager(
    at: &At<'_>,
    proto: &pb::HttpConnectionManager,
    options: &Options,
) -> Result<HttpConnectionManager, Rejection> {
    let unset = core::HttpProtocolOptions::default();
    let common = proto.common_http_protocol_options.as_ref().unwrap_or(&unset);
    let at_common = at.field("common_http_protocol_options");
    if common.max_response_headers_kb.is_some() {
        return Err(at_common.field("max_response_headers_kb").reject("cannot be set here; it belongs to a cluster"));
    }
    let chain = filters::chain(&at.field("http_filters"), &proto.http_filters, options)?;
    let request_id = request_id(&at.field("request_id_extension"), proto.request_id_extension.as_ref(), options)?;
    let request_id = request_id.unwrap_or_default();
    let http2 = proto.http2_protocol_options.as_ref();
    let timeout = |field: &str, value, default| proto::timeout(&at.field(field), value, default);
    let stream_idle_timeout =
        timeout("stream_idle_timeout", &proto.stream_idle_timeout, Some(Duration::from_secs(300)))?;
    Ok(HttpConnectionManager {
        stat_prefix: field_rules::not_empty(&at.field("stat_prefix"), &proto.stat_prefix)?,
        codec: codec(&at.field("codec_type"), proto.codec_type)?,
        routes: routes(at, proto, options)?,
        filters: chain.filters,
        router: chain.router,
        use_remote_address: bool_or(&proto.use_remote_address, false),
        xff_num_trusted_hops: proto.xff_num_trusted_hops,
        skip_xff_append: proto.skip_xff_append,
        internal_ranges: match &proto.internal_address_config {
            None => Vec::new(),
            Some(config) => {
                address::decode::cidrs(&at.field("internal_address_config").field("cidr_ranges"), &config.cidr_ranges)?
            }
        },
        generate_request_id: bool_or(&proto.generate_request_id, true),
        preserve_external_request_id: proto.preserve_external_request_id,
        request_id_in_response: proto.always_set_request_id_in_response,
        request_id_packs_trace_reason: bool_or(&request_id.pack_trace_reason, true),
        request_id_samples: bool_or(&request_id.use_request_id_for_trace_sampling, true),
        server_name: server_name(&at.field("server_name"), &proto.server_name)?,
        server_header: server_header(&at.field("server_header_transformation"), proto.server_header_transformation)?,
        forward_client_cert: client_cert::mode(
            &at.field("forward_client_cert_details"),
            proto.forward_client_cert_details,
        )?,
        client_cert_details: client_cert::details(
            &at.field("set_current_client_cert_details"),
            proto.set_current_client_cert_details.as_ref(),
        )?,
        client_cert_matcher: client_cert::matcher(at, proto.forward_client_cert_matcher.as_ref(), options)?,
        proxy_100_continue: proto.proxy_100_continue,
        normalize_path: bool_or(&proto.normalize_path, false),
        merge_slashes: proto.merge_slashes,
        escaped_slashes: escaped_slashes(
            &at.field("path_with_escaped_slashes_action"),
            proto.path_with_escaped_slashes_action,
        )?,
        strip_host_port: strip_host_port(at, proto)?,
        strip_trailing_host_dot: proto.strip_trailing_host_dot,
        append_x_forwarded_port: proto.append_x_forwarded_port,
        append_local_overload: proto.append_local_overload,
        tells_connection: bool_or(&proto.add_proxy_protocol_connection_state, true),
        upgrades: upgrades(&at.field("upgrade_configs"), &proto.upgrade_configs)?,
        upgrade_filters: filters::of_upgrades(at, proto, options)?,
        http1: http1(&at.field("http_protocol_options"), proto.http_protocol_options.as_ref(), options)?,
        default_host: proto
            .http_protocol_options
            .as_ref()
            .and_then(|http1| proto::text(&http1.default_host_for_http_10).filter(|_| http1.accept_http_10)),
        ignored_upgrades: ignored_upgrades(&at.field("http_protocol_options"), proto.http_protocol_options.as_ref())?,
        keeps_after_400: {
            let http1 = proto.http_protocol_options.as_ref();
            let of_http1 = http1.and_then(|http1| http1.override_stream_error_on_invalid_http_message);
            of_http1.or(proto.stream_error_on_invalid_http_message).is_some_and(|keeps| keeps.value)
        },
        http2: http2
            .map(|http2| http2::settings(&at.field("http2_protocol_options"), http2))
            .transpose()?
            .unwrap_or_default(),
        idle_timeout: proto::timeout(&at_common.field("idle_timeout"), &common.idle_timeout, Some(HOUR))?,
        max_connection_duration: proto::timeout(
            &at_common.field("max_connection_duration"),
            &common.max_connection_duration,
            None,
        )?,
        max_requests_per_connection: uint32(&common.max_requests_per_connection).filter(|most| *most > 0),
        max_headers_count: http_options::header_count(
            &at_common.field("max_headers_count"),
            &common.max_headers_count,
        )?,
        max_request_headers: http_options::kibibytes(
            &at.field("max_request_headers_kb"),
            uint32(&proto.max_request_headers_kb).unwrap_or(60),
        )?,
        underscores: underscores(
            &at_common.field("headers_with_underscores_action"),
            common.headers_with_underscores_action,
        )?,
        stream_idle_timeout,
        stream_flush_timeout: timeout("stream_flush_timeout", &proto.stream_flush_timeout, stream_idle_timeout)?,
        max_stream_duration: proto::timeout(
            &at_common.field("max_stream_duration"),
            &common.max_stream_duration,
            None,
        )?,
        request_timeout: timeout("request_timeout", &proto.request_timeout, None)?,
        request_headers_timeout: timeout("request_headers_timeout", &proto.request_headers_timeout, None)?,
        drain_timeout: proto::duration(&at.field("drain_timeout"), &proto.drain_timeout)?
            .unwrap_or(Duration::from_secs(5)),
        delayed_close_timeout: timeout(
            "delayed_close_timeout",
            &proto.delayed_close_timeout,
            Some(Duration::from_secs(1)),
        )?,
        via: via(&at.field("via"), &proto.via)?,
        tracing: match &proto.tracing {
            None => None,
            Some(one) => Some(tracing::decode::tracing(&at.field("tracing"), one, options)?),
        },
        reject_fragment: options.runtime.live(REJECT_FRAGMENT, options.reject_fragment),
        access_log: access_log::decode::access_logs(&at.field("access_log"), &proto.access_log, options)?,
        early_log: early_log(at, proto)?,
        local_replies: match &proto.local_reply_config {
            None => None,
            Some(one) => Some(local_reply::local_replies(&at.field("local_reply_config"), one, options)?),
        },
        proxy_status: heads::proxy_status(&at.field("proxy_status_config"), proto, options)?,
        scheme: heads::scheme(&at.field("scheme_header_transformation"), proto.scheme_header_transformation.as_ref())?,
        user_agent: heads::user_agent(proto, options),
        forward_proto: heads::forward_proto(proto.forward_proto_config.as_ref()),
        original_ip: original_ip::detection(&at.field("original_ip_detection_extensions"), proto, options)?,
        early_headers: heads::early(
            &at.field("early_header_mutation_extensions"),
            &proto.early_header_mutation_extensions,
            options,
        )?,
        duration_jitter: field_rules::share(
            &at_common.field("max_connection_duration_jitter"),
            &common.max_connection_duration_jitter,
        )?,
        drain_jitter: field_rules::share(&at.field("drain_timeout_jitter"), &proto.drain_timeout_jitter)?,
        safe_max_duration: proto.http1_safe_max_connection_duration,
    })
}

#[allow(deprecated)] // What stood in the place of `access_log_options`.
fn early_log(at: &At<'_>, proto: &pb::HttpConnectionManager) -> Result<Early, Rejection> {
    let (at_flush, at_interval) = (at.field("flush_access_log_on_new_request"), at.field("access_log_flush_interval"));
    let Some(chosen) = &proto.access_log_options else {
        let interval = proto::duration(&at_interval, &proto.access_log_flush_interval)?;
        return Ok(Early { at_start: proto.flush_access_log_on_new_request, at_success: false, interval });
    };
    access_log::decode::not_twice(&at_flush, proto.flush_access_log_on_new_request)?;
    access_log::decode::not_twice(&at_interval, proto.access_log_flush_interval.is_some())?;
    let at = at.field("access_log_options");
    Ok(Early {
        at_start: chosen.flush_access_log_on_new_request,
        at_success: chosen.flush_log_on_tunnel_successfully_established,
        interval: proto::duration(&at.field("access_log_flush_interval"), &chosen.access_log_flush_interval)?,
    })
}

fn codec(at: &At<'_>, value: i32) -> Result<CodecType, Rejection> {
    use pb::http_connection_manager::CodecType as Codec;
    Ok(match proto::defined::<Codec>(at, value)? {
        Codec::Auto => CodecType::Auto,
        Codec::Http1 => CodecType::Http1,
        Codec::Http2 => CodecType::Http2,
        Codec::Http3 => return Err(at.only_envoys("HTTP/3 listeners are not supported yet; use AUTO")),
    })
}

fn routes(at: &At<'_>, proto: &pb::HttpConnectionManager, options: &Options) -> Result<RouteSource, Rejection> {
    use pb::http_connection_manager::RouteSpecifier;
    match &proto.route_specifier {
        None => Err(at.reject("has no routes; give rds or route_config")),
        Some(RouteSpecifier::RouteConfig(table)) => {
            let table = route::decode::route_configuration(&at.field("route_config"), table, options)?;
            Ok(RouteSource::Inline(Arc::new(table)))
        }
        Some(RouteSpecifier::Rds(rds)) => {
            let at = at.field("rds");
            let at_source = at.field("config_source");
            let source = field_rules::required(&at_source, &rds.config_source)?;
            let initial_fetch_timeout =
                crate::tls::decode::over_ads(&at_source, source, "routes come over ADS; set ads: {}")?;
            let name = field_rules::not_empty(&at.field("route_config_name"), &rds.route_config_name)?;
            Ok(RouteSource::Rds { name, initial_fetch_timeout })
        }
        Some(RouteSpecifier::ScopedRoutes(_)) => {
            Err(at.field("scoped_routes").only_envoys("is not supported; use rds or route_config"))
        }
    }
}

/// A `request_id_extension`; `None` where it names no type.
pub(crate) fn request_id(
    at: &At<'_>,
    proto: Option<&pb::RequestIdExtension>,
    options: &Options,
) -> Result<Option<UuidRequestIdConfig>, Rejection> {
    let Some(config) = proto.and_then(|one| one.typed_config.as_ref()) else { return Ok(None) };
    let at = at.field("typed_config");
    let extension = extension::open(&at, config)?;
    match registry::find(Kind::RequestId, &extension.type_name) {
        Some(_) => extension.decode(&at, options).map(Some),
        None => Err(registry::not_registered(&at, "request_id_extension", &extension.type_name)),
    }
}

fn server_name(at: &At<'_>, name: &str) -> Result<Arc<str>, Rejection> {
    field_rules::header_value(at, name)?;
    Ok(Arc::from(if name.is_empty() { "envoy" } else { name }))
}

fn via(at: &At<'_>, value: &str) -> Result<Option<Arc<str>>, Rejection> {
    field_rules::header_value(at, value)?;
    Ok(proto::text(value))
}

fn server_header(at: &At<'_>, value: i32) -> Result<ServerHeader, Rejection> {
    use pb::http_connection_manager::ServerHeaderTransformation as Transformation;
    Ok(match proto::defined::<Transformation>(at, value)? {
        Transformation::Overwrite => ServerHeader::Overwrite,
        Transformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
        Transformation::PassThrough => ServerHeader::PassThrough,
    })
}

fn escaped_slashes(at: &At<'_>, value: i32) -> Result<EscapedSlashes, Rejection> {
    use pb::http_connection_manager::PathWithEscapedSlashesAction as Slashes;
    Ok(match proto::defined::<Slashes>(at, value)? {
        Slashes::ImplementationSpecificDefault | Slashes::KeepUnchanged => EscapedSlashes::Keep,
        Slashes::RejectRequest => EscapedSlashes::Reject,
        Slashes::UnescapeAndRedirect => EscapedSlashes::UnescapeAndRedirect,
        Slashes::UnescapeAndForward => EscapedSlashes::UnescapeAndForward,
    })
}

fn strip_host_port(at: &At<'_>, proto: &pb::HttpConnectionManager) -> Result<StripHostPort, Rejection> {
    use pb::http_connection_manager::StripPortMode::StripAnyHostPort;
    match (proto.strip_matching_host_port, matches!(proto.strip_port_mode, Some(StripAnyHostPort(true)))) {
        (true, true) => {
            Err(at.field("strip_matching_host_port").reject("may not be set together with strip_any_host_port"))
        }
        (true, false) => Ok(StripHostPort::Matching),
        (false, true) => Ok(StripHostPort::Any),
        (false, false) => Ok(StripHostPort::Keep),
    }
}

fn upgrades(at: &At<'_>, list: &[pb::http_connection_manager::UpgradeConfig]) -> Result<Vec<Upgrade>, Rejection> {
    let one = |(index, config): (usize, &pb::http_connection_manager::UpgradeConfig)| {
        let at = at.index(index);
        field_rules::not_empty(&at.field("upgrade_type"), &config.upgrade_type)?;
        Ok(Upgrade {
            kind: Arc::from(config.upgrade_type.to_ascii_lowercase()),
            enabled: bool_or(&config.enabled, true),
        })
    };
    let mut seen = BTreeSet::new();
    if let Some(index) = list.iter().position(|config| !seen.insert(config.upgrade_type.to_ascii_lowercase())) {
        let at = at.index(index);
        return Err(at
            .field("upgrade_type")
            .reject(format!("Duplicate upgrade {}; name it once", list[index].upgrade_type)));
    }
    list.iter().enumerate().map(one).collect()
}

fn http1(
    at: &At<'_>,
    proto: Option<&core::Http1ProtocolOptions>,
    options: &Options,
) -> Result<Http1Settings, Rejection> {
    let Some(http1) = proto else { return Ok(Http1Settings::default()) };
    Ok(Http1Settings {
        allow_absolute_url: bool_or(&http1.allow_absolute_url, true),
        accept_http10: http1.accept_http_10,
        trailers: http1.enable_trailers,
        header_case: http_options::header_case(at, http1, options)?,
        allow_chunked_length: http1.allow_chunked_length,
        custom_methods: http1.allow_custom_methods,
    })
}

fn ignored_upgrades(
    at: &At<'_>,
    proto: Option<&core::Http1ProtocolOptions>,
) -> Result<Option<Arc<[StringMatcher]>>, Rejection> {
    let list = proto.map_or(&[][..], |http1| &http1.ignore_http_11_upgrade);
    let matchers = matcher::decode::strings(&at.field("ignore_http_11_upgrade"), list)?;
    Ok(if matchers.is_empty() { None } else { Some(matchers.into()) })
}

fn underscores(at: &At<'_>, value: i32) -> Result<Underscores, Rejection> {
    use core::http_protocol_options::HeadersWithUnderscoresAction as Action;
    Ok(match proto::defined::<Action>(at, value)? {
        Action::Allow => Underscores::Allow,
        Action::RejectRequest => Underscores::RejectRequest,
        Action::DropHeader => Underscores::DropHeader,
    })
}
