//! `envoy.type.v3.TokenBucket`. Called by the filters that limit.

use std::time::Duration;

use crate::field_rules;
use crate::proto::{self, types::v3 as pb, uint32};
use crate::rejection::{At, Rejection};

/// A bucket, full at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// `max_tokens`.
    pub max_tokens: u32,
    /// `tokens_per_fill`; default 1.
    pub tokens_per_fill: u32,
    /// `fill_interval`.
    pub fill_interval: Duration,
}

pub(super) fn token_bucket(at: &At<'_>, proto: &pb::TokenBucket) -> Result<TokenBucket, Rejection> {
    let at_interval = at.field("fill_interval");
    let interval = proto::positive(&at_interval, &proto.fill_interval)?;
    let fill_interval = *field_rules::required(&at_interval, &interval)?;
    // A bucket that is always empty is never filled.
    if proto.max_tokens > 0 && fill_interval < Duration::from_millis(50) {
        return Err(at_interval.reject("local rate limit token bucket fill timer must be >= 50ms"));
    }
    let tokens_per_fill = uint32(&proto.tokens_per_fill).unwrap_or(1);
    if tokens_per_fill == 0 {
        return Err(at.field("tokens_per_fill").reject("must be at least 1"));
    }
    Ok(TokenBucket { max_tokens: proto.max_tokens, tokens_per_fill, fill_interval })
}
