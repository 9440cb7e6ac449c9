//! `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication` and what routes set of it. Called by the list of filters. Key sets are
//! octets here: what they hold is judged by who compiles the filter.

mod provider;
mod requirement;

use std::sync::Arc;

use crate::extension::Extension;
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::jwt_authn::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::route::RouteMatch;
use crate::route::matching;

pub use provider::{
    AsyncFetch, Cache, ClaimPath, ClaimToHeader, Forwarding, Keys, Lifetime, Locations, Metadata, Provider, RemoteKeys,
    TokenHeader,
};
pub use requirement::Requirement;

/// The filter.
#[derive(Debug, Clone)]
pub struct JwtAuthn {
    /// `providers`, sorted by name. Requirements speak of them by place.
    pub providers: Vec<Provider>,
    /// `rules`: the first one that matches decides.
    pub rules: Vec<Rule>,
    /// `filter_state_rules`, where no rule matches.
    pub filter_state: Option<FilterStateRules>,
    /// `bypass_cors_preflight`.
    pub bypasses_preflight: bool,
    /// `requirement_map`, sorted by name; routes speak of them.
    pub named: Vec<(Arc<str>, Requirement)>,
    /// `strip_failure_response`: clients are told nothing but a status.
    pub strips_failure: bool,
    /// `stat_prefix`: a part of the names of statistics.
    pub stat_prefix: Option<Arc<str>>,
}

/// `RequirementRule`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `match`. As in Envoy path, headers and query count, and nothing else of it.
    pub matches: RouteMatch,
    /// `requires` or `requirement_name`; `None`: nothing is required.
    pub requires: Option<Requirement>,
}

/// `FilterStateRule`.
#[derive(Debug, Clone)]
pub struct FilterStateRules {
    /// `name`: the key of the object.
    pub key: Arc<str>,
    /// `requires`, by the object's value, sorted.
    pub requires: Vec<(Arc<str>, Requirement)>,
}

/// `PerRouteConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtAuthnPerRoute {
    /// `disabled`.
    Disabled,
    /// `requirement_name`: one of the filter's `requirement_map`. Requests are refused where there is none of that name.
    Requirement(Arc<str>),
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<JwtAuthn, Rejection> {
    let proto: pb::JwtAuthentication = extension.decode(at, options)?;
    let at_providers = at.field("providers");
    let mut providers = Vec::with_capacity(proto.providers.len());
    for (name, one) in sorted(&proto.providers) {
        providers.push(provider::decode(&at_providers.key(name), name, one, options)?);
    }
    let named = requirements(&at.field("requirement_map"), &proto.requirement_map, &providers)?;
    let rules = proto.rules.iter().enumerate();
    let at_rules = at.field("rules");
    let filter_state = proto.filter_state_rules.as_ref().map(|rules| {
        let at = at.field("filter_state_rules");
        let requires = requirements(&at.field("requires"), &rules.requires, &providers)?;
        Ok(FilterStateRules { key: Arc::from(rules.name.as_str()), requires })
    });
    Ok(JwtAuthn {
        rules: rules
            .map(|(index, one)| rule(&at_rules.index(index), one, &providers, &named, options))
            .collect::<Result<_, _>>()?,
        filter_state: filter_state.transpose()?,
        bypasses_preflight: proto.bypass_cors_preflight,
        strips_failure: proto.strip_failure_response,
        stat_prefix: proto::text(&proto.stat_prefix),
        providers,
        named,
    })
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<JwtAuthnPerRoute, Rejection> {
    use pb::per_route_config::RequirementSpecifier as Specifier;
    let proto: pb::PerRouteConfig = extension.decode(at, options)?;
    match &proto.requirement_specifier {
        None => Err(at.reject("says nothing; give disabled or requirement_name")),
        Some(Specifier::Disabled(disabled)) => {
            crate::field_rules::only_true(&at.field("disabled"), *disabled)?;
            Ok(JwtAuthnPerRoute::Disabled)
        }
        Some(Specifier::RequirementName(name)) => {
            Ok(JwtAuthnPerRoute::Requirement(crate::field_rules::not_empty(&at.field("requirement_name"), name)?))
        }
    }
}

fn rule(
    at: &At<'_>,
    proto: &pb::RequirementRule,
    providers: &[Provider],
    named: &[(Arc<str>, Requirement)],
    options: &Options,
) -> Result<Rule, Rejection> {
    use pb::requirement_rule::RequirementType as Type;
    let at_match = at.field("match");
    let matches = matching::route_match(&at_match, crate::field_rules::required(&at_match, &proto.r#match)?, options)?;
    let ignored = [
        ("grpc", matches.grpc),
        ("cookies", !matches.cookies.is_empty()),
        ("tls_context", matches.certificate_presented.is_some() || matches.certificate_validated.is_some()),
        ("filter_state", !matches.filter_state.is_empty()),
        ("runtime_fraction", matches.fraction.is_some()),
        ("dynamic_metadata", !matches.dynamic_metadata.is_empty()),
    ];
    for (field, _) in ignored.iter().filter(|(_, set)| *set) {
        // Were it looked at, requests would pass that Envoy refuses.
        options.note(
            &at_match.field(field),
            "is not looked at in rules of jwt_authn, as in Envoy; the rule is for all such requests",
        );
    }
    let requires = match &proto.requirement_type {
        None => None,
        Some(Type::Requires(one)) => Some(requirement::decode(&at.field("requires"), one, providers, 0)?),
        Some(Type::RequirementName(name)) => match named.iter().find(|(known, _)| **known == **name) {
            Some((_, requirement)) => Some(requirement.clone()),
            None => {
                let known: Vec<&str> = named.iter().map(|(name, _)| &**name).collect();
                return Err(at
                    .field("requirement_name")
                    .reject(format!("Wrong requirement_name: {name}. It should be one of [{}]", known.join(","))));
            }
        },
    };
    Ok(Rule { matches, requires })
}

fn requirements(
    at: &At<'_>,
    map: &std::collections::HashMap<String, pb::JwtRequirement>,
    providers: &[Provider],
) -> Result<Vec<(Arc<str>, Requirement)>, Rejection> {
    sorted(map)
        .into_iter()
        .map(|(name, one)| Ok((Arc::from(name), requirement::decode(&at.key(name), one, providers, 0)?)))
        .collect()
}

/// A map in the order of its keys: what is told, and which of two comes first, must not change from run to run.
fn sorted<T>(map: &std::collections::HashMap<String, T>) -> Vec<(&str, &T)> {
    let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}
