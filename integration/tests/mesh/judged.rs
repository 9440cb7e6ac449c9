//! AuthorizationPolicy beyond yes and no: an authoriser that is asked (CUSTOM), what is only written down (AUDIT) or tried out (dry-run),
//! and policies that change while requests run.

use std::time::Duration;

use outrigger_integration::lab::process::Process;
use outrigger_integration::lab::workload::{saw, start_app};
use outrigger_integration::lab::{Result, wait};

use super::world::{SHOWS, World, expect, expect_equal};

/// How often the policy changes under load.
const CHANGES: usize = 6;

pub fn an_authorizer_is_asked_over_grpc_and_http(world: &mut World) -> Result<()> {
    world.lab.apply(AUTHORIZERS)?;
    let judge = authorizer(world, "judge", "ok", 9000)?;
    let mut doorman = authorizer(world, "doorman", "deny", 9001)?;
    let judged = asked_over_grpc(world, &judge).and_then(|()| asked_over_http(world, &mut doorman));
    world.lab.kube.delete(&custom("asks-http"))?;
    world.lab.kube.delete(AUTHORIZERS)?;
    answers(world, "/asked/after", 200)?;
    judged
}

fn asked_over_grpc(world: &World, judge: &Process) -> Result<()> {
    world.lab.apply(&custom("asks-grpc"))?;
    wait::until_true("the judge to be asked", SHOWS, || {
        world.curl_details("/asked/first")?;
        Ok(!saw(judge)?.is_empty())
    })?;
    answers(world, "/asked/granted", 200)?;
    let reached = world.details.app_saw("http")?;
    let reached = reached.iter().rfind(|request| request["target"] == "/asked/granted");
    let reached = reached.ok_or("a request that was granted did not reach the application")?.to_string();
    expect(reached.contains("x-authorized-by") && reached.contains("judge"), || {
        format!("the application was not told who has granted it: {reached}")
    })?;
    let before = saw(judge)?.len();
    world.curl_details("/unasked")?.expect_status(200)?;
    expect_equal("questions of a path that nobody asks about", saw(judge)?.len(), before)
}

fn asked_over_http(world: &World, doorman: &mut Process) -> Result<()> {
    world.lab.apply(&custom("asks-http"))?;
    answers(world, "/asked/denied", 403)?;
    let denied = world.curl_details("/asked/denied")?.expect_status(403)?;
    expect_equal("the authoriser's own words", denied.body.as_str(), "denied")?;
    expect(saw(doorman)?.iter().any(|asked| asked["target"] == "/checks/asked/denied"), || {
        "the doorman was not asked by prefix and path".to_owned()
    })?;
    world.curl_details("/unasked")?.expect_status(200)?;
    doorman.terminate()?;
    // Who cannot be asked has not said yes.
    world.curl_details("/asked/nobody-there")?.expect_status(403)?;
    let line = world.details.access_line("/asked/nobody-there")?;
    expect(line.contains("ext_authz_error") && line.contains("UAEX"), || format!("the log does not say why: {line}"))
}

pub fn what_is_written_down_or_tried_out_turns_nobody_away(world: &mut World) -> Result<()> {
    let shadows = |world: &World| -> Result<u64> {
        let statistics = world.details.admin("/stats?filter=shadow_denied")?.expect_status(200)?;
        let values = statistics.body.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok());
        Ok(values.sum())
    };
    world.lab.apply(TRIED)?;
    let judged = wait::until_true("the policy that is tried out to be counted", SHOWS, || {
        world.curl_details("/tried")?.expect_status(200)?;
        Ok(shadows(world)? > 0)
    })
    .and_then(|()| {
        let before = shadows(world)?;
        world.curl_details("/elsewhere")?.expect_status(200)?;
        expect_equal("what no policy names", shadows(world)?, before)?;
        world.curl_details("/written-down")?.expect_status(200).map(drop)
    });
    world.lab.kube.delete(TRIED)?;
    judged
}

pub fn a_policy_that_changes_judges_every_request(world: &mut World) -> Result<()> {
    world.lab.apply(&allows("/one"))?;
    let judged = answers(world, "/neither", 403).and_then(|()| under_load(world));
    world.lab.kube.delete(&allows("/one"))?;
    answers(world, "/neither", 200)?;
    judged
}

/// Both policies allow `/both` and deny `/neither`; whoever is judged by none of them shows at one of the two.
fn under_load(world: &World) -> Result<()> {
    let (program, host) = (world.lab.tools().path("app")?.to_owned(), &world.ratings.host);
    let begin = |name: &str, path: &str, status: &str| {
        let arguments =
            ["load", "127.0.0.2:9080", "details.bookinfo:9080", path, "--connections", "2", "--status", status];
        start_app(&program, host, world.lab.folder(), name, &arguments)
    };
    let mut loads = [begin("allowed-load", "/both", "200")?, begin("denied-load", "/neither", "403")?];
    for change in 0..CHANGES {
        let (path, other) = if change % 2 == 0 { ("/two", "/one") } else { ("/one", "/two") };
        world.lab.apply(&allows(path))?;
        answers(world, path, 200)?;
        world.curl_details(other)?.expect_status(403)?;
    }
    for load in &mut loads {
        load.terminate()?;
        let tally = saw(load)?.pop().ok_or("the load said nothing")?;
        expect(tally["failures"] == 0 && tally["good"].as_u64() > Some(100), || format!("under changes: {tally}"))?;
    }
    Ok(())
}

/// Starts one outside of the mesh.
fn authorizer(world: &World, name: &str, mode: &str, port: u16) -> Result<Process> {
    let program = world.lab.tools().path("app")?;
    let address = format!("{}:{port}", world.outsider.address);
    start_app(program, &world.outsider, world.lab.folder(), name, &["service", name, &address, "--mode", mode])
}

fn answers(world: &World, path: &str, status: u16) -> Result<()> {
    wait::until_true(&format!("{path} to be answered {status}"), SHOWS + Duration::from_secs(10), || {
        Ok(world.curl_details(path)?.status == status)
    })
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: {name}\n  namespace: bookinfo\n\
         spec:\n  selector:\n    matchLabels:\n      app: details\n{spec}"
    )
}

fn custom(provider: &str) -> String {
    let rules = "  rules:\n  - to:\n    - operation:\n        paths: [\"/asked/*\"]\n";
    policy("asked", &format!("  action: CUSTOM\n  provider:\n    name: {provider}\n{rules}"))
}

fn allows(path: &str) -> String {
    let operation = format!("    - operation:\n        paths: [\"/both\", \"{path}\"]\n");
    policy("changing", &format!("  action: ALLOW\n  rules:\n  - to:\n{operation}"))
}

/// One host by two ports, as `extensionProviders` of the mesh configuration name it. Ports are those of the Sidecar's listeners.
const AUTHORIZERS: &str = r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: authorizers
  namespace: bookinfo
spec:
  hosts:
  - authorizer.example
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints:
  - address: 10.77.0.9
    ports:
      grpc: 9000
      http: 9001
  ports:
  - name: grpc
    number: 9080
    protocol: GRPC
  - name: http
    number: 80
    protocol: HTTP
"#;

const TRIED: &str = r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: tried
  namespace: bookinfo
  annotations:
    istio.io/dry-run: "true"
spec:
  selector:
    matchLabels:
      app: details
  action: DENY
  rules:
  - to:
    - operation:
        paths: ["/tried"]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: written-down
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: details
  action: AUDIT
  rules:
  - to:
    - operation:
        paths: ["/written-down"]
"#;
