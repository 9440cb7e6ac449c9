//! `RateLimit` to plain data. Called for routes, for virtual hosts and by the filters that limit.

use std::sync::Arc;

use super::extension;
use super::{Action, Count, Hits, MetadataSource, Override, RateLimit, Unit};
use crate::access_log::{self, Format, Part};
use crate::address;
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::{
    self, bool_or, core::v3 as core, route::v3 as pb, types::metadata::v3 as metadata, types::v3 as types, uint32,
};
use crate::rejection::{At, Rejection};

/// The `rate_limits` of a route or a virtual host.
pub(crate) fn of_route(at: &At<'_>, list: &[pb::RateLimit], options: &Options) -> Result<Vec<RateLimit>, Rejection> {
    let one = |(index, proto): (usize, &pb::RateLimit)| {
        let at = at.index(index);
        if proto.apply_on_stream_done {
            options
                .note(&at.field("apply_on_stream_done"), "limits when the request begins, as Envoy's local limit does");
        }
        rate_limit(&at, proto, options)
    };
    list.iter().enumerate().map(one).collect()
}

/// The `rate_limits` of a filter, which know neither stages nor limits of their own.
pub(crate) fn of_filter(at: &At<'_>, list: &[pb::RateLimit], options: &Options) -> Result<Vec<RateLimit>, Rejection> {
    let one = |(index, proto): (usize, &pb::RateLimit)| {
        let at = at.index(index);
        if proto.stage.is_some() || !proto.disable_key.is_empty() {
            return Err(at.reject("'stage' field and 'disable_key' field are not supported; take them out"));
        }
        if proto.limit.is_some() {
            return Err(at.field("limit").reject("'limit' field is not supported; take it out"));
        }
        rate_limit(&at, proto, options)
    };
    list.iter().enumerate().map(one).collect()
}

fn rate_limit(at: &At<'_>, proto: &pb::RateLimit, options: &Options) -> Result<RateLimit, Rejection> {
    use pb::rate_limit::XRateLimitOption as Headers;
    let at_actions = at.field("actions");
    field_rules::at_least_one(&at_actions, &proto.actions)?;
    let actions = proto.actions.iter().enumerate();
    let headers = proto::defined::<Headers>(&at.field("x_ratelimit_option"), proto.x_ratelimit_option)?;
    let stage = uint32(&proto.stage).unwrap_or(0);
    field_rules::within(&at.field("stage"), u64::from(stage), 0, 10)?;
    Ok(RateLimit {
        stage,
        disabled: !proto.disable_key.is_empty(),
        actions: actions
            .map(|(index, one)| action(&at_actions.index(index), one, options))
            .collect::<Result<_, _>>()?,
        hits: proto.hits_addend.as_ref().map(|one| hits(&at.field("hits_addend"), one)).transpose()?,
        on_stream_done: proto.apply_on_stream_done,
        x_ratelimit_headers: match headers {
            Headers::Unspecified => None,
            Headers::Off => Some(false),
            Headers::DraftVersion03 => Some(true),
        },
        limit: proto.limit.as_ref().map(|one| limit(&at.field("limit"), one)).transpose()?,
    })
}

fn limit(at: &At<'_>, proto: &pb::rate_limit::Override) -> Result<Override, Rejection> {
    use pb::rate_limit::r#override::OverrideSpecifier as Kind;
    Ok(match &proto.override_specifier {
        None => return Err(at.reject("says nothing; give rate_limit or dynamic_metadata")),
        Some(Kind::RateLimit(one)) => {
            let unit = proto::defined::<types::RateLimitUnit>(&at.field("rate_limit").field("unit"), one.unit)?;
            Override::Fixed { requests: one.requests_per_unit, unit: Unit(unit as i32) }
        }
        Some(Kind::DynamicMetadata(one)) => {
            let at = at.field("dynamic_metadata");
            let (filter, path) = metadata_key(&at.field("metadata_key"), &one.metadata_key)?;
            Override::Metadata { filter, path }
        }
    })
}

fn hits(at: &At<'_>, proto: &pb::rate_limit::HitsAddend) -> Result<Hits, Rejection> {
    let at_format = at.field("format");
    let count = match (&proto.number, proto.format.as_str()) {
        (None, "") => return Err(at.reject("says nothing; give number or format")),
        (Some(number), "") => {
            field_rules::within(&at.field("number"), number.value, 0, Hits::MOST)?;
            Count::Number(number.value)
        }
        (Some(_), _) => return Err(at_format.reject("may not stand beside number")),
        (None, text) => {
            let format = access_log::decode::text_format(&at_format, text)?;
            if !matches!(format.parts[..], [Part::Operator { .. }]) {
                return Err(at_format.reject("must be one operator and nothing else, such as %REQ(x-hits)%"));
            }
            Count::Format(Format { omit_empty: true, ..format })
        }
    };
    Ok(Hits { count, negative: proto.is_negative_hits })
}

fn action(at: &At<'_>, proto: &pb::rate_limit::Action, options: &Options) -> Result<Action, Rejection> {
    use pb::rate_limit::action::ActionSpecifier as Kind;
    let some = |at: &At<'_>, field: &str, text: &str| field_rules::not_empty(&at.field(field), text);
    let or = |text: &str, default: &str| Arc::from(if text.is_empty() { default } else { text });
    Ok(match &proto.action_specifier {
        None => return Err(at.reject("is empty; give an action")),
        Some(Kind::SourceCluster(_)) => Action::SourceCluster(options.service_cluster.clone()),
        Some(Kind::DestinationCluster(_)) => Action::DestinationCluster,
        Some(Kind::RequestHeaders(one)) => {
            let at = at.field("request_headers");
            Action::RequestHeader {
                name: field_rules::header_name(&at.field("header_name"), &one.header_name)?,
                key: some(&at, "descriptor_key", &one.descriptor_key)?,
                skip_if_absent: one.skip_if_absent,
            }
        }
        Some(Kind::QueryParameters(one)) => {
            let at = at.field("query_parameters");
            Action::QueryParameter {
                name: some(&at, "query_parameter_name", &one.query_parameter_name)?,
                key: some(&at, "descriptor_key", &one.descriptor_key)?,
                skip_if_absent: one.skip_if_absent,
            }
        }
        Some(Kind::RemoteAddress(_)) => Action::RemoteAddress,
        Some(Kind::MaskedRemoteAddress(one)) => masked(&at.field("masked_remote_address"), one)?,
        Some(Kind::GenericKey(one)) => Action::GenericKey {
            key: or(&one.descriptor_key, "generic_key"),
            value: some(&at.field("generic_key"), "descriptor_value", &one.descriptor_value)?,
        },
        Some(Kind::HeaderValueMatch(one)) => {
            let at = at.field("header_value_match");
            field_rules::at_least_one(&at.field("headers"), &one.headers)?;
            Action::HeaderMatch {
                key: or(&one.descriptor_key, "header_match"),
                value: some(&at, "descriptor_value", &one.descriptor_value)?,
                expect: bool_or(&one.expect_match, true),
                headers: matcher::decode::headers(&at.field("headers"), &one.headers)?,
            }
        }
        Some(Kind::QueryParameterValueMatch(one)) => query_match(&at.field("query_parameter_value_match"), one)?,
        Some(Kind::RemoteAddressMatch(one)) => address_match(&at.field("remote_address_match"), one)?,
        Some(Kind::DynamicMetadata(_)) => {
            return Err(at.field("dynamic_metadata").reject("is deprecated and Envoy refuses it too; give metadata"));
        }
        Some(Kind::Metadata(one)) => metadata_action(&at.field("metadata"), one)?,
        Some(Kind::Extension(one)) => extension::action(&at.field("extension"), one, options)?,
    })
}

fn masked(at: &At<'_>, proto: &pb::rate_limit::action::MaskedRemoteAddress) -> Result<Action, Rejection> {
    let bits = |field: &str, value: &Option<_>, most: u8| {
        let bits = uint32(value).unwrap_or(u32::from(most));
        field_rules::within(&at.field(field), u64::from(bits), 0, u64::from(most))?;
        // Within a range of u8 by the test above.
        Ok::<_, Rejection>(bits as u8)
    };
    Ok(Action::MaskedRemoteAddress {
        v4: bits("v4_prefix_mask_len", &proto.v4_prefix_mask_len, 32)?,
        v6: bits("v6_prefix_mask_len", &proto.v6_prefix_mask_len, 128)?,
    })
}

fn query_match(at: &At<'_>, proto: &pb::rate_limit::action::QueryParameterValueMatch) -> Result<Action, Rejection> {
    let at_query = at.field("query_parameters");
    field_rules::at_least_one(&at_query, &proto.query_parameters)?;
    let query = proto.query_parameters.iter().enumerate();
    Ok(Action::QueryMatch {
        key: Arc::from(if proto.descriptor_key.is_empty() { "query_match" } else { &proto.descriptor_key }),
        value: field_rules::not_empty(&at.field("descriptor_value"), &proto.descriptor_value)?,
        expect: bool_or(&proto.expect_match, true),
        query: query
            .map(|(index, one)| matcher::decode::query(&at_query.index(index), one))
            .collect::<Result<_, _>>()?,
    })
}

fn address_match(at: &At<'_>, proto: &pb::rate_limit::action::RemoteAddressMatch) -> Result<Action, Rejection> {
    let at_matcher = at.field("address_matcher");
    let matcher = field_rules::required(&at_matcher, &proto.address_matcher)?;
    let at_ranges = at_matcher.field("ranges");
    let range = |(index, one): (usize, &envoy_types::pb::xds::core::v3::CidrRange)| {
        let range = core::CidrRange { address_prefix: one.address_prefix.clone(), prefix_len: one.prefix_len };
        address::decode::cidr(&at_ranges.index(index), &range)
    };
    // The one value that is a format: those of the other actions are as they stand.
    let at_value = at.field("descriptor_value");
    let value =
        access_log::decode::text_format(&at_value, &field_rules::not_empty(&at_value, &proto.descriptor_value)?)?;
    Ok(Action::AddressMatch {
        key: Arc::from(if proto.descriptor_key.is_empty() { "remote_address_match" } else { &proto.descriptor_key }),
        value: Format { omit_empty: true, ..value },
        default: proto::text(&proto.default_value),
        ranges: matcher.ranges.iter().enumerate().map(range).collect::<Result<_, _>>()?,
        invert: matcher.invert_match,
    })
}

fn metadata_action(at: &At<'_>, proto: &pb::rate_limit::action::MetaData) -> Result<Action, Rejection> {
    use pb::rate_limit::action::meta_data::Source;
    let (filter, path) = metadata_key(&at.field("metadata_key"), &proto.metadata_key)?;
    Ok(Action::Metadata {
        key: field_rules::not_empty(&at.field("descriptor_key"), &proto.descriptor_key)?,
        source: match proto::defined::<Source>(&at.field("source"), proto.source)? {
            Source::Dynamic => MetadataSource::Dynamic,
            Source::RouteEntry => MetadataSource::Route,
            Source::ClusterEntry => MetadataSource::Cluster,
            Source::ClusterLocalityEntry => MetadataSource::Locality,
        },
        filter,
        path,
        default: proto::text(&proto.default_value),
        skip_if_absent: proto.skip_if_absent,
    })
}

/// A filter's name and the way below its metadata.
pub(crate) fn metadata_key(
    at: &At<'_>,
    proto: &Option<metadata::MetadataKey>,
) -> Result<(Arc<str>, Vec<Arc<str>>), Rejection> {
    use metadata::metadata_key::path_segment::Segment;
    let key = field_rules::required(at, proto)?;
    let at_path = at.field("path");
    field_rules::at_least_one(&at_path, &key.path)?;
    let segment = |(index, one): (usize, &metadata::metadata_key::PathSegment)| match &one.segment {
        Some(Segment::Key(key)) => field_rules::not_empty(&at_path.index(index).field("key"), key),
        Some(Segment::Index(_)) => {
            Err(at_path.index(index).field("index").unsupported("lists in metadata are not looked into"))
        }
        None => Err(at_path.index(index).reject("is empty; give key")),
    };
    Ok((
        field_rules::not_empty(&at.field("key"), &key.key)?,
        key.path.iter().enumerate().map(segment).collect::<Result<_, _>>()?,
    ))
}
