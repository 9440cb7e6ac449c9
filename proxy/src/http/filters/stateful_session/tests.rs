//! Tests of `stateful_session`. What the cookie holds is compared with Envoy's in `config`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::filters::stateful_session::{SessionState, StatefulSession, StatefulSessionPerRoute};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::services::session_cookie;

use crate::cluster::PickFailure;
use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{Outcome, get, with};
use crate::wire::headers::Name;

const ONE: &str = "10.0.0.1:80";
const TWO: &str = "10.0.0.2:80";

fn cookie(path: &str, ttl: Option<Duration>) -> SessionState {
    let attributes = vec![("SameSite".into(), "Lax".into()), ("Secure".into(), "".into())];
    SessionState::Cookie { name: "sess".into(), ttl, path: path.into(), attributes }
}

fn session(state: SessionState, strict: bool) -> StatefulSession {
    StatefulSession { state: Some(state), strict, stat_prefix: Some("s".into()), status_when_gone: 429 }
}

fn filtered(config: StatefulSession) -> Filtered {
    let mut bench = Filtered::new([("session", HttpFilterConfig::StatefulSession(Arc::new(config)))]);
    hosts(&mut bench);
    bench
}

/// The balancer chooses the first one.
fn hosts(bench: &mut Filtered) {
    let cluster = bench.cluster("app");
    *cluster.hosts.borrow_mut() = vec![ONE.into(), TWO.into()];
    cluster.spare.set(1);
}

/// Sends a request with a header, and tells who answered it.
async fn sent(bench: &mut Filtered, target: &str, header: Option<(&str, String)>) -> (Outcome, Option<String>) {
    bench.app(Script::answers(200, &[], &[]));
    let mut request = get(target);
    if let Some((name, value)) = header {
        request.headers.append(Name::new(name), value);
    }
    let outcome = bench.send(request).await;
    bench.cluster("app").scripts.borrow_mut().clear();
    let seen = bench.seen().pop().map(|seen| seen.host.to_string());
    (outcome, seen)
}

fn carried(address: &str) -> String {
    STANDARD.encode(session_cookie::encode(address, 0))
}

#[tokio::test(start_paused = true)]
async fn a_session_stays_with_its_endpoint() {
    let mut bench = filtered(session(cookie("/p", None), false));
    let (first, host) = sent(&mut bench, "/p", None).await;
    assert_eq!(host.as_deref(), Some(ONE));
    let expected = format!("sess=\"{}\"; Path=/p; SameSite=Lax; Secure; HttpOnly", carried(ONE));
    assert_eq!(first.header("set-cookie"), Some(expected));
    let (second, host) = sent(&mut bench, "/p?x", Some(("cookie", format!("a=b; sess=\"{}\"; c", carried(TWO))))).await;
    assert_eq!((host.as_deref(), second.header("set-cookie")), (Some(TWO), None));
    for (name, count) in [("routed", 1), ("failed_open", 1), ("failed_closed", 0), ("no_session", 0)] {
        assert_eq!(bench.stat(&format!("http.test.stateful_session.s.{name}")), count, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_has_a_lifetime() {
    let mut bench = filtered(session(cookie("", Some(Duration::from_secs(120))), false));
    let (outcome, _) = sent(&mut bench, "/", None).await;
    let set = outcome.header("set-cookie").unwrap();
    let value = set.strip_prefix("sess=\"").and_then(|rest| rest.split_once("\"; Max-Age=120; SameSite")).unwrap().0;
    let octets = STANDARD.decode(value).unwrap();
    assert_eq!(session_cookie::decode(&octets, 1).as_deref(), Some(ONE));
    assert_eq!(session_cookie::decode(&octets, u64::MAX), None);
    let over = STANDARD.encode(session_cookie::encode(TWO, 1));
    let (outcome, host) = sent(&mut bench, "/", Some(("cookie", format!("sess={over}")))).await;
    assert_eq!((host.as_deref(), outcome.header("set-cookie").is_some()), (Some(ONE), true));
}

#[tokio::test(start_paused = true)]
async fn other_paths_have_no_session() {
    for (path, target, has) in [
        ("/p", "/pp", false),
        ("/p", "/p/x", true),
        ("/p", "/p#x", true),
        ("/p/", "/p", false),
        ("/p/", "/p/x", true),
        ("/", "/x", true),
        ("", "/x", true),
    ] {
        let mut bench = filtered(session(cookie(path, None), false));
        let (outcome, _) = sent(&mut bench, target, None).await;
        assert_eq!(outcome.header("set-cookie").is_some(), has, "{path} {target}");
        assert_eq!(bench.stat("http.test.stateful_session.s.no_session"), u64::from(!has), "{path} {target}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_replaced_or_missed() {
    let gone = || Some(("cookie", format!("sess={}", carried("9.9.9.9:9"))));
    let mut open = filtered(session(cookie("", None), false));
    let (outcome, host) = sent(&mut open, "/", gone()).await;
    assert_eq!((host.as_deref(), outcome.header("set-cookie").is_some()), (Some(ONE), true));
    let mut strict = filtered(session(cookie("", None), true));
    let (outcome, host) = sent(&mut strict, "/", gone()).await;
    assert_eq!((outcome.status(), host, outcome.header("set-cookie")), (429, None, None));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("UH", "no_healthy_upstream"));
    for (name, count) in [("routed", 0), ("failed_open", 0), ("failed_closed", 1)] {
        assert_eq!(strict.stat(&format!("http.test.stateful_session.s.{name}")), count, "{name}");
    }
    let (outcome, _) = sent(&mut strict, "/", None).await;
    assert_eq!((outcome.status(), outcome.header("set-cookie").is_some()), (200, true), "a session begins anywhere");
    assert_eq!(strict.stat("http.test.stateful_session.s.failed_open"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_begins_a_new_session() {
    let mut bench = filtered(session(cookie("", None), true));
    for value in ["", "%%%", "\"\""] {
        let (outcome, _) = sent(&mut bench, "/", Some(("cookie", format!("sess={value}")))).await;
        assert_eq!((outcome.status(), outcome.header("set-cookie").is_some()), (200, true), "{value}");
    }
    let garbage = STANDARD.encode("garbage");
    assert_eq!(sent(&mut bench, "/", Some(("cookie", format!("sess={garbage}")))).await.0.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_header_carries_it_as_well() {
    let mut bench = filtered(session(SessionState::Header("x-sess".into()), false));
    let (outcome, _) = sent(&mut bench, "/", None).await;
    assert_eq!(outcome.header("x-sess"), Some(STANDARD.encode(ONE)));
    let (outcome, host) = sent(&mut bench, "/", Some(("x-sess", STANDARD.encode(TWO)))).await;
    assert_eq!((host.as_deref(), outcome.header("x-sess")), (Some(TWO), None));
    let (outcome, _) = sent(&mut bench, "/", Some(("x-sess", "%".into()))).await;
    assert_eq!(outcome.header("x-sess"), Some(STANDARD.encode(ONE)));
}

#[tokio::test(start_paused = true)]
async fn levels_switch_it_off_or_have_their_own() {
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let told = |scoped| ScopedConfig::StatefulSession(Arc::new(scoped));
        let config = || session(cookie("", None), false);
        let mut off = filtered(config()).tell(level, "session", told(StatefulSessionPerRoute::Disabled));
        let (outcome, host) = sent(&mut off, "/", Some(("cookie", format!("sess={}", carried(TWO))))).await;
        assert_eq!((host.as_deref(), outcome.header("set-cookie")), (Some(ONE), None), "{level:?}");
        assert_eq!(off.stat("http.test.stateful_session.s.no_session"), 0);
        let own = session(SessionState::Header("x-own".into()), false);
        let mut own = filtered(config()).tell(level, "session", told(StatefulSessionPerRoute::Session(own)));
        let (outcome, _) = sent(&mut own, "/", None).await;
        assert_eq!((outcome.header("x-own").is_some(), outcome.header("set-cookie")), (true, None), "{level:?}");
        assert_eq!(own.stat("stateful_session.s.failed_open"), 1, "{level:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_where_the_balancer_says() {
    let routes = crate::http::testing::to_app(|forward| {
        forward.retry = Some(Arc::new(crate::http::testing::retry_on(config::route::RetryOn::SERVER_ERROR, 1)));
    });
    let config = HttpFilterConfig::StatefulSession(Arc::new(session(cookie("", None), true)));
    let mut bench = Filtered::with_routes(routes, [("session", config)]);
    hosts(&mut bench);
    bench.app(Script::answers(503, &[], &[])).app(Script::answers(200, &[], &[]));
    let mut request = get("/");
    request.headers.append(Name::COOKIE, format!("sess={}", carried(TWO)));
    let outcome = bench.send(request).await;
    let seen: Vec<_> = bench.seen().iter().map(|seen| seen.host.to_string()).collect();
    assert_eq!((outcome.status(), seen), (200, vec![TWO.to_owned(), ONE.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn without_any_host_nothing_is_told() {
    let mut bench = filtered(session(cookie("", None), false));
    bench.app(Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() });
    let outcome = bench.send(with(get("/"), &[])).await;
    assert_eq!((outcome.status(), outcome.header("set-cookie")), (503, None));
    assert_eq!(bench.stat("http.test.stateful_session.s.failed_closed"), 0);
}
