//! Descriptors with entries whose value is any: each set of values that requests bring has a bucket of its own, and the one that was not
//! asked for longest makes place for another. Used by [`super::limiter`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use config::filters::local_ratelimit as plain;
use config::filters::token_bucket::TokenBucket;

use super::bucket::Bucket;
use crate::http::rate_limit::Descriptor;

/// A descriptor with a value that is any.
#[derive(Debug)]
pub(super) struct Wildcard {
    /// Keys and values; an empty value is any.
    entries: Vec<(Arc<str>, Arc<str>)>,
    bucket: TokenBucket,
    shadow: bool,
    most: usize,
    /// A lock: of requests with such a descriptor each changes the order.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// With the moment at which it was last asked for.
    buckets: HashMap<Arc<[u8]>, (Arc<Bucket>, u64)>,
    by_moment: BTreeMap<u64, Arc<[u8]>>,
    now: u64,
}

impl Wildcard {
    /// Knows no bucket yet, and never more than `most`.
    pub fn new(config: &plain::Descriptor, most: u32) -> Wildcard {
        Wildcard {
            entries: config.entries.clone(),
            bucket: config.bucket,
            shadow: config.shadow,
            most: most as usize,
            known: Mutex::default(),
        }
    }

    /// Whether the request is meant.
    pub fn matches(&self, descriptor: &Descriptor) -> bool {
        let mut entries = descriptor.entries();
        let all = self.entries.iter().all(|(key, value)| {
            entries.next().is_some_and(|(known, found)| {
                known == key.as_bytes() && (value.is_empty() || found == value.as_bytes())
            })
        });
        all && entries.next().is_none()
    }

    /// The bucket of its values; a full one when they come for the first time.
    pub fn bucket(&self, descriptor: &Descriptor) -> Arc<Bucket> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { buckets, by_moment, now } = &mut *known;
        *now += 1;
        if let Some((octets, (bucket, asked))) =
            buckets.get_key_value(descriptor.octets()).map(|(k, v)| (k.clone(), v.clone()))
        {
            by_moment.remove(&asked);
            by_moment.insert(*now, octets.clone());
            buckets.insert(octets, (bucket.clone(), *now));
            return bucket;
        }
        let octets: Arc<[u8]> = descriptor.octets().into();
        let bucket = Arc::new(Bucket::new(&self.bucket, self.shadow));
        by_moment.insert(*now, octets.clone());
        buckets.insert(octets, (bucket.clone(), *now));
        if buckets.len() > self.most
            && let Some((_, oldest)) = by_moment.pop_first()
        {
            buckets.remove(&oldest);
        }
        bucket
    }
}
