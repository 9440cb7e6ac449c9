//! A retry policy, made ready for requests. Compiled with the route table, or for a call.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::route::RetryPolicy;

use crate::policy::headers::HeaderMatchers;
use crate::wire::headers::Name;
use crate::wire::message::{RequestHead, ResponseHead};

/// A retry policy with its headers.
#[derive(Debug)]
pub struct Rules {
    /// As configured.
    pub policy: Arc<RetryPolicy>,
    /// `retriable_headers`.
    pub(super) headers: HeaderMatchers,
    request_headers: HeaderMatchers,
    /// `reset_headers`, and whether each is a moment.
    resets: Box<[(Name, bool)]>,
}

impl Rules {
    /// Compiles.
    pub fn compile(policy: &Arc<RetryPolicy>) -> Rules {
        let resets = policy.rate_limited.iter().flat_map(|back_off| &back_off.headers);
        Rules {
            headers: HeaderMatchers::compile(&policy.headers),
            request_headers: HeaderMatchers::compile(&policy.request_headers),
            resets: resets.map(|header| (Name::new(&header.name), header.is_timestamp)).collect(),
            policy: policy.clone(),
        }
    }

    /// Whether requests like this one are retried at all.
    pub fn means(&self, request: &RequestHead) -> bool {
        self.request_headers.is_empty() || self.request_headers.any_of_request(request)
    }

    /// How long a response asks to be left alone.
    pub fn told_to_wait(&self, head: &ResponseHead) -> Option<Duration> {
        let longest = self.policy.rate_limited.as_ref()?.max_interval;
        let times = self.resets.iter().filter_map(|(name, is_timestamp)| {
            let value = std::str::from_utf8(head.headers.get(name)?).ok()?;
            let time = Duration::from_secs(value.trim().parse().ok()?);
            if *is_timestamp { time.checked_sub(since_epoch()).filter(|time| !time.is_zero()) } else { Some(time) }
        });
        // The first that is believed counts, though it may be nothing to wait for.
        times.into_iter().find(|time| *time <= longest).filter(|time| time.as_millis() > 1)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
