//! `envoy.config.trace.v3.ZipkinConfig`. Called by `decode`.

use std::sync::Arc;
use std::time::Duration;

use super::{Zipkin, opentelemetry};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, trace::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::services::{self, HttpService, HttpUri};

const KEYS: &str = "tracing.zipkin";

pub(super) fn decode(at: &At<'_>, proto: &pb::ZipkinConfig, options: &Options) -> Result<Zipkin, Rejection> {
    use pb::zipkin_config::{CollectorEndpointVersion as Version, TraceContextOption};
    let at_version = at.field("collector_endpoint_version");
    let protobuf = match proto::defined::<Version>(&at_version, proto.collector_endpoint_version)? {
        Version::HttpJson => false,
        Version::HttpProto => true,
        Version::DeprecatedAndUnavailableDoNotUse => {
            return Err(at_version.reject("the first version of the API is gone; give HTTP_JSON or HTTP_PROTO"));
        }
        Version::Grpc => {
            return Err(at_version.reject("is not implemented by Envoy either; give HTTP_JSON or HTTP_PROTO"));
        }
    };
    let at_option = at.field("trace_context_option");
    let option = proto::defined::<TraceContextOption>(&at_option, proto.trace_context_option)?;
    Ok(Zipkin {
        collector: collector(at, proto, options)?,
        protobuf,
        long_ids: proto.trace_id_128bit,
        shares: proto::bool_or(&proto.shared_span_context, true),
        splits: proto.split_spans_for_request,
        w3c: option == TraceContextOption::UseB3WithW3cPropagation,
        dated_ids: proto.timestamp_trace_ids,
        service: options.service_cluster.clone(),
        batch: opentelemetry::batch(KEYS, None, options),
    })
}

fn collector(at: &At<'_>, proto: &pb::ZipkinConfig, options: &Options) -> Result<HttpService, Rejection> {
    let timeout = options.runtime.get(&format!("{KEYS}.request_timeout")).unwrap_or(5000);
    let timeout = Some(timeout).filter(|timeout| *timeout > 0).map(Duration::from_millis);
    let Some(service) = &proto.collector_service else {
        let cluster = field_rules::not_empty(&at.field("collector_cluster"), &proto.collector_cluster)?;
        let path = field_rules::not_empty(&at.field("collector_endpoint"), &proto.collector_endpoint)?;
        field_rules::header_value(&at.field("collector_endpoint"), &path)?;
        field_rules::header_value(&at.field("collector_hostname"), &proto.collector_hostname)?;
        let host = proto::text(&proto.collector_hostname).unwrap_or_else(|| cluster.clone());
        let uri = HttpUri { uri: path.clone(), host, path, cluster, timeout };
        return Ok(HttpService { uri, headers: Vec::new() });
    };
    of_service(&at.field("collector_service"), service, timeout, options)
}

fn of_service(
    at: &At<'_>,
    proto: &core::HttpService,
    default: Option<Duration>,
    options: &Options,
) -> Result<HttpService, Rejection> {
    let at_uri = at.field("http_uri");
    let uri = field_rules::required(&at_uri, &proto.http_uri)?;
    let Some(core::http_uri::HttpUpstreamType::Cluster(cluster)) = &uri.http_upstream_type else {
        return Err(at_uri.field("cluster").reject("is required and not set; name the cluster of the collector"));
    };
    let cluster = field_rules::not_empty(&at_uri.field("cluster"), cluster)?;
    let text = field_rules::not_empty(&at_uri.field("uri"), &uri.uri)?;
    field_rules::header_value(&at_uri.field("uri"), &text)?;
    // A path alone has the cluster for its host.
    let (host, path) = services::parts(&text);
    let uri = HttpUri {
        host: proto::text(host).unwrap_or_else(|| cluster.clone()),
        path: Arc::from(path),
        cluster,
        timeout: proto::timeout(&at_uri.field("timeout"), &uri.timeout, default)?,
        uri: text.clone(),
    };
    Ok(HttpService { uri, headers: services::service_headers(at, proto, options)? })
}
