//! The buckets of a filter, of a route's settings or of a connection, and which of them a request takes from. Used by the filter.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use config::filters::local_ratelimit::LocalRateLimit as Config;
use smallvec::SmallVec;

use super::bucket::Bucket;
use super::wildcard::Wildcard;
use crate::http::rate_limit::{Descriptor, Hits};

/// All buckets of one configuration.
#[derive(Debug)]
pub(in crate::http) struct Limiter {
    default: Fallback,
    /// By the octets of their descriptors.
    exact: HashMap<Box<[u8]>, Arc<Bucket>>,
    wildcards: Box<[Wildcard]>,
    always_default: bool,
}

/// The bucket of requests that no descriptor speaks of.
#[derive(Debug)]
enum Fallback {
    /// There is none: they pass.
    Missing,
    /// It never holds a token.
    Empty,
    Bucket(Arc<Bucket>),
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Verdict<'l> {
    pub allowed: bool,
    /// The bucket that decided.
    pub bucket: Option<Found<'l>>,
    /// Whether the response tells of it, where the limit says so.
    pub headers: Option<bool>,
}

/// A bucket of the configuration, or one of a wildcard's.
#[derive(Debug)]
pub(super) enum Found<'l> {
    Fixed(&'l Arc<Bucket>),
    Own(Arc<Bucket>),
}

impl Limiter {
    /// Full buckets.
    pub fn new(config: &Config) -> Limiter {
        let mut exact = HashMap::new();
        let mut wildcards = Vec::new();
        for descriptor in &config.descriptors {
            if descriptor.entries.iter().any(|(_, value)| value.is_empty()) {
                wildcards.push(Wildcard::new(descriptor, config.max_dynamic_descriptors));
                continue;
            }
            let mut key = Descriptor::default();
            descriptor.entries.iter().for_each(|(name, value)| key.push(name.as_bytes(), value.as_bytes()));
            exact.insert(key.octets().into(), Arc::new(Bucket::new(&descriptor.bucket, descriptor.shadow)));
        }
        Limiter {
            default: match &config.bucket {
                None => Fallback::Missing,
                Some(bucket) if bucket.max_tokens == 0 => Fallback::Empty,
                Some(bucket) => Fallback::Bucket(Arc::new(Bucket::new(bucket, false))),
            },
            exact,
            wildcards: wildcards.into(),
            always_default: config.always_consume_default,
        }
    }

    /// Takes from the buckets of the descriptors, the slowest first, then from the default one; the first that is empty refuses, unless it
    /// is in the shadow: then the others judge, and it is told of if none of them refuses. The buckets are shared by so many proxies.
    pub(super) fn take(&self, descriptors: &[Descriptor], members: u64) -> Verdict<'_> {
        let matched = descriptors.iter().filter_map(|descriptor| Some((self.find(descriptor)?, descriptor)));
        let mut matched: SmallVec<[(Found<'_>, &Descriptor); 4]> = matched.collect();
        if matched.len() > 1 {
            matched.sort_by(|(left, _), (right, _)| left.per_second().total_cmp(&right.per_second()));
        }
        let (mut shadow, mut refusing) = (None, None);
        for (place, (bucket, one)) in matched.iter().enumerate() {
            if bucket.take(one.hits, members) {
                continue;
            }
            if !bucket.shadow {
                refusing = Some(place);
                break;
            }
            shadow = shadow.or(Some(place));
        }
        if let Some(place) = refusing {
            let (bucket, descriptor) = matched.swap_remove(place);
            return Verdict { allowed: false, bucket: Some(bucket), headers: descriptor.headers };
        }
        let default = match &self.default {
            Fallback::Missing => None,
            _ if !matched.is_empty() && !self.always_default => None,
            Fallback::Empty => return Verdict { allowed: false, bucket: None, headers: None },
            Fallback::Bucket(bucket) if bucket.take(Hits::Taken(1), members) => Some(Found::Fixed(bucket)),
            Fallback::Bucket(bucket) => {
                return Verdict { allowed: false, bucket: Some(Found::Fixed(bucket)), headers: None };
            }
        };
        match shadow.or((!matched.is_empty()).then_some(0)) {
            Some(place) => {
                let (bucket, descriptor) = matched.swap_remove(place);
                Verdict { allowed: shadow.is_none(), bucket: Some(bucket), headers: descriptor.headers }
            }
            None => Verdict { allowed: true, bucket: default, headers: None },
        }
    }

    fn find(&self, descriptor: &Descriptor) -> Option<Found<'_>> {
        if let Some(bucket) = self.exact.get(descriptor.octets()) {
            return Some(Found::Fixed(bucket));
        }
        let wildcard = self.wildcards.iter().find(|wildcard| wildcard.matches(descriptor))?;
        Some(Found::Own(wildcard.bucket(descriptor)))
    }
}

impl Deref for Found<'_> {
    type Target = Bucket;

    fn deref(&self) -> &Bucket {
        match self {
            Found::Fixed(bucket) => bucket,
            Found::Own(bucket) => bucket,
        }
    }
}

impl From<Found<'_>> for Arc<Bucket> {
    fn from(found: Found<'_>) -> Arc<Bucket> {
        match found {
            Found::Fixed(bucket) => Arc::clone(bucket),
            Found::Own(bucket) => bucket,
        }
    }
}

#[cfg(test)]
mod tests;
