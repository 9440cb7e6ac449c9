//! How much of what passes a piece of policy judges, as far as its config tells. Called by `record`. Whoever refuses a version asks it whether
//! the one before may go on in its place: what cannot be read judges all, for the version that serves has been read.

use crate::extension::{self, Extension};
use crate::options::Options;
use crate::proto::extensions::filters::http::csrf::v3::CsrfPolicy;
use crate::proto::extensions::filters::http::ext_authz::v3::{ExtAuthz, ExtAuthzPerRoute, ext_authz_per_route};
use crate::proto::extensions::filters::http::ext_proc::v3::{ExtProcPerRoute, ExternalProcessor, ext_proc_per_route};
use crate::proto::extensions::filters::http::jwt_authn::v3::{
    JwtAuthentication, JwtRequirement, PerRouteConfig, jwt_requirement::RequiresType, per_route_config,
    requirement_rule::RequirementType,
};
use crate::proto::extensions::filters::http::rbac::v3 as http;
use crate::proto::extensions::filters::network::ext_authz::v3::ExtAuthz as NetworkExtAuthz;
use crate::proto::extensions::filters::network::rbac::v3 as network;
use crate::proto::rbac::v3::{
    self as rbac, Permission, Principal, Rbac, permission::Rule, principal::Identifier, rbac::Action,
};
use crate::proto::route::v3::{RouteMatch, route_match::PathSpecifier};
use crate::proto::types::matcher::v3::{PathMatcher, path_matcher, string_matcher::MatchPattern};
use crate::proto::{core::v3 as core, wkt};
use crate::rejection::At;

use envoy_types::pb::xds::r#type::matcher::v3::{Matcher, matcher::on_match::OnMatch};

/// What it judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// It lets all pass.
    Nothing,
    /// It turns away some, and what it does not look for passes.
    Some,
    /// Whoever passes has been judged.
    All,
}

/// Of an extension.
pub(super) fn of(any: &wkt::Any) -> Strength {
    let at = At::root();
    extension::open(&at, any).ok().and_then(|extension| read(&at, &extension)).unwrap_or(Strength::All)
}

fn read(at: &At<'_>, extension: &Extension<'_>) -> Option<Strength> {
    fn decode<T: prost::Message + Default>(at: &At<'_>, extension: &Extension<'_>) -> Option<T> {
        extension.decode(at, &Options::default()).ok()
    }
    Some(match &*extension.type_name {
        "envoy.extensions.filters.http.rbac.v3.RBAC" => of_http(&decode(at, extension)?),
        "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" => {
            let scoped: http::RbacPerRoute = decode(at, extension)?;
            scoped.rbac.as_ref().map_or(Strength::Nothing, of_http)
        }
        "envoy.extensions.filters.network.rbac.v3.RBAC" => {
            let filter: network::Rbac = decode(at, extension)?;
            rules(filter.rules.as_ref(), filter.matcher.as_ref())
        }
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" => tokens(&decode(at, extension)?),
        "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig" => {
            let scoped: PerRouteConfig = decode(at, extension)?;
            off_if(matches!(scoped.requirement_specifier, Some(per_route_config::RequirementSpecifier::Disabled(true))))
        }
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" => authorizer(&decode(at, extension)?),
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" => {
            let scoped: ExtAuthzPerRoute = decode(at, extension)?;
            off_if(matches!(scoped.r#override, Some(ext_authz_per_route::Override::Disabled(true))))
        }
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor" => {
            let filter: ExternalProcessor = decode(at, extension)?;
            asked(false, filter.failure_mode_allow)
        }
        "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute" => {
            let scoped: ExtProcPerRoute = decode(at, extension)?;
            off_if(matches!(scoped.r#override, Some(ext_proc_per_route::Override::Disabled(true))))
        }
        "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz" => {
            let filter: NetworkExtAuthz = decode(at, extension)?;
            asked(filter.shadow_mode, filter.failure_mode_allow || filter.filter_enabled_metadata.is_some())
        }
        "envoy.extensions.filters.http.csrf.v3.CsrfPolicy" => {
            let filter: CsrfPolicy = decode(at, extension)?;
            share(filter.filter_enabled.as_ref())
        }
        _ => Strength::All,
    })
}

fn off_if(off: bool) -> Strength {
    if off { Strength::Nothing } else { Strength::All }
}

fn of_http(filter: &http::Rbac) -> Strength {
    rules(filter.rules.as_ref(), filter.matcher.as_ref())
}

fn rules(rules: Option<&Rbac>, tree: Option<&Matcher>) -> Strength {
    if let Some(tree) = tree {
        return otherwise(tree);
    }
    let Some(rules) = rules else { return Strength::Nothing };
    let everybody = rules.policies.values().any(is_everybody);
    match rules.action() {
        Action::Allow => off_if(everybody),
        Action::Deny if everybody => Strength::All,
        Action::Deny if rules.policies.is_empty() => Strength::Nothing,
        Action::Deny => Strength::Some,
        Action::Log => Strength::Nothing,
    }
}

/// What a tree says of those that it does not look for.
fn otherwise(tree: &Matcher) -> Strength {
    let Some(OnMatch::Action(action)) = tree.on_no_match.as_ref().and_then(|one| one.on_match.as_ref()) else {
        return Strength::All;
    };
    let at = At::root();
    let action = action.typed_config.as_ref().and_then(|any| {
        let any = wkt::Any { type_url: any.type_url.clone(), value: any.value.clone() };
        extension::open(&at, &any).ok()?.decode::<rbac::Action>(&at, &Options::default()).ok()
    });
    match action.map(|action| action.action()) {
        None | Some(Action::Deny) => Strength::All,
        Some(Action::Allow | Action::Log) if tree.matcher_type.is_none() => Strength::Nothing,
        Some(Action::Allow | Action::Log) => Strength::Some,
    }
}

fn is_everybody(policy: &rbac::Policy) -> bool {
    policy.condition.is_none()
        && policy.checked_condition.is_none()
        && policy.permissions.iter().any(is_anything)
        && policy.principals.iter().any(is_anybody)
}

fn is_anything(permission: &Permission) -> bool {
    match &permission.rule {
        Some(Rule::Any(any)) => *any,
        Some(Rule::OrRules(set)) => set.rules.iter().any(is_anything),
        Some(Rule::AndRules(set)) => set.rules.iter().all(is_anything),
        Some(Rule::UrlPath(path)) => is_any_path(path),
        _ => false,
    }
}

fn is_anybody(principal: &Principal) -> bool {
    match &principal.identifier {
        Some(Identifier::Any(any)) => *any,
        Some(Identifier::OrIds(set)) => set.ids.iter().any(is_anybody),
        Some(Identifier::AndIds(set)) => set.ids.iter().all(is_anybody),
        Some(Identifier::UrlPath(path)) => is_any_path(path),
        _ => false,
    }
}

fn is_any_path(path: &PathMatcher) -> bool {
    let Some(path_matcher::Rule::Path(text)) = &path.rule else { return false };
    matches!(&text.match_pattern, Some(MatchPattern::Prefix(prefix)) if matches!(prefix.as_str(), "" | "/"))
}

fn tokens(filter: &JwtAuthentication) -> Strength {
    let mut strength = Strength::Nothing;
    for rule in &filter.rules {
        let demands = match &rule.requirement_type {
            None => Strength::Nothing,
            Some(RequirementType::Requires(one)) => demands(one),
            Some(RequirementType::RequirementName(name)) => {
                filter.requirement_map.get(name).map_or(Strength::All, demands)
            }
        };
        if rule.r#match.as_ref().is_some_and(matches_all) {
            // No rule behind it is asked.
            return strength.max(demands);
        }
        strength = strength.max(demands.min(Strength::Some));
    }
    let by_state = filter.filter_state_rules.as_ref().is_some_and(|rules| !rules.requires.is_empty());
    if by_state { strength.max(Strength::Some) } else { strength }
}

fn demands(requirement: &JwtRequirement) -> Strength {
    match &requirement.requires_type {
        None | Some(RequiresType::AllowMissingOrFailed(_) | RequiresType::ExtractOnlyWithoutValidation(_)) => {
            Strength::Nothing
        }
        Some(RequiresType::AllowMissing(_)) => Strength::Some,
        Some(RequiresType::RequiresAny(list)) => list.requirements.iter().map(demands).min().unwrap_or(Strength::All),
        Some(RequiresType::RequiresAll(list)) => list.requirements.iter().map(demands).max().unwrap_or(Strength::All),
        Some(RequiresType::ProviderName(_) | RequiresType::ProviderAndAudiences(_)) => Strength::All,
    }
}

fn matches_all(one: &RouteMatch) -> bool {
    let any_path =
        matches!(&one.path_specifier, Some(PathSpecifier::Prefix(prefix)) if matches!(prefix.as_str(), "" | "/"));
    let rest = RouteMatch { path_specifier: None, case_sensitive: None, ..one.clone() };
    any_path && rest == RouteMatch::default()
}

fn authorizer(filter: &ExtAuthz) -> Strength {
    let may_pass = filter.failure_mode_allow || filter.filter_enabled_metadata.is_some();
    let enabled = filter.filter_enabled.as_ref().filter(|_| filter.deny_at_disable.is_none());
    asked(filter.shadow_mode, may_pass).min(share(enabled))
}

fn asked(shadow: bool, may_pass: bool) -> Strength {
    match (shadow, may_pass) {
        (true, _) => Strength::Nothing,
        (false, true) => Strength::Some,
        (false, false) => Strength::All,
    }
}

/// Of so many; where nothing is said, of all.
fn share(of: Option<&core::RuntimeFractionalPercent>) -> Strength {
    let Some(share) = of.and_then(|of| of.default_value.as_ref()) else { return Strength::All };
    let whole = [100, 10_000, 1_000_000].get(usize::try_from(share.denominator).unwrap_or(0)).copied().unwrap_or(100);
    match share.numerator {
        0 => Strength::Nothing,
        numerator if numerator < whole => Strength::Some,
        _ => Strength::All,
    }
}
