//! Tests of entries before the end.

use std::time::Duration;

use config::access_log::{AccessLog, Early, LogFormat, Sink, format};

use crate::http::testing::fake::Script;
use crate::http::testing::*;

/// What is logged of a request that is answered after two seconds and a half.
async fn logged(early: Early) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bench = Bench::new(to_app(|_| ()));
    let format = format::parse("%ACCESS_LOG_TYPE% %RESPONSE_CODE% %UPSTREAM_HOST%\n").unwrap();
    let sink = Sink::File { path: file.path().to_str().unwrap().into(), format: LogFormat::Text(format) };
    bench.config.access_log = vec![AccessLog { filter: None, sink }];
    bench.config.early_log = early;
    bench.upstream(Script { head_in: Duration::from_millis(2500), ..Script::answers(200, &[], &["fine"]) });
    assert_eq!(bench.send(get("/")).await.status(), 200);
    bench.sinks.flush(Duration::from_secs(20));
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().map(str::to_owned).collect()
}

const END: &str = "DownstreamEnd 200 10.0.0.1:80";

#[tokio::test(start_paused = true)]
async fn unless_it_is_asked_for_there_is_one_entry() {
    assert_eq!(logged(Early::default()).await, [END]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_told_of_when_it_comes() {
    let early = Early { at_start: true, at_success: true, interval: None };
    assert_eq!(logged(early).await, ["DownstreamStart 0 -", END]);
}

#[tokio::test(start_paused = true)]
async fn and_again_and_again_while_it_goes_on() {
    let again = "DownstreamPeriodic 0 10.0.0.1:80";
    let early = Early { interval: Some(Duration::from_secs(1)), ..Early::default() };
    assert_eq!(logged(early).await, [again, again, END]);
}
