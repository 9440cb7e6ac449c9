//! What a route does: forward, redirect or answer. Called by [`super::decode`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::decode::Table;
use super::{
    Action, ClusterChoice, Connect, DirectResponse, Forward, HostRewrite, PathMatch, PathRewrite, Redirect, RouteMatch,
    StreamDuration, Upgrade, WeightedCluster, WeightsBy, hash, headers, internal_redirect, mirror, per_filter, retry,
};
use crate::access_log::{self, Format};
use crate::extension;
use crate::field_rules;
use crate::hcm::reply_format;
use crate::matcher;
use crate::metadata::Criteria;
use crate::options::Options;
use crate::proto::extensions::path::rewrite::uri_template::v3::UriTemplateRewriteConfig;
use crate::proto::{self, bool_or, core::v3 as core, route::v3 as pb, uint32};
use crate::rate_limit;
use crate::registry;
use crate::rejection::{At, Rejection};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// The route's action.
pub(super) fn action(
    at: &At<'_>,
    proto: &pb::Route,
    matches: &RouteMatch,
    table: &Table<'_>,
) -> Result<Action, Rejection> {
    use pb::route::Action as Kind;
    Ok(match &proto.action {
        None => return Err(at.reject("has no action; give route, redirect or direct_response")),
        Some(Kind::Route(route)) => {
            Action::Forward(Arc::new(forward(&at.field("route"), route, matches, table.options)?))
        }
        Some(Kind::Redirect(one)) => {
            Action::Redirect(Arc::new(redirect(&at.field("redirect"), one, matches, table.options)?))
        }
        Some(Kind::DirectResponse(one)) => Action::Direct(Arc::new(direct(&at.field("direct_response"), one, table)?)),
        Some(Kind::NonForwardingAction(_)) => Action::NonForwarding,
        Some(Kind::FilterAction(_)) => {
            return Err(at.field("filter_action").unsupported("is not supported; no filter would answer"));
        }
    })
}

fn forward(
    at: &At<'_>,
    proto: &pb::RouteAction,
    matches: &RouteMatch,
    options: &Options,
) -> Result<Forward, Rejection> {
    use pb::route_action::ClusterNotFoundResponseCode as NotFound;
    let not_found = proto::defined::<NotFound>(
        &at.field("cluster_not_found_response_code"),
        proto.cluster_not_found_response_code,
    )?;
    let retry = proto
        .retry_policy
        .as_ref()
        .map(|policy| retry::policy(&at.field("retry_policy"), policy, options))
        .transpose()?;
    let priority = proto::defined::<core::RoutingPriority>(&at.field("priority"), proto.priority)?;
    let metadata_match = Criteria::of_match(&proto::metadata(&proto.metadata_match)).map(Arc::new);
    Ok(Forward {
        cluster: cluster(at, proto, &metadata_match, options)?,
        weights_by: weights_by(at, proto)?,
        metadata_match,
        cluster_not_found: match not_found {
            NotFound::ServiceUnavailable => 503,
            NotFound::NotFound => 404,
            NotFound::InternalServerError => 500,
        },
        timeout: proto::timeout(&at.field("timeout"), &proto.timeout, Some(DEFAULT_TIMEOUT))?,
        idle_timeout: inherited(&at.field("idle_timeout"), &proto.idle_timeout)?,
        flush_timeout: inherited(&at.field("flush_timeout"), &proto.flush_timeout)?,
        stream_duration: stream_duration(&at.field("max_stream_duration"), &proto.max_stream_duration)?,
        grpc_timeout_max: inherited(&at.field("max_grpc_timeout"), &proto.max_grpc_timeout)?,
        grpc_timeout_offset: proto::milliseconds(&at.field("grpc_timeout_offset"), &proto.grpc_timeout_offset)?,
        retry: retry.map(Arc::new),
        rewrite: path_rewrite(at, proto, matches, options)?,
        host_rewrite: host_rewrite(at, proto, options)?,
        append_x_forwarded_host: proto.append_x_forwarded_host,
        mirrors: mirror::policies(&at.field("request_mirror_policies"), &proto.request_mirror_policies, options)?,
        internal_redirect: internal_redirect::policy(at, proto, options)?,
        hedges: hedge(at, &proto.hedge_policy)?,
        hash: hash::policies(&at.field("hash_policy"), &proto.hash_policy, options)?,
        rate_limits: rate_limit::of_route(&at.field("rate_limits"), &proto.rate_limits, options)?,
        include_host_rate_limits: bool_or(&proto.include_vh_rate_limits, false),
        connect: connect(&at.field("upgrade_configs"), &proto.upgrade_configs)?,
        upgrades: upgrades(&at.field("upgrade_configs"), &proto.upgrade_configs)?,
        high_priority: priority == core::RoutingPriority::High,
    })
}

/// Whether a try that is late is overtaken. Envoy's other fields of this message do nothing there either.
pub(super) fn hedge(at: &At<'_>, proto: &Option<pb::HedgePolicy>) -> Result<Option<bool>, Rejection> {
    let Some(policy) = proto else { return Ok(None) };
    if uint32(&policy.initial_requests) == Some(0) {
        return Err(at.field("hedge_policy").field("initial_requests").reject("must be at least 1"));
    }
    Ok(Some(policy.hedge_on_per_try_timeout))
}

/// Unset, never (zero), or so long.
#[expect(clippy::option_option, reason = "unset and never differ")]
fn inherited(at: &At<'_>, value: &Option<proto::wkt::Duration>) -> Result<Option<Option<Duration>>, Rejection> {
    Ok(proto::milliseconds(at, value)?.map(|value| (!value.is_zero()).then_some(value)))
}

fn stream_duration(
    at: &At<'_>,
    proto: &Option<pb::route_action::MaxStreamDuration>,
) -> Result<Option<StreamDuration>, Rejection> {
    let Some(proto) = proto else { return Ok(None) };
    let offset = proto::milliseconds(&at.field("grpc_timeout_header_offset"), &proto.grpc_timeout_header_offset)?;
    Ok(Some(StreamDuration {
        max: inherited(&at.field("max_stream_duration"), &proto.max_stream_duration)?,
        grpc_max: inherited(&at.field("grpc_timeout_header_max"), &proto.grpc_timeout_header_max)?,
        grpc_offset: offset.unwrap_or_default(),
    }))
}

fn cluster(
    at: &At<'_>,
    proto: &pb::RouteAction,
    of_route: &Option<Arc<Criteria>>,
    options: &Options,
) -> Result<ClusterChoice, Rejection> {
    use pb::route_action::ClusterSpecifier as Choice;
    Ok(match &proto.cluster_specifier {
        None => return Err(at.reject("names no cluster; give cluster, weighted_clusters or cluster_header")),
        Some(Choice::Cluster(name)) => ClusterChoice::Single(field_rules::not_empty(&at.field("cluster"), name)?),
        Some(Choice::ClusterHeader(name)) => {
            ClusterChoice::Header(field_rules::header_name(&at.field("cluster_header"), name)?)
        }
        Some(Choice::WeightedClusters(list)) => weighted(&at.field("weighted_clusters"), list, of_route, options)?,
        Some(Choice::ClusterSpecifierPlugin(_) | Choice::InlineClusterSpecifierPlugin(_)) => {
            return Err(at.field("cluster_specifier_plugin").only_envoys("is not supported; name a cluster"));
        }
    })
}

fn weighted(
    at: &At<'_>,
    proto: &pb::WeightedCluster,
    of_route: &Option<Arc<Criteria>>,
    options: &Options,
) -> Result<ClusterChoice, Rejection> {
    let at_list = at.field("clusters");
    field_rules::at_least_one(&at_list, &proto.clusters)?;
    let prefix = &proto.runtime_key_prefix;
    let live = |name: &str, weight: u32| match prefix.is_empty() {
        true => weight.into(),
        false => options.runtime.live(&format!("{prefix}.{name}"), weight),
    };
    let one = |(index, proto): (usize, &pb::weighted_cluster::ClusterWeight)| {
        let at = at_list.index(index);
        let at_header = at.field("cluster_header");
        let (name, header) = match (proto.name.as_str(), proto.cluster_header.as_str()) {
            ("", "") => return Err(at.reject("names no cluster; give name or cluster_header")),
            (_, "") => (Arc::from(proto.name.as_str()), None),
            ("", header) => (Arc::default(), Some(field_rules::header_name(&at_header, header)?)),
            _ => return Err(at_header.reject("only one of name or cluster_header can be specified")),
        };
        use pb::weighted_cluster::cluster_weight::HostRewriteSpecifier::HostRewriteLiteral;
        Ok(WeightedCluster {
            name,
            header,
            weight: live(&proto.name, *field_rules::required(&at.field("weight"), &uint32(&proto.weight))?),
            metadata_match: Criteria::over(of_route, &proto::metadata(&proto.metadata_match)),
            headers: headers::changes(
                &at,
                &headers::Lists {
                    request_add: &proto.request_headers_to_add,
                    request_remove: &proto.request_headers_to_remove,
                    response_add: &proto.response_headers_to_add,
                    response_remove: &proto.response_headers_to_remove,
                },
            )?,
            host_rewrite: proto
                .host_rewrite_specifier
                .as_ref()
                .map(|HostRewriteLiteral(host)| Arc::from(host.as_str())),
            per_filter: per_filter::per_filter(
                &at.field("typed_per_filter_config"),
                &proto.typed_per_filter_config,
                options,
            )?,
        })
    };
    let clusters = proto.clusters.iter().enumerate().map(one).collect::<Result<Vec<_>, Rejection>>()?;
    match clusters.iter().map(|cluster| u64::from(cluster.weight.get())).sum::<u64>() {
        0 => Err(at.reject("Sum of weights in the weighted_cluster must be greater than 0.")),
        sum if sum > u64::from(u32::MAX) => {
            Err(at.reject("The sum of weights of all weighted clusters exceeds 4294967295"))
        }
        _ => Ok(ClusterChoice::Weighted(clusters)),
    }
}

/// What chooses among weighted clusters.
fn weights_by(at: &At<'_>, proto: &pb::RouteAction) -> Result<WeightsBy, Rejection> {
    use pb::route_action::ClusterSpecifier::WeightedClusters;
    use pb::weighted_cluster::RandomValueSpecifier::{HeaderName, UseHashPolicy};
    let Some(WeightedClusters(list)) = &proto.cluster_specifier else { return Ok(WeightsBy::Chance) };
    Ok(match &list.random_value_specifier {
        Some(HeaderName(name)) => {
            WeightsBy::Header(field_rules::header_name(&at.field("weighted_clusters").field("header_name"), name)?)
        }
        Some(UseHashPolicy(uses)) if uses.value => WeightsBy::Hash,
        Some(UseHashPolicy(_)) | None => WeightsBy::Chance,
    })
}

/// `path_rewrite_policy`.
fn template_rewrite(
    at: &At<'_>,
    policy: &core::TypedExtensionConfig,
    matches: &RouteMatch,
    options: &Options,
) -> Result<PathRewrite, Rejection> {
    let at = at.field("path_rewrite_policy");
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &policy.typed_config)?;
    if extension.type_name != registry::URI_TEMPLATE_REWRITE {
        return Err(registry::not_registered(&at, &policy.name, &extension.type_name));
    }
    let config: UriTemplateRewriteConfig = extension.decode(&at, options)?;
    let PathMatch::Template(pattern) = &matches.path else {
        return Err(at.reject(
            "unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without \
             envoy.path.match.uri_template.uri_template_matcher extension",
        ));
    };
    let at = at.field("path_template_rewrite");
    let pieces = matcher::uri_template::rewrite(&at, &config.path_template_rewrite, pattern)?;
    Ok(PathRewrite::Template { pattern: pattern.regex.clone(), pieces })
}

fn path_rewrite(
    at: &At<'_>,
    proto: &pb::RouteAction,
    matches: &RouteMatch,
    options: &Options,
) -> Result<Option<PathRewrite>, Rejection> {
    let said = [
        !proto.prefix_rewrite.is_empty(),
        proto.regex_rewrite.is_some(),
        proto.path_rewrite_policy.is_some(),
        !proto.path_rewrite.is_empty(),
    ];
    if said.iter().filter(|said| **said).count() > 1 {
        return Err(at.reject("Specify only one of prefix_rewrite, regex_rewrite, path_rewrite_policy or path_rewrite"));
    }
    if let Some(policy) = &proto.path_rewrite_policy {
        return template_rewrite(at, policy, matches, options).map(Some);
    }
    if !proto.path_rewrite.is_empty() {
        let format = access_log::decode::text_format(&at.field("path_rewrite"), &proto.path_rewrite)?;
        return Ok(Some(PathRewrite::Format(Format { omit_empty: true, ..format })));
    }
    match (&proto.regex_rewrite, proto.prefix_rewrite.as_str()) {
        (None, "") => Ok(None),
        (None, prefix) => {
            field_rules::header_value(&at.field("prefix_rewrite"), prefix)?;
            Ok(Some(PathRewrite::Prefix(Arc::from(prefix))))
        }
        (Some(regex), _) => {
            let replacement = matcher::decode::substitution(&at.field("regex_rewrite"), regex, options)?;
            Ok(replacement.map(|(pattern, substitution)| PathRewrite::Regex { pattern, substitution }))
        }
    }
}

fn host_rewrite(at: &At<'_>, proto: &pb::RouteAction, options: &Options) -> Result<Option<HostRewrite>, Rejection> {
    use pb::route_action::HostRewriteSpecifier as Rewrite;
    Ok(match &proto.host_rewrite_specifier {
        None => None,
        Some(Rewrite::HostRewriteLiteral(host)) => {
            field_rules::header_value(&at.field("host_rewrite_literal"), host)?;
            proto::text(host).map(HostRewrite::Literal)
        }
        Some(Rewrite::AutoHostRewrite(auto)) => auto.value.then_some(HostRewrite::Auto),
        Some(Rewrite::HostRewriteHeader(name)) => {
            Some(HostRewrite::Header(field_rules::header_name(&at.field("host_rewrite_header"), name)?))
        }
        Some(Rewrite::HostRewritePathRegex(regex)) => {
            let replacement = matcher::decode::substitution(&at.field("host_rewrite_path_regex"), regex, options)?;
            replacement.map(|(pattern, substitution)| HostRewrite::PathRegex { pattern, substitution })
        }
        Some(Rewrite::HostRewrite(text)) => {
            let format = access_log::decode::text_format(&at.field("host_rewrite"), text)?;
            (!text.is_empty()).then_some(HostRewrite::Format(format))
        }
    })
}

/// How tunnels end here, if they do.
fn connect(at: &At<'_>, list: &[pb::route_action::UpgradeConfig]) -> Result<Option<Connect>, Rejection> {
    use core::proxy_protocol_config::Version;
    let found = list.iter().enumerate().find_map(|(index, one)| Some((index, one.connect_config.as_ref()?)));
    let Some((index, config)) = found else { return Ok(None) };
    let at = at.index(index);
    let at = at.field("connect_config");
    let at = at.field("proxy_protocol_config");
    if config.proxy_protocol_config.as_ref().is_some_and(|one| !one.added_tlvs.is_empty()) {
        return Err(at
            .field("added_tlvs")
            .unsupported("is not supported where a tunnel ends; give them to the cluster"));
    }
    Ok(Some(Connect {
        proxy_protocol: match &config.proxy_protocol_config {
            None => None,
            Some(one) => Some(match proto::defined::<Version>(&at.field("version"), one.version)? {
                Version::V1 => 1,
                Version::V2 => 2,
            }),
        },
        allow_post: config.allow_post,
    }))
}

fn upgrades(at: &At<'_>, list: &[pb::route_action::UpgradeConfig]) -> Result<Vec<Upgrade>, Rejection> {
    let one = |(index, config): (usize, &pb::route_action::UpgradeConfig)| {
        let at = at.index(index);
        field_rules::not_empty(&at.field("upgrade_type"), &config.upgrade_type)?;
        if config.connect_config.is_some() && config.upgrade_type.eq_ignore_ascii_case("CONNECT-UDP") {
            return Err(at.field("connect_config").unsupported("tunnels of UDP do not end here; only pass them on"));
        }
        if config.connect_config.is_some() && !config.upgrade_type.eq_ignore_ascii_case("CONNECT") {
            return Err(at.field("connect_config").reject("Non-CONNECT upgrade type has ConnectConfig; take it out"));
        }
        Ok(Upgrade {
            kind: Arc::from(config.upgrade_type.to_ascii_lowercase()),
            enabled: bool_or(&config.enabled, true),
        })
    };
    let mut seen = BTreeSet::new();
    if let Some(index) = list.iter().position(|config| !seen.insert(config.upgrade_type.to_ascii_lowercase())) {
        let at = at.index(index);
        return Err(at
            .field("upgrade_type")
            .reject(format!("Duplicate upgrade {}; name it once", list[index].upgrade_type)));
    }
    list.iter().enumerate().map(one).collect()
}

fn redirect(
    at: &At<'_>,
    proto: &pb::RedirectAction,
    matches: &RouteMatch,
    options: &Options,
) -> Result<Redirect, Rejection> {
    use pb::redirect_action::{
        PathRewriteSpecifier as Path, RedirectResponseCode as Code, SchemeRewriteSpecifier as Scheme,
    };
    let (mut path, mut prefix, mut regex, mut path_format) = (None, None, None, None);
    match &proto.path_rewrite_specifier {
        None => {}
        Some(Path::PathRedirect(value)) => path = proto::text(value),
        Some(Path::PrefixRewrite(value)) => {
            if matches!(matches.path, PathMatch::Template(_)) && !value.is_empty() {
                return Err(at
                    .field("prefix_rewrite")
                    .reject("Cannot use redirect.prefix_rewrite with path_match_policy"));
            }
            prefix = proto::text(value);
        }
        Some(Path::RegexRewrite(one)) => {
            regex = matcher::decode::substitution(&at.field("regex_rewrite"), one, options)?;
        }
        Some(Path::PathRewrite(text)) => {
            let format = access_log::decode::text_format(&at.field("path_rewrite"), text)?;
            path_format = (!text.is_empty()).then_some(Format { omit_empty: true, ..format });
        }
    }
    for (field, value) in [
        ("host_redirect", proto.host_redirect.as_str()),
        ("path_redirect", path.as_deref().unwrap_or("")),
        ("prefix_rewrite", prefix.as_deref().unwrap_or("")),
    ] {
        field_rules::header_value(&at.field(field), value)?;
    }
    Ok(Redirect {
        status: match proto::defined::<Code>(&at.field("response_code"), proto.response_code)? {
            Code::MovedPermanently => 301,
            Code::Found => 302,
            Code::SeeOther => 303,
            Code::TemporaryRedirect => 307,
            Code::PermanentRedirect => 308,
        },
        scheme: match &proto.scheme_rewrite_specifier {
            Some(Scheme::HttpsRedirect(true)) => Some(Arc::from("https")),
            Some(Scheme::SchemeRedirect(scheme)) => proto::text(scheme),
            _ => None,
        },
        host: proto::text(&proto.host_redirect),
        port: Some(field_rules::port(&at.field("port_redirect"), proto.port_redirect)?).filter(|port| *port != 0),
        path,
        prefix,
        regex,
        path_format,
        strip_query: proto.strip_query,
    })
}

fn direct(at: &At<'_>, proto: &pb::DirectResponseAction, table: &Table<'_>) -> Result<DirectResponse, Rejection> {
    field_rules::within(&at.field("status"), u64::from(proto.status), 200, 599)?;
    let body = proto.body.as_ref().filter(|body| body.specifier.is_some());
    let body =
        body.map(|body| field_rules::content(&at.field("body"), body, table.options)).transpose()?.unwrap_or_default();
    if body.len() as u64 > u64::from(table.most_direct_body) {
        return Err(at.field("body").reject(format!(
            "response body size is {} bytes; maximum is {}",
            body.len(),
            table.most_direct_body
        )));
    }
    // Within 200 to 599 by the test above.
    let format = reply_format(&at.field("body_format"), proto.body_format.as_ref(), table.options)?;
    Ok(DirectResponse { status: proto.status as u16, body, format })
}
