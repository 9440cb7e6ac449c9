//! `HttpService`: an authorizer that is asked in HTTP. Called by [`super`].

use std::sync::Arc;

use crate::field_rules;
use crate::matcher::StringMatcher;
use crate::options::Options;
use crate::proto::{self, extensions::filters::http::ext_authz::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::route::{HeaderAdd, RetryPolicy};
use crate::services::{self, HttpUri};

/// `HttpService`.
#[derive(Debug, Clone)]
pub struct HttpService {
    /// `server_uri`: its cluster and its timeout; the host and the path are those of the request.
    pub uri: HttpUri,
    /// `path_prefix`, before the request's own path.
    pub path_prefix: Option<Arc<str>>,
    /// `path_override`, in its place.
    pub path_override: Option<Arc<str>>,
    /// `authorization_request.headers_to_add`, in place of the client's.
    pub headers_to_add: Vec<HeaderAdd>,
    /// `allowed_upstream_headers`: set in the request.
    pub upstream_headers: Vec<StringMatcher>,
    /// `allowed_upstream_headers_to_append`: added to it.
    pub upstream_headers_to_append: Vec<StringMatcher>,
    /// `allowed_client_headers`, of a denial; empty: all but the authority.
    pub client_headers: Vec<StringMatcher>,
    /// `allowed_client_headers_on_success`.
    pub client_headers_on_success: Vec<StringMatcher>,
    /// `dynamic_metadata_from_headers`.
    pub metadata_from_headers: Vec<StringMatcher>,
    /// `retry_policy`.
    pub retry: Option<Arc<RetryPolicy>>,
}

pub(super) fn decode(at: &At<'_>, proto: &pb::HttpService, options: &Options) -> Result<HttpService, Rejection> {
    let at_uri = at.field("server_uri");
    let uri = services::http_uri(&at_uri, field_rules::required(&at_uri, &proto.server_uri)?)?;
    let path = |field: &str, text: &str| {
        let at = at.field(field);
        field_rules::header_value(&at, text)?;
        if text.is_empty() || text.starts_with('/') {
            return Ok(proto::text(text));
        }
        Err(at.reject(format!("{field} should start with \"/\".")))
    };
    let (path_prefix, path_override) =
        (path("path_prefix", &proto.path_prefix)?, path("path_override", &proto.path_override)?);
    if path_prefix.is_some() && path_override.is_some() {
        return Err(at.reject("Only one of path_prefix or path_override may be set, not both."));
    }
    let at_add = at.field("authorization_request");
    let at_add = at_add.field("headers_to_add");
    let add = proto.authorization_request.as_ref().map_or(&[][..], |request| &request.headers_to_add);
    let at_response = at.field("authorization_response");
    let unset = pb::AuthorizationResponse::default();
    let response = proto.authorization_response.as_ref().unwrap_or(&unset);
    let at_retry = at.field("retry_policy");
    let retry = proto.retry_policy.as_ref();
    let matchers = |field: &str, matchers| super::list(&at_response.field(field), matchers);
    Ok(HttpService {
        uri,
        path_prefix,
        path_override,
        headers_to_add: services::header_values(&at_add, add)?,
        upstream_headers: matchers("allowed_upstream_headers", &response.allowed_upstream_headers)?,
        upstream_headers_to_append: matchers(
            "allowed_upstream_headers_to_append",
            &response.allowed_upstream_headers_to_append,
        )?,
        client_headers: matchers("allowed_client_headers", &response.allowed_client_headers)?,
        client_headers_on_success: matchers(
            "allowed_client_headers_on_success",
            &response.allowed_client_headers_on_success,
        )?,
        metadata_from_headers: matchers("dynamic_metadata_from_headers", &response.dynamic_metadata_from_headers)?,
        retry: retry.map(|one| services::retry_policy(&at_retry, one, "", options)).transpose()?.map(Arc::new),
    })
}
