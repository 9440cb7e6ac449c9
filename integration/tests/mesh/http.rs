//! HTTP beyond a plain GET: bodies, interim responses, upgrades, HTTP/2 from the application.

use outrigger_integration::lab::Result;
use outrigger_integration::lab::curl::Reply;

use super::basics::seen;
use super::world::{World, expect, expect_equal, talk};

const URL: &str = "http://details.bookinfo:9080";
const RESOLVE: [&str; 2] = ["--resolve", "details.bookinfo:9080:127.0.0.2"];

/// More than any buffer on the way.
const LARGE: usize = 5_000_000;

pub fn large_bodies_both_ways(world: &mut World) -> Result<()> {
    let reply = details(world, &[], &format!("/bytes/{LARGE}"))?.expect_status(200)?;
    expect_equal("length that came", reply.body.len(), LARGE)?;
    let file = world.lab.folder().join("large");
    std::fs::write(&file, vec![b'y'; LARGE])?;
    let upload = format!("@{}", file.display());
    let framings: [(&str, &[&str]); 2] = [
        ("length", &["--header", "expect:"]),
        ("chunked", &["--header", "expect:", "--header", "transfer-encoding: chunked"]),
    ];
    for (name, framing) in framings {
        let target = format!("/upload-{name}");
        let mut arguments = vec!["--data-binary", &upload];
        arguments.extend(framing);
        details(world, &arguments, &target)?.expect_status(200)?;
        let request = seen(world, &target)?;
        expect_equal("length that arrived", request["body_bytes"].as_u64(), Some(LARGE as u64))?;
    }
    Ok(())
}

/// curl waits a second for the interim response; with it the exchange is one that no client notices.
pub fn expect_continue_is_relayed(world: &mut World) -> Result<()> {
    let arguments = ["--verbose", "--header", "expect: 100-continue", "--expect100-timeout", "8", "--data", "small"];
    let reply = details(world, &arguments, "/expect")?.expect_status(200)?;
    expect(reply.complaint.contains("< HTTP/1.1 100 Continue"), || format!("no 100 came: {}", reply.complaint))?;
    expect_equal("body", seen(world, "/expect")?["body_bytes"].as_u64(), Some(5))
}

pub fn head_has_no_body(world: &mut World) -> Result<()> {
    let reply = details(world, &["--head"], "/details/0")?.expect_status(200)?;
    expect_equal("content-length", reply.header("content-length")?, "515")?;
    expect_equal("body", reply.body.as_str(), "")
}

pub fn websocket_upgrade(world: &mut World) -> Result<()> {
    let request = "say=GET /socket HTTP/1.1\r\nhost: details.bookinfo:9080\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // The echo is heard before the end is sent: Envoy takes the end of the client's direction for the end of both.
    let script = [request, "hear=\r\n\r\n", "say=frames and frames", "hear=frames and frames"];
    let answer = talk(world, "127.0.0.2:9080", &script)?;
    let (head, rest) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no head in {answer:?}"))?;
    expect(head.starts_with("HTTP/1.1 101 "), || head.to_owned())?;
    let head = head.to_ascii_lowercase();
    for header in ["upgrade: websocket", "connection: upgrade"] {
        expect(head.lines().any(|line| line == header), || format!("no {header} in {head}"))?;
    }
    expect_equal("what came back on the upgraded stream", rest, "frames and frames")
}

/// A body that nobody wants any more is not waited for; CONNECT, which no route takes, is never complete.
pub fn reply_before_the_request_is_complete_closes(world: &mut World) -> Result<()> {
    let partial = "say=POST /unknown HTTP/1.1\r\nhost: nobody\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = talk(world, "127.0.0.2:9080", &[partial, "hear=no healthy upstream"])?;
    expect_head(&answer, "HTTP/1.1 503 Service Unavailable", &["connection: close"])?;
    let connect = "say=CONNECT nobody:443 HTTP/1.1\r\nhost: nobody:443\r\n\r\n";
    let answer = talk(world, "127.0.0.2:9080", &[connect, "hear=\r\n\r\n"])?;
    expect_head(&answer, "HTTP/1.1 404 Not Found", &["connection: close"])
}

/// Nonsense on the application's side is answered in words, and the listener goes on.
pub fn bad_requests_are_answered(world: &mut World) -> Result<()> {
    let cases = [
        ("say=GET /x HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("say=GET /x HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("say=nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (
            "say=POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 400 Bad Request",
        ),
    ];
    for (request, status) in cases {
        let answer = talk(world, "127.0.0.2:9080", &[request, "hear=\r\n\r\n"])?;
        expect_head(&answer, status, &["connection: close"]).map_err(|error| format!("{request:?}: {error}"))?;
    }
    world.curl_details("/after-nonsense")?.expect_status(200).map(drop)
}

fn expect_head(answer: &str, status: &str, headers: &[&str]) -> Result<()> {
    let head = answer.split_once("\r\n\r\n").map_or(answer, |(head, _)| head);
    expect(head.starts_with(status), || format!("expected {status}, got {head}"))?;
    let has = |header: &&&str| !head.lines().any(|line| line == **header);
    let missing: Vec<_> = headers.iter().filter(has).collect();
    expect(missing.is_empty(), || format!("{missing:?} missing in {head}"))
}

pub fn http2_client_without_tls(world: &mut World) -> Result<()> {
    let reply = details(world, &["--http2-prior-knowledge"], "/details/0?from=h2c")?.expect_status(200)?;
    expect_equal("status line", reply.status_line.as_str(), "HTTP/2 200")?;
    expect_equal("server", reply.header("server")?, "envoy")?;
    expect_equal("body length", reply.body.len(), 515)?;
    let line = world.ratings.access_line("from=h2c")?;
    expect(line.contains("\"GET /details/0?from=h2c HTTP/2\" 200"), || line.clone())
}

pub fn status_and_headers_of_the_application_pass(world: &mut World) -> Result<()> {
    for status in [204, 302, 404, 418, 500, 503] {
        let reply =
            details(world, &["--header", "X-Custom: Kept"], &format!("/status/{status}"))?.expect_status(status)?;
        expect_equal("server", reply.header("server")?, "envoy")?;
    }
    let request = seen(world, "/status/418")?;
    expect(super::basics::headers(&request).contains(&("x-custom", "Kept")), || request.to_string())
}

fn details(world: &World, arguments: &[&str], path: &str) -> Result<Reply> {
    let url = format!("{URL}{path}");
    let mut all = RESOLVE.to_vec();
    all.extend(arguments);
    all.push(&url);
    world.curl(&all)
}
