//! `AccessLogFilter` to plain data. Called by `decode`, and for local replies, whose filters are the same.

use std::sync::Arc;

use super::{Comparison, EntryKind, LogFilter};
use crate::cel;
use crate::extension;
use crate::field_rules;
use crate::matcher::{self, Fraction};
use crate::options::Options;
use crate::proto::{self, accesslog::v3 as pb, extensions::access_loggers::filters::cel::v3::ExpressionFilter};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

pub(crate) fn decode(
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
            .map(|(index, one)| decode(&at.index(index), one, options, depth + 1))
            .collect::<Result<Vec<_>, _>>()
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
        Some(Filter::TraceableFilter(_)) => LogFilter::Traceable,
        Some(Filter::RuntimeFilter(filter)) => share(&at.field("runtime_filter"), filter, options)?,
        Some(Filter::GrpcStatusFilter(filter)) => grpc_status(&at.field("grpc_status_filter"), filter)?,
        Some(Filter::MetadataFilter(filter)) => {
            let at = at.field("metadata_filter");
            let matcher =
                filter.matcher.as_ref().map(|matcher| matcher::value::metadata(&at.field("matcher"), matcher));
            LogFilter::Metadata {
                matcher: matcher.transpose()?,
                or_else: proto::bool_or(&filter.match_if_key_not_found, true),
            }
        }
        Some(Filter::LogTypeFilter(filter)) => kinds(&at.field("log_type_filter"), filter)?,
    })
}

fn comparison(
    at: &At<'_>,
    proto: &Option<pb::ComparisonFilter>,
    options: &Options,
) -> Result<(Comparison, Live<u32>), Rejection> {
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
    Ok((op, options.runtime.live(&value.runtime_key, value.default_value)))
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

/// What the key says in place of the numerator is a whole number, of as many as the share has.
fn share(at: &At<'_>, proto: &pb::RuntimeFilter, options: &Options) -> Result<LogFilter, Rejection> {
    field_rules::not_empty(&at.field("runtime_key"), &proto.runtime_key)?;
    let none = Fraction { numerator: 0, denominator: 100 };
    let share = proto.percent_sampled.as_ref();
    let share = share.map(|share| matcher::decode::fraction(&at.field("percent_sampled"), share)).transpose()?;
    let share = share.unwrap_or(none);
    let numerator = options.runtime.live(&proto.runtime_key, u64::from(share.numerator));
    Ok(LogFilter::Share { numerator, denominator: share.denominator, independent: proto.use_independent_randomness })
}

fn grpc_status(at: &At<'_>, proto: &pb::GrpcStatusFilter) -> Result<LogFilter, Rejection> {
    let at_statuses = at.field("statuses");
    let one = |(index, status): (usize, &i32)| {
        let status = proto::defined::<pb::grpc_status_filter::Status>(&at_statuses.index(index), *status)?;
        // All of them are below 17.
        Ok(status as u8)
    };
    let statuses = proto.statuses.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    Ok(LogFilter::GrpcStatus { statuses, exclude: proto.exclude })
}

fn kinds(at: &At<'_>, proto: &pb::LogTypeFilter) -> Result<LogFilter, Rejection> {
    let at_types = at.field("types");
    let one = |(index, kind): (usize, &i32)| {
        let at = at_types.index(index);
        EntryKind::of_number(*kind).ok_or_else(|| at.reject(format!("{kind} is no type of an access log")))
    };
    let kinds = proto.types.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    Ok(LogFilter::Kinds { kinds, exclude: proto.exclude })
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
