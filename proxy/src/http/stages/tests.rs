//! What is told of a request at debug.

use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::Script;
use crate::http::testing::get;
use crate::testing::lines::Lines;

#[tokio::test(start_paused = true)]
async fn each_stage_is_one_line_and_the_query_is_in_none() {
    let mut bench = Filtered::new([]);
    bench.app(Script::answers(200, &[], &[]));
    let (lines, _guard) = Lines::listen();
    assert_eq!(bench.send(get("/a?token=MARKED")).await.status(), 200);
    assert_eq!(lines.with("/a: it is forwarded").len(), 1);
    assert_eq!(lines.with("cluster=\"app\"").len(), 1);
    assert_eq!(lines.with("an endpoint is chosen").len(), 1);
    assert!(lines.with("MARKED").is_empty());
    assert!(lines.with("another follows").is_empty());
}
