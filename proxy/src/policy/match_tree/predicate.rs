//! The conditions of a list: `Predicate`, compiled. Called by the tree. What is not known yet decides as in Envoy: "all of" stops at
//! it, "any of" looks further for one that holds.

use config::match_tree as plain;
use config::match_tree::Condition;

use super::input::{Found, Input};
use super::{Comes, compile_input};
use crate::policy::cel::Expression;
use crate::policy::facts::Facts;
use crate::policy::falls_into;

#[derive(Debug)]
pub(super) enum Predicate {
    Single(Input, Condition),
    Any(Box<[Predicate]>),
    All(Box<[Predicate]>),
    Not(Box<Predicate>),
    Cel(Expression),
}

impl Predicate {
    pub(super) fn compile(config: &plain::Predicate, comes: &mut Comes) -> Predicate {
        let mut all = |list: &[plain::Predicate]| list.iter().map(|one| Predicate::compile(one, comes)).collect();
        match config {
            plain::Predicate::Any(list) => Predicate::Any(all(list)),
            plain::Predicate::All(list) => Predicate::All(all(list)),
            plain::Predicate::Not(one) => Predicate::Not(Box::new(Predicate::compile(one, comes))),
            plain::Predicate::Cel(expression) => {
                comes.add(Comes::WITH_RESPONSE);
                Predicate::Cel(Expression::compile(expression))
            }
            plain::Predicate::Single(input, condition) => {
                Predicate::Single(compile_input(input, comes), condition.clone())
            }
        }
    }

    /// Whether it holds; `None`: that is not known yet.
    pub(super) fn holds(&self, facts: &dyn Facts) -> Option<bool> {
        match self {
            Predicate::Single(input, condition) => {
                let mut holds = None;
                input.see(facts, &mut |found| holds = meets(condition, &found));
                holds
            }
            Predicate::All(all) => {
                for one in all {
                    if !one.holds(facts)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            Predicate::Any(any) => {
                let mut known = true;
                for one in any {
                    match one.holds(facts) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => known = false,
                    }
                }
                known.then_some(false)
            }
            Predicate::Not(one) => one.holds(facts).map(|holds| !holds),
            Predicate::Cel(expression) => expression.holds_by_now(facts),
        }
    }
}

fn meets(condition: &Condition, found: &Found<'_>) -> Option<bool> {
    let address;
    let text = match found {
        Found::Later => return None,
        Found::Absent => return Some(false),
        Found::Metadata(value) => {
            let Condition::Metadata(matcher, invert) = condition else { return Some(false) };
            return Some(matcher.matches(*value) != *invert);
        }
        Found::Ip(ip) => {
            if let Condition::Ip(ranges) = condition {
                return Some(ranges.iter().any(|range| range.contains(ip)));
            }
            address = ip.to_string();
            address.as_bytes()
        }
        Found::Text(text) => *text,
    };
    Some(match condition {
        Condition::Text(matcher) => matcher.matches(text),
        Condition::Ip(ranges) => {
            let ip = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            ip.is_some_and(|ip: std::net::IpAddr| ranges.iter().any(|range| range.contains(&ip)))
        }
        Condition::Fraction(fraction, seed) => falls_into(fraction.get(), xxhash_rust::xxh64::xxh64(text, *seed)),
        Condition::Hashing { threshold, modulo, seed } => {
            xxhash_rust::xxh64::xxh64(text, *seed) % u64::from(*modulo) >= u64::from(*threshold)
        }
        Condition::Metadata(..) => false,
    })
}
