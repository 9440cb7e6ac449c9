//! Rules: which requests a requirement is for. As in Envoy the path without query and fragment, headers and query decide; what else a
//! route's match may ask for (gRPC, shares, metadata) does not count, so that nobody escapes a rule by it.

use config::filters::jwt_authn::{JwtAuthn as Config, Rule as RuleConfig};
use config::matcher::QueryParameterMatcher;
use config::route::PathMatch;

use super::requirement::Requirement;
use crate::http::route::{queries_match, without_query};
use crate::policy::headers::HeaderMatchers;
use crate::wire::message::{Method, RequestHead};

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    path: PathMatch,
    case_sensitive: bool,
    headers: HeaderMatchers,
    query: Vec<QueryParameterMatcher>,
    /// `None`: nothing.
    pub requires: Option<Requirement>,
}

impl Rule {
    pub fn compile(rule: &RuleConfig, config: &Config) -> Rule {
        Rule {
            path: rule.matches.path.clone(),
            case_sensitive: rule.matches.case_sensitive,
            headers: HeaderMatchers::compile(&rule.matches.headers),
            query: rule.matches.query.clone(),
            requires: rule.requires.as_ref().map(|one| Requirement::compile(one, config)),
        }
    }

    /// Whether a request is meant.
    pub fn matches(&self, request: &RequestHead) -> bool {
        self.path_matches(request) && self.headers.match_request(request) && queries_match(&self.query, &request.path)
    }

    fn path_matches(&self, request: &RequestHead) -> bool {
        // A CONNECT has no path.
        let path = without_query(&request.path);
        let begins = |prefix: &str| {
            path.get(..prefix.len()).is_some_and(|start| match self.case_sensitive {
                true => start == prefix.as_bytes(),
                false => start.eq_ignore_ascii_case(prefix.as_bytes()),
            })
        };
        match &self.path {
            PathMatch::Prefix(prefix) => begins(prefix),
            PathMatch::Exact(exact) => path.len() == exact.len() && begins(exact),
            PathMatch::Regex(regex) => regex.is_match(path),
            PathMatch::Template(template) => template.regex.is_match(path),
            PathMatch::SeparatedPrefix(prefix) => begins(prefix) && matches!(path.get(prefix.len()), None | Some(b'/')),
            PathMatch::Connect => request.method == Method::Connect,
        }
    }
}
