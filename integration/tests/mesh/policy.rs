//! AuthorizationPolicy as istiod makes filters of it: who may read what, who is turned away, and connections that are no HTTP.

use outrigger_integration::lab::{Result, wait};

use super::world::{SHOWS, World, expect, expect_equal};

pub fn an_authorization_policy_says_who_may_read_what(world: &mut World) -> Result<()> {
    world.lab.apply(READERS)?;
    let judged = answers(world, "/elsewhere", 403).and_then(|()| {
        let denied = world.curl_details("/elsewhere")?.expect_status(403)?;
        expect_equal("the words of a refusal", denied.body.as_str(), "RBAC: access denied")?;
        world.curl_details("/reviews/7?q=1")?.expect_status(200)?;
        world.curl_details("/secret")?.expect_status(403)?;
        world
            .curl(&[
                "--resolve",
                "details.bookinfo:9080:127.0.0.2",
                "-X",
                "DELETE",
                "http://details.bookinfo:9080/reviews/7",
            ])?
            .expect_status(403)?;
        let line = world.details.access_line("/secret")?;
        expect(line.contains("rbac_access_denied_matched_policy[none]"), || format!("the log does not say why: {line}"))
    });
    world.lab.kube.delete(READERS)?;
    answers(world, "/elsewhere", 200)?;
    judged
}

pub fn a_denied_principal_is_turned_away(world: &mut World) -> Result<()> {
    world.lab.apply(NO_RATINGS)?;
    let denied = answers(world, "/denied", 403);
    world.lab.kube.delete(NO_RATINGS)?;
    answers(world, "/denied", 200)?;
    denied
}

fn answers(world: &World, path: &str, status: u16) -> Result<()> {
    wait::until_true(&format!("{path} to be answered {status}"), SHOWS, || {
        Ok(world.curl_details(path)?.status == status)
    })
}

const READERS: &str = r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: readers
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: details
  action: ALLOW
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/bookinfo/sa/bookinfo-ratings"]
    to:
    - operation:
        methods: ["GET"]
        paths: ["/reviews/*"]
  - from:
    - source:
        namespaces: ["elsewhere"]
    to:
    - operation:
        paths: ["/secret"]
"#;

const NO_RATINGS: &str = r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: no-ratings
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: details
  action: DENY
  rules:
  - from:
    - source:
        principals: ["*/sa/bookinfo-ratings"]
    when:
    - key: destination.port
      values: ["9080"]
"#;
