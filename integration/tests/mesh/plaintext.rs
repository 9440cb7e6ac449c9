//! A caller without a sidecar: PERMISSIVE lets it in, STRICT does not.

use outrigger_integration::lab::curl::{Reply, curl};
use outrigger_integration::lab::{Result, wait};

use super::basics::{expect_matches, headers, seen};
use super::world::{SHOWS, World, expect, expect_equal};

const STRICT: &str = "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: bookinfo
spec:
  mtls:
    mode: STRICT
";

pub fn permissive_takes_plaintext(world: &mut World) -> Result<()> {
    let reply = from_outside(world, "/plaintext")?.expect_status(200)?;
    expect_equal("server", reply.header("server")?, "istio-envoy")?;
    let wanted = [
        "content-type",
        "content-length",
        "date",
        "x-envoy-upstream-service-time",
        "server",
        "x-envoy-decorator-operation",
    ];
    expect_equal("headers in order", reply.header_names(), wanted.to_vec())?;
    let request = seen(world, "/plaintext")?;
    expect(!headers(&request).iter().any(|(name, _)| *name == "x-forwarded-client-cert"), || {
        format!("no identity was proven, yet one is told: {request}")
    })?;
    let line = world.details.access_line("/plaintext")?;
    let (host, outsider) = (world.details.host.address, world.outsider.address);
    let wanted = format!(
        r#".*"GET /plaintext HTTP/1.1" 200 - via_upstream - "-" .* inbound\|9080\|\| 127.0.0.1:[0-9]+ {host}:9080 {outsider}:[0-9]+ - default"#
    );
    expect_matches("the log line", &line, &wanted)
}

pub fn strict_refuses_plaintext(world: &mut World) -> Result<()> {
    world.lab.apply(STRICT)?;
    let refused = wait::until_true("STRICT to refuse plaintext", SHOWS, || {
        let reply = from_outside(world, "/strict")?;
        Ok(reply.status == 0 && reply.exit != 0 && reply.exit != 28)
    });
    let mutual = world.curl_details("/strict-mutual").and_then(|reply| reply.expect_status(200));
    world.lab.kube.delete(STRICT)?;
    wait::until_true("PERMISSIVE to be back", SHOWS, || Ok(from_outside(world, "/back")?.status == 200))?;
    refused?;
    mutual.map(drop)
}

fn from_outside(world: &World, path: &str) -> Result<Reply> {
    curl(&world.outsider, &[&format!("http://{}:9080{path}", world.details.host.address)])
}
