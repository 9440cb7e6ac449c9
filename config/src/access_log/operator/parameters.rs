//! Commands that take parameters or a length.

use std::sync::Arc;

use super::super::Part;
use super::Calculated;
use super::parse::{Arguments, Formatters, parse as parse_command};
use super::{
    AddressPart, GrpcStatusFormat, HostFrom, MetadataOf, Moment, Operator, PathFrom, Precision, ServerNameFrom,
    StateFormat, TimePoint,
};

use crate::cel;
use crate::field_rules::is_header_name;
use crate::proto::core::v3::CelExpressionConfig;

type Parsed = Result<Operator, String>;

/// The operator of a command; `None` when there is none of that name.
pub(super) fn parse(name: &str, arguments: &Arguments<'_>) -> Option<Parsed> {
    if let Some(operator) = time(name, arguments).or_else(|| address(name, arguments)) {
        return Some(operator);
    }
    Some(match name {
        "REQ" | "REQUEST_HEADER" => header(name, arguments, Operator::RequestHeader),
        "RESP" | "RESPONSE_HEADER" => header(name, arguments, Operator::ResponseHeader),
        "TRAILER" | "RESPONSE_TRAILER" => header(name, arguments, Operator::ResponseTrailer),
        "REQ_WITHOUT_QUERY" if arguments.formatters.without_query => {
            header(name, arguments, Operator::RequestHeaderWithoutQuery)
        }
        "RESPONSE_CODE_DETAILS" => arguments.unlimited(name).map(|()| match arguments.given() {
            Some("ALLOW_WHITESPACES") => Operator::ResponseCodeDetailsAsIs,
            _ => Operator::ResponseCodeDetails,
        }),
        "ENVIRONMENT" => arguments.required(name).map(|variable| Operator::Environment(Arc::from(variable))),
        "GRPC_STATUS" => grpc_status(name, arguments),
        "COMMON_DURATION" => common_duration(name, arguments),
        "DYNAMIC_METADATA" => arguments.required(name).map(|text| metadata(MetadataOf::Request, text)),
        "CLUSTER_METADATA" => unlimited_metadata(name, MetadataOf::Cluster, arguments),
        "UPSTREAM_METADATA" => unlimited_metadata(name, MetadataOf::Endpoint, arguments),
        "METADATA" => any_metadata(arguments.given().unwrap_or_default()),
        "FILTER_STATE" => filter_state(arguments.given().unwrap_or_default()),
        // Nothing upstream of the router sets any.
        "UPSTREAM_FILTER_STATE" => {
            filter_state(arguments.given().unwrap_or_default()).map(|_| Operator::Absent(Arc::from(name)))
        }
        "REQUESTED_SERVER_NAME" => requested_server_name(name, arguments),
        "QUERY_PARAM" => arguments.required(name).map(|parameter| Operator::QueryParameter(Arc::from(parameter))),
        "QUERY_PARAMS" => match arguments.given() {
            None | Some("ORIG") => Ok(Operator::Query { decoded: false }),
            Some("DECODED") => Ok(Operator::Query { decoded: true }),
            Some(other) => Err(option(name, other, &["ORIG", "DECODED"])),
        },
        "PATH" => path(name, arguments),
        "CEL" => calculated(false, arguments),
        "TYPED_CEL" => calculated(true, arguments),
        "COALESCE" => arguments.required(name).and_then(|text| coalesce(text, arguments.formatters.cel)),
        _ => return None,
    })
}

fn option(name: &str, given: &str, allowed: &[&str]) -> String {
    let allowed: Vec<String> = allowed.iter().map(|one| format!("'{one}'")).collect();
    format!("Invalid {name} option: '{given}', only {} are allowed", allowed.join("/"))
}

fn header(name: &str, arguments: &Arguments<'_>, operator: fn(Arc<str>, Option<Arc<str>>) -> Operator) -> Parsed {
    arguments.required(name).and_then(header_names).map(|(main, alternative)| operator(main, alternative))
}

/// `main?alternative`, lower case.
fn header_names(text: &str) -> Result<(Arc<str>, Option<Arc<str>>), String> {
    let mut names = text.split('?').map(|name| Arc::from(name.to_ascii_lowercase()));
    let main: Arc<str> = names.next().unwrap_or_default();
    let alternative: Option<Arc<str>> = names.next();
    if names.next().is_some() {
        return Err(format!("More than 1 alternative header specified in token: {text}"));
    }
    if [Some(&main), alternative.as_ref()].into_iter().flatten().any(|name| !name.is_empty() && !is_header_name(name)) {
        return Err("Invalid header configuration. Format string contains invalid characters.".to_owned());
    }
    Ok((main, alternative.filter(|name| !name.is_empty())))
}

fn time(name: &str, arguments: &Arguments<'_>) -> Option<Parsed> {
    let (of, local) = match name {
        "START_TIME" => (Moment::Start, false),
        "START_TIME_LOCAL" => (Moment::Start, true),
        "EMIT_TIME" => (Moment::Emit, false),
        "EMIT_TIME_LOCAL" => (Moment::Emit, true),
        "DOWNSTREAM_PEER_CERT_V_START" => (Moment::DownstreamCertificateStart, false),
        "DOWNSTREAM_PEER_CERT_V_END" => (Moment::DownstreamCertificateEnd, false),
        "UPSTREAM_PEER_CERT_V_START" => (Moment::UpstreamCertificateStart, false),
        "UPSTREAM_PEER_CERT_V_END" => (Moment::UpstreamCertificateEnd, false),
        _ => return None,
    };
    Some(arguments.unlimited(name).and_then(|()| {
        let pattern = arguments.given();
        if pattern.is_some_and(|pattern| pattern.contains(['\n', '\r'])) {
            return Err("Invalid header configuration. Format string contains newline.".to_owned());
        }
        let pattern = pattern.map(Arc::from);
        Ok(Operator::Time { of, local, pattern })
    }))
}

/// `…_WITHOUT_PORT`, perhaps masked.
fn address(name: &str, arguments: &Arguments<'_>) -> Option<Parsed> {
    let operator: fn(AddressPart) -> Operator = match name.strip_suffix("_ADDRESS_WITHOUT_PORT")? {
        "DOWNSTREAM_DIRECT_LOCAL" => Operator::DownstreamDirectLocalAddress,
        "DOWNSTREAM_DIRECT_REMOTE" => Operator::DownstreamDirectRemoteAddress,
        "DOWNSTREAM_LOCAL" => Operator::DownstreamLocalAddress,
        "DOWNSTREAM_REMOTE" => Operator::DownstreamRemoteAddress,
        "UPSTREAM_LOCAL" => Operator::UpstreamLocalAddress,
        "UPSTREAM_REMOTE" => Operator::UpstreamRemoteAddress,
        _ => return None,
    };
    // What is no number masks nothing, as with Envoy.
    let bits = arguments.given().and_then(|bits| bits.parse::<u8>().ok());
    let part = bits.map_or(AddressPart::WithoutPort, AddressPart::Masked);
    Some(arguments.unlimited(name).map(|()| operator(part)))
}

fn grpc_status(name: &str, arguments: &Arguments<'_>) -> Parsed {
    arguments.unlimited(name)?;
    Ok(Operator::GrpcStatus(match arguments.given() {
        None | Some("CAMEL_STRING") => GrpcStatusFormat::Camel,
        Some("SNAKE_STRING") => GrpcStatusFormat::Snake,
        Some("NUMBER") => GrpcStatusFormat::Number,
        Some(other) => {
            return Err(format!(
                "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: {other}"
            ));
        }
    }))
}

fn common_duration(name: &str, arguments: &Arguments<'_>) -> Parsed {
    let text = arguments.required(name)?;
    arguments.unlimited(name)?;
    let parts: Vec<&str> = text.split(':').collect();
    let (from, to, precision) = match parts[..] {
        [from, to] => (from, to, "ms"),
        [from, to, precision] => (from, to, precision),
        _ => return Err(format!("Invalid common duration configuration: {text}.")),
    };
    let precision = match precision {
        "ms" => Precision::Milliseconds,
        "us" => Precision::Microseconds,
        "ns" => Precision::Nanoseconds,
        other => return Err(format!("Invalid common duration precision: {other}.")),
    };
    Ok(Operator::CommonDuration(point(from), point(to), precision))
}

fn point(name: &str) -> TimePoint {
    match name {
        "DS_RX_BEG" => TimePoint::RequestBegins,
        "DS_RX_END" => TimePoint::RequestEnds,
        "US_CX_BEG" => TimePoint::ConnectBegins,
        "US_CX_END" => TimePoint::ConnectEnds,
        "US_HS_END" => TimePoint::HandshakeEnds,
        "US_TX_BEG" => TimePoint::UploadBegins,
        "US_TX_END" => TimePoint::UploadEnds,
        "US_RX_BEG" => TimePoint::ResponseBegins,
        "US_RX_BODY_BEG" => TimePoint::ResponseBodyBegins,
        "US_RX_END" => TimePoint::ResponseEnds,
        "DS_TX_BEG" => TimePoint::DownloadBegins,
        "DS_TX_END" => TimePoint::DownloadEnds,
        // Only filters could set it, and none does.
        _ => TimePoint::Never,
    }
}

fn metadata(of: MetadataOf, text: &str) -> Operator {
    let mut parts = text.split(':').map(Arc::from);
    let namespace = parts.next().unwrap_or_default();
    Operator::Metadata(of, namespace, parts.collect())
}

fn unlimited_metadata(name: &str, of: MetadataOf, arguments: &Arguments<'_>) -> Parsed {
    let text = arguments.required(name)?;
    arguments.unlimited(name).map(|()| metadata(of, text))
}

fn any_metadata(text: &str) -> Parsed {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let of = match kind {
        "DYNAMIC" => MetadataOf::Request,
        "CLUSTER" => MetadataOf::Cluster,
        "ROUTE" => MetadataOf::Route,
        "UPSTREAM_HOST" => MetadataOf::Endpoint,
        "LISTENER" => MetadataOf::Listener,
        "LISTENER_FILTER_CHAIN" => MetadataOf::FilterChain,
        "VIRTUAL_HOST" => MetadataOf::VirtualHost,
        other => return Err(format!("{other} is not supported type of metadata")),
    };
    Ok(metadata(of, rest))
}

fn filter_state(text: &str) -> Parsed {
    let parts: Vec<&str> = text.split(':').collect();
    let key = parts.first().copied().unwrap_or_default();
    if key.is_empty() {
        return Err("Invalid filter state configuration, key cannot be empty.".to_owned());
    }
    let format = match parts.get(1).copied() {
        None | Some("TYPED") => StateFormat::Typed,
        Some("PLAIN") => StateFormat::Plain,
        Some("FIELD") => StateFormat::Field(Arc::from(parts.get(2).copied().unwrap_or_default())),
        Some(_) => return Err("Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.".to_owned()),
    };
    if matches!(format, StateFormat::Field(_)) != (parts.len() > 2) {
        return Err("Invalid filter state serialize type, FIELD should be used with the field name.".to_owned());
    }
    Ok(Operator::FilterState(Arc::from(key), format))
}

fn requested_server_name(name: &str, arguments: &Arguments<'_>) -> Parsed {
    arguments.unlimited(name)?;
    let mut parts = arguments.given().unwrap_or("SNI_ONLY").split(':');
    let from = match parts.next().unwrap_or_default() {
        "SNI_ONLY" => None,
        "SNI_FIRST" => Some(ServerNameFrom::SniThenHost),
        "HOST_FIRST" => Some(ServerNameFrom::HostThenSni),
        other => return Err(option(name, other, &["SNI_ONLY", "SNI_FIRST", "HOST_FIRST"])),
    };
    let host = match parts.next() {
        None | Some("ORIG_OR_HOST") => HostFrom::OriginalOrHost,
        Some("HOST") => HostFrom::Host,
        Some("ORIG") => HostFrom::Original,
        Some(other) => return Err(option(name, other, &["ORIG_OR_HOST", "HOST", "ORIG"])),
    };
    Ok(match from {
        None => Operator::RequestedServerName,
        Some(from) => Operator::ServerNameOrHost(from, host),
    })
}

fn path(name: &str, arguments: &Arguments<'_>) -> Parsed {
    let mut parts = arguments.given().unwrap_or("WQ").split(':');
    let query = match parts.next().unwrap_or_default() {
        "WQ" => true,
        "NQ" => false,
        other => return Err(option(name, other, &["WQ", "NQ"])),
    };
    let from = match parts.next() {
        None | Some("ORIG_OR_PATH") => PathFrom::OriginalOrPath,
        Some("ORIG") => PathFrom::Original,
        Some("PATH") => PathFrom::Path,
        Some(other) => return Err(option(name, other, &["ORIG", "PATH", "ORIG_OR_PATH"])),
    };
    Ok(Operator::Path { query, from })
}

fn calculated(typed: bool, arguments: &Arguments<'_>) -> Parsed {
    let text = arguments.parameters.unwrap_or_default();
    match cel::of_text(text, arguments.formatters.cel, cel::Place::Line) {
        Ok(expression) => Ok(Operator::Calculated(Calculated::new(expression, typed))),
        Err(reason) => Err(format!("Not able to parse expression {text:?}: {reason}")),
    }
}

/// `{"operators": ["COMMAND", {"command": …, "param": …, "max_length": …}]}`.
fn coalesce(text: &str, cel: Option<&CelExpressionConfig>) -> Parsed {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("COALESCE: failed to parse JSON configuration: {error}"))?;
    let Some(operators) = json.get("operators").and_then(serde_json::Value::as_array) else {
        return Err("COALESCE: JSON configuration must contain 'operators' array".to_owned());
    };
    if operators.is_empty() {
        return Err("COALESCE: 'operators' array must not be empty".to_owned());
    }
    let one = |(index, operator): (usize, &serde_json::Value)| {
        let text = |key: &str| operator.get(key).and_then(serde_json::Value::as_str);
        let command = operator.as_str().or_else(|| text("command")).unwrap_or_default();
        let limit = operator.get("max_length").and_then(serde_json::Value::as_u64);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let formatters = Formatters { cel, without_query: false };
        let arguments = Arguments { parameters: text("param"), limit, formatters };
        // One within the other would be without end.
        let operator = if command == "COALESCE" {
            Err(format!("unknown command: '{command}'"))
        } else {
            parse_command(command, &arguments)
        };
        let operator =
            operator.map_err(|reason| format!("COALESCE: failed to parse operator at index {index}: {reason}"))?;
        Ok(Part::Operator { operator, limit })
    };
    operators.iter().enumerate().map(one).collect::<Result<_, String>>().map(Operator::Coalesce)
}
