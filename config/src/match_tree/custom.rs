//! `IPMatcher`, `ServerNameMatcher` and `CelMatcher` of `xds.type.matcher.v3`, which `envoy-types` does not carry. Called by this folder.

use std::collections::BTreeSet;
use std::sync::Arc;

use envoy_types::pb::google::api::expr::v1alpha1 as expr;
use envoy_types::pb::xds::core::v3::CidrRange;
use ipnet::IpNet;

use super::OnMatch;
use crate::address;
use crate::cel;
use crate::field_rules;
use crate::proto::envoy::config::common::matcher::v3 as pb;
use crate::rejection::{At, Rejection};

/// `IPRangeMatcher`.
#[derive(Debug, Clone)]
pub struct Ranges<A> {
    /// `ranges`: any of these.
    pub ranges: Vec<IpNet>,
    /// `exclusive`: not tried where a longer range has the address, also if that finds nothing.
    pub exclusive: bool,
    /// `on_match`.
    pub next: OnMatch<A>,
}

/// `DomainMatcher`.
#[derive(Debug, Clone)]
pub struct Domains<A> {
    /// `domains`: each a name, `*.` before the end of one, or `*`.
    pub domains: Vec<Arc<str>>,
    /// `on_match`.
    pub next: OnMatch<A>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct IpMatcher {
    #[prost(message, repeated, tag = "1")]
    range_matchers: Vec<IpRangeMatcher>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct IpRangeMatcher {
    #[prost(message, repeated, tag = "1")]
    ranges: Vec<CidrRange>,
    #[prost(message, optional, tag = "2")]
    on_match: Option<pb::matcher::OnMatch>,
    #[prost(bool, tag = "3")]
    exclusive: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerNameMatcher {
    #[prost(message, repeated, tag = "1")]
    domain_matchers: Vec<DomainMatcher>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DomainMatcher {
    #[prost(string, repeated, tag = "1")]
    domains: Vec<String>,
    #[prost(message, optional, tag = "2")]
    on_match: Option<pb::matcher::OnMatch>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CelMatcher {
    #[prost(message, optional, tag = "1")]
    expr_match: Option<CelExpression>,
}

/// The two spellings of an expression are the same on the wire.
#[derive(Clone, PartialEq, prost::Message)]
struct CelExpression {
    #[prost(message, optional, tag = "1")]
    parsed_expr: Option<expr::ParsedExpr>,
    #[prost(message, optional, tag = "2")]
    checked_expr: Option<expr::CheckedExpr>,
    #[prost(message, optional, tag = "3")]
    cel_expr_parsed: Option<expr::ParsedExpr>,
    #[prost(message, optional, tag = "4")]
    cel_expr_checked: Option<expr::CheckedExpr>,
    #[prost(string, tag = "5")]
    cel_expr_string: String,
}

/// Reads what follows a match.
type Next<'n, A> = &'n dyn Fn(&At<'_>, &pb::matcher::OnMatch) -> Result<OnMatch<A>, Rejection>;

pub(super) fn ranges<A>(at: &At<'_>, proto: &IpMatcher, next: Next<'_, A>) -> Result<Vec<Ranges<A>>, Rejection> {
    let at = at.field("range_matchers");
    let one = |(index, one): (usize, &IpRangeMatcher)| {
        let at = at.index(index);
        let (at_ranges, at_match) = (at.field("ranges"), at.field("on_match"));
        field_rules::at_least_one(&at_ranges, &one.ranges)?;
        let ranges = address::decode::xds_cidrs(&at_ranges, &one.ranges)?;
        let next = next(&at_match, field_rules::required(&at_match, &one.on_match)?)?;
        Ok(Ranges { ranges, exclusive: one.exclusive, next })
    };
    proto.range_matchers.iter().enumerate().map(one).collect()
}

pub(super) fn domains<A>(
    at: &At<'_>,
    proto: &ServerNameMatcher,
    next: Next<'_, A>,
) -> Result<Vec<Domains<A>>, Rejection> {
    let at = at.field("domain_matchers");
    let mut seen = BTreeSet::new();
    let mut one = |(index, one): (usize, &'_ DomainMatcher)| {
        let at = at.index(index);
        let (at_domains, at_match) = (at.field("domains"), at.field("on_match"));
        field_rules::at_least_one(&at_domains, &one.domains)?;
        for (index, domain) in one.domains.iter().enumerate() {
            let at = at_domains.index(index);
            field_rules::not_empty(&at, domain)?;
            let end = domain.strip_prefix("*.").unwrap_or(domain);
            if domain != "*" && (end.is_empty() || end.contains('*')) {
                return Err(at.reject(format!("{domain:?} is no domain; give a name, *. before the end of one, or *")));
            }
            if !seen.insert(domain.clone()) {
                return Err(at.reject(format!("{domain:?} is there twice")));
            }
        }
        let next = next(&at_match, field_rules::required(&at_match, &one.on_match)?)?;
        Ok(Domains { domains: one.domains.iter().map(|domain| Arc::from(domain.as_str())).collect(), next })
    };
    proto.domain_matchers.iter().enumerate().map(&mut one).collect()
}

/// The expression that Envoy takes where several are given. Its text it does not read.
pub(super) fn expression(at: &At<'_>, proto: &CelMatcher) -> Result<Arc<cel::Expr>, Rejection> {
    let at = at.field("expr_match");
    let proto = field_rules::required(&at, &proto.expr_match)?;
    if !proto.cel_expr_string.is_empty() {
        return Err(at.field("cel_expr_string").reject("is a text, and Envoy does not read it; give cel_expr_parsed"));
    }
    let CelExpression { parsed_expr, checked_expr, cel_expr_parsed, cel_expr_checked, .. } = proto;
    let (field, expr) = match (cel_expr_checked, cel_expr_parsed, checked_expr, parsed_expr) {
        (Some(checked), ..) => ("cel_expr_checked", &checked.expr),
        (_, Some(parsed), ..) => ("cel_expr_parsed", &parsed.expr),
        (_, _, Some(checked), _) => ("checked_expr", &checked.expr),
        (.., Some(parsed)) => ("parsed_expr", &parsed.expr),
        (None, None, None, None) => return Err(at.reject("has no expression; give cel_expr_parsed")),
    };
    let at = at.field(field);
    let at = at.field("expr");
    cel::condition(&at, field_rules::required(&at, expr)?, None, cel::Place::Request).map(Arc::new)
}
