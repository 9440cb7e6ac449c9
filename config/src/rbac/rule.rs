//! `Permission` and `Principal`, each kind of them. Called by this folder.

use super::{Rule, cidr, sourced, url_path};
use crate::address;
use crate::extension;
use crate::field_rules;
use crate::match_tree::Place;
use crate::matcher;
use crate::options::Options;
use crate::proto::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use crate::proto::extensions::rbac::matchers::upstream_ip_port::v3::UpstreamIpPortMatcher;
use crate::proto::extensions::rbac::principals::mtls_authenticated::v3 as mtls;
use crate::proto::{core::v3 as core, rbac::v3 as pb, route::v3 as route, types::matcher::v3 as types};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::tls;

const UPSTREAM_IP_PORT: &str = "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher";
const MTLS_AUTHENTICATED: &str = "envoy.extensions.rbac.principals.mtls_authenticated.v3.Config";
const URI_TEMPLATE: &str = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";

/// What is done.
pub(super) fn permission(
    at: &At<'_>,
    proto: &pb::Permission,
    place: Place,
    options: &Options,
) -> Result<Rule, Rejection> {
    use pb::permission::Rule as Kind;
    let set = |field: &str, set: &pb::permission::Set| {
        let at = at.field(field);
        let at = at.field("rules");
        field_rules::at_least_one(&at, &set.rules)?;
        let rules = set.rules.iter().enumerate();
        rules.map(|(index, one)| permission(&at.index(index), one, place, options)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match &proto.rule {
        None => return Err(at.reject("is empty; give a rule")),
        Some(Kind::Any(any)) => always(&at.field("any"), *any)?,
        Some(Kind::AndRules(rules)) => Rule::All(set("and_rules", rules)?),
        Some(Kind::OrRules(rules)) => Rule::OneOf(set("or_rules", rules)?),
        Some(Kind::NotRule(one)) => Rule::Not(Box::new(permission(&at.field("not_rule"), one, place, options)?)),
        Some(Kind::Header(one)) => header(&at.field("header"), one, place)?,
        Some(Kind::UrlPath(one)) => url_path(&at.field("url_path"), one)?,
        Some(Kind::DestinationIp(range)) => Rule::DestinationIp(cidr(&at.field("destination_ip"), range)?),
        Some(Kind::DestinationPort(port)) => {
            Rule::DestinationPort(field_rules::port(&at.field("destination_port"), *port)?)
        }
        Some(Kind::DestinationPortRange(range)) => ports(&at.field("destination_port_range"), range.start, range.end)?,
        Some(Kind::Metadata(one)) => Rule::Metadata(matcher::value::metadata(&at.field("metadata"), one)?),
        Some(Kind::SourcedMetadata(one)) => sourced(&at.field("sourced_metadata"), one)?,
        Some(Kind::RequestedServerName(one)) => {
            Rule::ServerName(matcher::decode::string(&at.field("requested_server_name"), one)?)
        }
        Some(Kind::UriTemplate(one)) => {
            let at = at.field("uri_template");
            let at = at.field("typed_config");
            let extension = extension::open_required(&at, &one.typed_config)?;
            if extension.type_name != URI_TEMPLATE {
                return Err(registry::not_registered(&at, &one.name, &extension.type_name));
            }
            let template: UriTemplateMatchConfig = extension.decode(&at, options)?;
            Rule::UriTemplate(
                matcher::uri_template::template(&at.field("path_template"), &template.path_template)?.regex,
            )
        }
        Some(Kind::Matcher(one)) => upstream(&at.field("matcher"), one, options)?,
    })
}

/// Who does it.
pub(super) fn principal(
    at: &At<'_>,
    proto: &pb::Principal,
    place: Place,
    options: &Options,
) -> Result<Rule, Rejection> {
    use pb::principal::Identifier as Kind;
    let set = |field: &str, set: &pb::principal::Set| {
        let at = at.field(field);
        let at = at.field("ids");
        field_rules::at_least_one(&at, &set.ids)?;
        let ids = set.ids.iter().enumerate();
        ids.map(|(index, one)| principal(&at.index(index), one, place, options)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match &proto.identifier {
        None => return Err(at.reject("is empty; give an identifier")),
        Some(Kind::Any(any)) => always(&at.field("any"), *any)?,
        Some(Kind::AndIds(ids)) => Rule::All(set("and_ids", ids)?),
        Some(Kind::OrIds(ids)) => Rule::OneOf(set("or_ids", ids)?),
        Some(Kind::NotId(one)) => Rule::Not(Box::new(principal(&at.field("not_id"), one, place, options)?)),
        Some(Kind::Authenticated(one)) => {
            let at = at.field("authenticated");
            let name = one.principal_name.as_ref();
            let name = name.map(|name| matcher::decode::string(&at.field("principal_name"), name));
            Rule::Authenticated(name.transpose()?)
        }
        Some(Kind::SourceIp(range)) => Rule::SourceIp(cidr(&at.field("source_ip"), range)?),
        Some(Kind::DirectRemoteIp(range)) => Rule::DirectRemoteIp(cidr(&at.field("direct_remote_ip"), range)?),
        Some(Kind::RemoteIp(range)) => Rule::RemoteIp(cidr(&at.field("remote_ip"), range)?),
        Some(Kind::Header(one)) => header(&at.field("header"), one, place)?,
        Some(Kind::UrlPath(one)) => url_path(&at.field("url_path"), one)?,
        Some(Kind::Metadata(one)) => Rule::Metadata(matcher::value::metadata(&at.field("metadata"), one)?),
        Some(Kind::SourcedMetadata(one)) => sourced(&at.field("sourced_metadata"), one)?,
        Some(Kind::FilterState(one)) => filter_state(&at.field("filter_state"), one)?,
        Some(Kind::Custom(one)) => mtls_authenticated(&at.field("custom"), one, options)?,
    })
}

fn always(at: &At<'_>, any: bool) -> Result<Rule, Rejection> {
    if any { Ok(Rule::Any) } else { Err(at.reject("must be true")) }
}

fn header(at: &At<'_>, proto: &route::HeaderMatcher, place: Place) -> Result<Rule, Rejection> {
    if place == Place::Network {
        return Err(at.reject("headers are not known to the RBAC network filter; take it out"));
    }
    Ok(Rule::Header(matcher::decode::header(at, proto)?))
}

fn ports(at: &At<'_>, start: i32, end: i32) -> Result<Rule, Rejection> {
    let bound = |name: &str, value: i32| {
        let value = u32::try_from(value).ok().filter(|value| *value <= 65536);
        value.ok_or_else(|| at.field(name).reject("is out of bounds; ports go from 0 to 65535"))
    };
    let range = bound("start", start)?..bound("end", end)?;
    if range.is_empty() {
        return Err(at.reject(format!("range start {start} cannot be greater or equal than range end {end}")));
    }
    Ok(Rule::DestinationPorts(range))
}

fn filter_state(at: &At<'_>, proto: &types::FilterStateMatcher) -> Result<Rule, Rejection> {
    use types::filter_state_matcher::Matcher as Kind;
    let key = field_rules::not_empty(&at.field("key"), &proto.key)?;
    match &proto.matcher {
        None => Err(at.reject("has no matcher; give string_match")),
        Some(Kind::StringMatch(text)) => {
            Ok(Rule::FilterState(key, matcher::decode::string(&at.field("string_match"), text)?))
        }
        Some(Kind::AddressMatch(matcher)) => {
            let at = at.field("address_match");
            let ranges = address::decode::xds_cidrs(&at.field("ranges"), &matcher.ranges)?;
            Ok(Rule::FilterStateIp { key, ranges, invert: matcher.invert_match })
        }
    }
}

/// The one matcher extension that Envoy has.
fn upstream(at: &At<'_>, one: &core::TypedExtensionConfig, options: &Options) -> Result<Rule, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &one.typed_config)?;
    if extension.type_name != UPSTREAM_IP_PORT {
        return Err(registry::not_registered(&at, &one.name, &extension.type_name));
    }
    let proto: UpstreamIpPortMatcher = extension.decode(&at, options)?;
    if proto.upstream_ip.is_none() && proto.upstream_port_range.is_none() {
        return Err(at.reject("has neither upstream_ip nor upstream_port_range; give one of them"));
    }
    proto.upstream_ip.as_ref().map(|range| cidr(&at.field("upstream_ip"), range)).transpose()?;
    // As in Envoy texts under that key are no such object.
    options.note(
        &at,
        format_args!("no filter here writes envoy.stream.upstream_address, so that this permission never matches"),
    );
    Ok(Rule::Nothing)
}

/// The one principal extension that Envoy has.
fn mtls_authenticated(at: &At<'_>, one: &core::TypedExtensionConfig, options: &Options) -> Result<Rule, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &one.typed_config)?;
    if extension.type_name != MTLS_AUTHENTICATED {
        return Err(registry::not_registered(&at, &one.name, &extension.type_name));
    }
    let proto: mtls::Config = extension.decode(&at, options)?;
    match &proto.san_matcher {
        None if !proto.any_validated_client_certificate => {
            Err(at.reject("asks for nothing; give san_matcher or any_validated_client_certificate"))
        }
        None => Ok(Rule::MtlsAuthenticated(None)),
        Some(san) => {
            let name = tls::validation::typed_name(&at.field("san_matcher"), san)?;
            Ok(Rule::MtlsAuthenticated(Some(name)))
        }
    }
}
