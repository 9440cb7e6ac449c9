//! Tests of redirects that are followed here.

use config::access_log::{Operator, Part};
use config::route::*;

use crate::http::testing::fake::{Script, Seen};
use crate::http::testing::*;
use crate::wire::message::Method;

fn policy() -> InternalRedirect {
    InternalRedirect {
        most: 1,
        codes: vec![302, 303],
        predicates: Vec::new(),
        crosses_schemes: false,
        copied: Vec::new(),
    }
}

/// `/app` follows redirects, `/other` answers.
fn bench(policy: InternalRedirect) -> Bench {
    let mut first = route("/app", forward("app", |forward| forward.internal_redirect = Some(policy)));
    first.name = "first".into();
    first.headers.response_add = vec![add("x-route", "", AppendAction::OverwriteOrAdd)];
    let name = Part::Operator { operator: Operator::RouteName, limit: None };
    first.headers.response_add[0].value.parts = vec![name];
    let mut other = route("/other", forward("other", |_| {}));
    other.name = "other".into();
    let mut bench = Bench::new(vec![first, other]);
    bench.cluster("other").scripts.borrow_mut().push_back(Script::answers(200, &[], &["there"]));
    bench
}

fn to(status: u16, location: &'static str) -> Script {
    Script { after_request: true, ..Script::answers(status, &[("location", location), ("x-token", "new")], &["moved"]) }
}

fn others(bench: &mut Bench) -> Vec<Seen> {
    bench.cluster("other").seen()
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_followed_with_its_body() {
    let mut bench = bench(InternalRedirect { copied: vec!["x-token".into(), "x-gone".into()], ..policy() });
    bench.upstream(to(302, "http://else.example:81/other?q=1#part"));
    let request = with(post("/app/x?y"), &[("x-token", "old"), ("x-gone", "1"), ("x-kept", "1")]);
    let outcome = bench.send_from(Client::sending(&["he", "llo"]), request).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "there"));
    let seen = &others(&mut bench)[0];
    assert_eq!((&seen.head.path[..], &seen.head.authority[..]), (&b"/other?q=1"[..], &b"else.example:81"[..]));
    assert_eq!((seen.head.method.clone(), &seen.body[..], seen.ended), (Method::Post, &b"hello"[..], true));
    assert_eq!(seen.header("x-envoy-original-url").as_deref(), Some("http://svc/app/x?y"));
    assert_eq!(seen.header("x-token").as_deref(), Some("new"));
    assert_eq!((seen.header("x-gone"), seen.header("x-kept").is_some()), (None, true));
    assert!(bench.seen()[0].reset.is_none(), "its answer was complete as far as anybody asked");
}

#[tokio::test(start_paused = true)]
async fn see_other_is_asked_for_by_get() {
    let mut bench = bench(policy());
    bench.upstream(to(303, "http://svc/other"));
    let request = with(post("/app"), &[("content-length", "5")]);
    let outcome = bench.send_from(Client::sending(&["hello"]), request).await;
    assert_eq!(outcome.status(), 200);
    let seen = &others(&mut bench)[0];
    assert_eq!(
        (seen.head.method.clone(), &seen.body[..], seen.header("content-length")),
        (Method::Get, &b""[..], None)
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_followed_goes_to_the_client() {
    let listed = |name: &str| vec![RedirectPredicate::AllowListedRoutes(vec![name.into()])];
    let state = |if_absent| vec![RedirectPredicate::FilterState { key: "follow".into(), if_absent }];
    let safe =
        InternalRedirect { crosses_schemes: true, predicates: vec![RedirectPredicate::SafeCrossScheme], ..policy() };
    let cases = [
        (policy(), "http://svc/other", 200),
        (policy(), "/other", 302),
        (policy(), "ftp://svc/other", 302),
        (policy(), "http:///other", 302),
        (policy(), "http://a b/other", 302),
        (policy(), "http://user@svc/other", 200),
        (policy(), "", 302),
        (policy(), "http://svc/nowhere", 302),
        (policy(), "https://svc/other", 302),
        (InternalRedirect { crosses_schemes: true, ..policy() }, "https://svc/other", 200),
        (safe.clone(), "https://svc/other", 302),
        (safe, "http://svc/other", 200),
        (InternalRedirect { most: 0, ..policy() }, "http://svc/other", 302),
        (InternalRedirect { codes: vec![301], ..policy() }, "http://svc/other", 302),
        (InternalRedirect { predicates: listed("other"), ..policy() }, "http://svc/other", 200),
        (InternalRedirect { predicates: listed("first"), ..policy() }, "http://svc/other", 302),
        (InternalRedirect { predicates: state(true), ..policy() }, "http://svc/other", 200),
        (InternalRedirect { predicates: state(false), ..policy() }, "http://svc/other", 302),
    ];
    for (policy, location, status) in cases {
        let mut bench = bench(policy.clone());
        bench.upstream(to(302, location));
        let outcome = bench.send(get("/app")).await;
        assert_eq!(outcome.status(), status, "{location} {policy:?}");
        if status == 302 {
            assert_eq!((outcome.body().as_str(), outcome.details()), ("moved", "via_upstream"));
            assert_eq!(outcome.header("x-route").as_deref(), Some("first"), "the route is the former one again");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn their_number_is_limited_and_no_step_is_taken_twice() {
    let circle = |predicates| {
        let mut bench = bench(InternalRedirect { most: 3, predicates, ..policy() });
        for _ in 0..4 {
            bench.upstream(to(302, "http://svc/app/again"));
        }
        bench
    };
    let mut bench = circle(Vec::new());
    assert_eq!(bench.send(get("/app")).await.status(), 302);
    assert_eq!(bench.seen().len(), 4, "three were followed");
    let mut bench = circle(vec![RedirectPredicate::PreviousRoutes]);
    assert_eq!(bench.send(get("/app")).await.status(), 302);
    assert_eq!(bench.seen().len(), 2, "from first to first once");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_all_here_is_not_sent_elsewhere() {
    let mut bench = bench(policy());
    bench.upstream(Script { after_request: false, ..to(302, "http://svc/other") });
    let mut client = Client::sending(&["hello"]);
    client.ends_at = Some(Box::pin(tokio::time::sleep(std::time::Duration::from_secs(1))));
    assert_eq!(bench.send_from(client, post("/app")).await.status(), 302);

    let mut bench = self::bench(policy());
    bench.limit(4);
    bench.upstream(to(302, "http://svc/other"));
    assert_eq!(bench.send_from(Client::sending(&["hello"]), post("/app")).await.status(), 302, "too long to keep");
}
