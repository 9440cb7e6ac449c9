//! Services that filters and the control thread call over clusters of the mesh: `GrpcService`, `HttpUri` and the retry policy that goes
//! with them. Called by the translations of filters; the proxy's `call` acts on what comes out. The messages of each service are in a
//! file below: plain data on one side, bytes on the other.

pub mod als;
pub mod ext_authz;
pub mod ext_proc;
pub mod grpc_health;
pub mod metrics;
pub mod otlp;
pub mod ratelimit;
pub mod session_cookie;
pub mod span;
pub mod zipkin;

use std::sync::Arc;
use std::time::Duration;

use crate::access_log;
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, uint32};

use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::route::{self, AppendAction, HeaderAdd, HostPredicate, RetryOn, RetryPolicy, retry};

/// `GrpcService` with `envoy_grpc`.
#[derive(Debug, Clone)]
pub struct GrpcService {
    /// The cluster that is called.
    pub cluster: Arc<str>,
    /// `:authority`: the one that is set, else the cluster's name.
    pub authority: Arc<str>,
    /// For the whole call; `None` = never (Envoy takes 0 for that).
    pub timeout: Option<Duration>,
    /// Headers of every call, each in place of one of its name.
    pub initial_metadata: Vec<HeaderAdd>,
    /// Retries; without a policy there is none.
    pub retry: Option<Arc<RetryPolicy>>,
    /// The longest message that is taken; `None` = no limit is set.
    pub max_receive_message_length: Option<u32>,
    /// Neither `x-envoy-internal` nor `x-forwarded-for` is sent.
    pub skip_envoy_headers: bool,
}

/// `HttpUri`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUri {
    /// The cluster that is called, whatever the URI's host.
    pub cluster: Arc<str>,
    /// The URI as it was written, for messages.
    pub uri: Arc<str>,
    /// Its host and port, for `:authority`.
    pub host: Arc<str>,
    /// Its path with the query; `/` when it has none.
    pub path: Arc<str>,
    /// For the whole call; `None` = never.
    pub timeout: Option<Duration>,
}

/// `core.v3.HttpService`.
#[derive(Debug, Clone)]
pub struct HttpService {
    /// `http_uri`.
    pub uri: HttpUri,
    /// `request_headers_to_add`.
    pub headers: Vec<HeaderAdd>,
}

pub use crate::proto::sanitized;

/// A gRPC service.
///
/// # Errors
/// The field that cannot be honoured; `google_grpc` among them.
pub fn grpc_service(at: &At<'_>, proto: &core::GrpcService, options: &Options) -> Result<GrpcService, Rejection> {
    use core::grpc_service::TargetSpecifier;
    let envoy = match &proto.target_specifier {
        Some(TargetSpecifier::EnvoyGrpc(envoy)) => envoy,
        Some(TargetSpecifier::GoogleGrpc(google)) => {
            return Err(at.field("google_grpc").reject(format!(
                "the client of {:?} is not part of this build; name a cluster in envoy_grpc, which reaches the same server over the mesh",
                google.target_uri
            )));
        }
        None => return Err(at.field("target_specifier").reject("is required and not set; give envoy_grpc")),
    };
    let at_envoy = at.field("envoy_grpc");
    if envoy.retry_policy.is_some() {
        options.note(
            &at_envoy.field("retry_policy"),
            "is for xDS streams alone and not acting; retry_policy of the service is",
        );
    }
    let cluster = field_rules::not_empty(&at_envoy.field("cluster_name"), &envoy.cluster_name)?;
    field_rules::header_value(&at_envoy.field("authority"), &envoy.authority)?;
    let at_retry = at.field("retry_policy");
    let retry = proto.retry_policy.as_ref().map(|policy| retry_policy(&at_retry, policy, "", options)).transpose()?;
    Ok(GrpcService {
        authority: proto::text(&envoy.authority).unwrap_or_else(|| cluster.clone()),
        cluster,
        timeout: proto::timeout(&at.field("timeout"), &proto.timeout, None)?,
        initial_metadata: header_values(&at.field("initial_metadata"), &proto.initial_metadata)?,
        retry: retry.map(Arc::new),
        max_receive_message_length: uint32(&envoy.max_receive_message_length).filter(|length| *length > 0),
        skip_envoy_headers: envoy.skip_envoy_headers,
    })
}

/// Headers of a call, each in place of one of its name.
pub(crate) fn header_values(at: &At<'_>, list: &[core::HeaderValue]) -> Result<Vec<HeaderAdd>, Rejection> {
    let one = |(index, header): (usize, &core::HeaderValue)| {
        let at = at.index(index);
        let at_value = at.field("value");
        let text = if header.value.is_empty() && !header.raw_value.is_empty() {
            std::str::from_utf8(&header.raw_value).map_err(|_| at.field("raw_value").reject("is not UTF-8"))?
        } else {
            &header.value
        };
        field_rules::header_value(&at_value, text)?;
        let mut value = access_log::decode::text_format(&at_value, text)?;
        // A missing value adds nothing to a header, where a log prints a dash.
        value.omit_empty = true;
        let name = field_rules::mutable_header_name(&at.field("key"), &header.key)?;
        Ok(HeaderAdd { name, value, action: AppendAction::OverwriteOrAdd, keep_empty: false })
    };
    list.iter().enumerate().map(one).collect()
}

/// A URI and the cluster that it is reached by.
///
/// # Errors
/// The field that cannot be honoured.
pub fn http_uri(at: &At<'_>, proto: &core::HttpUri) -> Result<HttpUri, Rejection> {
    use core::http_uri::HttpUpstreamType::Cluster;
    let uri = field_rules::not_empty(&at.field("uri"), &proto.uri)?;
    let Some(Cluster(cluster)) = &proto.http_upstream_type else {
        return Err(at.field("cluster").reject("is required and not set; name the cluster that reaches the URI"));
    };
    let at_timeout = at.field("timeout");
    field_rules::required(&at_timeout, &proto.timeout)?;
    let (host, path) = parts(&uri);
    if host.is_empty() || uri.bytes().any(|octet| octet <= b' ' || octet == 0x7f) {
        return Err(at.field("uri").reject("is not a URI with a host, as in https://host:port/path"));
    }
    Ok(HttpUri {
        cluster: field_rules::not_empty(&at.field("cluster"), cluster)?,
        host: Arc::from(host),
        path: Arc::from(path),
        timeout: proto::timeout(&at_timeout, &proto.timeout, None)?,
        uri,
    })
}

/// An HTTP service with headers of its own.
///
/// # Errors
/// The field that cannot be honoured.
pub fn http_service(at: &At<'_>, proto: &core::HttpService, options: &Options) -> Result<HttpService, Rejection> {
    let at_uri = at.field("http_uri");
    let uri = http_uri(&at_uri, field_rules::required(&at_uri, &proto.http_uri)?)?;
    Ok(HttpService { uri, headers: service_headers(at, proto, options)? })
}

/// What an HTTP service is told beside its URI.
pub(crate) fn service_headers(
    at: &At<'_>,
    proto: &core::HttpService,
    options: &Options,
) -> Result<Vec<HeaderAdd>, Rejection> {
    let at_formatters = at.field("formatters");
    for (index, formatter) in proto.formatters.iter().enumerate() {
        let at = at_formatters.index(index);
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &formatter.typed_config)?;
        registry::inert(&at, Kind::Formatter, &formatter.name, &extension, options)?;
    }
    route::headers::additions(&at.field("request_headers_to_add"), &proto.request_headers_to_add, 1000)
}

/// Host and path of a URI whose scheme does not matter: the cluster's transport decides whether there is TLS.
pub(crate) fn parts(uri: &str) -> (&str, &str) {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

/// `core.v3.RetryPolicy`. `on` is what the caller retries, where it does not leave that to `retry_on`.
///
/// # Errors
/// The field that cannot be honoured.
pub fn retry_policy(
    at: &At<'_>,
    proto: &core::RetryPolicy,
    on: &str,
    options: &Options,
) -> Result<RetryPolicy, Rejection> {
    const BASE: Duration = Duration::from_secs(1);
    let at_back_off = at.field("retry_back_off");
    let (base_interval, max_interval) = match &proto.retry_back_off {
        None => (BASE, BASE * 10),
        Some(one) => {
            field_rules::back_off(&at_back_off, &one.base_interval, &one.max_interval, Duration::from_millis(1))?
        }
    };
    if proto.retry_priority.is_some() {
        return Err(at.field("retry_priority").unsupported("priorities of retried calls are not supported"));
    }
    let attempts = u32::try_from(proto.host_selection_retry_max_attempts)
        .map_err(|_| at.field("host_selection_retry_max_attempts").reject("is not within 0 to 4294967295"))?;
    Ok(RetryPolicy {
        on: RetryOn::parse(if on.is_empty() { &proto.retry_on } else { on }),
        num_retries: uint32(&proto.num_retries).unwrap_or(1),
        // As Envoy has it: an attempt may take as long as the longest wait between two of them.
        per_try_timeout: Some(max_interval),
        per_try_idle_timeout: None,
        status_codes: Vec::new(),
        base_interval,
        max_interval,
        headers: Vec::new(),
        request_headers: Vec::new(),
        rate_limited: None,
        predicates: host_predicates(&at.field("retry_host_predicate"), proto, options)?,
        host_selection_attempts: attempts.max(1),
        previous_priorities: None,
    })
}

fn host_predicates(at: &At<'_>, proto: &core::RetryPolicy, options: &Options) -> Result<Vec<HostPredicate>, Rejection> {
    use core::retry_policy::retry_host_predicate::ConfigType::TypedConfig;
    let one = |(index, predicate): (usize, &core::retry_policy::RetryHostPredicate)| {
        let TypedConfig(any) = predicate.config_type.as_ref().ok_or_else(|| retry::untyped(&at.index(index)))?;
        retry::host_predicate(&at.index(index), &predicate.name, any, options)
    };
    proto.retry_host_predicate.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests;
