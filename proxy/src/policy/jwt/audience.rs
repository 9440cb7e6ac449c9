//! Audiences that are allowed. As in Envoy a scheme before one and a slash behind it do not count.

use std::sync::Arc;

/// The audiences of a configuration.
#[derive(Debug)]
pub(crate) struct Audiences(Box<[Box<str>]>);

impl Audiences {
    /// Those; none allows all.
    pub fn new(list: &[Arc<str>]) -> Audiences {
        Audiences(list.iter().map(|one| bare(one).into()).collect())
    }

    /// Whether one of a token's is among them.
    pub fn allow(&self, of_token: &[String]) -> bool {
        self.0.is_empty() || of_token.iter().any(|one| self.0.iter().any(|known| **known == *bare(one)))
    }
}

fn bare(audience: &str) -> &str {
    let rest = audience.strip_prefix("http://").or_else(|| audience.strip_prefix("https://")).unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}
