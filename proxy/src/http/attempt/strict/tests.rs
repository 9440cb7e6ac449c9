//! Tests of the router's strictness, and of what else it reads from its callers.

use std::time::Duration;

use config::hcm::StrictHeader;
use config::route::RetryOn;

use crate::http::testing::fake::Script;
use crate::http::testing::*;

#[tokio::test(start_paused = true)]
async fn wishes_that_make_no_sense_are_refused() {
    let cases = [
        (StrictHeader::Timeout, "x-envoy-upstream-rq-timeout-ms", "10.0", false),
        (StrictHeader::Timeout, "x-envoy-upstream-rq-timeout-ms", "1000", true),
        (StrictHeader::PerTryTimeout, "x-envoy-upstream-rq-per-try-timeout-ms", "1s", false),
        (StrictHeader::MaxRetries, "x-envoy-max-retries", "-1", false),
        (StrictHeader::MaxRetries, "x-envoy-max-retries", "2", true),
        (StrictHeader::RetryOn, "x-envoy-retry-on", "5xx,gateway-error", true),
        (StrictHeader::RetryOn, "x-envoy-retry-on", "5xx,bogus", false),
        (StrictHeader::RetryOn, "x-envoy-retry-on", "cancelled", false),
        (StrictHeader::RetryGrpcOn, "x-envoy-retry-grpc-on", "cancelled,internal", true),
        (StrictHeader::RetryGrpcOn, "x-envoy-retry-grpc-on", "5xx", false),
        (StrictHeader::RetryGrpcOn, "x-envoy-retry-on", "bogus", true),
    ];
    for (strict, name, value, fine) in cases {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.internal_ranges = vec!["10.0.0.0/8".parse().unwrap()];
        bench.config.router.strict_headers = vec![strict];
        bench.upstream(Script::answers(200, &[], &["fine"]));
        let outcome = bench.send(with(get("/a"), &[("x-forwarded-for", "10.1.2.3"), (name, value)])).await;
        if fine {
            assert_eq!(outcome.status(), 200, "{name}: {value}");
            continue;
        }
        assert_eq!(outcome.status(), 400, "{name}: {value}");
        assert_eq!(outcome.body(), format!("invalid header '{name}' with value '{value}'"));
        assert_eq!(
            (outcome.flags().as_str(), outcome.details()),
            ("IH", &*format!("request_headers_failed_strict_check{{{name}}}"))
        );
        assert!(bench.seen().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_proxy_may_say_how_long_it_waits() {
    for (respects, expected) in [(true, 504), (false, 200)] {
        let mut bench = Bench::new(to_app(|forward| forward.timeout = Some(Duration::from_secs(5))));
        bench.config.internal_ranges = vec!["10.0.0.0/8".parse().unwrap()];
        bench.config.router.respect_expected_timeout = respects;
        bench.upstream(Script { head_in: Duration::from_secs(1), ..Script::answers(200, &[], &["late"]) });
        let outcome = bench
            .send(with(get("/a"), &[("x-forwarded-for", "10.1.2.3"), ("x-envoy-expected-rq-timeout-ms", "100")]))
            .await;
        assert_eq!(outcome.status(), expected);
        let told = bench.seen()[0].header("x-envoy-expected-rq-timeout-ms");
        assert_eq!(told.as_deref(), Some(if respects { "100" } else { "5000" }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_grpcs_timeout_may_be_kept_and_retries_say_why() {
    for (offset, expected) in [(300, "700m"), (1000, "1000m"), (5000, "1000m")] {
        let mut bench = Bench::new(to_app(|forward| {
            forward.grpc_timeout_max = Some(None);
            forward.grpc_timeout_offset = Some(Duration::from_millis(offset));
            forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into());
        }));
        bench.host(|host| host.timeout_retry_in_request = true);
        bench.upstream(Script::answers(503, &[], &[])).upstream(Script::answers(200, &[], &["fine"]));
        let request = with(get("/a"), &[("content-type", "application/grpc"), ("grpc-timeout", "1000m")]);
        bench.send(request).await;
        let seen = bench.seen();
        assert_eq!(seen[0].header("grpc-timeout").as_deref(), Some(expected));
        let why: Vec<_> = seen.iter().map(|seen| seen.header("x-envoy-is-timeout-retry")).collect();
        assert_eq!(why, [None, Some("false".to_owned())]);
    }
}
