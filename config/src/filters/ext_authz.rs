//! `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`. Called by the list of filters. The messages of its service are in
//! [`crate::services::ext_authz`].

mod http_service;

use std::sync::Arc;
use std::time::Duration;

pub use http_service::HttpService;

use crate::extension::Extension;
use crate::field_rules;
use crate::header_mutation::{self, MutationRules};
use crate::matcher::{self, Fraction, MetadataMatcher, StringMatcher};
use crate::options::Options;
use crate::proto::{
    self, bool_or, core::v3::ApiVersion, extensions::filters::http::ext_authz::v3 as pb,
    types::matcher::v3::ListStringMatcher,
};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;
use crate::services::{self, GrpcService};

/// The filter.
#[derive(Debug, Clone)]
pub struct ExtAuthz {
    /// Who is asked.
    pub service: Service,
    /// `failure_mode_allow`: where it cannot be asked, the request passes.
    pub failure_mode_allow: bool,
    /// `failure_mode_allow_header_add`: and carries `x-envoy-auth-failure-mode-allowed: true`.
    pub failure_mode_allow_header: bool,
    /// `with_request_body`.
    pub body: Option<BodySettings>,
    /// `clear_route_cache`: the route is chosen again where the service changed headers.
    pub clear_route_cache: bool,
    /// `status_on_error`; default 403.
    pub status_on_error: u16,
    /// `validate_mutations`: headers that are none are an error of the service.
    pub validate_mutations: bool,
    /// `metadata_context_namespaces`.
    pub metadata: Vec<Arc<str>>,
    /// `typed_metadata_context_namespaces`.
    pub typed_metadata: Vec<Arc<str>>,
    /// `route_metadata_context_namespaces`.
    pub route_metadata: Vec<Arc<str>>,
    /// `filter_enabled`; unset is always.
    pub enabled: Option<Live<Fraction>>,
    /// `filter_enabled_metadata`: and only then.
    pub enabled_metadata: Option<MetadataMatcher>,
    /// `deny_at_disable`: requests are refused where the filter is not enabled.
    pub deny_at_disable: Live<bool>,
    /// `include_peer_certificate`.
    pub include_peer_certificate: bool,
    /// `include_tls_session`.
    pub include_tls_session: bool,
    /// `stat_prefix`: a part of the names of statistics.
    pub stat_prefix: Option<Arc<str>>,
    /// `bootstrap_metadata_labels_key`: labels of this node that the request tells.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// `allowed_headers`, of the request; `None`: all over gRPC, over HTTP only those that go with every request.
    pub allowed_headers: Option<Vec<StringMatcher>>,
    /// `disallowed_headers`, before the allowed ones.
    pub disallowed_headers: Vec<StringMatcher>,
    /// `charge_cluster_response_stats`; default true.
    pub charge_cluster: bool,
    /// `emit_client_span`; default true: what is asked has a span.
    pub emits_span: bool,
    /// `encode_raw_headers`: headers as octets and with their repetitions.
    pub raw_headers: bool,
    /// `decoder_header_mutation_rules`; `None`: any header may be changed.
    pub mutation_rules: Option<MutationRules>,
    /// `enable_dynamic_metadata_ingestion`; default true.
    pub takes_metadata: bool,
    /// `emit_filter_state_stats`: how long a question took, and its octets, are kept as filter state.
    pub emits_stats: bool,
    /// `filter_metadata`: kept as filter state, for logs.
    pub filter_metadata: Option<Arc<serde_json::Value>>,
    /// `shadow_mode`: what is decided is told, and not obeyed.
    pub shadow: bool,
    /// `max_denied_response_body_bytes`; `None`: all.
    pub max_denied_body: Option<u32>,
    /// `enforce_response_header_limits`.
    pub enforce_header_limits: bool,
}

/// The service.
#[derive(Debug, Clone)]
pub enum Service {
    /// `grpc_service`.
    Grpc(Arc<GrpcService>),
    /// `http_service`.
    Http(Arc<HttpService>),
}

/// `BufferSettings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodySettings {
    /// `max_request_bytes`.
    pub most: u32,
    /// `allow_partial_message`: of a longer body the first octets are told; else it is answered 413.
    pub partial: bool,
    /// `pack_as_bytes`: in `raw_body`.
    pub as_bytes: bool,
}

/// `ExtAuthzPerRoute`. The `context_extensions` of all levels are joined, the most specific first in rank.
#[derive(Debug, Clone)]
pub struct ExtAuthzPerRoute {
    /// `disabled`.
    pub disabled: bool,
    /// `context_extensions`, sorted.
    pub context_extensions: Vec<(Arc<str>, Arc<str>)>,
    /// `disable_request_body_buffering`.
    pub without_body: bool,
    /// `with_request_body`, in place of the filter's.
    pub body: Option<BodySettings>,
    /// `grpc_service` or `http_service`, in place of the filter's.
    pub service: Option<Service>,
    /// `emit_client_span`, in place of the filter's.
    pub emits_span: Option<bool>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ExtAuthz, Rejection> {
    let proto: pb::ExtAuthz = extension.decode(at, options)?;
    refuse(at, &proto)?;
    let enabled = proto.filter_enabled.as_ref();
    let enabled_metadata = proto.filter_enabled_metadata.as_ref();
    let rules = proto.decoder_header_mutation_rules.as_ref();
    let metadata = proto.filter_metadata.as_ref();
    let status = field_rules::http_status(&at.field("status_on_error"), &proto.status_on_error)?;
    Ok(ExtAuthz {
        service: service(at, &proto, options)?,
        failure_mode_allow: proto.failure_mode_allow,
        failure_mode_allow_header: proto.failure_mode_allow_header_add,
        body: proto.with_request_body.as_ref().map(|one| body(&at.field("with_request_body"), one)).transpose()?,
        clear_route_cache: proto.clear_route_cache,
        status_on_error: status.unwrap_or(403),
        validate_mutations: proto.validate_mutations,
        metadata: names(&proto.metadata_context_namespaces),
        typed_metadata: names(&proto.typed_metadata_context_namespaces),
        route_metadata: names(&proto.route_metadata_context_namespaces),
        enabled: enabled
            .map(|one| matcher::decode::fraction_at(&at.field("filter_enabled"), one, options))
            .transpose()?,
        enabled_metadata: enabled_metadata
            .map(|one| matcher::value::metadata(&at.field("filter_enabled_metadata"), one))
            .transpose()?,
        deny_at_disable: field_rules::feature_flag(
            &at.field("deny_at_disable"),
            &proto.deny_at_disable,
            false,
            options,
        )?,
        include_peer_certificate: proto.include_peer_certificate,
        include_tls_session: proto.include_tls_session,
        stat_prefix: proto::text(&proto.stat_prefix),
        labels: options.labels(&proto.bootstrap_metadata_labels_key),
        allowed_headers: allowed_headers(at, &proto)?,
        disallowed_headers: list(&at.field("disallowed_headers"), &proto.disallowed_headers)?,
        charge_cluster: bool_or(&proto.charge_cluster_response_stats, true),
        emits_span: bool_or(&proto.emit_client_span, true),
        raw_headers: proto.encode_raw_headers,
        mutation_rules: rules
            .map(|one| header_mutation::rules(&at.field("decoder_header_mutation_rules"), one))
            .transpose()?,
        takes_metadata: bool_or(&proto.enable_dynamic_metadata_ingestion, true),
        emits_stats: proto.emit_filter_state_stats,
        filter_metadata: metadata.map(|metadata| Arc::new(proto::struct_to_json(metadata))),
        shadow: proto.shadow_mode,
        max_denied_body: Some(proto.max_denied_response_body_bytes).filter(|most| *most > 0),
        enforce_header_limits: proto.enforce_response_header_limits,
    })
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ExtAuthzPerRoute, Rejection> {
    use pb::check_settings::ServiceOverride;
    use pb::ext_authz_per_route::Override;
    let proto: pb::ExtAuthzPerRoute = extension.decode(at, options)?;
    let unset = pb::CheckSettings::default();
    let (disabled, settings) = match &proto.r#override {
        None => return Err(at.reject("says nothing; give disabled or check_settings")),
        Some(Override::Disabled(disabled)) => (*disabled, &unset),
        Some(Override::CheckSettings(settings)) => (false, settings),
    };
    let at = at.field("check_settings");
    if settings.disable_request_body_buffering && settings.with_request_body.is_some() {
        return Err(at.reject(
            "Invalid configuration for check_settings. Only one of disable_request_body_buffering or with_request_body can be set.",
        ));
    }
    let mut context: Vec<_> = settings
        .context_extensions
        .iter()
        .map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str())))
        .collect();
    context.sort();
    Ok(ExtAuthzPerRoute {
        disabled,
        context_extensions: context,
        without_body: settings.disable_request_body_buffering,
        body: settings.with_request_body.as_ref().map(|one| body(&at.field("with_request_body"), one)).transpose()?,
        emits_span: settings.emit_client_span.as_ref().map(|emits| emits.value),
        service: match &settings.service_override {
            None => None,
            Some(ServiceOverride::GrpcService(one)) => {
                Some(Service::Grpc(Arc::new(grpc_service(&at.field("grpc_service"), one, options)?)))
            }
            Some(ServiceOverride::HttpService(one)) => {
                Some(Service::Http(Arc::new(http_service::decode(&at.field("http_service"), one, options)?)))
            }
        },
    })
}

fn refuse(at: &At<'_>, proto: &pb::ExtAuthz) -> Result<(), Rejection> {
    let at_version = at.field("transport_api_version");
    if proto::defined::<ApiVersion>(&at_version, proto.transport_api_version)? == ApiVersion::V2 {
        return Err(at_version.reject("the v2 API is gone; give V3"));
    }
    if !proto.route_typed_metadata_context_namespaces.is_empty() {
        return Err(at.field("route_typed_metadata_context_namespaces").unsupported(
            "is not supported; typed metadata of routes is not kept, and the service would decide without it",
        ));
    }
    Ok(())
}

fn service(at: &At<'_>, proto: &pb::ExtAuthz, options: &Options) -> Result<Service, Rejection> {
    use pb::ext_authz::Services;
    match &proto.services {
        // Envoy takes that, and no request passes.
        None => Err(at.reject("has no service; give grpc_service or http_service")),
        Some(Services::GrpcService(one)) => {
            Ok(Service::Grpc(Arc::new(grpc_service(&at.field("grpc_service"), one, options)?)))
        }
        Some(Services::HttpService(one)) => {
            Ok(Service::Http(Arc::new(http_service::decode(&at.field("http_service"), one, options)?)))
        }
    }
}

/// A gRPC service, which is waited for no longer than this unless it says so.
pub(super) fn grpc_service(
    at: &At<'_>,
    proto: &proto::core::v3::GrpcService,
    options: &Options,
) -> Result<GrpcService, Rejection> {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let mut service = services::grpc_service(at, proto, options)?;
    if proto.timeout.is_none() {
        service.timeout = Some(TIMEOUT);
    }
    Ok(service)
}

/// The list of the filter, or the deprecated one of its HTTP service.
fn allowed_headers(at: &At<'_>, proto: &pb::ExtAuthz) -> Result<Option<Vec<StringMatcher>>, Rejection> {
    let old = match &proto.services {
        Some(pb::ext_authz::Services::HttpService(http)) => {
            http.authorization_request.as_ref().and_then(|request| request.allowed_headers.as_ref())
        }
        _ => None,
    };
    match (&proto.allowed_headers, old) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Err(at.field("allowed_headers").reject("Invalid duplicate configuration for allowed_headers."))
        }
        (some @ Some(_), None) => list(&at.field("allowed_headers"), some).map(Some),
        (None, Some(old)) => {
            let at = at.field("http_service");
            let at = at.field("authorization_request");
            matcher::decode::strings(&at.field("allowed_headers").field("patterns"), &old.patterns).map(Some)
        }
    }
}

fn list(at: &At<'_>, proto: &Option<ListStringMatcher>) -> Result<Vec<StringMatcher>, Rejection> {
    let Some(list) = proto else { return Ok(Vec::new()) };
    matcher::decode::strings(&at.field("patterns"), &list.patterns)
}

pub(super) fn names(list: &[String]) -> Vec<Arc<str>> {
    list.iter().map(|name| Arc::from(name.as_str())).collect()
}

fn body(at: &At<'_>, proto: &pb::BufferSettings) -> Result<BodySettings, Rejection> {
    field_rules::within(&at.field("max_request_bytes"), u64::from(proto.max_request_bytes), 1, u64::from(u32::MAX))?;
    Ok(BodySettings {
        most: proto.max_request_bytes,
        partial: proto.allow_partial_message,
        as_bytes: proto.pack_as_bytes,
    })
}
