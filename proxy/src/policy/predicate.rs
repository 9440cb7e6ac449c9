//! `envoy.config.common.matcher.v3.MatchPredicate` over response heads, compiled. Asked by the outlier detection of clusters.

use config::matcher::ResponsePredicate;

use super::headers::HeaderMatchers;
use crate::wire::message::ResponseHead;

/// A condition on response heads.
#[derive(Debug)]
pub enum Predicate {
    /// Of all, or of none.
    Always(bool),
    /// All of these hold.
    Headers(HeaderMatchers),
    /// One of these holds.
    Any(Box<[Predicate]>),
    /// All of these hold.
    All(Box<[Predicate]>),
    /// It does not hold.
    Not(Box<Predicate>),
}

impl Predicate {
    /// Compiles.
    pub fn compile(config: &ResponsePredicate) -> Predicate {
        match config {
            ResponsePredicate::Always(always) => Predicate::Always(*always),
            ResponsePredicate::Headers(headers) => Predicate::Headers(HeaderMatchers::compile(headers)),
            ResponsePredicate::Any(rules) => Predicate::Any(rules.iter().map(Predicate::compile).collect()),
            ResponsePredicate::All(rules) => Predicate::All(rules.iter().map(Predicate::compile).collect()),
            ResponsePredicate::Not(rule) => Predicate::Not(Box::new(Predicate::compile(rule))),
        }
    }

    /// Whether it holds.
    pub fn matches(&self, head: &ResponseHead) -> bool {
        match self {
            Predicate::Always(always) => *always,
            Predicate::Headers(headers) => headers.match_response(head),
            Predicate::Any(rules) => rules.iter().any(|rule| rule.matches(head)),
            Predicate::All(rules) => rules.iter().all(|rule| rule.matches(head)),
            Predicate::Not(rule) => !rule.matches(head),
        }
    }
}
