//! The messages of tracing to plain data. Called for connection managers and routes.

use std::sync::Arc;

use super::{CustomTag, Node, OfRoute, Provider, Sampling, TagValue, Tracing, opentelemetry, zipkin};
use crate::access_log::{self, Format, MetadataOf, Operator, Part};
use crate::extension;
use crate::field_rules;
use crate::matcher::{self, Fraction};
use crate::options::Options;
use crate::proto::extensions::filters::network::http_connection_manager::v3::http_connection_manager as hcm;
use crate::proto::{self, route::v3 as route, trace::v3 as trace, types, uint32};
use crate::rate_limit;
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

type ProtoTag = types::tracing::v3::CustomTag;

/// `HttpConnectionManager.tracing`.
pub(crate) fn tracing(at: &At<'_>, proto: &hcm::Tracing, options: &Options) -> Result<Tracing, Rejection> {
    let percent = |field: &str, value| field_rules::percent(&at.field(field), value);
    let (client, random, overall) = (
        percent("client_sampling", &proto.client_sampling)?,
        percent("random_sampling", &proto.random_sampling)?,
        percent("overall_sampling", &proto.overall_sampling)?,
    );
    let provider = match (&proto.provider, &options.tracer) {
        (Some(one), _) => provider(&at.field("provider"), one, options)?,
        // That of the bootstrap, which has been looked at there.
        (None, Some(one)) => provider(&At::root().field("tracing").field("http"), one, options)?,
        (None, None) => None,
    };
    Ok(Tracing {
        sampling: sampling(
            [
                // As with Envoy, whole numbers of percent.
                Fraction { numerator: client.map_or(100, |percent| percent as u32), denominator: 100 },
                hundredths(random),
                hundredths(overall),
            ],
            options,
        ),
        custom_tags: custom_tags(&at.field("custom_tags"), &proto.custom_tags)?,
        operation: operation(&at.field("operation"), &proto.operation)?,
        upstream_operation: operation(&at.field("upstream_operation"), &proto.upstream_operation)?,
        verbose: proto.verbose,
        max_path: uint32(&proto.max_path_tag_length).map_or(super::MAX_PATH, |most| most as usize),
        spawns: proto::bool_or(&proto.spawn_upstream_span, false),
        propagates: !proto.no_context_propagation,
        provider,
        node: Arc::new(Node { id: options.node_id.clone(), zone: options.node_locality.zone.clone() }),
    })
}

/// `Route.tracing`.
pub(crate) fn of_route(at: &At<'_>, proto: &route::Tracing, options: &Options) -> Result<OfRoute, Rejection> {
    let share = |field: &str, value: &Option<types::v3::FractionalPercent>| match value {
        None => Ok(Fraction { numerator: 100, denominator: 100 }),
        Some(value) => matcher::decode::fraction(&at.field(field), value),
    };
    Ok(OfRoute {
        sampling: sampling(
            [
                share("client_sampling", &proto.client_sampling)?,
                share("random_sampling", &proto.random_sampling)?,
                share("overall_sampling", &proto.overall_sampling)?,
            ],
            options,
        ),
        custom_tags: custom_tags(&at.field("custom_tags"), &proto.custom_tags)?,
        operation: operation(&at.field("operation"), &proto.operation)?,
        upstream_operation: operation(&at.field("upstream_operation"), &proto.upstream_operation)?,
    })
}

fn hundredths(percent: Option<f64>) -> Fraction {
    // Within 0 to 100 by the rule of the field.
    Fraction { numerator: percent.map_or(10_000, |percent| (percent * 100.0).round() as u32), denominator: 10_000 }
}

/// Keys of the runtime have the last word.
fn sampling([client, random, overall]: [Fraction; 3], options: &Options) -> Sampling {
    Sampling {
        client: options.runtime.live("tracing.client_enabled", client),
        random: options.runtime.live("tracing.random_sampling", random),
        overall: options.runtime.live("tracing.global_enabled", overall),
    }
}

fn operation(at: &At<'_>, text: &str) -> Result<Option<Format>, Rejection> {
    (!text.is_empty()).then(|| format(at, text)).transpose()
}

/// What is not known is empty.
fn format(at: &At<'_>, text: &str) -> Result<Format, Rejection> {
    Ok(Format { omit_empty: true, ..access_log::decode::text_format(at, text)? })
}

pub(crate) fn custom_tags(at: &At<'_>, list: &[ProtoTag]) -> Result<Vec<CustomTag>, Rejection> {
    let mut tags: Vec<CustomTag> = Vec::with_capacity(list.len());
    for (index, proto) in list.iter().enumerate() {
        let at = at.index(index);
        let name = field_rules::not_empty(&at.field("tag"), &proto.tag)?;
        let value = tag_value(&at, proto)?;
        if tags.iter().all(|tag| tag.name != name) {
            tags.push(CustomTag { name, value });
        }
    }
    Ok(tags)
}

fn tag_value(at: &At<'_>, proto: &ProtoTag) -> Result<TagValue, Rejection> {
    use types::metadata::v3::metadata_kind::Kind as Of;
    use types::tracing::v3::custom_tag::Type;
    let text = |text: &str| Arc::from(text);
    Ok(match &proto.r#type {
        None => return Err(at.reject("has no value; give literal, environment, request_header, metadata or value")),
        Some(Type::Literal(literal)) => {
            TagValue::Literal(field_rules::not_empty(&at.field("literal").field("value"), &literal.value)?)
        }
        Some(Type::Environment(variable)) => TagValue::Environment(
            field_rules::not_empty(&at.field("environment").field("name"), &variable.name)?,
            text(&variable.default_value),
        ),
        Some(Type::RequestHeader(header)) => {
            let name = field_rules::header_name(&at.field("request_header").field("name"), &header.name)?;
            TagValue::Written(alone(Operator::RequestHeader(name, None)), text(&header.default_value))
        }
        Some(Type::Metadata(metadata)) => {
            let at = at.field("metadata");
            let (filter, path) = rate_limit::decode::metadata_key(&at.field("metadata_key"), &metadata.metadata_key)?;
            let kind = metadata.kind.as_ref().and_then(|kind| kind.kind.as_ref());
            let of = match kind {
                // As with Envoy, nothing is found there.
                None => return Ok(TagValue::Literal(text(&metadata.default_value))),
                Some(Of::Request(_)) => MetadataOf::Request,
                Some(Of::Route(_)) => MetadataOf::Route,
                Some(Of::Cluster(_)) => MetadataOf::Cluster,
                Some(Of::Host(_)) => MetadataOf::Endpoint,
            };
            TagValue::Written(alone(Operator::Metadata(of, filter, path.into())), text(&metadata.default_value))
        }
        Some(Type::Value(value)) => TagValue::Written(format(&at.field("value"), value)?, Arc::default()),
    })
}

/// One operator.
fn alone(operator: Operator) -> Format {
    Format { parts: vec![Part::Operator { operator, limit: None }], omit_empty: true }
}

/// A tracer; `None` for those that are known and do not act.
pub(crate) fn provider(
    at: &At<'_>,
    proto: &trace::tracing::Http,
    options: &Options,
) -> Result<Option<Arc<Provider>>, Rejection> {
    let at = at.field("typed_config");
    let Some(trace::tracing::http::ConfigType::TypedConfig(any)) = &proto.config_type else {
        return Err(at.reject("is required and not set; set it"));
    };
    let extension = extension::open(&at, any)?;
    Ok(match &*extension.type_name {
        registry::OPENTELEMETRY_TRACER => {
            let decoded = opentelemetry::decode(&at, &extension.decode(&at, options)?, options)?;
            Some(Arc::new(Provider::OpenTelemetry(decoded)))
        }
        registry::ZIPKIN_TRACER => {
            let decoded = zipkin::decode(&at, &extension.decode(&at, options)?, options)?;
            Some(Arc::new(Provider::Zipkin(decoded)))
        }
        _ => {
            registry::inert(&at, Kind::Tracer, &proto.name, &extension, options)?;
            None
        }
    })
}
