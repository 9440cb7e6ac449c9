//! `InternalRedirectPolicy`, and the fields that it replaced, to plain data. Called by [`super::action`].

use std::sync::Arc;

use super::{InternalRedirect, RedirectPredicate};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions::internal_redirect as ext, route::v3 as pb, uint32};
use crate::registry;
use crate::rejection::{At, Rejection};

/// What the route says of redirects that its upstream answers with; `None`: they go to the client.
pub(super) fn policy(
    at: &At<'_>,
    proto: &pb::RouteAction,
    options: &Options,
) -> Result<Option<InternalRedirect>, Rejection> {
    use pb::route_action::InternalRedirectAction as Action;
    let Some(policy) = &proto.internal_redirect_policy else {
        let action = proto::defined::<Action>(&at.field("internal_redirect_action"), proto.internal_redirect_action)?;
        let most = uint32(&proto.max_internal_redirects).unwrap_or(1);
        return Ok((action == Action::HandleInternalRedirect).then(|| InternalRedirect { most, ..usual() }));
    };
    let at = at.field("internal_redirect_policy");
    let at_predicates = at.field("predicates");
    let predicates = policy.predicates.iter().enumerate();
    Ok(Some(InternalRedirect {
        most: uint32(&policy.max_internal_redirects).unwrap_or(1),
        codes: codes(&at.field("redirect_response_codes"), &policy.redirect_response_codes)?,
        predicates: predicates
            .map(|(index, one)| predicate(&at_predicates.index(index), one, options))
            .collect::<Result<_, _>>()?,
        crosses_schemes: policy.allow_cross_scheme_redirect,
        copied: copied(&at.field("response_headers_to_copy"), &policy.response_headers_to_copy)?,
    }))
}

fn usual() -> InternalRedirect {
    InternalRedirect { most: 1, codes: vec![302], predicates: Vec::new(), crosses_schemes: false, copied: Vec::new() }
}

fn codes(at: &At<'_>, list: &[u32]) -> Result<Vec<u16>, Rejection> {
    const MOST: usize = 5;
    if list.len() > MOST {
        return Err(at.reject(format!("must have at most {MOST} elements")));
    }
    if list.is_empty() {
        return Ok(usual().codes);
    }
    // Others are passed over, as the field's description has it.
    let redirects = list.iter().filter_map(|code| u16::try_from(*code).ok());
    Ok(redirects.filter(|code| matches!(code, 301 | 302 | 303 | 307 | 308)).collect())
}

fn copied(at: &At<'_>, names: &[String]) -> Result<Vec<Arc<str>>, Rejection> {
    let mut list = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let at = at.index(index);
        if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
            return Err(at.reject(":-prefixed headers or Hosts may not be specified here."));
        }
        let name = field_rules::header_name(&at, name)?;
        if list.contains(&name) {
            return Err(at.reject(format!("{name:?} is there twice; take one out")));
        }
        list.push(name);
    }
    Ok(list)
}

fn predicate(
    at: &At<'_>,
    proto: &core::TypedExtensionConfig,
    options: &Options,
) -> Result<RedirectPredicate, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &proto.typed_config)?;
    Ok(match &*extension.type_name {
        registry::PREVIOUS_ROUTES => RedirectPredicate::PreviousRoutes,
        registry::SAFE_CROSS_SCHEME => RedirectPredicate::SafeCrossScheme,
        registry::ALLOW_LISTED_ROUTES => {
            let config: ext::allow_listed_routes::v3::AllowListedRoutesConfig = extension.decode(&at, options)?;
            let names = config.allowed_route_names.iter().enumerate();
            let at_names = at.field("allowed_route_names");
            RedirectPredicate::AllowListedRoutes(
                names
                    .map(|(index, name)| field_rules::not_empty(&at_names.index(index), name))
                    .collect::<Result<_, _>>()?,
            )
        }
        registry::REDIRECT_BY_FILTER_STATE => {
            let config: ext::filter_state::v3::FilterStateConfig = extension.decode(&at, options)?;
            RedirectPredicate::FilterState {
                key: field_rules::not_empty(&at.field("redirect_enabled_key"), &config.redirect_enabled_key)?,
                if_absent: config.redirect_if_absent,
            }
        }
        other => return Err(registry::not_registered(&at, &proto.name, other)),
    })
}
