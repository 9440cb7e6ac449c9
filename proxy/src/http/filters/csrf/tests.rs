//! Tests of `csrf`. Values are Envoy's.

use config::filters::csrf::Csrf;
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::{Fraction, StringMatcher};
use config::runtime::Live;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{get, post, with};
use crate::wire::message::BodyLength;

const ALWAYS: Live<Fraction> = Live::fixed(Fraction { numerator: 100, denominator: 100 });
const NEVER: Live<Fraction> = Live::fixed(Fraction { numerator: 0, denominator: 100 });

fn config(enabled: Live<Fraction>, shadow: Option<Live<Fraction>>) -> Csrf {
    let additional_origins = vec![StringMatcher::Exact { value: "friend:81".into(), ignore_case: false }];
    Csrf { enabled, shadow, additional_origins }
}

fn csrf(config: Csrf) -> Filtered {
    Filtered::new([("csrf", HttpFilterConfig::Csrf(config.into()))])
}

#[tokio::test(start_paused = true)]
async fn only_pages_of_the_origin_and_its_friends_change_something() {
    let mut bench = csrf(config(ALWAYS, None));
    let cases: [(&[(&str, &'static str)], bool); 16] = [
        (&[("origin", "http://svc")], true),
        (&[("origin", "https://friend:81")], true),
        (&[("referer", "http://svc/page?x")], true),
        (&[("origin", "http://evil")], false),
        (&[("origin", "http://svc.evil")], false),
        (&[("origin", "http://svc@evil/")], false),
        (&[("origin", ""), ("referer", "http://svc/")], true),
        (&[], false),
        (&[("origin", "null"), ("referer", "http://svc/")], false),
        (&[("origin", "://")], false),
        (&[("origin", "http://svc#f")], false),
        (&[("origin", "http://a@b@svc")], false),
        (&[("origin", "1x://svc")], false),
        (&[("origin", "http://svc"), ("origin", "http://svc")], false),
        (&[("origin", "http://svc/ x")], false),
        (&[("referer", "http+x://svc/{}")], true),
    ];
    for (headers, passes) in cases {
        if passes {
            bench.app(Script::answers(200, &[], &[]));
        }
        let mut request = with(post("/"), headers);
        request.body = BodyLength::Empty;
        let outcome = bench.send(request).await;
        assert_eq!(outcome.status(), if passes { 200 } else { 403 }, "{headers:?}");
        if !passes {
            assert_eq!((outcome.body().as_str(), outcome.details()), ("Invalid origin", "csrf_origin_mismatch"));
        }
    }
    let stats = ["missing_source_origin", "request_invalid", "request_valid"];
    assert_eq!(stats.map(|name| bench.stat(&format!("http.test.csrf.{name}"))), [2, 9, 5]);
    bench.app(Script::answers(200, &[], &[]));
    assert_eq!(bench.send(with(get("/"), &[("origin", "http://evil")])).await.status(), 200, "a GET changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_shadow_judges_and_passes_and_a_route_may_have_its_own() {
    let mut bench =
        csrf(config(ALWAYS, None)).tell(Level::Route, "csrf", ScopedConfig::Csrf(config(NEVER, Some(ALWAYS)).into()));
    bench.app(Script::answers(200, &[], &[]));
    let mut request = with(post("/"), &[("origin", "http://evil")]);
    request.body = BodyLength::Empty;
    assert_eq!(bench.send(request).await.status(), 200);
    assert_eq!(bench.stat("http.test.csrf.request_invalid"), 1);
}
