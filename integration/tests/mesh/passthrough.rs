//! Services that are not HTTP: raw TCP, and TLS that the application itself ends (told apart by SNI).

use outrigger_integration::lab::curl::Reply;
use outrigger_integration::lab::{Result, wait};

use super::basics::expect_matches;
use super::world::{BOOKINFO, SHOWS, World, expect, expect_equal, talk};

const OBJECTS: &str = include_str!("../../objects/tcp-and-tls.yaml");
const VAULT: &str = "vault.bookinfo.svc.cluster.local";
const GREETING: &str = "220 ledger speaks first\r\n";

/// A server that speaks first, through both sidecars, both ways and to the clean end.
pub fn tcp_service(world: &mut World) -> Result<()> {
    world.lab.apply(OBJECTS)?;
    world.details.start_app("ledger", &["echo", "ledger", "127.0.0.1:7070", "--greeting", GREETING])?;
    let talk = || talk(world, "127.0.0.2:7070", &["say=credit 1 debit 2"]);
    wait::until_true("the TCP service to answer", SHOWS, || Ok(talk()?.starts_with(GREETING)))?;
    expect_equal("what came back", talk()?, format!("{GREETING}credit 1 debit 2"))?;
    let (client, server) = (world.ratings.host.address, world.details.host.address);
    // Connections that were refused before the server's listener was there have no address of ours.
    let line = world.ratings.access_line(&format!("outbound|7070||ledger.bookinfo.svc.cluster.local {client}:"))?;
    let wanted = format!(
        r#".* "- - -" 0 - .* "{server}:7070" outbound\|7070\|\|ledger.bookinfo.svc.cluster.local {client}:[0-9]+ 127.0.0.2:7070 127.0.0.1:[0-9]+ - -"#
    );
    expect_matches("the client's line", &line, &wanted)?;
    denied_connections_are_closed(world)?;
    let line = world.details.access_line("inbound|7070||")?;
    let wanted = format!(
        r#".* "- - -" 0 - .* "127.0.0.1:7070" inbound\|7070\|\| 127.0.0.1:[0-9]+ {server}:7070 {client}:[0-9]+ .*"#
    );
    expect_matches("the server's line", &line, &wanted)
}

/// Rules of TCP: a port, and who connects.
fn denied_connections_are_closed(world: &World) -> Result<()> {
    let talk = || talk(world, "127.0.0.2:7070", &["say=credit 1"]);
    world.lab.apply(NO_LEDGER)?;
    let denied = wait::until_true("connections to be closed", SHOWS, || Ok(!talk()?.contains("credit")));
    world.lab.kube.delete(NO_LEDGER)?;
    wait::until_true("connections to be taken again", SHOWS, || Ok(talk()?.contains("credit 1")))?;
    denied
}

const NO_LEDGER: &str = r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: no-ledger
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: details
  action: DENY
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/bookinfo/sa/bookinfo-ratings"]
    to:
    - operation:
        ports: ["7070"]
"#;

/// The certificate that the client sees is the application's own; a name that nobody serves gets no connection.
pub fn tls_passthrough_by_sni(world: &mut World) -> Result<()> {
    world.lab.apply(OBJECTS)?;
    let certificate = world.lab.folder().join("vault.pem").display().to_string();
    world.details.start_app("vault", &["tls", "vault", "127.0.0.1:8443", "--certificate", &certificate, VAULT])?;
    let get = |name: &str| -> Result<Reply> {
        let resolve = format!("{name}:443:127.0.0.2");
        world.curl(&["--cacert", &certificate, "--resolve", &resolve, &format!("https://{name}/secret")])
    };
    wait::until_true("the TLS service to answer", SHOWS, || Ok(get(VAULT)?.status == 200))?;
    let saw = world.details.app_saw("vault")?;
    expect(
        saw.iter().any(|request| request["target"].as_str().is_some_and(|target| target.ends_with("/secret"))),
        || format!("the application behind TLS saw {saw:?}"),
    )?;
    let line = world.ratings.access_line("outbound|443||vault")?;
    expect(line.contains(&format!(" {VAULT} -")), || format!("the log line tells the SNI: {line}"))?;
    let reply = get("stranger.bookinfo.svc.cluster.local")?;
    expect(reply.status == 0 && reply.exit != 0, || format!("a name that nobody serves: {reply:?}"))?;
    world.lab.kube.delete(&services_only()?)?;
    world.lab.apply(BOOKINFO)?;
    wait::until_true("the extra listeners to be gone", SHOWS, || {
        Ok(!world
            .ratings
            .host
            .listening()?
            .iter()
            .any(|address| address.ends_with(":7070") && !address.starts_with("127.0.0.1")))
    })
}

/// The objects of this test without the Sidecar, which goes back to what it was.
fn services_only() -> Result<String> {
    let objects = outrigger_integration::lab::objects::parse(OBJECTS)?;
    let texts = objects.into_iter().filter(|object| object.kind != "Sidecar").map(|object| object.text);
    Ok(texts.collect::<Vec<_>>().join("---\n"))
}
