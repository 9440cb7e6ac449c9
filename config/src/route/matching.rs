//! `RouteMatch` to plain data. Called by [`super::decode`], and by filters whose rules match as routes do. A condition that this proxy cannot test is refused: the route would match
//! requests that it must not.

use std::sync::Arc;

use super::{PathMatch, RouteMatch};
use crate::extension;
use crate::matcher;
use crate::options::Options;
use crate::proto::{bool_or, route::v3 as pb};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// A route's conditions.
///
/// # Errors
/// The field that cannot be honoured.
pub(crate) fn route_match(at: &At<'_>, proto: &pb::RouteMatch, options: &Options) -> Result<RouteMatch, Rejection> {
    let untested = [
        ("cookies", !proto.cookies.is_empty()),
        ("tls_context", proto.tls_context.is_some()),
        ("filter_state", !proto.filter_state.is_empty()),
    ];
    if let Some((field, _)) = untested.iter().find(|(_, set)| *set) {
        return Err(at.field(field).unsupported("is not supported; the route would match requests that it must not"));
    }
    let at_query = at.field("query_parameters");
    let query = proto.query_parameters.iter().enumerate();
    let fraction = proto.runtime_fraction.as_ref();
    let at_metadata = at.field("dynamic_metadata");
    let metadata = proto.dynamic_metadata.iter().enumerate();
    Ok(RouteMatch {
        path: path(at, proto)?,
        case_sensitive: bool_or(&proto.case_sensitive, true),
        headers: matcher::decode::headers(&at.field("headers"), &proto.headers)?,
        query: query
            .map(|(index, one)| matcher::decode::query(&at_query.index(index), one))
            .collect::<Result<_, _>>()?,
        grpc: proto.grpc.is_some(),
        fraction: fraction
            .map(|one| matcher::decode::fraction_at(&at.field("runtime_fraction"), one, options))
            .transpose()?,
        dynamic_metadata: metadata
            .map(|(index, one)| matcher::value::metadata(&at_metadata.index(index), one))
            .collect::<Result<_, _>>()?,
    })
}

fn path(at: &At<'_>, proto: &pb::RouteMatch) -> Result<PathMatch, Rejection> {
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
            return Err(match registry::find(Kind::Matcher, &extension.type_name) {
                Some(entry) => registry::refused(&at, &policy.name, entry),
                None => registry::not_registered(&at, &policy.name, &extension.type_name),
            });
        }
    })
}
