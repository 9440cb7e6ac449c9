//! `envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit`: each connection takes a token or is closed. Honoured: all
//! fields; filters with an equal bucket and an equal `share_key` have one bucket together, in the whole process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use config::Rejection;
use config::filters::network::local_ratelimit as plain;
use config::filters::token_bucket as plain_bucket;
use config::runtime::Live;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::failure::ResponseFlags;
use crate::stats::Counter;
use crate::token_bucket::TokenBucket;

/// The filter.
pub(super) struct LocalRateLimit {
    bucket: Arc<TokenBucket>,
    enabled: Live<bool>,
    rate_limited: Counter,
}

/// Buckets that filters share, while one of them lives.
static SHARED: Mutex<Option<HashMap<Key, Weak<TokenBucket>>>> = Mutex::new(None);

type Key = (Arc<str>, [u128; 3]);

/// The bucket of this key, or a new one of its own.
fn bucket(config: &plain::LocalRateLimit) -> Arc<TokenBucket> {
    let plain_bucket::TokenBucket { max_tokens, tokens_per_fill, fill_interval } = config.bucket;
    let new = || Arc::new(TokenBucket::new(max_tokens, tokens_per_fill, fill_interval));
    let Some(share) = &config.share_key else { return new() };
    let key = (share.clone(), [max_tokens.into(), tokens_per_fill.into(), fill_interval.as_nanos()]);
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = shared.get_or_insert_default();
    if let Some(known) = shared.get(&key).and_then(Weak::upgrade) {
        return known;
    }
    shared.retain(|_, bucket| bucket.strong_count() > 0);
    let bucket = new();
    shared.insert(key, Arc::downgrade(&bucket));
    bucket
}

impl NetworkFilter for LocalRateLimit {
    type Config = plain::LocalRateLimit;
    type State = ();

    fn compile(config: &plain::LocalRateLimit, deps: &FilterDeps<'_>) -> Result<LocalRateLimit, Rejection> {
        Ok(LocalRateLimit {
            bucket: bucket(config),
            enabled: config.enabled.clone(),
            rate_limited: deps.stats.counter(&format!("local_rate_limit.{}.rate_limited", config.stat_prefix)),
        })
    }

    fn wants(&self) -> Hooks {
        Hooks::CONNECTED
    }

    fn connected(&self, _turn: &mut Turn<'_, ()>) -> Step {
        if !self.enabled.get() || self.bucket.take() {
            return Step::Continue;
        }
        self.rate_limited.inc();
        // Envoy's flag for it, though nothing was retried.
        Step::Close(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED)
    }
}
