//! Tests of `token_bucket`.

use super::*;

fn taken(bucket: &TokenBucket) -> usize {
    (0..100).take_while(|_| bucket.take()).count()
}

#[tokio::test(start_paused = true)]
async fn it_is_full_at_first_and_fills_as_time_goes_by() {
    let bucket = TokenBucket::new(5, 2, Duration::from_secs(1));
    assert_eq!(taken(&bucket), 5);
    tokio::time::advance(Duration::from_millis(499)).await;
    assert_eq!(taken(&bucket), 0);
    tokio::time::advance(Duration::from_millis(2)).await;
    assert_eq!(taken(&bucket), 1);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(taken(&bucket), 5, "and no fuller than full");
}

#[test]
fn threads_share_its_tokens() {
    let bucket = TokenBucket::new(1000, 1, Duration::from_secs(86_400));
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..1000).filter(|_| bucket.take()).count())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(taken, 1000);
}
