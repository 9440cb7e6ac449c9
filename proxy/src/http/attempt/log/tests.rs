//! Tests of the router's own log.

use std::time::Duration;

use config::access_log::{AccessLog, LogFormat, Sink, format};
use config::route::RetryOn;

use crate::http::testing::fake::Script;
use crate::http::testing::*;

/// What is logged of a request that is tried twice, each time for two seconds and a half.
async fn logged(change: impl FnOnce(&mut Bench)) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into())));
    let format = format::parse("%ACCESS_LOG_TYPE% %RESPONSE_CODE% %UPSTREAM_HOST%\n").unwrap();
    let sink = Sink::File { path: file.path().to_str().unwrap().into(), format: LogFormat::Text(format) };
    bench.config.router.upstream_log = vec![AccessLog { filter: None, sink }];
    change(&mut bench);
    let late = Duration::from_millis(2500);
    bench.upstream(Script { head_in: late, ..Script::answers(503, &[], &[]) });
    bench.upstream(Script { ends_in: late, ..Script::answers(200, &[], &["fine"]) });
    assert_eq!(bench.send(get("/")).await.status(), 200);
    bench.sinks.flush(Duration::from_secs(20));
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().map(|line| line.strip_suffix(" 10.0.0.1:80").unwrap_or(line).to_owned()).collect()
}

/// Values are Envoy's.
#[tokio::test(start_paused = true)]
async fn an_attempt_sees_the_request_from_the_other_side() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut bench = Bench::new(to_app(|_| ()));
    let text = "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% \
                %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n";
    let format = format::parse(text).unwrap();
    let sink = Sink::File { path: file.path().to_str().unwrap().into(), format: LogFormat::Text(format) };
    bench.config.router.upstream_log = vec![AccessLog { filter: None, sink }];
    bench.upstream(Script::answers(200, &[], &["longer"]));
    let mut request = post("/");
    request.body = crate::wire::message::BodyLength::Exact(3);
    assert_eq!(bench.send_from(Client::sending(&["abc"]), request).await.status(), 200);
    bench.sinks.flush(Duration::from_secs(20));
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "200 - - 6 3 0\n");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_of_when_it_is_over() {
    assert_eq!(logged(|_| {}).await, ["UpstreamEnd 503", "UpstreamEnd 200"]);
}

#[tokio::test(start_paused = true)]
async fn and_where_it_is_asked_for_when_it_has_its_stream() {
    let lines = logged(|bench| bench.config.router.upstream_log_at_stream = true).await;
    assert_eq!(lines, ["UpstreamPoolReady 0", "UpstreamEnd 503", "UpstreamPoolReady 0", "UpstreamEnd 200"]);
}

#[tokio::test(start_paused = true)]
async fn and_now_and_then_while_it_goes_on() {
    let lines = logged(|bench| bench.config.router.upstream_log_interval = Some(Duration::from_secs(1))).await;
    let (waits, comes) = ("UpstreamPeriodic 0", "UpstreamPeriodic 200");
    assert_eq!(lines, [waits, waits, "UpstreamEnd 503", comes, comes, "UpstreamEnd 200"]);
}
