//! Tests of `proxy_status`, over the whole exchange.

use config::hcm::ProxyStatus;

use crate::http::testing::{Bench, fake, get, route, to_app};

fn bench(change: impl FnOnce(&mut ProxyStatus)) -> Bench {
    let mut bench = Bench::new(vec![route("/there", to_app(|_| ())[0].action.clone())]);
    let mut config =
        ProxyStatus { name: "p".into(), details: true, termination: true, flags: true, sets_status: false };
    change(&mut config);
    bench.config.proxy_status = Some(config);
    bench
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_here_is_told() {
    let outcome = bench(|_| ()).send(get("/nowhere")).await;
    let told = r#"p; error=destination_not_found; details="route_not_found; NR""#;
    assert_eq!((outcome.status(), outcome.header("proxy-status").as_deref()), (404, Some(told)));
    let outcome = bench(|config| config.flags = false).send(get("/nowhere")).await;
    let told = r#"p; error=destination_not_found; details="route_not_found""#;
    assert_eq!(outcome.header("proxy-status").as_deref(), Some(told));
}

#[tokio::test(start_paused = true)]
async fn the_status_is_the_one_that_is_recommended() {
    let change = |config: &mut ProxyStatus| (config.details, config.sets_status) = (false, true);
    let outcome = bench(change).send(get("/nowhere")).await;
    assert_eq!((outcome.status(), outcome.info.response_code), (500, 500));
    assert_eq!(outcome.header("proxy-status").as_deref(), Some("p; error=destination_not_found"));
}

#[tokio::test(start_paused = true)]
async fn answers_of_an_upstream_are_nobodys_fault() {
    let mut bench = bench(|_| ());
    bench.upstream(fake::Script::answers(503, &[("proxy-status", "theirs")], &[]));
    let outcome = bench.send(get("/there")).await;
    assert_eq!(outcome.header("proxy-status").as_deref(), Some("theirs"));
}

#[test]
fn what_would_end_the_text_is_escaped() {
    let mut out = Vec::new();
    super::escape("a\"b\\c\r\n", &mut out);
    assert_eq!(out, br#"a\"b\\c"#);
}
