//! Tests of `jwt_authn`. What is expected is what Envoy 1.40 does with the same configuration; `integration/parity` has more of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use config::filters::jwt_authn::JwtAuthnPerRoute;
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::listener::TerminalFilter;
use serde_json::{Value, json};

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{Outcome, fake::Script, get, with};
use crate::policy::jwt::testing::{Signer, claims, set};

mod fetched;
mod passed_on;

/// A filter as a control plane would send it.
fn decoded(kind: &str, filter: Value) -> HttpFilterConfig {
    let typed = |name: &str, mut fields: Value| {
        fields["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.{name}"));
        fields
    };
    let router = json!({"name": "r", "typed_config": typed("http.router.v3.Router", json!({}))});
    let manager = json!({
        "stat_prefix": "test", "route_config": {},
        "http_filters": [{"name": "f", "typed_config": typed(kind, filter)}, router]
    });
    let manager = typed("network.http_connection_manager.v3.HttpConnectionManager", manager);
    let listener = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}},
        "filter_chains": [{"filters": [{"name": "m", "typed_config": manager}]}]
    });
    let bytes = config::dump::encode(&listener).unwrap();
    let listener = config::listener::decode(&bytes, &config::Options::default()).unwrap();
    let TerminalFilter::Http(manager) = &listener.filter_chains[0].terminal else { panic!("it is HTTP") };
    manager.filters[0].config.clone()
}

fn jwt(filter: Value) -> HttpFilterConfig {
    decoded("http.jwt_authn.v3.JwtAuthentication", filter)
}

fn bench(filter: Value) -> Filtered {
    Filtered::new([("jwt", jwt(filter))])
}

/// A provider of the issuer `i` with these keys, and more fields.
fn provider(keys: &[Value], more: Value) -> Value {
    let mut provider = json!({"issuer": "i", "local_jwks": {"inline_string": set(keys)}});
    for (key, value) in more.as_object().into_iter().flatten() {
        provider[key] = value.clone();
    }
    provider
}

/// A filter that requires a token of its only provider.
fn only(provider: Value) -> Value {
    json!({"providers": {"a": provider}, "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "a"}}]})
}

fn requires(providers: Value, requirement: Value) -> Value {
    json!({"providers": providers, "rules": [{"match": {"prefix": "/"}, "requires": requirement}]})
}

/// Sends a request with a token as a bearer's.
async fn ask(bench: &mut Filtered, token: &str) -> Outcome {
    bench.app(Script::answers(200, &[], &[]));
    let value: &'static str = format!("Bearer {token}").leak();
    bench.send(with(get("/p?q=1"), &[("authorization", value)])).await
}

/// Status, body and challenge.
fn said(outcome: &Outcome) -> (u16, String, String) {
    (outcome.status(), outcome.body(), outcome.header("www-authenticate").unwrap_or_default())
}

#[tokio::test]
async fn a_token_or_401() {
    let rsa = Signer::rsa();
    let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], json!({"audiences": ["x"]}))));
    let outcome = bench.send(get("/p?q=1")).await;
    let realm = "Bearer realm=\"http://svc/p?q=1\"";
    assert_eq!(said(&outcome), (401, "Jwt is missing".into(), realm.into()));
    assert_eq!((outcome.details(), &*outcome.flags()), ("jwt_authn_access_denied{Jwt_is_missing}", "-"));
    let outcome = ask(&mut bench, "x").await;
    let invalid = format!("{realm}, error=\"invalid_token\"");
    assert_eq!((outcome.status(), outcome.header("www-authenticate")), (401, Some(invalid.clone())));
    assert_eq!(ask(&mut bench, &rsa.good("RS256", json!({"aud": "x"}))).await.status(), 200);
    let outcome = ask(&mut bench, &rsa.good("RS256", json!({"aud": "y"}))).await;
    assert_eq!(said(&outcome), (403, "Audiences in Jwt are not allowed".into(), invalid.clone()));
    let outcome = ask(&mut bench, &Signer::rsa().good("RS256", json!({"aud": "x"}))).await;
    assert_eq!(said(&outcome), (401, "Jwt verification fails".into(), invalid));
    let count = |name: &str| bench.stat(&format!("http.test.jwt_authn.{name}"));
    assert_eq!((count("allowed"), count("denied"), count("jwt_cache_miss")), (1, 4, 4));
}

#[tokio::test]
async fn grpc_clients_are_told_in_their_own_way() {
    let bench = bench(only(provider(&[Signer::shared().jwk(json!({}))], json!({}))));
    let outcome = bench.send(with(get("/"), &[("content-type", "application/grpc")])).await;
    assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some("16")));
    assert_eq!(outcome.header("grpc-message").as_deref(), Some("Jwt is missing"));
}

#[tokio::test]
async fn subjects_and_lifetimes() {
    let rsa = Signer::rsa();
    let status = async |more: Value, token: Value| {
        let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], more)));
        ask(&mut bench, &rsa.good("RS256", token)).await.status()
    };
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 50;
    assert_eq!(status(json!({"subjects": {"prefix": "s"}}), json!({})).await, 200);
    assert_eq!(status(json!({"subjects": {"prefix": "x"}}), json!({})).await, 401);
    assert_eq!(status(json!({"subjects": {"exact": "s"}}), json!({"sub": null})).await, 401);
    assert_eq!(status(json!({"require_expiration": true}), json!({})).await, 200);
    assert_eq!(status(json!({"require_expiration": true}), json!({"exp": null})).await, 401);
    assert_eq!(status(json!({"max_lifetime": "100s"}), json!({"exp": soon})).await, 200);
    assert_eq!(status(json!({"max_lifetime": "100s"}), json!({})).await, 401);
    assert_eq!(status(json!({"max_lifetime": "100s"}), json!({"exp": null})).await, 401);
    assert_eq!(status(json!({}), json!({"exp": soon - 100})).await, 200, "a minute of skew");
    assert_eq!(status(json!({"clock_skew_seconds": 1}), json!({"exp": soon - 100})).await, 401);
}

#[tokio::test]
async fn routes_choose_a_requirement_or_none() {
    let rsa = Signer::rsa();
    let filter = || {
        let mut filter = only(provider(&[rsa.jwk(json!({}))], json!({})));
        filter["requirement_map"] = json!({"free": {}, "strict": {"provider_name": "a"}});
        bench(filter)
    };
    let told = async |config: JwtAuthnPerRoute| {
        let mut bench = filter().tell(Level::Route, "jwt", ScopedConfig::JwtAuthn(Arc::new(config)));
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(get("/")).await;
        (outcome.status(), outcome.body())
    };
    let named = |name: &str| JwtAuthnPerRoute::Requirement(name.into());
    assert_eq!(told(JwtAuthnPerRoute::Disabled).await.0, 200);
    assert_eq!(told(named("free")).await.0, 200);
    assert_eq!(told(named("strict")).await.0, 401);
    let wrong = "Failed JWT authentication: Wrong requirement_name: x. It should be one of [free,strict]";
    assert_eq!(told(named("x")).await, (403, wrong.into()));
    let off = filter().switch(Level::Route, "jwt", false);
    let mut off = off;
    off.app(Script::answers(200, &[], &[]));
    assert_eq!(off.send(get("/")).await.status(), 200);
}

#[tokio::test]
async fn trees_judge_as_envoys() {
    let (a, b, z) = (Signer::rsa(), Signer::ec("ES256"), Signer::rsa());
    let providers = json!({
        "a": provider(&[a.jwk(json!({}))], json!({})),
        "b": provider(&[b.jwk(json!({}))], json!({"issuer": "j"})),
    });
    let good_a = a.good("RS256", json!({}));
    let good_b = b.good("ES256", json!({"iss": "j"}));
    let bad_a = z.good("RS256", json!({}));
    let stranger = z.good("RS256", json!({"iss": "z"}));
    let name = |name: &str| json!({"provider_name": name});
    let any = |of: Value| json!({"requires_any": {"requirements": of}});
    let all = |of: Value| json!({"requires_all": {"requirements": of}});
    let missing = json!({"allow_missing": {}});
    let optional = |one: &str| any(json!([name(one), missing]));
    let (fails, unknown) = ("Jwt verification fails", "Jwt issuer is not configured");
    let cases = [
        (name("a"), ["Jwt is missing", "", unknown, fails, unknown]),
        (any(json!([name("a"), name("b")])), ["Jwt is missing", "", "", fails, unknown]),
        (all(json!([name("a"), name("b")])), ["Jwt is missing", "Jwt is missing", unknown, fails, unknown]),
        (missing.clone(), ["", "", "", fails, unknown]),
        (json!({"allow_missing_or_failed": {}}), ["", "", "", "", ""]),
        (optional("a"), ["", "", unknown, fails, unknown]),
        (any(json!([name("a"), {"allow_missing_or_failed": {}}])), ["", "", "", "", ""]),
        (any(json!([missing, {"allow_missing_or_failed": {}}])), ["", "", "", "", ""]),
        (any(json!([name("a"), name("b"), all(json!([optional("a"), optional("b")]))])), ["", "", "", fails, unknown]),
        (json!({}), ["", "", "", "", ""]),
    ];
    for (requirement, expected) in cases {
        let mut bench = bench(requires(providers.clone(), requirement.clone()));
        let tokens = [None, Some(&good_a), Some(&good_b), Some(&bad_a), Some(&stranger)];
        for (place, (token, expected)) in tokens.into_iter().zip(expected).enumerate() {
            let outcome = match token {
                Some(token) => ask(&mut bench, token).await,
                None => {
                    bench.app(Script::answers(200, &[], &[]));
                    bench.send(get("/")).await
                }
            };
            assert_eq!(outcome.body(), expected, "{requirement}, token {place}");
            assert_eq!(outcome.status() == 200, expected.is_empty(), "{requirement}, token {place}");
            bench.cluster("app").scripts.borrow_mut().clear();
        }
    }
}

#[tokio::test]
async fn all_tokens_of_a_request_must_be_good() {
    let (rsa, other) = (Signer::rsa(), Signer::rsa());
    let (good, bad) = (rsa.good("RS256", json!({})), other.good("RS256", json!({})));
    for requirement in [json!({"provider_name": "a"}), json!({"allow_missing": {}})] {
        let mut bench = bench(requires(json!({"a": provider(&[rsa.jwk(json!({}))], json!({}))}), requirement));
        for (header, query, status) in [(&good, &good, 200), (&good, &bad, 401), (&bad, &good, 401)] {
            bench.app(Script::answers(200, &[], &[]));
            let value: &'static str = format!("Bearer {header}").leak();
            let request = with(get(&format!("/?access_token={query}")), &[("authorization", value)]);
            assert_eq!(bench.send(request).await.status(), status);
        }
    }
}

#[tokio::test]
async fn which_requests_a_rule_is_for() {
    let rule = |matches: Value| json!({"match": matches, "requires": {"provider_name": "a"}});
    let filter = json!({
        "providers": {"a": provider(&[Signer::shared().jwk(json!({}))], json!({}))},
        "rules": [
            {"match": {"path": "/free"}},
            rule(json!({"path": "/x"})), rule(json!({"safe_regex": {"regex": "/r[0-9]"}})),
            rule(json!({"path_separated_prefix": "/sep"})), rule(json!({"prefix": "/CI", "case_sensitive": false})),
            rule(json!({"prefix": "/h", "headers": [{"name": "x-h", "present_match": true}]})),
            rule(json!({"prefix": "/q", "query_parameters": [{"name": "z", "string_match": {"exact": "1"}}]})),
            rule(json!({"prefix": "/g", "grpc": {}, "runtime_fraction": {"default_value": {"numerator": 0}}})),
            rule(json!({"prefix": "/free"})),
        ]
    });
    let mut bench = bench(filter);
    let cases = [
        ("/x", true),
        ("/x?a", true),
        ("/xy", false),
        ("/r1", true),
        ("/r12", false),
        ("/sep", true),
        ("/sep/a", true),
        ("/sepa", false),
        ("/ciao", true),
        ("/h", false),
        ("/q?z=1", true),
        ("/q?z=2", false),
        ("/q", false),
        ("/g", true),
        ("/free", false),
        ("/free/", true),
        ("/other", false),
    ];
    for (path, guarded) in cases {
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get(path)).await.status() == 401, guarded, "{path}");
        bench.cluster("app").scripts.borrow_mut().clear();
    }
    assert_eq!(bench.send(with(get("/h"), &[("x-h", "1")])).await.status(), 401);
}

#[tokio::test]
async fn a_method_without_a_path_and_the_whole_server() {
    let status = async |matches: Value, method: crate::wire::message::Method, path: &'static str| {
        let filter = json!({
            "providers": {"a": provider(&[Signer::shared().jwk(json!({}))], json!({}))},
            "rules": [{"match": matches, "requires": {"provider_name": "a"}}]
        });
        let mut bench = bench(filter);
        bench.app(Script::answers(200, &[], &[]));
        let mut request = get("/");
        request.about_server = path == "*";
        (request.method, request.path) = (method, path.replace('*', "/").into());
        bench.send(request).await.status()
    };
    use crate::wire::message::Method;
    assert_eq!(status(json!({"connect_matcher": {}}), Method::Connect, "").await, 401);
    assert_eq!(status(json!({"prefix": ""}), Method::Connect, "").await, 401);
    assert_eq!(status(json!({"prefix": "/"}), Method::Options, "*").await, 401, "routes take it for /");
}

#[tokio::test]
async fn failures_may_be_kept_to_oneself() {
    let mut filter = only(provider(&[Signer::shared().jwk(json!({}))], json!({})));
    filter["strip_failure_response"] = json!(true);
    filter["stat_prefix"] = json!("mine");
    let mut bench = bench(filter);
    assert_eq!(said(&bench.send(get("/")).await), (401, String::new(), String::new()));
    assert_eq!(said(&ask(&mut bench, "x").await), (401, String::new(), String::new()));
    assert_eq!(bench.stat("http.test.jwt_authn.mine.denied"), 2);
}

#[tokio::test]
async fn preflights_may_pass() {
    let preflight = || {
        let mut request = with(get("/"), &[("origin", "o"), ("access-control-request-method", "GET"), ("x-sub", "me")]);
        request.method = crate::wire::message::Method::Options;
        request
    };
    let claims = json!({"claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]});
    let mut filter = only(provider(&[Signer::shared().jwk(json!({}))], claims));
    assert_eq!(bench(filter.clone()).send(preflight()).await.status(), 401);
    filter["bypass_cors_preflight"] = json!(true);
    let mut bench = bench(filter);
    bench.app(Script::answers(200, &[], &[]));
    assert_eq!(bench.send(preflight()).await.status(), 200);
    assert_eq!(bench.app_saw().header("x-sub"), None, "what only the filter writes never comes from a client");
    assert_eq!(bench.stat("http.test.jwt_authn.cors_preflight_bypassed"), 1);
    let mut other = preflight();
    other.headers.remove(&crate::wire::headers::Name::ORIGIN);
    assert_eq!(bench.send(other).await.status(), 401);
}

#[test]
fn what_is_no_key_set_is_refused_at_load_and_withholds_policy() {
    use crate::http::filters::filter::{FilterDeps, HttpFilter as _};
    let stats = crate::stats::Stats::new(crate::stats::StatsSettings::default());
    let deps = FilterDeps { stats: &stats, scope: "", discoveries: None, secrets: None, behind: false };
    let refusal = |source: Value| {
        let HttpFilterConfig::JwtAuthn(config) = jwt(only(json!({"local_jwks": source}))) else { panic!("it is one") };
        super::JwtAuthn::compile(&config, &deps).unwrap_err()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, "{").unwrap();
    let cases = [
        (json!({"inline_string": "{"}), "has invalid local jwks: Jwks is an invalid JSON"),
        (json!({"inline_string": "{\"keys\":[]}"}), "has invalid local jwks: Jwks doesn't have any valid public key"),
        (json!({"filename": file}), "has invalid local jwks: Jwks is an invalid JSON"),
        (json!({"filename": folder.path()}), "is no regular file"),
        (json!({"filename": folder.path().join("none")}), "cannot read /"),
        (json!({"environment_variable": "OUTRIGGER_TEST_NOT_SET"}), "is not set"),
    ];
    for (source, expected) in cases {
        let rejection = refusal(source);
        assert!(rejection.reason.contains(expected), "{rejection}");
        assert!(rejection.path.starts_with("providers[\"a\"].local_jwks"), "{rejection}");
        assert!(rejection.withholds_policy);
    }
    std::fs::write(&file, set(&[Signer::shared().jwk(json!({}))])).unwrap();
    let HttpFilterConfig::JwtAuthn(config) = jwt(only(json!({"local_jwks": {"filename": file}}))) else { panic!() };
    assert!(super::JwtAuthn::compile(&config, &deps).is_ok());
}

#[tokio::test]
async fn an_empty_key_set_verifies_nothing() {
    let mut bench = bench(only(json!({"local_jwks": {"inline_string": ""}})));
    let outcome = ask(&mut bench, &Signer::shared().good("HS256", json!({}))).await;
    assert_eq!((outcome.status(), outcome.body()), (401, "Jwks doesn't have any valid public key".into()));
}
