//! An authorizer that is asked and not obeyed.

use super::*;

/// A request with this answer: its status, what is left in the filter state, and how often something was counted.
async fn told(change: impl FnOnce(&mut Config), answer: impl Fn(&mut Asked) + 'static) -> (u16, String, [u64; 4]) {
    let change = |config: &mut Config| {
        config.shadow = true;
        change(config);
    };
    let (mut bench, _world, _asked) = authorizer(config(change), answer).await;
    bench.app(Script::answers(200, &[], &["fine"]));
    let outcome = bench.send(get("/a")).await;
    let state = outcome.info.filter_state.get("authz.shadow").map(|object| object.value.clone()).unwrap_or_default();
    let counts = ["denied", "shadow_denied", "shadow_error", "failure_mode_allowed"];
    let counts = counts.map(|name| bench.stat(&format!("http.test.ext_authz.{name}")));
    (outcome.status(), String::from_utf8_lossy(&state).into_owned(), counts)
}

#[test]
fn what_it_decides_is_told_and_everything_passes() {
    run(async {
        let denied = DeniedHttpResponse {
            status: Some(HttpStatus { code: 401 }),
            headers: vec![header("www-authenticate", "Basic \"x\""), header("a", "1")],
            body: "no".into(),
        };
        let state = r#"{"check_result":"DENIED","status_code":401,"response_headers":[{"key":"www-authenticate","value":"Basic \"x\""},{"key":"a","value":"1"}]}"#;
        assert_eq!(told(|_| {}, says(denies(denied))).await, (200, state.into(), [1, 1, 0, 0]));
        let state = r#"{"check_result":"OK","status_code":200}"#;
        assert_eq!(told(|_| {}, says(CheckResponse::default())).await, (200, state.into(), [0; 4]));
        let broken =
            |asked: &mut Asked| asked.only_head(200, &[("content-type", "application/grpc"), ("grpc-status", "14")]);
        let state = r#"{"check_result":"ERROR","status_code":503}"#;
        let lenient = |config: &mut Config| {
            config.status_on_error = 503;
            config.failure_mode_allow = true;
        };
        assert_eq!(told(lenient, broken).await, (200, state.into(), [0, 0, 1, 0]));
        let state = r#"{"check_result":"DENIED","status_code":403}"#;
        let off = |config: &mut Config| {
            config.enabled = Some(config::matcher::Fraction { numerator: 0, denominator: 100 }.into());
            config.deny_at_disable = true.into();
        };
        assert_eq!(told(off, broken).await, (200, state.into(), [0, 1, 0, 0]));
        let invalid = OkHttpResponse { headers: vec![header("x-bad", "a\r\nb")], ..Default::default() };
        let state = r#"{"check_result":"ERROR","status_code":500}"#;
        let judges = |config: &mut Config| config.validate_mutations = true;
        assert_eq!(told(judges, says(allows(invalid))).await, (200, state.into(), [0, 0, 1, 0]));
    });
}
