//! What becomes of good tokens: headers, metadata, routes, and who reads them after this filter.

use super::*;

/// All values of a header that the application saw.
fn all(seen: &crate::http::testing::fake::Seen, name: &str) -> Vec<String> {
    let headers = seen.head.headers.iter().filter(|header| header.name.as_bytes() == name.as_bytes());
    headers.map(|header| String::from_utf8_lossy(&header.value).into_owned()).collect()
}

#[tokio::test]
async fn tokens_from_everywhere_and_out_again() {
    let rsa = Signer::rsa();
    let token = rsa.good("RS256", json!({}));
    let places = json!({
        "from_headers": [{"name": "X-Token", "value_prefix": "T "}, {"name": "plain"}], "from_params": ["t"], "from_cookies": ["c"]
    });
    for (forward, left) in [(false, 0), (true, 1)] {
        let mut places = places.clone();
        places["forward"] = json!(forward);
        let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], places)));
        let leak = |text: String| -> &'static str { text.leak() };
        let requests = [
            (with(get("/"), &[("x-token", leak(format!("T {token}")))]), "x-token"),
            (with(get("/"), &[("x-token", leak(format!("x T   {token}")))]), "x-token"),
            (with(get("/"), &[("plain", leak(token.clone()))]), "plain"),
        ];
        for (request, header) in requests {
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(request).await.status(), 200, "{header}");
            assert_eq!(all(&bench.app_saw(), header).len(), left, "{header}");
        }
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get(&format!("/p?b=1&t={token}&a=%26x&c"))).await.status(), 200);
        let path = bench.app_saw().head.path;
        let expected = if forward { format!("/p?b=1&t={token}&a=%26x&c") } else { "/p?a=%26x&b=1&c=".to_owned() };
        assert_eq!(String::from_utf8_lossy(&path), expected);
        bench.app(Script::answers(200, &[], &[]));
        let cookie = with(get("/"), &[("cookie", leak(format!("a=1; c=\"{token}\"")))]);
        assert_eq!(bench.send(cookie).await.status(), 200);
        assert_eq!(all(&bench.app_saw(), "cookie").len(), 1, "cookies stay");
        let escaped = token.replacen('.', "%2e", 1);
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get(&format!("/?t={escaped}"))).await.status(), 200);
        bench.app_saw();
        assert_eq!(bench.send(with(get("/"), &[("authorization", "Bearer x")])).await.body(), "Jwt is missing");
    }
}

#[tokio::test]
async fn claims_and_payloads_as_headers() {
    let rsa = Signer::rsa();
    let more = json!({
        "forward_payload_header": "X-Payload", "pad_forward_payload_header": true,
        "claim_to_headers": [
            {"header_name": "X-Sub", "claim_name": "sub"}, {"header_name": "x-deep", "claim_name": "o.n"},
            {"header_name": "x-none", "claim_name": "none"}
        ]
    });
    let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], more)));
    bench.app(Script::answers(200, &[], &[]));
    let token = rsa.good("RS256", json!({"o": {"n": 1.5}}));
    let value: &'static str = format!("Bearer {token}").leak();
    let forged = [("x-sub", "root"), ("x-payload", "e30"), ("x-none", "x"), ("authorization", value)];
    assert_eq!(bench.send(with(get("/"), &forged)).await.status(), 200);
    let seen = bench.app_saw();
    assert_eq!(all(&seen, "x-sub"), ["s"]);
    assert_eq!(all(&seen, "x-deep"), ["1.500000"]);
    assert!(all(&seen, "x-none").is_empty());
    let payload = token.split('.').nth(1).unwrap();
    let padding = "=".repeat((4 - payload.len() % 4) % 4);
    assert_eq!(all(&seen, "x-payload"), [format!("{payload}{padding}")]);
    assert!(all(&seen, "authorization").is_empty());
}

#[tokio::test]
async fn a_claim_that_is_no_header_is_refused() {
    let rsa = Signer::rsa();
    let more = json!({ "claim_to_headers": [{"header_name": "x-role", "claim_name": "role"}] });
    for role in ["ad\nmin", "admin\r", "ad\0min", "a\x7fb"] {
        let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], more.clone())));
        bench.app(Script::answers(200, &[], &[]));
        let token = rsa.good("RS256", json!({ "role": role }));
        let value: &'static str = format!("Bearer {token}").leak();
        let outcome = bench.send(with(get("/"), &[("authorization", value)])).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (503, "invalid header value for: x-role"));
    }
}

#[tokio::test]
async fn metadata_of_good_and_bad_tokens() {
    let rsa = Signer::rsa();
    let more = json!({
        "payload_in_metadata": "p", "header_in_metadata": "h", "failed_status_in_metadata": "f",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "e", "n"]}
    });
    let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], more)));
    let told = |outcome: &Outcome| outcome.info.metadata.get("envoy.filters.http.jwt_authn").cloned();
    let outcome = ask(&mut bench, &rsa.good("RS256", json!({"scope": "a  b", "e": "", "n": 1}))).await;
    let expected = json!({
        "h": {"alg": "RS256"},
        "p": {"iss": "i", "sub": "s", "exp": 4_102_444_800_u64, "scope": ["a", "b"], "e": "", "n": 1}
    });
    assert_eq!(told(&outcome), Some(expected));
    let outcome = ask(&mut bench, &rsa.good("RS256", json!({"exp": 1}))).await;
    assert_eq!(told(&outcome), Some(json!({"f": {"code": 3, "message": "Jwt is expired"}})));
    let outcome = bench.send(get("/")).await;
    assert_eq!(told(&outcome), Some(json!({"f": {"code": 1, "message": "Jwt is missing"}})));
}

/// As Istio writes AuthorizationPolicy: principals and claims out of the payload.
#[tokio::test]
async fn rbac_reads_what_a_token_said() {
    let rsa = Signer::rsa();
    let more = json!({
        "issuer": "https://idp", "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]}
    });
    let claim = |path: &[&str], value: Value| {
        let path: Vec<_> = path.iter().map(|key| json!({"key": key})).collect();
        json!({"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": path, "value": value}})
    };
    let exact = |text: &str| json!({"string_match": {"exact": text}});
    let principals = json!([{"and_ids": {"ids": [
        claim(&["payload", "iss"], exact("https://idp")), claim(&["payload", "sub"], exact("s")),
        claim(&["payload", "scope"], json!({"list_match": {"one_of": exact("read")}})),
        claim(&["payload", "o", "team"], exact("red")),
    ]}}]);
    let rbac = json!({"rules": {"policies": {"p": {"permissions": [{"any": true}], "principals": principals}}}});
    let rbac = decoded("http.rbac.v3.RBAC", rbac);
    let filter = requires(
        json!({"origins-0": provider(&[rsa.jwk(json!({}))], more)}),
        json!({"requires_any": {"requirements": [{"provider_name": "origins-0"}, {"allow_missing": {}}]}}),
    );
    let mut bench = Filtered::new([("jwt", jwt(filter)), ("rbac", rbac)]);
    let token = |more: Value| {
        let mut all = json!({"iss": "https://idp", "scope": "write read", "o": {"team": "red"}});
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        rsa.token(&json!({"alg": "RS256"}), &claims(all))
    };
    assert_eq!(ask(&mut bench, &token(json!({}))).await.status(), 200);
    for other in [json!({"sub": "x"}), json!({"scope": "write"}), json!({"o": {"team": "blue"}}), json!({"o": "red"})] {
        assert_eq!(ask(&mut bench, &token(other)).await.body(), "RBAC: access denied");
    }
    assert_eq!(bench.send(get("/")).await.body(), "RBAC: access denied");
}

#[tokio::test]
async fn verified_tokens_are_remembered() {
    let rsa = Signer::rsa();
    let more = json!({"jwt_cache_config": {"jwt_cache_size": 2, "jwt_max_token_size": 600}, "audiences": ["a"]});
    let mut bench = bench(only(provider(&[rsa.jwk(json!({}))], more)));
    let token = |n: u32| rsa.good("RS256", json!({"aud": "a", "n": n}));
    let (one, two, three) = (token(1), token(2), token(3));
    for token in [&one, &two, &one, &three, &one, &two] {
        assert_eq!(ask(&mut bench, token).await.status(), 200);
    }
    // Both times that `two` comes it is new: it had to go for `three`.
    let count = |bench: &Filtered, name: &str| bench.stat(&format!("http.test.jwt_authn.jwt_cache_{name}"));
    assert_eq!((count(&bench, "hit"), count(&bench, "miss")), (2, 4));
    let long = rsa.good("RS256", json!({"aud": "a", "x": "x".repeat(300)}));
    ask(&mut bench, &long).await;
    ask(&mut bench, &long).await;
    let wrong = rsa.good("RS256", json!({"aud": "b"}));
    ask(&mut bench, &wrong).await;
    assert_eq!(ask(&mut bench, &wrong).await.status(), 403);
    assert_eq!(count(&bench, "hit"), 2, "neither long nor bad ones are kept");
}

#[tokio::test]
async fn claims_that_nobody_verified_are_not_passed_on() {
    let (rsa, other) = (Signer::rsa(), Signer::rsa());
    let more = json!({"claim_to_headers": [{"header_name": "x-sub", "claim_name": "sub"}]});
    let providers = json!({"a": provider(&[rsa.jwk(json!({}))], more)});
    let mut bench = bench(requires(providers, json!({"extract_only_without_validation": {}})));
    let sees = |seen: &crate::http::testing::fake::Seen| (all(seen, "x-sub"), all(seen, "x-jwt-signature-verified"));
    assert_eq!(ask(&mut bench, &rsa.good("RS256", json!({}))).await.status(), 200);
    assert_eq!(sees(&bench.app_saw()), (vec!["s".to_owned()], vec![]));
    assert_eq!(ask(&mut bench, &other.good("RS256", json!({}))).await.status(), 200);
    assert_eq!(sees(&bench.app_saw()), (vec![], vec!["false".to_owned()]));
}

#[tokio::test]
async fn filter_state_chooses_a_requirement() {
    let rsa = Signer::rsa();
    let state = json!({"on_request_headers": [{
        "object_key": "k", "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "%REQ(x-k)%"}}
    }]});
    let filter = json!({
        "providers": {"a": provider(&[rsa.jwk(json!({}))], json!({}))},
        "filter_state_rules": {"name": "k", "requires": {"A": {"provider_name": "a"}, "B": {}}}
    });
    let mut bench = Filtered::new([("state", decoded("http.set_filter_state.v3.Config", state)), ("jwt", jwt(filter))]);
    for (value, status) in [("A", 401), ("B", 200), ("C", 200)] {
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(with(get("/"), &[("x-k", value)])).await.status(), status, "{value}");
        bench.cluster("app").scripts.borrow_mut().clear();
    }
}
