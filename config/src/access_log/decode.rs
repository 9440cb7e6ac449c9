//! `AccessLog` to plain data. Called for listeners, the connection manager (whose local replies have filters and formats, too) and the TCP proxy.

use std::sync::Arc;

use super::operator::Formatters;
use super::{AccessLog, Format, JsonFormat, LogFormat, Sink, filter, format, over_network};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::formatter::cel::v3::Cel;
use crate::proto::{self, accesslog::v3 as pb, core::v3 as core, extensions::access_loggers as loggers, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// Several logs.
pub(crate) fn access_logs(at: &At<'_>, list: &[pb::AccessLog], options: &Options) -> Result<Vec<AccessLog>, Rejection> {
    list.iter().enumerate().map(|(index, log)| access_log(&at.index(index), log, options)).collect()
}

/// What is given twice, in a former place and among `access_log_options`, is refused as Envoy refuses it.
pub(crate) fn not_twice(at: &At<'_>, is_there_too: bool) -> Result<(), Rejection> {
    match is_there_too {
        true => Err(at.reject("has its place in access_log_options, which is given too; leave it out here")),
        false => Ok(()),
    }
}

fn access_log(at: &At<'_>, proto: &pb::AccessLog, options: &Options) -> Result<AccessLog, Rejection> {
    let filter =
        proto.filter.as_ref().map(|filter| filter::decode(&at.field("filter"), filter, options, 0)).transpose()?;
    let at_config = at.field("typed_config");
    let Some(pb::access_log::ConfigType::TypedConfig(any)) = &proto.config_type else {
        return Err(at_config.reject("is required and not set; set it"));
    };
    Ok(AccessLog { filter, sink: sink(&at_config, &proto.name, any, options)? })
}

fn sink(at: &At<'_>, name: &str, any: &wkt::Any, options: &Options) -> Result<Sink, Rejection> {
    let extension = extension::open(at, any)?;
    if let Some(sink) = over_network::decode(at, &extension, options)? {
        return Ok(sink);
    }
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

/// Of a field that is a path alone.
pub(crate) fn plain_file(at: &At<'_>, path: &str) -> Result<AccessLog, Rejection> {
    Ok(AccessLog { filter: None, sink: Sink::File { path: Arc::from(path), format: default_format(at)? } })
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

/// Formatters beside formats that have all commands anyway.
pub(crate) fn formatters(at: &At<'_>, list: &[core::TypedExtensionConfig], options: &Options) -> Result<(), Rejection> {
    Shape::of(at, list, options).map(drop)
}

/// A `SubstitutionFormatString`.
pub(crate) fn substitution(
    at: &At<'_>,
    proto: &core::SubstitutionFormatString,
    options: &Options,
) -> Result<LogFormat, Rejection> {
    use core::substitution_format_string::Format as Source;
    let formatters = Shape::of(&at.field("formatters"), &proto.formatters, options)?;
    let shape = &Shape { omit_empty: proto.omit_empty_values, ..formatters };
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
pub(super) struct Shape {
    omit_empty: bool,
    /// How expressions are read.
    cel: Option<core::CelExpressionConfig>,
    /// `REQ_WITHOUT_QUERY` is a command.
    without_query: bool,
}

impl Shape {
    /// By `formatters`.
    pub(super) fn of(
        at: &At<'_>,
        formatters: &[core::TypedExtensionConfig],
        options: &Options,
    ) -> Result<Shape, Rejection> {
        let mut shape = Shape::default();
        for (index, formatter) in formatters.iter().enumerate() {
            let at = at.index(index);
            let at = at.field("typed_config");
            let extension = extension::open_required(&at, &formatter.typed_config)?;
            registry::inert(&at, Kind::Formatter, &formatter.name, &extension, options)?;
            match &*extension.type_name {
                registry::CEL_FORMATTER => shape.cel = extension.decode::<Cel>(&at, options)?.cel_config,
                registry::WITHOUT_QUERY_FORMATTER => shape.without_query = true,
                _ => {}
            }
        }
        Ok(shape)
    }

    pub(super) fn text(&self, at: &At<'_>, text: &str) -> Result<Format, Rejection> {
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
