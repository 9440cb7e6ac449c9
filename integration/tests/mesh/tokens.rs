//! RequestAuthentication as istiod makes a filter of it, and AuthorizationPolicy that goes by what tokens say: judged from outside, with
//! tokens that are made here.

use outrigger_integration::lab::curl::Reply;
use outrigger_integration::lab::{Result, wait};
use outrigger_integration::parity::http::tokens::Key;
use serde_json::{Value, json};

use super::world::{SHOWS, World, expect, expect_equal};

pub fn tokens_say_who_may_read_what(world: &mut World) -> Result<()> {
    let (key, other) = (Key::rsa()?, Key::rsa()?);
    let objects = objects(&json!({ "keys": [key.jwk(&json!({ "kid": "1" }))] }).to_string());
    let token = |key: &Key, more: Value| -> Result<String> {
        let mut claims = json!({ "iss": "https://idp.example", "sub": "ann", "exp": 4_102_444_800_u64 });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        key.token(&json!({ "alg": "RS256", "kid": "1" }), &claims.to_string())
    };
    let good = token(&key, json!({ "scope": "read write", "groups": ["a", "b"] }))?;
    let cases = [
        ("nobody's", None, 403, "RBAC: access denied"),
        ("good", Some(good.clone()), 200, ""),
        (
            "somebody else's",
            Some(token(&key, json!({ "sub": "bob", "scope": "read", "groups": ["a"] }))?),
            403,
            "RBAC: access denied",
        ),
        (
            "without the scope",
            Some(token(&key, json!({ "scope": "write", "groups": ["a"] }))?),
            403,
            "RBAC: access denied",
        ),
        ("of no group", Some(token(&key, json!({ "scope": "read", "groups": ["c"] }))?), 403, "RBAC: access denied"),
        ("forged", Some(token(&other, json!({ "scope": "read", "groups": ["a"] }))?), 401, "Jwt verification fails"),
        ("over", Some(token(&key, json!({ "exp": 1 }))?), 401, "Jwt is expired"),
        (
            "of another issuer",
            Some(token(&key, json!({ "iss": "https://other" }))?),
            401,
            "Jwt issuer is not configured",
        ),
        (
            "none at all",
            Some("x".to_owned()),
            401,
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        ),
    ];
    world.lab.apply(&objects)?;
    let judged = wait::until_true("requests without a token to be refused, and others not", SHOWS, || {
        Ok(ask(world, None)?.status == 403 && ask(world, Some(&good))?.status == 200)
    })
    .and_then(|()| {
        for (what, token, status, body) in &cases {
            let reply = ask(world, token.as_deref())?;
            expect_equal(&format!("the status for a token {what}"), reply.status, *status)?;
            expect(reply.body.contains(body), || format!("{what}: {:?}", reply.body))?;
        }
        let refused = ask(world, Some("x"))?;
        let challenge = refused.header("www-authenticate")?;
        let wanted = "Bearer realm=\"http://details.bookinfo:9080/tokens\", error=\"invalid_token\"";
        expect_equal("the challenge", challenge, wanted)
    });
    world.lab.kube.delete(&objects)?;
    wait::until_true("requests without a token to pass again", SHOWS, || {
        Ok(world.curl_details("/tokens")?.status == 200)
    })?;
    judged
}

fn ask(world: &World, token: Option<&str>) -> Result<Reply> {
    let header = token.map(|token| format!("authorization: Bearer {token}"));
    let mut arguments = vec!["--resolve", "details.bookinfo:9080:127.0.0.2"];
    if let Some(header) = &header {
        arguments.extend(["-H", header]);
    }
    arguments.push("http://details.bookinfo:9080/tokens");
    world.curl(&arguments)
}

fn objects(keys: &str) -> String {
    format!(
        r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: idp
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: details
  jwtRules:
  - issuer: https://idp.example
    jwks: '{keys}'
    forwardOriginalToken: true
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ann
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: details
  action: ALLOW
  rules:
  - from:
    - source:
        requestPrincipals: ["https://idp.example/ann"]
    when:
    - key: request.auth.claims[scope]
      values: ["read"]
    - key: request.auth.claims[groups]
      values: ["a", "z"]
"#
    )
}
