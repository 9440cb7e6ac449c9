//! A bucket with what the limit says of it. Shared by all workers: each request takes from it by one atomic exchange. Used by
//! [`super::limiter`].

use config::filters::token_bucket as plain;

use crate::http::rate_limit::Hits;
use crate::token_bucket::TokenBucket;

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: TokenBucket,
    most: u32,
    /// Who finds it empty is counted, and passes.
    pub shadow: bool,
}

impl Bucket {
    pub fn new(config: &plain::TokenBucket, shadow: bool) -> Bucket {
        let plain::TokenBucket { max_tokens, tokens_per_fill, fill_interval } = *config;
        Bucket { tokens: TokenBucket::new(max_tokens, tokens_per_fill, fill_interval), most: max_tokens, shadow }
    }

    /// Takes what a request costs, if it is there. Of a bucket that several proxies share each has its part, so that a token costs as
    /// many as there are proxies.
    pub fn take(&self, hits: Hits, members: u64) -> bool {
        match hits {
            // Envoy's arithmetic: what takes nothing has got nothing.
            Hits::Taken(0) => false,
            Hits::Taken(count) => self.tokens.take_many(count as f64 * members as f64),
            Hits::GivenBack(count) => {
                self.tokens.give_back(count as f64);
                true
            }
        }
    }

    /// Tokens that come in a second.
    pub fn per_second(&self) -> f64 {
        self.tokens.per_second()
    }

    /// Tokens that it holds when it is full.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Tokens that are there.
    pub fn left(&self) -> u64 {
        // Whole ones, and never less than none.
        self.tokens.left() as u64
    }

    /// Seconds until there is a token, rounded up.
    pub fn seconds_to_next(&self) -> u64 {
        // Of a bucket that gets a token in less than an age.
        self.tokens.seconds_to_next().ceil() as u64
    }
}
