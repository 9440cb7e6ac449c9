//! Tests of spans of attempts, and of samplers, which are asked about these again.

use std::time::Duration;

use config::route::RetryOn;
use config::services::span::Kind;
use config::tracing::{Sampler, Sampling};

use super::{NONE, PARENT, collected, hex, provider, send, send_from, tag, told, traced};
use crate::http::testing::fake::Script;
use crate::http::testing::{Client, get, retry_on, to_app, with};
use crate::wire::codec::StreamError;

#[tokio::test(start_paused = true)]
async fn attempts_have_spans_where_they_are_wanted() {
    let routes = to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into()));
    let mut bench = traced(routes, |tracing| {
        tracing.spawns = true;
        tracing.verbose = true;
    });
    bench.upstream(Script::answers(503, &[], &["no"])).upstream(Script::answers(200, &[], &["ok"]));
    send(&mut bench, get("/")).await;
    let spans = collected(&mut bench);
    let [first, second, whole] = &spans[..] else { panic!("{spans:?}") };
    for (attempt, status, retry, canceled) in [(first, "503", "", "true"), (second, "200", "1", "")] {
        assert_eq!((attempt.trace, attempt.parent), (whole.trace, Some(whole.id)));
        assert_eq!((attempt.kind, &*attempt.name, attempt.remote_parent), (Kind::Client, "router app egress", false));
        for (name, value) in [
            ("http.status_code", status),
            ("retry.count", retry),
            ("canceled", canceled),
            ("http.protocol", "HTTP/1.1"),
        ] {
            assert_eq!(tag(attempt, name), value, "{name}");
        }
        assert_eq!(tag(attempt, "peer.address"), tag(attempt, "upstream_address"));
        assert!(!tag(attempt, "upstream_address").is_empty());
    }
    assert_eq!((tag(first, "error"), tag(second, "error"), tag(whole, "error")), ("true", "", ""));
    assert_eq!((whole.parent, whole.kind, tag(whole, "http.status_code")), (None, Kind::Server, "200"));
    let expected = [first, second].map(|span| format!("00-{}-{}-01", hex(&whole.trace), hex(&span.id)));
    assert_eq!(told(&mut bench), expected);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_fail_say_why() {
    let mut bench = traced(to_app(|_| {}), |tracing| tracing.spawns = true);
    bench.upstream(Script::fails(StreamError::Closed("".into())));
    send(&mut bench, get("/")).await;
    let spans = collected(&mut bench);
    let [attempt, whole] = &spans[..] else { panic!("{spans:?}") };
    for (name, value) in [
        ("error", "true"),
        ("error.reason", "connection termination"),
        ("http.status_code", "0"),
        ("response_flags", "UC"),
    ] {
        assert_eq!(tag(attempt, name), value, "{name}");
    }
    assert_eq!((tag(whole, "http.status_code"), tag(whole, "error.reason")), ("503", ""));
    // Time is up for all of it.
    let mut bench = traced(to_app(|forward| forward.timeout = Some(Duration::from_secs(1))), |t| t.spawns = true);
    bench.upstream(Script::hangs());
    send(&mut bench, get("/")).await;
    let spans = collected(&mut bench);
    let names = ["canceled", "http.status_code", "response_flags", "error"];
    assert_eq!(names.map(|name| tag(&spans[0], name)), ["true", "0", "-", "true"]);
    // The client goes.
    let mut bench = traced(to_app(|_| {}), |_| {});
    bench.upstream(Script::hangs());
    let client = Client { gone: Some(StreamError::Closed("".into())), ..Client::default() };
    send_from(&mut bench, client, get("/")).await;
    let spans = collected(&mut bench);
    assert_eq!(names.map(|name| tag(&spans[0], name)), ["", "0", "DC", "true"]);
}

#[tokio::test(start_paused = true)]
async fn samplers_decide_after_the_connection_manager() {
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    for (sampler, random, parent, spans) in [
        (Sampler::AlwaysOn, Sampling::default().random, Some(unsampled), 2),
        (Sampler::Ratio(NONE), Sampling::default().random, Some(PARENT), 0),
        (Sampler::ParentBased(Box::new(Sampler::Ratio(NONE))), Sampling::default().random, Some(PARENT), 2),
        (Sampler::ParentBased(Box::new(Sampler::Ratio(NONE))), Sampling::default().random, None, 0),
        // The attempt alone: it asks the sampler again, the request does not.
        (Sampler::AlwaysOn, NONE.into(), None, 1),
    ] {
        let mut bench = traced(to_app(|_| {}), |tracing| {
            tracing.spawns = true;
            tracing.sampling.random = random;
            tracing.provider = provider(|config| config.sampler = Some(sampler.clone()));
        });
        bench.upstream(Script::answers(200, &[], &[]));
        let headers: Vec<_> = parent.map(|parent| ("traceparent", parent)).into_iter().collect();
        send(&mut bench, with(get("/"), &headers)).await;
        assert_eq!(collected(&mut bench).len(), spans, "{sampler:?}");
        assert_eq!(told(&mut bench)[0].ends_with("-01"), spans > 0);
    }
}
