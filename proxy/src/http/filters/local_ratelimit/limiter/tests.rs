//! Tests of `limiter`.

use std::time::Duration;

use config::filters::local_ratelimit::Descriptor as Plain;
use config::filters::token_bucket::TokenBucket;

use super::*;
use crate::http::filters::local_ratelimit::tests::{bucket, limit};

fn plain(entries: &[(&str, &str)], bucket: TokenBucket) -> Plain {
    let entries = entries.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect();
    Plain { entries, bucket, shadow: false }
}

fn asked(entries: &[(&str, &str)]) -> Descriptor {
    let mut descriptor = Descriptor::default();
    entries.iter().for_each(|(key, value)| descriptor.push(key.as_bytes(), value.as_bytes()));
    descriptor
}

/// How many requests pass, and the size of the bucket that the last one was told of.
#[track_caller]
fn passes(limiter: &Limiter, descriptors: &[Descriptor], expected: usize, size: Option<u32>) {
    let passed = (0..100).take_while(|_| limiter.take(descriptors, 1).allowed).count();
    let told = limiter.take(descriptors, 1).bucket.map(|bucket| bucket.most());
    assert_eq!((passed, told), (expected, size), "{descriptors:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_from_the_bucket_of_its_descriptor_and_from_the_default_one() {
    let config = Config {
        descriptors: vec![plain(&[("a", "1")], bucket(3)), plain(&[("a", "1"), ("b", "2")], bucket(4))],
        ..limit(bucket(9))
    };
    let limiter = Limiter::new(&config);
    passes(&limiter, &[asked(&[("a", "1")])], 3, Some(3));
    passes(&limiter, &[asked(&[("b", "2"), ("a", "1")])], 6, Some(9));
    let own = Limiter::new(&Config { always_consume_default: false, ..config });
    passes(&own, &[asked(&[("a", "1"), ("b", "2")])], 4, Some(4));
    passes(&own, &[asked(&[("a", "1"), ("b", "2"), ("c", "3")])], 9, Some(9));
}

#[tokio::test(start_paused = true)]
async fn the_slowest_bucket_comes_first_and_spares_the_others() {
    let slow = TokenBucket { fill_interval: Duration::from_secs(600), ..bucket(2) };
    let config =
        Config { descriptors: vec![plain(&[("a", "1")], bucket(50)), plain(&[("b", "2")], slow)], ..limit(bucket(90)) };
    let limiter = Limiter::new(&config);
    passes(&limiter, &[asked(&[("a", "1")]), asked(&[("b", "2")])], 2, Some(2));
    passes(&limiter, &[asked(&[("a", "1")])], 48, Some(50));
}

#[tokio::test(start_paused = true)]
async fn without_a_default_bucket_only_descriptors_limit_and_one_of_nothing_refuses_all() {
    let with =
        |bucket| Config { bucket, descriptors: vec![plain(&[("a", "1")], self::bucket(3))], ..limit(self::bucket(1)) };
    passes(&Limiter::new(&with(None)), &[], 100, None);
    passes(&Limiter::new(&with(None)), &[asked(&[("a", "1")])], 3, Some(3));
    passes(&Limiter::new(&with(Some(bucket(0)))), &[], 0, None);
    passes(&Limiter::new(&with(Some(bucket(0)))), &[asked(&[("a", "1")])], 0, None);
}

#[tokio::test(start_paused = true)]
async fn hits_are_taken_given_back_and_none_is_refused() {
    let config = Config { descriptors: vec![plain(&[("a", "1")], bucket(10))], ..limit(bucket(1000)) };
    let limiter = Limiter::new(&config);
    let counted = |hits| {
        let mut descriptor = asked(&[("a", "1")]);
        descriptor.hits = hits;
        [descriptor]
    };
    let left = |limiter: &Limiter, hits| {
        let verdict = limiter.take(&counted(hits), 1);
        (verdict.allowed, verdict.bucket.map(|bucket| bucket.left()))
    };
    assert_eq!(left(&limiter, Hits::Taken(0)), (false, Some(10)));
    assert_eq!(left(&limiter, Hits::Taken(11)), (false, Some(10)));
    assert_eq!(left(&limiter, Hits::Taken(7)), (true, Some(3)));
    assert_eq!(left(&limiter, Hits::GivenBack(2)), (true, Some(5)));
    assert_eq!(left(&limiter, Hits::GivenBack(100)), (true, Some(10)));
}

#[tokio::test(start_paused = true)]
async fn proxies_that_share_a_bucket_have_a_part_of_it_each() {
    let limiter = Limiter::new(&limit(bucket(9)));
    assert_eq!((0..100).take_while(|_| limiter.take(&[], 4).allowed).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_value_of_a_wildcard_has_a_bucket_until_others_need_the_place() {
    let config = Config {
        descriptors: vec![plain(&[("user", ""), ("a", "1")], bucket(2))],
        max_dynamic_descriptors: 2,
        ..limit(bucket(1000))
    };
    let limiter = Limiter::new(&config);
    let of = |user: &str| [asked(&[("user", user), ("a", "1")])];
    let left = |user: &str| {
        let verdict = limiter.take(&of(user), 1);
        verdict.bucket.map(|bucket| (bucket.most(), bucket.left()))
    };
    assert_eq!((left("x"), left("y"), left("x")), (Some((2, 1)), Some((2, 1)), Some((2, 0))));
    assert_eq!(left("z"), Some((2, 1)), "it takes the place of y, which was not asked for longest");
    assert_eq!((left("x"), left("y")), (Some((2, 0)), Some((2, 1))));
    for other in [&[("user", "x")][..], &[("user", "x"), ("a", "2")], &[("user", "x"), ("a", "1"), ("b", "1")]] {
        let verdict = limiter.take(&[asked(other)], 1);
        assert_eq!(verdict.bucket.map(|bucket| bucket.most()), Some(1000), "{other:?}");
    }
}
