//! A rate limit service: it counts the hits of each descriptor, and says when there are more than may be. Part of [`super::service`].

use std::collections::HashMap;
use std::sync::Mutex;

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit::Unit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::Duration;

/// Hits that a descriptor may have in an hour, unless it says another limit.
const LIMIT: u32 = 2;
/// Every hour is as long as the service lives: what is counted stays counted.
const HOUR: i64 = 3600;

/// A domain and the entries of a descriptor.
type Counted = (String, Vec<(String, String)>);

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<Counted, i64>>);

impl Limits {
    /// Counts what a question is about; the answer says whether it is within all of its limits.
    pub(super) fn judge(&self, question: &RateLimitRequest) -> RateLimitResponse {
        let statuses: Vec<_> = question.descriptors.iter().map(|one| self.count(question, one)).collect();
        let over = statuses.iter().any(|status| status.code == Code::OverLimit as i32);
        RateLimitResponse {
            overall_code: if over { Code::OverLimit as i32 } else { Code::Ok as i32 },
            statuses,
            ..RateLimitResponse::default()
        }
    }

    fn count(&self, question: &RateLimitRequest, descriptor: &RateLimitDescriptor) -> DescriptorStatus {
        let entries = descriptor.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        let limit = descriptor.limit.as_ref().map_or(LIMIT, |limit| limit.requests_per_unit);
        let of_question = i64::from(question.hits_addend.max(1));
        let hits = descriptor.hits_addend.as_ref().map_or(Ok(of_question), |hits| i64::try_from(hits.value));
        let hits = hits.unwrap_or(i64::MAX);
        let mut counts = self.0.lock().expect("nothing panics while it holds the counts");
        let count = counts.entry((question.domain.clone(), entries)).or_default();
        *count = if descriptor.is_negative_hits { (*count - hits).max(0) } else { count.saturating_add(hits) };
        let code = if *count > i64::from(limit) { Code::OverLimit } else { Code::Ok };
        DescriptorStatus {
            code: code as i32,
            current_limit: Some(RateLimit {
                requests_per_unit: limit,
                unit: Unit::Hour as i32,
                ..RateLimit::default()
            }),
            limit_remaining: u32::try_from(i64::from(limit) - *count).unwrap_or(0),
            duration_until_reset: Some(Duration { seconds: HOUR, nanos: 0 }),
            ..DescriptorStatus::default()
        }
    }
}
