//! Judgements that several places make alike: whether headers are as a rule wants them, whether a share of requests is meant. Called by
//! routes, logs and filters. Compiled when configuration arrives; must never know who asks.

pub(crate) mod cel;
pub mod facts;
pub mod headers;
pub mod jwt;
pub(crate) mod match_tree;
mod opened;
pub mod predicate;
pub mod rbac;

use config::matcher::Fraction;

pub(crate) use opened::Opened;

/// Whether a random number falls into the share; a share of nothing is never meant.
#[inline]
pub fn falls_into(fraction: Fraction, random: u64) -> bool {
    random.checked_rem(u64::from(fraction.denominator)).is_some_and(|at| at < u64::from(fraction.numerator))
}
