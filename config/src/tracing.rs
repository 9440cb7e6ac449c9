//! Tracing: which requests are traced, what their spans say and where these go. `HttpConnectionManager.Tracing`, `route.v3.Tracing` and the
//! tracers that act. The spans themselves are in [`services::span`](crate::services::span).

use std::sync::Arc;
use std::time::Duration;

use crate::access_log::Format;
use crate::matcher::Fraction;
use crate::runtime::Live;
use crate::services::{GrpcService, HttpService};

pub(crate) mod decode;
pub(crate) mod opentelemetry;
mod zipkin;

/// `HttpConnectionManager.Tracing`.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// Which requests.
    pub sampling: Sampling,
    /// `custom_tags`; of two with one name the first counts.
    pub custom_tags: Vec<CustomTag>,
    /// `operation`: the name of spans, in place of decorators.
    pub operation: Option<Format>,
    /// `upstream_operation`: that of spans of attempts.
    pub upstream_operation: Option<Format>,
    /// `verbose`: spans have events.
    pub verbose: bool,
    /// `max_path_tag_length`, default 256.
    pub max_path: usize,
    /// `spawn_upstream_span`: each attempt has a span of its own.
    pub spawns: bool,
    /// Not `no_context_propagation`: the next hop is told.
    pub propagates: bool,
    /// `provider`, where it acts.
    pub provider: Option<Arc<Provider>>,
    /// Who says it.
    pub node: Arc<Node>,
}

impl Default for Tracing {
    fn default() -> Tracing {
        Tracing {
            sampling: Sampling::default(),
            custom_tags: Vec::new(),
            operation: None,
            upstream_operation: None,
            verbose: false,
            max_path: MAX_PATH,
            spawns: false,
            propagates: true,
            provider: None,
            node: Arc::default(),
        }
    }
}

const MAX_PATH: usize = 256;

/// What spans say of this proxy.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// `node.id`.
    pub id: Arc<str>,
    /// `node.locality.zone`.
    pub zone: Arc<str>,
}

/// `route.v3.Tracing`.
#[derive(Debug, Clone, Default)]
pub struct OfRoute {
    /// In place of the connection manager's.
    pub sampling: Sampling,
    /// Before those of the connection manager.
    pub custom_tags: Vec<CustomTag>,
    /// In place of the connection manager's.
    pub operation: Option<Format>,
    /// Likewise.
    pub upstream_operation: Option<Format>,
}

/// Shares of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// `client_sampling`, of those with `x-client-trace-id`.
    pub client: Live<Fraction>,
    /// `random_sampling`.
    pub random: Live<Fraction>,
    /// `overall_sampling`, of all that would be traced.
    pub overall: Live<Fraction>,
}

impl Default for Sampling {
    fn default() -> Sampling {
        let all = || Live::from(Fraction { numerator: 100, denominator: 100 });
        Sampling { client: all(), random: all(), overall: all() }
    }
}

/// `type.tracing.v3.CustomTag`.
#[derive(Debug, Clone)]
pub struct CustomTag {
    /// `tag`.
    pub name: Arc<str>,
    /// Its value; an empty one is left out.
    pub value: TagValue,
}

/// Where the value of a custom tag is from.
#[derive(Debug, Clone)]
pub enum TagValue {
    /// `literal`.
    Literal(Arc<str>),
    /// `environment`: a variable, and what stands in for it.
    Environment(Arc<str>, Arc<str>),
    /// `request_header`, `metadata` or `value`, and what stands in for what is not there.
    Written(Format, Arc<str>),
}

/// A tracer that acts.
#[derive(Debug, Clone)]
pub enum Provider {
    /// `envoy.tracers.opentelemetry`.
    OpenTelemetry(OpenTelemetry),
    /// `envoy.tracers.zipkin`.
    Zipkin(Zipkin),
}

/// `OpenTelemetryConfig`.
#[derive(Debug, Clone)]
pub struct OpenTelemetry {
    /// Where spans go.
    pub collector: Collector,
    /// `service_name`; none: it is not said.
    pub service_name: Option<Arc<str>>,
    /// `resource_detectors` that act, in order.
    pub detectors: Vec<Detector>,
    /// `sampler`.
    pub sampler: Option<Sampler>,
    /// `set_telemetry_sdk_resource_attributes`.
    pub says_sdk: bool,
    /// `set_instrumentation_scope`.
    pub says_scope: bool,
    /// How spans are gathered.
    pub batch: Batch,
}

/// Where spans of OpenTelemetry go.
#[derive(Debug, Clone)]
pub enum Collector {
    /// `grpc_service`.
    Grpc(GrpcService),
    /// `http_service`.
    Http(HttpService),
}

/// A resource detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detector {
    /// `EnvironmentResourceDetectorConfig`: what `OTEL_RESOURCE_ATTRIBUTES` says.
    Environment,
    /// `StaticConfigResourceDetectorConfig`, by name.
    Static(Vec<(Arc<str>, Arc<str>)>),
}

/// A sampler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sampler {
    /// `AlwaysOnSamplerConfig`.
    AlwaysOn,
    /// `TraceIdRatioBasedSamplerConfig`.
    Ratio(Fraction),
    /// `ParentBasedSamplerConfig`: as the caller says, else that one.
    ParentBased(Box<Sampler>),
}

/// `ZipkinConfig`.
#[derive(Debug, Clone)]
pub struct Zipkin {
    /// Where spans go.
    pub collector: HttpService,
    /// `collector_endpoint_version` is `HTTP_PROTO`, and not `HTTP_JSON`.
    pub protobuf: bool,
    /// `trace_id_128bit`.
    pub long_ids: bool,
    /// `shared_span_context`, default true: a server's span has its caller's id.
    pub shares: bool,
    /// `split_spans_for_request`: spans of requests are the server's whichever way these go.
    pub splits: bool,
    /// `trace_context_option` is `USE_B3_WITH_W3C_PROPAGATION`.
    pub w3c: bool,
    /// `timestamp_trace_ids`.
    pub dated_ids: bool,
    /// `node.cluster`, as which this proxy is known.
    pub service: Arc<str>,
    /// How spans are gathered.
    pub batch: Batch,
}

/// How spans are gathered before they are sent. By keys of the runtime, as with Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// So many are sent at once.
    pub enough: usize,
    /// And fewer once this is over.
    pub interval: Duration,
    /// More are not kept.
    pub most: usize,
}
