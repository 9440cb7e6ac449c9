//! `envoy.config.common.matcher.v3.MatchPredicate`, as far as response heads decide it. Called for the outlier detection of clusters.

use super::{HeaderMatcher, decode};
use crate::proto::match_predicate::v3 as pb;
use crate::rejection::{At, Rejection};

/// A condition on response heads.
#[derive(Debug, Clone)]
pub enum ResponsePredicate {
    /// Of all heads, or of none: what looks at requests, trailers and bodies is not decided by a head.
    Always(bool),
    /// All of these hold.
    Headers(Vec<HeaderMatcher>),
    /// One of these holds.
    Any(Vec<ResponsePredicate>),
    /// All of these hold.
    All(Vec<ResponsePredicate>),
    /// It does not hold.
    Not(Box<ResponsePredicate>),
}

/// How deep predicates may stand inside each other: whoever asks them goes as deep.
const DEEPEST: usize = 16;

/// A `MatchPredicate`.
pub(crate) fn decode(at: &At<'_>, proto: &pb::MatchPredicate) -> Result<ResponsePredicate, Rejection> {
    within(at, proto, DEEPEST)
}

fn within(at: &At<'_>, proto: &pb::MatchPredicate, depth: usize) -> Result<ResponsePredicate, Rejection> {
    use pb::match_predicate::Rule;
    if depth == 0 {
        return Err(at.reject(format!("stands inside {DEEPEST} others; that is too deep")));
    }
    Ok(match &proto.rule {
        None => return Err(at.reject("is required and not set; set one of its rules")),
        Some(Rule::OrMatch(set)) => ResponsePredicate::Any(rules(&at.field("or_match"), set, depth)?),
        Some(Rule::AndMatch(set)) => ResponsePredicate::All(rules(&at.field("and_match"), set, depth)?),
        Some(Rule::NotMatch(rule)) => {
            ResponsePredicate::Not(Box::new(within(&at.field("not_match"), rule, depth - 1)?))
        }
        Some(Rule::AnyMatch(any)) => ResponsePredicate::Always(*any),
        Some(Rule::HttpResponseHeadersMatch(headers)) => {
            let at = at.field("http_response_headers_match");
            ResponsePredicate::Headers(decode::headers(&at.field("headers"), &headers.headers)?)
        }
        Some(
            Rule::HttpRequestHeadersMatch(_)
            | Rule::HttpRequestTrailersMatch(_)
            | Rule::HttpResponseTrailersMatch(_)
            | Rule::HttpRequestGenericBodyMatch(_)
            | Rule::HttpResponseGenericBodyMatch(_),
        ) => ResponsePredicate::Always(false),
    })
}

fn rules(at: &At<'_>, set: &pb::match_predicate::MatchSet, depth: usize) -> Result<Vec<ResponsePredicate>, Rejection> {
    let at = at.field("rules");
    set.rules.iter().enumerate().map(|(index, rule)| within(&at.index(index), rule, depth - 1)).collect()
}
