//! `envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor`. Called by the list of filters. The messages of its service are in
//! [`crate::services::ext_proc`].

mod mode;
mod refused;

use std::sync::Arc;
use std::time::Duration;

pub use mode::{BodyMode, HeaderMode, ProcessingMode};

use crate::cel;
use crate::extension::Extension;
use crate::field_rules;
use crate::header_mutation::{self, MutationRules};
use crate::matcher::{self, StringMatcher};
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::ext_proc::v3 as pb, types::matcher::v3::ListStringMatcher, wkt};
use crate::rejection::{At, Rejection};
use crate::route::HeaderAdd;
use crate::services::{self, GrpcService};

/// The filter.
#[derive(Debug, Clone)]
pub struct ExtProc {
    /// `grpc_service`: who is told, and changes.
    pub service: Arc<GrpcService>,
    /// `failure_mode_allow`: without the service what passes goes on as it is.
    pub failure_mode_allow: bool,
    /// `processing_mode`: what the service is told.
    pub mode: ProcessingMode,
    /// `message_timeout`: how long an answer may take.
    pub message_timeout: Duration,
    /// `max_message_timeout`: how much longer the service may make that; zero: not at all.
    pub max_message_timeout: Duration,
    /// `stat_prefix`: a part of the names of statistics.
    pub stat_prefix: Option<Arc<str>>,
    /// `mutation_rules`.
    pub rules: MutationRules,
    /// `request_attributes`, each once, with what it says.
    pub request_attributes: Vec<(Arc<str>, cel::Expr)>,
    /// `response_attributes`.
    pub response_attributes: Vec<(Arc<str>, cel::Expr)>,
    /// `forward_rules.allowed_headers`; without any all are told.
    pub allowed_headers: Vec<StringMatcher>,
    /// `forward_rules.disallowed_headers`, before the allowed ones.
    pub disallowed_headers: Vec<StringMatcher>,
    /// `allow_mode_override`: the service may choose another mode.
    pub allow_mode_override: bool,
    /// `allowed_override_modes`: only among these; none: any.
    pub allowed_override_modes: Vec<ProcessingMode>,
    /// `disable_immediate_response`: the service may not answer in the application's place.
    pub disable_immediate_response: bool,
    /// `route_cache_action`, or `disable_clear_route_cache`.
    pub route_cache: RouteCache,
    /// `metadata_options`.
    pub metadata: Namespaces,
    /// `status_on_error`; default 500.
    pub status_on_error: u16,
}

/// `RouteCacheAction`: whether the route is chosen again after the service has changed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteCache {
    /// Where the service says so.
    Default,
    /// Always.
    Clear,
    /// Never.
    Retain,
}

/// `MetadataOptions`, of one level: `None` leaves what a less specific one says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `forwarding_namespaces`: what the service is told.
    pub told: Option<Namespace>,
    /// `receiving_namespaces`: what it may say.
    pub received: Option<Namespace>,
}

/// `MetadataNamespaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// `untyped`.
    pub untyped: Vec<Arc<str>>,
    /// `typed`.
    pub typed: Vec<Arc<str>>,
}

/// `ExtProcPerRoute`: a level, whose fields go before those of less specific ones.
#[derive(Debug, Clone, Default)]
pub struct ExtProcPerRoute {
    /// `disabled`.
    pub disabled: bool,
    /// `overrides.processing_mode`.
    pub mode: Option<ProcessingMode>,
    /// `overrides.grpc_service`.
    pub service: Option<Arc<GrpcService>>,
    /// `overrides.grpc_initial_metadata`: more headers of the stream, each in place of one of its name.
    pub initial_metadata: Vec<HeaderAdd>,
    /// `overrides.metadata_options`.
    pub metadata: Namespaces,
    /// `overrides.failure_mode_allow`.
    pub failure_mode_allow: Option<bool>,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ExtProc, Rejection> {
    let proto: pb::ExternalProcessor = extension.decode(at, options)?;
    refused::of_filter(at, &proto)?;
    let (at_service, at_forward) = (at.field("grpc_service"), at.field("forward_rules"));
    let Some(service) = &proto.grpc_service else {
        return Err(at_service.reject("is required and not set; give the service that is to process requests"));
    };
    let rules = proto.mutation_rules.clone().unwrap_or_default();
    let (forward, mode) = (proto.forward_rules.as_ref(), proto.processing_mode.as_ref());
    let at_modes = at.field("allowed_override_modes");
    let modes = proto.allowed_override_modes.iter().enumerate();
    Ok(ExtProc {
        service: Arc::new(services::grpc_service(&at_service, service, options)?),
        failure_mode_allow: proto.failure_mode_allow,
        mode: mode
            .map(|mode| ProcessingMode::decode(&at.field("processing_mode"), mode))
            .transpose()?
            .unwrap_or_default(),
        message_timeout: timeout(&at.field("message_timeout"), &proto.message_timeout)?.unwrap_or(MESSAGE_TIMEOUT),
        max_message_timeout: timeout(&at.field("max_message_timeout"), &proto.max_message_timeout)?
            .unwrap_or(Duration::ZERO),
        stat_prefix: proto::text(&proto.stat_prefix),
        rules: header_mutation::rules(&at.field("mutation_rules"), &rules)?,
        request_attributes: attributes(&at.field("request_attributes"), &proto.request_attributes)?,
        response_attributes: attributes(&at.field("response_attributes"), &proto.response_attributes)?,
        allowed_headers: matchers(
            &at_forward.field("allowed_headers"),
            forward.and_then(|forward| forward.allowed_headers.as_ref()),
        )?,
        disallowed_headers: matchers(
            &at_forward.field("disallowed_headers"),
            forward.and_then(|forward| forward.disallowed_headers.as_ref()),
        )?,
        allow_mode_override: proto.allow_mode_override,
        allowed_override_modes: modes
            .map(|(index, mode)| ProcessingMode::decode(&at_modes.index(index), mode))
            .collect::<Result<_, _>>()?,
        disable_immediate_response: proto.disable_immediate_response,
        route_cache: route_cache(at, &proto)?,
        metadata: namespaces(&at.field("metadata_options"), proto.metadata_options.as_ref())?,
        status_on_error: status_on_error(at, &proto)?,
    })
}

/// What a service has for an answer where nothing is set.
const MESSAGE_TIMEOUT: Duration = Duration::from_millis(200);

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ExtProcPerRoute, Rejection> {
    use pb::ext_proc_per_route::Override;
    let proto: pb::ExtProcPerRoute = extension.decode(at, options)?;
    let overrides = match &proto.r#override {
        None => return Err(at.reject("says nothing; give disabled or overrides")),
        Some(Override::Disabled(disabled)) => {
            field_rules::only_true(&at.field("disabled"), *disabled)?;
            return Ok(ExtProcPerRoute { disabled: true, ..ExtProcPerRoute::default() });
        }
        Some(Override::Overrides(overrides)) => overrides,
    };
    let at = at.field("overrides");
    refused::of_route(&at, overrides)?;
    let mode = overrides.processing_mode.as_ref();
    let service = overrides.grpc_service.as_ref();
    Ok(ExtProcPerRoute {
        disabled: false,
        mode: mode.map(|mode| ProcessingMode::decode(&at.field("processing_mode"), mode)).transpose()?,
        service: service
            .map(|one| services::grpc_service(&at.field("grpc_service"), one, options).map(Arc::new))
            .transpose()?,
        initial_metadata: services::header_values(
            &at.field("grpc_initial_metadata"),
            &overrides.grpc_initial_metadata,
        )?,
        metadata: namespaces(&at.field("metadata_options"), overrides.metadata_options.as_ref())?,
        failure_mode_allow: overrides.failure_mode_allow.as_ref().map(|allow| allow.value),
    })
}

fn status_on_error(at: &At<'_>, proto: &pb::ExternalProcessor) -> Result<u16, Rejection> {
    let status = field_rules::http_status(&at.field("status_on_error"), &proto.status_on_error)?;
    // As in Envoy what is no error's is not taken.
    Ok(status.filter(|status| *status >= 400).unwrap_or(500))
}

fn timeout(at: &At<'_>, value: &Option<wkt::Duration>) -> Result<Option<Duration>, Rejection> {
    let value = proto::milliseconds(at, value)?;
    if value.is_some_and(|value| value > Duration::from_secs(3600)) {
        return Err(at.reject("is longer than 3600 seconds"));
    }
    Ok(value)
}

fn attributes(at: &At<'_>, list: &[String]) -> Result<Vec<(Arc<str>, cel::Expr)>, Rejection> {
    let mut all: Vec<(Arc<str>, cel::Expr)> = Vec::with_capacity(list.len());
    for (index, text) in list.iter().enumerate() {
        if all.iter().any(|(known, _)| **known == **text) {
            continue;
        }
        let read = cel::of_text(text, None, cel::Place::Line).map_err(|reason| at.index(index).reject(reason))?;
        all.push((Arc::from(text.as_str()), read));
    }
    Ok(all)
}

fn matchers(at: &At<'_>, list: Option<&ListStringMatcher>) -> Result<Vec<StringMatcher>, Rejection> {
    let Some(list) = list else { return Ok(Vec::new()) };
    matcher::decode::strings(&at.field("patterns"), &list.patterns)
}

fn route_cache(at: &At<'_>, proto: &pb::ExternalProcessor) -> Result<RouteCache, Rejection> {
    use pb::external_processor::RouteCacheAction as Action;
    let at_action = at.field("route_cache_action");
    let action = proto::defined::<Action>(&at_action, proto.route_cache_action)?;
    if proto.disable_clear_route_cache && action != Action::Default {
        return Err(at_action.reject("and disable_clear_route_cache are both set; give one of them"));
    }
    Ok(match action {
        Action::Retain => RouteCache::Retain,
        Action::Default if proto.disable_clear_route_cache => RouteCache::Retain,
        Action::Default => RouteCache::Default,
        Action::Clear => RouteCache::Clear,
    })
}

fn namespaces(at: &At<'_>, options: Option<&pb::MetadataOptions>) -> Result<Namespaces, Rejection> {
    let Some(options) = options else { return Ok(Namespaces::default()) };
    refused::of_clusters(at, options)?;
    let read = |one: &pb::metadata_options::MetadataNamespaces| Namespace {
        untyped: super::ext_authz::names(&one.untyped),
        typed: super::ext_authz::names(&one.typed),
    };
    Ok(Namespaces {
        told: options.forwarding_namespaces.as_ref().map(read),
        received: options.receiving_namespaces.as_ref().map(read),
    })
}
