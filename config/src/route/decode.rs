//! `RouteConfiguration` and `VirtualHost` to plain data. Called for RDS resources and for tables inside listeners.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    RequireTls, Route, RouteConfiguration, RouteMatch, VirtualCluster, VirtualHost, action, headers, matching, mirror,
    per_filter, retry, tree,
};
use crate::extension;
use crate::field_rules;
use crate::filters::cors;
use crate::matcher;
use crate::options::Options;
use crate::proto::{self, route::v3 as pb, uint32};
use crate::rate_limit;
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::tracing;

/// A `RouteConfiguration` as the bytes of its Any.
pub fn decode(bytes: &[u8], options: &Options) -> Result<RouteConfiguration, Rejection> {
    let at = At::root();
    options.reading("route table", bytes, || {
        extension::check("envoy.config.route.v3.RouteConfiguration", bytes, &at, options)?;
        from_proto(&proto::message(bytes, &at)?, options)
    })
}

/// A `RouteConfiguration`.
pub fn from_proto(proto: &pb::RouteConfiguration, options: &Options) -> Result<RouteConfiguration, Rejection> {
    route_configuration(&At::root(), proto, options)
}

/// What the levels below need to know of the table.
pub(super) struct Table<'a> {
    pub options: &'a Options,
    /// `max_direct_response_body_size_bytes`.
    pub most_direct_body: u32,
    /// `ignore_path_parameters_in_path_matching`.
    pub ignores_parameters: bool,
}

/// The table at some place.
pub(crate) fn route_configuration(
    at: &At<'_>,
    proto: &pb::RouteConfiguration,
    options: &Options,
) -> Result<RouteConfiguration, Rejection> {
    let unsupported = [
        ("vhds", proto.vhds.is_some(), "virtual hosts are not discovered; send them in the table"),
        (
            "route_specifiers",
            !proto.route_specifiers.is_empty(),
            "is not supported; requests would go elsewhere; take it out, or keep Envoy for this workload",
        ),
    ];
    if let Some((field, _, reason)) = unsupported.iter().find(|(_, set, _)| *set) {
        return Err(at.field(field).only_envoys(*reason));
    }
    specifier_plugins(&at.field("cluster_specifier_plugins"), &proto.cluster_specifier_plugins)?;
    let table = Table {
        options,
        most_direct_body: uint32(&proto.max_direct_response_body_size_bytes).unwrap_or(4096),
        ignores_parameters: proto.ignore_path_parameters_in_path_matching,
    };
    let at_hosts = at.field("virtual_hosts");
    let mut domains = BTreeSet::new();
    let mut virtual_hosts = Vec::with_capacity(proto.virtual_hosts.len());
    for (index, host) in proto.virtual_hosts.iter().enumerate() {
        let at = at_hosts.index(index);
        let host = virtual_host(&at, host, &table)?;
        unique_domains(&at, &host, &proto.name, &mut domains)?;
        virtual_hosts.push(Arc::new(host));
    }
    Ok(RouteConfiguration {
        name: Arc::from(proto.name.as_str()),
        virtual_hosts,
        ignore_port_in_host: proto.ignore_port_in_host_matching,
        host_header: match proto.vhost_header.as_str() {
            "" => None,
            name => Some(field_rules::header_name(&at.field("vhost_header"), name)?),
        },
        internal_only_headers: headers::names(&at.field("internal_only_headers"), &proto.internal_only_headers)?,
        headers: headers::changes(
            at,
            &headers::Lists {
                request_add: &proto.request_headers_to_add,
                request_remove: &proto.request_headers_to_remove,
                response_add: &proto.response_headers_to_add,
                response_remove: &proto.response_headers_to_remove,
            },
        )?,
        most_specific_headers_win: proto.most_specific_header_mutations_wins,
        mirrors: mirror::policies(&at.field("request_mirror_policies"), &proto.request_mirror_policies, options)?,
        per_filter: per_filter::per_filter(
            &at.field("typed_per_filter_config"),
            &proto.typed_per_filter_config,
            options,
        )?,
        validate_clusters: proto.validate_clusters.map(|validates| validates.value),
    })
}

/// None is known here. As with Envoy only those that are optional are left out.
fn specifier_plugins(at: &At<'_>, list: &[pb::ClusterSpecifierPlugin]) -> Result<(), Rejection> {
    let needed = list.iter().enumerate().find(|(_, one)| !one.is_optional);
    let Some((index, one)) = needed else { return Ok(()) };
    let at = at.index(index);
    let at = at.field("extension");
    let Some(extension) = &one.extension else { return Err(at.reject("is required and not set; set it")) };
    let at = at.field("typed_config");
    let config = extension::open_required(&at, &extension.typed_config)?;
    Err(registry::not_registered(&at, &extension.name, &config.type_name))
}

fn unique_domains(
    at: &At<'_>,
    host: &VirtualHost,
    table: &str,
    seen: &mut BTreeSet<Arc<str>>,
) -> Result<(), Rejection> {
    for (index, domain) in host.domains.iter().enumerate() {
        if seen.insert(domain.clone()) {
            continue;
        }
        let at = at.field("domains");
        return Err(at.index(index).reject(if &**domain == "*" {
            format!("Only a single wildcard domain is permitted in route {table}")
        } else {
            format!("Only unique values for domains are permitted. Duplicate entry of domain {domain} in route {table}")
        }));
    }
    Ok(())
}

fn virtual_host(at: &At<'_>, proto: &pb::VirtualHost, table: &Table<'_>) -> Result<VirtualHost, Rejection> {
    use pb::virtual_host::TlsRequirementType;
    let options = table.options;
    if proto.matcher.is_some() && !proto.routes.is_empty() {
        return Err(at.field("matcher").reject("virtual host routes and matcher may not be set together; give one"));
    }
    if !proto.route_specifiers.is_empty() {
        return Err(at.field("route_specifiers").unsupported("is not supported; requests would go elsewhere"));
    }
    let require_tls = match proto::defined::<TlsRequirementType>(&at.field("require_tls"), proto.require_tls)? {
        TlsRequirementType::None => RequireTls::No,
        TlsRequirementType::ExternalOnly => RequireTls::ExternalOnly,
        TlsRequirementType::All => RequireTls::All,
    };
    let at_routes = at.field("routes");
    let routes = proto.routes.iter().enumerate();
    let cors = cors::of_level(at, &proto.cors, options)?;
    let retry = proto
        .retry_policy
        .as_ref()
        .map(|retry| retry::policy(&at.field("retry_policy"), retry, options))
        .transpose()?;
    Ok(VirtualHost {
        name: field_rules::not_empty(&at.field("name"), &proto.name)?,
        metadata: proto::metadata(&proto.metadata),
        domains: domains(&at.field("domains"), &proto.domains)?,
        routes: routes
            .map(|(index, one)| Ok(Arc::new(route(&at_routes.index(index), one, proto, table)?)))
            .collect::<Result<_, Rejection>>()?,
        require_tls,
        retry: retry.map(Arc::new),
        attempt_count_in_request: proto.include_request_attempt_count,
        timeout_retry_in_request: proto.include_is_timeout_retry_header,
        attempt_count_in_response: proto.include_attempt_count_in_response,
        headers: headers::changes(
            at,
            &headers::Lists {
                request_add: &proto.request_headers_to_add,
                request_remove: &proto.request_headers_to_remove,
                response_add: &proto.response_headers_to_add,
                response_remove: &proto.response_headers_to_remove,
            },
        )?,
        rate_limits: rate_limit::of_route(&at.field("rate_limits"), &proto.rate_limits, options)?,
        hedges: action::hedge(at, &proto.hedge_policy)?.unwrap_or(false),
        mirrors: mirror::policies(&at.field("request_mirror_policies"), &proto.request_mirror_policies, options)?,
        per_filter: per_filter::with(
            cors,
            per_filter::per_filter(&at.field("typed_per_filter_config"), &proto.typed_per_filter_config, options)?,
        ),
        matcher: match &proto.matcher {
            None => None,
            Some(tree) => Some(Arc::new(tree::routes(&at.field("matcher"), tree, proto, table)?)),
        },
        virtual_clusters: virtual_clusters(&at.field("virtual_clusters"), &proto.virtual_clusters)?,
    })
}

fn virtual_clusters(at: &At<'_>, list: &[pb::VirtualCluster]) -> Result<Vec<VirtualCluster>, Rejection> {
    let one = |(index, proto): (usize, &pb::VirtualCluster)| {
        let at = at.index(index);
        let at_headers = at.field("headers");
        field_rules::at_least_one(&at_headers, &proto.headers)?;
        Ok(VirtualCluster {
            name: field_rules::not_empty(&at.field("name"), &proto.name)?,
            headers: matcher::decode::headers(&at_headers, &proto.headers)?,
        })
    };
    list.iter().enumerate().map(one).collect()
}

fn domains(at: &At<'_>, list: &[String]) -> Result<Vec<Arc<str>>, Rejection> {
    field_rules::at_least_one(at, list)?;
    let one = |(index, domain): (usize, &String)| {
        let at = at.index(index);
        field_rules::not_empty(&at, domain)?;
        field_rules::header_value(&at, domain)?;
        Ok(Arc::from(domain.to_ascii_lowercase()))
    };
    list.iter().enumerate().map(one).collect()
}

/// The newer field wins, wherever it stands.
fn buffer_limit(route: &pb::Route, host: &pb::VirtualHost) -> Option<u64> {
    let newer = route.request_body_buffer_limit.or(host.request_body_buffer_limit);
    let older = || uint32(&route.per_request_buffer_limit_bytes).or(uint32(&host.per_request_buffer_limit_bytes));
    newer.map(|limit| limit.value).or_else(|| older().map(u64::from))
}

pub(super) fn route(
    at: &At<'_>,
    proto: &pb::Route,
    host: &pb::VirtualHost,
    table: &Table<'_>,
) -> Result<Route, Rejection> {
    let options = table.options;
    if !proto.route_specifiers.is_empty() {
        return Err(at.field("route_specifiers").unsupported("is not supported; requests would go elsewhere"));
    }
    let at_match = at.field("match");
    let decorator = proto.decorator.as_ref();
    if let Some(decorator) = decorator {
        field_rules::not_empty(&at.field("decorator").field("operation"), &decorator.operation)?;
    }
    let matches = matching::route_match(&at_match, field_rules::required(&at_match, &proto.r#match)?, options)?;
    let matches = RouteMatch { ignores_parameters: table.ignores_parameters, ..matches };
    let cors = match &proto.action {
        Some(pb::route::Action::Route(action)) => cors::of_level(&at.field("route"), &action.cors, options)?,
        _ => None,
    };
    Ok(Route {
        name: Arc::from(proto.name.as_str()),
        action: action::action(at, proto, &matches, table)?,
        matches,
        headers: headers::changes(
            at,
            &headers::Lists {
                request_add: &proto.request_headers_to_add,
                request_remove: &proto.request_headers_to_remove,
                response_add: &proto.response_headers_to_add,
                response_remove: &proto.response_headers_to_remove,
            },
        )?,
        decorator: decorator.map(|decorator| Arc::from(decorator.operation.as_str())),
        decorator_propagate: decorator.is_none_or(|decorator| proto::bool_or(&decorator.propagate, true)),
        stat_prefix: proto::text(&proto.stat_prefix),
        buffer_limit: buffer_limit(proto, host),
        metadata: proto::metadata(&proto.metadata),
        tracing: match &proto.tracing {
            None => None,
            Some(one) => Some(Arc::new(tracing::decode::of_route(&at.field("tracing"), one, options)?)),
        },
        per_filter: per_filter::with(
            cors,
            per_filter::per_filter(&at.field("typed_per_filter_config"), &proto.typed_per_filter_config, options)?,
        ),
    })
}
