//! What expressions say of a request or connection: one text each, in one piece that is part of the key.

use std::borrow::Cow;

use config::cel::Expr;

use super::UNKNOWN;
use crate::policy::cel::Expression;
use crate::policy::facts::Facts;

/// Octets of a text that are kept.
const LONGEST: usize = 1024;

/// The expressions of a filter.
pub(super) struct Expressions(Box<[Expression]>);

impl Expressions {
    pub fn compile(all: &[Expr]) -> Expressions {
        Expressions(all.iter().map(Expression::compile).collect())
    }

    /// What they say: nothing at all where there are none.
    pub fn say(&self, facts: &dyn Facts) -> Vec<u8> {
        let mut said = Vec::new();
        for expression in &self.0 {
            let start = said.len();
            said.extend([0; 4]);
            if !expression.print(facts, &mut said) {
                said.extend_from_slice(UNKNOWN.as_bytes());
            }
            said.truncate(start + 4 + LONGEST);
            let length = (said.len() - start - 4) as u32;
            said[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        said
    }
}

/// Each of them.
pub(super) fn texts(mut said: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    std::iter::from_fn(move || {
        let (length, rest) = said.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        said = rest;
        Some(String::from_utf8_lossy(text))
    })
}

/// A number of them as an amount: what is none is 0.
pub(super) fn amount(said: &[u8], expression: usize) -> u64 {
    texts(said).nth(expression).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
