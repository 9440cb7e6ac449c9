//! `RouteMatch` to plain data. Called by [`super::decode`], and by filters whose rules match as routes do. A condition that this proxy cannot test is refused: the route would match
//! requests that it must not.

use std::sync::Arc;

use super::{PathMatch, RouteMatch};
use crate::extension;
use crate::matcher;
use crate::options::Options;
use crate::proto::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use crate::proto::{self, bool_or, route::v3 as pb};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// A route's conditions.
///
/// # Errors
/// The field that cannot be honoured.
pub(crate) fn route_match(at: &At<'_>, proto: &pb::RouteMatch, options: &Options) -> Result<RouteMatch, Rejection> {
    let at_query = at.field("query_parameters");
    let query = proto.query_parameters.iter().enumerate();
    let fraction = proto.runtime_fraction.as_ref();
    let at_metadata = at.field("dynamic_metadata");
    let (at_cookies, at_state) = (at.field("cookies"), at.field("filter_state"));
    let (cookies, states) = (proto.cookies.iter().enumerate(), proto.filter_state.iter().enumerate());
    let flag = |flag: Option<proto::wkt::BoolValue>| flag.map(|flag| flag.value);
    let metadata = proto.dynamic_metadata.iter().enumerate();
    Ok(RouteMatch {
        path: path(at, proto, options)?,
        case_sensitive: bool_or(&proto.case_sensitive, true),
        headers: matcher::decode::headers(&at.field("headers"), &proto.headers)?,
        query: query
            .map(|(index, one)| matcher::decode::query(&at_query.index(index), one))
            .collect::<Result<_, _>>()?,
        grpc: proto.grpc.is_some(),
        fraction: fraction
            .map(|one| matcher::decode::fraction_at(&at.field("runtime_fraction"), one, options))
            .transpose()?,
        cookies: cookies
            .map(|(index, one)| matcher::decode::cookie(&at_cookies.index(index), one))
            .collect::<Result<_, _>>()?,
        certificate_presented: proto.tls_context.as_ref().and_then(|tls| flag(tls.presented)),
        certificate_validated: proto.tls_context.as_ref().and_then(|tls| flag(tls.validated)),
        filter_state: states
            .map(|(index, one)| matcher::decode::filter_state(&at_state.index(index), one))
            .collect::<Result<_, _>>()?,
        ignores_parameters: false,
        dynamic_metadata: metadata
            .map(|(index, one)| matcher::value::metadata(&at_metadata.index(index), one))
            .collect::<Result<_, _>>()?,
    })
}

fn path(at: &At<'_>, proto: &pb::RouteMatch, options: &Options) -> Result<PathMatch, Rejection> {
    use pb::route_match::PathSpecifier as Path;
    Ok(match &proto.path_specifier {
        None => return Err(at.reject("has no path condition; give prefix, path, safe_regex or path_separated_prefix")),
        Some(Path::Prefix(prefix)) => PathMatch::Prefix(Arc::from(prefix.as_str())),
        Some(Path::Path(path)) => PathMatch::Exact(Arc::from(path.as_str())),
        Some(Path::SafeRegex(regex)) => PathMatch::Regex(matcher::decode::full_regex(&at.field("safe_regex"), regex)?),
        Some(Path::ConnectMatcher(_)) => PathMatch::Connect,
        Some(Path::PathSeparatedPrefix(prefix)) => {
            if prefix.len() < 2 || prefix.contains(['?', '#']) || prefix.ends_with('/') {
                return Err(at
                    .field("path_separated_prefix")
                    .reject("must have two characters or more, no ? or #, and no / at its end"));
            }
            PathMatch::SeparatedPrefix(Arc::from(prefix.as_str()))
        }
        Some(Path::PathMatchPolicy(policy)) => {
            let at = at.field("path_match_policy");
            let at = at.field("typed_config");
            let extension = extension::open_required(&at, &policy.typed_config)?;
            if extension.type_name != registry::URI_TEMPLATE_MATCH {
                return Err(registry::unknown(&at, Kind::Matcher, &policy.name, &extension.type_name));
            }
            let config: UriTemplateMatchConfig = extension.decode(&at, options)?;
            PathMatch::Template(matcher::uri_template::template(&at.field("path_template"), &config.path_template)?)
        }
    })
}
