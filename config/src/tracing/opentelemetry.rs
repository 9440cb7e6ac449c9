//! `envoy.config.trace.v3.OpenTelemetryConfig` with its samplers and resource detectors. Called by `decode`.

use std::sync::Arc;
use std::time::Duration;

use super::{Batch, Collector, Detector, OpenTelemetry, Sampler};
use crate::extension::{self, Extension};
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::extensions::tracers::opentelemetry::{resource_detectors::v3 as detectors, samplers::v3 as samplers};
use crate::proto::{core::v3 as core, trace::v3 as pb, uint32};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::services;

/// What Envoy calls a service that has no name.
const UNNAMED: &str = "unknown_service:envoy";
/// Samplers that hold one another.
const DEEPEST: usize = 8;

pub(super) fn decode(
    at: &At<'_>,
    proto: &pb::OpenTelemetryConfig,
    options: &Options,
) -> Result<OpenTelemetry, Rejection> {
    if let Some(exporter) = &proto.exporter {
        let at = at.field("exporter");
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &exporter.typed_config)?;
        return Err(registry::not_registered(&at, &exporter.name, &extension.type_name));
    }
    let collector = match (&proto.grpc_service, &proto.http_service) {
        (Some(service), None) => Collector::Grpc(services::grpc_service(&at.field("grpc_service"), service, options)?),
        (None, Some(service)) => Collector::Http(services::http_service(&at.field("http_service"), service, options)?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(at.reject("must have exactly one of grpc_service and http_service; give one of them"));
        }
    };
    let on = |flag: &Option<_>| crate::proto::bool_or(flag, true);
    let name = if proto.service_name.is_empty() { UNNAMED } else { &proto.service_name };
    Ok(OpenTelemetry {
        collector,
        service_name: on(&proto.set_service_name_resource_attribute).then(|| Arc::from(name)),
        detectors: all_detectors(&at.field("resource_detectors"), &proto.resource_detectors, options)?,
        sampler: match &proto.sampler {
            None => None,
            Some(one) => sampler(&at.field("sampler"), one, options, 0)?,
        },
        says_sdk: on(&proto.set_telemetry_sdk_resource_attributes),
        says_scope: on(&proto.set_instrumentation_scope),
        batch: batch("tracing.opentelemetry", uint32(&proto.max_cache_size), options),
    })
}

/// By the runtime's keys of a tracer.
pub(super) fn batch(keys: &str, most: Option<u32>, options: &Options) -> Batch {
    let integer = |key: &str, default| options.runtime.get(&format!("{keys}.{key}")).unwrap_or(default);
    Batch {
        enough: usize::try_from(integer("min_flush_spans", 5)).unwrap_or(usize::MAX).max(1),
        interval: Duration::from_millis(integer("flush_interval_ms", 5000).max(1)),
        most: most.map_or(1024, |most| most as usize),
    }
}

pub(crate) fn all_detectors(
    at: &At<'_>,
    list: &[core::TypedExtensionConfig],
    options: &Options,
) -> Result<Vec<Detector>, Rejection> {
    // Whatever is configured wins.
    let platform = Some(options.platform()).filter(|platform| !platform.is_empty());
    let mut all: Vec<Detector> = platform.map(Detector::Static).into_iter().collect();
    for (index, proto) in list.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &proto.typed_config)?;
        match &*extension.type_name {
            "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig" => {
                let detectors::EnvironmentResourceDetectorConfig {} = extension.decode(&at, options)?;
                all.push(Detector::Environment);
            }
            "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig" => {
                let proto: detectors::StaticConfigResourceDetectorConfig = extension.decode(&at, options)?;
                let mut attributes: Vec<(Arc<str>, Arc<str>)> =
                    proto.attributes.into_iter().map(|(key, value)| (Arc::from(key), Arc::from(value))).collect();
                attributes.sort();
                all.push(Detector::Static(attributes));
            }
            _ => registry::inert(&at, Kind::ResourceDetector, &proto.name, &extension, options)?,
        }
    }
    Ok(all)
}

/// A sampler; `None` for those that are known and do not act.
fn sampler(
    at: &At<'_>,
    proto: &core::TypedExtensionConfig,
    options: &Options,
    depth: usize,
) -> Result<Option<Sampler>, Rejection> {
    if depth > DEEPEST {
        return Err(at.reject("is nested too deeply"));
    }
    let at = at.field("typed_config");
    let extension: Extension<'_> = extension::open_required(&at, &proto.typed_config)?;
    Ok(match &*extension.type_name {
        "envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig" => {
            let samplers::AlwaysOnSamplerConfig {} = extension.decode(&at, options)?;
            Some(Sampler::AlwaysOn)
        }
        "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig" => {
            let proto: samplers::TraceIdRatioBasedSamplerConfig = extension.decode(&at, options)?;
            let share = proto.sampling_percentage.unwrap_or_default();
            Some(Sampler::Ratio(matcher::decode::fraction(&at.field("sampling_percentage"), &share)?))
        }
        "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig" => {
            let proto: samplers::ParentBasedSamplerConfig = extension.decode(&at, options)?;
            let at = at.field("wrapped_sampler");
            let wrapped = field_rules::required(&at, &proto.wrapped_sampler)?;
            sampler(&at, wrapped, options, depth + 1)?.map(|wrapped| Sampler::ParentBased(Box::new(wrapped)))
        }
        _ => {
            registry::inert(&at, Kind::Sampler, &proto.name, &extension, options)?;
            None
        }
    })
}
