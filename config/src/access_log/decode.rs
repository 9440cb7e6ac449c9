//! `AccessLog` to plain data. Called for listeners, the connection manager (whose local replies have filters and formats, too) and the TCP proxy.

use std::sync::Arc;

use super::operator::Formatters;
use super::{AccessLog, Comparison, Format, JsonFormat, LogFilter, LogFormat, Sink, format};
use crate::cel;
use crate::extension;
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::extensions::{access_loggers::filters::cel::v3::ExpressionFilter, formatter::cel::v3::Cel};
use crate::proto::{self, accesslog::v3 as pb, core::v3 as core, extensions::access_loggers as loggers, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// Several logs.
pub(crate) fn access_logs(at: &At<'_>, list: &[pb::AccessLog], options: &Options) -> Result<Vec<AccessLog>, Rejection> {
    list.iter().enumerate().map(|(index, log)| access_log(&at.index(index), log, options)).collect()
}

fn access_log(at: &At<'_>, proto: &pb::AccessLog, options: &Options) -> Result<AccessLog, Rejection> {
    let filter = proto.filter.as_ref().map(|filter| log_filter(&at.field("filter"), filter, options, 0)).transpose()?;
    let at_config = at.field("typed_config");
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = &proto.config_type else {
        return Err(at_config.reject("is required and not set; set it"));
    };
    Ok(AccessLog { filter, sink: sink(&at_config, &proto.name, any, options)? })
}

fn sink(at: &At<'_>, name: &str, any: &wkt::Any, options: &Options) -> Result<Sink, Rejection> {
    let extension = extension::open(at, any)?;
    Ok(match &*extension.type_name {
        "envoy.extensions.access_loggers.file.v3.FileAccessLog" => file(at, &extension.decode(at, options)?, options)?,
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" => {
            use loggers::stream::v3::{StdoutAccessLog, stdout_access_log::AccessLogFormat::LogFormat};
            let proto: StdoutAccessLog = extension.decode(at, options)?;
            let format = proto.access_log_format.map(|LogFormat(format)| format);
            Sink::File { path: Arc::from("/dev/stdout"), format: stream_format(at, format.as_ref(), options)? }
        }
        "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" => {
            use loggers::stream::v3::{StderrAccessLog, stderr_access_log::AccessLogFormat::LogFormat};
            let proto: StderrAccessLog = extension.decode(at, options)?;
            let format = proto.access_log_format.map(|LogFormat(format)| format);
            Sink::File { path: Arc::from("/dev/stderr"), format: stream_format(at, format.as_ref(), options)? }
        }
        _ => {
            registry::inert(at, Kind::AccessLog, name, &extension, options)?;
            Sink::Inert(Arc::from(&*extension.type_name))
        }
    })
}

fn file(at: &At<'_>, proto: &loggers::file::v3::FileAccessLog, options: &Options) -> Result<Sink, Rejection> {
    use loggers::file::v3::file_access_log::AccessLogFormat;
    let path = field_rules::not_empty(&at.field("path"), &proto.path)?;
    let format = match &proto.access_log_format {
        None => default_format(at)?,
        // Empty means the default too, as in Envoy.
        Some(AccessLogFormat::Format(text)) if text.is_empty() => default_format(at)?,
        Some(AccessLogFormat::Format(text)) => LogFormat::Text(text_format(&at.field("format"), text)?),
        Some(AccessLogFormat::JsonFormat(json)) => {
            LogFormat::Json(json_object(&at.field("json_format"), json, &Shape::default())?)
        }
        Some(AccessLogFormat::TypedJsonFormat(json)) => {
            LogFormat::Json(json_object(&at.field("typed_json_format"), json, &Shape::default())?)
        }
        Some(AccessLogFormat::LogFormat(format)) => substitution(&at.field("log_format"), format, options)?,
    };
    Ok(Sink::File { path, format })
}

fn stream_format(
    at: &At<'_>,
    proto: Option<&core::SubstitutionFormatString>,
    options: &Options,
) -> Result<LogFormat, Rejection> {
    match proto {
        None => default_format(at),
        Some(format) => substitution(&at.field("log_format"), format, options),
    }
}

fn default_format(at: &At<'_>) -> Result<LogFormat, Rejection> {
    text_format(at, format::DEFAULT).map(LogFormat::Text)
}

/// A format string; also used for header values.
pub(crate) fn text_format(at: &At<'_>, text: &str) -> Result<Format, Rejection> {
    format::parse(text).map_err(|reason| at.reject(reason))
}

/// A `SubstitutionFormatString`.
pub(crate) fn substitution(
    at: &At<'_>,
    proto: &core::SubstitutionFormatString,
    options: &Options,
) -> Result<LogFormat, Rejection> {
    use core::substitution_format_string::Format as Source;
    let at_formatters = at.field("formatters");
    let mut shape = Shape { omit_empty: proto.omit_empty_values, ..Shape::default() };
    for (index, formatter) in proto.formatters.iter().enumerate() {
        let at = at_formatters.index(index);
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &formatter.typed_config)?;
        registry::inert(&at, Kind::Formatter, &formatter.name, &extension, options)?;
        match &*extension.type_name {
            registry::CEL_FORMATTER => shape.cel = extension.decode::<Cel>(&at, options)?.cel_config,
            registry::WITHOUT_QUERY_FORMATTER => shape.without_query = true,
            _ => {}
        }
    }
    let shape = &shape;
    match &proto.format {
        None => Err(at.reject("has no format; give text_format_source or json_format")),
        Some(Source::TextFormat(text)) => shape.text(&at.field("text_format"), text).map(LogFormat::Text),
        Some(Source::TextFormatSource(source)) => {
            let at = at.field("text_format_source");
            let text = field_rules::content(&at, source, options)?;
            shape.text(&at, &String::from_utf8_lossy(&text)).map(LogFormat::Text)
        }
        Some(Source::JsonFormat(json)) => Ok(LogFormat::Json(json_object(&at.field("json_format"), json, shape)?)),
    }
}

/// What holds for all that a format is made of.
#[derive(Default)]
struct Shape {
    omit_empty: bool,
    /// How expressions are read.
    cel: Option<core::CelExpressionConfig>,
    /// `REQ_WITHOUT_QUERY` is a command.
    without_query: bool,
}

impl Shape {
    fn text(&self, at: &At<'_>, text: &str) -> Result<Format, Rejection> {
        let formatters = Formatters { cel: self.cel.as_ref(), without_query: self.without_query };
        let format = format::parse_with(text, formatters).map_err(|reason| at.reject(reason))?;
        Ok(Format { omit_empty: self.omit_empty, ..format })
    }
}

fn json_object(at: &At<'_>, proto: &wkt::Struct, shape: &Shape) -> Result<Vec<(Arc<str>, JsonFormat)>, Rejection> {
    // Envoy writes the keys sorted.
    let mut fields: Vec<_> = proto.fields.iter().collect();
    fields.sort_by_key(|(key, _)| *key);
    fields
        .into_iter()
        .map(|(key, value)| Ok((Arc::from(key.as_str()), json_value(&at.field(key), value, shape)?)))
        .collect()
}

fn json_value(at: &At<'_>, proto: &wkt::Value, shape: &Shape) -> Result<JsonFormat, Rejection> {
    use wkt::value::Kind as Value;
    Ok(match &proto.kind {
        Some(Value::StringValue(text)) => JsonFormat::Value(shape.text(at, text)?),
        Some(Value::StructValue(object)) => JsonFormat::Object(json_object(at, object, shape)?),
        Some(Value::ListValue(list)) => {
            let values = list.values.iter().enumerate();
            JsonFormat::List(
                values.map(|(index, value)| json_value(&at.index(index), value, shape)).collect::<Result<_, _>>()?,
            )
        }
        _ => JsonFormat::Constant(proto::value_to_json(proto)),
    })
}

pub(crate) fn log_filter(
    at: &At<'_>,
    proto: &pb::AccessLogFilter,
    options: &Options,
    depth: usize,
) -> Result<LogFilter, Rejection> {
    use pb::access_log_filter::FilterSpecifier as Filter;
    if depth > 16 {
        return Err(at.reject("is nested too deeply"));
    }
    let all = |field: &str, list: &[pb::AccessLogFilter]| {
        let at = at.field(field);
        let at = at.field("filters");
        if list.len() < 2 {
            return Err(at.reject("must have at least two filters"));
        }
        list.iter()
            .enumerate()
            .map(|(index, one)| log_filter(&at.index(index), one, options, depth + 1))
            .collect::<Result<Vec<_>, _>>()
    };
    let inert = |field: &str| {
        options.note(&at.field(field), "is not acting; every entry is written");
        LogFilter::LogAll(Arc::from(field))
    };
    Ok(match &proto.filter_specifier {
        None => return Err(at.reject("is empty; give a filter or leave it out")),
        Some(Filter::StatusCodeFilter(filter)) => {
            let (op, value) = comparison(&at.field("status_code_filter"), &filter.comparison, options)?;
            LogFilter::StatusCode(op, value)
        }
        Some(Filter::DurationFilter(filter)) => {
            let (op, value) = comparison(&at.field("duration_filter"), &filter.comparison, options)?;
            LogFilter::Duration(op, value)
        }
        Some(Filter::NotHealthCheckFilter(_)) => LogFilter::NotHealthCheck,
        Some(Filter::AndFilter(list)) => LogFilter::And(all("and_filter", &list.filters)?),
        Some(Filter::OrFilter(list)) => LogFilter::Or(all("or_filter", &list.filters)?),
        Some(Filter::HeaderFilter(filter)) => {
            let at = at.field("header_filter");
            let at = at.field("header");
            LogFilter::Header(matcher::decode::header(&at, field_rules::required(&at, &filter.header)?)?)
        }
        Some(Filter::ResponseFlagFilter(filter)) => {
            LogFilter::ResponseFlags(response_flags(&at.field("response_flag_filter").field("flags"), &filter.flags)?)
        }
        Some(Filter::ExtensionFilter(filter)) => extension_filter(&at.field("extension_filter"), filter, options)?,
        Some(Filter::TraceableFilter(_)) => inert("traceable_filter"),
        Some(Filter::RuntimeFilter(_)) => inert("runtime_filter"),
        Some(Filter::GrpcStatusFilter(_)) => inert("grpc_status_filter"),
        Some(Filter::MetadataFilter(_)) => inert("metadata_filter"),
        Some(Filter::LogTypeFilter(_)) => inert("log_type_filter"),
    })
}

fn comparison(
    at: &At<'_>,
    proto: &Option<pb::ComparisonFilter>,
    options: &Options,
) -> Result<(Comparison, u32), Rejection> {
    use pb::comparison_filter::Op;
    let at = at.field("comparison");
    let comparison = field_rules::required(&at, proto)?;
    let value = field_rules::required(&at.field("value"), &comparison.value)?;
    let op = match proto::defined::<Op>(&at.field("op"), comparison.op)? {
        Op::Eq => Comparison::Equal,
        Op::Ge => Comparison::AtLeast,
        Op::Le => Comparison::AtMost,
        Op::Ne => Comparison::NotEqual,
    };
    let of_runtime = options.runtime.integer(&value.runtime_key).and_then(|value| u32::try_from(value).ok());
    Ok((op, of_runtime.unwrap_or(value.default_value)))
}

fn extension_filter(at: &At<'_>, proto: &pb::ExtensionFilter, options: &Options) -> Result<LogFilter, Rejection> {
    let at = at.field("typed_config");
    let Some(pb::extension_filter::ConfigType::TypedConfig(any)) = &proto.config_type else {
        return Err(at.reject("is required and not set; set it"));
    };
    let extension = extension::open(&at, any)?;
    if extension.type_name == registry::CEL_LOG_FILTER {
        let filter: ExpressionFilter = extension.decode(&at, options)?;
        let expression = cel::of_text(&filter.expression, filter.cel_config.as_ref(), cel::Place::Line);
        return expression.map(LogFilter::Expression).map_err(|reason| at.field("expression").reject(reason));
    }
    registry::inert(&at, Kind::AccessLogFilter, &proto.name, &extension, options)?;
    Ok(LogFilter::LogAll(Arc::from(&*extension.type_name)))
}

/// Short names of response flags, as Envoy 1.40 knows them.
const RESPONSE_FLAGS: &[&str] = &[
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH",
    "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
];

fn response_flags(at: &At<'_>, list: &[String]) -> Result<Vec<Arc<str>>, Rejection> {
    let one = |(index, flag): (usize, &String)| {
        if RESPONSE_FLAGS.contains(&flag.as_str()) {
            Ok(Arc::from(flag.as_str()))
        } else {
            Err(at.index(index).reject(format!("{flag:?} is not a response flag; give short names such as UH or NR")))
        }
    };
    list.iter().enumerate().map(one).collect()
}
