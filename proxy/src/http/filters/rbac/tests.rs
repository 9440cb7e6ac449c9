//! Tests of `rbac`. What is expected is what Envoy 1.40 does with the same configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::cel::{Attribute, Expr, Function, Literal};
use config::filters::rbac::RbacPerRoute;
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::{HeaderMatcher, HeaderRule, StringMatcher};
use config::rbac::{Action, Engine as EngineConfig, Policy, Rbac, Rule};
use config::route::Action as RouteAction;
use serde_json::json;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{fake::Script, get, route, with};
use crate::wire::message::Method;

/// Policies for requests whose `x-a` is the name of the policy; `*` is for all.
fn rules(action: Action, names: &[&str]) -> Option<EngineConfig> {
    let policy = |name: &&str| {
        let value = StringMatcher::Exact { value: (*name).into(), ignore_case: false };
        let rule = HeaderRule::String(value);
        let header = HeaderMatcher { name: "x-a".into(), rule, invert: false, missing_is_empty: false };
        let permission = if *name == "*" { Rule::Any } else { Rule::Header(header) };
        (Arc::from(*name), Policy { permissions: vec![permission], principals: vec![Rule::Any], condition: None })
    };
    Some(EngineConfig::Rules(action, names.iter().map(policy).collect::<BTreeMap<_, _>>()))
}

fn filter(rbac: Rbac) -> Filtered {
    Filtered::new([("rbac", HttpFilterConfig::Rbac(Arc::new(rbac)))])
}

fn enforced(action: Action, names: &[&str]) -> Rbac {
    Rbac { rules: rules(action, names), ..Rbac::default() }
}

/// The status, the details and the verdicts in the metadata.
async fn ask(bench: &mut Filtered, value: &'static str) -> (u16, String, serde_json::Value) {
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("x-a", value)])).await;
    let told = outcome.info.metadata.get("envoy.filters.http.rbac").cloned().unwrap_or_default();
    (outcome.status(), outcome.details().to_owned(), told)
}

#[tokio::test]
async fn who_may_pass() {
    let allowed = |policy| json!({"enforced_effective_policy_id": policy, "enforced_engine_result": "allowed"});
    let bench = &mut filter(enforced(Action::Allow, &["a"]));
    assert_eq!(ask(bench, "a").await, (200, "via_upstream".into(), allowed("a")));
    let denied = json!({"enforced_engine_result": "denied"});
    assert_eq!(ask(bench, "b").await, (403, "rbac_access_denied_matched_policy[none]".into(), denied));
    assert_eq!((bench.stat("http.test.rbac.allowed"), bench.stat("http.test.rbac.denied")), (1, 1));
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.body(), outcome.flags().as_str()), ("RBAC: access denied".into(), "-"));
    let bench = &mut filter(enforced(Action::Deny, &["a"]));
    assert_eq!(ask(bench, "a").await.1, "rbac_access_denied_matched_policy[a]");
    assert_eq!(ask(bench, "b").await.0, 200);
    assert_eq!(ask(&mut filter(enforced(Action::Allow, &[])), "a").await.0, 403, "no policy allows anybody");
    assert_eq!(ask(&mut filter(Rbac::default()), "a").await, (200, "via_upstream".into(), json!(null)));
}

/// `OPTIONS *` is `/` to who reads the path, in whatever form, and goes on as `*`.
#[tokio::test]
async fn who_asks_about_the_server_as_a_whole_asks_for_its_root() {
    let exact = |value: &str| StringMatcher::Exact { value: value.into(), ignore_case: false };
    let header = HeaderMatcher {
        name: ":path".into(),
        rule: HeaderRule::String(exact("/")),
        invert: false,
        missing_is_empty: false,
    };
    let is_root = |attribute| {
        let root = Expr::Literal(Literal::Text("/".into()));
        Some(Arc::new(Expr::Call(Function::Equal, vec![Expr::Attribute(attribute), root])))
    };
    let template = regex::bytes::Regex::new(r"\A/.*\z").unwrap();
    let about_server = || {
        let mut request = get("/");
        (request.method, request.about_server) = (Method::Options, true);
        request
    };
    for (rule, condition) in [
        (Rule::UrlPath(exact("/")), None),
        (Rule::Header(header), None),
        (Rule::UriTemplate(template), None),
        (Rule::Any, is_root(Attribute::UrlPath)),
        (Rule::Any, is_root(Attribute::Path)),
    ] {
        let policy = Policy { permissions: vec![rule], principals: vec![Rule::Any], condition };
        let rules = Some(EngineConfig::Rules(Action::Deny, [(Arc::from("p"), policy)].into()));
        let bench = filter(Rbac { rules, ..Rbac::default() });
        assert_eq!(bench.send(about_server()).await.status(), 403);
    }
    let mut bench = filter(enforced(Action::Deny, &["a"]));
    bench.app(Script::answers(200, &[], &[]));
    assert_eq!(bench.send(about_server()).await.status(), 200);
    assert_eq!(bench.app_saw().head.target(), "*");
}

#[tokio::test]
async fn a_grpc_client_is_told_in_its_own_way() {
    let bench = filter(enforced(Action::Allow, &[]));
    let outcome = bench.send(with(get("/"), &[("content-type", "application/grpc")])).await;
    assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some("7")));
    assert_eq!(outcome.header("grpc-message").as_deref(), Some("RBAC: access denied"));
}

#[tokio::test]
async fn logs_are_told_and_all_pass() {
    let hint = async |value| {
        let mut bench = filter(enforced(Action::Log, &["a"]));
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(with(get("/"), &[("x-a", value)])).await;
        assert_eq!(outcome.status(), 200);
        outcome.info.metadata.get("envoy.common").cloned()
    };
    assert_eq!(hint("a").await, Some(json!({"access_log_hint": true})));
    assert_eq!(hint("b").await, Some(json!({"access_log_hint": false})));
}

#[tokio::test]
async fn the_shadow_only_tells() {
    let config = Rbac {
        rules: rules(Action::Deny, &["a"]),
        rules_stat_prefix: "rp".into(),
        shadow: rules(Action::Allow, &["a"]),
        shadow_stat_prefix: "sp_".into(),
        track_per_rule_stats: true,
    };
    let bench = &mut filter(config);
    let (status, _, told) = ask(bench, "a").await;
    let want = json!({
        "rpenforced_effective_policy_id": "a", "rpenforced_engine_result": "denied",
        "sp_shadow_effective_policy_id": "a", "sp_shadow_engine_result": "allowed",
    });
    assert_eq!((status, told), (403, want));
    let (status, _, told) = ask(bench, "b").await;
    let want = json!({"rpenforced_engine_result": "allowed", "sp_shadow_engine_result": "denied"});
    assert_eq!((status, told), (200, want));
    for name in [
        "rp.allowed",
        "rp.denied",
        "sp_.shadow_allowed",
        "sp_.shadow_denied",
        "rp.policy.a.denied",
        "sp_.policy.a.shadow_allowed",
    ] {
        assert_eq!(bench.stat(&format!("http.test.rbac.{name}")), 1, "{name}");
    }
    assert_eq!(bench.stat("http.test.rbac.rp.policy.a.allowed"), 0);
    let bench = &mut filter(Rbac { shadow: rules(Action::Log, &["a"]), ..Rbac::default() });
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("x-a", "a")])).await;
    assert_eq!(outcome.info.metadata.get("envoy.common"), None, "logs hear of what is enforced alone");
    assert_eq!((bench.stat("http.test.rbac.shadow_allowed"), bench.stat("http.test.rbac.allowed")), (1, 0));
}

#[tokio::test]
async fn routes_have_rules_of_their_own_or_none() {
    let told = |rbac| ScopedConfig::Rbac(Arc::new(RbacPerRoute { rbac }));
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let other = told(enforced(Action::Allow, &["b"]));
        let bench = &mut filter(enforced(Action::Allow, &["a"])).tell(level, "rbac", other);
        assert_eq!((ask(bench, "a").await.0, ask(bench, "b").await.0), (403, 200), "{level:?}");
        assert_eq!((bench.stat("http.test.rbac.allowed"), bench.stat("http.test.rbac.denied")), (1, 1));
        let bench = &mut filter(enforced(Action::Allow, &[])).tell(level, "rbac", told(Rbac::default()));
        assert_eq!(ask(bench, "a").await.0, 200, "{level:?}");
    }
    // A filter that has no rules is there for routes that have some.
    let other = told(enforced(Action::Deny, &["*"]));
    let bench = &mut filter(Rbac::default()).tell(Level::Route, "rbac", other);
    assert_eq!(ask(bench, "a").await.0, 403);
}

#[tokio::test]
async fn it_answers_before_the_router_does() {
    let nothing = vec![route("/elsewhere", RouteAction::NonForwarding)];
    let config = HttpFilterConfig::Rbac(Arc::new(enforced(Action::Deny, &["a"])));
    let bench = Filtered::with_routes(nothing, [("rbac", config)]);
    assert_eq!(bench.send(with(get("/"), &[("x-a", "a")])).await.status(), 403);
    assert_eq!(bench.send(get("/")).await.status(), 404);
}
